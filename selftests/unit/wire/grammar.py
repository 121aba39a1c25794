# SPDX-License-Identifier: Apache-2.0
"""A grammar of proto/wire in python: grammar = build("resp"); grammar(client, server) gives the lines
that feed.h writes for the client's bytes and for the server's."""
import ctypes
import os
import subprocess
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def build(name):
    with tempfile.NamedTemporaryFile(suffix=".so") as lib:
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-I" + TOP, "-DPROTO=" + name,
                        '-DPROTO_HDR="proto/wire/%s/%s.h"' % (name, name), "-DPROTO_FLAGS=0",
                        os.path.join(TOP, "selftests/unit/wire/grammar.c"), "-o", lib.name], check=True)
        run = ctypes.CDLL(lib.name).grammar_run
    run.restype = ctypes.c_char_p
    run.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2

    def grammar(client, server=b""):
        requests, replies = run(client, len(client), server, len(server)).decode().split("--\n")
        return requests.splitlines(), replies.splitlines()
    return grammar
