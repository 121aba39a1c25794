#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Changes that cross no hook, with a max_age that would hide them for a minute: the server itself
# reports them. Without the channel they stay hidden, which shows that it is what makes the difference.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s REDIS_SVC=", idle: 10m"
panditd_up
not_plain
assist() { ctl services --json | jq -r '.services[] | select(.name == "'"$1"'") | .assist'; }
is_on() { [ "$(assist redis)" = on ] && [ "$(assist memcached)" = on ]; }
wait_for 10 is_on || fail "the channels are not on: redis $(assist redis), memcached $(assist memcached)"

cat >"$RUN/assist.py" <<'END'
def local(*words):
	"""A command over the server's unix socket: no hook sees it."""
	with socket.socket(socket.AF_UNIX) as s:
		s.connect(RUN + "/redis.sock")
		s.sendall(resp(*words))
		s.settimeout(5)
		return s.recv(1 << 16)

def becomes(read, want, what, within=5):
	end = time.monotonic() + within
	while read() != want:
		expect(time.monotonic() < end, "%s is not seen within %d s" % (what, within))
		time.sleep(0.01)
END

python <<'END'
exec(open(RUN + "/assist.py").read())
c = Redis()
def kept(key, value):
	c.cmd("SET", key, value)
	time.sleep(0.1)  # the report of this very write
	same(warm("redis", lambda: c.get(key)), value, "GET " + key)
	time.sleep(0.1)
	warm("redis", lambda: c.get(key))

kept("k", b"old")
local("SET", "k", "new")
becomes(lambda: c.get("k"), b"new", "a write over a unix socket")

kept("hidden", b"old")
local("EVAL", "return redis.call('set', 'hid' .. 'den', 'new')", "0")
becomes(lambda: c.get("hidden"), b"new", "what a script does to a key it does not declare")

kept("t", b"old")
local("PEXPIRE", "t", "150")
time.sleep(0.2)
becomes(lambda: c.get("t"), None, "expiry")

kept("f", b"old")
local("FLUSHALL")
becomes(lambda: c.get("f"), None, "FLUSHALL over a unix socket")

# eviction: the key goes when others need its place
kept("e", b"old")
local("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
local("CONFIG", "SET", "maxmemory", "1")
local("SET", "other", "x" * 100)
local("CONFIG", "SET", "maxmemory", "0")
becomes(lambda: c.get("e"), None, "eviction")

# others read on
kept("k", b"value")
kept("other", b"value")
for i in range(20):
	local("SET", "k", i)
	in_kernel("redis", "another key beside these", lambda: c.get("other"))

# what reached the server while the channel was away: the connection is made anew, with a bump
kept("k", b"old")
local("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
local("CLIENT", "KILL", "TYPE", "pubsub")
local("SET", "k", "new")
c = Redis()
becomes(lambda: c.get("k"), b"new", "a write while the channel was away", 15)
for name in ("framing_lost", "unknown"):
	expect(not stats("redis").get(name, 0), name)

m, r = Memcached("d"), Memcached()
m.set("k", b"v")
warm("memcached", lambda: r.get("k"))
END

# without the channel
check "stop" stop panditd
REDIS_SVC=", idle: 10m, assist: off"
panditd_up
[ "$(assist redis)" = off ] || fail "assist: off does not switch it off"
python <<'END'
exec(open(RUN + "/assist.py").read())
c = Redis()
c.cmd("SET", "k", "old")
same(warm("redis", lambda: c.get("k")), b"old", "GET")
local("SET", "k", "new")
time.sleep(1)
same(in_kernel("redis", "no channel", lambda: c.get("k")), b"old", "a write over a unix socket, no channel")
END
finish
