#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ACL users: whoever lacks the right gets the server's refusal, however warm another user's entry is.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
python <<'END'
ways = [("c", R4), ("d", R6), ("d", R4), ("c", R6)]
turn = [0]


def connect(user=None, password=None, how="AUTH"):
	turn[0] += 1
	r = Redis(*ways[turn[0] % 4])
	if user and how == "AUTH":
		same(r.cmd("AUTH", user, password), "OK", "AUTH " + user)
	elif user:
		r.cmd("HELLO", 2, "AUTH", user, password)
	return r


def err(x, what, word):
	expect(isinstance(x, RedisError) and word in str(x), "%s: %r, want %s" % (what, x, word))


# key -> value; reads of it, by the words of the request
KEYS = {"a:1": b"of-a", "b:1": b"of-b", "ro:1": b"read-only"}
READS = [("GET", "{}"), ("STRLEN", "{}"), ("GETRANGE", "{}", 0, -1), ("MGET", "{}"), ("EXISTS", "{}")]
METADATA = ("STRLEN", "EXISTS")    # what the server tells to one who may write the key only
admin = connect()
for k, v in KEYS.items():
	admin.cmd("SET", k, v)
admin.cmd("HSET", "a:h", "f", "field-of-a")
admin.cmd("HSET", "b:h", "f", "field-of-b")
admin.cmd("ACL", "SETUSER", "alice", "on", ">pa", "~a:*", "%R~ro:*", "+@all")
admin.cmd("ACL", "SETUSER", "bob", "on", ">pb", "~b:*", "+@all", "-hgetall", "-getrange")
admin.cmd("ACL", "SETUSER", "carol", "on", ">pc", "~c:*", "(~a:* -@all +get)")    # a selector
admin.cmd("ACL", "SETUSER", "dave", "on", ">pd", "%W~a:*", "+@all")               # may write only
alice, bob, carol, dave = connect("alice", "pa"), connect("bob", "pb", "HELLO"), connect("carol", "pc"), connect("dave", "pd")
before = hits("redis")
for n in range(12):
	for words in READS:
		read = lambda c, k: c.cmd(*[str(w).format(k) for w in words])
		for k in KEYS:
			want = read(admin, k)
			expect(not isinstance(want, RedisError), "admin's %s" % words[0])
			what = " ".join(map(str, words)).format(k)
			for who, c, may in (("alice", alice, k in ("a:1", "ro:1")), ("bob", bob, k == "b:1" and words[0] != "GETRANGE"),
					    ("carol", carol, k == "a:1" and words[0] == "GET"), ("dave", dave, k == "a:1" and words[0] in METADATA)):
				got = read(c, k)
				if may:
					same(got, want, "%s: %s" % (who, what))
				else:
					err(got, "%s: %s" % (who, what), "NOPERM")
	same(alice.cmd("HGETALL", "a:h"), [b"f", b"field-of-a"], "HGETALL")
	err(bob.cmd("HGETALL", "b:h"), "bob: HGETALL without the command", "NOPERM")
	same(bob.cmd("HGET", "b:h", "f"), b"field-of-b", "HGET")
	err(alice.cmd("MGET", "a:1", "b:1"), "alice: MGET of her key and another's", "NOPERM")
	# a hit lies between the refused ones
	alice.send(resp("GET", "a:1") + resp("GET", "b:1") + resp("GET", "a:1"))
	x, y, z = alice.reply(), alice.reply(), alice.reply()
	same((x, z), (b"of-a", b"of-a"), "pipeline")
	err(y, "pipeline", "NOPERM")
expect(PLAIN or hits("redis") - before > 100, "%d answered in the kernel: proves nothing" % (hits("redis") - before))


def hot(c, k="a:1", want=b"of-a"):
	"""The entry is warm, and this connection is answered from it."""
	same(warm("redis", lambda: c.get(k)), want, "GET " + k)


# who one is: before and after AUTH, in every way to change it
x = connect()
hot(alice)
hot(x)                                                      # as `default`
same(x.cmd("AUTH", "bob", "pb"), "OK", "AUTH")
err(by_server("redis", "bob after default", lambda: x.get("a:1")), "bob after default", "NOPERM")
for _ in range(3):
	err(x.get("a:1"), "bob", "NOPERM")
hot(x, "b:1", b"of-b")
err(x.cmd("AUTH", "alice", "wrong"), "AUTH", "WRONGPASS")   # leaves the old user
err(x.get("a:1"), "bob after a wrong password for alice", "NOPERM")
hot(x, "b:1", b"of-b")
err(x.cmd("HELLO", 3, "AUTH", "alice", "wrong"), "HELLO AUTH", "WRONGPASS")
err(x.get("a:1"), "bob after HELLO with a wrong password", "NOPERM")
same(x.get("b:1"), b"of-b", "bob after HELLO with a wrong password")
x.close()    # a refused HELLO that names a user ends the answers on its connection
x = connect()
hot(x)
x.cmd("HELLO", 3, "AUTH", "alice", "pa")
hot(x)
err(x.get("b:1"), "alice by HELLO 3", "NOPERM")
x.cmd("HELLO", 2, "AUTH", "bob", "pb")
err(x.get("a:1"), "bob by HELLO 2", "NOPERM")
err(x.cmd("HELLO", 9, "AUTH", "alice", "pa"), "HELLO 9", "NOPROTO")   # refused as a whole
err(x.get("a:1"), "bob after HELLO 9", "NOPERM")
x.close()
x = connect("bob", "pb")
hot(x, "b:1", b"of-b")
same(x.cmd("RESET"), "RESET", "RESET")
hot(x)                                                      # `default` again
# in one pipeline, in one segment
hot(alice)
x.send(resp("GET", "a:1") + resp("AUTH", "bob", "pb") + resp("GET", "a:1") + resp("AUTH", "alice", "pa") + resp("GET", "a:1") +
       resp("AUTH", "bob", "no") + resp("GET", "a:1") + resp("RESET") + resp("GET", "b:1"))
got = [x.reply() for _ in range(9)]
same([got[i] for i in (0, 1, 3, 4, 6, 7, 8)], [b"of-a", "OK", "OK", b"of-a", b"of-a", "RESET", b"of-b"], "pipeline of AUTH and GET")
err(got[2], "bob in the pipeline", "NOPERM")
err(got[5], "a wrong password in the pipeline", "WRONGPASS")
# the AUTH of a transaction counts from EXEC on
x.cmd("MULTI")
x.cmd("AUTH", "bob", "pb")
x.cmd("GET", "a:1")
x.cmd("EXEC")
err(x.get("a:1"), "bob by a transaction", "NOPERM")
x.close()

# rights that change while connections live and entries are warm
bound = connect("bob", "pb")


def revoke(how, give_back, word="NOPERM"):
	global alice
	hot(alice)
	how()
	for _ in range(3):
		err(alice.get("a:1"), "alice, rights taken away", word)
		err(bound.get("a:1"), "bob", "NOPERM")
	give_back()
	hot(alice)


setuser = lambda *words: same(admin.cmd("ACL", "SETUSER", "alice", *words), "OK", "ACL SETUSER")
revoke(lambda: setuser("-get"), lambda: setuser("+get"))
revoke(lambda: setuser("resetkeys", "~z:*"), lambda: setuser("~a:*"))
revoke(lambda: setuser("-@all"), lambda: setuser("+@all"))


def in_transaction(*words):
	same(admin.cmd("MULTI"), "OK", "MULTI")
	same(admin.cmd("ACL", "SETUSER", "alice", *words), "QUEUED", "ACL SETUSER")
	same(admin.cmd("EXEC"), ["OK"], "EXEC")


revoke(lambda: in_transaction("-get"), lambda: in_transaction("+get"))
admin.send(b"ACL SETUSER alice -get\r\n")                    # typed by hand
same(admin.reply(), "OK", "ACL SETUSER")
err(alice.get("a:1"), "alice", "NOPERM")
admin.send(resp("acl", "setuser", "alice", "+get"))
same(admin.reply(), "OK", "acl setuser")
# a right that is granted ends a refusal at once: refusals are not kept
hot(alice)
err(bound.get("a:1"), "bob", "NOPERM")
admin.cmd("ACL", "SETUSER", "bob", "~a:*")
hot(bound)
admin.cmd("ACL", "SETUSER", "bob", "resetkeys", "~b:*")
err(bound.get("a:1"), "bob", "NOPERM")

# `off` keeps connections, and lets nobody in; a user that is deleted loses them
setuser("off")
hot(alice)
err(connect().cmd("AUTH", "alice", "pa"), "AUTH of a user that is off", "WRONGPASS")
setuser("on")


def gone(c, what):
	try:
		r = c.get("a:1")
		expect(isinstance(r, RedisError), "%s reads %r" % (what, r))
	except (EOFError, ConnectionError):
		pass


hot(alice)
same(admin.cmd("ACL", "DELUSER", "alice"), 1, "ACL DELUSER")
gone(alice, "a deleted user")
# made anew with the same name: the old entries are no longer its own
admin.cmd("ACL", "SETUSER", "alice", "on", ">new", "~n:*", "+@all")
alice = connect("alice", "new")
for _ in range(3):
	err(alice.get("a:1"), "alice, made anew", "NOPERM")
admin.cmd("ACL", "SETUSER", "alice", "~a:*", ">pa")
hot(alice)
number = alice.cmd("CLIENT", "ID")
same(admin.cmd("CLIENT", "KILL", "ID", number), 1, "CLIENT KILL")
gone(alice, "a connection that was killed")
alice, second = connect("alice", "pa"), connect("alice", "pa")
hot(alice)
hot(second)
same(admin.cmd("CLIENT", "KILL", "USER", "alice"), 2, "CLIENT KILL USER")
gone(alice, "a user whose connections were killed")
gone(second, "a user whose connections were killed")

# a right to one command is none to another that shares its entries
x = connect()
for yes, no in ((("GET", "a:1"), ("MGET", "a:1")), (("MGET", "a:1"), ("GET", "a:1"))):
	same(admin.cmd("ACL", "SETUSER", "default", "-" + no[0], "+" + yes[0]), "OK", "ACL SETUSER")
	y = connect()
	for c in x, y:
		warm("redis", lambda: c.cmd(*yes))
		for _ in range(3):
			err(c.cmd(*no), "%s of one who may only %s" % (no[0], yes[0]), "NOPERM")
	y.close()
same(admin.cmd("ACL", "SETUSER", "default", "+@all"), "OK", "ACL SETUSER")
# and two keys that are allowed by different selectors are not allowed together
admin.cmd("ACL", "SETUSER", "erin", "on", ">pe", "(~a:* +mget +get)", "(~b:* +mget +get)")
x = connect("erin", "pe")
for _ in range(5):
	same((x.get("a:1"), x.get("b:1"), x.cmd("MGET", "a:1")), (b"of-a", b"of-b", [b"of-a"]), "erin")
	err(x.cmd("MGET", "a:1", "b:1"), "keys of two selectors", "NOPERM")
x.close()

# requirepass: `default` has to give a password from now on, and who is in stays in
alice, inside = connect("alice", "pa"), connect()
admin.cmd("CONFIG", "SET", "requirepass", "secret")
hot(alice)
hot(inside)
for side, addr in ways:
	out = Redis(side, addr)
	for k in "a:1", "b:1", "nosuch":
		for _ in range(3):
			err(out.get(k), "before AUTH", "NOAUTH")
	err(out.cmd("AUTH", "wrong"), "AUTH", "WRONGPASS")
	err(out.get("a:1"), "after a wrong password", "NOAUTH")
	out.send(resp("GET", "a:1") + resp("AUTH", "secret") + resp("GET", "a:1"))
	err(out.reply(), "before AUTH in a pipeline", "NOAUTH")
	same([out.reply(), out.reply()], ["OK", b"of-a"], "AUTH and GET")
	hot(out)
	same(out.cmd("RESET"), "RESET", "RESET")
	for _ in range(3):
		err(out.get("a:1"), "after RESET", "NOAUTH")
	out.cmd("HELLO", 2, "AUTH", "default", "secret")
	hot(out)
	# another database, another name space, the same user
	same(out.cmd("SELECT", 7), "OK", "SELECT")
	for _ in range(3):
		same(out.get("a:1"), None, "GET in an empty database")
	out.close()
for n in range(16):
	same(inside.cmd("SELECT", n), "OK", "SELECT")
	same(inside.cmd("SET", "d", "in %d" % n), "OK", "SET")
for n in list(range(16)) * 2:
	for c in inside, alice:
		same(c.cmd("SELECT", n), "OK", "SELECT")
	hot(inside, "d", b"in %d" % n)
	for _ in range(2):
		err(alice.get("d"), "alice", "NOPERM")
END
finish
