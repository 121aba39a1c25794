/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words and numbers of a text line, read eight bytes at a time.
 *
 * A loop that ends where the data says leaves the verifier with one state for
 * each length, a choice with one for each outcome. What comes out of them
 * therefore goes through mc_forget(): memory behind a pointer argument holds
 * no known values. It uses s->code and s->ttl, which are set last.
 */
#ifndef PD_WIRE_MEMCACHED_TEXT_H
#define PD_WIRE_MEMCACHED_TEXT_H

#include "../wire.h"

#define MC_ONES		0x0101010101010101ULL
#define MC_TOPS		0x8080808080808080ULL
#define MC_NUMBER_MAX	19	/* digits that always fit into 64 bits */
#define MC_WORD_MAX	24	/* bytes of an argument that are looked at */
#define MC_ARGS_MAX	5
#define MC_FLAGS_MAX	16
#define MC_FLAG_MAX	40	/* bytes of a flag with its token */

/* A word of up to 16 bytes as two numbers. */
#define MC_AT(word, i)	\
	((i) < sizeof(word) - 1 ? (__u64)(word)[(i) < sizeof(word) ? (i) : 0] : 0)
#define MC_HALF(word, i)						\
	(MC_AT(word, i) | MC_AT(word, i + 1) << 8 | MC_AT(word, i + 2) << 16 |	\
	 MC_AT(word, i + 3) << 24 | MC_AT(word, i + 4) << 32 |		\
	 MC_AT(word, i + 5) << 40 | MC_AT(word, i + 6) << 48 | MC_AT(word, i + 7) << 56)
#define MC_LO(word)	MC_HALF(word, 0)
#define MC_HI(word)	MC_HALF(word, 8)

/* What is at a place where a line may end: the bytes of its end, or: */
#define MC_EOL_NONE	3	/* something else */
#define MC_EOL_CUT	4	/* the window ends first */

#define MC_EXPTIME_MAX	0x7fffffffU
#define MC_FLAG(c)	(1ULL << ((c) & 63))

/* Codes of controls and peeks. */
enum mc_code {
	MC_CODE_NONE = 0,
	MC_CODE_WATCH,
	MC_CODE_QUIT,
	MC_CODE_QUIET,	/* quiet mg, ended by mn: answered by any number of replies, then MN */
};

struct mc_num {
	__u64 v;
	__u32 n;		/* bytes of the word; MC_WORD_MAX: or more */
	__u32 ok;		/* it is a decimal number */
	__u32 negative;
};

struct mc_args {
	__u64 v[3];		/* the first three, where they are numbers */
	__u32 n;
	__u32 digits;		/* bit i: argument i is a number */
	__u32 negative;		/* bit i: with a minus */
	__u32 noreply;		/* the last one is "noreply" */
};

struct mc_flags {
	__u64 seen;		/* MC_FLAG() of the first byte of every word */
	__u64 ttl;		/* the smaller of T and N */
	__u32 negative;		/* one of them was negative */
};

WIRE_INLINE __u32 mc_forget(struct wire_step *s, __u32 x)
{
	*(volatile __u16 *)&s->code = x;
	return *(volatile __u16 *)&s->code;
}

WIRE_INLINE __u64 mc_forget64(struct wire_step *s, __u64 x)
{
	volatile __u64 *ttl = &s->ttl;

	*ttl = x;
	x = *ttl;
	*ttl = 0;
	return x;
}

/* Eight bytes at i, the first one lowest. The window's slack holds those beyond its end. */
WIRE_INLINE __u64 mc_wide(const struct wire_win *w, __u32 i)
{
	__u64 v;

#ifdef __bpf__
	typedef __u64 __attribute__((may_alias)) wide;

	v = *(const wide *)(w->b + (WIRE_HIDE(i) & (WIRE_WIN - 1)));
#else
	__builtin_memcpy(&v, w->b + (WIRE_HIDE(i) & (WIRE_WIN - 1)), sizeof(v));
#endif
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* The low n bytes of v. */
WIRE_INLINE __u64 mc_cut(__u64 v, __u32 n)
{
	return n >= 8 ? v : v & ((1ULL << (n * 8 & 63)) - 1);
}

/* The lowest set top bit marks the first byte of v that is zero. */
WIRE_INLINE __u64 mc_zero(__u64 v)
{
	return (v - MC_ONES) & ~v & MC_TOPS;
}

/* The lowest set top bit marks the first byte of v that ends a word: a blank or a control. */
WIRE_INLINE __u64 mc_gap(__u64 v)
{
	return (v - MC_ONES * (' ' + 1)) & ~v & MC_TOPS;
}

/* Index of the byte that the lowest bit of m, not 0, marks. */
WIRE_INLINE __u32 mc_index(__u64 m)
{
	return ((((m & -m) - 1) & MC_ONES) * MC_ONES >> 56) - 1;
}

/* Bytes from pos to the first blank or control; at least max when there is none. */
WIRE_INLINE __u32 mc_word(const struct wire_win *w, struct wire_step *s, __u32 pos, __u32 max)
{
	__u64 m = 0;
	__u32 i;

	for (i = 0; i < max; i += 8) {
		m = mc_gap(mc_wide(w, pos + i));
		if (m)
			break;
	}
	if (m)
		i += mc_index(m);
	return mc_forget(s, i);
}

/* Bytes from pos to the first '\n'; at least max when there is none. */
WIRE_INLINE __u32 mc_line_len(const struct wire_win *w, struct wire_step *s, __u32 pos, __u32 max)
{
	__u64 m = 0;
	__u32 i;

	for (i = 0; i < max; i += 8) {
		m = mc_zero(mc_wide(w, pos + i) ^ MC_ONES * '\n');
		if (m)
			break;
	}
	if (m)
		i += mc_index(m);
	return mc_forget(s, i);
}

/* Blanks at pos, up to 8. */
WIRE_INLINE __u32 mc_blanks(const struct wire_win *w, __u32 pos)
{
	__u64 v = mc_wide(w, pos) ^ MC_ONES * ' ';

	return v ? ((((v & -v) - 1) >> 7 & MC_ONES) * MC_ONES) >> 56 : 8;
}

WIRE_INLINE __u32 mc_at_eol(const struct wire_win *w, const struct wire_step *s, __u32 pos)
{
	if (pos >= s->len)
		return MC_EOL_CUT;
	if (W(w, pos) == '\n')
		return 1;
	if (W(w, pos) != '\r')
		return MC_EOL_NONE;
	if (pos + 1 >= s->len)
		return MC_EOL_CUT;
	return W(w, pos + 1) == '\n' ? 2 : MC_EOL_NONE;
}

/* The keep <= 8 digits before end as a number; *bad gets bits when they are not digits. */
WIRE_INLINE __u64 mc_digits(const struct wire_win *w, __u32 end, __u32 keep, __u64 *bad)
{
	__u64 v = mc_wide(w, end - keep), gone = ~0ULL >> keep * 4 >> keep * 4;

	v = v << (32 - keep * 4) << (32 - keep * 4) | (MC_ONES * '0' & gone);
	*bad |= (v & MC_ONES * 0xf0) ^ MC_ONES * 0x30;
	*bad |= ((v + MC_ONES * 6) & MC_ONES * 0xf0) ^ MC_ONES * 0x30;
	v -= MC_ONES * '0';
	v = v * 10 + (v >> 8);
	return ((v & 0xff000000ffULL) * 0xf424000000064ULL +
		(v >> 16 & 0xff000000ffULL) * 0x271000000001ULL) >> 32;
}

/* The word at pos as a decimal number. */
WIRE_INLINE void mc_number(const struct wire_win *w, struct wire_step *s, __u32 pos,
			   struct mc_num *num)
{
	__u32 negative = mc_forget(s, W(w, pos) == '-');
	__u32 n = mc_word(w, s, pos + negative, MC_WORD_MAX), i, keep;
	__u64 bad = 0, v = 0, scale = 1;

	for (i = 0; i < MC_WORD_MAX; i += 8) {
		keep = n > i ? n - i : 0;
		keep = mc_forget(s, keep > 8 ? 8 : keep);
		v += mc_digits(w, pos + negative + n - i, keep, &bad) * scale;
		scale *= 100000000;
	}
	num->v = v;
	num->n = n + negative;
	num->negative = negative;
	num->ok = mc_forget(s, n > 0 && n <= MC_NUMBER_MAX && !bad);
}

/* The arguments from pos to end. WIRE_EV_BAD when they cannot be told apart. */
WIRE_INLINE int mc_args(const struct wire_win *w, struct wire_step *s, __u32 pos, __u32 end,
			struct mc_args *a)
{
	struct mc_num num;
	__u32 i;

	for (i = 0; i < MC_ARGS_MAX; i++) {
		pos += mc_blanks(w, pos);
		if (pos >= end)
			break;
		mc_number(w, s, pos, &num);
		if (num.n == 0 || num.n >= MC_WORD_MAX)
			return WIRE_EV_BAD;
		if (i < 3)
			a->v[i] = num.v;
		a->digits |= num.ok << i;
		a->negative |= num.negative << i;
		a->noreply = mc_forget(s, mc_cut(mc_wide(w, pos), num.n) == MC_LO("noreply"));
		pos += num.n;
	}
	a->n = mc_forget(s, i);
	a->digits = mc_forget(s, a->digits);
	a->negative = mc_forget(s, a->negative);
	for (i = 0; i < 3; i++)
		a->v[i] = mc_forget64(s, a->v[i]);
	return pos < end ? WIRE_EV_BAD : 0;
}

/* The sooner of the exptime at pos and that in f, 0 = never. */
WIRE_INLINE int mc_sooner(const struct wire_win *w, struct wire_step *s, __u32 pos,
			  struct mc_flags *f)
{
	struct mc_num num;

	mc_number(w, s, pos, &num);
	if (!num.ok || num.v > MC_EXPTIME_MAX)
		return WIRE_EV_BAD;
	f->negative |= num.negative;
	if (!f->ttl || (num.v && num.v < f->ttl))
		f->ttl = num.v;
	f->ttl = mc_forget64(s, f->ttl);
	return 0;
}

/* The flags of a meta command from pos, which is at a blank or at end. 0 or WIRE_EV_BAD. */
WIRE_INLINE int mc_flags(const struct wire_win *w, struct wire_step *s, __u32 pos, __u32 end,
			 struct mc_flags *f)
{
	volatile __u16 *ttl = &s->ident_off, *vivify = &s->ident_len;
	__u64 seen = 0;
	__u32 i, n;

	*ttl = 0;
	*vivify = 0;
	for (i = 0; i < MC_FLAGS_MAX; i++) {
		__u8 c;

		pos += mc_blanks(w, pos);
		if (pos >= end)
			break;
		c = W(w, pos);
		n = mc_word(w, s, pos, MC_FLAG_MAX);
		if (n == 0 || n >= MC_FLAG_MAX)
			return WIRE_EV_BAD;
		seen |= MC_FLAG(c);
		if (c == 'T')
			*ttl = pos + 1;
		if (c == 'N')
			*vivify = pos + 1;
		pos += n;
	}
	if (pos < end)
		return WIRE_EV_BAD;
	f->seen = mc_forget64(s, seen);
	if (*ttl && mc_sooner(w, s, *ttl, f))
		return WIRE_EV_BAD;
	return *vivify ? mc_sooner(w, s, *vivify, f) : 0;
}

/* May the line that ends at end end in the word "noreply"? */
WIRE_INLINE int mc_ends_noreply(const struct wire_win *w, __u32 end)
{
	return W(w, end - 1) == ' ' || mc_wide(w, end - 8) >> 8 == MC_LO("noreply");
}

/* Forget the message: the grammar's own fields, not the engine's. */
WIRE_INLINE void mc_clear(struct pd_parse *st)
{
	st->left = 0;
	st->arg = 0;
	st->row = 0;
	st->cls = 0;
	st->flags = 0;
	st->phase = 0;
	st->sub = 0;
	st->code = 0;
	st->aux = 0;
	st->num = 0;
}

#endif
