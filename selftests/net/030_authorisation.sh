#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Users, passwords and database numbers: a hit never gives what the server would have refused.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
admin = Redis("d")
zero, one = Redis("c"), Redis("c")
same(one.cmd("SELECT", 1), "OK", "SELECT")
zero.cmd("SET", "k", "zero")
one.cmd("SET", "k", "one")
before = hits("redis")
for n in range(200):
	same(zero.get("k"), b"zero", "GET in database 0")
	same(one.get("k"), b"one", "GET in database 1")
	if n % 20 == 10:
		new = b"one%d" % n
		one.cmd("SET", "k", new)
		same(one.get("k"), new, "GET after SET in database 1")
		one.cmd("SET", "k", "one")
expect(PLAIN or hits("redis") - before > 300, "databases: too few reads answered in the kernel")
for n in range(20):
	zero.cmd("SELECT", 1)
	same(zero.get("k"), b"one", "GET after SELECT 1")
	same(zero.get("k"), b"one", "GET after SELECT 1, again")
	zero.cmd("SELECT", 0)
	same(zero.get("k"), b"zero", "GET after SELECT 0")
	same(zero.get("k"), b"zero", "GET after SELECT 0, again")
expect(isinstance(zero.cmd("SELECT", 99), RedisError), "SELECT 99 works")
same(zero.get("k"), b"zero", "GET after a SELECT that failed")
admin.cmd("SWAPDB", 0, 1)
same(zero.get("k"), b"one", "GET after SWAPDB")
admin.cmd("SWAPDB", 0, 1)
# a pipeline that changes the database between two reads
zero.get("k")
zero.send(resp("GET", "k") + resp("SELECT", 1) + resp("GET", "k") + resp("SELECT", 0) + resp("GET", "k"))
same([zero.reply() for _ in range(5)], [b"zero", "OK", b"one", "OK", b"zero"], "pipeline")


def err(x, what, word):
	expect(isinstance(x, RedisError) and word in str(x), "%s: %r, want %s" % (what, x, word))


admin.cmd("SET", "a:1", "secret-a")
admin.cmd("SET", "b:1", "secret-b")
admin.cmd("ACL", "SETUSER", "alice", "on", ">pa", "~a:*", "+@all")
admin.cmd("ACL", "SETUSER", "bob", "on", ">pb", "~b:*", "+@all")
alice, bob, nobody = Redis("c"), Redis("c"), Redis("c")
same(alice.cmd("AUTH", "alice", "pa"), "OK", "AUTH")
same(bob.cmd("AUTH", "bob", "pb"), "OK", "AUTH")
for _ in range(50):
	same(alice.get("a:1"), b"secret-a", "alice")
	err(bob.get("a:1"), "bob reads alice's key", "NOPERM")
	same(bob.get("b:1"), b"secret-b", "bob")
	err(alice.get("b:1"), "alice reads bob's key", "NOPERM")
	same(nobody.get("a:1"), b"secret-a", "default user")
same(bob.cmd("AUTH", "alice", "pa"), "OK", "AUTH")
same(bob.get("a:1"), b"secret-a", "bob as alice")
same(bob.cmd("AUTH", "bob", "pb"), "OK", "AUTH")
err(bob.get("a:1"), "bob again", "NOPERM")
err(bob.cmd("AUTH", "alice", "wrong"), "wrong password", "WRONGPASS")
err(bob.get("a:1"), "bob after a wrong password", "NOPERM")
# rights that are taken away, on a connection that is open and hot
for _ in range(5):
	alice.get("a:1")
admin.cmd("ACL", "SETUSER", "alice", "-get")
err(alice.get("a:1"), "alice without +get", "NOPERM")
admin.cmd("ACL", "SETUSER", "alice", "+get")
for _ in range(5):
	same(alice.get("a:1"), b"secret-a", "alice with +get")
# a connection that has not logged in
admin.cmd("ACL", "SETUSER", "boss", "on", ">p", "~*", "&*", "+@all")
same(admin.cmd("AUTH", "boss", "p"), "OK", "AUTH")
admin.cmd("ACL", "SETUSER", "default", "off")
late = Redis("c")
for _ in range(5):
	err(late.get("a:1"), "not logged in", "NOAUTH")
	same(alice.get("a:1"), b"secret-a", "alice")
same(late.cmd("AUTH", "alice", "pa"), "OK", "AUTH")
same(late.get("a:1"), b"secret-a", "logged in late")
for _ in range(5):
	late.get("a:1")
late.send(resp("RESET"))
late.reply()
err(late.get("a:1"), "after RESET", "NOAUTH")
admin.cmd("ACL", "DELUSER", "bob")
try:
	r = bob.get("b:1")
	expect(isinstance(r, RedisError), "a deleted user reads %r" % r)
except (EOFError, ConnectionError):
	pass
END
finish
