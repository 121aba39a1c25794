#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# UDP hits from XDP on a veth: small ones there, larger ones from TC, misses from the server; coherent, with right checksums.
. "$(dirname "$0")/scenario.sh"
begin
ATTACH="[vc:client+edge, vd, vr, vm]" MAX_AGE=60s panditd_up
not_plain

mode=$(ctl status --json | jq -r '.interfaces[] | select(.name == "vc") | .side + " " + .mode')
[ "$mode" = "client+edge tc-peer+xdp-generic" ] || fail "vc is attached as $mode"
[ "$(grep -c 'vc: client+edge side, mode tc-peer+xdp-generic: .*native can grow no packet on a veth' "$RUN/panditd.log")" = 1 ] ||
	fail "no line tells what was chosen for vc: $(grep 'vc:' "$RUN/panditd.log")"
in_h ip -d link show vc | grep -q 'xdpgeneric' || fail "no generic XDP program on vc"

python <<'EOS'
from hooks import *
count_runs()
w = Memcached("d", M4)

# the size of the value decides; the growth that the sender's buffer has room for differs with the request
by = {"xdp": 0, "tc": 0}
for addr in M4, M6:
	for key_len in 1, 100, 240:
		for size in 0, 1, 2, 3, 64, 400, 1350 - key_len:
			key, v = "k" * key_len, bytes([65 + size % 26]) * size
			u = McUdp("c", addr)
			w.set(key, v)
			what = "%d bytes under a key of %d from %s" % (size, key_len, addr)
			same(warm("memcached", lambda: u.get(key)), v, what)
			hook = answered_by(what, lambda: same(u.get(key), v, what), 12)
			by[hook] += 1
			if size <= 64:
				same(hook, "xdp", what)
			if key_len <= 100 and size >= 1000:
				same(hook, "tc", what)
print(by)

# several keys in one request; the answer may be shorter than the request
for n in range(8):
	w.set("m%d" % n, b"%d" % n)
u = McUdp("c", M4)
same(w.gets("m0", "m1"), {"m0": b"0", "m1": b"1"}, "gets")
for n in range(8):
	warm("memcached", lambda: u.get("m%d" % n))
want = b"".join(b"VALUE m%d 0 1\r\n%d\r\n" % (n, n) for n in range(8)) + b"END\r\n"
get = lambda: same(u.raw_get(*["m%d" % n for n in range(8)]), want, "get of eight keys")
same(answered_by("get of eight keys", get), "xdp", "get of eight keys")

# a miss, and a source that the server has not answered yet, reach the server
same(by_server("memcached", "a missing key", lambda: u.get("missing")), None, "get of a missing key")
for addr in M4, M6:
	new = McUdp("c", addr)
	same(by_server("memcached", "a new source", lambda: new.get("m1")), b"1", "get by a new source")
	same(answered_by("a known source", lambda: new.get("m1")), "xdp", "get by a known source")

# a write by any transport, then a read by any
ways = [McUdp("c", M4), McUdp("c", M6), McUdp("d", M4), Memcached("c", M4), Memcached("d", M6)]
before, started = runs("edge_client"), hits("memcached")
for n in range(300):
	v, x = b"v%d" % n, ways[n % len(ways)]
	same(x.set("k", v), "STORED", "set")
	for _ in range(3):
		for y in ways:
			same(y.get("k"), v, "get after set")
	if n % 10 == 9:
		x.ask("delete k")
		for y in ways:
			same(y.get("k"), None, "get after delete")
expect(runs("edge_client") - before > 1000, "the XDP program did not see these requests")
expect(hits("memcached") - started > 500, "few of these reads were answered in the kernel")
EOS

# What arrives is right to the last bit for clients that compute checksums and check them themselves ...
in_m ethtool -K eth0 tx off >/dev/null || fail "ethtool"
for offload in off on; do
	in_c ethtool -K eth0 tx $offload rx off >/dev/null || fail "ethtool"
	export offload
	python <<'EOS'
from hooks import *
count_runs()
w, seen = Memcached("d", M4), Sniffer("c", "eth0")
bad, n = checksum_errors("c"), 0
for addr in M4, M6:
	for size in 0, 1, 64, 65, 200, 1000, 1299:
		v, u = os.urandom(size), McUdp("c", addr)
		w.set("s%d" % size, v)
		warm("memcached", lambda: u.get("s%d" % size))
		answered_by("%d bytes" % size, lambda: same(u.get("s%d" % size), v, "get"), 12)
		if os.environ["offload"] == "off":
			n += seen.replies()
same(checksum_errors("c"), bad, "bad checksums seen by the client")
expect(os.environ["offload"] == "on" or n >= 14 * 13, "%d replies were captured" % n)
EOS
done

# ... and behind a client that forwards: the mark that a checksum is unfinished is on what generic XDP sends back
ip netns add "$NS-e"
in_ns e sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
in_c sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$NS-c" link add ve type veth peer name eth0 netns "$NS-e"
ip -n "$NS-c" addr add 10.0.9.1/24 dev ve
ip -n "$NS-c" addr add fd00:0:9::1/64 dev ve nodad
ip -n "$NS-c" link set ve up
ip -n "$NS-e" addr add 10.0.9.2/24 dev eth0
ip -n "$NS-e" addr add fd00:0:9::2/64 dev eth0 nodad
ip -n "$NS-e" link set eth0 up
ip -n "$NS-e" route add default via 10.0.9.1
ip -n "$NS-e" -6 route add default via fd00:0:9::1
ip -n "$NS-c" -6 route replace default via fd00:0:1::1 dev eth0
ip -n "$NS-h" route add 10.0.9.0/24 via "$C4" dev vc
ip -n "$NS-h" -6 route add fd00:0:9::/64 via "$C6" dev vc
# shellcheck disable=SC2015 # the last command is the verdict either way
in_c ethtool -K ve tx off >/dev/null && in_ns e ethtool -K eth0 rx off >/dev/null || fail "ethtool"
python <<'EOS'
from hooks import *
count_runs()
w, seen = Memcached("d", M4), Sniffer("e", "eth0")
bad, n = checksum_errors("e"), 0
for addr in M4, M6:
	for size in 1, 64, 200, 1000:
		v, u = os.urandom(size), McUdp("e", addr)
		w.set("e", v)
		warm("memcached", lambda: u.get("e"))
		hook = answered_by("%d bytes" % size, lambda: same(u.get("e"), v, "get"), 12)
		same(hook, "tc" if size == 1000 else "xdp", "%d bytes behind a client" % size)
		n += seen.replies()
same(checksum_errors("e"), bad, "bad checksums seen behind the client")
expect(n >= 8 * 13, "%d replies were captured" % n)
EOS

# an answer longer than the interface takes is left to the server
in_h ip link set vc mtu 1280
in_m sysctl -qw net.ipv4.ip_no_pmtu_disc=1
wait_for 5 bash -c "$PD_BUILD/panditctl -s $SOCK status --json | jq -e '.interfaces[] | select(.name == \"vc\" and .mtu == 1280)'" ||
	fail "the new MTU was not seen"
python <<'EOS'
from hooks import *
count_runs()
w, u, v = Memcached("d", M4), McUdp("c", M4), McUdp("d", M4)
w.set("long", b"L" * 1300)
w.set("short", b"S" * 1000)
same(warm("memcached", lambda: v.get("long")), b"L" * 1300, "get through vd")
warm("memcached", lambda: u.get("short"))
same(answered_by("1000 bytes", lambda: u.get("short")), "tc", "1000 bytes")
before = hits("memcached")
u.send(b"get long\r\n")
try:
	u.s.recv(2048)
except socket.timeout:
	pass
same(hits("memcached") - before, 0, "answers longer than the interface takes")
EOS
finish
