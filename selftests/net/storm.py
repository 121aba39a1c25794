# SPDX-License-Identifier: Apache-2.0
"""panditd killed again and again, at points chosen by a seed, while clients are
watched: the oracle, and a pool of connections that stays open all the time.

The caller has started panditd once, has made the network e (vx), which carries
no client, and gives the number of kills.
"""
import random
import re
import signal
import threading

from pdnet import *

# hits are counted by the kernel, daemon or not: counter 0 of each service's 32
COUNT = ("bpftool -j map dump pinned %s/v1/maps/counters | "
         "jq '[.[].formatted | select(.key %% 32 == 0) | .values[].value] | add'" % os.environ["PINS"])


class Pool:
    """Connections of both clients and families, each with a key of its own: what was acknowledged
    last is what is read, by this connection and by others. To servers that the oracle does not
    empty: see pool_servers in scenario.sh."""

    def __init__(self, n, name="pool"):
        self.name = name + "%d"
        self.conns = [Redis("cd"[i % 2], (R4, R6)[i // 2 % 2], RPORT + 1) for i in range(n)]
        self.mc = [Memcached("cd"[i % 2], (M4, M6)[i // 2 % 2], MPORT + 1) for i in range(4)]
        self.written = [0] * n
        self.rounds, self.stopped, self.why = 0, False, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def once(self, rng):
        i = rng.randrange(len(self.conns))
        if rng.random() < 0.2:
            self.written[i] += 1
            same(self.conns[i].cmd("SET", self.name % i, self.written[i]), "OK", "SET by connection %d" % i)
            m = self.mc[i % 4]
            same(m.set(self.name % i, b"%d" % self.written[i]), "STORED", "set by connection %d" % i)
        want = b"%d" % self.written[i] if self.written[i] else None
        j = rng.randrange(len(self.conns))
        for c in self.conns[i], self.conns[j], self.mc[i % 4], self.mc[j % 4]:
            same(c.get(self.name % i), want, "GET of what connection %d wrote" % i)

    def run(self):
        rng = random.Random(7)
        try:
            while not self.stopped:
                self.once(rng)
                self.rounds += 1
                time.sleep(0.001)
        except Exception as e:  # pylint: disable=broad-except
            self.why = "the pool: %s: %s" % (type(e).__name__, e)

    def check(self):
        expect(not self.why, self.why)

    def stop(self, at_least):
        self.stopped = True
        self.thread.join(30)
        self.check()
        expect(not self.thread.is_alive(), "a connection of the pool hangs")
        expect(self.rounds >= at_least, "the pool came to %d rounds only" % self.rounds)
        for c in self.conns:
            same(c.cmd("PING"), "PONG", "a connection of the pool at the end")


class Oracle:
    """The oracle, again and again until stop(). Everything it finds ends the scenario."""

    def __init__(self, ops=60000):
        self.args = ["bash", os.environ["HERE"] + "/act.sh", "oracle_counted", COUNT, "-n", str(ops),
                     "--share-a", "0", "--share-b", "0", "--max-lost", "0", "--time", "300"]
        self.stopped, self.why, self.runs, self.out = False, None, 0, ""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped and not self.why:
            p = subprocess.run(self.args + ["--seed", str(self.runs + 1)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
            self.out += p.stdout
            if p.returncode:
                self.why = "the oracle: " + " | ".join(
                    line for line in p.stdout.splitlines() if not line.startswith("phase"))[:600]
            self.runs += 1

    def check(self):
        expect(not self.why, self.why)

    def stop(self, share=50):
        """share: per cent of all reads that the kernel must have answered, or it proves nothing."""
        self.stopped = True
        self.thread.join(330)
        self.check()
        expect(self.runs > 0 and not self.thread.is_alive(), "the oracle does not end")
        found = re.findall(r"(\d+) reads, (\d+) answered in the kernel", self.out)
        reads, answered = (sum(int(f[i]) for f in found) for i in (0, 1))
        print("oracle: %d runs, %d reads, %d answered in the kernel" % (self.runs, reads, answered))
        expect(answered * 100 >= share * reads, "only %d of %d reads were answered in the kernel" %
               (answered, reads))


class Daemon:
    """panditd as a child of this process, so that its death is known at once."""
    ARGS = [os.environ["PD_BUILD"] + "/panditd", "-c", RUN + "/pandit.yaml"]

    def __init__(self, args=None, env=None):
        self.log = open(RUN + "/panditd.log", "wb")
        self.p = subprocess.Popen(args or self.ARGS, stdout=self.log, stderr=self.log,
                                  stdin=subprocess.DEVNULL, env=env)
        with open(RUN + "/panditd.pid", "w") as f:
            f.write("%d\n" % self.p.pid)

    def said(self):
        with open(RUN + "/panditd.log") as f:
            return f.read()

    def ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if "\npandit: ready" in "\n" + self.said():
                return True
            if self.p.poll() is not None:
                return False
            time.sleep(0.005)
        return False

    def must_be_ready(self):
        expect(self.ready(), "panditd does not start: exit %s: %s" %
               (self.p.poll(), " | ".join(self.said().splitlines()[-3:])))

    def kill(self, signum=signal.SIGKILL):
        self.p.send_signal(signum)
        status = self.p.wait(30)
        self.log.close()
        return status


def status():
    code, out = ctl("status", "--json")
    expect(code in (0, 3), "panditctl status: exit %d: %.200s" % (code, out))
    return json.loads(out)


def verb(rng):
    """Something for the daemon to be at when it dies. Returns the process, and what it is. Not
    `detach --all`: a time to live that is set while no home hook is there is not known, and the oracle
    would find what max_age alone ends."""
    words = rng.choice((
        ["attach", "vx"], ["attach", "vx"], ["detach", "vx"], ["detach", "vx"],
        ["detach", "vd"], ["flush", "redis"], ["ls", "redis"],
        ["add", "--name", "extra", "--protocol", "memcached", "--address", "%s:%d" % (M4, MPORT + 2)],
        ["rm", "extra"], ["status"], ["stats"]))
    return subprocess.Popen(CTL + words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), words


def looks_adopted(d, connections):
    """The daemon that is ready now has everything of those before it."""
    st = status()
    said = d.said()
    expect(" cold" not in said, "maps were taken cold: %s" % said.splitlines()[0])
    bad = [p for p in st["problems"] if "extra" not in p]
    expect(not bad, "problems: %s" % bad)
    expect(int(st["connections"]) >= connections, "%s connections, %d are open" %
           (st["connections"], connections))
    sides = {i["name"]: i["side"] for i in st["interfaces"]}
    for name, side in ("vc", "client"), ("vd", "client"), ("vr", "home"), ("vm", "home"):
        same(sides.get(name), side, "the side of %s" % name)
    return int(st["entries"])


def storm(kills, connections, seed, watchers):
    """Returns how often panditd died, by what it was at."""
    rng, died, took, entries, words = random.Random(seed), {}, 1.0, 0, []
    for n in range(1, kills + 1):
        at = rng.choice(("start",) * 6 + ("verb",) * 2 + ("reload", "sweep"))
        # what was being detached is answered again by the next daemon that is ready
        if at == "start" and "detach" in words:
            at = "verb"
        d = Daemon()
        begin, running = time.monotonic(), None
        if at == "start":
            # a little beyond the time of a start: attaching is at the end of it
            d.ready(rng.random() * 1.15 * took)
        else:
            d.must_be_ready()
            took = 0.8 * took + 0.2 * (time.monotonic() - begin)
            if at == "verb":
                running, words = verb(rng)
            elif at == "reload":
                d.p.send_signal(signal.SIGHUP)
            time.sleep(0.9 + rng.random() * 0.2 if at == "sweep" else rng.random() * 0.06)
        if n % 20 == 0:
            d.must_be_ready()
            entries = max(entries, looks_adopted(d, connections))
        print("%d: %s, from %.6f to %.6f" % (n, at, begin, time.monotonic()))
        d.kill()
        if running:
            running.wait(30)
        died[at] = died.get(at, 0) + 1
        for w in watchers:
            w.check()
    d = Daemon()
    d.must_be_ready()
    entries = max(entries, looks_adopted(d, connections))
    expect(entries > 50, "no more than %d entries were ever adopted" % entries)
    return d, died
