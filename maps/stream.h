/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Progress through the two byte streams of one connection, as kept in the
 * values of `connections` and `flows`.
 *
 * Every stream byte, request and reply, is interpreted exactly once and in
 * order. A request that has been forwarded leaves one or more items in the
 * ring; a complete reply takes the items of one request off it. The request
 * direction alone writes `req`, `carry`, `tail`, `over*` counts that start
 * with it; the reply direction alone writes `rep`, `head` and `held`. Each
 * direction is claimed by the CPU that works on it.
 */
#ifndef PD_MAPS_STREAM_H
#define PD_MAPS_STREAM_H

#include <linux/types.h>

#define PD_TOKEN_MAX 288 /* longest token a grammar may ask to see whole, bytes */
#define PD_RING	     64	 /* items; a power of two */
#define PD_HELD	     16	 /* slots held by queued commands of a transaction */

/* What a request does (decided by the grammar's command table). */
enum pd_class {
	PD_CLASS_NONE = 0,
	PD_CLASS_READ,	    /* cacheable read; its keys are reported */
	PD_CLASS_PEEK,	    /* changes nothing, is not cached */
	PD_CLASS_WRITE,	    /* changes the keys reported, and nothing else */
	PD_CLASS_WRITE_ALL, /* may change anything */
	PD_CLASS_CONTROL,   /* changes the state of the connection */
	PD_CLASS_MAX,
};

/* Flags of a request, kept in its item. */
#define PD_REQ_NOREPLY 0x01 /* the server will not answer it */
#define PD_REQ_CHAIN   0x02 /* the next item belongs to the same request */
#define PD_REQ_FILL    0x04 /* its reply may be kept: see struct pd_fill */
#define PD_REQ_QUEUED  0x08 /* sent inside a transaction: takes effect later */
#define PD_REQ_END     0x10 /* ends a transaction: everything held takes effect */
#define PD_REQ_ALL     0x20 /* in flight in the service word, not in a slot */
#define PD_REQ_READ    0x80 /* a cacheable read: its answer proves that the server lets it pass */
#define PD_REQ_SLOT    0x40 /* in flight in slot `arg` */

/* One outstanding request, or one further slot of it. */
struct pd_item {
	__u8 cls;   /* enum pd_class */
	__u8 flags; /* PD_REQ_* */
	__u16 arg;  /* slot of a write; the grammar's own code of a control */
};

/* Where one direction stands inside its present message. Zero = at a message boundary. */
struct pd_parse {
	__u32 skip;  /* payload bytes still to pass over unread */
	__u32 left;  /* elements still to come; the grammar's own count */
	__u32 arg;   /* index of the next element; the grammar's own */
	__u16 row;   /* row of the command table; the grammar's own */
	__u8 cls;    /* enum pd_class of the message being parsed */
	__u8 flags;  /* PD_REQ_* of the message being parsed */
	__u8 phase;  /* the grammar's own; 0 at a message boundary */
	__u8 sub;    /* the grammar's own; the only field that outlives a message */
	__u16 code;  /* the grammar's own: goes into pd_item.arg of a control */
	__u32 aux;   /* the grammar's own */
	__u64 num;   /* the grammar's own */
	__u64 khash; /* the engine's: hash of the last key reported */
	__u16 nkeys; /* the engine's: keys reported so far, and PD_NKEYS_* */
	__u16 slot;  /* the engine's: last slot reported, not yet in the ring */
	__u32 pad;
};

#define PD_NKEYS_SLOT 0x2000 /* `slot` is in flight */
#define PD_NKEYS_ALL  0x4000 /* the message is in flight in the service word */
#define PD_NKEYS_OVER 0x8000 /* the message is beyond the ring */
#define PD_NKEYS      0x0fff

/*
 * What the server has answered on a connection in its present realm. A right to
 * one command is none to another, and rights may be taken away: the bits above
 * the first say which commands that share kept replies were answered, under the
 * version of the service word in pd_flow.proof.
 */
#define PD_PROVEN_READ	0x01 /* a read, whatever it was */
#define PD_PROVEN_PARTS 0x02 /* one whose reply is made of parts */
#define PD_PROVEN_WHOLE 0x04 /* one whose kept reply can be such a part */

/* What the server knows about the connection, as far as replies have proved it. */
struct pd_session {
	__u64 realm; /* what else decides a reply: database, version, user */
	__u64 next;  /* the realm a control in flight asks for */
	__u16 bits;  /* the grammar's own */
	__u8 block;  /* not 0: no answers while it lasts (grammar sets and clears) */
	__u8 end;    /* not 0: no answers any more on this connection */
	__u8 proven; /* PD_PROVEN_* */
	__u8 known;  /* the realm is known (an adopted connection's is not) */
	__u8 opaque; /* replies can no longer be matched to requests */
	__u8 pad;
};

struct pd_stream {
	struct pd_parse req;
	struct pd_parse rep;
	struct pd_session ses;
	__u32 head;	     /* first outstanding item; free-running */
	__u32 tail;	     /* one past the last; free-running */
	__u32 over;	     /* requests beyond the ring; all items are older */
	__u32 over_done;     /* replies counted against `over` */
	__u32 req_busy;	     /* a CPU works on the request direction */
	__u32 rep_busy;	     /* a CPU works on the reply direction */
	__u16 carry_len;     /* bytes in carry */
	__u16 rep_carry_len; /* bytes in rep_carry */
	__u16 nheld;	     /* entries in held */
	__u8 over_word;	     /* requests beyond the ring hold the service word */
	__u8 held_all;	     /* a transaction holds the service word */
	struct pd_item ring[PD_RING];
	__u16 held[PD_HELD];
	__u8 carry[PD_TOKEN_MAX];     /* incomplete token at the end of the last request segment */
	__u8 rep_carry[PD_TOKEN_MAX]; /* the same of the reply direction */
};

_Static_assert(sizeof(struct pd_item) == 4, "pd_item");
_Static_assert(sizeof(struct pd_parse) == 48, "pd_parse");
_Static_assert(sizeof(struct pd_session) == 24, "pd_session");
_Static_assert(sizeof(struct pd_stream) == 48 + 48 + 24 + 24 + 8 + 256 + 32 + 2 * 288, "pd_stream");

#endif
