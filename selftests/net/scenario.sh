#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What every scenario sources. A scenario is a file NNN_name.sh that prints
# exactly one line, "ok NNN name" or "not ok NNN name: why", and leaves
# nothing behind:
#
#   . "$(dirname "$0")/scenario.sh"
#   begin                 # network, servers; cleaned up at exit, however it ends
#   panditd_up            # writes the configuration, starts the daemon, waits
#   python <<'END'        # one or more of these, with pdnet.py loaded
#   ...
#   END
#   finish
#
# Any failing step ends the scenario through fail. With PD_PLAIN=1 no panditd
# is started and nothing is said about hits: what remains must hold for the
# servers alone, so a test that fails in this way is itself wrong.

set -uo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=selftests/net/lib.sh
. "$HERE/lib.sh"
export PD_PLAIN=${PD_PLAIN:-}

SELF=$(basename "$0" .sh)
NUMBER=${SELF%%_*}
TITLE=${SELF#*_}
REPORTED=

say_result() {
	[ -n "$REPORTED" ] && return
	REPORTED=1
	if [ "$1" = ok ]; then
		echo "ok $NUMBER ${TITLE//_/ }"
	else
		echo "not ok $NUMBER ${TITLE//_/ }: $2"
	fi
}

# fail WHY: ends the scenario.
fail() {
	say_result fail "$*"
	if [ -n "${PD_VERBOSE:-}" ] && [ -s "$RUN/panditd.log" ]; then
		sed 's/^/# panditd: /' "$RUN/panditd.log" | tail -n 40
	fi
	exit 1
}

finish() {
	say_result ok
	exit 0
}

at_exit() {
	local early=
	trap '' INT TERM HUP
	[ -n "${REPORTED:-}" ] || early=1
	say_result fail "ended early"
	net_down "$NET"
	[ -z "$early" ] || exit 1
}

# begin: the network of this scenario.
begin() {
	local why
	net_name "${PD_NET:-$NUMBER-$$}"
	trap at_exit EXIT
	trap 'fail "interrupted or out of time"' INT TERM HUP
	why=$(net_up "$NET" 2>&1) || fail "network: $why"
}

# check WHAT CMD...: CMD must succeed.
check() {
	local what=$1
	shift
	"$@" >"$RUN/check.log" 2>&1 || fail "$what: $(tail -n 1 "$RUN/check.log")"
}

ctl() { "$PD_BUILD/panditctl" -s "$SOCK" "$@"; }

# Configuration of this network. Variables that change it: ATTACH, MAX_AGE,
# MAX_VALUE, REDIS_SVC and MEMCACHED_SVC (more keys of the service, ", k: v").
write_config() {
	cat >"$RUN/pandit.yaml" <<-END
	node: $NET
	runtime_dir: $RUN
	state_dir: $RUN/state
	bpffs: $PINS
	attach: ${ATTACH:-[vc, vd, vr, vm]}
	limits: {connections: ${CONNECTIONS:-4096}, memory: 64MiB}
	services:
	  - {name: redis, protocol: redis, address: ["$R4:$RPORT", "[$R6]:$RPORT"],
	     cache: {max_age: ${MAX_AGE:-1s}, max_value: ${MAX_VALUE:-4416}}${REDIS_SVC:-}}
	  - {name: memcached, protocol: memcached, address: ["$M4:$MPORT", "[$M6]:$MPORT"],
	     transport: [tcp, udp], cache: {max_age: ${MAX_AGE:-1s}, max_value: ${MAX_VALUE:-4416}}${MEMCACHED_SVC:-}}
	END
}

# pool_servers: further servers, for connections that nobody else writes to; services of write_config.
pool_servers() {
	start redis2 r redis-server --port $((RPORT + 1)) --bind 0.0.0.0 :: --protected-mode no \
		--save "" --appendonly no --daemonize no --dir "$RUN"
	start memcached2 m memcached -u nobody -t 1 -p $((MPORT + 1)) -U 0 -l 0.0.0.0,::
	check "redis of the pool" wait_for 5 in_r redis-cli -h "$R4" -p $((RPORT + 1)) ping
	check "memcached of the pool" wait_for 5 in_m bash -c "exec 3<>/dev/tcp/$M4/$((MPORT + 1))"
	cat >>"$RUN/pandit.yaml" <<-END
	  - {name: pool, protocol: redis, address: ["$R4:$((RPORT + 1))", "[$R6]:$((RPORT + 1))"]}
	  - {name: poolm, protocol: memcached, address: ["$M4:$((MPORT + 1))", "[$M6]:$((MPORT + 1))"]}
	END
}

panditd_ready() { grep -q '^pandit: ready' "$RUN/panditd.log"; }

# panditd_start: with the configuration that is there. 0, or 1 with the reason on stderr.
panditd_start() {
	local i
	: >"$RUN/panditd.log"
	# shellcheck disable=SC2086
	start panditd h ${PD_WRAP:-} "$PD_BUILD/panditd" -c "$RUN/pandit.yaml"
	for ((i = 0; i < 600; i++)); do
		panditd_ready && return 0
		alive panditd || break
		sleep 0.05
	done
	panditd_ready && return 0
	tail -n 1 "$RUN/panditd.log" >&2
	return 1
}

panditd_up() {
	[ -n "$PD_PLAIN" ] && return 0
	write_config
	check "panditd does not start" panditd_start
}

# not_plain: the rest of the scenario is about pandit only.
not_plain() {
	[ -z "$PD_PLAIN" ] || finish
}

# python: runs stdin with pdnet.py loaded, in the namespace h.
python() {
	local out
	export PD_BUILD PD_ROOT PD_NS_PREFIX HERE
	if ! out=$(PYTHONPATH=$HERE PYTHONDONTWRITEBYTECODE=1 nsenter --net="/run/netns/$NS-h" \
		timeout "${STEP_TIME:-120}" /usr/bin/python3 -c "from pdnet import *
$(cat)" 2>&1); then
		[ -n "${PD_VERBOSE:-}" ] && sed 's/^/# /' <<<"$out"
		fail "$(tail -n 1 <<<"$out")"
	fi
	[ -n "${PD_VERBOSE:-}" ] && [ -n "$out" ] && sed 's/^/# /' <<<"$out"
	return 0
}

# oracle ARGS...: all protocols and both families, from both clients.
oracle() {
	local share=(--panditctl "$PD_BUILD/panditctl -s $SOCK")
	[ -n "$PD_PLAIN" ] && share=()
	in_c "$PD_BUILD/test/oracle" --redis "$R4:$RPORT" --redis "[$R6]:$RPORT" \
		--memcached "$M4:$MPORT" --memcached "[$M6]:$MPORT" \
		--memcached-udp "$M4:$MPORT" --memcached-udp "[$M6]:$MPORT" \
		--netns "/run/netns/$NS-c" --netns "/run/netns/$NS-d" \
		"${share[@]}" "$@"
}

# oracle_counted CMD ARGS...: the same, with the hits that CMD prints: for a daemon that may not be there.
oracle_counted() {
	local panditd_counts=$1
	shift
	PD_PLAIN=1 oracle --stats-cmd "$panditd_counts" "$@"
}

# load SIDE ARGS...
load() {
	local side=$1
	shift
	in_ns "$side" "$PD_BUILD/bench/load" "$@"
}
