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

uint64_t pd_wall_offset_ns(void)
{
	uint64_t best = 0, width = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = read_clock(CLOCK_BOOTTIME);
		uint64_t wall = read_clock(CLOCK_REALTIME);
		uint64_t after = read_clock(CLOCK_BOOTTIME);

		if (after - before < width) {
			width = after - before;
			best = wall - before - width / 2;
		}
	}
	return best;
}
