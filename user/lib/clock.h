/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PD_USER_LIB_CLOCK_H
#define PD_USER_LIB_CLOCK_H

#include <stdint.h>

#define PD_NS_PER_MS 1000000ULL
#define PD_NS_PER_S  1000000000ULL

/* CLOCK_BOOTTIME in ns: the clock of every time in the maps. */
uint64_t pd_boottime_ns(void);

/* CLOCK_MONOTONIC in ns. */
uint64_t pd_monotonic_ns(void);

/* CLOCK_BOOTTIME - CLOCK_MONOTONIC in ns: the time the machine was suspended. */
uint64_t pd_boot_offset_ns(void);

/* CLOCK_REALTIME - CLOCK_BOOTTIME in ns, read so that a preemption between the two does not count.
 */
uint64_t pd_wall_offset_ns(void);

#endif
