#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# detach --all leaves no program, map, link, filter, qdisc or pin; the machine's own interfaces are never touched.
. "$(dirname "$0")/scenario.sh"

machine() { ip -o link | sed 's/qlen.*//'; tc qdisc show; for d in /sys/class/net/*; do
	tc filter show dev "${d##*/}" ingress; tc filter show dev "${d##*/}" egress; bpftool net show dev "${d##*/}"
done 2>/dev/null; }

own_before=$(machine)
begin
not_plain

inside() { in_h tc qdisc show; for d in vc vd vr vm; do
	in_h tc filter show dev $d ingress; in_h tc filter show dev $d egress
done; in_h ip -o -d link show | grep -c xdp; ls -A "$PINS" 2>/dev/null; }
objects() { { bpftool prog show; bpftool map show; bpftool link show; } | sed -n 's/^\([0-9]*\): .*/\1/p' | sort; }
ours() { for f in "$PINS"/v1/maps/*; do bpftool -j map show pinned "$f" | jq .id; done; }

before=$(inside)
objects >"$RUN/objects.before"
panditd_up
[ "$(machine)" = "$own_before" ] || fail "the machine's own interfaces changed"
[ "$(inside)" != "$before" ] || fail "nothing was attached"
maps=$(ours)
[ "$(wc -l <<<"$maps")" -gt 8 ] || fail "no pinned maps in $PINS/v1/maps"

# a connection with forged replies is drained: detach waits until it ends, and it works all the time
python <<'END'
r = Redis("c")
r.cmd("SET", "k", "v")
warm("redis", lambda: r.get("k"))
for _ in range(50):
	r.get("k")
p = subprocess.Popen(CTL + ["detach", "--all"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
end = time.monotonic() + 2
while time.monotonic() < end:
	same(r.get("k"), b"v", "GET while draining")
	same(r.cmd("SET", "k", "v"), "OK", "SET while draining")
expect(p.poll() is None, "detach did not wait for a connection that needs translation: %s" % p.stdout)
r.close()
out, _ = p.communicate(timeout=90)
expect(p.returncode == 0, "detach --all: exit %d: %s" % (p.returncode, out))
END
[ "$(inside)" = "$before" ] || fail "left behind: $(diff <(echo "$before") <(inside) | head -n 3 | tr '\n' ' ')"
stop panditd
[ "$(machine)" = "$own_before" ] || fail "the machine's own interfaces changed"
[ -e "$PINS" ] && fail "$PINS is still there"

left() { local id
	for id in $maps; do bpftool map show id "$id" >/dev/null 2>&1 && return 0; done
	[ -n "$(pgrep -x panditd)" ] && return 1	# another panditd of this machine makes objects of its own
	[ -n "$(comm -13 "$RUN/objects.before" <(objects))" ]
}
for ((i = 0; i < 50; i++)); do left || break; sleep 0.1; done
left && fail "objects left: $(comm -13 "$RUN/objects.before" <(objects) | tr '\n' ' ')"

# with --force a connection that would hold it up is reset
check "panditd does not start again" panditd_start
python <<'END'
r = Redis("c")
warm("redis", lambda: r.get("k"))
begin = time.monotonic()
status, out = ctl("detach", "--all", "--force")
expect(status == 0 and time.monotonic() - begin < 10, "detach --all --force: exit %d: %s" % (status, out))
try:
	r.cmd("SET", "k", "after")
	expect(False, "a translated connection survived --force")
except (EOFError, ConnectionError, socket.timeout):
	pass
fresh = Redis("c")
same(fresh.cmd("SET", "k", "after"), "OK", "SET without pandit")
same(fresh.get("k"), b"after", "GET without pandit")
END
[ "$(inside)" = "$before" ] || fail "left behind after --force: $(diff <(echo "$before") <(inside) | head -n 3 | tr '\n' ' ')"

# one interface alone
stop panditd
check "panditd does not start again" panditd_start
check "detach vd" ctl detach vd
[ -z "$(in_h tc filter show dev vd ingress)" ] || fail "detach vd left a filter"
[ -n "$(in_h tc filter show dev vc ingress)" ] || fail "detach vd took vc too"
python <<'END'
r, s = Redis("c"), Redis("d")
r.cmd("SET", "k", "v")
same(warm("redis", lambda: r.get("k")), b"v", "GET through vc")
by_server("redis", "GET through vd", lambda: [s.get("k") for _ in range(5)])
same(s.cmd("SET", "k", "w"), "OK", "SET through vd")
same(r.get("k"), b"w", "GET through vc after a SET through vd")
END
finish
