#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The oracle itself: it finds a wrong cache put in front of the server, and the lies of its own self-test.
. "$(dirname "$0")/scenario.sh"
begin
check "oracle --self-test" "$PD_BUILD/test/oracle" --self-test
start proxy r /usr/bin/python3 "$HERE/stale_proxy.py" 7777 "$R4" "$RPORT"
wait_for 5 in_r bash -c "exec 3<>/dev/tcp/$R4/7777" || fail "stale_proxy.py does not start"
out=$(in_c "$PD_BUILD/test/oracle" --redis "$R4:7777" --redis "$R4:$RPORT" -n 20000 2>&1)
[ $? = 1 ] || fail "a stale cache is not found: $(tail -n 1 <<<"$out")"
grep -q "overwritten before the read started" <<<"$out" || fail "no violation is shown"
check "the server alone" in_c "$PD_BUILD/test/oracle" --redis "$R4:$RPORT" -n 20000
out=$(in_c "$PD_BUILD/test/oracle" --redis "$R4:$RPORT" -n 2000 --stats-cmd 'echo 5' 2>&1)
[ $? = 1 ] || fail "too small a share in the kernel is not found"
finish
