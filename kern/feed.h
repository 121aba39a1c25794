/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Feeding one direction of a byte stream to its grammar, a token at a time.
 *
 * All positions are segment offsets: 0 is the segment's first payload byte,
 * negative ones lie in the carry, the incomplete token that earlier segments
 * left behind. The state of a run lives in per-CPU memory (struct feed), so
 * that a loop body is verified once, for any state.
 */
#ifndef PD_KERN_FEED_H
#define PD_KERN_FEED_H

#include "pandit.h"
#include "proto.h"

#define FEED_LOAD    1024 /* bytes loaded at once */
#define FEED_CARRIED 512  /* bytes loaded behind a carry */
#define FEED_TOKENS \
	24576 /* tokens of one segment; a 64 KiB segment of the smallest ones has fewer */

/* The entry looked for. */
struct wanted {
	__u64 ehash;
	__u64 realm;
	__u64 word, epoch;
	__u64 seq; /* of the entry found; read before anything else of it */
	__u32 service;
	__u16 ident_len;
	__u8 op;
	__u8 pad;
};

struct feed {
	struct wire_win win;
	struct wire_step step;
	__u32 base;	 /* segment offset of the window's first byte (signed) */
	__u32 wlen;	 /* valid bytes in the window */
	__u32 at;	 /* segment offset of the next token (signed) */
	__u32 plen;	 /* payload bytes of the segment */
	__u32 poff;	 /* their offset in the frame */
	__u32 msgs;	 /* messages completed */
	__u32 tail;	 /* the ring's tail while this segment is worked on */
	__u32 start;	 /* segment offset of the present message (signed) */
	__u8 bad;	 /* framing is lost */
	__u8 more;	 /* the last token is incomplete */
	__u8 seen;	 /* bit n: a request of enum pd_class n was seen */
	__u8 verdict;	 /* why the segment was not answered */
	__u8 all_hit;	 /* every request so far was found in the maps */
	__u8 fill;	 /* enum fill_state, home hook */
	__u16 nkeys;	 /* keys of the present message that were found */
	__u32 ans_len;	 /* bytes of the answer so far */
	__u32 ans_csum;	 /* their sum */
	__u32 ans_start; /* where the answer to the present message starts */
	__u32 fill_at;	 /* segment offset where the reply to be kept starts */
	__u32 fill_end;	 /* and ends, without what is cut */
	__u64 now;	 /* boottime ns */
	__u32 proof;	 /* client hook: pd_flow.proof, */
	__u32 proven;	 /* and PD_PROVEN_* that go with it */
	struct wanted want;
};

/* Start on a segment: take the carry back in front of it. */
static __always_inline int feed_begin(pd_ctx *ctx, struct feed *f, __u32 poff, __u32 plen,
				      __u8 *carry, __u16 *carry_len)
{
	__u32 c = *carry_len, most = c ? FEED_CARRIED : FEED_LOAD, n = plen > most ? most : plen;

	f->poff = poff;
	f->plen = plen;
	f->msgs = 0;
	f->bad = 0;
	f->more = 0;
	f->seen = 0;
	f->at = -c;
	f->base = -c;
	f->wlen = c + n;
	f->start = -c;
	if (c) {
		LIM(c, PD_TOKEN_MAX, return -1);
		if (bpf_probe_read_kernel(f->win.b, c, carry))
			return -1;
		*carry_len = 0;
	}
	if (!c) {
		LIM(n, FEED_LOAD, return -1);
		return pd_load(ctx, poff, f->win.b, n);
	}
	LIM(n, FEED_CARRIED, return -1);
	asm volatile("" : "+r"(c));
	if (c > PD_TOKEN_MAX)
		return -1;
	return pd_load(ctx, poff, f->win.b + c, n);
}

/*
 * Pass over payload, and let the window show the token at f->at to its end or
 * to the segment's. False: the segment is used up.
 */
#ifdef PD_CTX_SKB
int pd_feed_window(struct __sk_buff *ctx, struct feed *f, struct pd_parse *p);

static __always_inline bool feed_window(pd_ctx *ctx, struct feed *f, struct pd_parse *p)
{
	return pd_feed_window(ctx, f, p);
}
#else
#include "feed_window.h"
#endif

/* Keep the incomplete token for the next segment. */
static __always_inline void feed_carry(struct feed *f, __u8 *carry, __u16 *carry_len)
{
	__u32 n = f->base + f->wlen - f->at, from = f->at - f->base;

	if (f->base + f->wlen != f->plen) {
		f->bad = 1; /* a grammar asked for more than PD_TOKEN_MAX */
		return;
	}
	LIM(n, PD_TOKEN_MAX, {
		f->bad = 1;
		return;
	});
	if (bpf_probe_read_kernel(carry, n, f->win.b + (WIRE_HIDE(from) & (WIRE_WIN - 1)))) {
		f->bad = 1;
		return;
	}
	*carry_len = n;
	f->more = 1;
}

#endif
