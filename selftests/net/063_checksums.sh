#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Only payload with a good checksum is interpreted: a request or a reply with a wrong one passes untouched
# and changes nothing, for the receiver drops it. Segments of up to 60 KB whose checksum nobody has looked
# at, and that is right, are interpreted as any others.
. "$(dirname "$0")/scenario.sh"
begin
for end in "c eth0" "h vc" "h vr" "r eth0"; do
	# shellcheck disable=SC2086
	set -- $end
	ip -n "$NS-$1" link set "$2" mtu 60000 || fail "mtu of $2"
done
MAX_AGE=600s REDIS_SVC=", idle: 600s" panditd_up

# pid of the server, to hold it while a reply is forged
REDIS_PID=$(pid_of redis)
export REDIS_PID
python <<'END'
import signal

def fold(b):
	b += b"\0" * (len(b) & 1)
	s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
	while s >> 16:
		s = (s & 0xffff) + (s >> 16)
	return s


class Wire:
	"""A packet socket at an interface: tells what passes, and sends what no socket would."""

	def __init__(self, side, dev):
		with netns(side):
			self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
			self.s.bind((dev, 0))
		self.s.setblocking(False)
		self.mac = self.s.getsockname()[4]

	def drain(self):
		out = []
		while True:
			try:
				out.append(self.s.recv(1 << 16))
			except BlockingIOError:
				return out

	def frame(self, peer, src, dst, proto, l4, where, wrong):
		"""l4 without its checksum, which goes to offset `where`; wrong: by one bit."""
		family = socket.AF_INET6 if ":" in src else socket.AF_INET
		a, b = socket.inet_pton(family, src), socket.inet_pton(family, dst)
		check = ~fold(a + b + struct.pack("!II", len(l4), proto) + l4) & 0xffff or 0xffff
		check ^= 0x0100 if wrong else 0
		l4 = l4[:where] + struct.pack("!H", check) + l4[where + 2:]
		if family == socket.AF_INET6:
			l3 = struct.pack("!IHBB", 6 << 28, len(l4), proto, 64) + a + b
		else:
			l3 = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), 7, 0x4000, 64, proto, 0) + a + b
			l3 = l3[:10] + struct.pack("!H", ~fold(l3) & 0xffff) + l3[12:]
		self.s.send(peer.mac + self.mac + (b"\x86\xdd" if family == socket.AF_INET6 else b"\x08\x00") + l3 + l4)


class Talk:
	"""A connection, and where it stands in the space of the interface it is watched at."""

	def __init__(self, conn, wire, client=True):
		self.conn, self.wire, self.client = conn, wire, client
		self.me, self.other = conn.s.getsockname()[:2], conn.s.getpeername()[:2]

	def follow(self):
		"""Reads what has passed since: next bytes expected from either end, and the payloads of the server."""
		said = []
		for f in self.wire.drain():
			v6 = f[12:14] == b"\x86\xdd"
			l4 = 54 if v6 else 14 + (f[14] & 15) * 4
			if (f[20] if v6 else f[23]) != 6:
				continue
			total = 54 + struct.unpack("!H", f[18:20])[0] if v6 else 14 + struct.unpack("!H", f[16:18])[0]
			sport, dport, seq, _, off = struct.unpack("!HHIIB", f[l4:l4 + 13])
			load = f[l4 + (off >> 4) * 4:total]
			end = (seq + len(load)) & 0xffffffff
			if (sport, dport) == (self.me[1], self.other[1]):
				self.c_nxt = end
			elif (dport, sport) == (self.me[1], self.other[1]):
				self.s_nxt = end
				said.append(load)
				at = f.find(b"\x01\x01\x08\x0a", l4, l4 + 32)
				self.ts = f[at + 4:at + 8] if at > 0 else None
				self.echo = f[at + 8:at + 12] if at > 0 else None
		return [x for x in said if x]

	def forge(self, wire, peer, payload, wrong, from_server=False):
		a, b, seq, ack = self.me, self.other, self.c_nxt, self.s_nxt
		stamp = b"\x01\x01\x08\x0a" + (self.echo + self.ts)
		if from_server:
			a, b, seq, ack = b, a, ack, seq
			stamp = b"\x01\x01\x08\x0a" + (self.ts + self.echo)
		tcp = struct.pack("!HHIIBBHHH", a[1], b[1], seq, ack, 8 << 4, 0x18, 500, 0, 0) + stamp + payload
		wire.frame(peer, a[0], b[0], 6, tcp, 16, wrong)
		time.sleep(0.1)


def verdict(service, name):
	status, out = ctl("stats", "--json", "-v")
	expect(status == 0, out)
	one, = [s for s in json.loads(out)["services"] if s["name"] == service]
	return one["verdicts"].get(name, 0), one["invalidations"]


def unchanged(what, service, fn, client=1, home=1):
	"""fn() puts packets with wrong checksums on the wire: they are counted, and no word moves."""
	if PLAIN:
		fn()
		return
	before = [verdict(service, v) for v in ("pass_checksum", "home_checksum")]
	fn()
	after = [verdict(service, v) for v in ("pass_checksum", "home_checksum")]
	got = [a[0] - b[0] for a, b in zip(after, before)]
	same(got, [client, home], what + ": packets counted at the client and at the home hook")
	same(after[0][1], before[0][1], what + ": invalidations")


at_c, at_vc, at_vr, at_r = Wire("c", "eth0"), Wire("h", "vc"), Wire("h", "vr"), Wire("r", "eth0")
for addr in R4, R6:
	w, c, t = Redis("d", addr), Redis("c", addr), None
	w.cmd("SET", "k", "good")
	c.cmd("SET", "mine", "1")
	warm("redis", lambda: c.get("k"))
	warm("redis", lambda: w.get("k"))
	time.sleep(0.1)
	at_c.drain()
	t = Talk(c, at_c)
	same(in_kernel("redis", "GET", lambda: c.get("k")), b"good", "GET")
	time.sleep(0.05)
	t.follow()

	# requests
	unchanged("SET", "redis", lambda: t.forge(at_c, at_vc, resp("SET", "k", "evil"), True))
	unchanged("GET", "redis", lambda: by_server("redis", "a GET with a wrong checksum",
		lambda: t.forge(at_c, at_vc, resp("GET", "k"), True)))
	unchanged("a large SET", "redis",
		lambda: t.forge(at_c, at_vc, resp("SET", "k", b"evil" * 14000 + b"!"), True))
	same(t.follow(), [], "replies to what has a wrong checksum")
	same(in_kernel("redis", "GET on another connection", lambda: w.get("k")), b"good", "GET")
	same(in_kernel("redis", "GET on the same connection", lambda: c.get("k")), b"good", "GET")
	same(c.cmd("SET", "mine", "2"), "OK", "SET on the same connection")
	same(w.get("mine"), b"2", "GET of it")

	# a reply: the server is held, and something else answers in its place
	w.cmd("SET", "cold", "good")
	at_r.drain()
	same(c.cmd("SET", "mine", "3"), "OK", "SET")
	time.sleep(0.05)
	s = Talk(c, at_r)
	s.follow()
	os.kill(int(os.environ["REDIS_PID"]), signal.SIGSTOP)
	c.send(resp("GET", "cold"))
	time.sleep(0.1)
	s.follow()
	unchanged("a reply", "redis", lambda: s.forge(at_r, at_vr, b"$4\r\nevil\r\n", True, True))
	os.kill(int(os.environ["REDIS_PID"]), signal.SIGCONT)
	same(c.reply(), b"good", "the reply of the server")
	same(warm("redis", lambda: w.get("cold")), b"good", "what was kept of it")

	# the same requests with good checksums
	at_c.drain()
	same(in_kernel("redis", "GET", lambda: c.get("k")), b"good", "GET")
	time.sleep(0.05)
	t.follow()
	def good_get():
		t.forge(at_c, at_vc, resp("GET", "k"), False)
	in_kernel("redis", "a GET with a good checksum", good_get)
	expect(PLAIN or t.follow() == [b"$4\r\ngood\r\n"], "reply to a GET with a good checksum")
	w2 = Redis("c", addr)
	w2.cmd("SET", "mine", "4")
	warm("redis", lambda: w2.get("k"))
	time.sleep(0.1)
	at_c.drain()
	t = Talk(w2, at_c)
	same(in_kernel("redis", "GET", lambda: w2.get("k")), b"good", "GET")
	time.sleep(0.05)
	t.follow()
	big = b"1234" * 14000 + b"!"
	t.forge(at_c, at_vc, resp("SET", "k", big), False)
	same(by_server("redis", "GET after a SET with a good checksum", lambda: w.get("k")), big, "GET")
	for x in w, c, w2:
		x.close()

# datagrams; with v4 there need be no checksum
for addr, src in (M4, "10.0.1.2"), (M6, "fd00:0:1::2"):
	u = McUdp("c", addr)
	port = u.s.getsockname()[1]
	same(u.set("u", b"good"), "STORED", "set")
	warm("memcached", lambda: u.get("u"))
	def datagram(text, wrong):
		load = struct.pack("!HHHH", 77, 0, 1, 0) + text
		udp = struct.pack("!HHHH", port, MPORT, 8 + len(load), 0) + load
		at_c.frame(at_vc, src, addr, 17, udp, 6, wrong)
		time.sleep(0.1)
	unchanged("set", "memcached", lambda: datagram(b"set u 0 0 4\r\nevil\r\n", True))
	unchanged("get", "memcached", lambda: by_server("memcached", "a get with a wrong checksum",
		lambda: datagram(b"get u\r\n", True)))
	same(in_kernel("memcached", "get", lambda: u.get("u")), b"good", "get")
	in_kernel("memcached", "a get with a good checksum", lambda: datagram(b"get u\r\n", False))
	datagram(b"set u 0 0 5\r\nlater\r\n", False)
	same(u.get("u"), b"later", "get after a set with a good checksum")
u = McUdp("c", M4)
u.s.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
same(u.set("u", b"none"), "STORED", "set without a checksum")
same(warm("memcached", lambda: u.get("u")), b"none", "get without a checksum")
END

# checksums in software at both ends: nobody has looked at any of them, and all are right
in_c ethtool -K eth0 tx off >/dev/null || fail "ethtool at the client"
in_r ethtool -K eth0 tx off >/dev/null || fail "ethtool at the server"
python <<'END'
import random
before = ctl("stats", "--json", "-v")[1]
for addr in R4, R6:
	c, d = Redis("c", addr), Redis("d", addr)
	for n in 1, 2, 3, 4, 5, 511, 512, 513, 1023, 4399, 30001, 59000, 300000:
		v = bytes(random.randrange(256) for _ in range(n))
		same(c.cmd("SET", "v", v), "OK", "SET of %d bytes" % n)
		same(c.get("v"), v, "GET of %d bytes" % n)
		same(d.get("v"), v, "GET of %d bytes by another" % n)
		if n < 4400:
			same(warm("redis", lambda: c.get("v")), v, "GET of %d bytes" % n)
	c.close()
if not PLAIN:
	def wrong(text):
		return [s["verdicts"].get(v, 0) for s in json.loads(text)["services"]
			for v in ("pass_checksum", "home_checksum")]
	same(wrong(ctl("stats", "--json", "-v")[1]), wrong(before), "packets counted with a wrong checksum")
END
finish
