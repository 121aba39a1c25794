#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What client libraries do when they connect, their pipelines, and redis-benchmark cost no other client a hit.
. "$(dirname "$0")/scenario.sh"
begin
# One request in `idle` goes to the server: not while this runs, however slowly.
MAX_AGE=10m REDIS_SVC=", idle: 10m" panditd_up
python <<'END'
import threading


def counters():
    if PLAIN:
        return {}
    status, out = ctl("stats", "--json", "--verbose")
    s = [s for s in json.loads(out)["services"] if s["name"] == "redis"][0]
    return {name: s["counters"][name] for name in ("framing_lost", "unknown", "writes_all")}


other, w = Redis("d"), Redis("d")
w.cmd("SET", "hot", "value")
w.cmd("SET", "n", "1")
warm("redis", lambda: other.get("hot"))
start = counters()


def undisturbed(what, fn, n=10):
    """fn() n times; each time the other client is answered in the kernel before and after it."""
    for _ in range(n):
        in_kernel("redis", "GET beside " + what, lambda: same(other.get("hot"), b"value", "GET"))
        fn()
        in_kernel("redis", "GET behind " + what, lambda: same(other.get("hot"), b"value", "GET"))
    same(counters(), start, "counters behind " + what)


# redis-py 5, go-redis, ioredis and lettuce: each request alone, and all in one segment.
HANDSHAKES = {
    "redis-py": [["CLIENT", "SETNAME", "app"], ["CLIENT", "SETINFO", "LIB-NAME", "redis-py"],
                 ["CLIENT", "SETINFO", "LIB-VER", "5.0.1"], ["SELECT", "0"]],
    "redis-py in RESP3": [["HELLO", "3"], ["CLIENT", "SETNAME", "app"], ["CLIENT", "SETINFO", "LIB-NAME", "redis-py"],
                          ["CLIENT", "SETINFO", "LIB-VER", "5.0.1"], ["SELECT", "0"]],
    "go-redis": [["HELLO", "3"], ["CLIENT", "SETINFO", "LIB-NAME", "go-redis(,go1.22)"],
                 ["CLIENT", "SETINFO", "LIB-VER", "9.5"], ["PING"]],
    "ioredis": [["INFO"], ["CLIENT", "SETNAME", "io"], ["SELECT", "0"]],
    "lettuce": [["HELLO", "3", "SETNAME", "let"], ["CLIENT", "SETINFO", "lib-name", "Lettuce"], ["PING"]],
}


def connect(steps, together):
    c = Redis("c")
    if together:
        c.send(b"".join(resp(*words) for words in steps))
    for words in steps:
        if not together:
            c.send(resp(*words))
        c.reply()
    return c


for name, steps in HANDSHAKES.items():
    for together in False, True:
        undisturbed("the handshake of " + name, lambda: connect(steps, together).close())
        c = connect(steps, together)
        same(warm("redis", lambda: c.get("hot")), b"value", "GET after the handshake of " + name)
        for _ in range(10):
            in_kernel("redis", "GET after the handshake of " + name, lambda: c.get("hot"))
        c.close()

# A pipeline of redis-py is a transaction: MULTI, the commands, EXEC, in one segment.
c = connect(HANDSHAKES["redis-py"], False)
warm("redis", lambda: c.get("hot"))


def pipeline():
    steps = [["MULTI"], ["GET", "hot"], ["INCR", "n"], ["GET", "n"], ["EXEC"]]
    c.send(b"".join(resp(*words) for words in steps))
    replies = [c.reply() for _ in steps]
    same(replies[:4] + [replies[4][0]], ["OK"] + ["QUEUED"] * 3 + [b"value"], "a pipeline")
    in_kernel("redis", "GET behind a pipeline", lambda: same(c.get("hot"), b"value", "GET"))


undisturbed("a pipeline of redis-py", pipeline)

# A subscriber comes, hears and goes.
def subscriber():
    s = Redis("c")
    same(s.cmd("SUBSCRIBE", "news"), [b"subscribe", b"news", 1], "SUBSCRIBE")
    same(w.cmd("PUBLISH", "news", "x"), 1, "PUBLISH")
    same(s.reply(), [b"message", b"news", b"x"], "message")
    s.close()


undisturbed("a subscriber", subscriber)


def benchmark():
    with netns("c"):
        p = subprocess.run(["redis-benchmark", "-h", R4, "-t", "get", "-P", "16", "-n", "20000", "-c", "8", "-q"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    expect(p.returncode == 0, "redis-benchmark: %.200r" % p.stdout)


before = hits("redis")
undisturbed("redis-benchmark", benchmark, n=2)
got = hits("redis") - before
expect(PLAIN or got > 20000, "%d of 40000 GETs of redis-benchmark answered in the kernel" % got)
END
finish
