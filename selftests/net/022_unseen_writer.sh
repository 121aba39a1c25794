#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A writer that passes no hook (unix socket, the server's own loopback): stale for max_age at most.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up
python <<'END'
r, far = Redis("c"), Redis("d", R6)
inside = Redis("r", "127.0.0.1")
unix = Redis.__new__(Redis)
unix.buf = b""
unix.s = socket.socket(socket.AF_UNIX)
unix.s.connect(RUN + "/redis.sock")
for n, w in enumerate((inside, unix, inside, unix)):
	key, v = "k%d" % n, b"new%d" % n
	far.cmd("SET", key, "old")
	same(warm("redis", lambda: r.get(key)), b"old", "GET")
	r.get(key)
	same(w.cmd("SET", key, v), "OK", "SET")
	written = time.monotonic()
	while (got := r.get(key)) != v:
		same(got, b"old", "GET")
		expect(time.monotonic() - written < 1.1, "the old value is still read after %.2f s" %
			   (time.monotonic() - written))
	time.sleep(max(0, 1.1 - (time.monotonic() - written)))
	same(far.get(key), v, "GET elsewhere after max_age")
END
finish
