/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words: what makes a kept reply usable or not. A slot's word and the service
 * word of its authority change only by fetch-and-add (full barriers); nothing
 * else is ever done to an entry to invalidate it.
 */
#ifndef PD_KERN_WORDS_H
#define PD_KERN_WORDS_H

#include "pandit.h"
#include "maps/hash.h"

static __always_inline struct pd_slot *pd_slot_of(__u32 authority, __u32 slot)
{
	__u32 i = (authority & (PD_AUTHORITIES_MAX - 1)) * PD_SLOTS + (slot & (PD_SLOTS - 1));

	return bpf_map_lookup_elem(&slots, &i);
}

static __always_inline struct pd_authority *pd_authority_of(__u32 authority)
{
	__u32 i = authority & (PD_AUTHORITIES_MAX - 1);

	return bpf_map_lookup_elem(&authorities, &i);
}

/* What of a session's realm divides the entries of a service: not the user if it says `acl:
 * uniform` (rule 4.3). */
static __always_inline __u64 pd_realm(const struct pd_service *svc, __u64 realm)
{
	if (svc->flags & PD_SVC_ACL_UNIFORM)
		realm &= ((__u64)1 << WIRE_REALM_USER) - 1;
	return realm;
}

/*
 * May a request for several keys be put together from what is kept of each?
 * The rights of a named user can be such that each is allowed alone, or by
 * another command, but not all together.
 */
static __always_inline bool pd_joins(const struct pd_service *svc, __u64 realm)
{
	return !(pd_realm(svc, realm) >> WIRE_REALM_USER);
}

/* The part of a service word that dates a proof (pd_flow.proof). */
static __always_inline __u32 pd_proof(__u64 epoch)
{
	return epoch >> 24;
}

/* Moments of `until`: about a millisecond each; wraps after 52 days, compared by difference. */
static __always_inline __u32 pd_moment(__u64 now)
{
	return now >> 20;
}

#define PD_HOLD_MAX 8192 /* moments: longer than any hold; a difference beyond it is an old one */

static __always_inline bool pd_held(__u32 until, __u64 now)
{
	return until - pd_moment(now) - 1 < PD_HOLD_MAX;
}

/*
 * A coarse CLOCK_BOOTTIME in ns: up to a tick (10 ms) behind, and without
 * reading the hardware clock. For what may only err on that side.
 */
static __always_inline __u64 pd_now_coarse(void)
{
	const struct pd_settings *s = pd_settings();

	return bpf_ktime_get_coarse_ns() + (s ? s->boot_offset : 0);
}

static __always_inline __u32 pd_until(__u64 now)
{
	const struct pd_settings *s = pd_settings();

	return pd_moment(now + (s ? s->grace : 1000000000ULL)) + 1;
}

static __always_inline void pd_slot_add(__u32 authority, __u32 slot, __u64 amount)
{
	struct pd_slot *s = pd_slot_of(authority, slot);

	if (s)
		__sync_fetch_and_add(&s->word, amount);
}

static __always_inline void pd_authority_add(__u32 authority, __u64 amount)
{
	struct pd_authority *a = pd_authority_of(authority);

	if (a)
		__sync_fetch_and_add(&a->word, amount);
}

/*
 * A write whose end will not be seen: its words move now, and nothing of the
 * slot is kept or given until the grace time is over (rules 7, 8, 10).
 */
static __always_inline void pd_slot_hold(__u32 authority, __u32 slot, __u64 amount, __u64 now)
{
	struct pd_slot *s = pd_slot_of(authority, slot);

	if (!s)
		return;
	WRITE_ONCE(s->until, pd_until(now));
	__sync_fetch_and_add(&s->word, amount);
}

static __always_inline void pd_authority_hold(__u32 authority, __u64 amount, __u64 now)
{
	struct pd_authority *a = pd_authority_of(authority);

	if (!a)
		return;
	/* never shorter than what holds already */
	if (!pd_held(a->until, now) || (__s32)(pd_until(now) - a->until) > 0)
		WRITE_ONCE(a->until, pd_until(now));
	__sync_fetch_and_add(&a->word, amount);
}

#define FLUSH_SLACK 3000000000ULL /* ns: a server may carry out a delayed flush so much later */

/* A delayed flush that has come due moves the words, and nothing is kept until it is surely over
 * (rule 11). */
static __always_inline void pd_flush_due(struct pd_authority *a, __u64 now)
{
	__u64 at = READ_ONCE(a->flush_at);
	__u64 last = READ_ONCE(a->flush_last);

	if (!at || now < at ||
	    __sync_val_compare_and_swap(&a->flush_at, at, last > at ? last : 0) != at)
		return;
	WRITE_ONCE(a->until, pd_moment(now + FLUSH_SLACK));
	__sync_fetch_and_add(&a->word, PD_WORD_BUMP);
}

/* Note a delayed flush. Of several, the first and the last are known; the server itself keeps only
 * one. */
static __always_inline void pd_flush_at(__u32 authority, __u64 at)
{
	struct pd_authority *a = pd_authority_of(authority);

	if (!a)
		return;
	if (at > a->flush_last)
		WRITE_ONCE(a->flush_last, at);
	if (!a->flush_at || at < a->flush_at)
		WRITE_ONCE(a->flush_at, at);
}

/* n requests were answered. Counted for churn in lumps, so that processors do not fight for the
 * line. */
static __always_inline void pd_hits_add(__u32 authority, __u64 before, __u64 n)
{
	struct pd_authority *a;

	if (!((before ^ (before + n)) >> 6))
		return;
	a = pd_authority_of(authority);
	if (a)
		__sync_fetch_and_add(&a->hits, 64);
}

#define CHURN_LOOK 1024 /* fills between two looks */
#define CHURN_HITS 128	/* hits that they must have given */

static __always_inline void pd_fills_add(struct pd_authority *a)
{
	__u64 hits;

	if ((__sync_fetch_and_add(&a->fills, 1) & (CHURN_LOOK - 1)) != CHURN_LOOK - 1)
		return;
	hits = READ_ONCE(a->hits);
	a->churn = hits - a->mark < CHURN_HITS;
	a->mark = hits;
}

/* A zero-padded identity as kept in entries and fills. */
struct pd_ident {
	__u8 b[PD_IDENT_MAX];
};

/*
 * Seeded hash of len (0..WIRE_IDENT_MAX) window bytes at off. Words are taken
 * eight bytes at a time, the last one zero-padded; the length goes in first.
 */
__u64 pd_hash(const struct wire_win *w, __u32 off, __u32 len, __u64 seed);

/* Do len window bytes at off equal the zero-padded identity? Returns 1 or 0. */
int pd_ident_same(const struct wire_win *w, __u32 off, __u32 len, const struct pd_ident *id);

/* Copy len window bytes at off into an identity, zero-padded to a multiple of 8. Returns 0. */
int pd_ident_copy(const struct wire_win *w, __u32 off, __u32 len, struct pd_ident *id);

#endif
