/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading numbers and words from a window, eight bytes at a time.
 *
 * Bytes at or beyond the window's length hold anything: what they hold never
 * changes a result. Positions are masked by every read, so none of them needs
 * a proof; a position that is too far only reads bytes that do not count.
 */
#ifndef PD_RESP_SCAN_H
#define PD_RESP_SCAN_H

#include "../wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are packed little endian");

#define RESP_MORE	0u		/* the end is not in the window */
#define RESP_BAD	0xffffffffu	/* not what the protocol allows here */
#define RESP_NIL	(~(__u64)0)	/* the length -1 */

#define RESP_BURST	8	/* arguments or elements framed by one call */
#define RESP_NAME_MAX	23		/* longest name of a command or option, bytes */

#define RESP_ONES	0x0101010101010101ULL
#define RESP_HIGHS	0x8080808080808080ULL

struct resp_word {
	__u64 w[3];
};

#ifdef __bpf__
/* Every architecture that runs BPF programs with a JIT reads unaligned words. */
#define RESP_AT(type, w, i)	(*(const type *)&W(w, i))
#else
#define RESP_AT(type, w, i) ({					\
	type resp_v_;						\
	__builtin_memcpy(&resp_v_, &W(w, i), sizeof(resp_v_));	\
	resp_v_; })
#endif

/*
 * A part of the grammar that the verifier is to check once and on its own,
 * instead of once for each way that leads to it. Linux 6.1 takes the pointers
 * of such a function for ones that may be NULL.
 */
#ifdef __bpf__
#define RESP_PART	__attribute__((noinline))
#else
#define RESP_PART	WIRE_INLINE
#endif

/* The first @n bytes of @x; all of them if @n is 8 or more. */
WIRE_INLINE __u64 resp_low(__u64 x, __u32 n)
{
	__u32 gone = n < 8 ? 8 - n : 0;

	/* In halves: a shift by 64 is undefined. */
	x = x << (gone * 4) << (gone * 4);
	return x >> (gone * 4) >> (gone * 4);
}

/* Index of the lowest byte that is marked by its high bit in @t: no other bits, and not 0. */
WIRE_INLINE __u32 resp_first(__u64 t)
{
	return ((((t & -t) >> 7) - 1) & RESP_ONES) * RESP_ONES >> 56;
}

/* High bits of the bytes of @x that equal those of @pattern; exact up to the first one. */
WIRE_INLINE __u64 resp_equal(__u64 x, __u64 pattern)
{
	x ^= pattern;
	return (x - RESP_ONES) & ~x & RESP_HIGHS;
}

/* @x with a-z made A-Z. */
WIRE_INLINE __u64 resp_upper(__u64 x)
{
	__u64 seven = x & ~RESP_HIGHS;
	__u64 from_a = seven + (0x80 - 'a') * RESP_ONES;
	__u64 beyond_z = seven + (0x7f - 'z') * RESP_ONES;

	return x ^ (((from_a ^ beyond_z) & ~x & RESP_HIGHS) >> 2);
}

/* The number whose digits are the last bytes of @x; the bytes before them are 0 or '0'. */
WIRE_INLINE __u64 resp_eight(__u64 x)
{
	x = (x & 0x0f0f0f0f0f0f0f0fULL) * 2561 >> 8;
	x = (x & 0x00ff00ff00ff00ffULL) * 6553601 >> 16;
	return (x & 0x0000ffff0000ffffULL) * 42949672960001ULL >> 32;
}

/* How many of the bytes of @x are digits before the first that is not. */
WIRE_INLINE __u32 resp_digits(__u64 x)
{
	__u64 t;

	x ^= 0x3030303030303030ULL;
	t = (((x & ~RESP_HIGHS) + 0x7676767676767676ULL) | x) & RESP_HIGHS;
	return t ? resp_first(t) : 8;
}

/* `-1` and CRLF at @p: the same results as resp_number(). */
WIRE_INLINE __u32 resp_minus(const struct wire_win *w, __u32 p, struct wire_step *s)
{
	if (W(w, p) != '-')
		return RESP_BAD;
	if (p + 4 > s->len)
		return RESP_MORE;
	s->ttl = RESP_NIL;
	return RESP_AT(__u32, w, p) == 0x0a0d312d ? p + 4 : RESP_BAD;	/* -1\r\n */
}

/*
 * Read the decimal number at @p and the CRLF behind it. Canonical numbers of
 * up to 16 digits, and -1 (RESP_NIL): what redis-server reads, and less.
 * Returns the position behind the CRLF, RESP_MORE or RESP_BAD; the number is
 * left in s->ttl, which is nobody's until a message is done.
 */
WIRE_INLINE __u32 resp_digits_at(const struct wire_win *w, __u32 p, struct wire_step *s)
{
	__u64 a = RESP_AT(__u64, w, p), b;
	__u32 n = resp_digits(a), scale = 1;

	if (n == 8) {
		b = RESP_AT(__u64, w, p + 8);
		n = resp_digits(b);
		if (n & 1)
			scale *= 10;
		if (n & 2)
			scale *= 100;
		if (n & 4)
			scale *= 10000;
		if (n & 8)
			scale *= 100000000;
		b = n ? resp_eight(b << (64 - 8 * n)) : 0;
		s->ttl = resp_eight(a) * scale + b;
		n += 8;
	} else {
		s->ttl = n ? resp_eight(a << (64 - 8 * n)) : 0;
	}
	if (p + n >= s->len)
		return RESP_MORE;
	if (!n)
		return resp_minus(w, p, s);
	if (W(w, p + n) != '\r' || (n > 1 && (a & 0xff) == '0'))
		return RESP_BAD;
	if (p + n + 2 > s->len)
		return RESP_MORE;
	return W(w, p + n + 1) == '\n' ? p + n + 2 : RESP_BAD;
}

/* The same, out of line: for where it would be verified many times over. */
RESP_PART __u32 resp_number(const struct wire_win *w, __u32 p, struct wire_step *s)
{
	return w && s ? resp_digits_at(w, p, s) : RESP_BAD;
}

/* Pack the @n (at most RESP_NAME_MAX) bytes at @p, which lie in the window, as they are. */
WIRE_INLINE void resp_pack(const struct wire_win *w, __u32 p, __u32 n, struct resp_word *o)
{
	o->w[0] = resp_low(RESP_AT(__u64, w, p), n);
	o->w[1] = resp_low(RESP_AT(__u64, w, p + 8), n > 8 ? n - 8 : 0);
	o->w[2] = resp_low(RESP_AT(__u64, w, p + 16), n > 16 ? n - 16 : 0);
}

/* The same, in upper case. */
WIRE_INLINE void resp_word(const struct wire_win *w, __u32 p, __u32 n, struct resp_word *o)
{
	resp_pack(w, p, n, o);
	o->w[0] = resp_upper(o->w[0]);
	o->w[1] = resp_upper(o->w[1]);
	o->w[2] = resp_upper(o->w[2]);
}

/* @o up to its first NUL: the server compares options as C strings. */
WIRE_INLINE void resp_cut(struct resp_word *o)
{
	__u64 keep = ~(__u64)0;

	for (__u32 i = 0; i < 3; i++) {
		__u64 t = resp_equal(o->w[i], 0);

		/* Down to the byte's lowest bit, less one: the bits of all bytes before it. */
		o->w[i] &= keep & (t ? ((t & -t) >> 7) - 1 : keep);
		keep = t ? 0 : keep;
	}
}

/* Position of the first byte like those of @pattern in @words words from @p; RESP_BAD: none. */
WIRE_INLINE __u32 resp_find(const struct wire_win *w, __u32 p, __u32 words, __u64 pattern)
{
	for (__u32 i = 0; i < words; i++) {
		__u64 t = resp_equal(RESP_AT(__u64, w, p + 8 * i), pattern);

		if (t)
			return p + 8 * i + resp_first(t);
	}
	return RESP_BAD;
}

#define RESP_LINE_WORDS	(PD_TOKEN_MAX / 8)

/* Position behind the newline at or after @p; RESP_MORE: none in PD_TOKEN_MAX bytes, or yet. */
RESP_PART __u32 resp_line(const struct wire_win *w, __u32 p, __u32 len)
{
	__u32 end;

	if (!w)
		return RESP_MORE;
	end = resp_find(w, p, RESP_LINE_WORDS, '\n' * RESP_ONES);
	return end >= len ? RESP_MORE : end + 1;
}

#endif
