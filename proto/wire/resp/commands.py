#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Write commands.def from what a server says about its own commands.

usage: redis-cli --json COMMAND | commands.py > commands.def
       redis-cli --json COMMAND | commands.py --check commands.def

Keys that a command writes come from the server's key specifications. What the
server cannot say (what a control means, which reads are worth keeping, where
a time to live stands) is decided by the tables below. --check fails if the
server knows a command, a key or a flag that the table does not have: a newer
server adds rows, it never changes the meaning of one.
"""
import json
import sys

# Reads that are kept: name -> (op, arity). The op is part of every identity: never reuse one.
READS = {
    "GET": (1, 2), "STRLEN": (2, 2), "HGET": (3, 3), "HGETALL": (4, 2), "HMGET": (5, -3),
    "SMEMBERS": (6, 2), "ZSCORE": (7, 3), "LRANGE": (8, 4), "GETRANGE": (9, 4), "EXISTS": (10, 2),
}

# Reads whose reply is an array of the replies to another one, an element for each key: name -> it.
PARTS = {"MGET": "GET"}

# Neither flagged as a read nor as a write, and they leave every key alone.
PEEKS = """
ACL|CAT ACL|DRYRUN ACL|GENPASS ACL|GETUSER ACL|LIST ACL|LOG ACL|SAVE ACL|USERS ACL|WHOAMI
BGREWRITEAOF BGSAVE SAVE LASTSAVE
CLIENT|CACHING CLIENT|GETNAME CLIENT|GETREDIR CLIENT|ID CLIENT|INFO CLIENT|KILL CLIENT|LIST
CLIENT|NO-EVICT CLIENT|PAUSE CLIENT|SETNAME CLIENT|TRACKINGINFO CLIENT|UNBLOCK CLIENT|UNPAUSE
CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|COUNTKEYSINSLOT CLUSTER|GETKEYSINSLOT CLUSTER|INFO
CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|MYID CLUSTER|NODES CLUSTER|REPLICAS CLUSTER|SHARDS
CLUSTER|SLAVES CLUSTER|SLOTS
COMMAND|COUNT COMMAND|DOCS COMMAND|GETKEYS COMMAND|GETKEYSANDFLAGS COMMAND|INFO COMMAND|LIST
CONFIG|GET CONFIG|RESETSTAT CONFIG|REWRITE
ECHO PING INFO TIME ROLE WAIT PUBLISH SPUBLISH PFSELFTEST
FUNCTION|DUMP FUNCTION|LIST FUNCTION|STATS
LATENCY|DOCTOR LATENCY|GRAPH LATENCY|HISTOGRAM LATENCY|HISTORY LATENCY|LATEST LATENCY|RESET
MEMORY|DOCTOR MEMORY|MALLOC-STATS MEMORY|PURGE MEMORY|STATS
MODULE|LIST
PUBSUB|CHANNELS PUBSUB|NUMPAT PUBSUB|NUMSUB PUBSUB|SHARDCHANNELS PUBSUB|SHARDNUMSUB
SCRIPT|EXISTS SCRIPT|FLUSH SCRIPT|LOAD
SLOWLOG|GET SLOWLOG|LEN SLOWLOG|RESET
""".split()

# Controls: name -> (style, first argument that is looked at).
NEVER = 255
CONTROLS = {
    "AUTH": ("AUTH", 1), "SELECT": ("SELECT", 1), "HELLO": ("HELLO", 1),
    "MULTI": ("MULTI", NEVER), "EXEC": ("EXEC", NEVER), "DISCARD": ("DISCARD", NEVER),
    "WATCH": ("WATCH", NEVER), "UNWATCH": ("UNWATCH", NEVER),
    "RESET": ("RESET", NEVER), "QUIT": ("QUIT", NEVER),
    "SUBSCRIBE": ("SUBSCRIBE", NEVER), "PSUBSCRIBE": ("SUBSCRIBE", NEVER),
    "SSUBSCRIBE": ("SUBSCRIBE", NEVER), "UNSUBSCRIBE": ("SUBSCRIBE", NEVER),
    "PUNSUBSCRIBE": ("SUBSCRIBE", NEVER), "SUNSUBSCRIBE": ("SUBSCRIBE", NEVER),
    "MONITOR": ("OPAQUE", NEVER), "SYNC": ("OPAQUE", NEVER), "PSYNC": ("OPAQUE", NEVER),
    "REPLCONF": ("SILENT", NEVER), "SCRIPT|DEBUG": ("OPAQUE", NEVER),
    "READONLY": ("END", NEVER), "READWRITE": ("END", NEVER), "ASKING": ("END", NEVER),
    "CLIENT|REPLY": ("REPLY", 2), "CLIENT|TRACKING": ("TRACKING", 2),
}

# Writes with a time to live, or whose keys are found by reading: name -> (style, scan, aux).
# aux: unit of the number (TTL), index of the number of keys (NUMKEYS).
STYLES = {
    "SET": ("OPTIONS", 3, 0), "GETEX": ("OPTIONS", 2, 0),
    "SETEX": ("TTL", 2, 1), "PSETEX": ("TTL", 2, 2),
    "EXPIRE": ("TTL", 2, 1), "PEXPIRE": ("TTL", 2, 2),
    "EXPIREAT": ("TTL", 2, 3), "PEXPIREAT": ("TTL", 2, 4),
    "RESTORE": ("RESTORE", 2, 2), "RESTORE-ASKING": ("RESTORE", 2, 2),
    "LMPOP": ("NUMKEYS", 1, 1), "ZMPOP": ("NUMKEYS", 1, 1),
    "BLMPOP": ("NUMKEYS", 2, 2), "BZMPOP": ("NUMKEYS", 2, 2),
    "SORT": ("STORE", 2, 0), "GEORADIUS": ("STORE", 6, 0), "GEORADIUSBYMEMBER": ("STORE", 5, 0),
    "XREADGROUP": ("STREAMS", 1, 0),
}

# Flagged as writes with keys, but they reach further than those.
EVERYTHING = {"MIGRATE"}

# Subcommands of later servers that every client library sends when it connects, whatever the server:
# name -> arity. Older ones refuse them; they leave every key alone.
LATER = {"CLIENT|SETINFO": 4, "CLIENT|NO-TOUCH": 3}

NAME_MAX = 23


def words(name, container):
    """The three little-endian words that the name packs into; the last byte tells the container."""
    raw = name.encode()
    assert 0 < len(raw) <= NAME_MAX, name
    raw = raw.ljust(NAME_MAX, b"\0") + bytes([container])
    return [int.from_bytes(raw[i:i + 8], "little") for i in (0, 8, 16)]


def written(specs):
    """(first, last, step) of the keys that the server says are written, or None."""
    runs = []
    for spec in specs:
        if "RO" in spec["flags"] or "not_key" in spec["flags"]:
            continue
        begin, find = spec["begin_search"], spec["find_keys"]
        if begin["type"] != "index" or find["type"] != "range" or find["spec"]["limit"]:
            return None
        first, last = begin["spec"]["index"], find["spec"]["lastkey"]
        runs.append((first, first + last if last >= 0 else last, find["spec"]["keystep"]))
    if len(runs) == 2 and runs[0][1] + 1 == runs[1][0] == runs[1][1] and runs[0][2] == 1:
        runs = [(runs[0][0], runs[1][1], 1)]
    return runs[0] if len(runs) == 1 else None


def row(name, command):
    """(class, first, last, step, style, scan, aux) of a command."""
    _, arity, flags, _, _, _, _, _, specs, subs = command[:10]
    keys = written(specs)
    plain = ("PLAIN", NEVER, 0)
    if subs:
        return ("PEEK", 0, 0, 1, "CONTAINER", 1)
    if name in CONTROLS:
        return ("CONTROL", 0, 0, 1) + CONTROLS[name] + (0,)
    if name in READS:
        assert "readonly" in flags, name
        return ("READ", 1, 1, 1, "PLAIN", NEVER, READS[name][0])
    if name in PARTS:
        assert "readonly" in flags, name
        return ("READ", 1, -1, 1, "PARTS", NEVER, READS[PARTS[name]][0])
    if name in PEEKS or name in LATER or name.endswith("|HELP"):
        assert "write" not in flags, name
        return ("PEEK", 0, 0, 1) + plain
    style = STYLES.get(name, plain)
    if style[0] == "STORE":
        return ("PEEK", 0, 0, 1) + style
    if style[0] in ("NUMKEYS", "STREAMS"):
        return ("WRITE", 0, 0, 1) + style
    writes = [s for s in specs if "RW" in s["flags"]]
    if "readonly" in flags and not writes:
        return ("PEEK", 0, 0, 1) + plain
    if keys and name not in EVERYTHING and ("write" in flags or "readonly" in flags):
        return ("WRITE",) + keys + style
    return ("WRITE_ALL", 0, 0, 1) + plain


def table(commands):
    """Lines of the table, sorted by name."""
    containers = sorted(c[0].upper() for c in commands if c[9])
    out = []

    def add(name, command):
        parent, _, sub = name.partition("|")
        container = containers.index(parent) + 1 if sub else 0
        cls, first, last, step, style, scan, aux = (row(name, command) + (0,))[:7]
        if style == "CONTAINER":
            aux = containers.index(name) + 1
        arity = READS[name][1] if name in READS else command[1]
        ident = name.replace("|", "__").replace("-", "_")
        key = ", ".join("0x%x" % w for w in words(sub or name, container))
        out.append("COMMAND(%s, %s,\n\t%d, %s, %d, %d, %d, %s, %d, %d)"
                   % (ident, key, arity, cls, first, last, step, style, scan, aux))
        below = {c[0].upper(): c for c in command[9]}
        for late, late_arity in LATER.items():
            if late.startswith(name + "|"):
                below.setdefault(late, [late, late_arity, [], 0, 0, 0, [], [], [], []])
        for lower in sorted(below):
            add(lower, below[lower])

    for command in sorted(commands, key=lambda c: c[0]):
        add(command[0].upper(), command)
    return out


HEAD = """/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Written by commands.py from the COMMAND reply of redis-server 7.0. One row
 * for each command and subcommand, and for the few of later servers that
 * clients send to any; a command without a row is a write to everything.
 *
 * COMMAND(ident, word0, word1, word2,
 *	arity, class, first key, last key, key step, style, scan, aux)
 *
 * word0-2: the upper-case name, little endian, zero-padded to 23 bytes, then
 * the number of the container of a subcommand. Keys: those that are written
 * (class WRITE) or read (class READ), by index of the argument, the last
 * counted from the end if negative. scan: first argument that is read (255:
 * none). aux: op (READ), number of the container (CONTAINER), and what
 * resp.h says for a style.
 */
"""


def main():
    commands = json.load(sys.stdin)
    lines = table(commands)
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="ascii") as file:
            have = {"COMMAND(" + x.strip() for x in file.read().split("\nCOMMAND(")[1:]}
        lost = [x for x in lines if x not in have]
        for line in lost:
            print("differs from the server: " + line.replace("\n\t", " "), file=sys.stderr)
        print("%d rows checked, %d differ" % (len(lines), len(lost)))
        return 1 if lost or not lines else 0
    sys.stdout.write(HEAD + "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
