#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 240
# 1 % and 5 % of all packets lost in each direction at the clients and at the servers: nothing wrong is read.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up

${CLANG:-clang-14} -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" \
	-c "$HERE/drop.bpf.c" -o "$RUN/drop.o" || fail "drop.bpf.c does not compile"
mkdir -p "$PD_PIN_BASE/$NET-drop"
trap 'rm -rf "$PD_PIN_BASE/$NET-drop"; at_exit' EXIT
bpftool prog load "$RUN/drop.o" "$PD_PIN_BASE/$NET-drop/prog" pinmaps "$PD_PIN_BASE/$NET-drop" ||
	fail "drop.bpf.o does not load"
lose() {
	bpftool map update pinned "$PD_PIN_BASE/$NET-drop/loss" key 0 0 0 0 \
		value $(($1 & 255)) $(($1 >> 8)) 0 0
}

# drops ON...: the dropper at the containers' own ends, so that pandit's hooks are inside of it
for side in c d r m; do
	in_ns $side tc qdisc add dev eth0 clsact
	for way in ingress egress; do
		in_ns $side tc filter add dev eth0 $way bpf da pinned "$PD_PIN_BASE/$NET-drop/prog" ||
			fail "the dropper cannot be attached"
	done
done

run_at() {
	local out
	lose "$1"
	out=$(oracle -n "$2" --lossy --max-lost 1000000 --udp-timeout 100 --share-a "$3" --share-b "$4" \
		--time 100 2>&1) || fail "$1 permille: $(grep -E 'violation|TOO FEW|error|FAILED' <<<"$out" | head -n 1)"
	lose 0
	[ -n "${PD_VERBOSE:-}" ] && sed 's/^/# /' <<<"$out"
	return 0
}
run_at 10 30000 40 70
run_at 50 6000 20 45

# bulk data through loss, on connections with forged replies
lose 10
python <<'END'
import random
conns = [Redis("c", R4), Redis("d", R6)]
for c in conns:
	c.s.settimeout(60)
	c.cmd("SET", "k", "value")
	warm("redis", lambda: c.get("k"), tries=200)
for n in range(30):
	for c in conns:
		v = bytes([65 + n % 26]) * random.randrange(1, 300000)
		same(c.cmd("SET", "big", v), "OK", "SET")
		for _ in range(5):
			same(c.get("k"), b"value", "GET")
		same(c.get("big"), v, "GET of a large value")
END
lose 0
check "clients after the loss" load c --proto redis --host "$R4" -c 10 -t 1 -k 50 --preload
finish
