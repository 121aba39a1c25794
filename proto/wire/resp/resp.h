/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Grammar of RESP, the protocol of Redis: requests as redis-server 7.0 reads
 * them, replies of RESP2 and RESP3. See ../wire.h for the contract.
 *
 *	resp_scan.h	numbers and words	resp_option.h	arguments that decide
 *	resp_table.h	the command table	resp_inline.h	commands typed by hand
 *	resp_request.h	framing, class, keys	resp_reply.h	replies
 *						resp_settle.h	controls
 */
#ifndef PD_RESP_H
#define PD_RESP_H

#include "resp_inline.h"
#include "resp_reply.h"
#include "resp_settle.h"

/* One argument: `$len`, and what of the rest has to be read. */
RESP_PART int resp_frame(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	const struct resp_row *row;
	__u32 p, len;

	if (!w || !st || !s)
		return WIRE_EV_BAD;
	row = resp_row(st->row);
	if (s->pos >= s->len)
		return WIRE_EV_MORE;
	if (W(w, s->pos) != '$')
		return WIRE_EV_BAD;
	p = resp_digits_at(w, s->pos + 1, s);
	if (p == RESP_MORE)
		return WIRE_EV_MORE;
	if (p == RESP_BAD || s->ttl > RESP_BULK_MAX)
		return WIRE_EV_BAD;
	len = s->ttl;
	if (st->phase == RESP_PHASE_NAME)
		return resp_name(w, st, s, p, len);
	if (resp_is_key(st, row))
		return resp_key(w, st, s, p, len);
	if (st->arg >= row->scan)
		return resp_option(w, st, s, p, len);
	resp_pass(st, s, p, len);
	return st->left ? WIRE_EV_NEXT : resp_done(st, s, 0);
}

WIRE_INLINE int resp_request(const struct wire_win *w, struct pd_parse *st,
			     const struct pd_session *ses, struct wire_step *s)
{
	int ev = WIRE_EV_BAD, more = WIRE_EV_MORE;

	(void)ses;
	if (s->pos >= s->len)
		return WIRE_EV_MORE;
	if (st->phase == RESP_PHASE_LINE)
		return resp_inline_more(w, st, s);
	if (st->phase == RESP_PHASE_HEAD) {
		if (W(w, s->pos) != '*')
			return resp_inline(w, st, s);
		ev = resp_head(w, st, s);
		/* Go on if there is more: most requests are one call. */
		if (ev != WIRE_EV_NEXT || st->phase == RESP_PHASE_HEAD || st->skip)
			return ev;
		more = WIRE_EV_NEXT;
	}
	for (__u32 i = 0; i < RESP_BURST; i++) {
		/* Only one key can be reported at a time. */
		if (more == WIRE_EV_KEY && resp_is_key(st, resp_row(st->row)))
			return more;
		ev = resp_frame(w, st, s);
		if (ev == WIRE_EV_MORE)
			return more;
		if (ev == WIRE_EV_BAD)
			return ev;
		if (more == WIRE_EV_KEY)
			ev |= more;
		if ((ev & WIRE_EV_DONE) || st->skip || s->pos >= s->len)
			return ev;
		more = ev;
	}
	return ev;
}

WIRE_INLINE int resp_reply(const struct wire_win *w, struct pd_parse *st,
			   const struct pd_session *ses, struct wire_step *s)
{
	(void)ses;
	return resp_elements(w, st, s);
}

WIRE_INLINE int resp_settle(struct pd_session *ses, struct wire_step *s)
{
	__u32 style = s->item_code >> 12;

	if (s->kind == WIRE_KIND_QUEUED)
		resp_set_queued(ses, s, style);
	else if (s->item_cls == PD_CLASS_CONTROL)
		resp_set_control(ses, s, style);
	ses->block = !!(ses->bits & (RESP_BIT_MULTI | RESP_BIT_WATCH));
	return 0;
}

/* The kept replies of MGET are the elements of an array (`*N`); any other is the whole reply. */
WIRE_INLINE int resp_emit(struct wire_emit *e)
{
	__u32 n = e->nkeys, scale = 10000, at = 1;

	e->head[0] = '*';
	for (__u32 i = 0; i < 5; i++) {
		__u32 digit = n / scale;

		if (digit || at > 1 || scale == 1) {
			e->head[WIRE_HIDE(at) & 7] = '0' + digit % 10;
			at++;
		}
		n -= digit * scale;
		scale /= 10;
	}
	e->head[WIRE_HIDE(at) & 7] = '\r';
	e->head[WIRE_HIDE(at + 1) & 7] = '\n';
	e->head_len = at + 2;
	e->tail_len = 0;
	return 0;
}

#endif
