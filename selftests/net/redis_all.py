# SPDX-License-Identifier: Apache-2.0
"""All comparisons of redis_pair.py, in order; every command that the server has must be among them."""
from redis_pair import *
from redis_table import commands


SAVES = """
BGSAVE
BGSAVE SCHEDULE
BGSAVE BOGUS
SAVE
SAVE BOGUS
BGREWRITEAOF
BGREWRITEAOF BOGUS
"""


def persistence(c):
    """Saves: one at a time, because a second would be refused for as long as the first one runs."""
    for line in lines(SAVES):
        words = line.split()
        c.pair.ask(resp(*words), words[0])
        deadline = time.monotonic() + 10
        for conn in c.pair.a, c.pair.b:
            while re.search(rb"(bgsave|rewrite)_in_progress:1|scheduled:1", conn.ask("INFO", "persistence")):
                expect(time.monotonic() < deadline, "%s does not end" % words)
                time.sleep(0.01)
        c.last = words[0].encode()
        c.after(False)


def monitor(c):
    """A monitor sees the requests that reach the server, and nothing of what it sees is a reply."""
    watcher = Pair(c.version)
    watcher.ask(resp("MONITOR"), "MONITOR")
    c.pair.ask(resp("SET", "s", "seen"), "SET")
    for conn in watcher.a, watcher.b:
        while b'"seen"' not in (line := conn.raw()):
            expect(line.startswith(b"+"), "a monitor gets %r" % line)
    c.last = b"MONITOR, SET s seen"
    c.after(True)
    watcher.close()


def replica(c):
    """SYNC makes a stream of the connection; writes come out of it."""
    watcher = Pair(c.version)
    watcher.send(resp("SYNC"))
    for conn in watcher.a, watcher.b:
        while b"REDIS0" not in conn.buf:
            conn.more()
    c.pair.ask(resp("SET", "s", "replicated"), "SET")
    for conn in watcher.a, watcher.b:
        while b"replicated" not in conn.buf:
            conn.more()
    c.last = b"SYNC, SET s replicated"
    c.after(True)
    watcher.close()


def killed(c):
    """CLIENT KILL of the connection itself and of another one."""
    other = Pair(c.version)
    for conn, victim in (c.pair.a, other.a), (c.pair.b, other.b):
        number = int(victim.ask("CLIENT", "ID")[1:])
        same(conn.ask("CLIENT", "KILL", "ID", number), b":1\r\n", "CLIENT KILL ID")
    same(other.take("GET", "a killed connection"), EOF, "a killed connection")
    other.close()
    for conn in c.pair.a, c.pair.b:
        conn.send(resp("CLIENT", "KILL", "ID", int(conn.ask("CLIENT", "ID")[1:]), "SKIPME", "no"))
    c.pair.take("CLIENT", "CLIENT KILL of itself")
    c.pair.renew()
    c.last = b"CLIENT KILL"
    c.after(True)


def shut_down(c):
    for words in ["SHUTDOWN", "ABORT"], ["SHUTDOWN", "BOGUS"], ["SHUTDOWN", "NOSAVE", "SAVE"]:
        c.one([w.encode() for w in words])
    same(c.pair.ask(resp("SHUTDOWN", "NOSAVE"), "SHUTDOWN"), EOF, "SHUTDOWN NOSAVE")


def compare(version, flags):
    """All requests with one version of the protocol. Returns the names sent, and the comparison."""
    start = time.monotonic()
    c = Comparison(version, flags)
    c.blob(b"@DUMP@", "DUMP", "s")
    c.blob(b"@FDUMP@", "FUNCTION", "DUMP")
    full = version == 2
    sent = c.all_of(REQUESTS, wrong if full else right_only, full)
    c.forms(REQUESTS if full else "")
    for line in lines(SESSIONS):
        sent |= c.session(line)
    for data in RAW if full else []:
        c.raw(data)
    for special in persistence, monitor, killed, replica:
        c.pair.renew()
        special(c)
    print("RESP%d: %d requests compared, %d reads between them, %.1f s" %
          (version, c.cases, c.asked, time.monotonic() - start))
    return sent, c


LIBRARY = """#!lua name=lib
redis.register_function{function_name='f1', flags={'no-writes'}, callback=function(k) return redis.call('GET', k[1]) end}
redis.register_function('f2', function(k) return redis.call('APPEND', k[1], '2') end)"""


def main():
    for address in R4, RB:
        conn = Redis("c", address)
        expect(not isinstance(conn.cmd("FUNCTION", "LOAD", LIBRARY), RedisError), "FUNCTION LOAD")
        same(conn.cmd("SCRIPT", "LOAD", "return 1"), b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "SCRIPT LOAD")
        conn.close()
    # Of both: a look-up moves the tables of commands on, which decides their order in replies.
    flags = [{name: row[1] for name, row in commands(Redis("c", address)).items()} for address in (R4, RB)][1]
    before, asked, sent, c = hits("redis"), 0, set(BY_THEMSELVES), None
    for version in 2, 3:
        more, c = compare(version, flags)
        sent |= more
        asked += c.asked
    got = hits("redis") - before
    print("%d of %d reads answered in the kernel" % (got, asked))
    never = sorted(set(flags) - sent - {n.split("|")[0] for n in flags if "|" in n})
    expect(not never, "commands that no request here is for: %s" % " ".join(never))
    expect(PLAIN or got > asked * 0.4, "only %d of %d reads were answered in the kernel: proves nothing" % (got, asked))
    shut_down(c)
