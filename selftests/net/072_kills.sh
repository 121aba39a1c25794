#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 240
# kill -9 of panditd at many points of its life under load: no client notices, nothing stale, everything adopted.
# KILLS=1000 SEED=n for the long run.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
net_link e vx 10.0.3 fd00:0:3 || fail "network: vx"

# the very first start of all, killed: the next daemon makes everything, and nothing is said of cold maps
write_config
pool_servers
python <<'END'
from storm import *
for wait in 0.05, 0.4, 0.8:
	d = Daemon()
	d.ready(wait)
	d.kill()
d = Daemon()
d.must_be_ready()
same(status()["problems"], [], "problems after a first start that was killed")
d.kill()
END

STEP_TIME=3500 python <<'END'
from storm import *
pool, oracle = Pool(50), Oracle()
kills = int(os.environ.get("KILLS", 20))
d, died = storm(kills, 54, int(os.environ.get("SEED", 1)), (pool, oracle))
print("killed %d times: %s" % (kills, died))
oracle.stop()
pool.stop(kills * 20)
looks_adopted(d, 54)
END
check "detach --all" ctl detach --all --force
for dev in vc vd vr vm vx; do
	[ -z "$(in_h tc filter show dev $dev ingress; in_h tc filter show dev $dev egress)" ] || fail "filters left on $dev"
done
[ -e "$PINS/v1" ] && fail "pins left"
finish
