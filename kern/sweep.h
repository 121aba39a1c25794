/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sweep: TC programs that the daemon runs by BPF_PROG_TEST_RUN with an
 * empty packet (a SYSCALL program is sleepable, and 6.1 allows no spin lock
 * there). A row is marked dead first and deleted by a later run: ports may be
 * reused meanwhile, and whoever finds a dead row takes its place.
 */
#ifndef PD_KERN_SWEEP_H
#define PD_KERN_SWEEP_H

#include "pandit.h"

#define SWEEP_CLOSED 60000000000ULL  /* ns after both FINs or an exact RST */
#define SWEEP_SYN    120000000000ULL /* ns a SYN may wait for its answer */
#define SWEEP_IDLE \
	10800000000000ULL /* ns of silence, nothing translated: 3 h, above TCP's keepalive */
#define SWEEP_SILENT 432000000000000ULL /* ns of silence, translated: 5 days */

struct sweep {
	__u64 now;
	__u64 grace; /* ns */
	__u32 dead, deleted;
};

/* Is a row of this age and state over? translated: its connection breaks without it. */
static __always_inline bool sweep_over(__u64 now, __u64 closed, __u64 seen, __u8 state,
				       bool translated)
{
	__u64 idle = now > seen ? now - seen : 0;

	if (closed)
		return now > closed && now - closed > SWEEP_CLOSED && idle > SWEEP_CLOSED;
	if (state == PD_CONN_SYN)
		return idle > SWEEP_SYN;
	return idle > (translated ? SWEEP_SILENT : SWEEP_IDLE);
}

#endif
