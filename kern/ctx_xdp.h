/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet as XDP programs see it: the names of ctx_skb.h. */
#ifndef PD_KERN_CTX_H
#define PD_KERN_CTX_H

#include "pandit.h"

typedef struct xdp_md pd_ctx;

static __always_inline long pd_load(pd_ctx *ctx, __u32 off, void *to, __u32 len)
{
	return bpf_xdp_load_bytes(ctx, off, to, len);
}

static __always_inline long pd_store(pd_ctx *ctx, __u32 off, const void *from, __u32 len)
{
	return bpf_xdp_store_bytes(ctx, off, (void *)from, len);
}

static __always_inline __u32 pd_len(pd_ctx *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

/* Make the packet len bytes long. */
static __always_inline long pd_resize(pd_ctx *ctx, __u32 len)
{
	return bpf_xdp_adjust_tail(ctx, (int)(len - pd_len(ctx)));
}

/* Bytes the packet may grow by on this interface; asked before it is touched, for a failed try
 * costs the whole program. */
static __always_inline __u32 pd_room(const struct pd_interface *i)
{
	return i->xdp_room;
}

/* XDP sees no such mark; a full checksum is always right on the wire. */
static __always_inline bool pd_csum_partial(pd_ctx *ctx)
{
	(void)ctx;
	return false;
}

#endif
