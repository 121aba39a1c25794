/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kept replies. One LRU map per size class; the class is chosen by request + reply bytes. */
#ifndef PD_MAPS_ENTRY_H
#define PD_MAPS_ENTRY_H

#include <linux/types.h>

#define PD_CLASSES 4
#define PD_DATA_S  256
#define PD_DATA_M  640
#define PD_DATA_L  1664
#define PD_DATA_XL 4736

#define PD_REPLY_MAX   4416 /* longest kept reply, bytes, protocol framing included */
#define PD_ANSWER_MAX  8192 /* longest answer made of several kept replies, bytes */
#define PD_FRAMING_MAX 320  /* bytes of protocol around a value of the configured largest size */
#define PD_ASSEMBLIES  256  /* rows of `assemblies`; a power of two */
#define PD_REPLAYS     2048 /* rows of `replays`; a power of two */
#define PD_IDENT_MAX   256  /* longest identity of a request, bytes */

/*
 * Head of an entry. It is followed by the identity of the request (op, then
 * ident_len bytes, zero-padded to a multiple of 8) and the reply. Times are
 * CLOCK_BOOTTIME nanoseconds. An entry is usable only while word and epoch
 * are what the slot and the authority hold, nothing is in flight there, and
 * now < expires. seq is unique per fill: LRU nodes are recycled under readers.
 */
struct pd_entry {
	__u64 seq;
	__u64 word;  /* slot word when the request passed */
	__u64 epoch; /* service word when the request passed */
	__u64 born;  /* when the request passed */
	__u64 expires;
	__u64 realm;
	__u32 csum; /* ones' complement sum of the reply, unfolded, host order of 32-bit words */
	__u16 service;
	__u16 reply_len;
	__u16 ident_len;
	__u8 op;
	__u8 kind;     /* enum wire_kind */
	__u16 key_len; /* the identity starts with the key */
	__u8 part; /* kept from a reply made of parts */
	__u8 pad;
};

#define PD_ENTRY_OF(name, size)    \
	struct name {              \
		struct pd_entry h; \
		__u8 data[size];   \
	}

PD_ENTRY_OF(pd_entry_s, PD_DATA_S);
PD_ENTRY_OF(pd_entry_m, PD_DATA_M);
PD_ENTRY_OF(pd_entry_l, PD_DATA_L);
PD_ENTRY_OF(pd_entry_xl, PD_DATA_XL);

/* Value of `replays`: the bytes of a reply that its client has not confirmed yet. */
struct pd_replay {
	__u64 owner; /* pd_conn.id; 0 = free */
	__u32 len;
	__u32 csum;
	__u8 data[PD_ANSWER_MAX];
};

/* Value of `assemblies`: a reply to be kept that arrives in several segments. */
struct pd_assembly {
	__u64 owner; /* pd_flow.id; 0 = free */
	__u64 since; /* boottime ns of the claim; after 30 s its owner gives up, after 60 s it is
			free */
	__u8 data[2 * PD_REPLY_MAX];
};

/* Value of `ttls`, key = key hash: times to live set over the wire (boottime ns). */
struct pd_ttl {
	__u64 first; /* earliest moment the key may expire */
	__u64 last;  /* latest one known; between the two, and a little later, nothing is kept */
};

_Static_assert(sizeof(struct pd_entry) == 64, "pd_entry");
_Static_assert(sizeof(struct pd_entry_s) == 320, "pd_entry_s");
_Static_assert(sizeof(struct pd_entry_xl) == 4800, "pd_entry_xl");
_Static_assert(sizeof(struct pd_replay) == 16 + PD_ANSWER_MAX, "pd_replay");
_Static_assert(sizeof(struct pd_ttl) == 16, "pd_ttl");

#endif
