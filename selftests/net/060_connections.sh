#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# FIN, half-close, RST, kill, keepalive, port reuse and idle limits on connections with forged replies.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s REDIS_SVC=", idle: 1s" panditd_up
python <<'END'
admin = Redis("d")
admin.cmd("SET", "k", "value")
base = len(admin.cmd("CLIENT", "LIST").splitlines())


def hot(side="c", addr=R4, src=None):
	c = Redis(side, addr, src=src)
	same(warm("redis", lambda: c.get("k")), b"value", "GET")
	for _ in range(20):
		same(c.get("k"), b"value", "GET")
	return c


def gone(what):
	end = time.monotonic() + 3
	while len(admin.cmd("CLIENT", "LIST").splitlines()) > base:
		expect(time.monotonic() < end, "the server still has the connection after " + what)
		time.sleep(0.02)


for addr in R4, R6:
	hot(addr=addr).close()
	gone("close")
	c = hot(addr=addr)
	c.s.shutdown(socket.SHUT_WR)
	same(c.s.recv(10), b"", "end of file after half-close")
	gone("half-close")
	# a request and the FIN together, the reply still comes
	for last in (resp("GET", "k"), resp("GET", "other"), resp("SET", "other", "1")):
		c = hot(addr=addr)
		c.send(last)
		c.s.shutdown(socket.SHUT_WR)
		expect(c.reply() in (b"value", None, b"1", "OK"), "reply before half-close")
		same(c.s.recv(10), b"", "end of file after a last request")
		gone("a last request")
	c = hot(addr=addr)
	c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
	c.close()
	gone("RST")
	c = hot(addr=addr)
	admin.cmd("CLIENT", "KILL", "ID", c.cmd("CLIENT", "ID"))
	try:
		same(c.s.recv(10), b"", "end of file after CLIENT KILL")
	except ConnectionResetError:
		pass
	c = hot(addr=addr)
	for _ in range(5):
		same(c.get("k"), b"value", "GET")
	c.send(resp("QUIT"))
	same(c.reply(), "OK", "QUIT")
	same(c.s.recv(10), b"", "end of file after QUIT")
	gone("QUIT")

# the same source port again and again, after close and after RST
any_addr = {R4: "0.0.0.0", R6: "::"}
for n in range(10):
	for addr in R4, R6:
		c = hot(addr=addr, src=(any_addr[addr], 20000))
		admin.cmd("SET", "n", n)
		same(c.get("n"), b"%d" % n, "GET on a reused port")
		c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		c.close()
gone("port reuse")

# keepalive from both ends while idle
admin.cmd("CONFIG", "SET", "tcp-keepalive", 1)
conns = [hot(), hot(addr=R6)]
mine = hot()
mine.s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for opt, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
	mine.s.setsockopt(socket.IPPROTO_TCP, opt, value)
conns.append(mine)
time.sleep(6)
for c in conns:
	for _ in range(5):
		same(c.get("k"), b"value", "GET after keepalives")
	same(c.cmd("SET", "other", "x"), "OK", "SET after keepalives")
	c.close()
gone("keepalive")
admin.cmd("CONFIG", "SET", "tcp-keepalive", 300)

# the server's idle timer: hits alone must not let it run out (the service says idle: 1s)
admin.cmd("CONFIG", "SET", "timeout", 3)
c = hot()
before, end = hits("redis"), time.monotonic() + 7
while time.monotonic() < end:
	same(c.get("k"), b"value", "GET")
	admin.cmd("PING")
	time.sleep(0.01)
expect(PLAIN or hits("redis") - before > 200, "too few hits: proves nothing")
admin.cmd("CONFIG", "SET", "timeout", 0)

# many connections, one after the other and at once
for n in range(300):
	c = Redis("c", (R4, R6)[n % 2])
	same(c.get("k"), b"value", "GET")
	same(c.get("k"), b"value", "GET")
	c.close()
many = [Redis("cd"[n % 2]) for n in range(400)]
for _ in range(3):
	for c in many:
		same(c.get("k"), b"value", "GET on one of 400 connections")
for c in many:
	c.close()
END
finish
