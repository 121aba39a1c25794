/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stream and the datagram half of the home hook share. */
#ifndef PD_KERN_HOME_H
#define PD_KERN_HOME_H

#include "ctx_skb.h"
#include "l4.h"
#include "fill.h"

enum fill_found {
	FILL_NONE = 0,
	FILL_WHOLE, /* the reply starts in this segment and its end is known */
	FILL_ENDS,  /* its end is known now, its start is in the assembly */
};

/* What a datagram was found to hold. In per-CPU memory: on the stack the verifier would follow each
 * count. */
struct home_seen {
	__u32 nkeys;
	__u32 cls;  /* the largest enum pd_class */
	__u32 held; /* its slots are out of use for the grace time */
	__u32 pad;
};

struct home_room {
	struct feed f;
	struct pkt p;
	struct pd_dgram_key dgram;
	struct pd_parse parse; /* of a datagram */
	struct pd_session session;
	struct pd_fill fill; /* of a datagram */
	struct home_seen seen;
	__u64 idle_since;     /* boottime ns of the last packet before this one */
	struct pd_flow fresh; /* a new flow */
};

/* Row 0: requests, row 1: replies. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct home_room);
} home_rooms SEC(".maps");

/* Unclassified traffic to or from an authority. here: PD_HERE of whoever found out. */
static __always_inline void home_unknown(const struct pd_service *svc, __u32 here)
{
	struct pd_authority *a = pd_authority_of(svc->authority);

	pd_verdict_at(svc->id, PD_V_home_unknown, here);
	pd_count(svc->id, PD_C_unknown);
	if (!a)
		return;
	__sync_fetch_and_add(&a->word, PD_WORD_BUMP);
	a->unknown++;
}

static long home_odd_loop(__u32 i, void *ctx)
{
	const struct pd_service *svc = *(const struct pd_service **)ctx;

	if (svc->authorities & (1U << (i & 31)))
		pd_authority_add(i, PD_WORD_BUMP);
	return 0;
}

/* A packet to or from a service's address whose ports cannot be read. */
static __always_inline int home_odd(const struct pd_service *svc)
{
	pd_verdict(svc->id, PD_V_home_unknown);
	pd_count(svc->id, PD_C_unknown);
	bpf_loop(PD_AUTHORITIES_MAX, home_odd_loop, &svc, 0);
	return PD_NEXT;
}

/* Keep a reply that lies in this segment from `from` to `end`. */
static __always_inline void home_fill_whole(pd_ctx *ctx, const struct feed *f,
					    const struct pd_fill *fi, const struct pd_service *svc,
					    __u32 from, __u32 end)
{
	__u32 off = (fi->ident_len + 7) & ~7U, len = end - from, n = len;
	struct fill_room *room = fill_room();

	if (!room)
		return;
	if ((__s32)from < 0 || (__s32)len < 0)
		return;
	if (len > PD_REPLY_MAX || len > svc->max_value + PD_FRAMING_MAX) {
		pd_count(svc->id, PD_C_fills_large);
		return;
	}
	if (n) {
		LIM(n, PD_REPLY_MAX, return );
		if (pd_load(ctx, f->poff + from, room->e.data + (WIRE_HIDE(off) & 511), n))
			return;
	}
	pd_fill_store(fi, svc, off, len, f->now);
}

/* The reply under assembly is complete. */
static __always_inline void home_fill_assembled(struct home_room *r, struct pd_flow *fl,
						const struct pd_service *svc)
{
	struct pd_assembly *a = bpf_map_lookup_elem(&assemblies, &fl->fill.assembly);
	__u32 off = (fl->fill.ident_len + 7) & ~7U, len = fl->fill.reply_len, n = len;
	struct fill_room *room = fill_room();

	if (!a || !room || a->owner != fl->id)
		return;
	LIM(n, PD_REPLY_MAX, return );
	if (bpf_probe_read_kernel(room->e.data + (WIRE_HIDE(off) & 511), n, a->data))
		return;
	pd_fill_store(&fl->fill, svc, off, len, r->f.now);
}

/* After a segment of replies: keep what is complete, assemble what goes on. */
static __always_inline void home_fill(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
				      const struct pd_service *svc)
{
	struct pd_stream *st = &fl->stream;
	struct pd_fill *fi = &fl->fill;
	struct feed *f = &r->f;
	__u32 from = 0, end = f->plen;
	bool ok = true;

	if (f->fill == FILL_NONE) {
		if (fi->armed != PD_FILL_WAIT && fi->armed != PD_FILL_PART)
			return;
		if (fi->armed == PD_FILL_WAIT) {
			/* what is left to skip may be the payload of an older reply */
			if (!st->rep.phase && !st->rep.left && !st->rep_carry_len)
				return; /* its reply has not begun */
			from = f->start;
		}
		if (!fill_append(ctx, fi, fl->id, svc, f, from, end))
			fill_off(fi, fl->id);
		return;
	}
	from = f->fill_at;
	if ((__s32)f->fill_end <= (__s32)f->plen)
		end = f->fill_end;
	if (f->fill == FILL_WHOLE && end == f->fill_end) {
		home_fill_whole(ctx, f, fi, svc, from, end);
	} else {
		if ((__s32)end <= 0)
			fi->reply_len += end; /* what is cut began in an earlier segment */
		else
			ok = fill_append(ctx, fi, fl->id, svc, f, from, end);
		if (ok && end != f->fill_end) {
			fi->left = f->fill_end - end;
			fi->armed = PD_FILL_TAIL;
			return;
		}
		if (ok)
			home_fill_assembled(r, fl, svc);
	}
	fill_off(fi, fl->id);
}

/* The rest of a reply whose end is known. */
static __always_inline void home_fill_tail(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					   const struct pd_service *svc)
{
	struct pd_fill *fi = &fl->fill;
	struct feed *f = &r->f;
	__u32 n = fi->left < f->plen ? fi->left : f->plen;

	if (!fill_append(ctx, fi, fl->id, svc, f, 0, n)) {
		fill_off(fi, fl->id);
		return;
	}
	fi->left -= n;
	if (fi->left)
		return;
	home_fill_assembled(r, fl, svc);
	fill_off(fi, fl->id);
}

#endif
