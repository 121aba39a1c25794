#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the demo's table. usage: table.py RESULTS; exit 1 when the kernel answered less than half."""
import sys

results, titles = {}, {}
for line in open(sys.argv[1]):
    name, title, mode, numbers = line.rstrip("\n").split("|")
    requests, rps, p50, busy, hits = (float(x) for x in numbers.split())
    titles[name] = title
    results[name, mode] = {"rps": rps, "p50": p50, "cpu": 1e6 * busy / requests, "share": 100 * hits / requests}

print("%-42s %21s %21s %21s %9s" % ("", "requests/s", "p50, us", "CPU per request, us", "answered"))
print("%-42s %7s %7s %5s %7s %7s %5s %7s %7s %5s %9s" % (
    ("",) + ("without", "with", "ratio") * 3 + ("in kernel",)))
low = False
for name, title in titles.items():
    a, b = results[name, "without"], results[name, "with"]
    low = low or b["share"] < 50
    cells = [title]
    for what in "rps", "p50", "cpu":
        form = "%.0f" if what == "rps" else "%.1f"
        known = a[what] and b[what]
        cells += [form % a[what], form % b[what], "%.2f" % (b[what] / a[what])] if known else ["-", "-", "-"]
    print("%-42s %7s %7s %5s %7s %7s %5s %7s %7s %5s" % tuple(cells) + " %7.1f %%" % min(b["share"], 100))
sys.exit(1 if low else 0)
