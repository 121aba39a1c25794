/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every kernel object includes: the contract of maps/, the maps, and the idioms the verifiers
 * of 6.1 to 6.18 accept. */
#ifndef PD_KERN_PANDIT_H
#define PD_KERN_PANDIT_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include "maps/conn.h"
#include "proto/wire/wire.h"

struct bpf_map;

#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif
#define READ_ONCE(x)	 (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/*
 * Bound a length that goes to a helper: 6.1 does not learn a lower bound from
 * `== 0`, and clang drops checks it can prove. Evaluates `fail` when v is not
 * in 1..max.
 */
#define LIM(v, max, fail)                      \
	do {                                   \
		__u32 lim_ = (v)-1;            \
		asm volatile("" : "+r"(lim_)); \
		if (lim_ > (max)-1)            \
			fail;                  \
		asm volatile("" : "+r"(lim_)); \
		(v) = lim_ + 1;                \
	} while (0)

/* Sequence arithmetic of RFC 9293 section 3.4: a is before b. */
static __always_inline bool before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/* Fold a sum of 16- or 32-bit words to 16 bits (RFC 1071). */
static __always_inline __u32 csum_fold32(__u64 s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

/* Clear len bytes (a multiple of 8): more than clang would unroll for a memset. */
static __always_inline void pd_zero(void *to, __u32 len)
{
	volatile __u64 *w = to;

	for (__u32 i = 0; i < len / 8; i++)
		w[i] = 0;
}

/* Maps: defined in control.bpf.c, extern elsewhere. */
#ifdef PD_DEFINE_MAPS
#define PD_MAP_LINKAGE
#else
#define PD_MAP_LINKAGE extern
#endif
#define MAP(n, t, k, v, m, f, life)             \
	PD_MAP_LINKAGE struct {                 \
		__uint(type, BPF_MAP_TYPE_##t); \
		__uint(max_entries, m);         \
		__uint(map_flags, f);           \
		__type(key, k);                 \
		__type(value, v);               \
	} n SEC(".maps");
#include "maps/maps.def"
#undef MAP

PD_MAP_LINKAGE struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

static __always_inline const struct pd_settings *pd_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

#endif
