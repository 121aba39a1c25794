/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet as TC programs see it. ctx_xdp.h offers the same names for XDP. */
#ifndef PD_KERN_CTX_H
#define PD_KERN_CTX_H

#include <linux/pkt_cls.h>
#include "pandit.h"

#define PD_CTX_SKB
typedef struct __sk_buff pd_ctx;

#define PD_NEXT TC_ACT_UNSPEC /* not ours, or done with: the next filter may look */
#define PD_DROP TC_ACT_SHOT

static __always_inline long pd_load(pd_ctx *ctx, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes(ctx, off, to, len);
}

static __always_inline long pd_store(pd_ctx *ctx, __u32 off, const void *from, __u32 len)
{
	return bpf_skb_store_bytes(ctx, off, from, len, 0);
}

/* Make the packet len bytes long. */
static __always_inline long pd_resize(pd_ctx *ctx, __u32 len)
{
	return bpf_skb_change_tail(ctx, len, 0);
}

static __always_inline __u32 pd_len(pd_ctx *ctx)
{
	return ctx->len;
}

/* Bytes the packet may grow by on this interface: a TC program may grow any packet. */
static __always_inline __u32 pd_room(pd_ctx *ctx, const struct pd_interface *i)
{
	(void)ctx;
	(void)i;
	return PD_ANSWER_MAX;
}

/* Read by CO-RE: bpf_cast_to_kern_ctx() is 6.2+. */
struct sk_buff___pd {
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

/* What is known of the L4 checksum (linux/skbuff.h): the other two values say that it is good. */
#define PD_SUMMED_NONE	  0 /* nothing: it is in the packet, and nobody has looked */
#define PD_SUMMED_PARTIAL 3 /* the sender left it to the device */

static __always_inline __u32 pd_ip_summed(pd_ctx *ctx)
{
	struct sk_buff___pd *k = (void *)ctx;

	return BPF_CORE_READ_BITFIELD_PROBED(k, ip_summed);
}

static __always_inline bool pd_csum_partial(pd_ctx *ctx)
{
	return pd_ip_summed(ctx) == PD_SUMMED_PARTIAL;
}

#endif
