#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A time to live set over the wire ends an entry before max_age does.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
w, r = Redis("d", R6), Redis("c")
before = hits("redis")
for set_it, ttl in (
		([("SET", "k", "v", "EX", 1)], 1), ([("SET", "k", "v", "PX", 300)], 0.3),
		([("SETEX", "k", 1, "v")], 1), ([("PSETEX", "k", 300, "v")], 0.3),
		([("SET", "k", "v"), ("EXPIRE", "k", 1)], 1), ([("SET", "k", "v"), ("PEXPIRE", "k", 300)], 0.3),
		([("SET", "k", "v"), ("PEXPIREAT", "k", int(time.time() * 1000) + 700)], 0.7),
		([("SET", "k", "v"), ("GETEX", "k", "PX", 300)], 0.3)):
	what = " ".join(str(x) for x in set_it[-1])
	if set_it[-1][0] == "PEXPIREAT":
		set_it[-1] = ("PEXPIREAT", "k", int(time.time() * 1000) + 700)
	start = time.monotonic()
	for command in set_it:
		expect(not isinstance(w.cmd(*command), RedisError), what)
	end = time.monotonic()
	while time.monotonic() < start + ttl - 0.1:
		same(r.get("k"), b"v", "GET soon after " + what)
		time.sleep(0.02)
	while time.monotonic() < end + ttl + 0.02:
		r.get("k")
	same(r.get("k"), None, "GET after %g s of %s" % (ttl, what))
expect(PLAIN or hits("redis") - before > 50, "too few reads answered in the kernel: proves nothing")

# PERSIST takes it away again
w.cmd("SET", "p", "v", "PX", 300)
r.get("p")
w.cmd("PERSIST", "p")
time.sleep(0.4)
same(r.get("p"), b"v", "GET after PERSIST")

# behind more requests than are followed one by one, and on a connection that gets replies unasked
def deep(c, key):
	c.send(resp("GET", "z") * 60 + resp("SET", key, "v", "PX", 300))
	for _ in range(61):
		c.reply()

def pushed(c, key):
	c.cmd("HELLO", 3)
	c.cmd("SUBSCRIBE", "nobody")
	same(c.cmd("SET", key, "v", "PX", 300), "OK", "SET of a subscriber")

for key, write in ("deep", deep), ("pushed", pushed):
	write(Redis("d"), key)
	end = time.monotonic() + 0.3
	while time.monotonic() < end + 0.05:
		r.get(key)
	same(r.get(key), None, "GET of the key written %s" % key)

m, rm = Memcached("d"), Memcached("c")
m.set("k", b"v", exptime=2)
end = time.monotonic() + 2
while time.monotonic() < end + 0.25:
	rm.get("k")
same(rm.get("k"), None, "get after exptime")
m.set("k", b"v")
rm.get("k")
same(m.ask("touch k 2"), "TOUCHED", "touch")
end = time.monotonic() + 2
while time.monotonic() < end + 0.25:
	rm.get("k")
same(rm.get("k"), None, "get after the touched time")

# a flush to come: by a delay, and at a time of day
for when in (2, int(time.time()) + 5):
	m.set("k", b"v")
	warm("memcached", lambda: rm.get("k"))
	same(m.ask("flush_all %d" % when), "OK", "flush_all")
	end = time.monotonic() + (when if when < 100 else when - time.time()) + 1.1
	while time.monotonic() < end:
		rm.get("k")
	same(rm.get("k"), None, "get after flush_all %d" % when)
	m.ask("flush_all 0")
	time.sleep(0.1)
END
finish
