#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 240
# A pool of connections that stays open while pandit is attached, detached and attached again: older than the hook,
# drained, and older again; what was acknowledged is what is read, throughout.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
write_config
pool_servers
STEP_TIME=220 python <<'END'
from storm import *

pool = Pool(50)     # older than everything
d = Daemon()
d.must_be_ready()
time.sleep(1)
pool.check()
younger = Pool(20, "first")  # these are answered, so a detach has to wait for them
warm("pool", lambda: younger.conns[0].get("none"), tries=200)
for n in range(3):
	# under load the drain of connections with forged replies does not end: it gives up, and answers again
	code, out = ctl("detach", "vc", "--timeout", "2s") if n == 0 else (1, "")
	expect(code == 1, "detach vc: exit %d: %s" % (code, out))
	younger.check()
	pool.check()
	warm("pool", lambda: younger.conns[0].get("none"), tries=200)
	# without them it ends; the older pool does not hold it up
	younger.stop(20)
	for c in younger.conns + younger.mc:
		c.close()
	code, out = ctl("detach", "--all")
	same((code, os.path.exists(os.environ["PINS"] + "/v1")), (0, False), "detach --all: %s" % out)
	time.sleep(0.5)
	pool.check()
	for i, dev in enumerate(("vr", "vm", "vc", "vd")):
		code, out = ctl("attach", dev)
		same(code, 0, "attach %s: %s" % (dev, out))
		time.sleep(0.1)
		pool.check()
	younger = Pool(20, "again%d" % n)
	warm("pool", lambda: younger.conns[0].get("none"), tries=200)
	time.sleep(0.5)
younger.stop(20)
pool.stop(200)
END
finish
