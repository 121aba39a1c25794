#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Network of the scenarios, the demo and the benchmark. Everything lives in
# namespaces made here; the machine's own interfaces are never touched:
#
#   c (client)  --veth vc-\                        /-veth vr-- r (redis-server)
#                          h (the "host", routes) <
#   d (client)  --veth vd-/                        \-veth vm-- m (memcached)
#
#   c 10.0.1.2 fd00:0:1::2    r 10.1.0.2 fd00:1::2 port 6379
#   d 10.0.2.2 fd00:0:2::2    m 10.2.0.2 fd00:2::2 port 11211 (TCP and UDP)
#
# vc, vd, vr and vm are the names of the ends in h; in a container the other
# end is eth0. Programs are run with nsenter, not with "ip netns exec", which
# would mount a new /sys over the pins.
#
# As a command:  lib.sh up NAME | down NAME | exec NAME c|d|h|r|m CMD... | env NAME
# As a library:  . lib.sh; net_up NAME; in_c redis-cli -h $R4 ...; net_down NAME
#
# Environment: PD_NS_PREFIX (pdl), PD_BUILD (build), REDIS_ARGS, MEMCACHED_ARGS,
#   PD_CONGESTION (congestion control of the containers; the machine's own)

PD_ROOT=${PD_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
PD_BUILD=${PD_BUILD:-$PD_ROOT/build}
PD_NS_PREFIX=${PD_NS_PREFIX:-pdl}
PD_RUN_BASE=${PD_RUN_BASE:-/run/pandit-net}
PD_PIN_BASE=${PD_PIN_BASE:-/sys/fs/bpf/$PD_NS_PREFIX}

C4=10.0.1.2 C6=fd00:0:1::2
D4=10.0.2.2 D6=fd00:0:2::2
R4=10.1.0.2 R6=fd00:1::2 RPORT=6379
M4=10.2.0.2 M6=fd00:2::2 MPORT=11211
export C4 C6 D4 D6 R4 R6 RPORT M4 M6 MPORT

# net_name NAME: sets the paths of one network without making it. No dots in
# NAME: bpffs reserves them.
net_name() {
	NET=$1
	NS=$PD_NS_PREFIX-$NET
	RUN=$PD_RUN_BASE/$NET
	PINS=$PD_PIN_BASE/$NET
	SOCK=unix:$RUN/pandit.sock
	export NET NS RUN PINS SOCK
}

# in_ns c|d|h|r|m CMD...: runs CMD in that namespace.
in_ns() {
	local side=$1
	shift
	nsenter --net="/run/netns/$NS-$side" "$@"
}

in_c() { in_ns c "$@"; }
in_d() { in_ns d "$@"; }
in_h() { in_ns h "$@"; }
in_r() { in_ns r "$@"; }
in_m() { in_ns m "$@"; }

# start NAME SIDE CMD...: runs CMD in the background; its pid and output are
# kept under $RUN as NAME.pid and NAME.log.
start() {
	local name=$1 side=$2
	shift 2
	setsid nsenter --net="/run/netns/$NS-$side" "$@" \
		>"$RUN/$name.log" 2>&1 </dev/null &
	echo $! >"$RUN/$name.pid"
	disown
}

# pid_of NAME: pid of a process begun by start.
pid_of() { cat "$RUN/$1.pid" 2>/dev/null; }

# alive NAME
alive() {
	local pid
	pid=$(pid_of "$1") && kill -0 "$pid" 2>/dev/null
}

# stop NAME [SIGNAL]: ends a process begun by start and waits for its end.
stop() {
	local pid i
	pid=$(pid_of "$1") || return 0
	kill -"${2:-TERM}" "$pid" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	rm -f "$RUN/$1.pid"
	return 0
}

# wait_for SECONDS CMD...: until CMD succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS >= end)) && return 1
		sleep 0.05
	done
}

# link SIDE IFNAME NET4 NET6: veth between h (IFNAME) and SIDE (eth0).
net_link() {
	local side=$1 dev=$2 net4=$3 net6=$4
	ip netns add "$NS-$side" || return 1
	in_ns "$side" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_dad=0
	[ -z "${PD_CONGESTION:-}" ] ||
		in_ns "$side" sysctl -qw net.ipv4.tcp_congestion_control="$PD_CONGESTION" || return 1
	ip -n "$NS-h" link add "$dev" type veth peer name eth0 netns "$NS-$side" || return 1
	ip -n "$NS-h" addr add "$net4.1/24" dev "$dev"
	ip -n "$NS-h" addr add "$net6::1/64" dev "$dev" nodad
	ip -n "$NS-h" link set "$dev" up
	ip -n "$NS-$side" link set lo up
	ip -n "$NS-$side" addr add "$net4.2/24" dev eth0
	ip -n "$NS-$side" addr add "$net6::2/64" dev eth0 nodad
	ip -n "$NS-$side" link set eth0 up
	ip -n "$NS-$side" route add default via "$net4.1"
	ip -n "$NS-$side" -6 route add default via "$net6::1"
}

start_redis() {
	# shellcheck disable=SC2086
	start redis r redis-server --port "$RPORT" --bind 0.0.0.0 :: --protected-mode no \
		--save "" --appendonly no --daemonize no --dir "$RUN" \
		--unixsocket "$RUN/redis.sock" ${REDIS_ARGS:-}
	wait_for 5 in_r redis-cli -h "$R4" ping
}

start_memcached() {
	# shellcheck disable=SC2086
	start memcached m memcached -u nobody -t 2 -m 256 -p "$MPORT" -U "$MPORT" \
		-l 0.0.0.0,:: ${MEMCACHED_ARGS:-}
	wait_for 5 in_m bash -c "exec 3<>/dev/tcp/$M4/$MPORT"
}

# net_up NAME: namespaces, links and both servers. 0 or 1 (cleaned up).
net_up() {
	net_name "$1"
	mkdir -p "$RUN" || return 1
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || return 1
	mkdir -p "$PD_PIN_BASE"
	if ! { ip netns add "$NS-h" && in_h sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_dad=0 &&
		ip -n "$NS-h" link set lo up &&
		net_link c vc 10.0.1 fd00:0:1 && net_link d vd 10.0.2 fd00:0:2 &&
		net_link r vr 10.1.0 fd00:1 && net_link m vm 10.2.0 fd00:2 &&
		start_redis && start_memcached; }; then
		echo "cannot make the network $1 (see $RUN/*.log)" >&2
		net_down "$1"
		return 1
	fi
}

# net_down NAME: everything net_up and start made, whatever state it is in.
net_down() {
	local f side
	net_name "$1"
	for f in "$RUN"/*.pid; do
		[ -e "$f" ] && stop "$(basename "$f" .pid)"
	done
	for side in c d e r m h; do
		[ -e "/run/netns/$NS-$side" ] && ip netns del "$NS-$side"
	done
	rm -rf "$RUN" "$PINS"
	rmdir "$PD_RUN_BASE" "$PD_PIN_BASE" 2>/dev/null
	return 0
}

net_env() {
	net_name "$1"
	cat <<-END
	NS=$NS RUN=$RUN PINS=$PINS
	C4=$C4 C6=$C6 D4=$D4 D6=$D6
	R4=$R4 R6=$R6 RPORT=$RPORT M4=$M4 M6=$M6 MPORT=$MPORT
	END
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	verb=${1:-}
	case $verb in
	up) net_up "${2:?name}" && net_env "$2" ;;
	down) net_down "${2:?name}" ;;
	env) net_env "${2:?name}" ;;
	exec)
		net_name "${2:?name}"
		shift 2
		in_ns "$@"
		;;
	*)
		echo "usage: lib.sh up NAME | down NAME | exec NAME c|d|h|r|m CMD... | env NAME" >&2
		exit 2
		;;
	esac
fi
