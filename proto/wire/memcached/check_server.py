#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The grammar against a real memcached.

Sends random and mutated requests to a server on the loopback interface and
checks what the grammar says of them: as many replies as it predicts, framed
to the last byte; no key changed that it does not report as written; an
exptime that is not later than the server's own.

usage: check_server.py [rounds [seed]]
"""
import os, random, re, socket, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../selftests/unit/wire"))
from grammar import build

KEYS = [b"a", b"b", b"kk", b"n1", b"n2", b"key:7"]
ODD_KEYS = [b"x" * 250, b"y" * 251, b"\xc3\xa9", b"k\x01", b"k\x00z", b"YWJj"]
FLAGS = [b"b", b"c", b"f", b"h", b"k", b"l", b"Oabc", b"q", b"s", b"t", b"u", b"v", b"N30", b"T50",
         b"T0", b"T-1", b"R10", b"C5", b"F7", b"I", b"MA", b"ME", b"MP", b"MS", b"MR", b"MI", b"MD",
         b"J5", b"D3", b"x", b"1"]
OTHER = [b"version", b"stats", b"stats items", b"stats settings", b"stats reset", b"stats detail on",
         b"stats detail dump", b"stats bogus", b"verbosity 0", b"verbosity x", b"verbosity",
         b"verbosity 0 noreply", b"cache_memlimit 64", b"cache_memlimit 64 noreply", b"lru mode flat",
         b"lru tune 10 20 0.2 2.0", b"lru mode flat noreply", b"lru_crawler enable", b"mn", b"foo",
         b"lru_crawler crawl all", b"slabs automove 1", b"slabs reassign 1 2", b"shutdown", b"foo bar",
         b"extstore item_age 10", b"flush_all", b"flush_all 0", b"flush_all noreply", b"get", b"",
         b"flush_all -5", b"flush_all x", b"mg", b"me", b"incr", b"delete", b"gat", b"refresh_certs"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *values):
        return self.r.choice(values)

    def key(self):
        return self.r.choice(KEYS if self.r.random() < .95 else ODD_KEYS)

    def number(self):
        now = int(time.time())
        return self.pick(b"0", b"1", b"5", b"60", b"100", b"-1", b"-7", b"07", b"+5", b"1x", b"abc",
                         b"2592000", b"2592001", b"2147483647", b"2147483648", b"4294967295",
                         b"99999999999", b"18446744073709551615", b"%d" % (now + 100))

    def exptime(self):
        return self.pick(b"0", b"0", b"100", self.number())

    def flags(self):
        return [self.r.choice(FLAGS) for _ in range(self.pick(0, 1, 1, 2, 3))]

    def words(self):
        """The words of a line, and the data block that follows it."""
        noreply = [b"noreply"] if self.r.random() < .25 else []
        size = self.pick(0, 0, 1, 2, 5, 8, 30, 300, 2000)
        text = self.pick(b"7" * size, (b"set a 0 0 1\r\nX\r\nflush_all\r\nget a\r\n" * 80)[:size])
        text += self.pick(*[b"\r\n"] * 15, b"xx")
        word = self.pick(b"get", b"gets", b"gat", b"set", b"store", b"cas", b"count", b"touch",
                         b"delete", b"mg", b"md", b"ms", b"other", b"other")
        if word in (b"get", b"gets"):
            return [word] + [self.key() for _ in range(self.pick(1, 1, 1, 2, 3, 30))], b""
        if word == b"gat":
            return [self.pick(b"gat", b"gats"), self.exptime(), self.key(), self.key()], b""
        if word in (b"set", b"store", b"cas"):
            number = [b"%d" % self.r.randrange(2000)] if word == b"cas" else []
            word = self.pick(b"add", b"replace", b"append", b"prepend") if word == b"store" else word
            line = [word, self.key(), self.pick(b"0", b"7", self.number()), self.exptime(), b"%d" % size]
            return line + number + noreply + [b"more"] * (self.r.random() < .05), text
        if word == b"ms":
            return [word, self.key(), b"%d" % size] + self.flags(), text
        if word == b"mg" or word == b"md":
            return [self.pick(word, b"ma"), self.key()] + self.flags(), b""
        if word == b"count":
            return [self.pick(b"incr", b"decr"), self.key(), self.number()] + noreply, b""
        if word == b"touch":
            return [word, self.key(), self.exptime()] + noreply, b""
        if word == b"delete":
            return [word, self.key()] + self.pick([], [], [b"0"], [b"5"]) + noreply, b""
        return [self.r.choice(OTHER)], b""

    def request(self):
        words, data = self.words()
        blank = self.pick(*[b" "] * 15, b"  ", b" " * 9)
        line = blank.join(words) + self.pick(*[b""] * 15, b" ") + self.pick(*[b"\r\n"] * 7, b"\n")
        if self.r.random() < .07 and len(line) > 3:
            at = self.r.randrange(min(len(line), 40))
            line = line[:at] + self.pick(b"", bytes([self.r.randrange(256)]), b" ", b"\r", b"\n") + line[at + 1:]
        return line + data


class Server:
    def __init__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(self.port),
                                         "-U", "0", "-m", "64", "-t", "1"])
        for _ in range(50):
            try:
                self.side = self.connect()
                break
            except ConnectionRefusedError:
                time.sleep(.1)
        self.file = self.side.makefile("rb")

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), 2)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def reset(self):
        for k in KEYS:
            self.side.sendall(b"set %s 0 0 2\r\n10\r\n" % k)
            self.file.readline()

    def state(self):
        """Of each key: flags, cas number and data; seconds left, -1 for ever, None when it is not there."""
        found, left = {}, {}
        self.side.sendall(b"gets " + b" ".join(KEYS) + b"\r\n")
        while True:
            words = self.file.readline().split()
            if words[0] == b"END":
                break
            found[words[1]] = (words[2], words[4], self.file.read(int(words[3]) + 2))
        for k in KEYS:
            self.side.sendall(b"mg %s t u\r\n" % k)
            words = self.file.readline().split()
            left[k] = None if words[0] == b"EN" else int(words[1][1:])
        return found, left

    def ask(self, data, enough):
        """Sends data on a new connection; what comes back until enough() of it."""
        raw = b""
        with self.connect() as s:
            s.sendall(data)
            try:
                while not enough(raw):
                    part = s.recv(1 << 16)
                    if not part:
                        break
                    raw += part
                s.setblocking(False)
                raw += s.recv(1 << 16)
            except OSError:
                pass
        return raw


def ttl_wrong(line, left):
    """The exptime the server has must not be sooner than what the request was said to set."""
    m = re.search(r" ttl=(@?)(\d+)ms", line)
    if not m:
        return left != -1
    ms = int(m.group(2)) - (time.time() * 1000 if m.group(1) else 0)
    return left != -1 and ms > left * 1000 + 999


def check(grammar, server, batch):
    """None if the grammar had to give up, else what is wrong with it, or an empty string."""
    sent = b"".join(batch)
    requests, _ = grammar(sent)
    if requests and requests[-1] in ("bad", "more"):
        return None
    requests, _ = grammar(sent + b"mn\r\n")
    if requests[-1] in ("bad", "more") or any(" code=" in r for r in requests):
        return None
    answered = sum(" noreply" not in r for r in requests)
    begin = time.monotonic()
    found, left = server.state()
    raw = server.ask(sent + b"mn\r\n", lambda raw: len(grammar(sent + b"mn\r\n", raw)[1]) >= answered and
                     raw.endswith(b"MN\r\n"))
    replies = grammar(sent + b"mn\r\n", raw)[1]
    if len(replies) != answered or any(r in ("bad", "more") for r in replies) or not raw.endswith(b"MN\r\n"):
        return "framing: %r\n%s\n%s\n%r" % (batch, requests, replies, raw[:500])
    found_now, left_now = server.state()
    passed = time.monotonic() - begin + 1  # the server counts whole seconds
    if any(r.startswith("write_all") for r in requests):
        return ""
    written = {k: r for r in requests if r.startswith("write") for k in re.findall(r' key="([^"]*)"', r)}
    for k in KEYS:
        old, new, line = left[k], left_now[k], written.get(k.decode())
        same = old == new or (old and new and old > 0 and new > 0 and abs(old - new) <= passed)
        lapsed = new is None and old is not None and 0 <= old <= passed
        if line is None and not lapsed and (found.get(k) != found_now.get(k) or not same):
            return "effect: %r changes %s\n%s" % (batch, k, requests)
        if line and not same and new is not None and len(batch) == 1 and ttl_wrong(line, new):
            return "exptime: %r leaves %s\n%s" % (batch, new, requests)
    return ""


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
    grammar, server, gen = build("memcached"), Server(), Generator(seed)
    checked = wrong = 0
    try:
        for i in range(rounds):
            if i % 50 == 0:
                server.reset()
            what = check(grammar, server, [gen.request() for _ in range(gen.pick(1, 1, 1, 2, 4))])
            checked += what is not None
            if what:
                print(what, file=sys.stderr)
                wrong += 1
    finally:
        server.process.terminate()
        server.process.wait()
    print("memcached: %d rounds, %d compared with the server, %d wrong, seed %d" % (rounds, checked, wrong, seed))
    return 1 if wrong or checked < rounds // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
