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

/* struct xdp_buff and what lies behind its room, as the running kernel lays them out. */
struct xdp_buff___pd {
	void *data_end;
	void *data_hard_start;
	__u32 frame_sz;
} __attribute__((preserve_access_index));

struct skb_shared_info___pd {
} __attribute__((preserve_access_index));

#define TAIL_ALIGN 64 /* SMP_CACHE_BYTES, which the kernel rounds its own part up to */

/*
 * Bytes this very packet may grow by: what bpf_xdp_adjust_tail() will grant. It
 * depends on the driver, and with generic XDP on how the sender's buffer was
 * rounded, so no figure for an interface would hold. Asked before the packet is
 * touched, for a failed try costs the whole program. The row bounds it.
 */
static __always_inline __u32 pd_room(pd_ctx *ctx, const struct pd_interface *i)
{
	struct xdp_buff___pd *x = (void *)ctx;
	__u64 end = (__u64)BPF_CORE_READ(x, data_hard_start) + BPF_CORE_READ(x, frame_sz) -
		    ((bpf_core_type_size(struct skb_shared_info___pd) + TAIL_ALIGN - 1) &
		     ~(__u64)(TAIL_ALIGN - 1));
	__s64 room = end - (__u64)BPF_CORE_READ(x, data_end);

	if (room < 0)
		return 0;
	return room < i->xdp_room ? room : i->xdp_room;
}

#endif
