/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hash of keys. A key's slot is the low 16 bits of its hash, with the
 * seed of `settings`; kernel and daemon compute it alike.
 *
 *	h = pd_mix(seed, length + PD_HASH_LENGTH)
 *	h = pd_mix(h, w) for each 8 bytes w of the key, the last ones zero-padded
 *	hash = pd_mix(h, h >> 17)
 */
#ifndef PD_MAPS_HASH_H
#define PD_MAPS_HASH_H

#include <linux/types.h>

#define PD_HASH_LENGTH 0x9e3779b97f4a7c15ULL

static inline __u64 pd_mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdULL;
	return h ^ (h >> 32);
}

#endif
