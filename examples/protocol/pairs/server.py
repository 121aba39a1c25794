#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server of the pairs protocol (see pairs.h): server.py [PORT]. When it is terminated it says how
many GETs reached it."""
import signal
import socketserver
import sys
import threading

LINE = 256
pairs = {}
reads = 0
lock = threading.Lock()


def answer(line):
    """The reply to one request, both without their newline."""
    global reads
    words = line.split(b" ")
    with lock:
        if len(words) == 2 and words[0] == b"GET" and words[1]:
            reads += 1
            return b"=" + pairs[words[1]] if words[1] in pairs else b"!"
        if len(words) == 3 and words[0] == b"PUT" and words[1]:
            pairs[words[1]] = words[2]
            return b"+"
        if len(words) == 2 and words[0] == b"DROP" and words[1]:
            pairs.pop(words[1], None)
            return b"+"
        if words == [b"COUNT"]:
            return b"=%d" % len(pairs)
    return b"?"


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while True:
            line = self.rfile.readline(LINE)
            if not line.endswith(b"\n"):
                return
            self.wfile.write(answer(line[:-1]) + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def stop(*_):
    print("reads %d" % reads, flush=True)
    sys.exit(0)


def main():
    signal.signal(signal.SIGTERM, stop)
    with Server(("0.0.0.0", int(sys.argv[1]) if len(sys.argv) > 1 else 7070), Connection) as server:
        print("ready", flush=True)
        server.serve_forever()


main()
