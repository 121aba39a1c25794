/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "user/lib/clock.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * PD_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t pd_boottime_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t pd_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* @a - @b, from the closest of a few pairs of readings. */
static uint64_t difference(clockid_t a, clockid_t b)
{
	uint64_t best = 0, width = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = read_clock(b);
		uint64_t other = read_clock(a);
		uint64_t after = read_clock(b);

		if (after - before < width) {
			width = after - before;
			best = other - before - width / 2;
		}
	}
	return best;
}

uint64_t pd_boot_offset_ns(void)
{
	uint64_t d = difference(CLOCK_BOOTTIME, CLOCK_MONOTONIC);

	/* Never suspended: what is left are the nanoseconds between two readings. */
	return d < PD_NS_PER_MS || (int64_t)d < 0 ? 0 : d;
}

uint64_t pd_wall_offset_ns(void)
{
	return difference(CLOCK_REALTIME, CLOCK_BOOTTIME);
}
