# SPDX-License-Identifier: Apache-2.0
"""Pinned maps of a daemon that is not there, spoilt: random bytes in their values, or other maps in their place."""
import mmap
import random

from hooks import SYS_BPF
from pdnet import *

MAPS = os.environ["PINS"] + "/v1/maps/"
MAP_UPDATE, MAP_NEXT, OBJ_PIN, OBJ_GET = 2, 4, 6, 7
MMAPABLE = 1 << 10
PERCPU = "percpu_array"


def bpf(cmd, attr):
    """The result of bpf(2), or -errno."""
    attr = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    got = LIBC.syscall(SYS_BPF, cmd, attr, 128)
    return got if got >= 0 else -ctypes.get_errno()


def address(buf):
    return ctypes.addressof(buf)


def names():
    return sorted(os.listdir(MAPS))


def info(name):
    return json.loads(subprocess.check_output(["bpftool", "-j", "map", "show", "pinned", MAPS + name]))


def opened(name):
    path = ctypes.create_string_buffer((MAPS + name).encode())
    fd = bpf(OBJ_GET, struct.pack("=QII", address(path), 0, 0))
    expect(fd >= 0, "%s cannot be opened" % name)
    return fd


def garbage(name, rng):
    """Random bytes in every value that is there. Returns how many."""
    i, fd = info(name), opened(name)
    size = (i["bytes_value"] + 7) & ~7
    if i["flags"] & MMAPABLE:
        with mmap.mmap(fd, (size * i["max_entries"] + 4095) & ~4095) as m:
            m[:] = rng.randbytes(len(m))
        os.close(fd)
        return i["max_entries"]
    if i["type"] == PERCPU:
        size *= len(json.loads(subprocess.check_output(
            ["bpftool", "-j", "map", "lookup", "pinned", MAPS + name, "key", "0", "0", "0", "0"]))["values"])
    key = ctypes.create_string_buffer(i["bytes_key"])
    following = ctypes.create_string_buffer(i["bytes_key"])
    keys, at = [], 0
    while len(keys) < i["max_entries"] and bpf(MAP_NEXT, struct.pack("=IIQQ", fd, 0, at, address(following))) == 0:
        keys.append(following.raw)
        key.raw = following.raw
        at = address(key)
    for k in keys:
        key.raw = k
        value = ctypes.create_string_buffer(rng.randbytes(size), size)
        got = bpf(MAP_UPDATE, struct.pack("=IIQQQ", fd, 0, address(key), address(value), 0))
        expect(got == 0, "%s: a row cannot be written: %d" % (name, got))
    os.close(fd)
    return len(keys)


def missing(name):
    os.unlink(MAPS + name)


def other(name, kind="hash", key=8, value=16, entries=16, flags=0):
    """Another map where this one was pinned."""
    os.unlink(MAPS + name)
    subprocess.check_call(["bpftool", "map", "create", MAPS + name, "type", kind, "key", str(key), "value",
                           str(value), "entries", str(entries), "name", "other", "flags", str(flags)])


def like(name, **but):
    """The same but for something, and without type information."""
    i = info(name)
    args = {"kind": i["type"], "key": i["bytes_key"], "value": i["bytes_value"],
            "entries": i["max_entries"], "flags": i["flags"]}
    args.update(but)
    other(name, **args)
