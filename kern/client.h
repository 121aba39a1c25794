/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The client hook's memory, and its way with connections that the home hook of this host follows
 * too. */
#ifndef PD_KERN_CLIENT_H
#define PD_KERN_CLIENT_H

#include "ctx_skb.h"
#include "l4.h"
#include "ring.h"
#include "hit.h"
#include "reply.h"
#include "tcp.h"
#include "syn.h"

struct client_room {
	struct feed f;
	struct pd_parse parse; /* of a segment that the home hook will interpret */
	struct pkt p;
	struct offer o;
	struct decision d;
	struct tcp_answer a;
	__u8 fresh[sizeof(struct pd_conn)]
		__attribute__((aligned(8))); /* a new connection; no lock in per-CPU memory */
	struct wire_emit emit;
	struct headers headers;
	struct answer ans;
	struct syn_room options;
};

/* May a connection in this state be answered now? 0, or the verdict why not. */
static __always_inline __u32 client_session(const struct pd_stream *st,
					    const struct pd_service *svc,
					    const struct pd_settings *set)
{
	if (!set->answer || !(svc->flags & PD_SVC_ANSWER))
		return PD_V_miss_off;
	if (st->ses.block || st->ses.end || st->ses.opaque || !st->ses.known)
		return PD_V_miss_session;
	if (!ring_empty(st) || READ_ONCE(st->rep_busy) || st->rep.skip || st->rep.left ||
	    st->rep.phase || st->rep_carry_len)
		return PD_V_miss_pending;
	if (!st->ses.proven)
		return PD_V_miss_unproven;
	if (st->carry_len || st->req.skip || st->req.left || st->req.phase)
		return PD_V_miss_partial;
	return 0;
}

/* What a segment that is not answered was, by the requests seen in it. */
static __always_inline __u32 client_kind(const struct feed *f)
{
	if (f->seen == 1 << PD_CLASS_READ)
		return f->verdict ? f->verdict : PD_V_miss_mixed;
	if (f->seen == 1 << PD_CLASS_WRITE)
		return PD_V_pass_write;
	if (f->seen == 1 << PD_CLASS_PEEK)
		return PD_V_pass_read;
	if (f->seen == 1 << PD_CLASS_CONTROL)
		return PD_V_pass_control;
	if (f->seen == 1 << PD_CLASS_WRITE_ALL)
		return PD_V_pass_unknown;
	return PD_V_pass_mixed;
}

struct client_local {
	pd_ctx *ctx;
	struct client_room *r;
	const struct pd_session *ses;
	const struct pd_service *svc;
	__u64 seed;
};

/* Stops at the first request that cannot be answered: the home hook interprets the segment then. */
static long client_local_loop(__u32 i, void *ctx)
{
	struct client_local *l = ctx;
	struct client_room *r = l->r;
	struct feed *f = &r->f;
	__u32 why = 0;
	int ev;

	if (!feed_window(l->ctx, f, &r->parse))
		return 1;
	ev = proto_request(l->svc->protocol, &f->win, &r->parse, l->ses, &f->step);
	if (ev & (WIRE_EV_MORE | WIRE_EV_BAD)) {
		f->verdict = ev & WIRE_EV_MORE ? PD_V_miss_partial : PD_V_pass_malformed;
		f->all_hit = 0;
		return 1;
	}
	f->at = f->base + f->step.pos;
	if (ev & WIRE_EV_KEY)
		pd_watch_key(&f->win, &f->step, l->seed);
	if (ev & WIRE_EV_DONE) {
		f->seen |= 1 << (f->step.cls & 7);
		f->msgs++;
	}
	if ((ev & WIRE_EV_KEY) && f->step.cls == PD_CLASS_READ && f->step.op) {
		r->parse.nkeys = (r->parse.nkeys + 1) & PD_NKEYS;
		why = hit_part(&r->ans, f, &r->emit, l->svc, l->ses->realm, l->seed,
			       r->parse.nkeys == 1);
	}
	if (why || ((ev & (WIRE_EV_KEY | WIRE_EV_DONE)) &&
		    (f->step.cls != PD_CLASS_READ || !f->step.op))) {
		f->verdict = why;
		f->all_hit = 0;
		return 1;
	}
	if ((ev & WIRE_EV_DONE) && !r->parse.nkeys) {
		f->all_hit = 0;
		return 1;
	}
	if (ev & WIRE_EV_DONE) {
		hit_finish(&r->ans, f, &r->emit, l->svc, r->parse.nkeys);
		r->parse.nkeys = 0;
	}
	return 0;
}

/*
 * The home hook of this host keeps the state of this very connection. So this
 * hook interprets only a segment that may be answered, and leaves the rest of
 * the stream to it: at a moment when everything this hook has passed on was
 * interpreted there, requests and replies.
 */
static __always_inline __u32 client_feed_local(pd_ctx *ctx, struct client_room *r,
					       struct pd_conn *c, const struct pd_service *svc,
					       const struct pkt *p)
{
	const struct pd_settings *set = pd_settings();
	struct client_local l = {.ctx = ctx, .r = r, .svc = svc};
	struct pd_flow *fl = bpf_map_lookup_elem(&flows, &p->t);
	struct feed *f = &r->f;
	__u16 no_carry = 0;
	__u32 why;

	if (!set || !fl)
		return PD_V_miss_off;
	if (fl->unknown)
		return PD_V_miss_session;
	/* c_nxt moves after a request is in the ring, s_nxt after a reply has left it: the one is
	 * read before, the other after the ring */
	if (READ_ONCE(fl->c_nxt) != p->seq - c->sum_n)
		return PD_V_miss_pending;
	barrier();
	why = client_session(&fl->stream, svc, set);
	if (why)
		return why;
	barrier();
	if (READ_ONCE(fl->s_nxt) != c->s_nxt)
		return PD_V_miss_pending;
	l.seed = set->seed;
	l.ses = &fl->stream.ses;
	f->proof = READ_ONCE(fl->proof); /* before the bits: see home_proof() */
	barrier();
	f->proven = READ_ONCE(l.ses->proven);
	__builtin_memset(&r->parse, 0, sizeof(r->parse));
	f->verdict = 0;
	f->all_hit = 1;
	f->now = bpf_ktime_get_boot_ns(); /* ages are exact */
	if (feed_begin(ctx, f, p->poff, p->plen, r->headers.b, &no_carry)) {
		f->all_hit = 0;
		return PD_V_pass_truncated;
	}
	bpf_loop(FEED_TOKENS, client_local_loop, &l, 0);
	if (f->at != f->plen || r->parse.skip || r->parse.left || r->parse.phase || !f->msgs)
		f->all_hit = 0;
	if (f->verdict)
		return f->verdict;
	return f->msgs ? client_kind(f) : PD_V_pass_body;
}

#endif
