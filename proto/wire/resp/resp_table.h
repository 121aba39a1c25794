/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command table: from a name to what the command does. */
#ifndef PD_RESP_TABLE_H
#define PD_RESP_TABLE_H

#include "resp_scan.h"

/*
 * What the arguments of a command mean. Those up to RESP_IDLE are also the
 * upper four bits of the code of a control (pd_item.arg): what its reply
 * means. The lower twelve bits are in brackets.
 */
enum resp_style {
	RESP_PLAIN = 0,		/* keys by their place, nothing else to know */
	RESP_SELECT,		/* [database] */
	RESP_AUTH,
	RESP_HELLO,		/* [RESP_HELLO_*] */
	RESP_MULTI,
	RESP_EXEC,
	RESP_DISCARD,
	RESP_WATCH,
	RESP_UNWATCH,
	RESP_RESET,
	RESP_QUIT,
	RESP_SUBSCRIBE,		/* replies come unasked from here on */
	RESP_OPAQUE,		/* the same, and the first one is an ordinary reply */
	RESP_SILENT,		/* it is not answered, nor may be what follows */
	RESP_END,		/* no answers to this connection any more */
	RESP_IDLE,		/* nothing */
	RESP_REPLY,		/* CLIENT REPLY: becomes END, SILENT or OPAQUE */
	RESP_TRACKING,		/* CLIENT TRACKING: becomes END or IDLE */
	RESP_CONTAINER,		/* the next argument names the command */
	RESP_OPTIONS,		/* EX, PX, EXAT, PXAT and a number, anywhere from `scan` on */
	RESP_TTL,		/* argument 2 is a time in unit `aux` */
	RESP_RESTORE,		/* the same, absolute if ABSTTL comes later */
	RESP_PARTS,		/* all arguments are keys; the reply has one element for each */
	RESP_STORE,		/* a read, unless STORE or STOREDIST and a key come */
	RESP_NUMKEYS,		/* argument `aux` counts the keys behind it */
	RESP_STREAMS,		/* half of the arguments behind STREAMS are keys */
};

/* Units of a time to live. */
enum resp_unit {
	RESP_UNIT_NONE = 0,
	RESP_UNIT_S,
	RESP_UNIT_MS,
	RESP_UNIT_AT_S,
	RESP_UNIT_AT_MS,
};

struct resp_row {
	struct resp_word name;
	__s8 arity;		/* words of a request; at least so many if negative */
	__u8 cls;		/* enum pd_class */
	__s8 first, last;	/* arguments that are keys; none if first is 0 */
	__u8 step;
	__u8 style;		/* enum resp_style */
	__u8 scan;		/* first argument to be read; 255 = none */
	__u8 aux;
};
_Static_assert(sizeof(struct resp_row) == 32, "resp_row");

enum resp_id {
	RESP_ID_NONE = 0,	/* no row: a write to everything */
#define COMMAND(id, ...) RESP_ID_##id,
#include "commands.def"
#undef COMMAND
	RESP_ID_MAX,
};

#define RESP_ROWS	512	/* a power of two, so that a masked index needs no check */
_Static_assert(RESP_ID_MAX <= RESP_ROWS, "rows");

static const struct resp_row resp_rows[RESP_ROWS] = {
	[RESP_ID_NONE] = { .cls = PD_CLASS_WRITE_ALL, .step = 1, .scan = 255 },
#define COMMAND(id, w0, w1, w2, arity, cls, first, last, step, style, scan, aux) \
	[RESP_ID_##id] = { { { w0, w1, w2 } }, arity, PD_CLASS_##cls, first, last, step, \
			   RESP_##style, scan, aux },
#include "commands.def"
#undef COMMAND
};

/*
 * The multiplier was searched for: no two rows meet in resp_index. Two that
 * do give a warning that an initialiser is overridden, which is an error.
 */
#define RESP_INDEX	8192
#define RESP_HASH(w0, w1, w2)							\
	((((w0) ^ (w1) * 0x9e3779b97f4a7c15ULL ^ (w2) * 0xc2b2ae3d27d4eb4fULL) *	\
	  0xb99d8ead4d7eca99ULL) >> 51)

static const __u16 resp_index[RESP_INDEX] = {
#define COMMAND(id, w0, w1, w2, ...) [RESP_HASH(w0, w1, w2)] = RESP_ID_##id,
#include "commands.def"
#undef COMMAND
};

WIRE_INLINE const struct resp_row *resp_row(__u32 id)
{
	return &resp_rows[WIRE_HIDE(id) & (RESP_ROWS - 1)];
}

/* The row of a name in upper case; @container: of which command it is a subcommand, or 0. */
WIRE_INLINE __u32 resp_lookup(const struct resp_word *name, __u32 container)
{
	__u64 w2 = name->w[2] | (__u64)container << 56;
	__u32 h = RESP_HASH(name->w[0], name->w[1], w2);
	__u32 id = resp_index[WIRE_HIDE(h) & (RESP_INDEX - 1)];
	const struct resp_row *row = resp_row(id);

	if (row->name.w[0] != name->w[0] || row->name.w[1] != name->w[1] || row->name.w[2] != w2)
		return RESP_ID_NONE;
	return id;
}

#endif
