#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Upgrades to a build with other programs and back, under the oracle: everything adopted, nothing stale, nobody notices.
# UPGRADES=n for a longer run.
. "$(dirname "$0")/scenario.sh"
begin
not_plain
OTHER=$PD_BUILD/test/other/panditd
[ -x "$OTHER" ] || fail "there is no $OTHER: make test-net builds it"
export OTHER
write_config
pool_servers

STEP_TIME=3500 python <<'END'
from storm import *

def tags():
	"""The programs that are attached, by the hash of their instructions."""
	out = json.loads(subprocess.check_output(["bpftool", "-j", "net", "show"]))
	ids = [t["id"] for t in out[0]["tc"]]
	return [json.loads(subprocess.check_output(["bpftool", "-j", "prog", "show", "id", str(i)]))["tag"]
	        for i in ids]

builds = [None, [os.environ["OTHER"], "-c", RUN + "/pandit.yaml"]]
d = Daemon()
d.must_be_ready()
pool, oracle = Pool(50), Oracle()
time.sleep(1)
seen = [tags(), None]
for n in range(int(os.environ.get("UPGRADES", 6))):
	to = (n + 1) % 2
	d.kill(signal.SIGKILL if n % 3 == 2 else signal.SIGTERM)
	d = Daemon(builds[to])
	d.must_be_ready()
	expect(looks_adopted(d, 54) > 50, "nothing was adopted")
	now = tags()
	same(len(now), len(seen[0]), "programs attached")
	seen[to] = seen[to] or now
	same(now, seen[to], "the programs after upgrade %d" % n)
	expect(not set(seen[0]) & set(seen[1]), "the two builds have the same programs: proves nothing")
	before = hits("redis") + hits("memcached")
	time.sleep(0.5)
	expect(hits("redis") + hits("memcached") > before, "no hits after upgrade %d" % n)
	pool.check()
	oracle.check()
oracle.stop()
pool.stop(200)
END
finish
