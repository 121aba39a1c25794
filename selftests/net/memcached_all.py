# SPDX-License-Identifier: Apache-2.0
"""Two memcached that began alike, one reached through pandit and one not: the same requests to both must
draw the same bytes. A reader that the kernel answers looks at the data before and after each."""
import re
import sys

from pdnet import *

sys.path.insert(0, os.path.join(PD_ROOT, "selftests/unit/wire"))
from grammar import build

MB = os.environ["MB"]
LONG = "L" * 250
SETUP = ["set a 5 0 5\r\nhello\r\n", "set n 0 0 2\r\n10\r\n", "set e 0 0 0\r\n\r\n", "set t 1 0 4\r\ntemp\r\n",
         "set %s 0 0 4\r\nlong\r\n" % LONG, "set YWJj 0 0 3\r\nb64\r\n", "delete none\r\n", "delete abc\r\n"]
READS = ["get a", "gets a", "get n", "get e", "get t", "get none", "get a n t", "gets n none", "get " + LONG, "get abc YWJj"]

# One request for each line; what a storage command sends follows behind a "|". Every word of commands.def is here.
REQUESTS = """
get a
get a n none t
get none
get
get a\tb
get LONG
get LONGx
gets a n
gets
bget a
gat 0 a n
gat 100 a none
gat abc a
gat 100
gats 0 a
gats 0 none
set a 0 0 3|new
set a 7 100 3|new
set a 4294967295 0 3|new
set a 4294967296 0 3|new
set a 0 -1 3|new
set a 0 abc 3|new
set a 0 0 0|
set a 0 0 3 noreply|new
set LONG 0 0 3|new
set b 0 0 2000|BIG2000
set b 0 0 9000|BIG9000
add a 0 0 3|new
add none 0 0 3|new
replace a 0 0 3|new
replace none 0 0 3|new
append a 0 0 3|new
append none 0 0 3|new
prepend a 0 0 3|new
prepend a 0 0 3 noreply|new
cas a 0 0 3 1|new
cas a 0 0 3 CAS|new
cas a 0 0 3 CAS noreply|new
cas none 0 0 3 1|new
cas a 0 0 3|
incr n 5
incr n 18446744073709551615
incr n abc
incr n -1
incr a 1
incr none 1
incr n
incr n 5 noreply
decr n 3
decr n 100
decr n 1 noreply
delete a
delete none
delete a 0
delete a 5
delete a noreply
delete a 0 noreply
delete
touch a 100
touch none 100
touch a abc
touch a -1
touch a 100 noreply
touch a
mg a
mg a v
mg a s v t f c k Oabc q
mg none v
mg none v q
mg none v N30
mg a T30 v
mg a T-1 v
mg a v R1000
mg a h l t
mg YWJj b v k
mg a z
mg
mg LONGx v
ms a 3|new
ms a 3 T100 F5|new
ms a S3|new
ms a 3 I|new
ms a 3 C1|new
ms a 3 CCAS c k|new
ms a 3 MA|new
ms none 3 MA N30|new
ms a 3 MP q|new
ms none 3 ME|new
ms a 3 ME|new
ms a 3 MR|new
ms a 3 MX|new
ms YWJj 3 b|new
ms a abc|
ms a
md a
md none
md a q
md none q
md a I T30
md a CCAS
md a C1
md YWJj b
md
ma n
ma n v t
ma n D5 v
ma n MD D3 v
ma n MX
ma a
ma none
ma none N30 J7 v
ma n q
mn
me a
me none
me YWJj b
me
version
verbosity 0
verbosity 0 noreply
verbosity
verbosity abc
flush_all
flush_all 0
flush_all noreply
flush_all 0 noreply
flush_all -1
flush_all abc
flush_all 1 2 3
cache_memlimit 64
cache_memlimit 64 noreply
cache_memlimit
cache_memlimit abc
stats
stats settings
stats items
stats slabs
stats sizes
stats conns
stats reset
stats detail on
stats detail dump
stats detail off
stats cachedump 1 0
stats bogus
lru mode flat
lru tune 10 20 0.2 2.0
lru temp_ttl 60
lru bogus
lru
lru_crawler tocrawl 10
lru_crawler enable
lru_crawler crawl bogus
lru_crawler metadump bogus
lru_crawler
slabs reassign 1 2
slabs automove 0
slabs bogus
slabs
extstore free_memchunks 1 2
extstore
refresh_certs
watch bogus
shutdown
shutdown bogus
quit
foo
foo a b
GET a
gEt a
\x00
 get a
get  a
"""

# Streams of bytes, each on a new connection: bad data blocks, many requests in one segment, noreply in between.
STREAMS = [
    b"set a 0 0 3\r\nnewXX\r\nget a\r\n", b"set a 0 0 3\r\nne\r\nget a\r\n", b"set a 0 0 -1\r\nget a\r\n", b"set a 0 0 abc\r\nget a\r\n",
    b"set a 0 0 99999999999\r\nget a\r\n", b"set a 0 0 2097152\r\n" + b"x" * 2097152 + b"\r\nget a\r\n", b"set " + b"k" * 251 + b" 0 0 3\r\nnew\r\nget a\r\n",
    b"set a 0 0 3 noreply\r\nnew\r\nget a\r\ndelete a noreply\r\nget a\r\n", b"get a\r\n" * 100, b"get a\nget n\n", b"incr n 1\r\nget n\r\n" * 20,
    b"set a 0 0 1048000\r\n" + b"y" * 1048000 + b"\r\nget a\r\n", b"mg none v q\r\nmg a v q\r\nmn\r\nget a\r\n", b"ms a 2 q\r\nhi\r\nmd n q\r\nmn\r\nget a n\r\n",
    b"ms a 3\r\nnewXX\r\nget a\r\n", b"ms a -1\r\nget a\r\n", b"get " + b"k" * 2100 + b"\r\nget a\r\n", b"get " + b" ".join([b"key%d" % i for i in range(300)]) + b"\r\nget a\r\n",
    b"x" * 3000, b"quit\r\nget a\r\n", b"set a 0 0 3\r\nnew\r\nquit\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\nget a\r\n", b"add a 0 0 5\r\nwrong\r\nreplace a 0 0 5\r\nright\r\nget a\r\n",
    b"flush_all noreply\r\nget a\r\nset a 0 0 1\r\n1\r\nget a\r\n", b"gat 0 a\r\ntouch a 0\r\nverbosity 0 noreply\r\nget a\r\n",
]
# Values of these depend on the clock, the process or the connection; of the others every byte counts.
NORMAL = {"stats": [(rb"(?s)STAT (\S+) [^\r]*", rb"STAT \1"), (rb"STAT \d+:\S+( [^\r]*)?\r\n", b"")],
          "me": [(rb"(la|exp)=-?\d+", rb"\1=T")]}
SHUT = b"(the server ended the connection)"


def binary(opcode, key=b"", value=b"", extras=b"", cas=0, opaque=0):
    return struct.pack("!BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(extras) + len(key) + len(value),
                       opaque, cas) + extras + key + value


COUNT = struct.pack("!QQI", 3, 1, 0)
# get set add replace delete incr decr flush noop version getk append prepend verbosity touch gat, their quiet forms, and wrong ones
BINARY = [binary(0x00, b"a"), binary(0x00, b"none"), binary(0x01, b"a", b"bin", b"\0" * 8), binary(0x02, b"a", b"bin", b"\0" * 8),
          binary(0x02, b"none", b"bin", b"\0" * 8), binary(0x03, b"a", b"bin", b"\0" * 8), binary(0x04, b"a"), binary(0x04, b"none"),
          binary(0x05, b"n", extras=COUNT), binary(0x06, b"n", extras=COUNT), binary(0x05, b"a", extras=COUNT), binary(0x08), binary(0x08, extras=b"\0" * 4),
          binary(0x0a), binary(0x0b), binary(0x0c, b"a"), binary(0x0e, b"a", b"more"), binary(0x0f, b"a", b"more"), binary(0x1b, extras=b"\0" * 4),
          binary(0x1c, b"a", extras=struct.pack("!I", 100)), binary(0x1d, b"a", extras=struct.pack("!I", 0)), binary(0x01, b"a", b"x", b"\0" * 8, cas=1),
          binary(0x09, b"none"), binary(0x0d, b"a"), binary(0x11, b"a", b"quiet", b"\0" * 8), binary(0x12, b"none", b"quiet", b"\0" * 8),
          binary(0x13, b"a", b"quiet", b"\0" * 8), binary(0x14, b"a"), binary(0x15, b"n", extras=COUNT), binary(0x16, b"n", extras=COUNT), binary(0x18),
          binary(0x19, b"a", b"more"), binary(0x1a, b"a", b"more"), binary(0x1e, b"a", extras=b"\0" * 4), binary(0x55), binary(0x01, b"a", b"no extras"),
          binary(0x00), binary(0x00, b"k" * 251), binary(0x10), binary(0x10, b"bogus"), binary(0x20), binary(0x07), binary(0x17)]


class Mc(Tcp):
    def __init__(self, *where):
        super().__init__(*where)
        self.s.settimeout(1)

    def until(self, mark):
        """Everything up to a mark, the end of the connection, or silence."""
        while mark not in self.buf:
            try:
                data = self.s.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            except socket.timeout:
                data = None
            if not data:
                got, self.buf = self.buf, b""
                return got + (SHUT if data == b"" else b"(silence)")
            self.buf += data
        at = self.buf.index(mark) + len(mark)
        got, self.buf = self.buf[:at], self.buf[at:]
        return got


def bytes_of(line, cas):
    head, bar, data = line.partition("|")
    data = re.sub("BIG([0-9]+)", lambda m: "z" * int(m.group(1)), data)
    text = head.replace("LONG", LONG).replace("CAS", cas) + "\r\n" + (data + "\r\n" if bar else "")
    return text.encode("latin-1")


class Comparison:
    def __init__(self):
        self.asked = self.cases = 0
        self.reader, self.other = Mc("d", M4, MPORT), Mc("d", MB, MPORT)
        self.renew()

    def renew(self):
        for conn in getattr(self, "pair", ()):
            conn.close()
        self.pair = Mc("c", M4, MPORT), Mc("c", MB, MPORT)

    def both(self, data, mark=b"MN\r\n", name=""):
        """What the two servers say, which must be the same."""
        got = []
        for conn in self.pair:
            try:
                conn.send(data)
            except OSError:
                pass
        for conn in self.pair:
            reply = conn.until(mark)
            for pattern, to in NORMAL.get(name, []):
                reply = re.sub(pattern, to, reply)
            got.append(reply)
        same(got[0], got[1], "%r through pandit, and without" % data[:120])
        return got[0]

    def reset(self):
        text = "".join(SETUP).encode() + b"mn\r\n"
        for conn in self.reader, self.other:
            conn.send(text)
            conn.until(b"MN\r\n")
        self.want = None

    def look(self, what):
        """Each read through pandit, against the other server's; kept at the second."""
        if self.want is None:
            self.want = []
            for read in READS:
                self.other.send(read.encode() + b"\r\n")
                self.want.append(self.other.until(b"END\r\n"))
        for read, want in zip(READS, self.want):
            self.reader.send(read.encode() + b"\r\n")
            got = self.reader.until(b"END\r\n")
            self.asked += 1
            same(got, want, "%r after %r" % (read, what[:120]))

    def one(self, data, mark=b"MN\r\n", name="", end=b"mn\r\n"):
        self.cases += 1
        self.reset()
        for _ in range(3):
            self.look(b"the setup")
        reply = self.both(data + end, mark, name)
        self.want = None
        self.look(data)
        if reply.endswith((SHUT, b"(silence)")) or mark != b"MN\r\n":
            self.renew()

    def cas(self):
        """The number that both have for a, which must be one number."""
        self.reset()
        numbers = []
        for conn in self.reader, self.other:
            conn.send(b"gets a\r\n")
            numbers.append(conn.until(b"END\r\n").split()[4].decode())
        same(numbers[0], numbers[1], "cas numbers")
        return numbers[0]


def in_order(grammar):
    """Those last that the grammar cannot frame: behind them nothing is answered for the grace time."""
    lines = [line for line in REQUESTS.split("\n") if line]
    return sorted(lines, key=lambda line: grammar(bytes_of(line, "1"))[0][-1:] == ["bad"])


def text_commands(c):
    for line in in_order(build("memcached")):
        cas = "1"
        if "CAS" in line:
            cas = str(int(c.cas()) + len(SETUP) - 2)  # the setup is stored once more before the request
        c.one(bytes_of(line, cas), name=line.split(" ")[0])
    for stream in STREAMS:
        c.one(stream)
    # more words than any command has, and none
    for word in sorted({line.split(" ")[0].split("|")[0] for line in REQUESTS.split("\n") if line} - {"quit", "watch", "\x00"}):
        c.one(word.encode() + b" a b c d e f g h i\r\n", name=word)


def delayed(c):
    """flush_all with a delay takes effect by the clock alone."""
    c.reset()
    c.look(b"the setup")
    for conn in c.pair:
        conn.send(b"flush_all 1\r\n")
        same(conn.until(b"OK\r\n"), b"OK\r\n", "flush_all 1")
    time.sleep(2.2)
    c.want = None
    c.look(b"flush_all 1, and its delay")
    c.reader.send(b"get a\r\n")
    same(c.reader.until(b"END\r\n"), b"END\r\n", "get after a flush that was due")
    time.sleep(1)


def binary_commands(c):
    mark = binary(0x0a, opaque=0x4d4e4d4e)
    said = b"\x81\x0a" + struct.pack("!HBBHII", 0, 0, 0, 0, 0, 0x4d4e4d4e) + b"\0" * 8
    for data in BINARY:
        c.renew()
        # stat tells of the process; only its end is compared
        c.both(data + mark, said) if data[1] != 0x10 else [conn.send(data) for conn in c.pair]
        c.one(data, said, end=mark) if data[1] != 0x10 else None
        c.renew()


def datagrams(c):
    a, b = McUdp("c", M4), McUdp("c", MB)
    for line in in_order(build("memcached")):
        name = line.split(" ")[0]
        if "BIG" in line or name in ("stats", "quit", "watch", "shutdown", "\x00") or "noreply" in line or " q" in line or name == "mg":
            continue
        c.reset()
        c.look(b"the setup")
        data, got = bytes_of(line, "1"), []
        for conn in a, b:
            conn.send(data)
            reply = b""
            while not reply.endswith(b"\r\n") or (reply.startswith(b"VALUE") and not reply.endswith(b"END\r\n")):
                try:
                    d = conn.s.recv(65536)
                except socket.timeout:
                    reply += b"(silence)"
                    break
                if struct.unpack("!H", d[:2])[0] == conn.id:
                    reply += d[8:]
            for pattern, to in NORMAL.get(name, []):
                reply = re.sub(pattern, to, reply)
            got.append(reply)
        same(got[0], got[1], "%r over UDP through pandit, and without" % data[:120])
        c.cases += 1
        c.want = None
        c.look(data)


def check_coverage():
    with open(PD_ROOT + "/proto/wire/memcached/commands.def", encoding="ascii") as file:
        words = set(re.findall(r'^COMMAND\("(\w+)"', file.read(), re.M))
    sent = {line.split(" ")[0].split("|")[0] for line in REQUESTS.split("\n")}
    expect(words <= sent, "commands that no request here is for: %s" % sorted(words - sent))


def main():
    check_coverage()
    c = Comparison()
    before = hits("memcached")
    for part in text_commands, binary_commands, datagrams, delayed:
        start = time.monotonic()
        part(c)
        print("%s: %d requests so far, %.1f s" % (part.__name__, c.cases, time.monotonic() - start))
    got = hits("memcached") - before
    print("%d of %d reads answered in the kernel" % (got, c.asked))
    # Behind requests that cannot be framed nothing is, for the grace time.
    expect(PLAIN or got > 1000, "only %d of %d reads were answered in the kernel: proves nothing" % (got, c.asked))
