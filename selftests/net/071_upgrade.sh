#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A second panditd is refused; SIGTERM leaves hits running; the next daemon replaces the programs in place.
. "$(dirname "$0")/scenario.sh"
begin
# A channel that is made anew makes everything kept unusable once: this is about what is adopted.
REDIS_SVC=", assist: off" MEMCACHED_SVC=", assist: off" panditd_up
not_plain

# second DIR PINS: a panditd that must be refused in one line and with status 1.
second() {
	local out status
	sed "s|^runtime_dir:.*|runtime_dir: $1|; s|^bpffs:.*|bpffs: $2|" "$RUN/pandit.yaml" >"$RUN/second.yaml"
	out=$(in_h timeout 20 "$PD_BUILD/panditd" -c "$RUN/second.yaml" 2>&1)
	status=$?
	[ $status = 1 ] || fail "a second panditd ($3) ended with $status: $(tail -n 1 <<<"$out")"
	[ "$(wc -l <<<"$out")" = 1 ] || fail "a second panditd ($3) said more than one line: $out"
	[[ $out == *pandit* ]] || fail "a second panditd ($3) said: $out"
}
second "$RUN" "$PINS" "same directories"
mkdir -p "$RUN/other"
second "$RUN/other" "$PINS" "same pins"
alive panditd || fail "the first panditd died of the second"
[ "$(ctl status --json | jq -r .state)" = ready ] || fail "the first panditd is not ready any more"

hits() { ctl stats --json | jq '[.services[].hits] | add'; }
more_hits() { [ "$(hits)" -gt $((h + 500)) ]; }
programs() { in_h bpftool -j net show | jq -c '[.[].tc[]? | .id] | sort'; }

load c --proto redis --host "$R4" -c 20 -t 20 -k 200 --preload --hit-ratio 0.9 --set-ratio 0.05 \
	>"$RUN/load.json" 2>"$RUN/load.err" &
pid=$!
sleep 1.5
before=$(programs)
p=$(pid_of panditd)
kill -TERM "$p"
wait_for 10 bash -c "! kill -0 $p" || fail "panditd does not end after SIGTERM"
[ "$(programs)" = "$before" ] || fail "SIGTERM took programs away"
for _ in 1 2 3; do
	check "panditd does not start again" panditd_start
	[ "$(ctl status --json | jq -r .state)" = ready ] || fail "panditd is not ready after an upgrade"
	[ "$(programs | jq length)" = "$(jq length <<<"$before")" ] || fail "programs before: $before, now: $(programs)"
	h=$(hits)
	wait_for 5 more_hits || fail "no hits after an upgrade"
	p=$(pid_of panditd)
	kill -TERM "$p"
	wait_for 10 bash -c "! kill -0 $p" || fail "panditd does not end after SIGTERM"
done
wait "$pid" || fail "a client saw an error: $(head -n 1 "$RUN/load.err")"
[ "$(jq '.errors + .mismatches' "$RUN/load.json")" = 0 ] || fail "$(cat "$RUN/load.json")"
finish
