#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# panditctl observe: verdicts in order, filtered in the kernel, capped and counted; keys only when asked for.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
not_plain
python <<'END'
import threading


class Observer:
	"""panditctl observe --json under way."""

	def __init__(self, *args):
		self.p = subprocess.Popen(CTL + ["observe", "--json"] + list(args), stdout=subprocess.PIPE,
				stderr=subprocess.STDOUT, text=True)
		self.lines = []
		self.t = threading.Thread(target=self.read, daemon=True)
		self.t.start()

	def read(self):
		for line in self.p.stdout:
			self.lines.append(json.loads(line))

	def seen(self):
		return [x for x in self.lines if "verdict" in x]

	def dropped(self):
		return sum(x["dropped"] for x in self.lines if "dropped" in x)

	def until(self, cond, what):
		end = time.time() + 15
		while not cond():
			expect(time.time() < end, "%s: only %r" % (what, self.lines[-3:]))
			time.sleep(0.02)

	def started(self, poke):
		"""The first verdict shows that it looks: what poke() draws is left out."""
		end = time.time() + 15
		while not self.seen():
			expect(time.time() < end and self.p.poll() is None, "observe does not start: %r" % self.lines)
			poke()
			time.sleep(0.05)
		time.sleep(0.3)
		self.lines.clear()

	def stop(self):
		self.p.kill()
		self.p.wait()
		self.t.join()


r = Redis("c")
r.cmd("SET", "warm", "x")
warm("redis", lambda: r.get("warm"))

# a known sequence, at both hooks, in order
o = Observer("redis", "--keys", "--verdict", "all")
o.started(lambda: r.get("warm"))
r.cmd("SET", "user:1", "v")
same(r.get("user:1"), b"v", "GET")
same(r.get("user:1"), b"v", "GET again")
same(r.get("user:1"), b"v", "GET a third time")
r.cmd("SET", "user:1", "w")
same(r.get("user:1"), b"w", "GET after SET")
o.until(lambda: [x["verdict"] for x in o.seen()].count("home_read") >= 2, "two reads at home")
time.sleep(0.3)
verdicts = [x["verdict"] for x in o.seen() if x.get("key") == "user:1"]
kinds = [x["kind"] for x in o.seen() if x.get("key") == "user:1" and x["hook"] == "client request"]
o.stop()
want = ["home_write", "home_read", "hit", "hit", "home_write", "home_read"]
same([v for v in verdicts if v in set(want)], want, "verdicts of the sequence")
expect("MISS" in kinds[:kinds.index("HIT")] and "MISS" in kinds[kinds.index("HIT"):], "misses: %r" % kinds)
hit = [x for x in o.seen() if x["verdict"] == "hit"][-1]
same((hit["service"], hit["transport"], hit["server"], hit["hook"]), ("redis", "tcp", "%s:%d" % (R4, RPORT),
	"client request"), "a hit")
expect(hit["client"].startswith("10.0.1.2:") and hit["file"].startswith("kern/") and hit["line"] > 0, "%r" % hit)
expect("GET" not in json.dumps(hit["text"]) and len(hit["key_hash"]) == 16, "%r" % hit)
source = open(os.environ["PD_ROOT"] + "/" + hit["file"]).read().splitlines()
expect("pd_verdict" in source[hit["line"] - 1], "%s:%d gives no verdict" % (hit["file"], hit["line"]))

# no key without --keys, in no form
o = Observer("redis")
o.started(lambda: r.get("warm"))
r.cmd("SET", "secret:7", "hidden")
r.get("secret:7")
o.until(lambda: len(o.seen()) >= 4, "verdicts")
o.stop()
text = json.dumps(o.lines)
expect("secret" not in text and "hidden" not in text and '"key"' not in text, "a key is shown: %.300s" % text)
expect(any(x["key_hash"] for x in o.seen()), "no hash of a key")

# filters: key prefix, kind, service
o = Observer("--keys", "--prefix", "in:", "--verdict", "hit", "--verdict", "miss")
for k in "in:1", "in:22", "out:1", "in", "inn":
	r.cmd("SET", k, "v")
o.started(lambda: r.get("in:1"))
for _ in range(5):
	for k in "in:1", "in:22", "out:1", "in", "inn":
		r.get(k)
m = Memcached("c")
m.set("in:1", b"v")
for _ in range(5): # what is decided before the request is read has no key
	m.get("in:1")
o.until(lambda: any(x["service"] == "memcached" for x in o.seen()), "memcached")
o.stop()
same({x["key"] for x in o.seen()}, {"in:1", "in:22"}, "keys behind the prefix")
same({x["kind"] for x in o.seen()} - {"HIT", "MISS"}, set(), "kinds")
same(sum(x["kind"] == "HIT" and x["key"] == "in:22" for x in o.seen()) >= 3, True, "hits of in:22")
same(o.dropped(), 0, "left out")

# the cap, and what it left out: every hit is shown or counted
o = Observer("redis", "--verdict", "hit", "--rate", "50")
o.started(lambda: r.get("warm"))
before, shown = hits("redis"), o.dropped()
for _ in range(3000):
	r.get("warm")
given = hits("redis") - before
expect(given > 2000, "only %d hits: proves nothing" % given)
o.until(lambda: len(o.seen()) + o.dropped() - shown >= given, "all shown or counted")
o.stop()
expect(o.dropped() > 1000, "only %d left out" % o.dropped())
same(len(o.seen()) + o.dropped() - shown, given, "shown and left out")

# an end by count; and nobody looks any more
status, out = ctl("observe", "nothere")
same(status, 1, "an unknown service")
expect("no service 'nothere'" in out, out)
status, out = ctl("observe", "--verdict", "mis_cold", "--json")
expect(status == 1 and "did you mean 'miss_cold'" in json.loads(out)["error"]["message"], out)
p = subprocess.Popen(CTL + ["observe", "redis", "-n", "3", "--verdict", "hit"], stdout=subprocess.PIPE,
		stderr=subprocess.STDOUT, text=True)
end = time.time() + 15
while p.poll() is None and time.time() < end:
	r.get("warm")
	time.sleep(0.01)
same(p.wait(5), 0, "observe -n 3")
same(p.stdout.read().count(" hit "), 3, "lines of observe -n 3")
others = [Observer("redis") for _ in range(4)]
for x in others:
	x.started(lambda: r.get("warm"))
status, out = ctl("observe", "redis")
expect(status == 1 and "watch already" in out, out)
for x in others:
	x.stop()
END
grep -q 'secret\|user:1\|in:22' "$RUN/panditd.log" && fail "a key is in the log"
finish
