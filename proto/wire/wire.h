/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between a grammar and the engines that run it.
 *
 * A grammar is freestanding C: no libc, no BPF helper, no loop without a
 * constant bound, no byte read except through W(). The same file is compiled
 * into the BPF objects (as global functions, see PD_GRAMMAR in grammar.bpf.c),
 * the daemon, the fuzzers and the tests.
 *
 * The engine shows it one window of a direction's byte stream at a time and
 * calls it once per token (an element head, a command name with what precedes
 * it, a key, a line). It always sees a token from its first byte.
 *
 *	int  X_request(const struct wire_win *w, struct pd_parse *st,
 *		       const struct pd_session *ses, struct wire_step *s);
 *	int  X_reply  (const struct wire_win *w, struct pd_parse *st,
 *		       const struct pd_session *ses, struct wire_step *s);
 *	int  X_settle (struct pd_session *ses, struct wire_step *s);
 *	int  X_emit   (struct wire_emit *e);
 *	int  X_datagram(const struct wire_win *w, struct wire_step *s);
 *
 * request: frames, classifies and finds keys (each grammar splits this into
 *   X_frame, X_classify and X_key). Reads s->pos, s->len; on success sets
 *   s->pos past the token and returns a mask of WIRE_EV_*. Returns
 *   WIRE_EV_MORE (and changes nothing) when the token's end is not in the
 *   window; it must decide when s->len - s->pos >= PD_TOKEN_MAX. Bytes that
 *   need no reading (bulk payloads) are left in st->skip: the engine passes
 *   over them before the next call. WIRE_EV_DONE may come with st->skip set:
 *   everything about the message is known, only payload is left.
 *   At DONE: s->cls, s->flags, s->code (of a control, the grammar's own; of a read
 *   whose kept reply is shared with another command, 1 if its reply is made of
 *   parts, 2 if it is such a part, see PD_PROVEN_*; else 0), s->op (cacheable read)
 *   and, for a write that sets one, s->ttl (PD_CLASS_WRITE_ALL: a flush after it). st
 *   is all zero but for skip after DONE.
 *   With WIRE_EV_KEY: s->key_off/key_len, and s->cls/s->flags already final as
 *   far as words go (WRITE or READ); for a READ, s->op, and s->ident_off/ident_len is the
 *   span of the request that, with s->op, names it completely (it starts with
 *   the key; GET: the key alone). With WIRE_F_HEAD also s->parts: how many keys
 *   the request has, if its reply is made of one kept reply to each (even to a
 *   single one), in their order; 0 if its kept reply is the whole reply.
 * reply: frames one token of a reply. s->item_cls, s->item_code describe the
 *   oldest outstanding request (PD_CLASS_NONE: there is none). At DONE:
 *   s->kind = enum wire_kind, s->cut = bytes at its end that are not part of a
 *   kept reply (memcached's END). With WIRE_EV_KEY: this token and the payload it
 *   leaves in st->skip are the kept reply to one key of a request for several:
 *   the one named by s->key_off/key_len, or, if key_len is 0, the one at place
 *   s->key_off (from 0) of the request.
 * settle: called at the reply to a control (s->item_code, s->kind): what the
 *   server's answer means for the session. Also called with a QUEUED item.
 *   It sets WIRE_EV_* nothing; returns 0.
 * emit: how n kept replies become one reply to one request: e->op, e->nkeys
 *   in; e->head/e->tail out (lengths may be 0). The head goes in front of the
 *   first part (WIRE_F_HEAD, requests with s->parts), the tail behind the last
 *   (WIRE_F_EMIT).
 * datagram: optional (WIRE_F_DATAGRAM): checks the frame that precedes a
 *   message in UDP; s->pos is set past it; WIRE_EV_BAD if it is not the first
 *   and only datagram of its request. The reply reuses the request's frame.
 */
#ifndef PD_WIRE_H
#define PD_WIRE_H

#include "../../maps/stream.h"

#define WIRE_WIN       1024 /* bytes of a window; a power of two */
#define WIRE_KEY_MAX   250  /* longest key that is reported; a longer one is WRITE_ALL or PEEK */
#define WIRE_FRAME     8    /* bytes that X_datagram passes over; sent back as they came */
#define WIRE_PARTS_MAX 4096 /* places of keys that a reply reports are below this */
#define WIRE_REALM_USER 24 /* bits of a realm from here on name the user */
#define WIRE_IDENT_MAX 256  /* longest identity of a cacheable read */

/* b[] has slack behind the window so that 8-byte reads that start inside it stay inside the struct.
 */
struct wire_win {
	__u8 b[WIRE_WIN + 288];
};

enum wire_ev {
	WIRE_EV_NEXT = 0, /* a token was consumed */
	WIRE_EV_KEY = 1,  /* it was a key of the present message */
	WIRE_EV_DONE = 2, /* the message is complete (but for st->skip) */
	WIRE_EV_MORE = 4, /* the token goes on beyond the window */
	WIRE_EV_BAD = 8,  /* not this protocol: framing is lost */
};

/* What a reply is. */
enum wire_kind {
	WIRE_KIND_VALUE = 0, /* data, status or number: the request took effect */
	WIRE_KIND_NIL,	     /* the key is not there */
	WIRE_KIND_ERROR,     /* refused */
	WIRE_KIND_QUEUED,    /* accepted into a transaction */
	WIRE_KIND_PUSH,	     /* out of band: belongs to no request */
	WIRE_KIND_PART,	     /* complete, but more replies to the same request follow */
};

struct wire_step {
	__u32 pos;		/* in: first byte of the token; out: first byte after it */
	__u32 len;		/* in: valid bytes in the window */
	__u8 cls;		/* out: enum pd_class */
	__u8 flags;		/* out: PD_REQ_* */
	__u8 op;		/* out: the cacheable operation; 0 = not cacheable */
	__u8 kind;		/* out (reply): enum wire_kind */
	__u16 code;		/* out: the grammar's own code of a control */
	__u16 cut;		/* out (reply) */
	__u16 key_off, key_len; /* out, with WIRE_EV_KEY: span in the window */
	__u16 ident_off, ident_len;
	__u8 item_cls;	 /* in (reply, settle): enum pd_class */
	__u8 item_flags; /* in (reply, settle): PD_REQ_* */
	__u16 item_code; /* in (reply, settle) */
	__u8 ttl_unit;	 /* out, at DONE of a write: enum wire_ttl */
	__u8 pad;
	__u16 parts; /* out, with WIRE_EV_KEY of a READ, WIRE_F_HEAD only: see request */
	__u64 ttl; /* out: number as sent; see ttl_unit */
};

/* Flags of a row of protocols.def. */
#define WIRE_F_TCP	0x1 /* spoken over TCP */
#define WIRE_F_DATAGRAM 0x2 /* spoken over UDP too: has X_datagram */
#define WIRE_F_PLAIN	0x8 /* a connection has no state that decides replies: realm 0 */
#define WIRE_F_EMIT	0x4 /* a reply is more than its kept parts: has X_emit, uses its tail */
#define WIRE_F_HEAD	0x10 /* replies to several keys begin with something: has X_emit */

enum wire_ttl {
	WIRE_TTL_NONE = 0,
	WIRE_TTL_MS,	/* milliseconds from now */
	WIRE_TTL_AT_MS, /* milliseconds since 1970 */
};

struct wire_emit {
	__u8 op;
	__u8 pad0;
	__u16 nkeys;
	__u16 head_len, tail_len;
	__u8 head[16];
	__u8 tail[8];
};

#ifdef __bpf__
/* Hide a value from the optimiser, so that the mask below stays in the code where 6.1 wants to see
 * it. */
#define WIRE_HIDE(x)                              \
	({                                        \
		__u32 wire_x_ = (x);              \
		asm volatile("" : "+r"(wire_x_)); \
		wire_x_;                          \
	})
#else
#define WIRE_HIDE(x) ((__u32)(x))
#endif
#define W(w, i) ((w)->b[WIRE_HIDE(i) & (WIRE_WIN - 1)])

#define WIRE_INLINE static inline __attribute__((always_inline))

_Static_assert(sizeof(struct wire_step) == 40, "wire_step");
_Static_assert(sizeof(struct wire_emit) == 32, "wire_emit");

#endif
