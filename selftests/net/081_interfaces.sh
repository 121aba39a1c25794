#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Interfaces that appear later are attached, by name and with auto; one that goes and comes back too.
. "$(dirname "$0")/scenario.sh"
begin
not_plain

interface() { ctl status --json | jq -r ".interfaces[] | select(.name == \"$1\") | .side + \" \" + .mode"; }
attached() { [[ "$(interface "$1")" == "$2 tc"* ]]; }

for ATTACH in "[vr, vm, 'vc*', 'vd*', 'vx*']" auto; do
	panditd_up
	for i in "vc client" "vr home" "vm home"; do
		# shellcheck disable=SC2086
		wait_for 5 attached $i || fail "attach: $ATTACH: ${i% *} is $(interface "${i% *}")"
	done
	net_link e vx 10.0.3 fd00:0:3
	wait_for 10 attached vx client || fail "attach: $ATTACH: vx is $(interface vx)"
	python <<-'END'
	r = Redis("e")
	r.cmd("SET", "k", "v")
	same(warm("redis", lambda: r.get("k")), b"v", "GET through the new interface")
	r6 = Redis("e", R6)
	same(warm("redis", lambda: r6.get("k")), b"v", "GET through the new interface, IPv6")
	END
	ip -n "$NS-h" link del vx
	ip netns del "$NS-e"
	wait_for 10 bash -c "! $PD_BUILD/panditctl -s $SOCK status --json | jq -e '.interfaces[] | select(.name == \"vx\" and (.mode | startswith(\"tc\")))'" ||
		fail "attach: $ATTACH: an interface that is gone is still attached"
	ctl detach --all --force >/dev/null
	stop panditd
done

# the container of the server goes: nothing is answered; it comes back: hits come back
ATTACH="[vc, vd, vr, vm]" panditd_up
python <<'END'
r = Redis("c")
r.cmd("SET", "k", "v")
warm("redis", lambda: r.get("k"))
END
stop redis
ip -n "$NS-h" link del vr
ip netns del "$NS-r"
net_link r vr 10.1.0 fd00:1
check "redis" start_redis
wait_for 10 attached vr home || fail "vr is $(interface vr) after it came back"
python <<'END'
r = Redis("c")
same(r.get("k"), None, "GET from a new server")
r.cmd("SET", "k", "new")
same(warm("redis", lambda: r.get("k")), b"new", "GET from a new server")
END
finish
