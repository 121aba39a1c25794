/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configured services, the words of their authorities, and the settings of the data path. */
#ifndef PD_MAPS_SERVICE_H
#define PD_MAPS_SERVICE_H

#include <linux/types.h>

#define PD_ABI		   1 /* layout of everything under <bpffs>/v1 */
#define PD_SERVICES_MAX	   64
#define PD_AUTHORITIES_MAX 16
#define PD_SLOTS	   65536 /* slots of one authority */
#define PD_ENDPOINTS_MAX   256
#define PD_INTERFACES_MAX  1024

/*
 * An IP address in network byte order; IPv4 is stored mapped (::ffff:a.b.c.d),
 * so that one key form serves both families.
 */
struct pd_ip {
	__u8 b[16];
};

/* Key of `services`: where clients send requests to. port in network byte order. */
struct pd_endpoint {
	struct pd_ip ip;
	__u16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};

#define PD_SVC_ANSWER	   0x01 /* hits are given; cleared while draining */
#define PD_SVC_ACL_UNIFORM 0x02 /* users share entries */
#define PD_SVC_HOME	   0x04 /* a home hook of this host leads to the authority */
#define PD_SVC_OPEN_UDP	   0x08 /* any UDP source is answered (within its byte budget) */

/*
 * Value of `services`. For every address there is one more row with port 0 and
 * proto 0, for packets whose ports cannot be read: its `authorities` names all
 * that live there, `id` any one service. One service may stand behind several endpoints. */
struct pd_service {
	__u32 id;	   /* 0 .. PD_SERVICES_MAX-1: index into counters and verdicts */
	__u32 authority;   /* 0 .. PD_AUTHORITIES_MAX-1: stripe of slots and service word */
	__u64 max_age;	   /* ns from the request that filled an entry */
	__u64 idle_limit;  /* ns: one request of a connection in this time goes to the server */
	__u32 max_value;   /* bytes: replies longer than this are not kept */
	__u32 udp_budget;  /* bytes per second and source that UDP hits may send */
	__u8 protocol;	   /* id of protocols.def */
	__u8 flags;	   /* PD_SVC_* */
	__u16 generation;  /* raised by each change of the row */
	__u32 authorities; /* in a row with port 0 and proto 0: bit mask of all authorities at this
			      address */
};

/*
 * Word of a slot or of a whole authority: bits 0..23 writes in flight, bits
 * 24..63 version. Changed only by fetch-and-add of the PD_WORD_* amounts.
 */
#define PD_WORD_BEGIN  (((__u64)1 << 24) + 1) /* a write's request: version+1, in flight+1 */
#define PD_WORD_END    (((__u64)1 << 24) - 1) /* its end: version+1, in flight-1 */
#define PD_WORD_BUMP   ((__u64)1 << 24)	      /* version+1 */
#define PD_WORD_FLIGHT 0xffffffULL	      /* mask of writes in flight */

/* Value of `slots`: index authority * PD_SLOTS + low 16 bits of the key hash. */
struct pd_slot {
	__u64 word;
	__u32 until;  /* no fill and no hit before this moment: boottime ns >> 20; see pd_hold() */
	__u8 classes; /* bit n: entries of this slot were filled into size class n */
	__u8 pad;
	__u16 tag; /* of the last request that found no entry; see pd_authority.churn */
};

/* Value of `authorities`: the service word. `slots` and `authorities` are one unit. */
struct pd_authority {
	__u64 word;
	__u64 incarnation; /* differs after every cold start */
	__u64 unknown;	   /* unclassified stretches seen, for status */
	__u64 flush_at;	   /* boottime ns of the next delayed flush; 0 = none */
	__u64 flush_last;  /* and of the last one known */
	__u32 until;	   /* as in struct pd_slot */
	__u32 churn; /* not 0: few of the last fills were ever read; a read is kept when it misses
			twice */
	__u64 fills, hits; /* roughly, and */
	__u64 mark;	   /* the hits at the last look, for churn */
};

#define PD_SIDE_CLIENT 0x01
#define PD_SIDE_HOME   0x02
#define PD_SIDE_EDGE   0x04
#define PD_IF_PEER     0x10 /* veth whose peer is in another namespace: bpf_redirect_peer works */

/* Value of `interfaces`, key = ifindex. */
struct pd_interface {
	__u32 flags;	/* PD_SIDE_*, PD_IF_* */
	__u32 mtu;	/* bytes of an IP packet */
	__u32 xdp_room; /* bytes an XDP program may grow a packet by; 0 = XDP gives no hits */
	__u32 pad;
};

/* Value of `settings`, one row. */
struct pd_settings {
	__u64 seed;	   /* of every key hash; the same on all hosts of a cluster */
	__u64 wall_offset; /* ns: CLOCK_REALTIME - CLOCK_BOOTTIME */
	__u64 grace;	   /* ns: how long a write without an end stays in flight */
	__u64 boot_offset; /* ns: CLOCK_BOOTTIME - CLOCK_MONOTONIC; kept by the sweep */
	__u32 abi;	   /* PD_ABI */
	__u32 answer;	   /* 0: no hits at all (detaching) */
	__u64 seal;	   /* over what does not change while the maps live, and `unit` */
	__u64 unit;	   /* which maps of connections and words belong together; see adopt.c */
};

_Static_assert(sizeof(struct pd_ip) == 16, "pd_ip");
_Static_assert(sizeof(struct pd_endpoint) == 20, "pd_endpoint");
_Static_assert(sizeof(struct pd_service) == 40, "pd_service");
_Static_assert(sizeof(struct pd_slot) == 16, "pd_slot");
_Static_assert(sizeof(struct pd_authority) == 72, "pd_authority");
_Static_assert(sizeof(struct pd_interface) == 16, "pd_interface");
_Static_assert(sizeof(struct pd_settings) == 56, "pd_settings");

#endif
