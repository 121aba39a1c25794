/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs for a grammar: each one is a window and where to start in it. A step is
 * one call; what every call leaves behind goes into the job's digest. The same
 * code runs the jobs in the kernel (grammar_harness.bpf.c) and, for
 * comparison, in user space (HARNESS_CALL is how a function is called).
 */
#ifndef PD_SELFTESTS_HARNESS_H
#define PD_SELFTESTS_HARNESS_H

#include "proto/wire/wire.h"

#define HARNESS_JOBS	4096	/* of one run */
#define HARNESS_STEPS	64	/* of one job, at most */

enum harness_what {
	HARNESS_REQUEST,
	HARNESS_REPLY,
	HARNESS_SETTLE,
	HARNESS_EMIT,
	HARNESS_DATAGRAM,
	HARNESS_WHAT_MAX,
};

struct harness_job {
	struct wire_win win;
	struct pd_parse st;
	struct pd_session ses;
	struct wire_step step;
	struct wire_emit emit;
	__u32 what;		/* in: enum harness_what */
	__u32 limit;		/* in: steps to take */
	__u32 steps;		/* out: steps taken */
	__s32 ev;		/* out: what the last one returned */
	__u64 digest;		/* out */
};

_Static_assert(sizeof(struct harness_job) % 8 == 0, "elements of a mapped array");

WIRE_INLINE void harness_mix(struct harness_job *j, const void *p, __u32 words)
{
	const __u64 *v = p;

	for (__u32 i = 0; i < words; i++) {
		j->digest ^= v[i];
		j->digest *= 0x9e3779b97f4a7c15ULL;
		j->digest ^= j->digest >> 32;
	}
}

/* One call. Returns 1 when the job is finished. */
WIRE_INLINE int harness_step(struct harness_job *j)
{
	__u32 left;

	switch (j->what) {
	case HARNESS_REQUEST:
		j->ev = HARNESS_CALL(request)(&j->win, &j->st, &j->ses, &j->step);
		break;
	case HARNESS_REPLY:
		j->ev = HARNESS_CALL(reply)(&j->win, &j->st, &j->ses, &j->step);
		break;
	case HARNESS_SETTLE:
		j->ev = HARNESS_CALL(settle)(&j->ses, &j->step);
		break;
#if (PROTO_FLAGS) & (WIRE_F_EMIT | WIRE_F_HEAD)
	case HARNESS_EMIT:
		j->ev = HARNESS_CALL(emit)(&j->emit);
		break;
#endif
#if (PROTO_FLAGS) & WIRE_F_DATAGRAM
	case HARNESS_DATAGRAM:
		j->ev = HARNESS_CALL(datagram)(&j->win, &j->step);
		break;
#endif
	default:
		j->ev = 0;
	}
	j->steps++;
	j->digest ^= (__u32)j->ev;
	harness_mix(j, &j->st, sizeof(j->st) / 8);
	harness_mix(j, &j->ses, sizeof(j->ses) / 8);
	harness_mix(j, &j->step, sizeof(j->step) / 8);
	harness_mix(j, &j->emit, sizeof(j->emit) / 8);
	/* The last step's payload is left to the caller. */
	if (j->what > HARNESS_REPLY || (j->ev & (WIRE_EV_MORE | WIRE_EV_BAD)) ||
	    j->steps >= j->limit || j->step.pos >= j->step.len)
		return 1;
	left = j->step.len - j->step.pos;
	if (left > j->st.skip)
		left = j->st.skip;
	j->st.skip -= left;
	j->step.pos += left;
	return j->step.pos >= j->step.len;
}

#endif
