#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# memccapable, the conformance test of libmemcached: the same result through pandit as without, text and binary.
. "$(dirname "$0")/scenario.sh"
begin

# run NAME: what memccapable says, in $RUN/NAME.out; one line for each test.
run() {
	in_c timeout 60 memccapable -h "$M4" -p "$MPORT" -t 5 >"$RUN/$1.out" 2>&1
	echo "exit $?" >>"$RUN/$1.out"
	[ -z "${PD_VERBOSE:-}" ] || sed "s/^/# $1: /" "$RUN/$1.out" | tail -n 4
}
run bare
[ "$(grep -c '\[pass\]' "$RUN/bare.out")" -gt 45 ] || fail "memccapable ran $(grep -c '\[pass\]' "$RUN/bare.out") tests"
stop memcached
start_memcached || fail "the server does not come back"
panditd_up
python <<'END'
# Entries that its writes must make unusable, and its reads must not disturb.
m, r = Memcached("d"), Memcached("d")
m.set("beside", b"value")
warm("memcached", lambda: r.get("beside"))
END
run pandit
diff "$RUN/bare.out" "$RUN/pandit.out" >"$RUN/diff" || fail "differs: $(grep '^[<>]' "$RUN/diff" | head -n 4 | tr '\n' ' ')"
finish
