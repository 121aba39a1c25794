#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 600
# Mixed and read-mostly load on few keys from 16 connections: no read is older than the last acknowledged write.
# ORACLE_OPS=1000000 for the full run.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up
# on failure, PD_VERBOSE=1 also shows why reads were not answered
out=$(oracle -n "${ORACLE_OPS:-200000}" --time 500 2>&1) || {
	[ -n "${PD_VERBOSE:-}" ] && sed 's/^/# /' <<<"$out"
	[ -n "${PD_VERBOSE:-}" ] && [ -z "$PD_PLAIN" ] &&
		ctl stats --json | jq -c '.services[] | [.name, .hits, .passes]'
	fail "$(grep -E 'violation|TOO FEW|unexpected|errors' <<<"$out" | head -n 1)"
}
sed -n 's/^\(phase\|oracle: [0-9]* values\)/# \1/p' <<<"$out"
finish
