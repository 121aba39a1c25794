#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MULTI, WATCH, SUBSCRIBE, MONITOR, HELLO 3, CLIENT REPLY and CLIENT TRACKING keep their meaning on hot keys.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up
python <<'END'
w, r = Redis("d"), Redis("c")


def hot(conn=None):
	w.cmd("SET", "k", "v")
	for _ in range(4):
		same(r.get("k"), b"v", "GET")
		if conn:
			same(conn.get("k"), b"v", "GET")


for n in range(10):
	c = Redis("c")
	hot(c)
	same(c.cmd("MULTI"), "OK", "MULTI")
	same(c.get("k"), "QUEUED", "GET in MULTI")
	same(c.cmd("SET", "k", "w%d" % n), "QUEUED", "SET in MULTI")
	same(c.get("k"), "QUEUED", "GET in MULTI")
	same(r.get("k"), b"v", "GET elsewhere before EXEC")
	same(c.cmd("EXEC"), [b"v", "OK", b"w%d" % n], "EXEC")
	same(r.get("k"), b"w%d" % n, "GET elsewhere after EXEC")
	hot(c)
	c.cmd("MULTI")
	c.get("k")
	same(c.cmd("DISCARD"), "OK", "DISCARD")
	same(c.get("k"), b"v", "GET after DISCARD")
	c.cmd("MULTI")
	expect(isinstance(c.cmd("SET", "k"), RedisError), "a wrong command is queued")
	expect(isinstance(c.cmd("EXEC"), RedisError), "EXEC of a wrong command")
	same(c.get("k"), b"v", "GET after EXECABORT")
	# a watched key that another client writes
	same(c.cmd("WATCH", "k"), "OK", "WATCH")
	same(c.get("k"), b"v", "GET after WATCH")
	w.cmd("SET", "k", "x")
	c.cmd("MULTI")
	c.cmd("SET", "k", "lost")
	same(c.cmd("EXEC"), None, "EXEC although the watched key changed")
	same(c.get("k"), b"x", "GET after EXEC that did nothing")
	c.close()

c = Redis("c")
hot(c)
same(c.cmd("SUBSCRIBE", "ch"), [b"subscribe", b"ch", 1], "SUBSCRIBE")
x = c.get("k")
expect(isinstance(x, RedisError), "GET of a subscriber gives %r" % x)
w.cmd("PUBLISH", "ch", "hello")
same(c.reply(), [b"message", b"ch", b"hello"], "message")
same(c.cmd("UNSUBSCRIBE"), [b"unsubscribe", b"ch", 0], "UNSUBSCRIBE")
same(c.get("k"), b"v", "GET after UNSUBSCRIBE")

c = Redis("c")
hot(c)
same(c.cmd("MONITOR"), "OK", "MONITOR")
w.cmd("SET", "seen", "1")
while b"seen" not in (line := c.line()):
	expect(line.startswith(b"+"), "MONITOR: %r" % line)
same(r.get("k"), b"v", "GET beside a monitor")
c.close()

# RESP3 says _ where RESP2 says $-1
c3 = Redis("c")
hot(c3)
expect(isinstance(c3.cmd("HELLO", 3), dict), "HELLO 3")
for _ in range(20):
	for conn, want in ((c3, b"_\r\n"), (r, b"$-1\r\n")):
		conn.send(resp("GET", "missing"))
		same(conn.exactly(len(want)), want, "GET of a missing key")
	same(c3.get("k"), b"v", "GET in RESP3")
same(c3.cmd("HELLO", 2)[0], b"server", "HELLO 2")
c3.send(resp("GET", "missing"))
same(c3.exactly(5), b"$-1\r\n", "GET of a missing key after HELLO 2")

c = Redis("c")
hot(c)
c.send(resp("CLIENT", "REPLY", "OFF") + resp("SET", "k", "silent") + resp("GET", "k"))
deadline = time.monotonic() + 2
while r.get("k") != b"silent":
	expect(time.monotonic() < deadline, "a SET without reply is not seen")
expect(c.quiet(), "a reply comes after CLIENT REPLY OFF")
same(c.cmd("CLIENT", "REPLY", "ON"), "OK", "CLIENT REPLY ON")
same(c.get("k"), b"silent", "GET after CLIENT REPLY ON")
hot(c)
c.send(resp("CLIENT", "REPLY", "SKIP") + resp("SET", "k", "skipped") + resp("GET", "k"))
same(c.reply(), b"skipped", "GET after CLIENT REPLY SKIP")
same(r.get("k"), b"skipped", "GET elsewhere")

c = Redis("c")
hot(c)
c.cmd("HELLO", 3)
same(c.cmd("CLIENT", "TRACKING", "ON"), "OK", "CLIENT TRACKING")
for n in range(5):
	hot()
	same(c.get("k"), b"v", "GET with tracking")
	w.cmd("SET", "k", "t%d" % n)
	same(c.reply(), [b"invalidate", [b"k"]], "push of the server")
	same(c.get("k"), b"t%d" % n, "GET after the push")
	w.cmd("SET", "k", "v")
	same(c.reply(), [b"invalidate", [b"k"]], "push of the server")

# a blocking command leaves its connection and others as they were
c = Redis("c")
hot(c)
c.send(resp("BLPOP", "list", 5))
hot()
w.cmd("RPUSH", "list", "item")
same(c.reply(), [b"list", b"item"], "BLPOP")
same(c.get("k"), b"v", "GET after BLPOP")
END
finish
