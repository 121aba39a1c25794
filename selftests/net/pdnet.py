# SPDX-License-Identifier: Apache-2.0
"""Clients for the scenarios: sockets in any namespace of the network, small
Redis and memcached clients that show every byte, and the daemon's counters.

A scenario's python part runs `from pdnet import *`. expect(cond, why) ends it
with one line.
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time

NS = os.environ["NS"]
RUN = os.environ["RUN"]
R4, R6, RPORT = os.environ["R4"], os.environ["R6"], int(os.environ["RPORT"])
M4, M6, MPORT = os.environ["M4"], os.environ["M6"], int(os.environ["MPORT"])
PD_ROOT = os.environ["PD_ROOT"]
PLAIN = bool(os.environ.get("PD_PLAIN"))
CTL = [os.environ["PD_BUILD"] + "/panditctl", "-s", os.environ["SOCK"]]
LIBC = ctypes.CDLL(None, use_errno=True)


def expect(cond, why):
    if not cond:
        print(why)
        sys.stdout.flush()
        os._exit(1)


def same(got, want, what):
    expect(got == want, "%s: got %.200r, want %.200r" % (what, got, want))


def crash(_type, value, trace):
    while trace.tb_next:
        trace = trace.tb_next
    print("%s: %s (line %d)" % (_type.__name__, value, trace.tb_lineno))


sys.excepthook = crash


class netns:
    """with netns("c"): sockets are made in that namespace."""

    def __init__(self, side):
        self.side = side

    def __enter__(self):
        self.old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.enter("/run/netns/%s-%s" % (NS, self.side))

    def __exit__(self, *_):
        expect(LIBC.setns(self.old, 0x40000000) == 0, "setns")
        os.close(self.old)

    @staticmethod
    def enter(path):
        fd = os.open(path, os.O_RDONLY)
        expect(LIBC.setns(fd, 0x40000000) == 0, "setns %s" % path)
        os.close(fd)


def ctl(*args):
    """(exit status, stdout and stderr) of panditctl."""
    p = subprocess.run(CTL + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=60, text=True)
    return p.returncode, p.stdout


def act(*words):
    """Runs a function of scenario.sh on this network: act("panditd_start")."""
    p = subprocess.run(["bash", os.environ["HERE"] + "/act.sh"] + list(words),
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, text=True)
    expect(p.returncode == 0, "%s: %.300s" % (" ".join(words), p.stdout.strip()))
    return p.stdout


def stats(service):
    if PLAIN:
        return {"hits": 0, "misses": 0, "fills": 0, "invalidations": 0, "passes": {}}
    status, out = ctl("stats", "--json")
    expect(status == 0, "panditctl stats --json: exit %d: %.200s" % (status, out))
    for s in json.loads(out)["services"]:
        if s["name"] == service:
            return s
    expect(False, "panditctl stats --json has no service %s" % service)


def hits(service):
    return int(stats(service)["hits"])


def in_kernel(service, what, fn, at_least=1):
    """fn() must have been answered in the kernel. Returns its result."""
    before = hits(service)
    result = fn()
    got = hits(service) - before
    expect(PLAIN or got >= at_least,
           "%s: %d answered in the kernel, want at least %d" % (what, got, at_least))
    return result


def by_server(service, what, fn):
    """fn() must not have been answered in the kernel."""
    before = hits(service)
    result = fn()
    got = hits(service) - before
    expect(got == 0, "%s: %d answered in the kernel, want none" % (what, got))
    return result


def warm(service, fn, tries=20):
    """Calls fn until it is answered in the kernel (at most `tries` times)."""
    for _ in range(1 if PLAIN else tries):
        before = hits(service)
        result = fn()
        if PLAIN or hits(service) > before:
            return result
        time.sleep(0.02)
    expect(False, "not answered in the kernel after %d tries; passes: %s" %
           (tries, stats(service)["passes"]))


class Tcp:
    def __init__(self, side, addr, port, src=None):
        with netns(side):
            family = socket.AF_INET6 if ":" in addr else socket.AF_INET
            self.s = socket.socket(family, socket.SOCK_STREAM)
            self.s.settimeout(10)
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if src:
                self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.s.bind(src)
            self.s.connect((addr, port))
        self.buf = b""

    def send(self, data):
        self.s.sendall(data)

    def more(self):
        data = self.s.recv(1 << 16)
        if not data:
            raise EOFError("connection closed by the server")
        self.buf += data

    def line(self):
        while b"\r\n" not in self.buf:
            self.more()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def exactly(self, n):
        while len(self.buf) < n:
            self.more()
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def quiet(self, seconds=0.2):
        """Nothing more arrives."""
        self.s.settimeout(seconds)
        try:
            data = self.s.recv(1 << 16)
        except socket.timeout:
            data = b""
        self.s.settimeout(10)
        return not self.buf and not data

    def close(self):
        self.s.close()


def resp(*args):
    out = b"*%d\r\n" % len(args)
    for a in args:
        a = a if isinstance(a, bytes) else str(a).encode()
        out += b"$%d\r\n%s\r\n" % (len(a), a)
    return out


class RedisError(Exception):
    pass


class Redis(Tcp):
    def __init__(self, side="c", addr=R4, port=RPORT, src=None):
        super().__init__(side, addr, port, src)

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind in b"$=":
            if rest == b"-1":
                return None
            data = self.exactly(int(rest) + 2)
            expect(data[-2:] == b"\r\n", "a bulk string does not end")
            return data[:-2]
        if kind in b"*>~":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return {str(self.reply()): self.reply() for _ in range(int(rest))}
        if kind == b"_":
            return None
        expect(False, "not a RESP reply: %r" % line)

    def cmd(self, *args):
        self.send(resp(*args))
        return self.reply()

    def get(self, key):
        return self.cmd("GET", key)


class Memcached(Tcp):
    def __init__(self, side="c", addr=M4, port=MPORT):
        super().__init__(side, addr, port)

    def ask(self, text):
        """One request, one line of reply."""
        self.send(text.encode() + b"\r\n")
        return self.line().decode()

    def store(self, verb, key, value, exptime=0, noreply=False):
        self.send(b"%s %s 0 %d %d%s\r\n%s\r\n" % (verb.encode(), key.encode(), exptime, len(value),
                                                b" noreply" if noreply else b"", value))
        return None if noreply else self.line().decode()

    def set(self, key, value, **kw):
        return self.store("set", key, value, **kw)

    def values(self):
        out = {}
        while True:
            line = self.line()
            if line == b"END":
                return out
            word, key, _, size = line.split()[:4]
            expect(word == b"VALUE", "not a reply to get: %r" % line)
            out[key.decode()] = self.exactly(int(size) + 2)[:-2]

    def gets(self, *keys, verb="get"):
        self.send((verb + " " + " ".join(keys) + "\r\n").encode())
        return self.values()

    def get(self, key):
        return self.gets(key).get(key)


class McUdp:
    def __init__(self, side="c", addr=M4, port=MPORT, src=None):
        with netns(side):
            family = socket.AF_INET6 if ":" in addr else socket.AF_INET
            self.s = socket.socket(family, socket.SOCK_DGRAM)
            if src:
                self.s.bind(src)
            self.s.connect((addr, port))
        self.s.settimeout(1)
        self.id = 0

    def send(self, text):
        self.id = (self.id + 1) & 0xffff
        self.s.send(struct.pack("!HHHH", self.id, 0, 1, 0) + text)

    def reply(self, end=b"\r\n"):
        """The payloads in order of arrival, until one ends the reply."""
        data = b""
        while not data.endswith(end):
            d = self.s.recv(2048)
            if struct.unpack("!H", d[:2])[0] == self.id:
                data += d[8:]
        return data

    def ask(self, text):
        self.send(text.encode() + b"\r\n")
        return self.reply().decode().strip()

    def set(self, key, value, exptime=0):
        self.send(b"set %s 0 %d %d\r\n%s\r\n" % (key.encode(), exptime, len(value), value))
        return self.reply().decode().strip()

    def raw_get(self, *keys):
        self.send(("get " + " ".join(keys) + "\r\n").encode())
        return self.reply(b"END\r\n")

    def get(self, key):
        data = self.raw_get(key)
        if data == b"END\r\n":
            return None
        head, rest = data.split(b"\r\n", 1)
        word, name, _, size = head.split()[:4]
        expect((word, name.decode()) == (b"VALUE", key), "not a reply to get %s: %r" % (key, data))
        expect(rest[int(size):] == b"\r\nEND\r\n", "get %s: bad reply end: %r" % (key, data))
        return rest[:int(size)]


def commandstats(conn):
    """Calls of each command, as the server counts them."""
    text = conn.cmd("INFO", "commandstats").decode()
    out = {}
    for line in text.splitlines():
        if line.startswith("cmdstat_"):
            name, fields = line[8:].split(":", 1)
            out[name] = int(fields.split(",")[0].split("=")[1])
    return out
