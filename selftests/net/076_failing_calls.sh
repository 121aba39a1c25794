#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 300
# panditd's own allocations and system calls fail, one after the other: it says why, or goes on; nothing is half done,
# no client notices. An abort() costs clients nothing either. FAIL_EVERY=n tries each nth call of a start, all of them by 1.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
net_link e vx 10.0.3 fd00:0:3 || fail "network: vx"
write_config
pool_servers
${CC:-gcc} -O1 -shared -fPIC -o "$RUN/failing.so" "$HERE/failing.c" -ldl || fail "failing.c does not compile"
truncate -s 4096 "$RUN/failing"

STEP_TIME=2500 python <<'END'
from storm import *
import mmap

control = mmap.mmap(os.open(RUN + "/failing", os.O_RDWR), 4096)
ENV = dict(os.environ, LD_PRELOAD=RUN + "/failing.so", PD_FAILING=RUN + "/failing")
KINDS = {"memory": 1, "bpf": 2, "system": 4}

def arm(kinds, at):
	control[:16] = struct.pack("=IIII", kinds, at, 0, 0)

def counted():
	return struct.unpack("=IIII", control[:16])[2:]

def one_line(d, what):
	"""It ended by itself and said why."""
	code = d.p.wait(30)
	said = d.said()
	# 2: while it read its configuration
	expect(code in (1, 2), "%s: exit %d: %r" % (what, code, said[-300:]))
	expect(said.strip() and len(said.splitlines()[-1]) > 20, "%s: it said %r" % (what, said[-300:]))
	print("%s: %s" % (what, said.splitlines()[-1]))

def next_is_good(what):
	arm(0, 0)
	d = Daemon()
	d.must_be_ready()
	# a start that could not see its hooks takes the connections for older ones: slow, and never wrong
	bad = [p for p in status()["problems"] if "extra" not in p and "classified" not in p]
	expect(not bad, "%s: problems of the next daemon: %s" % (what, bad))
	return d

d = Daemon()
d.must_be_ready()
pool = Pool(20)
d.kill()

# a start, adopting and attaching: it fails in words, or it is ready
tried = {}
for name, kind in KINDS.items():
	arm(kind, 0)
	d = Daemon(env=ENV)
	d.must_be_ready()
	d.kill()
	total = counted()[0]
	expect(total > 20, "%d calls of kind %s are counted in a start: proves nothing" % (total, name))
	step = int(os.environ.get("FAIL_EVERY", 0)) or max(1, total // 4)
	for at in range(1, total + 1, step):
		what = "call %d of %d (%s) of a start" % (at, total, name)
		arm(kind, at)
		d = Daemon(env=ENV)
		ready = d.ready()
		if ready:
			d.kill()
		else:
			one_line(d, what)
		tried[name, ready] = tried.get((name, ready), 0) + 1
		pool.check()
	next_is_good(name).kill()

# what operators ask for: an error and no effect, or done
VERBS = (("attach", "vx"), ("detach", "vx"), ("flush", "redis"), ("ls", "redis"), ("stats",), ("status",),
         ("add", "--name", "extra", "--protocol", "memcached", "--address", "%s:%d" % (M4, MPORT + 2)),
         ("rm", "extra"), ("SIGHUP",), ("sweep",))
arm(0, 0)
d = Daemon(env=ENV)
d.must_be_ready()
for verb_words in VERBS:
	for kind in KINDS.values():
		for at in (1, 3, 8, 13):
			arm(kind, at)
			if verb_words[0] == "SIGHUP":
				os.kill(d.p.pid, signal.SIGHUP)
				time.sleep(0.1)
			elif verb_words[0] == "sweep":
				time.sleep(1.1 if at == 1 else 0.02)
			else:
				code, out = ctl(*verb_words)
				expect(code in (0, 1, 3), "%s: exit %d: %s" % (verb_words, code, out))
				expect(code != 1 or out.strip(), "%s failed without a word" % (verb_words,))
			fired = counted()[1]
			arm(0, 0)
			time.sleep(0.02)
			# without memory for a call its server gives up in the way of gRPC: by abort()
			expect(d.p.poll() in (None, -signal.SIGABRT) and (kind == 1 or d.p.poll() is None),
			       "panditd ended with %s at call %d of kind %d of %s: %s" %
			       (d.p.poll(), at, kind, verb_words, d.said()[-300:]))
			if d.p.poll() is not None:
				d = Daemon(env=ENV)
				d.must_be_ready()
				tried["abort", True] = tried.get(("abort", True), 0) + 1
			tried["verb", bool(fired)] = tried.get(("verb", bool(fired)), 0) + 1
			if not fired:
				break
		pool.check()
d.kill(signal.SIGTERM)
d = next_is_good("verbs")

# abort(), as gRPC does when it gets no memory
before = pool.rounds
same(d.kill(signal.SIGABRT), -signal.SIGABRT, "exit after SIGABRT")
time.sleep(0.5)
expect(pool.rounds > before, "the pool stands still")
d = next_is_good("abort")
pool.stop(100)
print(tried)
expect(tried.get(("verb", True), 0) > 20 and sum(n for (_, ready), n in tried.items() if not ready) > 5,
       "too few calls failed: %s" % tried)
END
finish
