/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Header bytes of an answer: building blocks shared by TCP and UDP, TC and XDP. */
#ifndef PD_KERN_HEADERS_H
#define PD_KERN_HEADERS_H

#include "l4.h"

#define HEADERS_MAX 86 /* Ethernet, IPv6, TCP with a timestamp */

struct headers {
	__u8 b[HEADERS_MAX + 10];
};

static __always_inline void put16(__u8 *to, __u16 v)
{
	__builtin_memcpy(to, &v, 2);
}

static __always_inline void put32(__u8 *to, __u32 v)
{
	__builtin_memcpy(to, &v, 4);
}

static __always_inline __u16 get16(const __u8 *from)
{
	__u16 v;

	__builtin_memcpy(&v, from, 2);
	return v;
}

static __always_inline __u32 get32(const __u8 *from)
{
	__u32 v;

	__builtin_memcpy(&v, from, 4);
	return v;
}

/* Exchange n (a multiple of 2) bytes. */
static __always_inline void swap_bytes(__u8 *a, __u8 *b, int n)
{
#pragma unroll
	for (int i = 0; i < n; i += 2) {
		__u16 x = get16(a + i);

		put16(a + i, get16(b + i));
		put16(b + i, x);
	}
}

static __always_inline __u64 sum_bytes(const __u8 *p, int n)
{
	__u64 s = 0;

#pragma unroll
	for (int i = 0; i < n; i += 4)
		s += get32(p + i);
	return s;
}

/* Ethernet and IP addresses the other way round. */
static __always_inline void l3_swap(__u8 *h, bool v6)
{
	swap_bytes(h, h + 6, 6);
	if (v6)
		swap_bytes(h + 14 + 8, h + 14 + 24, 16);
	else
		swap_bytes(h + 14 + 12, h + 14 + 16, 4);
}

/* Set the IP length for l4len bytes above it. Returns the sum of the pseudo-header. */
static __always_inline __u64 l3_length(__u8 *h, bool v6, __u8 proto, __u32 l4len)
{
	__u16 old, len, check;

	if (v6) {
		put16(h + 14 + 4, bpf_htons(l4len));
		return sum_bytes(h + 14 + 8, 32) + bpf_htons(proto) + bpf_htons(l4len);
	}
	old = get16(h + 14 + 2);
	len = bpf_htons(20 + l4len);
	check = get16(h + 14 + 10);
	put16(h + 14 + 10, ~csum_fold32((__u64)(__u16)~check + (__u16)~old + len));
	put16(h + 14 + 2, len);
	return sum_bytes(h + 14 + 12, 8) + bpf_htons(proto) + bpf_htons(l4len);
}

#endif
