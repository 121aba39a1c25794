#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# memcached over UDP: hits, coherence with TCP, and nothing for a source the server has not answered.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
w = Memcached("d", M6)
before = hits("memcached")
for addr in M4, M6:
	for size in (1, 64, 700, 1300):
		key, v = "u%d" % size, bytes([65 + size % 26]) * size
		u = McUdp("c", addr)
		w.set(key, v)
		same(warm("memcached", lambda: u.get(key)), v, "get over UDP")
		for _ in range(20):
			same(in_kernel("memcached", "get of %d bytes over UDP" % size, lambda: u.get(key)), v,
				 "get over UDP")
	u = McUdp("c", addr)
	for size in (1400, 4000):    # more than one datagram
		w.set("big", b"B" * size)
		for _ in range(3):
			same(u.get("big"), b"B" * size, "get of %d bytes over UDP" % size)
	same(u.get("missing"), None, "get of a missing key")
	same(u.get("missing"), None, "get of a missing key, again")

# the same key, read and written over every transport
ways = [Memcached("c", M4), Memcached("d", M6), McUdp("c", M4), McUdp("d", M6)]
for n in range(120):
	v = b"v%d" % n
	x = ways[n % 4]
	same(x.set("k", v), "STORED", "set")
	for _ in range(3):
		for y in ways:
			same(y.get("k"), v, "get after set")
	if n % 10 == 9:
		x.ask("delete k")
		for y in ways:
			same(y.get("k"), None, "get after delete")
	if n % 10 == 4:
		x.set("k", b"5")
		for y in ways:
			y.get("k")
		same(x.ask("incr k 1"), "6", "incr")
		for y in ways:
			same(y.get("k"), b"6", "get after incr")

# everything at once, over UDP
for n in range(5):
	w.set("k", b"v%d" % n)
	for y in ways:
		same(y.get("k"), b"v%d" % n, "get")
	same(ways[2 + n % 2].ask("flush_all"), "OK", "flush_all over UDP")
	for y in ways:
		same(y.get("k"), None, "get after flush_all over UDP")
time.sleep(1.2)

# an unknown source is answered by the server, and a request id comes back as it was
w.set("hot", b"H" * 1000)
u = McUdp("c", M4)
warm("memcached", lambda: u.get("hot"))
for n in range(10):
	stranger = McUdp("d", M4)
	stranger.id = 1000 * n
	same(by_server("memcached", "first request of a new source", lambda: stranger.get("hot")),
		 b"H" * 1000, "get")
	same(in_kernel("memcached", "second request", lambda: stranger.get("hot")), b"H" * 1000, "get")
# a frame that is not the first and only one, and one cut short: as the server treats them
u.s.settimeout(0.3)
for head in (struct.pack("!HHHH", 7, 1, 2, 0), struct.pack("!HHHH", 7, 0, 2, 0), b"\0\7\0"):
	u.s.send(head + b"get hot\r\n")
	try:
		d = u.s.recv(2048)
		expect(b"SERVER_ERROR" in d or b"VALUE" not in d, "a part of a request is answered: %r" % d)
	except socket.timeout:
		pass
END
finish
