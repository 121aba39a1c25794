#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An interactive redis-cli begins with COMMAND DOCS (a 170 KB reply) and is answered in the kernel afterwards.
. "$(dirname "$0")/scenario.sh"
begin
panditd_up
python <<'END'
import pty, re, select

w = Redis()
w.cmd("SET", "a", "value-of-a")
pid, fd = pty.fork()
if pid == 0:
	netns.enter("/run/netns/%s-c" % NS)
	os.environ["TERM"] = "dumb"
	os.execvp("redis-cli", ["redis-cli", "-h", R4])


def until(pattern, seconds=15):
	text, end = b"", time.monotonic() + seconds
	while time.monotonic() < end:
		if select.select([fd], [], [], 0.2)[0]:
			text += os.read(fd, 65536)
		if re.search(pattern, text):
			return text
	expect(False, "redis-cli did not print %r but %.300r" % (pattern, text))


until(rb"> ")
for i in range(10):
	if i == 3:
		before = hits("redis")
	os.write(fd, b"get a\n")
	until(rb'"value-of-a"')
got = hits("redis") - before
os.write(fd, b"quit\n")
os.close(fd)
os.waitpid(pid, 0)
docs = [c for c in commandstats(w) if c.startswith("command|docs")]
expect(docs, "this redis-cli does not ask for COMMAND DOCS")
expect(PLAIN or got >= 6, "%d of 7 GETs answered in the kernel" % got)

r = Redis()
r.send(resp("COMMAND", "DOCS"))
expect(len(r.reply()) > 200, "COMMAND DOCS is short")
same(warm("redis", lambda: r.get("a")), b"value-of-a", "GET after COMMAND DOCS")
END
finish
