#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A cache that is wrong on purpose: keeps Redis GET replies for 50 ms, whatever is written.

usage: stale_proxy.py LISTEN_PORT SERVER_ADDR SERVER_PORT
The oracle must find it out; see 109_oracle_finds.sh.
"""
import socket
import sys
import threading
import time

AGE = 0.05
kept = {}


def is_get(data):
    return data.startswith(b"*2\r\n$3\r\nGET\r\n") and data.count(b"\r\n") == 5


def whole(reply):
    if reply[:1] != b"$":
        return False
    head, _, body = reply.partition(b"\r\n")
    return head == b"$-1" or len(body) == int(head[1:]) + 2


def serve(client, server):
    asked = [None]

    def back():
        while data := server.recv(1 << 16):
            if asked[0] and whole(data):
                kept[asked[0]] = (time.monotonic(), data)
            asked[0] = None
            client.sendall(data)

    threading.Thread(target=back, daemon=True).start()
    while data := client.recv(1 << 16):
        born, reply = kept.get(data, (0, b""))
        if is_get(data) and time.monotonic() - born < AGE:
            client.sendall(reply)
            continue
        asked[0] = data if is_get(data) else None
        server.sendall(data)


def main():
    listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
    while True:
        client, _ = listener.accept()
        server = socket.create_connection((sys.argv[2], int(sys.argv[3])))
        threading.Thread(target=serve, args=(client, server), daemon=True).start()


main()
