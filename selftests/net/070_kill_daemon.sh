#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of panditd under hits, misses and writes: no client notices, hits go on, the next daemon adopts all.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up
not_plain

# hits: sum over services and processors of counter 0 of the pinned map
kernel_hits() {
	bpftool -j map dump pinned "$PINS/v1/maps/counters" |
		jq '[.[] | .formatted | select(.key % 32 == 0) | .values[].value] | add'
}
status() { ctl status --json | jq ".$1"; }
redis_hits() { ctl stats --json | jq '.services[] | select(.name == "redis") | .hits'; }

in_d redis-cli -h "$R4" get x >/dev/null
check "preload" load d --proto redis --host "$R4" -k 200 --preload-only --prefix quiet:
# hits, misses and writes on 20 connections of each family, all the time
load c --proto redis --host "$R4" -c 20 -t 12 -k 200 --preload --hit-ratio 0.9 --set-ratio 0.05 \
	>"$RUN/load4.json" 2>"$RUN/load4.err" &
pid4=$!
load d --proto redis --host "$R6" -c 20 -t 12 -k 200 --preload --hit-ratio 0.9 --set-ratio 0.05 --prefix six: \
	>"$RUN/load6.json" 2>"$RUN/load6.err" &
pid6=$!
load d --proto memcached --host "$M4" -c 10 -t 12 -k 200 --preload --hit-ratio 0.9 --set-ratio 0.05 \
	>"$RUN/loadm.json" 2>"$RUN/loadm.err" &
pidm=$!
sleep 2
[ "$(redis_hits)" -gt 1000 ] || fail "no hits before the kill"

kill -9 "$(pid_of panditd)"
sleep 0.5
alive panditd && fail "panditd survived kill -9"
check "client errors while there was no daemon" load d --proto redis --host "$R4" -c 4 -k 200 \
	--prefix quiet: -t 2 --warmup 0.2
# the daemon is gone, its maps are not: hits are counted on
a=$(kernel_hits)
sleep 1
b=$(kernel_hits)
[ $((b - a)) -gt 1000 ] || fail "$((b - a)) hits in a second without a daemon"

check "the next panditd does not start" panditd_start
entries=$(status entries) connections=$(status connections)
[ "$entries" -gt 50 ] || fail "the next daemon knows $entries entries"
[ "$connections" -ge 50 ] || fail "the next daemon knows $connections connections, 50 are open"
[ "$(status state)" = '"ready"' ] || fail "the next daemon is $(status state): $(status problems)"
h=$(redis_hits)
sleep 1
[ "$(redis_hits)" -gt $((h + 1000)) ] || fail "no hits under the next daemon"
kill -9 "$(pid_of panditd)"
sleep 0.2
check "the third panditd does not start" panditd_start

for p in $pid4 $pid6 $pidm; do
	wait "$p" || fail "a client saw an error: $(cat "$RUN"/load?.err | head -n 1)"
done
for f in "$RUN"/load?.json; do
	[ "$(jq '.errors + .mismatches' "$f")" = 0 ] || fail "$(cat "$f")"
	[ "$(jq .requests "$f")" -gt 10000 ] || fail "too little load: $(cat "$f")"
done
finish
