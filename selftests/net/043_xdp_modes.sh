#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How XDP is attached: native where the driver does it, never on a veth, never over somebody else's program; and how it goes.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
PASS=$PD_PIN_BASE/$NET-pass
trap 'rm -rf "$PASS"; at_exit' EXIT

mode() { ctl status --json | jq -r ".interfaces[] | select(.name == \"$1\") | .side + \" \" + .mode"; }
is() { [ "$(mode "$1")" = "$2" ]; }
reason() { ctl status --json | jq -r ".interfaces[] | select(.name == \"$1\") | .reason"; }
# xdp IFNAME: "xdpgeneric ID", "xdp ID" (native), or nothing
xdp() { in_h ip -j -d link show "$1" | jq -r '.[0].xdp // empty | ({"1": "xdp", "2": "xdpgeneric"}[.mode | tostring]) + " \(.prog.id)"'; }
# shellcheck disable=SC2053 # a pattern on purpose
xdp_is() { [[ $(xdp "$1") == $2 ]]; }
said() { grep -c "$1" "$RUN/panditd.log"; }
up() { ATTACH="[$1, vd, vr, vm]" MAX_AGE=60s panditd_up; }
foreign() { in_h bpftool net attach "$1" pinned "$PASS" dev "$2" ${3:+"$3"}; }

# small: a small value is answered by XDP
small() {
	python <<-'END'
	from hooks import *
	count_runs()
	w, u = Memcached("d", M4), McUdp("c", M4)
	w.set("k", b"v")
	same(warm("memcached", lambda: u.get("k")), b"v", "get")
	same(answered_by("a small value", lambda: same(u.get("k"), b"v", "get")), "xdp", "get of a small value")
	END
}

# a program of somebody else: refused, with its id, and it stays
${CLANG:-clang-14} -O2 -target bpf -x c -c -o "$RUN/pass.o" - <<'END' || fail "pass.o does not compile"
__attribute__((section("xdp"), used)) int pass_all(void *ctx) { return ctx ? 2 : 0; }
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
END
check "pass.o" bpftool prog load "$RUN/pass.o" "$PASS" type xdp
other=$(bpftool -j prog show pinned "$PASS" | jq .id)
for kind in xdpgeneric xdpdrv; do
	foreign $kind vc || fail "cannot attach a program of our own with $kind"
	ATTACH="[vc:client+edge, vd, vr, vm]" write_config
	out=$(panditd_start 2>&1) && fail "panditd starts over another XDP program ($kind)"
	[[ $out == *"vc: another XDP program is attached: id $other, pass_all"* ]] || fail "it is not named: $out"
	stop panditd
	xdp_is vc "xdp* $other" || fail "the other program was taken off: $(xdp vc)"
	[ -e "$PINS" ] && fail "$PINS was left behind"
	in_h bpftool net detach $kind dev vc
done

# native, put on a veth by hand: the next daemon changes it to generic and says so
up vc:client+edge
xdp_is vc "xdpgeneric *" || fail "vc has $(xdp vc)"
small
stop panditd
in_h bpftool net detach xdpgeneric dev vc
in_h bpftool net attach xdpdrv pinned "$PINS/v1/progs/edge_client" dev vc || fail "cannot attach in native mode"
xdp_is vc "xdp [0-9]*" || fail "vc is not in native mode: $(xdp vc)"
check "panditd does not start again" panditd_start
[ "$(said 'vc: edge_client was attached in native mode.*changing it to generic')" = 1 ] ||
	fail "nothing is said about native mode on a veth: $(grep vc: "$RUN/panditd.log")"
xdp_is vc "xdpgeneric *" || fail "vc still has $(xdp vc)"
is vc "client+edge tc-peer+xdp-generic" || fail "vc is $(mode vc)"
small

# a new daemon replaces its own program in place
before=$(xdp vc)
stop panditd
check "panditd does not start again" panditd_start
xdp_is vc "xdpgeneric *" || fail "the program has gone"
xdp_is vc "$before" && fail "the program was not replaced"
small

# somebody takes it off: it is attached again; somebody puts another there: TC answers, until that one goes
in_h bpftool net detach xdpgeneric dev vc
wait_for 5 xdp_is vc "xdpgeneric *" || fail "it was not attached again"
[ "$(said 'vc: no UDP hits from XDP any more: somebody took our program off')" = 1 ] || fail "its loss was not said"
small
foreign xdpgeneric vc overwrite || fail "cannot put another program there"
wait_for 5 is vc "client tc-peer" || fail "vc is $(mode vc) with another program in the place of ours"
[[ $(reason vc) == *"program id $other took the place of ours"* ]] || fail "status does not name it: $(reason vc)"
ip -n "$NS-h" link add vz type veth peer name vy
sleep 0.3
xdp_is vc "xdpgeneric $other" || fail "the other program was replaced"
python <<'END'
w, u = Memcached("d", M4), McUdp("c", M4)
w.set("k", b"new")
same(warm("memcached", lambda: u.get("k")), b"new", "get")
in_kernel("memcached", "get with another XDP program in place", lambda: [u.get("k") for _ in range(10)], 10)
END
in_h bpftool net detach xdpgeneric dev vc
wait_for 5 is vc "client+edge tc-peer+xdp-generic" || fail "vc is $(mode vc) after the other program went"
small

# a daemon whose configuration has no edge takes it off, and only that
stop panditd
up vc:client
[ -z "$(xdp vc)" ] || fail "without edge in the configuration vc has $(xdp vc)"
is vc "client tc-peer" || fail "without edge in the configuration vc is $(mode vc)"
stop panditd
up vc:client+edge
small

# detach takes XDP off too
check "detach vc" ctl detach vc
[ -z "$(xdp vc)" ] || fail "detach left $(xdp vc)"
check "attach vc" ctl attach vc --side client --side edge
small
check "detach --all" ctl detach --all
[ -z "$(xdp vc)" ] || fail "detach --all left $(xdp vc)"
stop panditd
[ -e "$PINS" ] && fail "detach --all left $PINS"

# a driver with native XDP: answered where the packet's buffer has room, else by TC
in_h ip tuntap add dev vt mode tap || fail "no tap"
ip -n "$NS-h" addr add 10.0.8.1/24 dev vt
ip -n "$NS-h" addr add fd00:0:8::1/64 dev vt nodad
ip -n "$NS-h" link set vt up
ip -n "$NS-h" neigh add 10.0.8.2 lladdr 02:00:00:00:08:02 dev vt
ip -n "$NS-h" neigh add fd00:0:8::2 lladdr 02:00:00:00:08:02 dev vt
up vt:client+edge
is vt "client+edge tc+xdp-native" || fail "vt is $(mode vt)"
[ "$(said 'vt: client+edge side, mode tc+xdp-native: .*; XDP native: ')" = 1 ] || fail "no line tells what was chosen for vt"
python <<'END'
from hooks import *
count_runs()
w, by = Memcached("d", M4), {"xdp": 0, "tc": 0}
w.set("m1", b"1")
for server, me in (M4, "10.0.8.2"), (M6, "fd00:0:8::2"):
	t = Tap("vt", server, me)
	for key_len in range(1, 65, 7):
		for size in 1, 20, 1000:
			key, v = "k" * key_len, bytes([65 + size % 26]) * size
			w.set(key, v)
			what = "%d bytes under a key of %d from %s" % (size, key_len, server)
			same(warm("memcached", lambda: t.get(key)), v, what)
			hook = answered_by(what, lambda: same(t.get(key), v, what), 8)
			by[hook] += 1
			if size == 1000:
				same(hook, "tc", what)
	# an answer that is no longer than the request always fits; so does one within a frame's padding
	same(warm("memcached", lambda: t.get("m1")), b"1", "get")
	get, want = b"get m1" + b" " * 100 + b"\r\n", b"VALUE m1 0 1\r\n1\r\nEND\r\n"
	same(t.ask(get), want, "get with blanks")
	same(answered_by("get with blanks", lambda: same(t.ask(get), want, "get with blanks"), 8), "xdp",
		 "an answer shorter than its request")
	same(answered_by("a padded frame", lambda: same(t.get("m1", 110), b"1", "get"), 8), "xdp", "a padded frame")
	w.set("m1", b"2")
	same(t.get("m1"), b"2", "get after a write")
	w.set("m1", b"1")
	same(t.get("missing"), None, "get of a missing key")
	t.close()
print(by)
expect(by["xdp"] >= 5 and by["tc"] > 20, "answered by: %s" % by)
END
finish
