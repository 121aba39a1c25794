/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests: arrays of bulk strings, and inline commands.
 *
 * A request's first token is the header of the array and the name in it. After
 * that a token is one argument: of one that is not read, only the header, the
 * rest is skipped. st->arg is the index of the next argument, st->left how
 * many are to come; together they are the number of words of the request.
 *
 * st->sub outlives the request: it says what the requests so far leave the
 * connection in.
 */
#ifndef PD_RESP_REQUEST_H
#define PD_RESP_REQUEST_H

#include "resp_table.h"

#define RESP_WORDS_MAX	(1024 * 1024)		/* redis-server refuses more */
#define RESP_BULK_MAX	(512 * 1024 * 1024)	/* proto-max-bulk-len as it ships */
#define RESP_INLINE_MAX	65536
#define RESP_DB_MAX	4095

#define RESP_SUB_MULTI	0x1	/* inside a transaction, as the requests see it */
#define RESP_SUB_KEY	0x2	/* the present request has reported a key */

enum resp_phase {
	RESP_PHASE_HEAD = 0,
	RESP_PHASE_NAME,	/* the next argument is the name of a subcommand */
	RESP_PHASE_ARGS,
	RESP_PHASE_LINE,	/* inside a long inline command */
};

/* Code of HELLO: the version asked for, and this. */
#define RESP_HELLO_VERSION	0x0f
#define RESP_HELLO_AUTH		0x10
#define RESP_HELLO_ODD		0x20

#define RESP_CODE_PARTS	1	/* code of a read whose reply has an element for each key, */
#define RESP_CODE_WHOLE	2	/* and of the one whose reply is such an element */
#define RESP_OP_GET	1	/* op of both */
#define RESP_CODE(style, param)	((__u16)((style) << 12 | (param)))

/* A user's number, marked as present. 0 is `default`. */
#define RESP_USER_GIVEN	(1ULL << 63)
#define RESP_USER_MASK	0xffffffffffULL
#define RESP_USER_MAX	128	/* longest user name that is read */

#define RESP_W1(a, b, c, d, e, f, g, h)						\
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 |	\
	 (__u64)(e) << 32 | (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* Whether an option (in upper case) is the word of up to eight letters. */
#define RESP_IS(o, ...) RESP_IS_(o, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0, 0)
#define RESP_IS_(o, a, b, c, d, e, f, g, h, ...)				\
	((o)->w[0] == RESP_W1(a, b, c, d, e, f, g, h) && !(o)->w[1])

/* What the class of a row is for this request of @n words. */
WIRE_INLINE __u8 resp_class(const struct resp_row *row, const struct pd_parse *st, __u32 n)
{
	__u8 cls = row->cls;

	/* Refused, or not to be answered from here: nothing to report. */
	if (cls == PD_CLASS_READ &&
	    ((st->sub & RESP_SUB_MULTI) ||
	     (row->arity < 0 ? n < (__u32)-row->arity : n != (__u32)row->arity)))
		cls = PD_CLASS_PEEK;
	return cls;
}

/* Take the row of a name for the request in @st. */
WIRE_INLINE void resp_classify(struct pd_parse *st, __u32 id)
{
	const struct resp_row *row = resp_row(id);

	st->row = id;
	st->cls = resp_class(row, st, st->arg + st->left);
	st->phase = row->style == RESP_CONTAINER ? RESP_PHASE_NAME : RESP_PHASE_ARGS;
	if (st->cls != PD_CLASS_CONTROL)
		return;
	if (row->style == RESP_REPLY)
		st->code = RESP_CODE(RESP_OPAQUE, 0);
	else if (row->style == RESP_TRACKING)
		st->code = RESP_CODE(RESP_END, 0);
	else
		st->code = RESP_CODE(row->style, 0);
}

WIRE_INLINE void resp_ttl(const struct pd_parse *st, struct wire_step *s)
{
	__u64 n = st->num;

	s->ttl_unit = WIRE_TTL_NONE;
	s->ttl = 0;
	if (!n || !st->aux)
		return;
	s->ttl = st->aux == RESP_UNIT_S || st->aux == RESP_UNIT_AT_S ? n * 1000 : n;
	s->ttl_unit = st->aux <= RESP_UNIT_MS ? WIRE_TTL_MS : WIRE_TTL_AT_MS;
}

/* Flags of a control, and what it leaves the following requests in. */
WIRE_INLINE void resp_control(struct pd_parse *st, struct wire_step *s)
{
	__u32 style = st->code >> 12;

	s->code = st->code;
	if (style == RESP_MULTI)
		st->sub |= RESP_SUB_MULTI;
	else if (style == RESP_EXEC || style == RESP_DISCARD || style == RESP_RESET)
		st->sub &= ~RESP_SUB_MULTI;
	if (style == RESP_EXEC || style == RESP_DISCARD || style == RESP_RESET)
		s->flags = PD_REQ_END;
	if (style == RESP_MULTI || style == RESP_WATCH || style == RESP_QUIT)
		s->flags = 0;
	if (style == RESP_SILENT && !(s->flags & PD_REQ_QUEUED))
		s->flags |= PD_REQ_NOREPLY;
	if (style == RESP_AUTH || style == RESP_HELLO)
		s->ttl = st->num;
}

/* The request is complete: say what it was, and clear @st. */
WIRE_INLINE int resp_done(struct pd_parse *st, struct wire_step *s, int ev)
{
	const struct resp_row *row = resp_row(st->row);
	__u8 cls = st->cls;

	/* A write without a key: what it changes is not known. */
	if (cls == PD_CLASS_WRITE && !(st->sub & RESP_SUB_KEY))
		cls = PD_CLASS_WRITE_ALL;
	st->sub &= ~RESP_SUB_KEY;
	s->cls = cls;
	s->flags = st->sub & RESP_SUB_MULTI ? PD_REQ_QUEUED : 0;
	s->op = cls == PD_CLASS_READ ? row->aux : 0;
	s->code = s->op != RESP_OP_GET ? 0 :
		  row->style == RESP_PARTS ? RESP_CODE_PARTS : RESP_CODE_WHOLE;
	s->ttl = 0;
	s->ttl_unit = WIRE_TTL_NONE;
	if (cls == PD_CLASS_CONTROL)
		resp_control(st, s);
	else if (cls == PD_CLASS_WRITE && row->style >= RESP_OPTIONS && row->style <= RESP_RESTORE)
		resp_ttl(st, s); /* with a write to everything it would be a flush to come */
	st->left = 0;
	st->arg = 0;
	st->row = 0;
	st->cls = 0;
	st->flags = 0;
	st->phase = RESP_PHASE_HEAD;
	st->code = 0;
	st->aux = 0;
	st->num = 0;
	return ev | WIRE_EV_DONE;
}

/* Pass over the argument of @len bytes at @p and its CRLF, as far as they are here. */
WIRE_INLINE void resp_pass(struct pd_parse *st, struct wire_step *s, __u32 p, __u32 len)
{
	if (p + len + 2 <= s->len) {
		s->pos = p + len + 2;
	} else {
		s->pos = p;
		st->skip = len + 2;
	}
	st->arg++;
	st->left--;
}

#define RESP_SHORT	RESP_W1('*', 0, '\r', '\n', '$', 0, '\r', '\n')
#define RESP_SHORT_MASK	RESP_W1(0xff, 0, 0xff, 0xff, 0xff, 0, 0xff, 0xff)

/*
 * The beginning of nearly every request: both numbers have one digit, and the
 * name has up to eight letters. Taken in two looks, to the same end as the long
 * way. Returns 0: it is not one of these.
 */
WIRE_INLINE int resp_head_short(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	__u64 x = RESP_AT(__u64, w, s->pos);
	__u32 n = (x >> 8 & 0xff) - '1', len = (x >> 40 & 0xff) - '1', p = s->pos + 8;
	struct resp_word name = {};

	if ((x & RESP_SHORT_MASK) != RESP_SHORT || n > 8 || len > 7 || p + len + 3 > s->len)
		return 0;
	len++;
	if (!W(w, p + len - 1))
		return 0;
	name.w[0] = resp_upper(resp_low(RESP_AT(__u64, w, p), len));
	st->left = n + 1;
	st->arg = 0;
	resp_pass(st, s, p, len);
	resp_classify(st, resp_lookup(&name, 0));
	return 1;
}

/* `*N`, and `$len name` behind it. */
RESP_PART int resp_head(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	__u32 p, len, id = RESP_ID_NONE;
	struct resp_word name;
	__u64 n;

	if (!w || !st || !s)
		return WIRE_EV_BAD;
	if (resp_head_short(w, st, s))
		return st->left ? WIRE_EV_NEXT : resp_done(st, s, 0);
	p = resp_digits_at(w, s->pos + 1, s);
	n = s->ttl;
	if (p == RESP_MORE)
		return WIRE_EV_MORE;
	if (p == RESP_BAD)
		return WIRE_EV_BAD;
	if (!n || n == RESP_NIL) {	/* passed over in silence by the server too */
		s->pos = p;
		return WIRE_EV_NEXT;
	}
	if (n > RESP_WORDS_MAX)
		return WIRE_EV_BAD;
	if (p >= s->len)
		return WIRE_EV_MORE;
	if (W(w, p) != '$')
		return WIRE_EV_BAD;
	p = resp_digits_at(w, p + 1, s);
	if (p == RESP_MORE)
		return WIRE_EV_MORE;
	if (p == RESP_BAD || s->ttl > RESP_BULK_MAX)
		return WIRE_EV_BAD;
	len = s->ttl;
	if (len && len <= RESP_NAME_MAX) {
		if (p + len + 2 > s->len)
			return WIRE_EV_MORE;
		/* A NUL at the end would be lost in packing. */
		if (W(w, p + len - 1)) {
			resp_word(w, p, len, &name);
			id = resp_lookup(&name, 0);
		}
	}
	st->left = n;
	st->arg = 0;
	resp_pass(st, s, p, len);
	resp_classify(st, id);
	return st->left ? WIRE_EV_NEXT : resp_done(st, s, 0);
}

/* The argument that names a subcommand: @len bytes at @p. */
WIRE_INLINE int resp_name(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			  __u32 p, __u32 len)
{
	__u32 id = RESP_ID_NONE;
	struct resp_word name;

	if (len && len <= RESP_NAME_MAX) {
		if (p + len + 2 > s->len)
			return WIRE_EV_MORE;
		if (W(w, p + len - 1)) {
			resp_word(w, p, len, &name);
			id = resp_lookup(&name, resp_row(st->row)->aux);
		}
	}
	resp_pass(st, s, p, len);
	resp_classify(st, id);
	return st->left ? WIRE_EV_NEXT : resp_done(st, s, 0);
}

/* Whether the next argument is a key that is to be reported. */
WIRE_INLINE int resp_is_key(const struct pd_parse *st, const struct resp_row *row)
{
	__u32 i = st->arg, n = i + st->left, first = row->first, last;

	if (st->cls != PD_CLASS_READ && st->cls != PD_CLASS_WRITE)
		return 0;
	if (row->style >= RESP_STORE)
		return st->aux && i >= st->aux && i <= st->num;
	last = row->last < 0 ? n + row->last : (__u32)row->last;
	return first && i >= first && i <= last && !((i - first) & (row->step - 1));
}

/*
 * The rest of a read behind its key at @p, which must lie in the window as a
 * whole: it is part of what names the reply. Returns the position behind it,
 * RESP_MORE, or RESP_BAD if it is too long (or wrong: then the arguments are
 * framed one by one, and tell).
 */
#define RESP_REST_MAX	((WIRE_IDENT_MAX - 1) / 6 + 1)

WIRE_INLINE __u32 resp_rest(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			    __u32 key, __u32 p)
{
	for (__u32 i = 0; i < RESP_REST_MAX; i++) {
		if (i + 1 >= st->left)
			return p;
		if (p - 2 - key > WIRE_IDENT_MAX)
			return RESP_BAD;
		if (p >= s->len)
			return RESP_MORE;
		if (W(w, p) != '$')
			return RESP_BAD;
		p = resp_number(w, p + 1, s);
		if (p == RESP_MORE || p == RESP_BAD)
			return p;
		if (s->ttl > WIRE_IDENT_MAX)
			return RESP_BAD;
		p += (__u32)s->ttl + 2;
	}
	return RESP_BAD;
}

/* A key: @len bytes at @p. */
WIRE_INLINE int resp_key(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			 __u32 p, __u32 len)
{
	__u32 end = p + len + 2;

	if (!len || len > WIRE_KEY_MAX) {
		st->cls = st->cls == PD_CLASS_READ ? PD_CLASS_PEEK : PD_CLASS_WRITE_ALL;
		resp_pass(st, s, p, len);
		return st->left ? WIRE_EV_NEXT : resp_done(st, s, 0);
	}
	if (end > s->len)
		return WIRE_EV_MORE;
	s->parts = resp_row(st->row)->style == RESP_PARTS ? st->arg + st->left - 1 : 0;
	if (st->cls == PD_CLASS_READ && st->left > 1 && !s->parts) {
		end = resp_rest(w, st, s, p, end);
		if (end == RESP_MORE)
			return WIRE_EV_MORE;
		if (end == RESP_BAD || end - 2 - p > WIRE_IDENT_MAX) {
			st->cls = PD_CLASS_PEEK;
			resp_pass(st, s, p, len);
			return WIRE_EV_NEXT;
		}
		if (end > s->len)
			return WIRE_EV_MORE;
		st->arg += st->left - 1;
		st->left = 1;
	}
	s->key_off = p;
	s->key_len = len;
	s->ident_off = p;
	s->ident_len = end - 2 - p;
	s->pos = end;
	st->arg++;
	st->left--;
	st->sub |= RESP_SUB_KEY;
	s->cls = st->cls;
	s->op = st->cls == PD_CLASS_READ ? resp_row(st->row)->aux : 0;
	s->flags = st->sub & RESP_SUB_MULTI ? PD_REQ_QUEUED : 0;
	return st->left ? WIRE_EV_KEY : resp_done(st, s, WIRE_EV_KEY);
}

#endif
