/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared inside user/service by the files that make up the host. Everything
 * belongs to the loop thread.
 *
 * The host is level-triggered: configuration, interfaces and routes are what
 * is wanted, and reconcile() brings the kernel there. Every change (an
 * interface comes or goes, a route moves, a service is added) only asks for
 * another round.
 *
 *	interface:  absent -> attached -> draining -> (gone from the list)
 *	service:    closed (no home hook) <-> answering -> removed -> (row deleted when drained)
 */
#ifndef PD_USER_SERVICE_HOST_IMPL_H
#define PD_USER_SERVICE_HOST_IMPL_H

#include <uv.h>

#include "user/assist/assist.h"
#include "user/lib/cleanup.h"
#include "user/lib/clock.h"
#include "user/lib/log.h"
#include "user/lib/strbuf.h"
#include "user/load/load.h"
#include "user/net/net.h"
#include "user/obs/metrics.h"
#include "user/service/config.h"
#include "user/service/host.h"

#define PD_UPLINKS_MAX 16
#define PD_REASON_LEN  384 /* as in struct pd_fault */

struct pd_svc {
	struct pd_config_service *cfg; /* owned */
	bool added;		       /* by panditctl, not by the file */
	bool placed;		       /* row.id is set */
	bool renew;		       /* its home hook was not there: what flows know is old */
	bool written;		       /* the rows in the kernel are equal to `row` */
	struct pd_service row;	       /* as written to the kernel last */
	uint32_t home_ifindex;	       /* 0 = none */
	char home[IF_NAMESIZE];	       /* "" = none */
	char reason[PD_REASON_LEN];    /* why it does not answer */
	char **addr_text;	       /* naddrs, for pd_service_info */
	struct pd_host *host;
	struct pd_assist *assist;      /* NULL: there is no channel */
	uint64_t assisted, assist_gaps; /* not yet in the counters */
};

/* Rows of a service that is no longer wanted: answered no more, deleted when nothing needs them. */
struct pd_orphan {
	struct pd_endpoint key;
	struct pd_service row;
};

struct pd_iface {
	char name[IF_NAMESIZE];
	uint32_t ifindex; /* 0 = absent */
	uint32_t forced;  /* PD_SIDE_*; 0 = found from the routes */
	uint32_t sides;	  /* PD_SIDE_* that are attached */
	uint32_t mtu;
	bool by_pattern; /* taken by `auto` or a pattern, not by name */
	bool current;	 /* the programs attached are those of this build */
	bool home;	 /* in this round: the route to an authority leads here */
	bool excluded;	 /* detached by panditctl: not taken by a pattern again */
	bool draining;
	bool peer;
	bool veth;
	bool ethernet;
	bool edge_lost; /* somebody took our XDP program off after it was attached */
	enum pd_xdp_mode xdp;
	char mode[24];
	char reason[PD_REASON_LEN];
	struct pd_fault fault; /* why it could not be attached; empty = it could */
};

struct pd_detach {
	char name[IF_NAMESIZE]; /* "" = all */
	bool force;
	bool hush;	   /* nothing is answered anywhere, for the last look */
	bool reset;	   /* forced resets have been sent */
	uint64_t deadline; /* boottime ns */
	pd_done_fn done;
	void *arg;
};

/* Somebody who watches verdicts. */
struct pd_observer {
	struct pd_observer_fns fns;
	void *arg; /* NULL = this place is free */
	uint64_t dropped; /* as told last */
	bool fresh;	  /* there is something to flush */
};

struct pd_host {
	struct pd_config *config;
	struct uv_loop_s *loop;
	struct pd_load *load; /* NULL: nothing loaded (nothing to do, or all detached) */
	struct pd_net *net;
	struct pd_metrics *metrics;
	int lock_fd;	  /* runtime_dir/pandit.lock */
	uint64_t started; /* monotonic ns */
	bool ready;
	bool detached; /* by `detach --all`: attach nothing by itself */

	struct pd_svc **svcs;
	size_t nsvcs;
	struct pd_orphan *orphans;
	size_t norphans;
	struct pd_ip *addr_rows; /* addresses that have a row without a port */
	size_t naddr_rows;
	struct pd_iface **ifaces;
	size_t nifaces;
	struct pd_detach *detach; /* at most one under way */

	uv_timer_t tick, settle, drain;
	uv_poll_t net_poll, wall_poll;
	uv_poll_t *events_poll; /* NULL while nothing is loaded */
	unsigned int handles;	/* open, to be closed; without events_poll */
	bool settle_on;		/* a round is due */
	int wall_fd;		/* fires when the wall clock is set */
	uint64_t wall_offset;	/* ns, as in the settings */

	char **problems; /* present ones, rebuilt by pd_host_status() */
	size_t nproblems;
	char **lasting; /* those that stay: cold maps, notices */
	size_t nlasting;
	struct pd_interface_info *iface_infos;
	char (*iface_sides)[32];
	uint64_t counted; /* monotonic ns of the counts below; 0 = never */
	uint64_t entries, connections;

	struct pd_ratelimit event_limits[4];
	struct pd_why *whys;	   /* under way */
	struct pd_observer observers[PD_WATCHERS]; /* by the number of the watcher */
};

int pd_host_load(struct pd_host *h, struct pd_fault *f);
void pd_host_unload(struct pd_host *h);
__attribute__((format(printf, 2, 3))) void pd_host_lasting(struct pd_host *h, const char *fmt, ...);

/* services.c */
struct pd_svc *pd_svc_find(struct pd_host *h, const char *name);
int pd_svc_new(struct pd_host *h, struct pd_config_service *cfg, bool added, struct pd_fault *f);
void pd_svc_drop(struct pd_host *h, size_t i);
void pd_svc_free_all(struct pd_host *h);
/* The maps have gone: no service has a row any more. */
void pd_svcs_unplace(struct pd_host *h);
/* Take over the rows of an earlier daemon and place every service. */
int pd_svcs_adopt(struct pd_host *h, struct pd_fault *f);
/* Write the row of a service with these flags; bumps the words where a change asks for it. */
int pd_svc_write(struct pd_host *h, struct pd_svc *s, uint8_t flags, struct pd_fault *f);
/* Delete rows of removed services that no translated connection needs any more. */
void pd_orphans_sweep(struct pd_host *h);
/* Make the services equal to those of @config (and those added at run time). */
int pd_svcs_apply(struct pd_host *h, struct pd_config *config, struct pd_fault *f);

/* assist.c: what the servers themselves tell of changes */
/* Open and close channels: there is one for each service that answers and may have one. */
void pd_svcs_assist(struct pd_host *h);
/* Does @b leave the channel that @a made as it is? */
bool pd_svc_assist_same(const struct pd_config_service *a, const struct pd_config_service *b);
/* Add what was told since the last call to the counters. */
void pd_svcs_assist_count(struct pd_host *h);
/* The state of a service's channel, and why it is that or "". */
const char *pd_svc_assist(const struct pd_svc *s, const char **ret_reason);

/* added.c: services added at run time, kept in the state directory */
int pd_added_write(struct pd_host *h, struct pd_fault *f);
int pd_added_read(struct pd_host *h, struct pd_fault *f);

/* interfaces.c */
struct pd_iface *pd_iface_find(struct pd_host *h, const char *name);
struct pd_iface *pd_iface_by_index(struct pd_host *h, uint32_t ifindex);
/* Put an interface on the list; the next round attaches it. */
int pd_iface_add(struct pd_host *h, const char *name, uint32_t forced, bool by_pattern,
		 struct pd_iface **ret);
void pd_iface_drop(struct pd_host *h, struct pd_iface *i);
void pd_iface_free_all(struct pd_host *h);
/* Take every hook off again, and the pins: for a start that failed. */
void pd_ifaces_undo(struct pd_host *h);
/* Does `auto` or a pattern of @config take this link? @ret_sides: PD_SIDE_* it asks for, or 0. */
bool pd_iface_matches(const struct pd_config *config, const struct pd_link *link, bool uplink,
		      uint32_t *ret_sides);
/* Have somebody's hands taken a hook of ours off? True: a round is needed. */
bool pd_ifaces_verify(struct pd_host *h);
/* Put on the list what an earlier daemon had attached and is still there. */
int pd_ifaces_adopt(struct pd_host *h);
/* Write the row of an interface as it stands. */
int pd_iface_write(struct pd_host *h, const struct pd_iface *i);
/* Do all interfaces named in @config exist? -ENODEV and which does not. */
int pd_ifaces_check(struct pd_host *h, const struct pd_config *config, struct pd_fault *f);
/* Make the list equal to @config, but for what panditctl attached. */
int pd_ifaces_apply(struct pd_host *h, const struct pd_config *config);

/* reconcile.c: bring the kernel to what is wanted. Failures are kept in pd_iface.fault. */
int pd_reconcile(struct pd_host *h);

/* detach.c */
void pd_detach_tick(struct pd_host *h);
void pd_detach_abort(struct pd_host *h);
/* How many connections need translation: through @ifindex, or of service @id; 0 / -1 = any. */
uint64_t pd_translated(struct pd_host *h, uint32_t ifindex, int64_t id);

/* reset.c: end translated connections by RST to both ends. Returns how many. */
uint64_t pd_reset_connections(struct pd_host *h, uint32_t ifindex);

/* observe.c */
void pd_on_observed(void *arg, const struct pd_observed *record, const uint8_t *key);
/* Records have been read; or, with @tick, a second has gone by. */
void pd_observers_flush(struct pd_host *h, bool tick);
/* The programs are about to go. */
void pd_observers_end(struct pd_host *h);
/* @record in words; the strings that are not constant go into @text. */
struct pd_seen_text {
	char client[PD_ADDR_STRLEN], server[PD_ADDR_STRLEN], source[48];
};
void pd_seen_of(struct pd_host *h, const struct pd_observed *record, const uint8_t *key,
		struct pd_seen_text *text, struct pd_seen *ret);
/* why.c: the host is about to go. */
void pd_whys_end(struct pd_host *h);

/* Name of the service with this id; "?" = there is none. */
const char *pd_service_name(struct pd_host *h, uint32_t id);

/* events.c */
void pd_on_event(void *arg, const struct pd_event *event);

/* stats.c */
void pd_stats_render(void *arg, struct pd_strbuf *sb);

#endif
