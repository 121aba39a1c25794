#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes bench/RESULTS.md to stdout from what bench.sh measured.

usage: report.py DIR    DIR holds rows, machine, samples (one JSON object a line), progs (optional)
Exit 1 when a row misses its bar.
"""
import json
import os
import statistics
import sys

NAMES = {"rps": "requests/s", "cpu": "CPU per request", "p50": "p50"}


def load(where):
    rows = [line.rstrip("\n").split("|") for line in open(where + "/rows")]
    samples = [json.loads(line) for line in open(where + "/samples")]
    return rows, samples


def median(samples, row, side):
    """Medians of one side of a row, or None if it was not measured."""
    own = [s for s in samples if s["row"] == row and s["side"] == side]
    if not own:
        return None
    out = {
        "rps": statistics.median(s["rps"] for s in own),
        "p50": statistics.median(s["p50_us"] for s in own),
        "cpu": statistics.median(1e6 * s["machine_cpu"] / s["requests"] for s in own),
        "share": statistics.median(100 * s["hits"] / s["all_requests"] for s in own),
    }
    return out


def ratio(a, b):
    return a / b if b else float("nan")


def reaches(got, sign, limit):
    return got >= limit if sign == ">=" else got <= limit


def judge(bar, with_, without, floor, names):
    """("pass" or "FAIL ..." or "", ok) for a bar like "rps>=2 cpu<=0.3".

    A bar that the floor misses too cannot be reached by any answer from this hook on this machine: it
    is said to be missed, and is no failure of this run."""
    words, ok = [], True
    for part in bar.split():
        sign = ">=" if ">=" in part else "<="
        what, limit = part.split(sign)
        verdict = "pass"
        if not reaches(ratio(with_[what], without[what]), sign, float(limit)):
            best = ratio(floor[what], without[what]) if floor else float("nan")
            if floor and not reaches(best, sign, float(limit)):
                verdict = "**missed**, as by the floor (%.2f)" % best
            else:
                verdict = "**FAIL**"
                ok = False
        words.append("%s %s %s: %s" % (names[what], "≥" if sign == ">=" else "≤", limit, verdict))
    return ", ".join(words), ok


def number(x):
    return "–" if not x else "%.1f k" % (x / 1000) if x >= 1000 else "%.2f" % x


def table(rows, samples):
    ok = True
    print("| what | direct | with pandit | ratio | CPU µs direct | with | ratio | p50 µs direct | with |"
          " ratio | in the kernel | bar |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for name, title, bar, kind, _ in rows:
        with_, without = median(samples, name, "with"), median(samples, name, "without")
        if not with_ or not without:
            continue
        if kind == "bulk":
            title += ", Mbit/s and CPU per Mbit"
        floor = median(samples, name, "floor")
        names = dict(NAMES, rps="Mbit/s") if kind == "bulk" else NAMES
        verdict, good = judge(bar, with_, without, floor, names)
        ok = ok and good
        cells = [title, number(without["rps"]), number(with_["rps"]), "%.2f" % ratio(with_["rps"], without["rps"]),
                 "%.2f" % without["cpu"], "%.2f" % with_["cpu"], "%.2f" % ratio(with_["cpu"], without["cpu"]),
                 number(without["p50"]), number(with_["p50"]),
                 "%.2f" % ratio(with_["p50"], without["p50"]) if without["p50"] else "–",
                 "%.1f %%" % with_["share"], verdict]
        print("| " + " | ".join(cells) + " |")
    return ok


def floors(rows, samples):
    """What an answer from the same hook costs when nothing is looked at."""
    shown = False
    for name, title, _, _, _ in rows:
        sides = [median(samples, name, side) for side in ("without", "floor", "with")]
        if not all(sides):
            continue
        if not shown:
            print("\n## The floor of the hook\n")
            print("`tools/bench/floor.bpf.c` sends one reply to every request: no parser, no connections, no words.")
            print("The rest is the client's own socket calls and TCP, which no answer from the network avoids.\n")
            print("| what | direct | floor | of direct | pandit | of the floor | CPU µs direct | floor | pandit |"
                  " p50 µs floor | pandit |")
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
            shown = True
        direct, floor, with_ = sides
        print("| %s | %s | %s | %.2f | %s | %.2f | %.2f | %.2f | %.2f | %s | %s |" % (
            title, number(direct["rps"]), number(floor["rps"]), ratio(floor["rps"], direct["rps"]),
            number(with_["rps"]), ratio(with_["rps"], floor["rps"]), direct["cpu"], floor["cpu"], with_["cpu"],
            number(floor["p50"]), number(with_["p50"])))


def peers(rows, samples):
    shown = False
    for name, title, _, kind, _ in rows:
        sides = [median(samples, name, side) for side in ("direct", "peer", "with")]
        if kind != "proxy" or not all(sides):
            continue
        if not shown:
            print("\n## The same requests through a proxy\n")
            print("| what | direct | proxy | of direct | pandit | of proxy | CPU µs direct | proxy | pandit |")
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
            shown = True
        direct, peer, with_ = sides
        print("| %s | %s | %s | %.2f | %s | %.2f | %.2f | %.2f | %.2f |" % (
            title, number(direct["rps"]), number(peer["rps"]), ratio(peer["rps"], direct["rps"]),
            number(with_["rps"]), ratio(with_["rps"], peer["rps"]), direct["cpu"], peer["cpu"], with_["cpu"]))


def main():
    where = sys.argv[1]
    rows, samples = load(where)
    print("# Measured results\n")
    print("Written by `make bench`. Every row alternates with its peer in one run; the figures are medians.")
    print("CPU is the busy time of the whole machine (interrupts included) divided by the requests; the load")
    print("generator, which compares every reply byte for byte, is part of it.\n")
    print(open(where + "/machine").read())
    ok = table(rows, samples)
    floors(rows, samples)
    peers(rows, samples)
    if os.path.exists(where + "/progs"):
        print("\n## The programs alone (BPF_PROG_TEST_RUN)\n")
        print(open(where + "/progs").read(), end="")
    return 0 if ok else 1


sys.exit(main())
