#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A writer whose connection is older than pandit: its writes are seen at once all the same.
. "$(dirname "$0")/scenario.sh"
begin
[ -n "$PD_PLAIN" ] || write_config
python <<'END'
old4, old6 = Redis("c", R4), Redis("d", R6)
oldm = Memcached("c")
same(old4.cmd("SET", "k", "before"), "OK", "SET")
if not PLAIN:
	act("panditd_start")
r, m = Redis("d"), Memcached("d")
total = 0
for n in range(60):
	w = (old4, old6)[n % 2]
	v = b"v%d" % n
	same(w.cmd("SET", "k", v), "OK", "SET on an old connection")
	before = hits("redis")
	for _ in range(4):
		same(r.get("k"), v, "GET after a SET on an old connection")
	total += hits("redis") - before
	same(w.get("k"), v, "GET on the old connection")
	v = b"m%d" % n
	same(oldm.set("k", v), "STORED", "set on an old connection")
	for _ in range(4):
		same(m.get("k"), v, "get after a set on an old connection")
expect(PLAIN or total > 60, "only %d GETs answered in the kernel: proves nothing" % total)
# a long write that is on its way when nothing is known about its beginning
old4.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n" + b"x" * 50000)
for _ in range(3):
	r.get("k")
old4.send(b"x" * 50000 + b"\r\n")
same(old4.reply(), "OK", "long SET")
same(r.get("k"), b"x" * 100000, "GET after a long SET")
END
finish
