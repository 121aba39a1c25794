#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# redis-cli writes and reads one key: the second GET on a connection is answered in the kernel.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up

for side in c d; do
	for addr in "$R4" "$R6"; do
		out=$(printf 'SET a 1\nGET a\nGET a\nGET a\n' | in_ns $side redis-cli -h "$addr" | tr '\n' ' ')
		[ "$out" = "OK 1 1 1 " ] || fail "redis-cli from $side to $addr said: $out"
	done
done
python <<'END'
expect(PLAIN or hits("redis") >= 4, "%d answered in the kernel; passes: %s" %
	   (hits("redis"), stats("redis")["passes"]))
for addr in R4, R6:
	r = Redis("c", addr)
	same(r.cmd("SET", "k", "value"), "OK", "SET")
	same(warm("redis", lambda: r.get("k")), b"value", "GET")
	for _ in range(20):
		same(in_kernel("redis", "GET", lambda: r.get("k")), b"value", "GET")
	same(r.cmd("STRLEN", "k"), 5, "STRLEN of the same key")
	same(r.get("none"), None, "GET of a missing key")
	same(r.get("none"), None, "GET of a missing key, again")
END
finish
