/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections: `connections` (client hook, translated) and `flows` (home hook, observed). Never
 * LRU. */
#ifndef PD_MAPS_CONN_H
#define PD_MAPS_CONN_H

#include <linux/types.h>
#include "service.h"
#include "entry.h"
#include "stream.h"

/* Key of `connections`, `flows` and `sources`: ports in network byte order. */
struct pd_tuple {
	struct pd_ip client;
	struct pd_ip server;
	__u16 cport;
	__u16 sport;
};

enum pd_conn_state {
	PD_CONN_SYN = 1, /* the client's SYN was seen */
	PD_CONN_LIVE,	 /* the server's SYN-ACK was seen */
	PD_CONN_CLOSED,	 /* both FINs or an exact RST: kept for 60 s */
	PD_CONN_DEAD,	 /* marked by the sweep; deleted next */
};

#define PD_FIN_CLIENT 0x1
#define PD_FIN_SERVER 0x2

#ifdef __bpf__
#define PD_SPIN_LOCK struct bpf_spin_lock lock
#else
#define PD_SPIN_LOCK __u32 lock
#endif

/*
 * Value of `connections`. Sequence numbers: client space is what the client
 * sees, server space what the server sees. In client space the server's
 * stream is longer by sum_m (forged replies), in server space the client's is
 * shorter by sum_n (answered requests). Guarded by `lock`, but for `stream`
 * (see stream.h), `id` and `service`.
 */
struct pd_conn {
	PD_SPIN_LOCK;
	__u32 c_nxt;	    /* next byte expected from the client, client space */
	__u32 s_nxt;	    /* next byte expected from the server, server space */
	__u32 sum_n, sum_m; /* all bytes answered, all bytes forged */
	__u32 n, m;	    /* those of the last hit */
	__u32 cb;	    /* client-space start of the last answered request */
	__u32 bs;	    /* server-space position of the server's stream at the last hit */
	__u32 srv_ack;	    /* highest acknowledgement from the server, server space */
	__u32 cli_ack;	    /* highest acknowledgement forwarded to it, server space */
	__u32 tsval;	    /* last TSval of the server, network order */
	__u32 syn_seq;	    /* of a SYN not yet answered */
	__u16 swin, cwin;   /* last windows, network order, unscaled */
	__u16 pad1;
	__u8 cws;     /* the client's window shift */
	__u8 syn_cws; /* of a SYN not yet answered */
	__u8 state;   /* enum pd_conn_state */
	__u8 fins;    /* PD_FIN_* */
	__u8 unconf;  /* the last forged reply is not confirmed */
	__u8 probe;   /* the server repeated itself: the next ACK must reach it */
	__u8 service;
	__u8 local;    /* the home hook of this host has the same connection in `flows` */
	__u8 gaps;     /* segments of the client beyond c_nxt, in a row */
	__u8 rep_gaps; /* of the server, beyond s_nxt */
	__u32 replay;  /* index into `replays` */
	__u32 pad[2];
	__u64 id;	   /* unique while the maps live; owner tag of a replay */
	__u64 server_data; /* boottime ns of the last new data from the server */
	__u64 forwarded;   /* boottime ns of the last request that went to the server */
	__u64 closed;	   /* boottime ns; 0 = open */
	__u64 seen;	   /* boottime ns of the last packet */
	struct pd_stream stream;
};

enum pd_fill_state {
	PD_FILL_OFF = 0,
	PD_FILL_WAIT, /* waits for its reply */
	PD_FILL_PART, /* its reply is being assembled, its length is not known yet */
	PD_FILL_TAIL, /* `left` bytes of its reply are still to come */
	PD_FILL_MANY, /* each part of its reply is kept under its own key */
};

#define PD_FILL_KEYS  16
#define PD_FILL_NAMES 512 /* bytes of the keys of one read of several */

/* One key of a read of several: its hash (0 = it may not be kept) and the word of its slot. */
struct pd_fill_key {
	__u64 khash;
	__u64 word;
	__u16 at; /* the key itself, in pd_flow.names; only where parts of a reply do not name it */
	__u16 len;
	__u32 pad;
};

/* The one read of a flow whose reply may be kept. */
struct pd_fill {
	__u64 word, epoch; /* as they were when the request passed */
	__u64 born;	   /* boottime ns */
	__u64 realm;
	__u64 khash; /* hash of the key */
	__u64 ehash; /* key of the entry */
	__u16 ident_len, key_len;
	__u8 op;
	__u8 armed; /* enum pd_fill_state */
	__u16 slot;
	__u32 reply_len; /* bytes of the reply assembled so far */
	__u32 left;	 /* bytes still to come, PD_FILL_TAIL */
	__u32 assembly;	 /* index into `assemblies` */
	__u8 kind;	 /* enum wire_kind, PD_FILL_TAIL */
	__u8 pad[3];
	__u8 ident[PD_IDENT_MAX]; /* zero-padded to a multiple of 8 */
	struct pd_fill_key many[PD_FILL_KEYS];
};

/* Can the messages of a flow be told apart? */
enum pd_framing {
	PD_FRAMING_KNOWN = 0,
	PD_FRAMING_LOST,  /* no: every segment is a write to everything */
	PD_FRAMING_TRIAL, /* perhaps: taken up at a quiet point, and still a write to everything */
};

/* Value of `flows`. Nothing is translated here; segments beyond a gap are held back. */
struct pd_flow {
	__u64 id;
	__u64 seen;	    /* boottime ns of the last packet */
	__u64 closed;	    /* boottime ns; 0 = open */
	__u32 c_nxt, s_nxt; /* next byte expected of each direction */
	__u32 syn_seq;	    /* of a SYN not yet answered */
	__u8 state;	    /* enum pd_conn_state */
	__u8 fins;	    /* PD_FIN_* */
	__u8 service;
	__u8 unknown; /* enum pd_framing */
	__u32 authority;
	__u32 srv_ack;	  /* highest acknowledgement from the server */
	__u16 adopt;	  /* exact exchanges since the last quiet point */
	__u8 due;	  /* what it holds in flight is to be let go */
	__u8 incarnation; /* low byte of pd_authority.incarnation when it was met */
	__u32 proof;	  /* low half of the service's version; see PD_PROVEN_* */
	struct pd_stream stream;
	struct pd_fill fill;
	__u8 names[PD_FILL_NAMES + PD_IDENT_MAX]; /* with slack for a copy of the longest key */
};

/* Value of `sources`, key = pd_tuple: UDP flows the server has answered, and their byte budget. */
struct pd_source {
	__u64 seen;   /* boottime ns of the server's last answer */
	__u64 window; /* boottime ns: start of the present second */
	__u64 bytes;  /* sent from the kernel in it */
};

/* Key of `datagrams`: a UDP read on its way to the server. */
struct pd_dgram_key {
	struct pd_tuple flow;
	__u16 frame; /* request id of the frame, network order */
	__u16 pad;
};

struct pd_dgram {
	struct pd_fill fill;
	__u64 seen;   /* boottime ns */
	__u32 copies; /* the request was seen so often: more than one, nothing is kept */
	__u32 cls;    /* enum pd_class */
	__u32 authority;
	__u32 pad;
};

/* Records of the ring buffer `events`. */
enum pd_event_type {
	PD_EVENT_TABLE_FULL = 1, /* a connection could not be tracked */
	PD_EVENT_FRAMING_LOST,	 /* a connection's messages can no longer be told apart */
	PD_EVENT_UNKNOWN,	 /* unclassified traffic to an authority */
};

struct pd_event {
	__u64 when; /* boottime ns */
	__u32 type; /* enum pd_event_type */
	__u32 line; /* of the source file that raised it */
	__u16 service;
	__u16 verdict;
	struct pd_tuple flow;
};

/* Value of `verdicts`, per CPU: index service * PD_VERDICTS_MAX + verdict. */
#define PD_VERDICTS_MAX 64
#define PD_COUNTERS_MAX 32
struct pd_verdict {
	__u64 count;
	__u32 line; /* source line that gave it last */
	__u32 pad;
};

/* Value of `counters`, per CPU: index service * PD_COUNTERS_MAX + counter. */

_Static_assert(sizeof(struct pd_tuple) == 36, "pd_tuple");
_Static_assert(sizeof(struct pd_conn) == 120 + sizeof(struct pd_stream), "pd_conn");
_Static_assert(sizeof(struct pd_fill) == 72 + 256 + PD_FILL_KEYS * 24, "pd_fill");
_Static_assert(sizeof(struct pd_flow) == 56 + sizeof(struct pd_stream) + sizeof(struct pd_fill) +
						 PD_FILL_NAMES + PD_IDENT_MAX,
	       "pd_flow");
_Static_assert(sizeof(struct pd_source) == 24, "pd_source");
_Static_assert(sizeof(struct pd_dgram_key) == 40, "pd_dgram_key");
_Static_assert(sizeof(struct pd_event) == 56, "pd_event");

enum pd_verdict_id {
#define VERDICT(name, kind, text) PD_V_##name,
#include "verdicts.def"
#undef VERDICT
	PD_V_MAX,
};
_Static_assert(PD_V_MAX <= PD_VERDICTS_MAX, "verdicts");

enum pd_counter_id {
#define COUNTER(name, text) PD_C_##name,
#include "counters.def"
#undef COUNTER
	PD_C_MAX,
};
_Static_assert(PD_C_MAX <= PD_COUNTERS_MAX, "counters");

#endif
