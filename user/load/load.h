/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side of panditd, and the only user of libbpf: programs, maps,
 * pins and hooks. Not thread-safe: one thread, the loop's.
 *
 * Life: pd_load_open() takes the lock on the bpffs directory, adopts each
 * pinned map that fits and makes the others anew, loads the programs and pins
 * everything. pd_load_close() closes file descriptors only: maps, programs and
 * hooks stay. pd_load_purge() removes what is pinned.
 *
 *	<bpffs>/v1/maps/NAME		one per row of maps.def; `settings` is pinned last
 *	<bpffs>/v1/progs/NAME		programs of this build
 *	<bpffs>/v1/clsact/IFINDEX	directories: interfaces whose clsact qdisc is ours
 */
#ifndef PD_USER_LOAD_LOAD_H
#define PD_USER_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/observe.h"
#include "user/lib/fault.h"

struct pd_load;

struct pd_load_options {
	const char *bpffs;    /* absolute path, below a bpf file system */
	uint64_t connections; /* rows of `connections` and of `flows` */
	uint64_t memory;      /* bytes for the entries maps together */
	uint64_t max_entries; /* most rows of one entries map */
};

int pd_load_open(const struct pd_load_options *options, struct pd_load **ret, struct pd_fault *f);
void pd_load_close(struct pd_load **load);

/* Remove pins and directories. Hooks must be gone. The lock is kept until pd_load_close(). */
int pd_load_purge(struct pd_load *load, struct pd_fault *f);

/* What the operator should know: maps taken cold, programs the kernel refused. */
const char *const *pd_load_problems(const struct pd_load *load, size_t *ret_n);

/* True if connections and words were made anew although there were some before. */
bool pd_load_was_cold(const struct pd_load *load);

/* True if there were no pins at all: what is there now was made by this call of pd_load_open(). */
bool pd_load_was_fresh(const struct pd_load *load);

/* True if entries and connections of an earlier daemon were taken over. */
bool pd_load_adopted(const struct pd_load *load);

/* True if the table of interfaces was made anew although there were pins: hooks are to be found. */
bool pd_load_lost_interfaces(const struct pd_load *load);

/* Is this program loaded? Optional ones may not be. */
bool pd_load_has(const struct pd_load *load, const char *program);

/* Rows of each entries map for a budget; see pd_load_sizes() in sizes.c for the rule. */
void pd_load_sizes(uint64_t memory, uint64_t max_entries, uint32_t ret_rows[PD_CLASSES]);

/* ---- words and settings -------------------------------------------------- */

/* The authority's home hook was off: what flows know of their connections holds no more. */
void pd_load_renew(struct pd_load *load, uint32_t authority);
/* Forget every entry of an authority: its word + PD_WORD_BUMP, atomically. */
void pd_load_bump_authority(struct pd_load *load, uint32_t authority);
void pd_load_bump_all(struct pd_load *load);

/* Version + 1 of one slot: the entries of the keys in it become unusable. */
void pd_load_bump_slot(struct pd_load *load, uint32_t authority, uint32_t slot);

void pd_load_authority(struct pd_load *load, uint32_t authority, struct pd_authority *ret);
void pd_load_slot(struct pd_load *load, uint32_t authority, uint32_t slot, struct pd_slot *ret);

/* @wall_offset: ns. Returns -errno. */
int pd_load_set_wall_offset(struct pd_load *load, uint64_t wall_offset);
int pd_load_set_answer(struct pd_load *load, bool answer);
void pd_load_settings(const struct pd_load *load, struct pd_settings *ret);

/* Hash of a key, as the data path makes it; its low 16 bits choose the slot. */
uint64_t pd_load_hash(const struct pd_load *load, const void *key, size_t len);

/* ---- rows ---------------------------------------------------------------- */

typedef int (*pd_load_service_fn)(void *arg, const struct pd_endpoint *key,
				  const struct pd_service *value);
int pd_load_services(struct pd_load *load, pd_load_service_fn fn, void *arg);
int pd_load_set_service(struct pd_load *load, const struct pd_endpoint *key,
			const struct pd_service *value);
int pd_load_del_service(struct pd_load *load, const struct pd_endpoint *key);

typedef int (*pd_load_interface_fn)(void *arg, uint32_t ifindex, const struct pd_interface *value);
int pd_load_interfaces(struct pd_load *load, pd_load_interface_fn fn, void *arg);
int pd_load_set_interface(struct pd_load *load, uint32_t ifindex, const struct pd_interface *value);
int pd_load_del_interface(struct pd_load *load, uint32_t ifindex);

typedef int (*pd_load_conn_fn)(void *arg, const struct pd_tuple *key, const struct pd_conn *value);
int pd_load_connections(struct pd_load *load, pd_load_conn_fn fn, void *arg);

/* Sums over the CPUs. @id: of the service; @ret has PD_C_MAX / PD_V_MAX elements. */
int pd_load_counters(struct pd_load *load, uint32_t id, uint64_t *ret);
int pd_load_verdicts(struct pd_load *load, uint32_t id, uint64_t *ret);
/* Add to a counter that the daemon alone writes: @counter PD_C_assisted or PD_C_assist_gaps. */
int pd_load_count(struct pd_load *load, uint32_t id, uint32_t counter, uint64_t n);
/* Start both at zero for a service that takes over @id. */
int pd_load_reset_counts(struct pd_load *load, uint32_t id);

/* Rows now in the entries maps, and in `connections`. Walks the keys: not for every packet. */
uint64_t pd_load_count_entries(struct pd_load *load);
uint64_t pd_load_count_connections(struct pd_load *load);

/* @cls: 0 .. PD_CLASSES-1; @entry is followed by identity and reply. */
typedef int (*pd_load_entry_fn)(void *arg, unsigned int cls, uint64_t key,
				const struct pd_entry *entry);
int pd_load_entries(struct pd_load *load, pd_load_entry_fn fn, void *arg);
extern const char *const pd_load_class_names[PD_CLASSES];

/* ---- events and control programs ----------------------------------------- */

typedef void (*pd_load_event_fn)(void *arg, const struct pd_event *event);
/* A descriptor that becomes readable when events wait; -ENOENT without a ring. */
int pd_load_events_fd(struct pd_load *load, pd_load_event_fn fn, void *arg);
/* Hand the waiting events to the function given before. */
int pd_load_events_consume(struct pd_load *load);

/* ---- watching verdicts --------------------------------------------------- */

/* What a watcher wants to see; see struct pd_watcher. */
struct pd_watch {
	uint64_t services;  /* bit n: pd_service.id n */
	uint64_t verdicts;  /* bit n: enum pd_verdict_id n */
	const void *prefix; /* of the key */
	size_t prefix_len;  /* bytes, at most PD_WATCH_PREFIX */
	bool keys;
	uint32_t rate; /* records a second; 0 = no limit */
};

/* @key: record->key_len bytes, or NULL if the watcher is not shown keys. */
typedef void (*pd_load_observed_fn)(void *arg, const struct pd_observed *record,
				    const uint8_t *key);
/* Who gets the records that pd_load_events_consume() finds. */
void pd_load_on_observed(struct pd_load *load, pd_load_observed_fn fn, void *arg);

/* -EBUSY: there are PD_WATCHERS already; -EINVAL: the prefix is too long. */
int pd_load_watch(struct pd_load *load, const struct pd_watch *want, unsigned int *ret_watcher);
void pd_load_unwatch(struct pd_load *load, unsigned int watcher);

/* The programs stop looking by themselves 5 s after the last call. */
void pd_load_watch_on(struct pd_load *load);

/* Records that were not given, since the watcher began: beyond its rate, or because the ring was
 * full. */
uint64_t pd_load_watch_dropped(const struct pd_load *load, unsigned int watcher);

/* ---- rehearsals ---------------------------------------------------------- */

/*
 * The same programs, loaded once more with maps of their own: packets are
 * tried on them, and nothing of it reaches the attached ones, their maps or the
 * network. Belongs to whoever made it; one thread at a time.
 */
struct pd_rehearsal;

/* @hooks: bit n: enum pd_hook n. Takes about a second; may run on any thread, while others run. */
int pd_rehearsal_new(uint32_t hooks, struct pd_rehearsal **ret, struct pd_fault *f);
void pd_rehearsal_free(struct pd_rehearsal **r);

/* Copy what belongs to no connection: settings, services, interfaces, words, times to live. */
int pd_rehearsal_copy(struct pd_rehearsal *r, struct pd_load *load);

/*
 * Copy what is known of this connection or UDP flow, unless it was copied
 * before. @frame: id of the datagram, network order. Entries are copied when a
 * program looks for them.
 */
int pd_rehearsal_flow(struct pd_rehearsal *r, struct pd_load *load, const struct pd_dgram_key *key);

/* A connection that there is not: established, and the server has answered a read on it. */
struct pd_rehearsed_conn {
	struct pd_tuple flow;
	uint32_t seq, ack; /* next bytes of client and server */
	const struct pd_service *service;
	bool local; /* the home hook of this host follows it */
	bool udp;   /* it is a source that the server has answered */
};
int pd_rehearsal_connect(struct pd_rehearsal *r, const struct pd_rehearsed_conn *c);

enum pd_act {
	PD_ACT_FORWARD,
	PD_ACT_ANSWER,
	PD_ACT_DROP,
};

/**
 * pd_rehearsal_run() - what a program does with a packet.
 * @ifindex: where it arrives; 0 = nowhere in particular
 * @key: its connection, as for pd_rehearsal_flow()
 * @frame, @len: in: the packet. Out: what it became; room for PD_REHEARSAL_ROOM bytes
 * @fn: called for each verdict
 *
 * -EINVAL: the kernel takes no packet of this size.
 */
int pd_rehearsal_run(struct pd_rehearsal *r, struct pd_load *load, enum pd_hook hook,
		     uint32_t ifindex, const struct pd_dgram_key *key, uint8_t *frame, size_t *len,
		     pd_load_observed_fn fn, void *arg, enum pd_act *ret);
#define PD_REHEARSAL_ROOM 16384

/* Is there a service at this endpoint, for the programs? */
bool pd_load_serves(const struct pd_load *load, const struct pd_endpoint *endpoint);

/* Run the sweeps once: rows that are over are marked, those marked before are deleted. */
int pd_load_sweep(struct pd_load *load);

/* ---- hooks --------------------------------------------------------------- */

/*
 * Put the TC programs of @sides (PD_SIDE_CLIENT, PD_SIDE_HOME) on an
 * interface, home first, replacing our own in place. Takes a moment in which
 * both old and new programs may run; never one in which none does.
 */
int pd_load_attach(struct pd_load *load, uint32_t ifindex, const char *ifname, uint32_t sides,
		   struct pd_fault *f);

/* Remove our programs of @sides. Filters of others stay. Absent ones are no error. */
int pd_load_detach(struct pd_load *load, uint32_t ifindex, uint32_t sides, struct pd_fault *f);

/* PD_SIDE_* of which all our TC programs are on the interface now. */
uint32_t pd_load_attached(struct pd_load *load, uint32_t ifindex);

/* PD_SIDE_* of which any program of ours, or of the daemon before, is on the interface now. */
uint32_t pd_load_any_of_ours(const struct pd_load *load, uint32_t ifindex);

/* Does a client hook there answer by other words than those of the maps in use? */
bool pd_load_has_old_words(const struct pd_load *load, uint32_t ifindex);

/* Is the clsact qdisc of this interface ours to remove? */
bool pd_load_clsact_ours(const struct pd_load *load, uint32_t ifindex);

/* Remove the clsact qdisc, which must be empty: the caller has looked (user/net). */
int pd_load_clsact_remove(struct pd_load *load, uint32_t ifindex);

enum pd_xdp_mode {
	PD_XDP_NONE = 0,
	PD_XDP_GENERIC,
	PD_XDP_NATIVE,
};

/* What runs at the XDP hook of an interface. */
struct pd_edge {
	uint32_t prog_id; /* 0 = nothing */
	bool ours;
	bool old_words; /* ours, and answers by other words than those of the maps in use */
	enum pd_xdp_mode mode; /* PD_XDP_NONE also for a program in the device itself */
	char name[16];	       /* of the program */
};
void pd_load_edge(const struct pd_load *load, uint32_t ifindex, struct pd_edge *ret);

/*
 * The edge program. @want PD_XDP_NONE: as it is attached already, else
 * whichever works, native first. Ours is replaced in place, but for a change
 * of mode, which the kernel allows only by way of none. A program of somebody
 * else: -EBUSY, and it stays.
 */
int pd_load_attach_edge(struct pd_load *load, uint32_t ifindex, const char *ifname,
			enum pd_xdp_mode want, enum pd_xdp_mode *ret_mode, struct pd_fault *f);

/* Why the last pd_load_attach_edge() did not come to native: what the driver said; "" = it was not
 * asked. */
const char *pd_load_edge_refusal(const struct pd_load *load);

/* Take the edge program off if it is ours. */
int pd_load_detach_edge(struct pd_load *load, uint32_t ifindex, struct pd_fault *f);

#endif
