/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words: what makes a kept reply usable or not. A slot's word and the service
 * word of its authority change only by fetch-and-add (full barriers); nothing
 * else is ever done to an entry to invalidate it.
 */
#ifndef PD_KERN_WORDS_H
#define PD_KERN_WORDS_H

#include "pandit.h"

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

/* Moments of `until`: about a millisecond each; wraps after 52 days, compared by difference. */
static __always_inline __u32 pd_moment(__u64 now)
{
	return now >> 20;
}

static __always_inline bool pd_held(__u32 until, __u64 now)
{
	return (__s32)(until - pd_moment(now)) > 0;
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
	WRITE_ONCE(a->until, pd_until(now));
	__sync_fetch_and_add(&a->word, amount);
}

#define HASH_K1 0xff51afd7ed558ccdULL
#define HASH_K2 0x9e3779b97f4a7c15ULL

static __always_inline __u64 pd_mix(__u64 h, __u64 v)
{
	h = (h ^ v) * HASH_K1;
	return h ^ (h >> 32);
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
