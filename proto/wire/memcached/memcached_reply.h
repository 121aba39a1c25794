/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies: lines, of which VALUE and VA are followed by data. A line's first
 * word says whether it is the whole reply, or one of several that END ends.
 */
#ifndef PD_WIRE_MEMCACHED_REPLY_H
#define PD_WIRE_MEMCACHED_REPLY_H

#include "memcached_request.h"

/* What the first word of a reply line says. */
enum mc_word_kind {
	MC_R_OK = 0,		/* the whole reply */
	MC_R_NIL,
	MC_R_ERROR,
	MC_R_MN,
	MC_R_END,		/* ends a reply of several lines */
	MC_R_EN,		/* ends one, or is one */
	MC_R_LIST,		/* a line of a list that END ends */
	MC_R_VALUE,		/* the same, with data */
	MC_R_VA,		/* the whole reply, with data */
};

enum mc_reply_phase {
	MC_R_START = 0,
	MC_R_NEXT,		/* at the start of a further line */
	MC_R_LINE,		/* in a line whose kind is known */
	MC_R_ARGS,		/* after the key of VALUE */
	MC_R_CRLF,		/* after the data of VA */
};

WIRE_INLINE __u32 mc_reply_word(const struct wire_win *w, struct wire_step *s, __u32 pos, __u32 n)
{
	__u64 lo = mc_cut(mc_wide(w, pos), n);
	__u64 hi = n > 8 ? mc_cut(mc_wide(w, pos + 8), n - 8) : 0;
	__u32 kind = MC_R_OK;

	if (lo == MC_LO("VALUE"))
		kind = MC_R_VALUE;
	else if (lo == MC_LO("END"))
		kind = MC_R_END;
	else if (lo == MC_LO("VA"))
		kind = MC_R_VA;
	else if (lo == MC_LO("EN"))
		kind = MC_R_EN;
	else if (lo == MC_LO("MN"))
		kind = MC_R_MN;
	else if (lo == MC_LO("STAT") || lo == MC_LO("ITEM") || lo == MC_LO("PREFIX") ||
		 lo == MC_LO("mg") || (lo & 0xffffffff) == MC_LO("key="))
		kind = MC_R_LIST;
	else if (lo == MC_LO("NF") || (lo == MC_LO("NOT_FOUND") && hi == MC_HI("NOT_FOUND")))
		kind = MC_R_NIL;
	else if ((lo & 0xffffffffff) == MC_LO("ERROR") || lo == MC_LO("CLIENT_ERROR") ||
		 lo == MC_LO("SERVER_ERROR") || lo == MC_LO("NOT_STORED") ||
		 lo == MC_LO("EXISTS") || lo == MC_LO("NS") || lo == MC_LO("EX"))
		kind = MC_R_ERROR;
	return mc_forget(s, kind);
}

/* May a line of this kind stand here? */
WIRE_INLINE int mc_reply_fits(const struct pd_parse *st, const struct wire_step *s, __u32 kind)
{
	if (s->item_cls == PD_CLASS_READ)
		return kind == MC_R_VALUE || kind == MC_R_END ||
		       (kind == MC_R_ERROR && st->phase == MC_R_START);
	if (s->item_cls == PD_CLASS_PEEK && s->item_code == MC_CODE_QUIET)
		return kind != MC_R_VALUE && kind != MC_R_END && kind != MC_R_LIST;
	return st->phase == MC_R_START || kind >= MC_R_END || kind == MC_R_ERROR;
}

WIRE_INLINE int mc_reply_done(struct pd_parse *st, struct wire_step *s, __u32 pos, __u8 kind,
			      __u16 cut)
{
	mc_clear(st);
	s->pos = pos;
	s->kind = kind;
	s->cut = cut;
	return WIRE_EV_DONE;
}

/* A reply to a series of quiet mg goes on until MN. */
WIRE_INLINE int mc_reply_next(struct pd_parse *st, struct wire_step *s, __u32 pos)
{
	st->phase = MC_R_NEXT;
	st->sub = 0;
	st->num = 0;
	s->pos = pos;
	return WIRE_EV_NEXT;
}

/* A line of this kind ends before pos. */
WIRE_INLINE int mc_reply_eol(struct pd_parse *st, struct wire_step *s, __u32 pos, __u32 kind)
{
	int quiet = s->item_cls == PD_CLASS_PEEK && s->item_code == MC_CODE_QUIET;

	if (kind == MC_R_VA) {
		st->skip = st->num;
		st->phase = MC_R_CRLF;
		s->pos = pos;
		return WIRE_EV_NEXT;
	}
	if (kind == MC_R_LIST)
		st->left = 1;
	if (kind == MC_R_LIST || (quiet && kind != MC_R_MN))
		return mc_reply_next(st, s, pos);
	if (kind == MC_R_ERROR)
		return mc_reply_done(st, s, pos, WIRE_KIND_ERROR, 0);
	if (kind == MC_R_NIL || kind == MC_R_EN)
		return mc_reply_done(st, s, pos, WIRE_KIND_NIL, 0);
	return mc_reply_done(st, s, pos, WIRE_KIND_VALUE, 0);
}

/* Passes over a line of this kind from pos on. */
WIRE_INLINE int mc_reply_line(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			      __u32 pos, __u32 kind)
{
	__u32 n = mc_line_len(w, s, pos, 256);

	if (pos + n < s->len && n < 256)
		return mc_reply_eol(st, s, pos + n + 1, kind);
	st->phase = MC_R_LINE;
	st->sub = kind;
	s->pos = pos + n < s->len ? pos + n : s->len;
	return WIRE_EV_NEXT;
}

/* flags, bytes and cas of VALUE from pos to the end of its line. */
WIRE_INLINE int mc_reply_value(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			       __u32 pos)
{
	__u32 n = mc_line_len(w, s, pos, 64), end = pos + n;
	struct mc_args a = {};

	if (end >= s->len)
		return WIRE_EV_MORE;
	if (n < 4 || n >= 64 || W(w, end - 1) != '\r' || mc_args(w, s, pos, end - 1, &a))
		return WIRE_EV_BAD;
	if (a.n > 3 || (a.digits & 3) != 3 || a.negative || a.v[1] > 0x7fffffffU - 2)
		return WIRE_EV_BAD;
	st->left = 1;
	st->skip = a.v[1] + 2;
	return mc_reply_next(st, s, end + 1);
}

WIRE_INLINE int mc_reply_key(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			     __u32 pos)
{
	__u32 avail = s->len - s->pos;
	__u32 n = mc_word(w, s, ++pos, 256);
	int ev;

	if (pos + n >= s->len)
		return avail < PD_TOKEN_MAX ? WIRE_EV_MORE : WIRE_EV_BAD;
	pos += n;
	if (n == 0 || n > WIRE_KEY_MAX || W(w, pos) != ' ')
		return WIRE_EV_BAD;
	ev = mc_reply_value(w, st, s, pos);
	if (ev == WIRE_EV_NEXT) {
		s->key_off = pos - n;
		s->key_len = n;
		return WIRE_EV_KEY;
	}
	if (ev != WIRE_EV_MORE || avail < PD_TOKEN_MAX)
		return ev;
	st->phase = MC_R_ARGS;
	s->pos = pos;
	return WIRE_EV_NEXT;
}

/* The number of bytes of VA, then the rest of its line. */
WIRE_INLINE int mc_reply_va(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			    __u32 pos)
{
	struct mc_num num;

	mc_number(w, s, ++pos, &num);
	if (pos + num.n >= s->len)
		return WIRE_EV_MORE;
	if (!num.ok || num.negative || num.v > 0x7fffffffU - 2)
		return WIRE_EV_BAD;
	st->num = num.v;
	return mc_reply_line(w, st, s, pos + num.n, MC_R_VA);
}

WIRE_INLINE int mc_reply_first(const struct wire_win *w, struct pd_parse *st,
			       struct wire_step *s)
{
	__u32 n = 0, kind = MC_R_OK, pos;
	int ev;

	ev = memcached_frame(w, s, &n);
	if (ev)
		return ev;
	if (n == 0)
		return WIRE_EV_BAD;
	pos = s->pos + n;
	kind = mc_reply_word(w, s, s->pos, n);
	if (!mc_reply_fits(st, s, kind))
		return WIRE_EV_BAD;
	if (kind == MC_R_VALUE)
		return W(w, pos) == ' ' ? mc_reply_key(w, st, s, pos) : WIRE_EV_BAD;
	if (kind == MC_R_VA)
		return W(w, pos) == ' ' ? mc_reply_va(w, st, s, pos) : WIRE_EV_BAD;
	if (kind != MC_R_END)
		return mc_reply_line(w, st, s, pos, kind);
	if (W(w, pos) != '\r')
		return WIRE_EV_BAD;
	return mc_reply_done(st, s, pos + 2, st->left ? WIRE_KIND_VALUE : WIRE_KIND_NIL, 5);
}

WIRE_INLINE int memcached_reply(const struct wire_win *w, struct pd_parse *st,
				const struct pd_session *ses, struct wire_step *s)
{
	(void)ses;
	s->cut = 0;
	if (s->pos >= s->len)
		return WIRE_EV_MORE;
	if (st->phase == MC_R_LINE)
		return mc_reply_line(w, st, s, s->pos, st->sub);
	if (st->phase == MC_R_ARGS)
		return mc_reply_value(w, st, s, s->pos);
	if (st->phase != MC_R_CRLF)
		return mc_reply_first(w, st, s);
	if (s->len - s->pos < 2)
		return WIRE_EV_MORE;
	if (W(w, s->pos) != '\r' || W(w, s->pos + 1) != '\n')
		return WIRE_EV_BAD;
	return mc_reply_eol(st, s, s->pos + 2, MC_R_OK);
}

#endif
