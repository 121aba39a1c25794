/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host: everything panditd knows and does on this machine. It owns the
 * loaded programs and maps, the interfaces and the services.
 *
 * Threading: every function is called on the loop thread (the one that runs
 * uv_run). Strings and structs handed to callbacks, and the `const char *` of
 * the structs below, are valid until the callback returns, or until the next
 * call that changes the host; copy what must live longer.
 *
 * Errors: 0 or a negative errno. With a `struct pd_fault *` (may be NULL) the
 * message and the hint are ready to be shown. -ENOENT: no such service,
 * interface or entry; -EEXIST: already there; -EINVAL: bad argument; -EBUSY:
 * the operation is already under way; -ETIMEDOUT: a drain did not end.
 */
#ifndef PD_USER_SERVICE_HOST_H
#define PD_USER_SERVICE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/lib/check.h"
#include "user/lib/fault.h"

struct pd_host;
struct pd_config;
struct uv_loop_s;

/* ---- life cycle (main.c) ------------------------------------------------ */

/**
 * pd_host_new() - lock the pins, load or adopt programs and maps, and apply
 * @config (services, then interfaces).
 *
 * Takes over @config. Interfaces that do not exist are an error here when they
 * are named; in that case nothing stays loaded that was not loaded before.
 */
int pd_host_new(struct pd_config *config, struct uv_loop_s *loop, struct pd_host **ret,
		struct pd_fault *f);

/* Stop timers and close what belongs to this process. Programs, maps and pins stay. NULL-safe. */
void pd_host_free(struct pd_host **host);

/* Apply a new configuration, all or nothing. Takes over @config in any case. */
int pd_host_reload(struct pd_host *host, struct pd_config *config, struct pd_fault *f);

/* Path of the admin socket of the configuration, e.g. /run/pandit/pandit.sock. */
const char *pd_host_socket(const struct pd_host *host);

/* True once everything configured was tried; @host is a struct pd_host. What /healthz says. */
bool pd_host_is_ready(void *host);

/* ---- status ------------------------------------------------------------- */

enum pd_state {
	PD_STATE_STARTING,
	PD_STATE_READY,
	PD_STATE_DEGRADED, /* works, but problems[] is not empty */
};

/* "starting", "ready", "degraded". */
const char *pd_state_name(enum pd_state state);

struct pd_interface_info {
	const char *name;
	const char *side;   /* "client", "home", "client+home", "edge", ... */
	const char *mode;   /* "tc", "tc-peer", "xdp-native", "absent", "draining" */
	const char *reason; /* one line: why this side and this mode */
	uint32_t ifindex;   /* 0 while absent */
	uint32_t mtu;	    /* bytes */
};

struct pd_status {
	const char *node;
	const char *version;
	enum pd_state state;
	const char *const *problems;
	size_t nproblems;
	const struct pd_interface_info *interfaces;
	size_t ninterfaces;
	uint64_t entries;     /* kept replies in all size classes, usable or not; <= 1 s old */
	uint64_t connections; /* rows of the connection table; <= 1 s old */
	uint64_t uptime_ms;
};

/* Fill @st; what it points to is valid until the next call on @host. */
void pd_host_status(struct pd_host *host, struct pd_status *st);

/* ---- services ----------------------------------------------------------- */

struct pd_service_info {
	const char *name;
	const char *protocol;	      /* label of protocols.def: "redis", "memcached" */
	const char *const *addresses; /* "10.1.0.2:6379", "[fd00::2]:6379" */
	size_t naddresses;
	const char *transport;	 /* "tcp", "udp", "tcp+udp" */
	const char *home;	 /* interface that leads to the authority; "" = not on this host */
	const char *consistency; /* "strict", "bounded" */
	const char *acl;	 /* "per-user", "uniform" */
	uint64_t max_age_ms;
	uint32_t max_value; /* bytes */
	uint32_t id;	    /* index into counters and verdicts */
	uint32_t authority; /* index into authorities */
	bool answers;	    /* hits are given now */
	const char *reason; /* why not, if not; else "" */
	const char *assist; /* "off", "connecting", "on", "waiting": see user/assist/assist.h */
	const char *assist_reason; /* why, or the address it is on with */
};

/* What `panditctl add` may say. Zero / NULL = the default of the configuration file. */
struct pd_service_spec {
	const char *name;
	const char *protocol;
	const char *const *addresses;
	size_t naddresses;
	uint32_t transport; /* PD_TRANSPORT_*; 0 = all the protocol has */
	uint64_t max_age_ms;
	uint32_t max_value;
	bool acl_uniform;
	bool home_this; /* an uplink that leads to the address counts as home */
	bool bounded;	/* consistency */
};
#define PD_TRANSPORT_TCP 0x1
#define PD_TRANSPORT_UDP 0x2

/* Returning non-zero ends the iteration, which then returns that value. */
typedef int (*pd_service_fn)(void *arg, const struct pd_service_info *info);
int pd_host_services(struct pd_host *host, pd_service_fn fn, void *arg);

int pd_host_add_service(struct pd_host *host, const struct pd_service_spec *spec,
			struct pd_fault *f);
int pd_host_rm_service(struct pd_host *host, const char *name, struct pd_fault *f);

/* ---- counters ----------------------------------------------------------- */

struct pd_named_count {
	const char *name; /* of the row in counters.def or verdicts.def */
	const char *text; /* of the row */
	const char *kind; /* verdicts: "HIT", "MISS", "PASS", "DROP", "HOME"; counters: "" */
	uint64_t count;
};

struct pd_service_stats {
	const char *name;
	/* The five of `stats --json`. passes = rows of kind PASS and MISS that are not zero. */
	uint64_t hits, misses, fills, invalidations;
	const struct pd_named_count *passes;
	size_t npasses;
	const struct pd_named_count *counters; /* every row of counters.def */
	size_t ncounters;
	const struct pd_named_count *verdicts; /* every row of verdicts.def */
	size_t nverdicts;
};

typedef int (*pd_stats_fn)(void *arg, const struct pd_service_stats *stats);
/* @service: name, or NULL for all. -ENOENT if it is not configured. */
int pd_host_stats(struct pd_host *host, const char *service, pd_stats_fn fn, void *arg);

/* ---- entries ------------------------------------------------------------ */

struct pd_entry_info {
	const char *service;
	const void *key; /* binary */
	size_t key_len;
	const void *ident; /* the whole identity of the request; starts with the key */
	size_t ident_len;
	const void *reply; /* as it goes over the wire */
	size_t reply_len;
	uint64_t realm;
	int32_t db; /* database number if the protocol has one and it is known; else -1 */
	uint8_t op; /* the grammar's own */
	const char *class_name; /* "s", "m", "l", "xl" */
	uint64_t age_ms;	/* since its request passed */
	int64_t left_ms;	/* until it expires; <= 0: expired */
	bool usable;		/* a hit would be given now, as far as the entry goes */
	const char *why;	/* verdict name if not usable: miss_expired, miss_changed, ... */
};

typedef int (*pd_entry_fn)(void *arg, const struct pd_entry_info *info);
/* @limit: most entries to report; 0 = no limit. */
int pd_host_entries(struct pd_host *host, const char *service, size_t limit, pd_entry_fn fn,
		    void *arg, struct pd_fault *f);

/*
 * Every entry of @service with exactly this key; @db: -1 = any. -ENOENT if
 * there is none. Reading does not keep an entry warm.
 */
int pd_host_get(struct pd_host *host, const char *service, const void *key, size_t key_len, int db,
		pd_entry_fn fn, void *arg, struct pd_fault *f);

/* Make entries unusable: those of @key, or all of the service if @key is NULL. */
int pd_host_flush(struct pd_host *host, const char *service, const void *key, size_t key_len,
		  struct pd_fault *f);

/* ---- interfaces --------------------------------------------------------- */

/* @sides: mask of PD_SIDE_* of maps/service.h; 0 = found from the routes. */
int pd_host_attach(struct pd_host *host, const char *ifname, uint32_t sides, struct pd_fault *f);

/*
 * Called once, on the loop thread. @err: 0 or -errno; @f is never NULL. Not
 * called if pd_host_detach() itself failed.
 */
typedef void (*pd_done_fn)(void *arg, int err, const struct pd_fault *f);

/**
 * pd_host_detach() - stop answering, drain, remove our programs.
 * @ifname: NULL = all interfaces; then also every map, pin and directory goes
 * @force: reset connections that still need translation instead of waiting
 * @timeout_ms: how long to wait for them; 0 = the default of 60 s. After that
 *	the interface answers again and @done gets -ETIMEDOUT.
 */
int pd_host_detach(struct pd_host *host, const char *ifname, bool force, uint64_t timeout_ms,
		   pd_done_fn done, void *arg, struct pd_fault *f);

/* Forget @done of a detach under way (its caller has gone); the detach goes on. */
void pd_host_detach_forget(struct pd_host *host, void *arg);

/* ---- watching verdicts --------------------------------------------------- */

/* One verdict as it was given to one packet. What it points to is valid in the callback only. */
struct pd_seen {
	uint64_t time;	     /* ns since 1970 */
	const char *service; /* name; "?" = no longer configured */
	const char *hook;    /* "client request", "home reply", "edge", ... */
	const char *transport; /* "tcp", "udp" */
	const char *client, *server; /* "10.0.1.2:40000"; without ports if they could not be read */
	bool has_key;		     /* the packet had one; of several, the last */
	uint64_t key_hash;
	const void *key; /* NULL = not asked for */
	size_t key_len;
	const char *verdict, *kind, *text; /* of the row in verdicts.def */
	const char *source;		   /* "kern/client.bpf.c" */
	uint32_t line;
};

struct pd_observe_spec {
	const char *const *services; /* names; none = all */
	size_t nservices;
	/* Rows of verdicts.def, or their kinds in any case; "all". None = what requests got. */
	const char *const *verdicts;
	size_t nverdicts;
	const void *prefix; /* of keys */
	size_t prefix_len;
	bool keys;     /* show them */
	uint32_t rate; /* verdicts a second; 0 = the default of 1000 */
};
#define PD_OBSERVE_RATE_MAX 100000

struct pd_observer_fns {
	void (*seen)(void *arg, const struct pd_seen *seen);
	/* After some of them, and once a second. @dropped: left out since the last time. */
	void (*flush)(void *arg, uint64_t dropped);
	/* The programs have gone; the observer is stopped already. */
	void (*over)(void *arg);
};

/* Called on the loop thread until pd_host_unobserve(), which may be called from `flush`. */
int pd_host_observe(struct pd_host *host, const struct pd_observe_spec *spec,
		    const struct pd_observer_fns *fns, void *arg, struct pd_fault *f);
void pd_host_unobserve(struct pd_host *host, void *arg);

/* ---- trying packets out --------------------------------------------------- */

struct pd_blob {
	const void *data;
	size_t len;
};

struct pd_why_spec {
	const struct pd_blob *frames; /* Ethernet */
	size_t nframes;
	const char *service, *text; /* without frames: a request in words */
	const char *transport;	    /* "tcp", "udp"; "" = the first of the service */
	const char *hook;	    /* "client", "home", "edge"; "" = client and home */
	const char *interface;	    /* towards the client; "" = the first attached */
	bool keys;
};

struct pd_fate {
	uint32_t packet;    /* from 1 */
	const char *action; /* "forwarded", "answered", "dropped", "not ours" */
	uint32_t reply_size;
	const char *note;
};

struct pd_why_fns {
	void (*seen)(void *arg, const struct pd_seen *seen);
	/* After the verdicts of a packet. */
	void (*fate)(void *arg, const struct pd_fate *fate);
	/* Once, at the end. @f is never NULL. */
	void (*done)(void *arg, int err, const struct pd_fault *f);
};

/*
 * Try packets on the programs with copies of the maps. Copies @spec. `done` is
 * called later, on the loop thread, unless this fails.
 */
int pd_host_why(struct pd_host *host, const struct pd_why_spec *spec, const struct pd_why_fns *fns,
		void *arg, struct pd_fault *f);
/* Forget `fns` of the one with @arg: its caller has gone. */
void pd_host_why_forget(struct pd_host *host, void *arg);

/* The mask of pd_observe_spec.verdicts. -EINVAL: no such verdict or kind. */
int pd_verdict_mask(const char *const *words, size_t n, uint64_t *ret, struct pd_fault *f);

/* ---- doctor ------------------------------------------------------------- */

/* struct pd_check, pd_check_fn: user/lib/check.h */
int pd_host_doctor(struct pd_host *host, pd_check_fn fn, void *arg);

#endif
