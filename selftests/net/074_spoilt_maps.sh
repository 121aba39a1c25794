#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 300
# Pinned maps of a wrong layout or type, missing, or full of random bytes: cold, said loudly, nothing wrong is read,
# and translated connections go on unless their own table is what was lost. SPOIL_ALL=1 for every case.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
write_config
STEP_TIME=280 python <<'END'
from storm import *
from spoil import *

rng = random.Random(74)
UNIT = "connections and entries start cold"

def random_in(*maps):
	def fn():
		n = sum(garbage(m, rng) for m in maps)
		expect(n > 0, "%s: nothing to spoil" % (maps,))
	return fn

# what is done; what the daemon must say; do old connections, with their translation, survive?
CASES = (
	("random entries", random_in("entries_s"), "map entries_s starts cold", True),
	("random slots", random_in("slots"), UNIT, True),
	("random service words", random_in("authorities"), UNIT, True),
	("random flows", random_in("flows"), UNIT, True),
	("random buffers", random_in("replays", "assemblies"), UNIT, True),
	("random services", random_in("services"), "map services starts cold", True),
	("random interfaces", random_in("interfaces"), "map interfaces starts cold", True),
	("no words", lambda: missing("authorities"), UNIT, True),
	("no settings", lambda: missing("settings"), UNIT, True),
	("settings of another type", lambda: other("settings"), UNIT, True),
	("interfaces of another type", lambda: other("interfaces"), "map interfaces starts cold", True),
	("slots of another size", lambda: like("slots", entries=4096), UNIT, True),
	("flows with other flags", lambda: like("flows", flags=0), UNIT, True),
	("values of another size", lambda: like("ttls", value=24), "map ttls starts cold", True),
	("random connections", random_in("connections"), UNIT, False),
	("random settings", random_in("settings"), UNIT, False),
	("random everything", lambda: random_in(*names())(), UNIT, False),
)

def translated(n):
	"""A connection with forged replies behind it, and a key whose value is kept."""
	c = Redis("cd"[n % 2], (R4, R6)[n // 2 % 2])
	same(c.cmd("SET", "k", "before %d" % n), "OK", "SET")
	warm("redis", lambda: c.get("k"), tries=100)
	return c

SHORT = ("random slots", "random services", "no settings", "flows with other flags", "random everything")
d = Daemon()
d.must_be_ready()
ttl = Memcached("c")
for n, (what, spoil, said, survive) in enumerate(CASES):
	if what not in SHORT and not os.environ.get("SPOIL_ALL"):
		continue
	same(ttl.store("set", "t", b"x", exptime=100), "STORED", "set with a time to live")
	old = [translated(n) for _ in range(4)]
	d.kill()
	spoil()
	fresh = Redis("d")
	same(fresh.cmd("SET", "k", "after %d" % n), "OK", "%s: SET without a daemon" % what)
	d = Daemon()
	d.must_be_ready()
	st = status()
	expect(st["state"] == "degraded" and any(said in p for p in st["problems"]), "%s: status says %s" % (what, st["problems"]))
	expect(said in d.said(), "%s: the log says nothing of it" % what)
	sides = {i["name"]: i["side"] for i in st["interfaces"]}
	same(sides, {"vc": "client", "vd": "client", "vr": "home", "vm": "home"}, "%s: interfaces" % what)
	want = b"after %d" % n
	r = Redis("c")
	same(r.get("k"), want, "%s: GET" % what)
	if survive:
		for c in old:
			same(c.get("k"), want, "%s: GET on a translated connection" % what)
			same(c.cmd("SET", "own", what), "OK", "%s: SET on a translated connection" % what)
			same(r.get("own"), what.encode(), "%s: GET of what it wrote" % what)
	for c in old:
		c.close()
	# hits come back, and follow writes
	for i in range(30):
		v = b"%d/%d" % (n, i)
		same((r, fresh)[i % 2].cmd("SET", "k", v), "OK", "SET")
		for c in r, fresh, r, fresh:
			same(c.get("k"), v, "%s: GET after SET" % what)
	new = Redis("c")
	same(warm("redis", lambda: new.get("k"), tries=100), v, "%s: GET" % what)
	# what was taken cold is whole again
	d.kill(signal.SIGTERM)
	d = Daemon()
	d.must_be_ready()
	same([p for p in status()["problems"] if "cold" in p], [], "%s: problems of the daemon after it" % what)
	if what.startswith("random") and not survive:
		ttl = Memcached("c")
END
finish
