#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced behind scenario.sh by the scenarios that run a server's own test suite: once with the server
# alone, once through pandit. The tests that pass must be the same ones. PD_UPSTREAM=all runs all of it.

export UPSTREAM=$PD_BUILD/upstream

# fetch PACKAGE: its source, under $UPSTREAM.
fetch() {
	check "the source of $1 cannot be fetched" "$PD_ROOT/selftests/upstream/fetch.sh" "$1"
}

# same_passes AT_LEAST BARE PANDIT: two files with one passed test a line.
same_passes() {
	local least=$1 lost more
	sort -o "$2" "$2"
	sort -o "$3" "$3"
	lost=$(comm -23 "$2" "$3")
	more=$(comm -13 "$2" "$3")
	[ "$(wc -l <"$2")" -ge "$least" ] || fail "only $(wc -l <"$2") tests pass without pandit, want $least"
	[ -z "$lost" ] || fail "pass without pandit only: $(head -n 5 <<<"$lost" | tr '\n' ';')"
	[ -z "$more" ] || fail "pass through pandit only: $(head -n 5 <<<"$more" | tr '\n' ';')"
	[ -z "${PD_VERBOSE:-}" ] || echo "# $(wc -l <"$2") tests pass with and without pandit"
}

# looked_up SERVICE: the reads that pandit looked up, and of these what it answered.
looked_up() {
	ctl stats --json | jq -r ".services[] | select(.name == \"$1\") | \"\(.hits + .misses) \(.hits)\""
}
