/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashing and comparing of keys and identities; global functions, so that each is verified once. */
#include "words.h"

/* Eight window bytes at off + at, those beyond len zero. */
static __always_inline __u64 word_at(const struct wire_win *w, __u32 off, __u32 len, __u32 at)
{
	__u64 v = *(const __u64 *)(w->b + (WIRE_HIDE(off) & (WIRE_WIN - 1)) + at);

	if (len - at < 8)
		v &= ((__u64)1 << ((len - at) * 8)) - 1;
	return v;
}

__u64 pd_hash(const struct wire_win *w, __u32 off, __u32 len, __u64 seed)
{
	__u64 h = pd_mix(seed, len + PD_HASH_LENGTH);
	__u32 i;

	if (!w)
		return 0;
	for (i = 0; i < WIRE_IDENT_MAX / 8; i++) {
		if (i * 8 >= len)
			break;
		h = pd_mix(h, word_at(w, off, len, i * 8));
	}
	return pd_mix(h, h >> 17);
}

int pd_ident_same(const struct wire_win *w, __u32 off, __u32 len, const struct pd_ident *id)
{
	__u64 diff = 0;
	__u32 i;

	if (!w || !id)
		return 0;
	for (i = 0; i < PD_IDENT_MAX / 8; i++) {
		if (i * 8 >= len)
			break;
		diff |= word_at(w, off, len, i * 8) ^ *(const __u64 *)(id->b + i * 8);
	}
	return diff == 0;
}

int pd_ident_copy(const struct wire_win *w, __u32 off, __u32 len, struct pd_ident *id)
{
	__u32 i;

	if (!w || !id)
		return 0;
	for (i = 0; i < PD_IDENT_MAX / 8; i++) {
		if (i * 8 >= len)
			break;
		*(__u64 *)(id->b + i * 8) = word_at(w, off, len, i * 8);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
