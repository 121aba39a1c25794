#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `make demo`: containers (network namespaces) for two clients, redis-server
# and memcached, real servers, ordinary clients; first without pandit, then
# with it. Ends with one table and leaves nothing behind.
#
# Environment: KEEP=1 leaves everything running and says what to play with.
# `demo.sh clean` removes what KEEP=1 left.

set -uo pipefail
DEMO=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$DEMO/../.." && pwd)
KEEP=${KEEP:-}
NET=demo
LIVE=	# a terminal: progress on one line

say() { printf '%s\n' "$*"; }
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}
[ -t 1 ] && LIVE=1
[ -n "$LIVE" ] || step() { printf '\n== %s\n' "$*"; }

[ "$(id -u)" = 0 ] || die "must be root, it makes network namespaces: sudo make demo"

install_packages() {
	local missing
	missing=$("$ROOT/ci/deps" -n demo 2>/dev/null)
	[ -z "$missing" ] && return
	step "Installing packages"
	"$ROOT/ci/deps" demo || die "the packages cannot be installed"
}

build() {
	step "Building"
	make -s -C "$ROOT" build/panditd build/panditctl build/bench/load || die "it does not build"
}

cleanup() {
	trap '' INT TERM HUP
	[ -n "$TEMP" ] && rm -rf "$TEMP"
	[ -n "$KEPT" ] && return
	net_down "$NET"
	say "cleaned up"
}

set_up() {
	step "Making the containers"
	[ -e "/run/netns/$PD_NS_PREFIX-$NET-h" ] && net_down "$NET"
	net_up "$NET" || die "the containers cannot be made"
	say "  client 10.0.1.2, second client 10.0.2.2 | redis-server $R4:$RPORT | memcached $M4:$MPORT (TCP, UDP)"
	# redis-benchmark uses the same names of keys
	in_c "$LOAD" --proto redis --host "$R4" -k 1000 --preload-only || die "redis takes no data"
	in_c "$LOAD" --proto memcached --host "$M4" -k 1000 --preload-only || die "memcached takes no data"
}

busy() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }

hits() {
	[ "$MODE" = with ] || { echo 0; return; }
	ctl stats --json | json 'sum(s["hits"] for s in d["services"])'
}

# json EXPRESSION: of d, the object on stdin.
json() { /usr/bin/python3 -c 'import json, sys; d = json.load(sys.stdin); print('"$1"')'; }

# row NAME TITLE CMD...: CMD prints "requests requests/s p50-in-µs" (0 = not told).
row() {
	local name=$1 title=$2 before after h0 h1 out
	shift 2
	printf '  %-48s' "$title"
	h0=$(hits) before=$(busy)
	out=$("$@") || die "$title: wrong replies or errors"
	after=$(busy) h1=$(hits)
	# shellcheck disable=SC2086
	printf '%s|%s|%s|%s %s %s\n' "$name" "$title" "$MODE" "$out" \
		"$(bc -l <<<"$after - $before")" "$((h1 - h0))" >>"$TEMP/results"
	awk '{ printf "%9d requests/s\n", $2 }' <<<"$out"
}

by_redis_cli() {
	local begin end n=20000
	begin=$(date +%s%N)
	seq "$n" | awk '{ printf "GET key:%012d\n", $1 % 1000 }' | in_c redis-cli -h "$R4" >"$TEMP/cli" || return 1
	end=$(date +%s%N)
	# every line a value
	[ "$(grep -c '^[a-zA-Z]' "$TEMP/cli")" = "$n" ] || return 1
	echo "$n $((n * 1000000000 / (end - begin))) 0"
}

# The last line of --csv: "GET","rps","avg ms","min","p50",..
by_redis_benchmark() {
	local n=$1
	shift
	in_c redis-benchmark -h "$R4" -t get -n "$n" -r 1000 -d 64 --csv "$@" 2>/dev/null |
		awk -F '"' -v n="$n" '/^"GET"/ { printf "%d %d %.1f\n", n, $4, $10 * 1000; ok = 1 } END { exit !ok }'
}

by_load() {
	in_c "$LOAD" "$@" -t 2 --warmup 0.2 -k 1000 |
		json '"%d %d %.1f" % (d["all_requests"], d["rps"], d["p50_us"]) if not d["errors"] + d["mismatches"] else exit(1)'
}

measure() {
	MODE=$1
	row cli "redis-cli, one GET after the other" by_redis_cli
	row rb1 "redis-benchmark GET, 1 connection" by_redis_benchmark 40000 -c 1
	row rb50 "redis-benchmark GET, 50 connections" by_redis_benchmark 200000 -c 50
	row load "Redis GET, 50 connections, own generator" by_load --proto redis --host "$R4" -c 50
	row mct "memcached get, TCP, 50 connections" by_load --proto memcached --host "$M4" -c 50
	row mcu "memcached get, UDP, 64 in flight" by_load --proto memcached-udp --host "$M4" -c 64
}

start_pandit() {
	step "Starting panditd"
	cat >"$RUN/pandit.yaml" <<-END
	node: demo
	runtime_dir: $RUN
	state_dir: $RUN/state
	bpffs: $PINS
	attach: [vc, vd, vr, vm]
	services:
	- {name: sessions, protocol: redis, address: ["$R4:$RPORT", "[$R6]:$RPORT"]}
	- {name: pages, protocol: memcached, address: ["$M4:$MPORT", "[$M6]:$MPORT"], transport: [tcp, udp]}
	END
	panditd_start || die "panditd does not start"
	ctl status
}

# A sample of keys, as a client sees them and as the server itself says, over its unix socket.
compare_replies() {
	local same=0 i key a b
	step "Comparing replies with the server's own"
	for i in $(shuf -i 0-999 -n 100); do
		key=$(printf 'key:%012d' "$i")
		echo "GET $key"
	done >"$TEMP/sample"
	# twice on one connection: the second answer of each comes from the kernel
	cat "$TEMP/sample" "$TEMP/sample" | in_c redis-cli -h "$R4" >"$TEMP/seen"
	cat "$TEMP/sample" "$TEMP/sample" | redis-cli -s "$RUN/redis.sock" >"$TEMP/own"
	while read -r -u 3 a && read -r -u 4 b; do
		[ -n "$a" ] || die "a reply is empty"
		[ "$a" = "$b" ] || die "a client reads \"$a\" where the server has \"$b\""
		same=$((same + 1))
	done 3<"$TEMP/seen" 4<"$TEMP/own"
	[ $same = 200 ] || die "only $same of 200 replies were compared"
	say "  $same of $same replies are the server's own (and the load above compared every byte of every reply)"
}

# One connection reads; another client writes; the next read on the first sees it.
show_write() {
	step "A write is seen at once"
	PD_NS=$NS PD_R4=$R4 PD_R6=$R6 PD_RPORT=$RPORT /usr/bin/python3 "$DEMO/write.py" || die "a write was not seen at once"
}

keep_note() {
	KEPT=1
	local c="nsenter --net=/run/netns/$NS-c"
	step "Left running (KEEP=1)"
	cat <<-END
	  a client:           $c redis-cli -h $R4
	  the other client:   nsenter --net=/run/netns/$NS-d redis-cli -h $R6
	  what pandit does:   $PD_BUILD/panditctl -s $SOCK status
	                      $PD_BUILD/panditctl -s $SOCK stats -w
	                      $PD_BUILD/panditctl -s $SOCK ls sessions
	                      $PD_BUILD/panditctl -s $SOCK get sessions key:000000000001
	  load:               $c $LOAD --proto redis --host $R4 -c 50 -t 10
	                      $c $LOAD --proto memcached-udp --host $M4 -c 64 -t 10
	  in the kernel:      bpftool map dump pinned $PINS/v1/maps/services
	                      nsenter --net=/run/netns/$NS-h bpftool net show
	  kill the daemon:    kill -9 $(pid_of panditd)     (hits go on)
	  remove everything:  $DEMO/demo.sh clean
	END
}

main() {
	local begin=$SECONDS
	TEMP=$(mktemp -d) KEPT=
	install_packages
	build
	# shellcheck source=selftests/net/scenario.sh
	. "$ROOT/selftests/net/scenario.sh"
	LOAD=$PD_BUILD/bench/load
	NET=demo
	trap cleanup EXIT
	trap 'exit 1' INT TERM HUP
	set_up
	step "Without pandit"
	measure without
	start_pandit
	step "With pandit"
	measure with
	compare_replies
	show_write
	step "The same requests, the same servers, the same clients"
	/usr/bin/python3 "$DEMO/table.py" "$TEMP/results" || die "the kernel answered too little"
	say ""
	say "took $((SECONDS - begin)) s"
	[ -n "$KEEP" ] && keep_note
	exit 0
}

if [ "${1:-}" = clean ]; then
	# shellcheck source=selftests/net/lib.sh
	. "$ROOT/selftests/net/lib.sh"
	net_down demo
	exit 0
fi
main
