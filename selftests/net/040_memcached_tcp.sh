#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# memcached over TCP: hits, multi-get, and each kind of write seen at once over both families.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
readers = [Memcached("c", M4), Memcached("c", M6), Memcached("d", M4)]
w = Memcached("d", M6)
same(w.set("k", b"value"), "STORED", "set")
for r in readers:
	same(warm("memcached", lambda: r.get("k")), b"value", "get")
	for _ in range(10):
		same(in_kernel("memcached", "get", lambda: r.get("k")), b"value", "get")
	same(warm("memcached", lambda: r.gets("k", verb="gets")), {"k": b"value"}, "gets")


def heat(key):
	for r in readers:
		for _ in range(3):
			r.get(key)
			r.gets(key, verb="gets")


def see(key, want, what):
	for r in readers:
		same(r.get(key), want, "get after " + what)
		same(r.gets(key, verb="gets").get(key), want, "gets after " + what)


start = hits("memcached")
for n in range(30):
	v = b"v%d" % n
	w.ask("delete new")
	for key, setup, write, want in (
			("s", b"old", lambda: w.set("s", v), v),
			("q", b"old", lambda: w.set("q", v, noreply=True), v),
			("new", None, lambda: w.store("add", "new", v), v),
			("r", b"old", lambda: w.store("replace", "r", v), v),
			("a", b"old", lambda: w.store("append", "a", v), b"old" + v),
			("p", b"old", lambda: w.store("prepend", "p", v), v + b"old"),
			("i", b"%d" % n, lambda: w.ask("incr i 1"), b"%d" % (n + 1)),
			("j", b"10", lambda: w.ask("decr j 1"), b"9 "),
			("d", b"old", lambda: w.ask("delete d"), None),
			("dq", b"old", lambda: w.send(b"delete dq noreply\r\n"), None),
			("f", b"old", lambda: w.ask("flush_all"), None)):
		if setup is not None:
			w.set(key, setup)
		heat(key)
		write()
		if key in ("q", "dq"):  # nothing tells when it is done, but what follows on the connection
			same(w.get(key), want, "get on the connection of a noreply")
		see(key, want, "writing " + key)
	# gets and cas
	w.set("c", b"old")
	heat("c")
	w.send(b"gets c\r\n")
	unique = w.line().split()[4].decode()
	w.exactly(5), w.line()
	w.send(b"cas c 0 0 %d %s\r\n%s\r\n" % (len(v), unique.encode(), v))
	same(w.line(), b"STORED", "cas")
	see("c", v, "cas")
	w.send(b"cas c 0 0 1 %s\r\nx\r\n" % unique.encode())
	same(w.line(), b"EXISTS", "cas with an old number")
rate = hits("memcached") - start
expect(PLAIN or rate > 2000, "only %d reads were answered in the kernel: proves nothing" % rate)

for n in range(8):
	w.set("m%d" % n, b"value%d" % n)
r = readers[0]
want = {"m%d" % n: b"value%d" % n for n in range(4)}
for key in want:
	warm("memcached", lambda: r.get(key))
same(warm("memcached", lambda: r.gets("m0", "m1", "m2", "m3")), want, "multi-get")
w.set("m2", b"other")
want["m2"] = b"other"
same(r.gets("m0", "m1", "m2", "m3"), want, "multi-get after a set of one of its keys")
w.ask("delete m3")
del want["m3"]
same(r.gets("m0", "m1", "m2", "m3"), want, "multi-get after a delete of one of its keys")
same(r.gets("m0", "m0"), {"m0": b"value0"}, "multi-get of one key twice")
same(r.gets("none", "m1", "none2"), {"m1": b"value1"}, "multi-get with missing keys")
# key lengths
for size in (1, 31, 64, 250):
	key = "K" * size
	same(w.set(key, b"long"), "STORED", "set")
	same(warm("memcached", lambda: r.get(key)), b"long", "key of %d bytes" % size)
	w.set(key, b"changed")
	same(r.get(key), b"changed", "key of %d bytes" % size)
r.send(b"get " + b"K" * 251 + b"\r\n")
expect(r.line().startswith(b"CLIENT_ERROR"), "a key of 251 bytes is taken")
same(r.get("m0"), b"value0", "get after an error")
# flags and empty values
w.send(b"set fl 12345 0 0\r\n\r\n")
same(w.line(), b"STORED", "set")
for _ in range(4):
	r.send(b"get fl\r\n")
	same(r.exactly(25), b"VALUE fl 12345 0\r\n\r\nEND\r\n", "flags of an empty value")
END
finish
