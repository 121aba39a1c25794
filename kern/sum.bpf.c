/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verifying a checksum over the payload, as a global function, so that it is verified once. */
#include "ctx_skb.h"
#include "sum.h"
#include "headers.h"

#define SUM_CHUNK 512 /* what bpf_csum_diff() takes at once up to 6.12 */
#define SUM_CHUNKS (65536 / SUM_CHUNK)

struct sum {
	pd_ctx *ctx;
	struct feed *f;
	__u64 sum;
	__u32 off, left; /* the bytes to come */
};

static long sum_chunk(__u32 i, void *ctx)
{
	struct sum *s = ctx;
	__u32 n = s->left < SUM_CHUNK ? s->left : SUM_CHUNK, words;
	__u8 *b = s->f->win.b;

	LIM(n, SUM_CHUNK, return 1);
	if (pd_load(s->ctx, s->off, b, n))
		return 1;
	s->off += n;
	s->left -= n;
	words = (n + 3) & ~3U;
	put32(b + n, 0); /* the window is longer */
	LIM(words, SUM_CHUNK, return 1);
	s->sum += (__u32)bpf_csum_diff(0, 0, (void *)b, words, 0);
	return 0;
}

int pd_sum_wrong(struct __sk_buff *ctx, struct feed *f, const struct pkt *p)
{
	struct sum s = {.ctx = ctx, .f = f};
	__u16 check = 0;

	if (!f || !p)
		return 0;
	s.off = p->l4off;
	s.left = p->poff - p->l4off + p->plen;
	if (p->proto == IPPROTO_UDP && (pd_load(ctx, s.off + 6, &check, sizeof(check)) || !check))
		return 0; /* no checksum; a receiver may be content with that */
	/* of a v4 address before its mapped form: all ones, which add nothing */
	s.sum = sum_bytes(p->t.client.b, 16) + sum_bytes(p->t.server.b, 16) +
		bpf_htons(p->proto) + bpf_htonl(s.left);
	bpf_loop(SUM_CHUNKS, sum_chunk, &s, 0);
	/* what is not there in full is told as such by whoever reads it */
	return !s.left && csum_fold32(s.sum) != 0xffff;
}

char LICENSE[] SEC("license") = "GPL";
