/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Turning a client's segment into the server's answer to it, headers and checksums included. */
#ifndef PD_KERN_REPLY_H
#define PD_KERN_REPLY_H

#include "headers.h"
#include "observe.h"

/* What a TCP answer says in its header: sequence numbers in host order, the rest in network order.
 */
struct tcp_answer {
	__u32 seq, ack;
	__u32 tsval;
	__u16 win;
	__u8 flags;
	__u8 pad;
};

/*
 * The TCP checksum. sum: of the pseudo-header; csum: of the payload. Partial:
 * the device adds the rest to the pseudo-header's sum, not complemented.
 */
static __always_inline void tcp_checksum(__u8 *t, bool stamp, bool partial, __u64 sum, __u32 csum)
{
	put16(t + 16, 0);
	if (!partial) {
		sum += sum_bytes(t, 20) + csum;
		if (stamp)
			sum += sum_bytes(t + 20, 12);
		sum = ~csum_fold32(sum);
	} else {
		sum = csum_fold32(sum);
	}
	put16(t + 16, sum);
}

static __always_inline void reply_tcp(__u8 *t, const struct tcp_answer *a, bool stamp, __u32 tsecr)
{
	__u16 port = get16(t);

	put16(t, get16(t + 2));
	put16(t + 2, port);
	put32(t + 4, bpf_htonl(a->seq));
	put32(t + 8, bpf_htonl(a->ack));
	t[12] = stamp ? 0x80 : 0x50;
	t[13] = a->flags;
	put16(t + 14, a->win);
	put16(t + 18, 0);
	if (stamp) {
		put32(t + 20, bpf_htonl(0x0101080a));
		put32(t + 24, a->tsval);
		put32(t + 28, tsecr);
	}
}

/*
 * Rewrite the packet into an answer of len (1..PD_ANSWER_MAX) bytes from data,
 * whose ones' complement sum is csum. The packet must be plain (p->plain).
 * Returns 0, or -1 when the packet could not be resized: it is spoilt then.
 */
static __always_inline int reply_build(pd_ctx *ctx, struct headers *hd, const struct pkt *p,
				       const struct tcp_answer *a, const __u8 *data, __u32 len,
				       __u32 csum)
{
	bool stamp = p->doff == 32, partial = pd_csum_partial(ctx);
	__u32 hl = p->poff, n = len, l4len = p->doff + len;

	LIM(hl, HEADERS_MAX, return -1);
	if (pd_load(ctx, 0, hd->b, hl) || pd_resize(ctx, hl + len))
		return -1;
	if (p->v6) {
		l3_swap(hd->b, true);
		reply_tcp(hd->b + 54, a, stamp, p->tsval);
		tcp_checksum(hd->b + 54, stamp, partial, l3_length(hd->b, true, IPPROTO_TCP, l4len),
			     csum);
	} else {
		l3_swap(hd->b, false);
		reply_tcp(hd->b + 34, a, stamp, p->tsval);
		tcp_checksum(hd->b + 34, stamp, partial,
			     l3_length(hd->b, false, IPPROTO_TCP, l4len), csum);
	}
	if (pd_store(ctx, 0, hd->b, hl))
		return -1;
	if (!n)
		return 0;
	LIM(n, PD_ANSWER_MAX, return -1);
	return pd_store(ctx, hl, data, n) ? -1 : 0;
}

static __always_inline void bare_ack(__u8 *h, const struct pkt *p, bool v6, bool partial)
{
	__u8 *t = h + (v6 ? 54 : 34);

	put32(t + 4, bpf_htonl(p->seq + p->plen));
	t[13] = TCPF_ACK;
	tcp_checksum(t, p->doff == 32, partial, l3_length(h, v6, IPPROTO_TCP, p->doff), 0);
}

/*
 * Make the (plain) request a bare acknowledgement behind its last byte, and
 * let a copy of it come in again at the same interface, as if the client had
 * sent it. The packet itself stays that acknowledgement. 0, or -1: spoilt.
 */
static __always_inline int reply_inject_ack(pd_ctx *ctx, struct headers *hd, const struct pkt *p)
{
	bool partial = pd_csum_partial(ctx);
	__u32 hl = p->poff;

	LIM(hl, HEADERS_MAX, return -1);
	if (pd_load(ctx, 0, hd->b, hl) || pd_resize(ctx, hl))
		return -1;
	if (p->v6)
		bare_ack(hd->b, p, true, partial);
	else
		bare_ack(hd->b, p, false, partial);
	if (pd_store(ctx, 0, hd->b, hl))
		return -1;
	if (pd_rehearsal)
		return 0;
	if (bpf_clone_redirect(ctx, ctx->ifindex, BPF_F_INGRESS))
		return -1;
	if (pd_watched()) /* the copy has passed here meanwhile */
		pd_watch_resume();
	return 0;
}

/* Rewrite sequence and acknowledgement numbers in place; a full checksum is corrected, a partial
 * one stays. */
static __always_inline void reply_translate(pd_ctx *ctx, const struct pkt *p, __u32 seq, __u32 ack)
{
	__u32 from[2] = {bpf_htonl(p->seq), bpf_htonl(p->ack)};
	__u32 to[2] = {bpf_htonl(seq), bpf_htonl(ack)};
	__s64 d;

	if (from[0] == to[0] && from[1] == to[1])
		return;
	d = bpf_csum_diff(from, sizeof(from), to, sizeof(to), 0);
	bpf_l4_csum_replace(ctx, p->l4off + 16, 0, d, 0);
	bpf_skb_store_bytes(ctx, p->l4off + 4, to, sizeof(to), 0);
}

/* Send the rewritten packet back to where it came from. */
static __always_inline int reply_send(pd_ctx *ctx, const struct pd_interface *i, __u32 mark)
{
	__u32 ifindex = ctx->ifindex;

	if (i && (i->flags & PD_IF_PEER))
		return bpf_redirect_peer(ifindex, 0);
	ctx->mark = mark; /* the hook at the egress lets its own answers through */
	return bpf_redirect(ifindex, 0);
}

#endif
