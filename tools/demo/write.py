#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that a write is seen at once: one client reads a key, another one writes it.

Reads go through the first client's connection over IPv4; writes come from the other client over
IPv6. Exit 1 when a read returns anything but the last value written.
"""
import ctypes
import os
import socket
import sys
import time

NS, R4, R6, PORT = (os.environ["PD_" + name] for name in ("NS", "R4", "R6", "RPORT"))


def connect(side, addr):
    with open("/run/netns/%s-%s" % (NS, side)) as ns:
        if ctypes.CDLL(None).setns(ns.fileno(), 0x40000000):
            sys.exit("cannot enter a container")
    conn = socket.create_connection((addr, int(PORT)))
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return conn


def command(conn, *words):
    conn.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    reply = b""
    while not reply.endswith(b"\r\n") or (reply[:1] == b"$" and reply[:3] != b"$-1" and reply.count(b"\r\n") < 2):
        reply += conn.recv(65536)
    return reply


def read(conn):
    begin = time.monotonic()
    reply = command(conn, b"GET", b"greeting")
    return reply.split(b"\r\n")[1].decode(), (time.monotonic() - begin) * 1e6


reader, writer = connect("c", R4), connect("d", R6)
command(writer, b"SET", b"greeting", b"hello")
for _ in range(3):
    value, took = read(reader)
    print("  client 1 GET greeting          -> %-8s %6.0f us" % (value, took))
command(writer, b"SET", b"greeting", b"goodbye")
print("  client 2 SET greeting goodbye  -> OK")
for _ in range(3):
    value, took = read(reader)
    print("  client 1 GET greeting          -> %-8s %6.0f us" % (value, took))
    if value != "goodbye":
        sys.exit(1)
for n in range(2000):
    written = b"value-%d" % n
    command(writer, b"SET", b"greeting", written)
    for _ in range(3):
        if read(reader)[0] != written.decode():
            sys.exit("client 1 reads an old value after write %d" % n)
print("  and 2,000 times more: each of 6,000 reads saw the write before it")
