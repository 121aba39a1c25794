#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 10,000 GETs on 100 keys: the server's own count of GETs stays below 5 %, whatever the client.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up

gets() { in_c redis-cli -h "$R4" info commandstats | sed -n 's/^cmdstat_get:calls=\([0-9]*\).*/\1/p'; }

# measure WHAT CMD...: CMD reads 10,000 times.
measure() {
	local what=$1 before after
	shift
	before=$(gets)
	check "$what" "$@"
	after=$(gets)
	[ -n "$PD_PLAIN" ] && return
	[ $((after - ${before:-0})) -lt 500 ] ||
		fail "$what: the server saw $((after - ${before:-0})) of 10000 GETs"
}

cli() {
	seq 0 9999 | awk '{ printf "GET key:%012d\n", $1 % 100 }' |
		in_c redis-cli -h "$R4" | sort | uniq -c | awk '$2 == "" { exit 1 }'
}

check "preload" load c --proto redis --host "$R4" -k 100 --preload-only
in_c redis-cli -h "$R4" get key:000000000000 >/dev/null
measure "load" load c --proto redis --host "$R4" -k 100 -c 4 -n 10000 --warmup 0
measure "load over IPv6" load d --proto redis --host "$R6" -k 100 -c 4 -n 10000 --warmup 0
measure "redis-benchmark" in_c redis-benchmark -h "$R4" -t get -n 10000 -r 100 -c 8 -q
measure "redis-cli" cli
python <<'END'
c = Redis()
before = commandstats(c)["get"]
r = Redis("d")
for i in range(10000):
	expect(r.get("key:%012d" % (i % 100)), "no value")
seen = commandstats(c)["get"] - before
expect(PLAIN or seen < 500, "python: the server saw %d of 10000 GETs" % seen)
END
finish
