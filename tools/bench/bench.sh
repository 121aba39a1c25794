#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `make bench`: every row is measured in turn with its peer, ROUNDS times in
# one run, and given as the ratio of the medians, with the bar it has to pass.
# Two equal networks (see selftests/net/lib.sh): `bp` with panditd, `bd`
# without. Writes bench/RESULTS.md.
#
# usage: bench.sh [ROW...]     rows as in the table below; all without
# Environment: ROUNDS (5), SECONDS_EACH (2), RESULTS (bench/RESULTS.md)

set -uo pipefail
BENCH=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$BENCH/../.." && pwd)
# shellcheck source=selftests/net/scenario.sh
. "$ROOT/selftests/net/scenario.sh"

ROUNDS=${ROUNDS:-5}
EACH=${SECONDS_EACH:-2}
RESULTS=${RESULTS:-$ROOT/bench/RESULTS.md}
# BBR without fq paces by timers of its own; Debian's default, cubic, does not. Reno is always there.
export PD_CONGESTION=reno
WITH=bp-$$ WITHOUT=bd-$$
LOAD=$PD_BUILD/bench/load
FLOORS=/sys/fs/bpf/pandit-floors-$$
TEMP=$(mktemp -d)
SAMPLES=$TEMP/samples

# id | title | bar (rps, cpu and p50 as ratios of pandit to the direct way) | kind | arguments of load
# "at equal CPU": one generator on each processor, so that both ways use the whole machine. Where there
# is one generator, the other processor is idle when no server has to work.
# +floor: the same requests are also answered by floor.bpf.c, which does nothing but answer.
rows() {
	cat <<-'TABLE'
	get1|Redis GET, 1 connection, 64 B, all on one core|p50<=0.5|pinned|--proto redis -c 1 -d 64
	get64|Redis GET, 50 connections, 64 B, at equal CPU|rps>=2 cpu<=0.3 p50<=0.5|pair+floor|--proto redis -c 25 -d 64
	get4k|Redis GET, 50 connections, 4 KiB, at equal CPU|rps>=1.5|pair+floor|--proto redis -c 25 -d 4096 --prefix l:
	one64|Redis GET, 50 connections, 64 B, one generator|rps>=2 cpu<=0.3 p50<=0.5|load+floor|--proto redis -c 50 -d 64
	one512|Redis GET, 50 connections, 512 B, one generator||load|--proto redis -c 50 -d 512 --prefix m:
	one4k|Redis GET, 50 connections, 4 KiB, one generator|rps>=1.5|load+floor|--proto redis -c 50 -d 4096 --prefix l:
	two|Redis GET, 100 connections, 64 B, at equal CPU||pair|--proto redis -c 50 -d 64
	hit90|Redis GET, 50 connections, 64 B, 90 % hits||load|--proto redis -c 50 -d 64 --hit-ratio 0.9
	hit0|Redis GET, 50 connections, no hits|rps>=0.88|load|--proto redis -c 50 -d 64 --hit-ratio 0
	set|Redis SET, 50 connections, 64 B|rps>=0.88|load|--proto redis -c 50 -d 64 --op set
	p16|Redis GET, 50 connections, 16 at once, 64 B|rps>=0.8|load|--proto redis -c 50 -d 64 -P 16
	set16|Redis SET, 50 connections, 16 at once, 64 B|rps>=0.8|load|--proto redis -c 50 -d 64 -P 16 --op set
	udp64|memcached get over UDP, 64 in flight, 64 B, at equal CPU|rps>=3 cpu<=0.25|pair+floor|--proto memcached-udp -c 1 -P 32 -d 64
	udp1k|memcached get over UDP, 64 in flight, 1 KiB, at equal CPU|rps>=2.5 cpu<=0.25|pair+floor|--proto memcached-udp -c 1 -P 32 -d 1024 --prefix k:
	oneudp|memcached get over UDP, 64 in flight, 64 B, one generator|rps>=3 cpu<=0.25|load+floor|--proto memcached-udp -c 1 -P 64 -d 64
	mc64|memcached get over TCP, 50 connections, 64 B, at equal CPU||pair|--proto memcached -c 25 -d 64
	bulk|iperf3, one TCP stream through the attached interfaces|rps>=0.95|bulk|
	twem|twemproxy: Redis GET, 50 connections, 64 B||proxy|7001
	haproxy|HAProxy, TCP mode: Redis GET, 50 connections, 64 B||proxy|7002
	TABLE
}

cleanup() {
	trap '' INT TERM
	rm -rf "$FLOORS"
	net_down "$WITH"
	net_down "$WITHOUT"
	rm -rf "$TEMP"
}

quit() {
	echo "bench: $*" >&2
	exit 1
}

need() {
	local c
	for c in redis-server memcached haproxy nutcracker iperf3 jq; do
		command -v $c >/dev/null || quit "$c is missing: run ci/deps"
	done
	for c in "$LOAD" "$PD_BUILD/bench/progs" "$PD_BUILD/panditd" "$PD_BUILD/panditctl"; do
		[ -x "$c" ] || quit "$c is missing: run make"
	done
}

start_proxies() {
	cat >"$RUN/nutcracker.yml" <<-END
	redis:
	  listen: 0.0.0.0:7001
	  redis: true
	  hash: fnv1a_64
	  distribution: ketama
	  servers:
	   - $R4:$RPORT:1
	END
	cat >"$RUN/haproxy.cfg" <<-END
	global
	  maxconn 4000
	defaults
	  mode tcp
	  timeout connect 5s
	  timeout client 1m
	  timeout server 1m
	listen redis
	  bind :7002
	  server redis $R4:$RPORT
	END
	start nutcracker h nutcracker -c "$RUN/nutcracker.yml" -m 16384
	start haproxy h haproxy -db -f "$RUN/haproxy.cfg"
	wait_for 5 in_c redis-cli -h 10.0.1.1 -p 7001 get x || quit "nutcracker does not start"
	wait_for 5 in_c redis-cli -h 10.0.1.1 -p 7002 get x || quit "haproxy does not start"
}

set_up() {
	trap cleanup EXIT
	trap 'exit 1' INT TERM
	net_up "$WITHOUT" || exit 1
	start iperf r iperf3 -s
	start_proxies
	net_up "$WITH" || exit 1
	start iperf r iperf3 -s
	/usr/sbin/bpftool prog loadall "$PD_BUILD/bench/floor.bpf.o" "$FLOORS" || quit "cannot load the floors"
	# one source is given what it asks for: the generator is one socket
	MEMCACHED_SVC=", udp_budget: 2GiB" write_config
	sed -i 's/memory: [^}]*/memory: 256MiB/' "$RUN/pandit.yaml"
	panditd_start || quit "panditd does not start"
}

# on with|without: what follows is about that network.
on() {
	if [ "$1" = with ]; then net_name "$WITH"; else net_name "$WITHOUT"; fi
}

hits_now() { ctl stats --json | jq '[.services[].hits] | add'; }
busy() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }

# Arguments of load for the address of a protocol.
host_of() { case $1 in *memcached*) echo "--host $M4" ;; *) echo "--host $R4" ;; esac; }

run_load() {
	# shellcheck disable=SC2046,SC2086
	in_c "$LOAD" $(host_of "$*") "$@" -t "$EACH" ||
		quit "errors or wrong replies: load $* on $NET"
}

# Both ends on processor 0: what is left is the work, not the wake-ups.
run_pinned() {
	local p out
	p=$(pid_of redis)
	taskset -apc 0 "$p" >/dev/null
	out=$(run_load "$@" --cpu 0) || exit 1
	taskset -apc "0-$(($(nproc) - 1))" "$p" >/dev/null
	echo "$out"
}

# Two generators; the sum.
run_pair() {
	local one two
	run_load "$@" --cpu 0 >"$TEMP/pair" &
	two=$(run_load "$@" --cpu 1) || exit 1
	wait $! || exit 1
	one=$(cat "$TEMP/pair")
	jq -c -s '.[0] as $a | .[1] as $b | $a + {rps: ($a.rps + $b.rps),
		requests: ($a.requests + $b.requests),
		all_requests: ($a.all_requests + $b.all_requests), p50_us: (($a.p50_us + $b.p50_us) / 2)}' \
		<<<"$one $two"
}

# Megabits as requests.
run_bulk() {
	local before after out
	before=$(busy)
	out=$(in_c iperf3 -c "$R4" -t "$EACH" -J) || quit "iperf3 on $NET"
	after=$(busy)
	jq -c --argjson cpu "$(bc -l <<<"$after - $before")" \
		'{rps: (.end.sum_received.bits_per_second / 1e6), p50_us: 0, machine_cpu: $cpu,
		requests: (.end.sum_received.bytes * 8 / 1e6)}' <<<"$out"
}

# The network without pandit gets a hook that answers all requests with the reply to the first one.
floor_on() {
	local hook="bpf da pinned $FLOORS/floor"

	# shellcheck disable=SC2086
	if ! { in_h tc qdisc add dev vc clsact && in_h tc filter add dev vc egress ${hook}_learn &&
		run_load "$@" -n 1 --warmup 0 >/dev/null &&
		in_h tc filter add dev vc ingress ${hook}_echo; }; then
		quit "cannot attach the floor"
	fi
}

floor_off() { in_h tc qdisc del dev vc clsact; }

# sample ROW SIDE KIND ARGS...: one measurement, one line into $SAMPLES.
sample() {
	local row=$1 side=$2 kind=$3 before=0 after=0 out
	shift 3
	case $side in
	with) on with && before=$(hits_now) ;;
	floor) on without && set -- "$@" -k 1 && floor_on "$@" ;;
	*) on without ;;
	esac
	case $kind in
	pinned) out=$(run_pinned "$@") ;;
	pair) out=$(run_pair "$@") ;;
	bulk) out=$(run_bulk) ;;
	proxy) out=$(in_c "$LOAD" --proto redis --host 10.0.1.1 --port "$1" -c 50 -t "$EACH") ;;
	*) out=$(run_load "$@") ;;
	esac || exit 1
	[ "$side" = with ] && after=$(hits_now)
	[ "$side" = floor ] && floor_off
	jq -c --arg row "$row" --arg side "$side" --argjson hits $((after - before)) \
		'{row: $row, side: $side, hits: $hits, rps, p50_us, requests, machine_cpu,
		all_requests: (.all_requests // .requests)}' \
		<<<"$out" >>"$SAMPLES" || exit 1
}

measure() {
	local row=$1 title=$2 kind=$3 side i
	shift 3
	printf '%-62s' "$title"
	if [ "$kind" != bulk ] && [ "$kind" != proxy ]; then
		for side in with without; do
			on $side
			# shellcheck disable=SC2046
			in_c "$LOAD" $(host_of "$*") "$@" --preload-only || quit "preload on $NET"
		done
	fi
	for ((i = 0; i < ROUNDS; i++)); do
		if [ "$kind" = proxy ]; then
			sample "$row" direct load --proto redis -c 50 -d 64
			sample "$row" peer proxy "$@"
			sample "$row" with load --proto redis -c 50 -d 64
		else
			sample "$row" without "${kind%+floor}" "$@"
			[ "$kind" = "${kind%+floor}" ] || sample "$row" floor "${kind%+floor}" "$@"
			sample "$row" with "${kind%+floor}" "$@"
		fi
		printf .
	done
	echo
}

machine() {
	local version
	echo "- machine: $(nproc) processors, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
	echo "- kernel: $(uname -r)"
	echo "- servers: redis $(redis-server --version | sed 's/.*v=\([0-9.]*\).*/\1/')," \
		"memcached $(memcached -V | sed 's/.* //') with 2 threads"
	version=$(nutcracker -V 2>&1 | head -n 1)
	echo "- peers: ${version#This is }, $(haproxy -v | sed -n '1s/ 20.*//p'), $(iperf3 -v | head -n 1)"
	on with
	echo "- panditd: $(sed -n 's/^VmRSS: *//p' "/proc/$(pid_of panditd)/status") resident after the run"
	echo "- busy with other things before the run: $IDLE_BUSY % of the machine" \
		"(it is in every CPU figure; above 5 % the figures are worth little)"
	echo "- $ROUNDS rounds of $EACH s for each row and side, in turn; medians"
}

# What else the machine does, while the networks stand and nothing is asked of them.
measure_idle() {
	local before after
	before=$(busy)
	sleep 2
	after=$(busy)
	IDLE_BUSY=$(bc -l <<<"scale=1; ($after - $before) * 50 / $(nproc)")
	[ "${IDLE_BUSY%.*}" = "" ] || [ "${IDLE_BUSY%.*}" -lt 5 ] ||
		echo "bench: the machine is busy with other things ($IDLE_BUSY %)" >&2
}

main() {
	local id title kind args wanted=" $* "
	[ "$(id -u)" = 0 ] || quit "must be root (it makes network namespaces)"
	need
	set_up
	measure_idle
	while IFS='|' read -r -u 3 id title _ kind args; do
		[ $# = 0 ] || [[ $wanted == *" $id "* ]] || continue
		# shellcheck disable=SC2086
		measure "$id" "$title" "$kind" $args
	done 3< <(rows)
	mkdir -p "$(dirname "$RESULTS")"
	rows >"$TEMP/rows"
	machine >"$TEMP/machine"
	on with
	ctl attach vc --side client --side edge >/dev/null || quit "cannot attach the edge"
	in_h "$PD_BUILD/bench/progs" "$PINS/v1/progs" "$FLOORS" vc vm >"$TEMP/progs" ||
		quit "cannot run the programs alone"
	/usr/bin/python3 "$BENCH/report.py" "$TEMP" >"$RESULTS"
	local status=$?
	cat "$RESULTS"
	return $status
}

main "$@"
