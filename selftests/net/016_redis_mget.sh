#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# MGET is answered when every key of it is kept, by GET or by an earlier MGET,
# and keeps what it reads for GET. What is no string stays apart: MGET says nil
# where GET refuses.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s REDIS_SVC=", idle: 10m"
panditd_up

python <<'END'
w, c = Redis("d"), Redis()
w.cmd("MSET", "a", "1", "b", "two", "c", "x" * 3000, "d", "")
w.cmd("SADD", "set", "member")
c.get("none")  # proves the connection

# an MGET keeps its parts, for itself and for GET
want = [b"1", b"two", b"x" * 3000, b""]
same(warm("redis", lambda: c.cmd("MGET", "a", "b", "c", "d")), want, "MGET")
for key, value in zip("abcd", want):
	same(in_kernel("redis", "GET after MGET", lambda: c.get(key)), value, key)
same(in_kernel("redis", "in another order, one of them twice", lambda: c.cmd("MGET", "c", "a", "a")),
     [want[2], want[0], want[0]], "MGET c a a")
same(in_kernel("redis", "of one key", lambda: c.cmd("MGET", "b")), [b"two"], "MGET b")

# what GET keeps, a nil too
same(warm("redis", lambda: c.get("none")), None, "GET none")
same(in_kernel("redis", "a kept nil", lambda: c.cmd("MGET", "a", "none", "b")), [b"1", None, b"two"], "nil")

# all or nothing
same(by_server("redis", "one key is not kept", lambda: c.cmd("MGET", "a", "absent", "b")),
     [b"1", None, b"two"], "absent")
same(by_server("redis", "a wrong type", lambda: c.cmd("MGET", "a", "set")), [b"1", None], "set")
expect(isinstance(c.get("set"), RedisError), "GET of a set is refused after MGET said nil")
expect(isinstance(c.get("set"), RedisError), "and again")
expect(isinstance(c.cmd("MGET"), RedisError), "MGET of nothing")

# a write to one of them is seen
w.cmd("SET", "b", "new")
same(by_server("redis", "after a write", lambda: c.cmd("MGET", "a", "b")), [b"1", b"new"], "written")
same(warm("redis", lambda: c.cmd("MGET", "a", "b")), [b"1", b"new"], "written, kept")
w.cmd("DEL", "a")
same(c.cmd("MGET", "a", "b"), [None, b"new"], "deleted")

# more keys than are kept at once, and longer ones than there is room for
many = ["k%d" % i for i in range(40)]
w.cmd("MSET", *[x for k in many for x in (k, k)])
for _ in range(3):
	same(c.cmd("MGET", *many), [k.encode() for k in many], "40 keys")
long = ["%03d" % i + "l" * 200 for i in range(6)]
w.cmd("MSET", *[x for k in long for x in (k, k[:9])])
for _ in range(3):
	same(c.cmd("MGET", *long), [k[:9].encode() for k in long], "long keys")
for k in many + long:
	same(c.get(k), k.encode() if k in many else k[:9].encode(), "GET of each")

# several in one segment, RESP3, and inside a transaction
c.send(resp("MGET", "k1", "k2") + resp("GET", "k3") + resp("MGET", "k4"))
same([c.reply() for _ in range(3)], [[b"k1", b"k2"], b"k3", [b"k4"]], "pipeline")
warm("redis", lambda: (c.send(resp("MGET", "k1", "k2") + resp("GET", "k3")), c.reply(), c.reply()))
r = Redis()
r.cmd("HELLO", "3")
r.get("k1")
for _ in range(3):
	same(r.cmd("MGET", "k1", "none"), [b"k1", None], "RESP3")
c.cmd("MULTI")
same(c.cmd("MGET", "k1"), "QUEUED", "queued")
same(c.cmd("EXEC"), [[b"k1"]], "EXEC")
s = stats("redis")
for name in ("framing_lost", "unknown"):
	expect(PLAIN or not s.get(name, 0), "%s: %s" % (name, s.get(name)))
END
finish
