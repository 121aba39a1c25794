/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the server's answer to a control means for the session.
 *
 * realm = number of the user << 24 | database << 8 | 1 for RESP3. So a fresh
 * session (the user is `default`, database 0, RESP2) is all zero.
 */
#ifndef PD_RESP_SETTLE_H
#define PD_RESP_SETTLE_H

#include "resp_request.h"

/* Bits of pd_session.bits. */
#define RESP_BIT_MULTI	0x1	/* a transaction is open */
#define RESP_BIT_WATCH	0x2	/* keys are watched */
#define RESP_BIT_LATE	0x4	/* EXEC will change the realm */

#define RESP_REALM_RESP3	0x1ULL
#define RESP_REALM_DB		8
#define RESP_REALM_USER		WIRE_REALM_USER

WIRE_INLINE void resp_end(struct pd_session *ses)
{
	ses->end = 1;
	ses->known = 0;
}

WIRE_INLINE void resp_opaque(struct pd_session *ses)
{
	ses->opaque = 1;
	resp_end(ses);
}

/* Take the user that AUTH or HELLO asked for. */
WIRE_INLINE void resp_set_user(struct pd_session *ses)
{
	__u64 rest = ses->realm & (((__u64)1 << RESP_REALM_USER) - 1);

	if (!(ses->next & RESP_USER_GIVEN))
		resp_end(ses);
	ses->realm = rest | (ses->next & RESP_USER_MASK) << RESP_REALM_USER;
	ses->next = 0;
}

WIRE_INLINE void resp_set_hello(struct pd_session *ses, __u32 code, int refused)
{
	/* Refused for what comes behind AUTH, it has changed the user all the same. */
	if (code & (refused ? RESP_HELLO_AUTH : RESP_HELLO_ODD))
		resp_end(ses);
	if (refused) {
		ses->next = 0;
		return;
	}
	if (code & RESP_HELLO_AUTH)
		resp_set_user(ses);
	if ((code & RESP_HELLO_VERSION) == 3)
		ses->realm |= RESP_REALM_RESP3;
	else if ((code & RESP_HELLO_VERSION) == 2)
		ses->realm &= ~RESP_REALM_RESP3;
}

/* EXEC or DISCARD was answered: the transaction is over, unless it was refused. */
WIRE_INLINE void resp_set_over(struct pd_session *ses, struct wire_step *s, __u32 style)
{
	int open = ses->bits & RESP_BIT_MULTI;

	if (s->kind == WIRE_KIND_ERROR && (style == RESP_DISCARD || !open)) {
		s->item_flags &= ~PD_REQ_END;
		return;
	}
	if (style == RESP_EXEC && s->kind == WIRE_KIND_VALUE && (ses->bits & RESP_BIT_LATE))
		resp_end(ses);
	ses->bits = 0;
}

/* A control that took effect (or was refused, where that matters). */
WIRE_INLINE void resp_set(struct pd_session *ses, struct wire_step *s, __u32 style)
{
	__u64 db = s->item_code & 0xfff;

	switch (style) {
	case RESP_SELECT:
		ses->realm &= ~((__u64)0xffff << RESP_REALM_DB);
		ses->realm |= db << RESP_REALM_DB;
		break;
	case RESP_AUTH:
		resp_set_user(ses);
		break;
	case RESP_MULTI:
		ses->bits |= RESP_BIT_MULTI;
		break;
	case RESP_WATCH:
		ses->bits |= RESP_BIT_WATCH;
		break;
	case RESP_UNWATCH:
		ses->bits &= ~RESP_BIT_WATCH;
		break;
	case RESP_RESET:
		ses->realm = 0;
		ses->next = 0;
		ses->known = 1;
		ses->bits = 0;
		break;
	case RESP_SUBSCRIBE:
	case RESP_OPAQUE:
	case RESP_SILENT:
		resp_opaque(ses);
		break;
	case RESP_END:
		resp_end(ses);
		break;
	}
}

WIRE_INLINE int resp_changes_realm(__u32 style)
{
	return style == RESP_SELECT || style == RESP_AUTH || style == RESP_HELLO ||
	       style == RESP_RESET || style == RESP_END;
}

/* A command was accepted into a transaction, and will be executed by EXEC. */
WIRE_INLINE void resp_set_queued(struct pd_session *ses, const struct wire_step *s, __u32 style)
{
	ses->bits |= RESP_BIT_MULTI;	/* also of a connection that was adopted inside one */
	if (s->item_cls != PD_CLASS_CONTROL)
		return;
	ses->next = 0;
	if (style == RESP_SUBSCRIBE || style == RESP_OPAQUE || style == RESP_SILENT)
		resp_opaque(ses);
	else if (resp_changes_realm(style))
		ses->bits |= RESP_BIT_LATE;
}

WIRE_INLINE void resp_set_control(struct pd_session *ses, struct wire_step *s, __u32 style)
{
	if (resp_changes_realm(style))
		ses->proven = 0;
	if (style == RESP_QUIT)
		resp_end(ses);
	else if (style == RESP_EXEC || style == RESP_DISCARD)
		resp_set_over(ses, s, style);
	else if (style == RESP_HELLO)
		resp_set_hello(ses, s->item_code, s->kind == WIRE_KIND_ERROR);
	else if (s->kind != WIRE_KIND_ERROR)
		resp_set(ses, s, style);
	else if (style == RESP_AUTH)
		ses->next = 0;
	else if (style == RESP_RESET)
		s->item_flags &= ~PD_REQ_END;
}

#endif
