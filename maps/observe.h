/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watching verdicts as they are given. Who watches, and what, is one object in
 * the memory of the programs (struct pd_observe); what they saw comes out of
 * the ring buffer `observed`. Nothing of it is pinned: it belongs to one load
 * of the programs, and ends by itself when nobody asks for more.
 */
#ifndef PD_MAPS_OBSERVE_H
#define PD_MAPS_OBSERVE_H

#include <linux/types.h>
#include "conn.h"

#define PD_WATCHERS	  4   /* at once */
#define PD_WATCH_PREFIX	  32  /* bytes of a key that a filter may name */
#define PD_WATCH_KEY	  256 /* bytes of a key that are shown; no reported key is longer */
#define PD_OBSERVED_BYTES (512 * 1024)

/* Which program gave a verdict. */
enum pd_hook {
	PD_HOOK_NONE = 0,
	PD_HOOK_CLIENT_REQUEST,
	PD_HOOK_CLIENT_REPLY,
	PD_HOOK_HOME_REQUEST,
	PD_HOOK_HOME_REPLY,
	PD_HOOK_EDGE,
	PD_HOOK_MAX,
};

/*
 * One watcher: what it wants to see, and how much it got. Written by the daemon
 * while its bit in pd_observe.on is 0; `spent`, `sent`, `dropped` and `lost` are
 * counted by the programs, atomically.
 */
struct pd_watcher {
	__u64 services;			     /* bit n: pd_service.id n */
	__u64 verdicts;			     /* bit n: enum pd_verdict_id n */
	__u64 prefix[PD_WATCH_PREFIX / 8];   /* first bytes of the key, zero-padded */
	__u64 mask[PD_WATCH_PREFIX / 8];     /* all ones over the bytes of the prefix */
	__u64 cost;			     /* ns of time that one record uses up; 0 = no limit */
	__u64 burst;			     /* ns of unused time that may be saved up */
	__u64 spent;			     /* boottime ns up to which time is used up */
	__u64 sent;			     /* records */
	__u64 dropped;			     /* records beyond the rate */
	__u64 lost;			     /* records for which the ring had no room */
	__u32 prefix_len;		     /* bytes */
	__u32 keys;			     /* not 0: keys are shown, not only their hashes */
	__u32 tag;			     /* tells its records from those of the one before */
	__u32 pad;
};

struct pd_observe {
	__u32 on;	/* bit n: watcher n looks. The one word that packets pay for */
	__u32 pad[13];	/* to the end of its cache line */
	__u64 until;	/* boottime ns: after that nobody looks any more */
	struct pd_watcher w[PD_WATCHERS];
};

/* Record of the ring buffer `observed`. */
struct pd_observed {
	__u64 when;  /* boottime ns */
	__u64 khash; /* hash of the packet's last key; 0 with key_len 0 */
	struct pd_tuple flow;
	__u32 tag;	/* of the watcher */
	__u16 line;	/* of the source file that gave the verdict */
	__u8 source;	/* enum pd_source_id */
	__u8 watcher;	/* index */
	__u8 service;	/* pd_service.id */
	__u8 verdict;	/* enum pd_verdict_id; 255: `khash` is the key of an entry looked for */
	__u8 hook;	/* enum pd_hook */
	__u8 proto;	/* IPPROTO_TCP or IPPROTO_UDP */
	__u16 key_len;	/* bytes of the key; 0 = the packet had none */
	__u16 pad;
};

#define PD_OBSERVED_WANT 255

/* The same for a watcher that is shown keys. */
struct pd_observed_key {
	struct pd_observed h;
	__u8 key[PD_WATCH_KEY]; /* h.key_len bytes; the others are 0 */
};

enum pd_source_id {
	PD_SOURCE_NONE,
#define SOURCE(id, file) PD_SOURCE_##id,
#include "sources.def"
#undef SOURCE
	PD_SOURCE_MAX,
};

_Static_assert(sizeof(struct pd_watcher) == 144, "pd_watcher");
_Static_assert(sizeof(struct pd_observe) == 64 + PD_WATCHERS * 144, "pd_observe");
_Static_assert(sizeof(struct pd_observed) == 72, "pd_observed");
_Static_assert(PD_SERVICES_MAX <= 64 && PD_VERDICTS_MAX <= 64, "masks");
_Static_assert(PD_SOURCE_MAX <= 255, "sources");

#endif
