/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finding the kept reply to a request and copying it into the answer under
 * construction. A hit needs both words unchanged, nothing in flight, and its
 * time not over (rule 3); the copy counts only if the same node with the same
 * seq is still there afterwards (rule 4).
 */
#ifndef PD_KERN_HIT_H
#define PD_KERN_HIT_H

#include "count.h"
#include "feed.h"
#include "headers.h"
#include "words.h"

/* The answer under construction, per CPU; slack for one more part. */
struct answer {
	__u8 b[PD_ANSWER_MAX + PD_REPLY_MAX + 64];
};

static __always_inline void *hit_lookup(__u32 cls, const __u64 *ehash)
{
	if (cls == 0)
		return bpf_map_lookup_elem(&entries_s, ehash);
	if (cls == 1)
		return bpf_map_lookup_elem(&entries_m, ehash);
	if (cls == 2)
		return bpf_map_lookup_elem(&entries_l, ehash);
	return bpf_map_lookup_elem(&entries_xl, ehash);
}

/* Is this the entry of the request in the window? (words and age apart) */
static __always_inline bool hit_is(const struct pd_entry *e, const struct feed *f)
{
	const struct wanted *w = &f->want;

	return e->realm == w->realm && e->op == w->op && e->ident_len == w->ident_len &&
	       e->key_len == f->step.key_len && e->service == w->service &&
	       pd_ident_same(&f->win, f->step.ident_off, w->ident_len, (const void *)(e + 1));
}

/* 0, or the verdict that tells why it is not usable now. */
static __always_inline __u32 hit_usable(const struct pd_entry *e, const struct feed *f)
{
	if (e->word != f->want.word || e->epoch != f->want.epoch)
		return PD_V_miss_changed;
	if (f->now >= e->expires)
		return PD_V_miss_expired;
	return 0;
}

/* Add a sum of bytes that start at an odd or even place of the answer. */
static __always_inline void answer_sum(struct feed *f, __u32 sum16)
{
	if (f->ans_len & 1)
		sum16 = (sum16 >> 8 | sum16 << 8) & 0xffff;
	f->ans_csum = csum_fold32((__u64)f->ans_csum + sum16);
}

/* Append the reply of a usable entry. Returns 0 or a verdict. */
static __always_inline __u32 hit_copy(struct answer *ans, struct feed *f, const struct pd_entry *e,
				      __u32 cls)
{
	__u64 seq = f->want.seq;
	__u32 n = e->reply_len, len = n, at = f->ans_len, off = (e->ident_len + 7) & ~7U;
	__u32 csum = e->csum;
	const struct pd_entry *again;

	barrier();
	asm volatile("" : "+r"(at));
	if (at > PD_ANSWER_MAX || at + len > PD_ANSWER_MAX - sizeof(((struct wire_emit *)0)->tail))
		return PD_V_miss_large;
	if (n) {
		LIM(n, PD_REPLY_MAX, return PD_V_miss_torn);
		if (bpf_probe_read_kernel(ans->b + at, n,
					  (const __u8 *)(e + 1) + (WIRE_HIDE(off) & 511)))
			return PD_V_miss_torn;
	}
	barrier();
	again = hit_lookup(cls, &f->want.ehash);
	if (again != e || READ_ONCE(e->seq) != seq)
		return PD_V_miss_torn;
	answer_sum(f, csum);
	f->ans_len += len;
	return 0;
}

/* Is what the request asks for a part of its reply, rather than all of it? */
static __always_inline bool hit_is_part(const struct pd_service *svc, const struct feed *f)
{
	return (proto_flags(svc->protocol) & WIRE_F_HEAD) && f->step.parts;
}

/*
 * May the connection have the reply that another command drew (part: that of
 * one key of several), or, with `acl: uniform`, another user? If the server has
 * shown it, and nothing has changed everything since, rights for example.
 */
static __always_inline bool hit_shown(const struct feed *f, __u32 what)
{
	return (f->proven & what) && f->proof == pd_proof(f->want.epoch);
}

static __always_inline bool hit_allowed(const struct pd_service *svc, const struct feed *f,
					const struct pd_entry *e)
{
	bool part = hit_is_part(svc, f);

	if ((svc->flags & PD_SVC_ACL_UNIFORM) && !(proto_flags(svc->protocol) & WIRE_F_PLAIN) &&
	    !hit_shown(f, PD_PROVEN_READ))
		return false;
	return e->part == part || hit_shown(f, part ? PD_PROVEN_PARTS : PD_PROVEN_WHOLE);
}

/* Append the kept reply to the key that f->step reports. Returns 0 or the verdict why there is
 * none. */
static __noinline __attribute__((unused)) __u32 hit_key(struct answer *ans, struct feed *f,
							const struct pd_service *svc, __u64 realm,
							__u64 seed)
{
	struct wanted *w = &f->want;
	__u64 kh = pd_hash(&f->win, f->step.key_off, f->step.key_len, seed), ih = kh;
	struct pd_slot *s = pd_slot_of(svc->authority, kh & (PD_SLOTS - 1));
	struct pd_authority *a = pd_authority_of(svc->authority);
	const struct pd_entry *e;
	__u32 why = PD_V_miss_cold, bad;

	realm = pd_realm(svc, realm);
	w->realm = realm;
	w->service = svc->id;
	w->ident_len = f->step.ident_len;
	w->op = f->step.op;
	if (!s || !a || !w->ident_len || w->ident_len > PD_IDENT_MAX)
		return PD_V_miss_cold;
	pd_flush_due(a, f->now);
	w->word = READ_ONCE(s->word);
	w->epoch = READ_ONCE(a->word);
	if (((w->word | w->epoch) & PD_WORD_FLIGHT) || pd_held(s->until, f->now) ||
	    pd_held(a->until, f->now))
		return PD_V_miss_inflight;
	if (w->ident_len != f->step.key_len)
		ih = pd_hash(&f->win, f->step.ident_off, w->ident_len, seed);
	w->ehash = pd_mix(pd_mix(ih, realm), (__u64)svc->id << 8 | w->op);
	pd_watch_want(w->ehash);
#pragma unroll
	for (int c = 0; c < PD_CLASSES; c++) {
		if (!(s->classes & (1 << c)))
			continue;
		e = hit_lookup(c, &w->ehash);
		if (!e)
			continue;
		w->seq = READ_ONCE(e->seq);
		barrier();
		if (!hit_is(e, f))
			continue;
		bad = hit_usable(e, f);
		if (!bad && !hit_allowed(svc, f, e))
			bad = PD_V_miss_unproven;
		if (bad) {
			why = bad;
			continue;
		}
		return hit_copy(ans, f, e, c);
	}
	return why;
}

/* The first key of a request whose reply is made of parts: what goes in front of them. Returns 0 or
 * a verdict. */
static __noinline __attribute__((unused)) __u32 hit_head(struct answer *ans, struct feed *f,
							 struct wire_emit *e,
							 const struct pd_service *svc)
{
	__u32 at = f->ans_len, n;

	e->op = f->step.op;
	e->nkeys = f->step.parts;
	e->head_len = 0;
	proto_emit(svc->protocol, e);
	n = e->head_len;
	asm volatile("" : "+r"(at), "+r"(n));
	if (at > PD_ANSWER_MAX || n > sizeof(e->head))
		return PD_V_miss_large;
	for (__u32 i = 0; i < sizeof(e->head); i++)
		if (i >= n)
			e->head[i] = 0; /* the sum takes all of it */
	__builtin_memcpy(ans->b + at, e->head, sizeof(e->head));
	answer_sum(f, csum_fold32(sum_bytes(e->head, sizeof(e->head))));
	f->ans_len += n;
	return 0;
}

/* A key of a read: append what is kept for it, and what goes in front of the first one. Returns 0
 * or a verdict. first: no key of the request came before it. */
static __always_inline __u32 hit_part(struct answer *ans, struct feed *f, struct wire_emit *e,
				      const struct pd_service *svc, __u64 realm, __u64 seed,
				      bool first)
{
	__u32 why = 0;

	if (hit_is_part(svc, f) && !pd_joins(svc, realm))
		return PD_V_miss_session;
	if (first && hit_is_part(svc, f))
		why = hit_head(ans, f, e, svc);
	return why ? why : hit_key(ans, f, svc, realm, seed);
}

/* A request is complete and every key of it was found: what the protocol adds to the parts. */
static __always_inline void hit_finish(struct answer *ans, struct feed *f, struct wire_emit *e,
				       const struct pd_service *svc, __u32 nkeys)
{
	__u32 at = f->ans_len, n;
	__u64 tail;

	if (!(proto_flags(svc->protocol) & WIRE_F_EMIT))
		return;
	e->op = f->step.op;
	e->nkeys = nkeys;
	e->tail_len = 0;
	proto_emit(svc->protocol, e);
	n = e->tail_len;
	if (n > sizeof(e->tail))
		return;
	asm volatile("" : "+r"(at));
	if (at > PD_ANSWER_MAX)
		return;
	__builtin_memcpy(&tail, e->tail, sizeof(tail));
	if (n < 8)
		tail &= ((__u64)1 << (n * 8)) - 1;
	__builtin_memcpy(ans->b + at, &tail, sizeof(tail));
	answer_sum(f, csum_fold32((tail & 0xffffffff) + (tail >> 32)));
	f->ans_len += n;
}

#endif
