/* SPDX-License-Identifier: Apache-2.0 */
/* Latency histogram: 64 linear buckets per power of two of nanoseconds (error below 1 %). */
#ifndef PD_BENCH_HIST_H
#define PD_BENCH_HIST_H

#include <stdint.h>
#include <time.h>

#define NSEC		1000000000ULL
#define HIST_BUCKETS	(40 * 64)

struct hist {
	uint32_t buckets[HIST_BUCKETS];
};

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC + t.tv_nsec;
}

static inline void hist_add(struct hist *hist, uint64_t ns)
{
	unsigned int exp, idx = ns;

	if (ns >= 64) {
		exp = 63 - __builtin_clzll(ns);
		idx = (exp - 5) * 64 + ((ns >> (exp - 6)) & 63);
	}
	hist->buckets[idx < HIST_BUCKETS ? idx : HIST_BUCKETS - 1]++;
}

/* The latency, in microseconds, that the given share of the samples did not exceed. */
static inline double hist_us(const struct hist *hist, double share)
{
	uint64_t total = 0, sum = 0;
	unsigned int i, exp;

	for (i = 0; i < HIST_BUCKETS; i++)
		total += hist->buckets[i];
	for (i = 0; i < HIST_BUCKETS; i++) {
		sum += hist->buckets[i];
		if (sum && sum >= total * share)
			break;
	}
	if (!total)
		return 0;
	if (i < 64)
		return i / 1e3;
	exp = i / 64 + 5;
	return (((64ULL + i % 64) << (exp - 6)) + ((1ULL << (exp - 6)) >> 1)) / 1e3;
}

#endif
