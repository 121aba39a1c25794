#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# panditctl why: requests in words, hex and captures, tried on copies; what is live stays as it is.
. "$(dirname "$0")/scenario.sh"
begin
# Nothing but the packets shown may move a counter.
MAX_AGE=60s REDIS_SVC=", assist: off" MEMCACHED_SVC=", assist: off" panditd_up
not_plain
start dump h tcpdump -i vc -s 0 -U -w "$RUN/vc.pcap" tcp port "$RPORT"
wait_for 10 grep -q 'listening on' "$RUN/dump.log" || fail "tcpdump does not start"
python <<'END'
def why(*args):
	status, out = ctl("why", "--json", *args)
	expect(status == 0, "why %r: exit %d: %.300s" % (args, status, out))
	return json.loads(out)["packets"]


def verdicts(packet, hook):
	return [v["verdict"] for v in packet["verdicts"] if v["hook"] == hook]


def live():
	"""All that a packet could change: counters, verdicts, entries, connections."""
	status, out = ctl("stats", "--json", "-v")
	status, ls = ctl("ls", "redis", "--json")
	entries = sorted((e["key"], e["usable"]) for e in json.loads(ls)["entries"])
	maps = [subprocess.run(["bpftool", "-j", "map", "dump", "pinned", "%s/v1/maps/%s" % (os.environ["PINS"], m)],
		stdout=subprocess.PIPE, check=True).stdout for m in ("connections", "flows", "sources", "authorities")]
	return json.loads(out), entries, maps


r = Redis("c")
r.cmd("SET", "k", "value")
time.sleep(0.3)

before = live()
p, = why("redis", "GET k")
same(verdicts(p, "client request"), ["miss_cold"], "GET k before it is kept")
same(verdicts(p, "home request"), ["home_read"], "GET k at home")
same(p["action"], "forwarded", "action")
v = p["verdicts"][0]
same((v["kind"], v["text"], v["file"]), ("MISS", "no entry for this request", "kern/client.bpf.c"), "the verdict")
expect(v["line"] > 0 and "key" not in v and len(v["key_hash"]) == 16, "%r" % v)
same(live() == before, True, "the live maps after why")

warm("redis", lambda: r.get("k"))
time.sleep(0.3)
before = live()
for _ in range(2):
	p, = why("redis", "GET k", "--keys")
	same((p["action"], verdicts(p, "client request")), ("answered", ["hit"]), "GET k that is kept")
	same((p["reply_size"], p["verdicts"][0]["key"]), (len(b"$5\r\nvalue\r\n"), "k"), "its answer")
same(verdicts(why("redis", 'SET k "a b\\n"')[0], "home request"), ["home_write"], "SET")
same(verdicts(why("redis", "FLUSHALL")[0], "home request"), ["home_write_all"], "FLUSHALL")
same(verdicts(why("redis", "GET k", "--hook", "home")[0], "client request"), [], "--hook home")
p, = why("memcached", "get nokey")
same(verdicts(p, "client request"), ["miss_cold"], "memcached over TCP")
p, = why("memcached", "get nokey", "--transport", "udp")
same((p["verdicts"][0]["transport"], verdicts(p, "client request")), ("udp", ["miss_cold"]), "memcached over UDP")
after = live()
same(after[0], before[0], "counters after why")
same(after[1], before[1], "entries after why")
same(after[2] == before[2], True, "connections and words after why")

# errors say where and what next
for args, word in ((["nothere", "GET k"], "no service 'nothere'"), (["redis", 'GET "k'], "not closed"),
		(["/nonexistent.pcap"], "cannot open /nonexistent.pcap"), (["--hex", "zz"], "wrong at character 1"),
		(["redis", "GET k", "--transport", "udp"], "not spoken over UDP")):
	status, out = ctl("why", "--json", *args)
	e = json.loads(out)["error"]
	expect(status == 1 and word in e["message"] and e["hint"], "why %r: %r" % (args, e))
same(ctl("why")[0], 2, "why of nothing")

# a frame in hex: a port that is no service; garbage; an ARP request
p, = why("--hex", "ff" * 12 + "0806" + "00" * 46)
same((p["action"], p["verdicts"]), ("not ours", []), "ARP")
expect("no IP packet" in p["note"], p["note"])
r.close()
END
stop dump INT
python <<'END'
def why(*args):
	status, out = ctl("why", "--json", *args)
	expect(status == 0, "why %r: exit %d: %.300s" % (args, status, out))
	return json.loads(out)["packets"]


# the whole conversation once more, packet by packet
path = os.environ["RUN"] + "/vc.pcap"
packets = why(path)
expect(len(packets) >= 8, "%d packets" % len(packets))
got = [v["verdict"] for p in packets for v in p["verdicts"]]
expect({"pass_handshake", "pass_write", "home_write"} & set(got), "verdicts of the capture: %r" % got)
same([p["packet"] for p in packets], list(range(1, len(packets) + 1)), "numbers")
same(len(why(path, "-n", "2")), 2, "-n 2")
# damaged files
data = open(path, "rb").read()
for name, bytes_, word in (("empty", b"", "only 0 bytes"), ("text", b"hello, this is no capture at all", "no capture file"),
		("cut", data[:-3], "ends inside packet"), ("ng", b"\n\r\r\n" + bytes(40), "pcapng")):
	with open("%s/%s.pcap" % (os.environ["RUN"], name), "wb") as f:
		f.write(bytes_)
	status, out = ctl("why", "--json", "%s/%s.pcap" % (os.environ["RUN"], name))
	e = json.loads(out)["error"]
	expect(status == 1 and word in e["message"] and name in e["message"], "%s: %r" % (name, e))
same(ctl("status")[0], 0, "the daemon afterwards")
END
finish
