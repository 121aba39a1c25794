/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The text protocol of memcached 1.6: requests are lines, six of them followed
 * by a data block; replies are lines too, and name themselves by their first
 * word, so that a reply is framed without knowing its request.
 *
 * A line is read as the server reads it: words are separated by blanks only,
 * it ends at '\n' with an optional '\r' before it. What the server takes as
 * well formed is framed exactly. Where one byte decides whether it reads a
 * data block or commands (a malformed storage line, a control byte, a key that
 * is too long), framing is declared lost: WIRE_EV_BAD.
 */
#ifndef PD_WIRE_MEMCACHED_H
#define PD_WIRE_MEMCACHED_H

#include "memcached_request.h"
#include "memcached_reply.h"

/* A log stream follows the answer to watch: nothing on that connection is a reply any more. */
WIRE_INLINE int memcached_settle(struct pd_session *ses, struct wire_step *s)
{
	if (s->item_code == MC_CODE_WATCH && s->kind != WIRE_KIND_ERROR) {
		ses->end = 1;
		ses->opaque = 1;
	}
	return 0;
}

WIRE_INLINE int memcached_emit(struct wire_emit *e)
{
	e->head_len = 0;
	e->tail_len = 5;
	e->tail[0] = 'E';
	e->tail[1] = 'N';
	e->tail[2] = 'D';
	e->tail[3] = '\r';
	e->tail[4] = '\n';
	return 0;
}

/* Request id, sequence number 0, datagrams in total 1, reserved 0: 16 bits each, network order. */
WIRE_INLINE int memcached_datagram(const struct wire_win *w, struct wire_step *s)
{
	if (s->pos + 8 > s->len)
		return WIRE_EV_BAD;
	if (mc_wide(w, s->pos) >> 16 != 1ULL << 24)
		return WIRE_EV_BAD;
	s->pos += 8;
	return 0;
}

#endif
