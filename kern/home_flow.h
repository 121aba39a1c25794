/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a flow holds in flight, and letting go of it. Included by home.bpf.c alone. */
#ifndef PD_KERN_HOME_FLOW_H
#define PD_KERN_HOME_FLOW_H

#include "home.h"
#include "ring.h"

/* Give back everything a connection holds: its end was seen, or its place is taken (rule 8). */
static long home_drop_loop(__u32 i, void *ctx)
{
	struct ring_pop *r = ctx;

	if (r->st->head == READ_ONCE(r->st->tail))
		return 1;
	ring_take(r);
	return 0;
}

/* Let go of everything a flow holds in flight. Needs both directions. A global function, verified
 * once. */
int pd_home_let_go(struct pd_flow *fl, __u32 service, __u32 authority, __u64 now)
{
	struct ring_pop r = {.authority = authority, .words = 1};
	struct pd_stream *st;
	bool any;

	if (!fl)
		return 0;
	st = &fl->stream;
	r.st = st;
	any = !ring_empty(st) || st->nheld || st->held_all;

	/* of a write that was never sent to its end, all slots but the last are in the ring */
	if (st->req.nkeys & PD_NKEYS_SLOT)
		pd_slot_hold(authority, st->req.slot, PD_WORD_END, now);
	if (st->req.nkeys & PD_NKEYS_ALL)
		pd_authority_hold(authority, PD_WORD_END, now);
	st->req.nkeys = 0;
	bpf_loop(PD_RING, home_drop_loop, &r, 0);
	ring_end_transaction(st, authority);
	if (st->over & RING_OVER_WORD)
		pd_authority_add(authority, PD_WORD_END);
	WRITE_ONCE(st->over, 0);
	WRITE_ONCE(st->over_done, 0);
	fill_off(&fl->fill, fl->id);
	fl->due = 0;
	if (any)
		pd_count(service, PD_C_releases);
	return 0;
}

static __always_inline bool home_claim(__u32 *busy)
{
	return !__sync_val_compare_and_swap(busy, 0, 1);
}

/*
 * Let go of everything the flow holds in flight. The caller has claimed one
 * direction; `other` is the claim of the other one. If that is taken, it is
 * left to whoever comes next: in flight is the safe side.
 */
static __always_inline void home_release(struct pd_flow *fl, __u32 *other,
					 const struct pd_service *svc, __u64 now)
{
	if (!home_claim(other)) {
		fl->due = 1;
		return;
	}
	pd_home_let_go(fl, svc->id, svc->authority, now);
	WRITE_ONCE(*other, 0);
}

/* Framing is lost: until the flow is adopted again, every segment is a write to everything. */
static __always_inline void home_lost(struct pd_flow *fl, __u32 *other,
				      const struct pd_service *svc, struct pkt *p, __u64 now)
{
	__u8 was = fl->unknown;

	if (was == PD_FRAMING_LOST)
		return;
	fl->unknown = PD_FRAMING_LOST;
	fl->adopt = 0;
	home_release(fl, other, svc, now);
	pd_authority_hold(svc->authority, PD_WORD_BUMP, now);
	if (was == PD_FRAMING_TRIAL)
		return;
	pd_count(svc->id, PD_C_framing_lost);
	pd_event(svc->id, PD_EVENT_FRAMING_LOST, &p->t);
}

/*
 * From this reply on replies no longer match requests. Writes that are still
 * at the server end unseen: nothing is kept for the grace time. A connection
 * that only subscribed has none, and costs nobody a hit (rule 9).
 */
static __always_inline void home_turned_opaque(struct pd_flow *fl, const struct pd_service *svc,
					       __u64 now)
{
	struct pd_stream *st = &fl->stream;
	/* a request that another processor has in hand may not be in the ring yet */
	bool any = READ_ONCE(st->req_busy) || !ring_empty(st) || st->nheld || st->held_all;

	home_release(fl, &st->req_busy, svc, now);
	if (any)
		pd_authority_hold(svc->authority, PD_WORD_BUMP, now);
}

/* Replies of a connection whose messages cannot be told apart: each may acknowledge a write. */
static __always_inline void home_opaque_reply(struct pd_flow *fl, const struct pd_service *svc,
					      __u64 now)
{
	if (fl->unknown) {
		home_unknown(svc, PD_HERE);
		return;
	}
	if (!ring_empty(&fl->stream)) {
		home_release(fl, &fl->stream.req_busy, svc, now);
		pd_authority_hold(svc->authority, PD_WORD_BUMP, now);
	}
	pd_verdict(svc->id, PD_V_home_reply);
}

#endif
