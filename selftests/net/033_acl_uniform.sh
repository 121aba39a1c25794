#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `acl: uniform`: users share entries, and still nobody is answered whom the server has not answered before.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up_as() {
	[ -z "$PD_PLAIN" ] || return 0
	MAX_AGE=60s REDIS_SVC=", acl: $1" write_config
	check "panditd does not start with acl: $1" panditd_start
}
PART=$(cat <<'END'
import os
uniform = os.environ["ACL"] == "uniform"
admin = Redis("d")
for name in "ann", "ben":
	same(admin.cmd("ACL", "SETUSER", name, "on", ">p", "~*", "+@all"), "OK", "ACL SETUSER")


def connect(user):
	r = Redis("c", R6)
	same(r.cmd("AUTH", user, "p"), "OK", "AUTH")
	return r


for db in 0, 5:
	ann, ben, other = connect("ann"), connect("ben"), connect("ben")
	for c in admin, ann, ben:
		same(c.cmd("SELECT", db), "OK", "SELECT")
	for n in range(4):
		k, v = "u%d" % n, b"value %d of db %d" % (n, db)
		admin.cmd("SET", k, v)
		admin.cmd("SET", "proof", "x")
		same(ben.get("proof"), b"x", "GET")                 # the server lets ben pass
		for _ in range(3):
			same(ann.get(k), v, "ann")
		same(in_kernel("redis", "ann's second read", lambda: ann.get(k)), v, "ann")
		ask = in_kernel if uniform else by_server
		same(ask("redis", "ben's first read of what ann has read", lambda: ben.get(k)), v, "ben")
		same(ann.cmd("MGET", k, k), [v, v], "MGET")
		# one that has drawn no answer in this state yet is not given any
		same(by_server("redis", "a first read", lambda: connect("ben").cmd("GET", "u0")), admin.get("u0") if db == 0 else b"value 0 of db 0", "first read")
	# another database is another realm, uniform or not
	same(other.get("u0"), b"value 0 of db 0", "GET in database 0")
	# and rights that are taken away are gone, for entries too that others warm
	admin.cmd("ACL", "SETUSER", "ben", "-get")
	for _ in range(3):
		ann.get("u1")
		in_kernel("redis", "ann's second read", lambda: ann.get("u1"))
		r = ben.get("u1")
		expect(isinstance(r, RedisError) and "NOPERM" in str(r), "ben without +get: %r" % r)
	admin.cmd("ACL", "SETUSER", "ben", "+get")
	admin.cmd("SELECT", 0)
END
)
export ACL
for ACL in per-user uniform; do
	panditd_up_as $ACL
	python <<<"$PART"
	[ -n "$PD_PLAIN" ] || stop panditd
done
finish
