# SPDX-License-Identifier: Apache-2.0
"""Two redis-servers that began alike, one reached through pandit and one not: the same requests to both
must draw the same bytes. Readers that the kernel answers look at the data before and after each."""
import re
import shlex

from pdnet import *
from redis_requests import *
from redis_table import read_table

RB = os.environ["RB"]
EOF = b"(the server ended the connection)"
BIG = [b"-1", b"abc", b"9223372036854775807", b"99999999999999999999"]


def words_of(line, blobs=None):
    words = [w.encode().decode("unicode_escape").encode("latin-1") for w in shlex.split(line)]
    return [(blobs or {}).get(w, w) for w in words]


def lines(text):
    return [line for line in text.splitlines() if line]


def end_of(buf, at=0):
    """Where the reply at `at` ends, or None: it goes on."""
    left = 1
    while left:
        stop = buf.find(b"\r\n", at)
        if stop < 0:
            return None
        kind, rest = buf[at:at + 1], buf[at + 1:stop]
        at = stop + 2
        left -= kind != b"|"
        if kind in (b"$", b"=", b"!") and rest != b"-1":
            at += int(rest) + 2
        elif kind in (b"*", b"~", b">") and rest != b"-1":
            left += int(rest)
        elif kind in (b"%", b"|"):
            left += 2 * int(rest)
        if at > len(buf):
            return None
    return at


def key_of(words):
    """The key that a line of SETUP makes, or a part of."""
    at = {b"XGROUP": 2, b"XREADGROUP": 7}.get(words[0], 1)
    return words[at] if len(words) > at + 1 else None


class Raw(Redis):
    """Replies as bytes."""

    def raw(self):
        while (end := end_of(self.buf)) is None:
            try:
                data = self.s.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                rest, self.buf = self.buf, b""
                return rest + EOF
            self.buf += data
        reply, self.buf = self.buf[:end], self.buf[end:]
        return reply

    def ask(self, *words):
        self.send(resp(*words))
        return self.raw()


    def all(self):
        """Everything until the end, the reply to PING, or silence. What is left unread at the end may make
        a reset of it: an end all the same."""
        self.s.settimeout(0.3)
        while not self.buf.endswith(b"+PONG\r\n"):
            try:
                data = self.s.recv(1 << 16)
            except (ConnectionResetError, socket.timeout) as why:
                data = b"" if isinstance(why, ConnectionResetError) else None
            if not data:
                return self.buf + (b"(silence)" if data is None else EOF)
            self.buf += data
        return self.buf


class Pair:
    """One connection to each server."""

    def __init__(self, version):
        self.version = version
        self.open()

    def open(self):
        self.a, self.b = Raw("c", R4), Raw("c", RB)
        for conn in self.a, self.b:
            if self.version == 3:
                conn.ask("HELLO", "3")
        # A connection is answered once the server has answered a read on it.
        for _ in range(3):
            self.ask(resp("GET", "s"), "GET")

    def close(self):
        self.a.close(), self.b.close()

    def renew(self):
        self.close()
        self.open()

    def send(self, data, cut=0):
        for conn in self.a, self.b:
            try:
                if cut:
                    conn.send(data[:cut])
                conn.send(data[cut:])
            except OSError:
                pass

    def take(self, name, what, replies=1):
        """The replies, which must be the same."""
        got = b""
        for _ in range(replies):
            try:
                a, b = self.a.raw(), self.b.raw()
            except socket.timeout:
                expect(False, "%r (RESP%d): a reply is missing behind %r; there are %.200r through pandit, %.200r without" %
                       (what[:200], self.version, got[-200:], self.a.buf, self.b.buf))
            na, nb = a, b
            for pattern, to in NORMAL.get(name, []):
                na, nb = re.sub(pattern, to, na), re.sub(pattern, to, nb)
            if na != nb:
                at = next((i for i, (x, y) in enumerate(zip(na, nb)) if x != y), min(len(na), len(nb)))
                at = max(at - 40, 0)
                expect(False, "%r (RESP%d) through pandit: ...%r, without: ...%r" %
                       (what[:200], self.version, na[at:at + 160], nb[at:at + 160]))
            got += b
        return got

    def ask(self, data, name, replies=1, cut=0):
        self.send(data, cut)
        return self.take(name, data, replies)

    def silent(self, what):
        """Neither server has said more."""
        for conn in self.a, self.b:
            conn.s.setblocking(False)
            try:
                conn.buf += conn.s.recv(1 << 16)
            except BlockingIOError:
                pass
            conn.s.settimeout(10)
        same(self.a.buf, self.b.buf, "what follows %r" % what[:200])
        self.a.buf = self.b.buf = b""


class Comparison:
    def __init__(self, version, flags):
        self.version, self.flags, self.table = version, flags, read_table()
        self.reader = Pair(version)
        self.pair = Pair(version)
        self.reads = [words_of(line) for line in lines(READS)]
        self.setup = [words_of(line) for line in lines(SETUP)]
        self.made = {key_of(words) for words in self.setup} | {b"none", b"none2", b"s2", b"k" * 300, b""}
        self.blobs, self.asked, self.cases, self.turn = {}, 0, 0, 0
        self.reset()
        self.want = None
        self.before()

    def reset(self, keys=None):
        """The same data on both servers: all of it, or those keys."""
        todo = self.setup
        if keys is not None:
            todo = [[b"DEL"] + sorted(keys)] + [words for words in todo if key_of(words) in keys]
        for conn in self.reader.a, self.reader.b:
            conn.send(b"".join(resp(*words) for words in todo))
        self.reader.take("XADD", b"the setup", len(todo))
        self.want = None

    def blob(self, name, *words):
        """A value that only the server can make, for a word of requests."""
        data = [conn.ask(*words) for conn in (self.reader.a, self.reader.b)][1]
        self.blobs[name] = data.split(b"\r\n", 1)[1][:-2]

    def look(self, reads):
        """Reads through pandit against those of the other server."""
        if self.want is None:
            self.reader.b.send(b"".join(resp(*words) for words in self.reads))
            self.want = [self.reader.b.raw() for _ in self.reads]
        for i in reads:
            got = self.reader.a.ask(*self.reads[i])
            self.asked += 1
            if got != self.want[i]:
                expect(False, "%r (RESP%d) through pandit: %.100r, without: %.100r; after %r" %
                       (self.reads[i], self.version, got, self.want[i], self.last[:200]))

    def before(self, keys=None):
        """Have these keys, or all, answered in the kernel. What changes often is kept at its second read."""
        self.last = b"the setup"
        reads = [i for i, words in enumerate(self.reads) if keys is None or keys & set(words)]
        for _ in range(2):
            self.look(reads)

    def after(self, changed):
        if changed:
            self.want = None
            self.look(range(len(self.reads)))
        else:
            self.turn += 3
            self.look((self.turn + i) % len(self.reads) for i in range(3))

    def name_of(self, words):
        name = b"|".join(words[:2]).decode("latin-1").upper()
        return name if name in self.flags else words[0].decode("latin-1").upper()

    def one(self, words, data=None, cut=0):
        """One request, and the reads behind it."""
        name = self.name_of(words)
        self.last = data or resp(*words)
        self.cases += 1
        reply = self.pair.ask(self.last, name, cut=cut)
        self.pair.ask(resp("GET", "s"), name) if not reply.endswith(EOF) else self.pair.renew()
        changed = reply[:1] != b"-" and "readonly" not in self.flags.get(name, ())
        self.after(changed)
        if name in STATEFUL:
            self.pair.renew()
        if changed:
            self.restore(name, words)

    def restore(self, name, words):
        """The data as it was: of the keys in the request, if it can have changed no others."""
        keys = None if self.table.get(name, {"cls": "WRITE_ALL"})["cls"] == "WRITE_ALL" else set(words[1:]) & self.made
        if keys is None or keys:
            self.reset(keys)
            self.before(keys)

    def transaction(self, words):
        name = self.name_of(words)
        self.last = b"MULTI " + resp(*words)
        self.cases += 1
        for step in ([b"MULTI"], words, [b"GET", b"s"], [b"EXEC"], [b"GET", b"s"]):
            self.pair.ask(resp(*step), name)
        self.pair.renew()
        self.after(True)
        self.restore(name, words)

    def all_of(self, text, wrong, transactions):
        """Every request of a list; wrong(words) gives more of each."""
        sent, last = set(), None
        for line in lines(text):
            words = words_of(line, self.blobs)
            name = self.name_of(words)
            sent.add(name)
            first = name != last
            if first:
                self.pair.renew()
                last = name
            self.one(words)
            for more in wrong(name, words, first):
                if tuple(more) not in sent:
                    sent.add(tuple(more))
                    self.one(more)
            if transactions and first and name not in NO_MULTI:
                self.transaction(words)
        return sent

    def forms(self, text):
        """The same requests in small letters, in two segments, and typed by hand."""
        for n, line in enumerate(lines(text)):
            words = words_of(line, self.blobs)
            if self.name_of(words) in STATEFUL:
                continue
            small = [words[0].lower()] + words[1:]
            data = resp(*small)
            if n & 1 and all(re.fullmatch(rb"[!-~]+", w) and not set(w) & set(b"\"'\\") for w in words):
                self.one(small, b" ".join(small) + b"\r\n")
            else:
                self.one(small, data, cut=1 + n * 7 % (len(data) - 1))

    def session(self, line):
        self.pair.renew()
        self.last = line.encode()
        self.cases += 1
        names = set()
        for part in line.split("; "):
            part, _, count = part.partition(" #")
            words = words_of(part, self.blobs)
            names.add(self.name_of(words))
            self.pair.ask(resp(*words), self.name_of(words), int(count or 1))
        self.pair.silent(self.last)
        self.after(True)
        self.pair.renew()
        self.reset()
        self.before()
        return names

    def raw(self, data):
        """Bytes that may be no request: what the servers say, and whether they end the connection."""
        self.pair.renew()
        self.last = data
        self.cases += 1
        self.pair.send(data + b"*1\r\n$4\r\nPING\r\n")
        same(self.pair.a.all(), self.pair.b.all(), "what %r draws through pandit, and without" % data[:200])
        self.after(True)
        self.reset()
        self.before()


def wrong(name, words, first):
    """Requests that are one step away from a right one; first: it is the first of its command."""
    yield words + [b"bogus"]
    yield words[:1]
    if name in NO_VARIANTS or len(words) < 2:
        return
    yield words[:-1]
    types = {b"s": b"l", b"n": b"h", b"f": b"st", b"b": b"z", b"t": b"x", b"l": b"s", b"h": b"l", b"st": b"z", b"su": b"h",
             b"z": b"st", b"y": b"s", b"x": b"s", b"g": b"s", b"p": b"s", b"none": b"l", b"L": b"h", b"k" * 300: b"s"}
    for i, word in enumerate(words[1:], 1):
        if word in types:
            for other in (types[word], b"none", b"", b"k" * 300) if first else (types[word],):
                yield words[:i] + [other] + words[i + 1:]
        elif re.fullmatch(rb"-?[0-9.]+", word):
            for number in BIG[:2] if name.startswith("B") or not first else BIG:
                yield words[:i] + [number] + words[i + 1:]


def right_only(_name, _words, _first):
    return ()
