#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# panditctl top: lines where there is no terminal, a screen that resizes and ends where there is one.
. "$(dirname "$0")/scenario.sh"
begin
MAX_AGE=60s panditd_up
not_plain
python <<'END'
import fcntl
import pty
import select
import termios
import threading

r = Redis("c")
r.cmd("SET", "k", "value")
warm("redis", lambda: r.get("k"))
running = True


def read_on():
	while running:
		for _ in range(20):
			r.get("k")
		r.cmd("PING")
		time.sleep(0.005)


t = threading.Thread(target=read_on, daemon=True)
t.start()
status, out = ctl("top", "--json", "-i", "500ms", "-n", "3")
same(status, 0, "top --json")
lines = [json.loads(x) for x in out.splitlines()]
same(len(lines), 3, "readings")
for line in lines:
	first, second = line["services"]
	same((first["name"], second["name"]), ("redis", "memcached"), "busiest first")
	expect(first["hits_per_s"] > 50 and first["share_percent"] > 50, "%r" % first)
	expect(first["reasons"], "no reason: %r" % first)
	same((second["hits_per_s"], second["reasons"]), (0, {}), "the idle one")
status, out = ctl("top", "-i", "300ms", "-n", "2")
same((status, out.count("hits/s")), (0, 4), "lines without a terminal")
expect("\033" not in out, "escapes where there is no terminal")

pid, fd = pty.fork()
if not pid:
	os.environ["TERM"] = "xterm"
	os.execv(CTL[0], CTL + ["top", "-i", "200ms"])


def screen(until, what):
	end, text = time.time() + 15, b""
	while until not in text:
		expect(time.time() < end, "%s: no %r in %.200r" % (what, until, text))
		if select.select([fd], [], [], 0.2)[0]:
			text += os.read(fd, 65536)
	return text


fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
screen(b"SERVICE", "the screen")
screen(b"redis", "the services")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 132, 0, 0))
screen(b"SERVICE", "after a change of size")
os.write(fd, b"q")
end = time.time() + 10
done = (0, 0)
while not done[0] and time.time() < end:
	if select.select([fd], [], [], 0.1)[0]:
		try:
			os.read(fd, 65536)
		except OSError:
			pass
	done = os.waitpid(pid, os.WNOHANG)
same(done, (pid, 0), "the end by q")
running = False
t.join()
END
finish
