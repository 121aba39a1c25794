#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time: 240
# panditd stopped (SIGSTOP): hits go on and follow writes; when it goes on, everything is as it was.
# STOP_SECONDS=60 for the long run.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
# entries of a minute: nothing here is right only because entries grow old
MAX_AGE=120s write_config
pool_servers
STEP_TIME=220 python <<'END'
from storm import *
seconds = int(os.environ.get("STOP_SECONDS", 5))
counted = lambda: int(subprocess.check_output(COUNT, shell=True))
d = Daemon()
d.must_be_ready()
pool, oracle = Pool(50), Oracle()
r, w = Redis("c"), Redis("d")
time.sleep(1)
os.kill(d.p.pid, signal.SIGSTOP)
stopped, began, lap = time.monotonic(), counted(), 0
while time.monotonic() - stopped < seconds:
	before, at = counted(), time.monotonic()
	time.sleep(1)
	expect(counted() - before > 500, "%d hits in %.1f s while panditd is stopped" %
	       (counted() - before, time.monotonic() - at))
	# connections come and go, which nobody sweeps now
	for _ in range(20):
		Redis("cd"[lap % 2], (R4, R6)[lap % 2], RPORT + 1).close()
		lap += 1
	pool.check()
	oracle.check()
expect(d.p.poll() is None, "panditd died")
os.kill(d.p.pid, signal.SIGCONT)
st = status()
same((st["state"], st["problems"]), ("ready", []), "the state after SIGCONT")
looks_adopted(d, 54)
oracle.stop()
pool.stop(100 * seconds)
# a daemon that goes on sweeps as before: connections that ended are given up after their 60 s
if seconds >= 60:
	end = time.monotonic() + 90
	while int(status()["connections"]) > 80 and time.monotonic() < end:
		time.sleep(1)
	expect(int(status()["connections"]) <= 80, "%s connections are kept" % status()["connections"])
d.kill(signal.SIGTERM)
END
finish
