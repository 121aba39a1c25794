#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What cannot be read: data in a handshake between ports that are in use (it is held back: TCP begins
# again without it), and protocols that may carry a write inside (each is a write to everything).
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s REDIS_SVC=", idle: 10m"
panditd_up

python <<'END'
def words(b):
	b += b"\0" * (len(b) & 1)
	s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
	while s >> 16:
		s = (s & 0xffff) + (s >> 16)
	return ~s & 0xffff

def mac(side, dev):
	with netns(side):
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		s.bind((dev, 0))
		return s.getsockname()[4], s

def syn(sport, payload):
	"""A SYN with data from c to the server."""
	src, dst = socket.inet_aton("10.0.1.2"), socket.inet_aton(R4)
	tcp = struct.pack("!HHIIBBHHH", sport, RPORT, 0x12345678, 0, 5 << 4, 2, 65535, 0, 0) + payload
	check = words(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)
	tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
	ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + src + dst
	return ip[:10] + struct.pack("!H", words(ip)) + ip[12:] + tcp

w = Redis("d")
w.cmd("SET", "k", "v")
c = Redis()
port = c.s.getsockname()[1]
warm("redis", lambda: c.get("k"))
ours, out = mac("c", "eth0")
theirs, _ = mac("h", "vc")
for _ in range(3):
	out.send(theirs + ours + b"\x08\x00" + syn(port, resp("SET", "k", "evil")))
time.sleep(0.1)
same(in_kernel("redis", "GET after it", lambda: c.get("k")), b"v", "GET")
same(c.cmd("SET", "k", "w"), "OK", "SET on the same connection")
same(warm("redis", lambda: c.get("k")), b"w", "GET after SET")

# Between ports that nobody uses it is nothing that could be followed.
out.send(theirs + ours + b"\x08\x00" + syn(1, resp("SET", "k", "evil")))
time.sleep(0.1)
same(by_server("redis", "a handshake with data", lambda: c.get("k")), b"w", "GET")

for family, addr, proto in ((socket.AF_INET, R4, 47), (socket.AF_INET, R4, 4), (socket.AF_INET, R4, 50),
			    (socket.AF_INET6, R6, 50), (socket.AF_INET6, R6, 135)):
	warm("redis", lambda: c.get("k"))
	with netns("d"):
		s = socket.socket(family, socket.SOCK_RAW, proto)
		s.sendto(b"\0" * 64, (addr, 0))
	time.sleep(0.05)
	by_server("redis", "protocol %d" % proto, lambda: c.get("k"))

# What carries nothing of the kind costs nobody a hit.
warm("redis", lambda: c.get("k"))
with netns("d"):
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
	echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
	s.settimeout(5)
	s.sendto(echo[:2] + struct.pack("!H", words(echo)) + echo[4:], (R4, 0))
	expect(s.recv(100)[20] == 0, "no answer to an echo request")
in_kernel("redis", "ping", lambda: c.get("k"))
END
finish
