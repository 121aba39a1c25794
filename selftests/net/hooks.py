# SPDX-License-Identifier: Apache-2.0
"""Which hook answered: how often each program ran. And packets as they are on the wire."""
import fcntl
import select

from pdnet import *

PROGS = os.environ["PINS"] + "/v1/progs/"
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_ENABLE_STATS = 32


def count_runs():
    """Programs are counted as long as this process lives; the machine's setting is left alone."""
    attr = ctypes.create_string_buffer(128)
    fd = LIBC.syscall(SYS_BPF, BPF_ENABLE_STATS, attr, 128)
    expect(fd >= 0, "BPF_ENABLE_STATS: %s" % os.strerror(ctypes.get_errno()))


def runs(program):
    out = subprocess.check_output(["bpftool", "-j", "prog", "show", "pinned", PROGS + program])
    return json.loads(out).get("run_cnt", 0)


def answered_by(what, fn, n=20):
    """Calls fn n times, all answered in the kernel: "xdp" or "tc". Neighbour discovery and the like
    may run the TC program a few times more."""
    before = runs("edge_client"), runs("client_request"), hits("memcached")
    for _ in range(n):
        fn()
    xdp, tc, hit = (now - then for now, then in
                    zip((runs("edge_client"), runs("client_request"), hits("memcached")), before))
    expect(hit == n, "%s: %d of %d answered in the kernel" % (what, hit, n))
    expect(xdp >= n, "%s: the XDP program ran %d times, want %d" % (what, xdp, n))
    expect(tc <= n // 4 or n <= tc <= n + n // 4,
           "%s: the TC program ran %d times for %d requests" % (what, tc, n))
    return "tc" if tc >= n else "xdp"


def fold(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def udp_of(frame):
    """(pseudo-header, UDP packet) of an Ethernet frame, or None."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 17:
        end = 14 + struct.unpack("!H", frame[16:18])[0]
        expect(fold(frame[14:34]) == 0xffff, "a bad IPv4 header checksum")
        return frame[26:34], frame[34:end]
    if kind == b"\x86\xdd" and frame[20] == 17:
        return frame[22:54], frame[54:54 + struct.unpack("!H", frame[18:20])[0]]
    return None


def checked(frame):
    """UDP payload of a frame whose checksums and lengths must be right; None for anything else."""
    got = udp_of(frame)
    if not got:
        return None
    addrs, udp = got
    length, check = struct.unpack("!HH", udp[4:8])
    same(length, len(udp), "the UDP length")
    expect(check != 0, "a UDP packet without a checksum")
    expect(fold(addrs + struct.pack("!HH", 17, length) + udp) == 0xffff,
           "bad UDP checksum %#06x of %d bytes: %r" % (check, length, udp[8:60]))
    return udp[8:]


class Sniffer:
    """Frames that arrive at an interface."""

    def __init__(self, side, ifname):
        with netns(side):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.s.bind((ifname, 0))
        self.s.setblocking(False)

    def replies(self):
        """Checks every memcached reply seen since the last call. Returns how many."""
        n = 0
        while True:
            try:
                frame, (_, _, kind, _, _) = self.s.recvfrom(65536)
            except BlockingIOError:
                return n
            got = udp_of(frame)
            if kind != socket.PACKET_OUTGOING and got and got[1][:2] == struct.pack("!H", MPORT):
                checked(frame)
                n += 1


def checksum_errors(side):
    """UDP packets that the stack of a namespace refused for their checksum."""
    n = 0
    with netns(side):
        for name, label in ("snmp", "Udp:"), ("snmp6", "Udp6InCsumErrors"):
            with open("/proc/thread-self/net/" + name) as f:
                rows = [line.split() for line in f if line.startswith(label)]
            at = rows[0].index("InCsumErrors") if name == "snmp" else 1
            n += int(rows[-1][at])
    return n


class Tap:
    """A client at the far end of a tap in h: it makes every frame itself, so nothing is offloaded."""
    MAC = bytes.fromhex("020000000802")

    def __init__(self, ifname, server, address):
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # TUNSETIFF, IFF_TAP | IFF_NO_PI; writes that do not block are what takes the native path
        fcntl.ioctl(self.fd, 0x400454ca, struct.pack("16sH22x", ifname.encode(), 0x1002))
        with netns("h"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            # SIOCGIFHWADDR
            self.host = fcntl.ioctl(s, 0x8927, struct.pack("40s", ifname.encode()))[18:24]
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        self.server, self.me = (socket.inet_pton(family, a) for a in (server, address))
        self.port, self.id = 20000 + os.getpid() % 20000, 0

    def frame(self, payload, pad=0):
        udp = struct.pack("!HHHH", self.port, MPORT, 8 + len(payload), 0) + payload
        pseudo = self.me + self.server + struct.pack("!HH", 17, len(udp))
        udp = udp[:6] + struct.pack("!H", ~fold(pseudo + udp) & 0xffff or 0xffff) + udp[8:]
        if len(self.me) == 4:
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0x4000, 64, 17, 0)
            ip += self.me + self.server
            ip = ip[:10] + struct.pack("!H", ~fold(ip) & 0xffff) + ip[12:]
        else:
            ip = struct.pack("!IHBB", 0x60000000, len(udp), 17, 64) + self.me + self.server
        kind = b"\x08\x00" if len(self.me) == 4 else b"\x86\xdd"
        return (self.host + self.MAC + kind + ip + udp).ljust(pad, b"\0")

    def ask(self, text, pad=0):
        """The reply, with its frame, lengths and checksums looked at."""
        self.id = (self.id + 1) & 0xffff
        head = struct.pack("!HHHH", self.id, 0, 1, 0)
        os.write(self.fd, self.frame(head + text, pad))
        end = time.monotonic() + 2
        while select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            got = os.read(self.fd, 4096)
            payload = checked(got)
            if payload and payload[:2] == head[:2]:
                same(got[:12], self.MAC + self.host, "the Ethernet addresses of a reply")
                same(payload[:8], head, "the frame of a reply")
                return payload[8:]
        expect(False, "no reply to %r" % text[:60])

    def get(self, key, pad=0):
        data = self.ask(b"get %s\r\n" % key.encode(), pad)
        if data == b"END\r\n":
            return None
        line, rest = data.split(b"\r\n", 1)
        size = int(line.split()[3])
        same(rest[size:], b"\r\nEND\r\n", "the end of a reply")
        return rest[:size]

    def close(self):
        os.close(self.fd)
