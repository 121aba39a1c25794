#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Long values, requests split at every byte, pipelines, and bytes that are not the protocol.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
import random
random.seed(1)
r, w = Redis("c"), Redis("d", R6)
w.cmd("SET", "k", "value")
warm("redis", lambda: r.get("k"))

for size in (0, 1, 100, 600, 1400, 1500, 2000, 3000, 4096):
	v = bytes(random.randrange(256) for _ in range(size))
	w.cmd("SET", "n%d" % size, v)
	same(warm("redis", lambda: r.get("n%d" % size)), v, "value of %d bytes" % size)
	same(in_kernel("redis", "%d bytes" % size, lambda: r.get("n%d" % size)), v, "value")
for size in (8192, 65536, 300000):
	v = bytes([random.randrange(256)]) * size
	same(r.cmd("SET", "big", v), "OK", "SET of %d bytes" % size)
	for _ in range(3):
		same(r.get("big"), v, "value of %d bytes" % size)
	same(warm("redis", lambda: r.get("k")), b"value", "GET after %d bytes" % size)

request = resp("GET", "k")
for cut in range(1, len(request)):
	r.send(request[:cut])
	time.sleep(0.002)
	r.send(request[cut:])
	same(r.reply(), b"value", "GET split at byte %d" % cut)
	if cut % 5 == 0:
		same(warm("redis", lambda: r.get("k")), b"value", "GET after a split one")
change = resp("SET", "k", "other")
for cut in range(1, len(change)):
	same(w.cmd("SET", "k", "value"), "OK", "SET")
	for _ in range(3):
		same(r.get("k"), b"value", "GET")
	w.send(change[:cut])
	time.sleep(0.001)
	w.send(change[cut:])
	same(w.reply(), "OK", "SET split at byte %d" % cut)
	same(r.get("k"), b"other", "GET after a SET split at byte %d" % cut)
for byte in request * 2:
	r.send(bytes([byte]))
same([r.reply(), r.reply()], [b"other", b"other"], "GET byte by byte")

# pipelines: reads only, and mixed
w.cmd("SET", "k", "value")
same(warm("redis", lambda: r.get("k")), b"value", "GET")
for n in (2, 5, 16, 100):
	r.send(resp("GET", "k") * n)
	same([r.reply() for _ in range(n)], [b"value"] * n, "%d GETs at once" % n)
for n in range(200):
	r.send(resp("SET", "k", n) + resp("GET", "k") + resp("INCR", "k") + resp("GET", "k"))
	same([r.reply() for _ in range(4)], ["OK", b"%d" % n, n + 1, b"%d" % (n + 1)], "pipeline")
	same(w.get("k"), b"%d" % (n + 1), "GET elsewhere")
# a hit, a pipeline behind it without waiting, and a slow reader
w.cmd("SET", "k", "value")
w.cmd("SET", "v", "x" * 4000)
slow = Redis("c")
slow.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
warm("redis", lambda: slow.get("k"))
for n in range(200):
	slow.send(resp("GET", "v"))
time.sleep(0.5)
for n in range(200):
	same(slow.reply(), b"x" * 4000, "slow reader")
same(warm("redis", lambda: slow.get("k")), b"value", "GET after a slow reader")
END

# The server's answer to bad bytes, and whether it closes, must be what it is without pandit.
python <<'END'
w = Redis("d")
w.cmd("SET", "k", "value")
m = Memcached("d")
m.set("k", b"value")


def talk(side, addr, port, data, least, seconds):
	"""Reply bytes, at least so many if they come, and whether the server closes."""
	c = Tcp(side, addr, port)
	c.send(data)
	out, patience = b"", time.monotonic() + seconds
	while True:
		c.s.settimeout(0.2)
		try:
			d = c.s.recv(65536)
		except socket.timeout:
			if len(out) >= least or time.monotonic() > patience:
				c.close()
				return out, "open"
			continue
		except ConnectionError:
			return out, "closed"
		if not d:
			return out, "closed"
		out += d


bad_redis = [
	b"\r\n", b"GET k\r\n", b"get  k \r\n", b"GET \"k\r\n", b"GET \"k\"\r\n", b"*abc\r\n", b"*-1\r\n", b"*0\r\n",
	b"*1\r\n$-5\r\n", b"*1\r\n:5\r\n", b"*2\r\n$3\r\nGET\r\n$99999999999\r\n", b"*2\r\n$3\r\nGET\r\n:1\r\n",
	b"*99999999\r\n", b"*1\r\n$3\r\nGET\r\n", b"*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$1\r\nk\r\n", b"$3\r\nGET\r\n",
	b"+OK\r\n", b"\0\0\0\0\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nGARBAGE\r\n", b"*2\n$3\nGET\n$1\nk\n",
	b"*2\r\n$3\r\nGET\r\n$2\r\nk\r\n\r\n", b"PING\r\nPING\r\n", b"GET k\nGET k\n", b"x" * 70000 + b"\r\n",
	b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"*2\r\n$03\r\nGET\r\n$01\r\nk\r\n", b"*+2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
	b"*2\r\n$3\r\nGETxx$1\r\nkxx", b"QUIT\r\n"]
bad_mc = [
	b"\r\n", b"get\r\n", b"get \r\n", b"get k\n", b" get k\r\n", b"get  k  \r\n", b"GET k\r\n", b"bogus\r\n",
	b"get k k2\0x\r\n", b"set k 0 0 abc\r\n", b"set k 0 0 -1\r\n", b"set k 0 0 5\r\n1234567\r\n",
	b"set k 0 0 99999999999\r\n", b"set k\r\n", b"get " + b"a" * 300 + b"\r\n", b"incr k abc\r\n",
	b"touch k\r\n", b"mg k v\r\n", b"mn\r\n", b"me k\r\n", b"verbosity\r\n", b"version\r\n",
	b"get k\r\nget k\r\n", b"x" * 3000 + b"\r\n", b"quit\r\n", b"stats reset\r\n"]
for lst, addr, port, inside, good in ((bad_redis, R4, RPORT, "r", resp("GET", "k")),
									  (bad_mc, M4, MPORT, "m", b"get k\r\n")):
	for data in lst:
		for prefix in (b"", good * 2):
			want = talk(inside, "127.0.0.1", port, prefix + data, 1, 0.4)
			got = talk("c", addr, port, prefix + data, len(want[0]), 3)
			if b"stats" in data or b"verbosity" in data:
				continue
			same(got, want, "reply to %.60r" % (prefix + data))
# what the server may have executed counts as a write
r = Redis("c")
for n, form in enumerate((b"SET k i%d\r\n", b"set k 'i%d'\r\n", b"\r\n\r\nSET k i%d\r\n", b"*0\r\nSET k i%d\r\n")):
	w.cmd("SET", "k", "value")
	for _ in range(3):
		r.get("k")
	writer = Tcp("d", R4, RPORT)
	writer.send(form % n)
	end = time.monotonic() + 0.9
	while r.get("k") != b"i%d" % n:
		expect(time.monotonic() < end, "%r is not seen" % form)
expect(PLAIN or stats("redis")["passes"].get("pass_malformed", 0) > 0, "nothing was counted as malformed")
END
finish
