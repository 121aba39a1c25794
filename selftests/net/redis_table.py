# SPDX-License-Identifier: Apache-2.0
"""The command table of RESP held against what the running server says of its own commands, and the
grammar made of it against the keys that the server finds in the same requests."""
import re
import sys

from pdnet import *

sys.path.insert(0, os.path.join(PD_ROOT, "selftests/unit/wire"))
sys.path.insert(0, os.path.join(PD_ROOT, "proto/wire/resp"))
from commands import LATER
from grammar import build

CHANGES = {"RW", "OW", "RM", "insert", "delete", "update"}
# Requests whose keys are found behind a word, so that numbers alone do not show them.
BY_WORD = [
    "SORT 1 BY 3 STORE 5", "SORT 1", "SORT 1 LIMIT 3 4 STORE 6",
    "GEORADIUS 1 2 3 4 m", "GEORADIUS 1 2 3 4 m STORE 7", "GEORADIUS 1 2 3 4 m ASC STOREDIST 8",
    "GEORADIUSBYMEMBER 1 2 3 m STORE 6", "GEORADIUSBYMEMBER 1 2 3 m STOREDIST 6",
    "XREADGROUP GROUP 2 3 STREAMS 5 6", "XREADGROUP GROUP 2 3 COUNT 5 NOACK STREAMS 8 9 10 11",
    "XREADGROUP GROUP 2 3 BLOCK 5 STREAMS 7 8 9 10 11 12", "XREAD STREAMS 2 3", "XREAD COUNT 2 STREAMS 4 5 6 7",
    "MIGRATE 1 2 3 4 5", "MIGRATE 1 2  4 5 KEYS 7 8", "SET 1 2 GET", "GETEX 1 PERSIST", "BITFIELD 1 GET u8 0",
    "BITFIELD 1 SET u8 0 1", "COPY 1 2 DB 4", "RESTORE 1 2 3 REPLACE", "ZADD 1 NX 3 4", "OBJECT ENCODING 2",
    "XGROUP CREATE 2 3 4", "XGROUP DESTROY 2 3", "XINFO STREAM 2", "MEMORY USAGE 2", "EVAL 1 0", "EVAL_RO 1 1 3",
    "XADD 1 NOMKSTREAM MAXLEN 4 * 6 7", "ZRANGE 1 2 3 BYLEX", "PFDEBUG GETREG 2",
]
# What is taken for more than the server says of some of its requests, and why.
WIDER = {
    "XREADGROUP": "it changes what the group was given, which is a part of the key",
    "BITFIELD": "a read unless SET or INCRBY comes",
    "MIGRATE": "it reaches another server as well",
}


def read_table():
    """Rows by name, "CLIENT|LIST": dict of the columns."""
    with open(os.path.join(PD_ROOT, "proto/wire/resp/commands.def"), encoding="ascii") as file:
        text = file.read()
    text = text[text.index("\nCOMMAND("):]
    columns = ("w0", "w1", "w2", "arity", "cls", "first", "last", "step", "style", "scan", "aux")
    rows, containers = {}, {}
    for found in re.findall(r"^COMMAND\(([^)]*)\)", text, re.M):
        ident, *rest = (word.strip() for word in found.split(","))
        row = dict(zip(columns, (int(x, 0) if re.match(r"-?\d", x) else x for x in rest)))
        raw = b"".join(row[w].to_bytes(8, "little") for w in ("w0", "w1", "w2"))
        row["name"], row["container"] = raw[:23].rstrip(b"\0").decode(), raw[23]
        same(ident.split("__")[-1].replace("_", "-") if row["container"] else ident.replace("_", "-"),
             row["name"].replace("_", "-"), "the packed name of %s" % ident)
        if row["style"] == "CONTAINER":
            containers[row["aux"]] = row["name"]
        rows[ident] = row
    named = {}
    for row in rows.values():
        name = (containers[row["container"]] + "|" if row["container"] else "") + row["name"]
        expect(name not in named, "two rows for %s" % name)
        named[name] = row
    return named


def commands(conn):
    """What COMMAND says, subcommands included: name -> (arity, flags, first, last, step)."""
    found = {}

    def take(command):
        name = command[0].decode().upper()
        found[name] = (command[1], set(command[2]), command[3], command[4], command[5])
        for below in command[9]:
            take(below)
    for command in conn.cmd("COMMAND"):
        take(command)
    return found


def check_lists(conn, found):
    """COMMAND COUNT, LIST, INFO and DOCS tell of no further one."""
    names = {n for n in found}
    same(conn.cmd("COMMAND", "COUNT"), sum("|" not in n for n in names), "COMMAND COUNT")
    same({n.decode().upper() for n in conn.cmd("COMMAND", "LIST")}, names, "COMMAND LIST")
    for name in names:
        info = conn.cmd("COMMAND", "INFO", name)[0]
        same((info[0].decode().upper(), info[1], set(info[2])) + tuple(info[3:6]), (name,) + found[name],
             "COMMAND INFO " + name)
    docs = conn.cmd("COMMAND", "DOCS")
    told = set()
    for name, doc in zip(docs[::2], docs[1::2]):
        told.add(name.decode().upper())
        fields = dict(zip(doc[::2], doc[1::2]))
        told.update(n.decode().upper() for n in fields.get(b"subcommands", [])[::2])
    same(told, names, "COMMAND DOCS")


def check_row(name, row, server):
    arity, flags, first, last, step = server
    expect(row["arity"] == arity or row["cls"] == "READ",
           "%s: arity %d, the server says %d" % (name, row["arity"], arity))
    if row["cls"] == "READ":
        expect("readonly" in flags and not flags & {"blocking", "pubsub", "noscript"}, "%s is kept" % name)
        end = last if row["style"] == "PARTS" else first
        same((row["first"], row["last"], row["step"]), (first, end, 1), "key of " + name)
        same((first, step), (1, 1), "key of " + name)
    elif row["cls"] == "PEEK":
        expect("write" not in flags or row["style"] == "STORE", "%s is a write" % name)
    elif row["cls"] == "WRITE" and row["first"]:
        keys = (row["first"], row["last"], row["step"])
        # Where the server reads some of its keys, the first and the last of all are not those written.
        inside = row["first"] >= first and (row["last"] <= last or last < 0 or last < row["first"])
        expect(keys == (first, last, step) or inside, "keys of %s: %s, the server says %s" %
               (name, keys, (first, last, step)))
    elif row["cls"] == "CONTROL":
        expect("write" not in flags, "%s is a write" % name)


def asked(name, arity):
    """Requests whose arguments are their own index: numbers where a count is asked for."""
    words = name.split("|")
    for n in range(abs(arity), abs(arity) + (6 if arity < 0 else 1)):
        yield words + [str(i) for i in range(len(words), n)]


def check_keys(conn, grammar, words, table):
    """True if the server said which keys this request has, and the grammar found those that change."""
    reply = conn.cmd("COMMAND", "GETKEYSANDFLAGS", *words)
    if isinstance(reply, RedisError):
        # Never a reason to take a request for less than it is: it would only be refused.
        return False
    changed = sorted({key for key, flags in reply if CHANGES & set(flags)})
    said = grammar(resp(*words))[0]
    same(len(said), 1, "messages in %s" % words)
    keys = sorted({k.encode() for k in re.findall(r' key="([^"]*)"', said[0])})
    cls = said[0].split()[0]
    if cls == "write" and words[0] in WIDER:
        same(keys, sorted(key for key, _ in reply), "keys of %s" % words)
    elif cls == "write":
        same(keys, changed, "keys that %s writes" % words)
    elif cls == "read":
        same((keys, changed), (sorted(key for key, _ in reply), []), "keys that %s reads" % words)
    elif cls == "write_all":
        expect(words[0] in WIDER or table[words[0]]["cls"] == "WRITE_ALL", "%s is a write to everything" % words)
    else:
        same(changed, [], "keys that %s writes, a %s" % (words, cls))
    return True


def check_all(conn):
    table, found = read_table(), commands(conn)
    check_lists(conn, found)
    for name in sorted(found):
        expect(name in table, "%s has no row in commands.def" % name)
        check_row(name, table[name], found[name])
    # A later server's subcommand that clients send to any may only be one that changes nothing.
    for name in set(table) - set(found):
        expect(name in LATER and table[name]["cls"] == "PEEK", "a row of no command: %s" % name)
    grammar = build("resp")
    checked = {name for name in found for words in asked(name, found[name][0])
               if check_keys(conn, grammar, words, table)}
    for line in BY_WORD:
        expect(check_keys(conn, grammar, line.split(" "), table), "the server finds no keys in " + line)
        checked.add(line.split(" ")[0])
    writers = {n for n, (_, flags, first, _, _) in found.items() if "write" in flags and first}
    expect(writers <= checked, "not held against the server: %s" % sorted(writers - checked))
    print("%d commands, keys of %d" % (len(found), len(checked)))
