/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answering datagrams, from TC and from XDP (ctx_skb.h, ctx_xdp.h). The frame
 * in front of the request is sent back as it came. A source is answered only
 * if the server has answered it before, or the service says so, and within a
 * byte budget: a spoofed request must not draw a large reply (rule 4.3).
 */
#ifndef PD_KERN_UDP_H
#define PD_KERN_UDP_H

#include "l4.h"
#include "hit.h"
#include "headers.h"

#define UDP_REPLY_MAX \
	1400 /* bytes of a reply in one datagram, frame included: what servers send at most */

struct udp_room {
	struct feed f;
	struct pkt p;
	struct pd_parse parse;
	struct pd_session session;
	struct wire_emit emit;
	struct headers headers;
	struct answer ans;
};

struct udp_loop {
	pd_ctx *ctx;
	struct udp_room *r;
	const struct pd_service *svc;
	__u64 seed;
};

static long udp_loop(__u32 i, void *ctx)
{
	struct udp_loop *l = ctx;
	struct udp_room *r = l->r;
	struct feed *f = &r->f;
	__u32 why;
	int ev;

	if (!feed_window(l->ctx, f, &r->parse))
		return 1;
	ev = proto_request(l->svc->protocol, &f->win, &r->parse, &r->session, &f->step);
	if (ev & (WIRE_EV_MORE | WIRE_EV_BAD)) {
		f->bad = 1;
		return 1;
	}
	f->at = f->base + f->step.pos;
	if (ev & WIRE_EV_KEY) {
		pd_watch_key(&f->win, &f->step, l->seed);
		r->parse.nkeys = (r->parse.nkeys + 1) & PD_NKEYS;
		why = f->step.cls == PD_CLASS_READ && f->step.op
			      ? hit_part(&r->ans, f, &r->emit, l->svc, 0, l->seed,
					 r->parse.nkeys == 1)
			      : PD_V_pass_write;
		if (why) {
			f->verdict = why;
			return 1;
		}
	}
	if (ev & WIRE_EV_DONE) {
		f->msgs++;
		f->seen |= 1 << (f->step.cls & 7);
		if (f->step.cls != PD_CLASS_READ || !f->step.op || !r->parse.nkeys) {
			f->verdict = PD_V_pass_read;
			return 1;
		}
		hit_finish(&r->ans, f, &r->emit, l->svc, r->parse.nkeys);
		r->parse.nkeys = 0;
	}
	return 0;
}

/* May this source get n more bytes now? Counts them if so. */
static __always_inline bool udp_source(const struct pd_service *svc, const struct pkt *p, __u32 n,
				       __u64 now)
{
	struct pd_source fresh = {.seen = now, .window = now}, *s;

	s = bpf_map_lookup_elem(&sources, &p->t);
	if (!s) {
		if (!(svc->flags & PD_SVC_OPEN_UDP))
			return false;
		fresh.bytes = n;
		bpf_map_update_elem(&sources, &p->t, &fresh, BPF_NOEXIST);
		return true;
	}
	if (now - s->window > 1000000000ULL) {
		s->window = now;
		s->bytes = 0;
	}
	return __sync_fetch_and_add(&s->bytes, n) + n <= svc->udp_budget;
}

/* The server answered this flow: it is there, and asked for it. */
static __always_inline void udp_learn(const struct pkt *p, __u64 now)
{
	struct pd_source fresh = {.seen = now, .window = now},
			 *s = bpf_map_lookup_elem(&sources, &p->t);

	if (s)
		s->seen = now;
	else
		bpf_map_update_elem(&sources, &p->t, &fresh, BPF_NOEXIST);
}

/* Find the answer. 0: it is in r->ans, behind a place for the frame; else the verdict. */
static __always_inline __u32 udp_find(pd_ctx *ctx, struct udp_room *r, const struct pd_service *svc)
{
	const struct pd_settings *set = pd_settings();
	struct udp_loop l = {.ctx = ctx, .r = r, .svc = svc};
	struct pkt *p = &r->p;
	struct feed *f = &r->f;
	__u16 no_carry = 0;

	if (!set || !set->answer || !(svc->flags & PD_SVC_ANSWER))
		return PD_V_miss_off;
	if (!(proto_flags(svc->protocol) & WIRE_F_DATAGRAM) || p->plen > FEED_LOAD)
		return PD_V_pass_frame;
	l.seed = set->seed;
	__builtin_memset(&r->parse, 0, sizeof(r->parse));
	__builtin_memset(&r->session, 0, sizeof(r->session));
	f->now = bpf_ktime_get_boot_ns();
	f->ans_len = 0;
	f->ans_csum = 0;
	f->verdict = 0;
	if (feed_begin(ctx, f, p->poff, p->plen, r->headers.b, &no_carry))
		return PD_V_pass_truncated;
	f->step.pos = 0;
	f->step.len = p->plen;
	if (proto_datagram(svc->protocol, &f->win, &f->step))
		return PD_V_pass_frame;
	f->at = f->step.pos;
	/* the first part of the answer is the frame of the request */
	f->ans_len = f->at;
	if (f->ans_len != WIRE_FRAME)
		return PD_V_pass_frame;
	__builtin_memcpy(r->ans.b, f->win.b, WIRE_FRAME);
	f->ans_csum = csum_fold32((__u64)get32(f->win.b) + get32(f->win.b + 4));
	bpf_loop(FEED_LOAD, udp_loop, &l, 0);
	if (f->bad)
		return PD_V_pass_malformed;
	if (f->verdict)
		return f->verdict;
	if (f->msgs != 1 || f->at != p->plen || r->parse.skip)
		return PD_V_pass_mixed;
	return 0;
}

/* What the checksum of a request is, and so what that of its answer must be. */
enum udp_sum {
	UDP_SUM_FULL = 0, /* right, or absent */
	UDP_SUM_PARTIAL,  /* of the pseudo-header only: a device is to finish it */
	UDP_SUM_BAD,	  /* neither: not for us to answer */
};

#ifdef PD_CTX_SKB
static __always_inline enum udp_sum udp_sum(pd_ctx *ctx, struct udp_room *r)
{
	/* a wrong one does not come as far as here; with v6 there must be one */
	if (r->p.v6 && !get16(r->headers.b + ETH_HLEN + 40 + 6))
		return UDP_SUM_BAD;
	return pd_csum_partial(ctx) ? UDP_SUM_PARTIAL : UDP_SUM_FULL;
}
#else
/*
 * XDP sees no such mark, but generic XDP gives the packet back with the mark
 * still on it, and whichever device finishes the checksum would spoil a full
 * one. So the packet itself is asked. The one in 65,536 that could be either
 * goes on to TC.
 */
static __always_inline enum udp_sum udp_sum(pd_ctx *ctx, struct udp_room *r)
{
	__u8 *ip = r->headers.b + ETH_HLEN, *u = ip + (r->p.v6 ? 40 : 20), *b = r->f.win.b;
	__u64 sum = r->p.v6 ? sum_bytes(ip + 8, 32) : sum_bytes(ip + 12, 8);
	__u32 n = r->p.plen, rest;
	bool full, partial;

	(void)ctx;
	if (!get16(u + 6))
		return r->p.v6 ? UDP_SUM_BAD : UDP_SUM_FULL;
	LIM(n, FEED_LOAD, return UDP_SUM_BAD);
	/* The window is longer. bpf_csum_diff() takes whole words, and 512 bytes at most. */
	put32(b + n, 0);
	sum += bpf_htons(IPPROTO_UDP) + get16(u + 4);
	partial = csum_fold32(sum) == get16(u + 6);
	rest = n > 512 ? n - 512 : 0;
	n = ((n > 512 ? 512 : n) + 3) & ~3U;
	LIM(n, 512, return UDP_SUM_BAD);
	sum += sum_bytes(u, 8) + (__u32)bpf_csum_diff(0, 0, (void *)b, n, 0);
	if (rest) {
		rest = (rest + 3) & ~3U;
		LIM(rest, 512, return UDP_SUM_BAD);
		sum += (__u32)bpf_csum_diff(0, 0, (void *)(b + 512), rest, 0);
	}
	full = csum_fold32(sum) == 0xffff;
	return full == partial ? UDP_SUM_BAD : full ? UDP_SUM_FULL : UDP_SUM_PARTIAL;
}
#endif

/* Write the answer in r->ans over the request, whose headers are in r->headers and whose length is
 * right already. 0, or -1: spoilt. */
static __always_inline int udp_build(pd_ctx *ctx, struct udp_room *r, bool partial)
{
	__u32 n = r->f.ans_len, hl = r->p.poff, l4len = 8 + n;
	struct headers *hd = &r->headers;
	__u64 sum;
	__u8 *u;

	LIM(hl, HEADERS_MAX, return -1);
	if (r->p.v6) {
		u = hd->b + 54;
		l3_swap(hd->b, true);
		sum = l3_length(hd->b, true, IPPROTO_UDP, l4len);
	} else {
		u = hd->b + 34;
		l3_swap(hd->b, false);
		sum = l3_length(hd->b, false, IPPROTO_UDP, l4len);
	}
	swap_bytes(u, u + 2, 2);
	put16(u + 4, bpf_htons(l4len));
	put16(u + 6, 0);
	if (partial) {
		put16(u + 6, csum_fold32(sum));
	} else {
		sum = ~csum_fold32(sum + sum_bytes(u, 8) + r->f.ans_csum) & 0xffff;
		put16(u + 6, sum ? sum : 0xffff); /* RFC 768: zero would mean "none" */
	}
	if (pd_store(ctx, 0, hd->b, hl))
		return -1;
	LIM(n, UDP_REPLY_MAX, return -1);
	return pd_store(ctx, hl, r->ans.b, n) ? -1 : 0;
}

/* Can the answer in r->ans go out as one packet in the place of the request? 0 or a verdict. */
static __always_inline __u32 udp_fits(pd_ctx *ctx, struct udp_room *r, const struct pd_interface *i)
{
	__u32 n = r->f.ans_len, hl = r->p.poff, len = hl + n, have = pd_len(ctx);

	/* A short frame may be padded: there can be more of it than of the packet. */
	if (!r->p.plain || have < hl + r->p.plen)
		return PD_V_miss_headers;
	if (n > UDP_REPLY_MAX || len - ETH_HLEN > i->mtu)
		return PD_V_miss_large;
	if (len > have && len - have > pd_room(ctx, i))
		return PD_V_miss_large;
	LIM(hl, HEADERS_MAX, return PD_V_miss_headers);
	return pd_load(ctx, 0, r->headers.b, hl) ? PD_V_miss_headers : 0;
}

/* Answer the datagram: 0 = it is the answer now; else a verdict, and (but for drop_forge) it is
 * untouched. */
static __always_inline __u32 udp_answer(pd_ctx *ctx, struct udp_room *r,
					const struct pd_service *svc, const struct pd_interface *i)
{
	__u32 why = udp_find(ctx, r, svc), n = r->f.ans_len;
	enum udp_sum sum;

	if (!why)
		why = udp_fits(ctx, r, i);
	if (why)
		return why;
	sum = udp_sum(ctx, r);
	if (sum == UDP_SUM_BAD)
		return PD_V_pass_checksum;
	if (!udp_source(svc, &r->p, n, r->f.now))
		return PD_V_miss_source;
	if (pd_resize(ctx, r->p.poff + n))
		return PD_V_miss_large;
	if (udp_build(ctx, r, sum == UDP_SUM_PARTIAL))
		return PD_V_drop_forge;
	pd_hits_add(svc->authority, pd_count_hits(svc->id, 1), 1);
	pd_count_by(svc->id, PD_C_reply_bytes, n);
	return 0;
}

#endif
