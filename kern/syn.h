/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP options of a handshake (RFC 9293 section 3.1, RFC 7323, RFC 2018). */
#ifndef PD_KERN_SYN_H
#define PD_KERN_SYN_H

#include "l4.h"
#include "headers.h"

/* The options of one packet, with slack behind them. */
struct syn_room {
	__u8 b[64 + 16];
};

struct syn_options {
	__u32 sack_at; /* offset of SACK-permitted among the options, + 1; 0 = none */
	__u32 tsval;   /* network order */
	__u32 mss;
	__u8 shift; /* window shift */
	__u8 pad[3];
};

struct syn_walk {
	const __u8 *o; /* the options, zero-padded */
	struct syn_options *so;
	__u32 n, at;
};

/* One option of a SYN or SYN-ACK (RFC 9293 section 3.1). */
static long syn_walk_loop(__u32 unused, void *ctx)
{
	struct syn_walk *w = ctx;
	struct syn_options *so = w->so;
	__u32 at = w->at;
	const __u8 *o;

	if (at >= w->n)
		return 1;
	o = w->o + (WIRE_HIDE(at) & 63);
	if (o[0] == 0)
		return 1;
	if (o[0] == 1) {
		w->at = at + 1;
		return 0;
	}
	if (o[1] < 2)
		return 1;
	if (o[0] == 2 && o[1] == 4)
		so->mss = (__u32)o[2] << 8 | o[3];
	if (o[0] == 3 && o[1] == 3)
		so->shift = o[2] > 14 ? 14 : o[2];
	if (o[0] == 4 && o[1] == 2)
		so->sack_at = at + 1;
	if (o[0] == 8 && o[1] == 10)
		so->tsval = get32(o + 2);
	w->at = at + o[1];
	return 0;
}

/* Read the options; take SACK-permitted out, for a forged reply has no place in a SACK scoreboard
 * (rule 4.1.2). */
static __always_inline void syn_options(pd_ctx *ctx, struct syn_room *r, const struct pkt *p,
					bool strip, struct syn_options *so)
{
	struct syn_walk w = {.o = r->b, .so = so};
	__u32 n = p->doff - 20, at;
	__u16 old = bpf_htons(0x0402), nop = bpf_htons(0x0101);

	__builtin_memset(so, 0, sizeof(*so));
	LIM(n, 40, return );
	__builtin_memset(r->b, 0, sizeof(r->b));
	if (pd_load(ctx, p->l4off + 20, r->b, n))
		return;
	w.n = n;
	bpf_loop(40, syn_walk_loop, &w, 0);
	if (!strip || !so->sack_at)
		return;
	at = p->l4off + 20 + so->sack_at - 1;
	if ((so->sack_at - 1) & 1) { /* at an odd offset each byte falls into another 16-bit word */
		__u32 from = bpf_htonl(0x00040200), to = bpf_htonl(0x00010100);

		bpf_l4_csum_replace(ctx, p->l4off + 16, from, to, 4);
	} else {
		bpf_l4_csum_replace(ctx, p->l4off + 16, old, nop, 2);
	}
	bpf_skb_store_bytes(ctx, at, &nop, 2, 0);
}

#endif
