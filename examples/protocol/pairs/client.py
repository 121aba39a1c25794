#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""client.py HOST [PORT]: reads and writes pairs over two connections and checks every reply. Prints
how many GETs it sent; exit 1 at the first reply that is wrong."""
import socket
import sys

KEYS, ROUNDS = 10, 50


class Client:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def expect(self, request, wanted):
        self.socket.sendall(request + b"\n")
        got = self.file.readline()
        if got != wanted + b"\n":
            sys.exit("%r: got %r, wanted %r" % (request, got, wanted))


def main():
    address = (sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7070)
    reader, writer = Client(address), Client(address)
    reads = 0
    for key in range(KEYS):
        writer.expect(b"PUT k%d v0" % key, b"+")
    for number in range(1, ROUNDS + 1):
        for key in range(KEYS):
            reader.expect(b"GET k%d" % key, b"=v%d" % (number // 10 if key == 0 else 0))
            reads += 1
        if number % 10 == 9:  # a write through another connection is seen by the next read
            writer.expect(b"PUT k0 v%d" % ((number + 1) // 10), b"+")
    reader.expect(b"COUNT", b"=%d" % KEYS)
    reader.expect(b"NONSENSE", b"?")
    writer.expect(b"DROP k1", b"+")
    reader.expect(b"GET k1", b"!")
    print("reads %d" % (reads + 1))


main()
