#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of redis-server, right and wrong, in RESP2 and RESP3: byte for byte the server's own reply.
# time: 240
. "$(dirname "$0")/scenario.sh"
begin
# Two servers that begin with the same seed, on two addresses; the service has only the first.
export RB=10.1.0.3
stop redis
ip -n "$NS-r" addr add $RB/24 dev eth0 || fail "no second address"
head -c 65536 /dev/urandom >"$RUN/seed"
twin() {
	mkdir -p "$RUN/$1"
	start "$1" r unshare -m sh -c "mount --bind $RUN/seed /dev/urandom && exec redis-server --port $RPORT \
		--bind $2 --protected-mode no --save '' --appendonly no --dir $RUN/$1 --enable-debug-command yes \
		--slowlog-log-slower-than -1 --repl-diskless-sync yes --repl-diskless-sync-delay 0 --busy-reply-threshold 0"
	wait_for 5 in_r redis-cli -h "${2%% *}" ping || fail "no server on $2"
}
twin redis "$R4 $R6"
twin redis_direct $RB
# The twin has no client that tracks its keys.
MAX_AGE=60s REDIS_SVC=", assist: off" panditd_up
STEP_TIME=230 python <<'END'
import redis_all
redis_all.main()
END
finish
