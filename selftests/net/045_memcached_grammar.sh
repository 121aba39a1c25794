#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The grammar of memcached says of random and mutated requests what a real server then does.
. "$(dirname "$0")/scenario.sh"
begin
out=$(in_m /usr/bin/python3 -B "$PD_ROOT/proto/wire/memcached/check_server.py" 4000 1 2>&1) ||
	fail "$(tail -n 3 <<<"$out" | tr '\n' ' ')"
[ -z "${PD_VERBOSE:-}" ] || echo "# $out"
finish
