/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies of RESP2 and RESP3. An aggregate adds its elements to one counter,
 * st->left: that is all the nesting there is. st->code is one more than the
 * kind of the reply, once its first element that is no attribute is seen.
 */
#ifndef PD_RESP_REPLY_H
#define PD_RESP_REPLY_H

#include "resp_request.h"

#define RESP_REPLY_BULK		0xfffffff0u
#define RESP_REPLY_LEFT		0x7fffffffu

enum resp_reply_phase {
	RESP_REPLY_START = 0,
	RESP_REPLY_BODY,
	RESP_REPLY_LINE,	/* inside a long line */
};

/* Kind of a reply by its type byte, before its length or text is known. */
WIRE_INLINE __u32 resp_kind(const struct wire_win *w, const struct wire_step *s, __u32 p, __u8 type)
{
	if (type == '-' || type == '!')
		return WIRE_KIND_ERROR;
	if (type == '_')
		return WIRE_KIND_NIL;
	/* A subscription is answered out of band: that is its reply. */
	if (type == '>')
		return s->item_cls == PD_CLASS_CONTROL && s->item_code >> 12 == RESP_SUBSCRIBE ?
		       WIRE_KIND_VALUE : WIRE_KIND_PUSH;
	if (type == '+' && p + 9 <= s->len &&
	    RESP_AT(__u64, w, p) == RESP_W1('+', 'Q', 'U', 'E', 'U', 'E', 'D', '\r'))
		return WIRE_KIND_QUEUED;
	return WIRE_KIND_VALUE;
}

WIRE_INLINE int resp_is_line(__u8 type)
{
	return type == '+' || type == '-' || type == ':' || type == ',' || type == '#' ||
	       type == '(' || type == '_';
}

/* A line: all of it, or as much as a token may be. */
WIRE_INLINE int resp_reply_line(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	__u32 p = s->pos, next = resp_line(w, p, s->len);

	if (next != RESP_MORE) {
		/* A later part of a long line begins with the CR at the latest. */
		if (next - p < 2 || W(w, next - 2) != '\r')
			return WIRE_EV_BAD;
		s->pos = next;
		st->phase = RESP_REPLY_BODY;
		return WIRE_EV_NEXT;
	}
	if (s->len - p < PD_TOKEN_MAX)
		return WIRE_EV_MORE;
	/* Leave one byte: it may be the CR. */
	s->pos = p + PD_TOKEN_MAX - 1;
	st->phase = RESP_REPLY_LINE;
	return WIRE_EV_NEXT;
}

/* The number behind the type byte at s->pos: a length or a count of elements. */
WIRE_INLINE int resp_reply_sized(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
				 __u8 type)
{
	__u32 p = resp_number(w, s->pos + 1, s);
	__u64 n = s->ttl;

	if (p == RESP_MORE)
		return WIRE_EV_MORE;
	if (p == RESP_BAD)
		return WIRE_EV_BAD;
	s->pos = p;
	if (n == RESP_NIL) {
		s->kind = WIRE_KIND_NIL;
		return type == '$' || type == '*' ? WIRE_EV_NEXT : WIRE_EV_BAD;
	}
	if (type == '$' || type == '=' || type == '!') {
		if (n > RESP_REPLY_BULK)
			return WIRE_EV_BAD;
		if (p + n + 2 <= s->len)
			s->pos = p + n + 2;
		else
			st->skip = n + 2;
		return WIRE_EV_NEXT;
	}
	if (n > RESP_REPLY_LEFT)
		return WIRE_EV_BAD;
	if (type == '%' || type == '|')
		n *= 2;
	n += st->left;
	if (n > RESP_REPLY_LEFT)
		return WIRE_EV_BAD;
	st->left = n;
	return WIRE_EV_NEXT;
}

WIRE_INLINE int resp_is_sized(__u8 type)
{
	return type == '$' || type == '*' || type == '%' || type == '~' || type == '>' ||
	       type == '=' || type == '!' || type == '|';
}

WIRE_INLINE int resp_has_parts(const struct wire_step *s)
{
	return s->item_cls == PD_CLASS_READ && s->item_code == RESP_CODE_PARTS;
}

/*
 * An element of the reply to MGET, by its place. What is no string has no
 * entry: MGET says nil where GET would say that the type is wrong. s->ttl is
 * still the length of the element.
 */
WIRE_INLINE int resp_part(struct pd_parse *st, struct wire_step *s, __u8 type, int first)
{
	if (first || !resp_has_parts(s))
		return WIRE_EV_NEXT;
	s->key_off = st->arg;
	s->key_len = 0;
	if (type == '|' || st->arg >= WIRE_PARTS_MAX)
		st->arg = WIRE_PARTS_MAX;
	else
		st->arg++;
	if (type != '$' || s->ttl == RESP_NIL || s->key_off >= WIRE_PARTS_MAX)
		return WIRE_EV_NEXT;
	return WIRE_EV_KEY;
}

/* The reply is complete: say what it was, and clear @st. */
WIRE_INLINE int resp_reply_done(struct pd_parse *st, struct wire_step *s)
{
	s->kind = st->code - 1;
	s->cut = 0;
	st->code = 0;
	st->arg = 0;
	st->phase = RESP_REPLY_START;
	return WIRE_EV_DONE;
}

/* One element, or one part of a long line. */
RESP_PART int resp_element(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	int first = 0, ev = WIRE_EV_BAD;
	__u32 p;
	__u8 type;

	if (!w || !st || !s)
		return WIRE_EV_BAD;
	p = s->pos;
	if (p >= s->len)
		return WIRE_EV_MORE;
	type = st->phase == RESP_REPLY_LINE ? '+' : W(w, p);
	if (st->phase == RESP_REPLY_START)
		st->left = 1;
	/* The reply itself: not what an attribute in front of it holds. */
	if (!st->code && st->left == 1 && type != '|') {
		s->kind = resp_kind(w, s, p, type);
		first = 1;
	}
	if (resp_is_line(type))
		ev = resp_reply_line(w, st, s);
	else if (resp_is_sized(type))
		ev = resp_reply_sized(w, st, s, type);
	if (ev != WIRE_EV_NEXT) {
		if (st->phase == RESP_REPLY_START)
			st->left = 0;
		return ev;
	}
	if (first)
		st->code = s->kind + 1;
	if (st->phase == RESP_REPLY_LINE)
		return WIRE_EV_NEXT;
	st->phase = RESP_REPLY_BODY;
	if (type != '|')
		st->left--;
	ev = resp_part(st, s, type, first);
	return st->left ? ev : ev | resp_reply_done(st, s);
}

WIRE_INLINE int resp_elements(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	for (__u32 i = 0; i < RESP_BURST; i++) {
		int ev = resp_element(w, st, s);

		if (ev == WIRE_EV_MORE && i)
			return WIRE_EV_NEXT;
		/* One part at a time: the engine keeps what one call passes over. */
		if (ev != WIRE_EV_NEXT || st->skip || s->pos >= s->len || resp_has_parts(s))
			return ev;
	}
	return WIRE_EV_NEXT;
}

#endif
