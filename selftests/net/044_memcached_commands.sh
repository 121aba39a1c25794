#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of memcached, right and wrong, text, meta and binary, TCP and UDP: byte for byte the server's reply.
# time: 120
. "$(dirname "$0")/scenario.sh"
begin
# A second server that began alike, on an address that no service has.
export MB=10.2.0.3
stop memcached
ip -n "$NS-m" addr add $MB/24 dev eth0 || fail "no second address"
twin() {
	start "$1" m memcached -u nobody -t 1 -m 64 -p "$MPORT" -U "$MPORT" -l "$2" -o no_lru_maintainer,no_lru_crawler
	wait_for 5 in_m bash -c "exec 3<>/dev/tcp/${2%%,*}/$MPORT" || fail "no server on $2"
}
twin memcached "$M4,$M6"
twin memcached_direct $MB
MAX_AGE=60s panditd_up
python <<'END'
import memcached_all
memcached_all.main()
END
finish
