/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feed_window() for TC programs as a global function, so that it is verified once. */
#include "ctx_skb.h"
#define feed_window feed_window_call
#include "feed.h"
#undef feed_window
#include "feed_window.h"

int pd_feed_window(struct __sk_buff *ctx, struct feed *f, struct pd_parse *p)
{
	if (!f || !p)
		return 0;
	return feed_window(ctx, f, p);
}

char LICENSE[] SEC("license") = "GPL";
