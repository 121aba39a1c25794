#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each kind of write, from one client, is seen at once by every other, over both families.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
readers = [Redis("c", R4), Redis("c", R6), Redis("d", R4), Redis("d", R6)]
writers = [Redis("d", R6), Redis("c", R4)]


def heat(keys):
	for k in keys:
		for r in readers:
			for _ in range(3):
				r.get(k)


def see(key, want, what):
	for r in readers:
		same(r.get(key), want, what)


start = hits("redis")
for n in range(40):
	w = writers[n % 2]
	v = b"v%d" % n
	for key, setup, write, want in (
			("s", None, ("SET", "s", v), v),
			("d", ("SET", "d", v), ("DEL", "d"), None),
			("u", ("SET", "u", v), ("UNLINK", "u"), None),
			("a", ("SET", "a", v), ("APPEND", "a", "+"), v + b"+"),
			("i", ("SET", "i", n), ("INCR", "i"), b"%d" % (n + 1)),
			("i", ("SET", "i", n), ("INCRBY", "i", 5), b"%d" % (n + 5)),
			("m2", None, ("MSET", "m1", "x", "m2", v, "m3", "y"), v),
			("e", ("SET", "e", v), ("EXPIRE", "e", 0), None),
			("g", None, ("GETSET", "g", v), v),
			("gd", ("SET", "gd", v), ("GETDEL", "gd"), None),
			("x", None, ("SETEX", "x", 100, v), v),
			("r", ("SET", "r", "abcdef"), ("SETRANGE", "r", 0, "X"), b"Xbcdef"),
			("b", ("SET", "b", v), ("RENAME", "b", "b2"), None),
			("b2", ("SET", "b1", v), ("COPY", "b1", "b2", "REPLACE"), v),
			("l", None, ("EVAL", "return redis.call('set','l',ARGV[1])", 0, v), v),
			("f", ("SET", "f", v), ("FLUSHALL",), None)):
		if setup:
			w.cmd(*setup)
		heat([key])
		expect(not isinstance(w.cmd(*write), RedisError), "%s failed" % write[0])
		see(key, want, "GET after %s" % write[0])
rate = hits("redis") - start
expect(PLAIN or rate > 40 * 16 * 4, "only %d reads were answered in the kernel: proves nothing" % rate)
END
finish
