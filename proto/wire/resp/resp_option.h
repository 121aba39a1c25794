/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arguments that decide what a request does: options, times to live, counts of keys, controls. */
#ifndef PD_RESP_OPTION_H
#define PD_RESP_OPTION_H

#include "resp_request.h"

/* The argument of @len bytes at @p, all in the window, as a number: its value, or RESP_NIL. */
WIRE_INLINE __u64 resp_value(const struct wire_win *w, struct wire_step *s, __u32 p, __u32 len)
{
	return resp_number(w, p, s) == p + len + 2 ? s->ttl : RESP_NIL;
}

WIRE_INLINE __u32 resp_unit(const struct resp_word *o)
{
	if (RESP_IS(o, 'E', 'X'))
		return RESP_UNIT_S;
	if (RESP_IS(o, 'P', 'X'))
		return RESP_UNIT_MS;
	if (RESP_IS(o, 'E', 'X', 'A', 'T'))
		return RESP_UNIT_AT_S;
	if (RESP_IS(o, 'P', 'X', 'A', 'T'))
		return RESP_UNIT_AT_MS;
	return RESP_UNIT_NONE;
}

/* A number that is a time in @unit; 0 and what cannot be read is no time. */
WIRE_INLINE void resp_time(struct pd_parse *st, __u64 n, __u32 unit)
{
	st->num = n == RESP_NIL ? 0 : n;
	st->aux = unit;
}

/* st->code: the unit of the number that comes next. */
WIRE_INLINE void resp_options(struct pd_parse *st, const struct resp_word *o, __u64 n)
{
	if (st->code) {
		resp_time(st, n, st->code);
		st->code = 0;
	} else {
		st->code = resp_unit(o);
	}
}

/* Arguments from @first on, @n of them, are keys. */
WIRE_INLINE void resp_keys(struct pd_parse *st, __u32 first, __u64 n)
{
	st->aux = first;
	st->num = first + n - 1;
}

/* st->code: arguments of an option that are still to come. */
WIRE_INLINE void resp_streams(struct pd_parse *st, const struct resp_word *o)
{
	if (st->aux)
		return;
	if (st->code)
		st->code--;
	else if (RESP_IS(o, 'G', 'R', 'O', 'U', 'P'))
		st->code = 2;
	else if (RESP_IS(o, 'C', 'O', 'U', 'N', 'T') || RESP_IS(o, 'B', 'L', 'O', 'C', 'K'))
		st->code = 1;
	else if (RESP_IS(o, 'S', 'T', 'R', 'E', 'A', 'M', 'S') && st->left > 1)
		resp_keys(st, st->arg + 1, st->left / 2);
	else if (!RESP_IS(o, 'N', 'O', 'A', 'C', 'K'))
		st->cls = PD_CLASS_WRITE_ALL;
}

/* st->aux: arguments of an option that are still to come; the first of two is a user. */
WIRE_INLINE void resp_hello(struct pd_parse *st, const struct resp_word *o, __u64 n)
{
	if (st->arg == 1)
		st->code |= n == 2 || n == 3 ? n : RESP_HELLO_ODD;
	else if (st->aux)
		st->aux--;
	else if (RESP_IS(o, 'A', 'U', 'T', 'H')) {
		st->code |= RESP_HELLO_AUTH;
		st->aux = 2;
	} else if (RESP_IS(o, 'S', 'E', 'T', 'N', 'A', 'M', 'E')) {
		st->aux = 1;
	} else {
		st->code |= RESP_HELLO_ODD;
	}
}

WIRE_INLINE void resp_option_control(struct pd_parse *st, const struct resp_word *o,
				     __u32 style, __u64 n)
{
	switch (style) {
	case RESP_SELECT:
		st->code = n <= RESP_DB_MAX ? RESP_CODE(RESP_SELECT, n) : RESP_CODE(RESP_END, 0);
		break;
	case RESP_AUTH:
		/* One argument is the password of `default`. */
		if (st->arg == 1 && st->left == 1)
			st->num = RESP_USER_GIVEN;
		break;
	case RESP_HELLO:
		resp_hello(st, o, n);
		break;
	case RESP_REPLY:
		if (RESP_IS(o, 'O', 'N'))
			st->code = RESP_CODE(RESP_END, 0);
		else if (RESP_IS(o, 'O', 'F', 'F') || RESP_IS(o, 'S', 'K', 'I', 'P'))
			st->code = RESP_CODE(RESP_SILENT, 0);
		break;
	case RESP_TRACKING:
		if (RESP_IS(o, 'B', 'C', 'A', 'S', 'T') || RESP_IS(o, 'O', 'F', 'F'))
			st->code = RESP_CODE(RESP_IDLE, 0);
		break;
	}
}

WIRE_INLINE int resp_is_store(const struct resp_word *o)
{
	return RESP_IS(o, 'S', 'T', 'O', 'R', 'E') ||
	       (o->w[0] == RESP_W1('S', 'T', 'O', 'R', 'E', 'D', 'I', 'S') && o->w[1] == 'T');
}

/* What the option @o, or the number @n it spells, means to the request. */
WIRE_INLINE void resp_option_apply(struct pd_parse *st, const struct resp_word *o,
				   const struct resp_row *row, __u64 n)
{
	switch (row->style) {
	case RESP_OPTIONS:
		resp_options(st, o, n);
		break;
	case RESP_TTL:
		if (st->arg == 2)
			resp_time(st, n, row->aux);
		break;
	case RESP_RESTORE:
		if (st->arg == 2)
			resp_time(st, n, row->aux);
		else if (st->arg > 3 && RESP_IS(o, 'A', 'B', 'S', 'T', 'T', 'L'))
			st->aux = RESP_UNIT_AT_MS;
		break;
	case RESP_STORE:
		if (resp_is_store(o) && st->left > 1) {
			resp_keys(st, st->arg + 1, 1);
			st->cls = PD_CLASS_WRITE;
		}
		break;
	case RESP_NUMKEYS:
		if (st->arg != row->aux)
			break;
		if (n && n <= RESP_WORDS_MAX)
			resp_keys(st, st->arg + 1, n);
		else
			st->cls = PD_CLASS_WRITE_ALL;
		break;
	case RESP_STREAMS:
		resp_streams(st, o);
		break;
	default:
		resp_option_control(st, o, row->style, n);
	}
}

/* Number of a user: the same for the same name, 0 for `default`. */
WIRE_INLINE __u64 resp_user(const struct wire_win *w, __u32 p, __u32 len)
{
	__u64 h = len * RESP_ONES, first = resp_low(RESP_AT(__u64, w, p), len);

	if (len == 7 && first == RESP_W1('d', 'e', 'f', 'a', 'u', 'l', 't', 0))
		return 0;
	for (__u32 i = 0; i < RESP_USER_MAX / 8; i++) {
		if (8 * i >= len)
			break;
		h ^= resp_low(RESP_AT(__u64, w, p + 8 * i), len - 8 * i);
		h *= 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	h &= RESP_USER_MASK;
	return h ? h : 1;
}

/* Whether the next argument is the user of AUTH or HELLO. */
WIRE_INLINE int resp_is_user(const struct pd_parse *st, __u32 style)
{
	if (style == RESP_AUTH)
		return st->arg == 1 && st->left == 2;
	return style == RESP_HELLO && st->arg > 1 && st->aux == 2;
}

/* The user: @len bytes at @p. False: they are not all in the window. */
WIRE_INLINE int resp_take_user(const struct wire_win *w, struct pd_parse *st,
			       const struct wire_step *s, __u32 style, __u32 p, __u32 len)
{
	if (len <= RESP_USER_MAX) {
		if (p + len > s->len)
			return 0;
		st->num = resp_user(w, p, len) | RESP_USER_GIVEN;
	}
	if (style == RESP_HELLO)
		st->aux = 1;
	return 1;
}

/* An argument that is read, though it is no key: @len bytes at @p. */
RESP_PART int resp_option(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			  __u32 p, __u32 len)
{
	__u32 n = len < RESP_NAME_MAX ? len : RESP_NAME_MAX;
	const struct resp_row *row;
	__u64 value = RESP_NIL;
	struct resp_word o;

	if (!w || !st || !s)
		return WIRE_EV_BAD;
	row = resp_row(st->row);
	if (resp_is_user(st, row->style)) {
		if (!resp_take_user(w, st, s, row->style, p, len))
			return WIRE_EV_MORE;
	} else {
		/* Short ones whole: a number has its end. Of long ones what can matter. */
		if (p + n + (n == len ? 2 : 0) > s->len)
			return WIRE_EV_MORE;
		resp_word(w, p, n, &o);
		resp_cut(&o);
		if (n == len)
			value = resp_value(w, s, p, len);
		resp_option_apply(st, &o, row, value);
	}
	resp_pass(st, s, p, len);
	return st->left ? WIRE_EV_NEXT : resp_done(st, s, 0);
}

#endif
