/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inline commands: a line of words. What is typed by hand and sent by probes;
 * lines with quotes or odd bytes are framed, and taken as writes to everything.
 */
#ifndef PD_RESP_INLINE_H
#define PD_RESP_INLINE_H

#include "resp_option.h"

enum resp_text {
	RESP_TEXT_PLAIN = 0,	/* words and single blanks */
	RESP_TEXT_BLANK,	/* nothing: the server does not answer it */
	RESP_TEXT_ODD,
	RESP_TEXT_NUL,		/* the server does not see the end of such a line */
};

/* High bits of the bytes of @v that are neither 9-13 nor 32: something to read. */
WIRE_INLINE __u64 resp_ink(__u64 v)
{
	__u64 seven = v & ~RESP_HIGHS;
	__u64 control = (seven + (0x80 - 9) * RESP_ONES) ^ (seven + (0x80 - 14) * RESP_ONES);
	__u64 other = (seven ^ 0x20 * RESP_ONES) + 0x7f * RESP_ONES;

	return (v | (other & ~control)) & RESP_HIGHS;
}

/* Not 0 if a byte of @v is a quote or less than a blank. */
WIRE_INLINE __u64 resp_odd(__u64 v)
{
	return ((v - 0x20 * RESP_ONES) & ~v & RESP_HIGHS) |
	       resp_equal(v, '"' * RESP_ONES) | resp_equal(v, '\'' * RESP_ONES);
}

/* What kind of line stands at @p and ends before @end (at most PD_TOKEN_MAX bytes). */
RESP_PART int resp_text(const struct wire_win *w, __u32 p, __u32 end)
{
	__u64 ink = 0, odd = 0, nul = 0, v;
	__u8 first;

	if (!w)
		return RESP_TEXT_ODD;
	first = W(w, p);
	for (__u32 i = 0; i < RESP_LINE_WORDS && p + 8 <= end; i++, p += 8) {
		v = RESP_AT(__u64, w, p);
		ink |= resp_ink(v);
		odd |= resp_odd(v);
		nul |= resp_equal(v, 0);
	}
	/* The last few bytes, with blanks behind them. */
	if (p < end) {
		v = resp_low(RESP_AT(__u64, w, p), end - p);
		v |= 0x20 * RESP_ONES << (8 * (end - p));
		ink |= resp_ink(v);
		odd |= resp_odd(v);
		nul |= resp_equal(v, 0);
	}
	if (nul)
		return RESP_TEXT_NUL;
	if (!ink)
		return RESP_TEXT_BLANK;
	return odd || first == ' ' ? RESP_TEXT_ODD : RESP_TEXT_PLAIN;
}

/* Position of the blank behind the word at @p, or @end. */
RESP_PART __u32 resp_blank(const struct wire_win *w, __u32 p, __u32 end)
{
	__u32 q;

	if (!w)
		return end;
	q = resp_find(w, p, RESP_LINE_WORDS, ' ' * RESP_ONES);
	return q > end ? end : q;
}

WIRE_INLINE __u32 resp_inline_id(const struct wire_win *w, __u32 p, __u32 len, __u32 container)
{
	struct resp_word name;

	if (!len || len > RESP_NAME_MAX)
		return RESP_ID_NONE;
	resp_word(w, p, len, &name);
	return resp_lookup(&name, container);
}

/* Controls whose arguments would have to be read: they cost the connection its answers. */
WIRE_INLINE void resp_inline_control(struct pd_parse *st)
{
	__u32 style = resp_row(st->row)->style;

	if (style == RESP_SELECT || style == RESP_AUTH || style == RESP_HELLO)
		st->code = RESP_CODE(RESP_END, 0);
	else if (style == RESP_REPLY)
		st->code = RESP_CODE(RESP_SILENT, 0);
}

/* A line of plain words from @p to @end. */
WIRE_INLINE int resp_inline_words(const struct wire_win *w, struct pd_parse *st,
				  struct wire_step *s, __u32 p, __u32 end)
{
	__u32 q = resp_blank(w, p, end), next = q + 1, len;
	__u32 id = resp_inline_id(w, p, q - p, 0);
	const struct resp_row *row = resp_row(id);
	int ev = 0;

	q = resp_blank(w, next, end);
	len = next < end ? q - next : 0;
	if (row->style == RESP_CONTAINER && len)
		id = resp_inline_id(w, next, len, row->aux);
	resp_classify(st, id);
	resp_inline_control(st);
	row = resp_row(id);
	if (st->cls == PD_CLASS_READ || row->style == RESP_STORE)
		st->cls = row->style == RESP_STORE ? PD_CLASS_WRITE_ALL : PD_CLASS_PEEK;
	if (st->cls == PD_CLASS_WRITE) {
		if (row->first == 1 && row->last == 1 && len && len <= WIRE_KEY_MAX) {
			s->key_off = next;
			s->key_len = len;
			s->ident_off = next;
			s->ident_len = len;
			st->sub |= RESP_SUB_KEY;
			ev = WIRE_EV_KEY;
		} else {
			st->cls = PD_CLASS_WRITE_ALL;
		}
	}
	return resp_done(st, s, ev);
}

RESP_PART int resp_inline(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	__u32 p, next, end;
	int text;

	if (!w || !st || !s)
		return WIRE_EV_BAD;
	p = s->pos;
	next = resp_line(w, p, s->len);
	if (next == RESP_MORE) {
		if (s->len - p < PD_TOKEN_MAX)
			return WIRE_EV_MORE;
		text = resp_text(w, p, p + PD_TOKEN_MAX);
		/* The server would not answer a line that is blank all the way: do not guess. */
		if (text == RESP_TEXT_BLANK || text == RESP_TEXT_NUL)
			return WIRE_EV_BAD;
		s->pos = p + PD_TOKEN_MAX;
		st->phase = RESP_PHASE_LINE;
		st->cls = PD_CLASS_WRITE_ALL;
		st->num = PD_TOKEN_MAX;
		return WIRE_EV_NEXT;
	}
	s->pos = next;
	end = next - 1;
	if (end > p && W(w, end - 1) == '\r')
		end--;
	text = resp_text(w, p, end);
	if (text == RESP_TEXT_NUL)
		return WIRE_EV_BAD;
	if (text == RESP_TEXT_BLANK)
		return WIRE_EV_NEXT;
	if (text == RESP_TEXT_PLAIN)
		return resp_inline_words(w, st, s, p, end);
	st->cls = PD_CLASS_WRITE_ALL;
	return resp_done(st, s, 0);
}

/* The rest of a long line. */
WIRE_INLINE int resp_inline_more(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	__u32 p = s->pos, next = resp_line(w, p, s->len);
	__u32 end = s->len - p < PD_TOKEN_MAX ? s->len : p + PD_TOKEN_MAX;

	if (next != RESP_MORE)
		end = next;
	if (resp_text(w, p, end) == RESP_TEXT_NUL)
		return WIRE_EV_BAD;
	s->pos = end;
	if (next != RESP_MORE)
		return resp_done(st, s, 0);
	st->num += end - p;
	return st->num > RESP_INLINE_MAX ? WIRE_EV_BAD : WIRE_EV_NEXT;
}

#endif
