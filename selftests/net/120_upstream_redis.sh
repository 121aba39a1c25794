#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tests that Redis comes with, in their mode for a server that is already there: the same pass through pandit.
# time: 900
. "$(dirname "$0")/scenario.sh"
. "$PD_ROOT/selftests/upstream/lib.sh"
# As their own automation starts a server for this mode.
export REDIS_ARGS="--enable-protected-configs yes --enable-debug-command yes --enable-module-command yes"
begin
not_plain
fetch redis
mkdir -p "$UPSTREAM/redis/src"
for tool in redis-cli redis-benchmark redis-server; do
	ln -sf "$(command -v $tool)" "$UPSTREAM/redis/src/$tool"
done
units=()
if [ "${PD_UPSTREAM:-}" != all ]; then
	for unit in type/hash type/incr type/set multi scan info pubsub tracking auth quit bitops sort; do
		units+=(--single "unit/$unit")
	done
fi

# run NAME: the names of the tests that pass, in $RUN/NAME.ok.
run() {
	(cd "$UPSTREAM/redis" && in_c timeout "${limit:-300}" ./runtest --host "$R4" --port "$RPORT" --tags -slow --durable \
		--skipunit unit/protocol "${units[@]}") >"$RUN/$1.out" 2>&1
	[ -z "${PD_UPSTREAM_LOG:-}" ] || cp "$RUN/$1.out" "$PD_UPSTREAM_LOG/redis-$1.out"
	sed 's/\x1b\[[0-9;]*m//g' "$RUN/$1.out" |
		awk '/^Testing / {unit = $2} /^\[ok\]: / {sub(/^\[ok\]: /, ""); sub(/ \([0-9]+ ms\)$/, ""); print unit ": " $0}' >"$RUN/$1.ok"
}
run bare
stop redis
start_redis || fail "the server does not come back"
# The suite counts the clients and prefixes that are tracked.
REDIS_SVC=", assist: off" panditd_up
run pandit
read -r reads hits < <(looked_up redis)
[ "$reads" -gt 100 ] || fail "only $reads reads were looked up: proves nothing"
[ -z "${PD_VERBOSE:-}" ] || echo "# $reads reads looked up, $hits answered in the kernel"
same_passes 200 "$RUN/bare.ok" "$RUN/pandit.ok"
finish
