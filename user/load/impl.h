/* SPDX-License-Identifier: Apache-2.0 */
/* Shared inside user/load. Nobody else includes it. */
#ifndef PD_USER_LOAD_IMPL_H
#define PD_USER_LOAD_IMPL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user/lib/cleanup.h"
#include "user/load/load.h"

enum pd_map_id {
#define MAP(name, type, key, value, max, flags, life) PD_MAP_##name,
#include "maps/maps.def"
#undef MAP
	PD_MAP_MAX,
};

enum pd_map_life {
	PD_LIFE_PINNED,
	PD_LIFE_COLDUNIT,
	PD_LIFE_SCRATCH,
};

struct pd_map_row {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries, flags;
	enum pd_map_life life;
};

extern const struct pd_map_row pd_map_rows[PD_MAP_MAX];

enum pd_prog_id {
	PD_PROG_CLIENT_REQUEST,
	PD_PROG_CLIENT_REPLY,
	PD_PROG_HOME_REQUEST,
	PD_PROG_HOME_REPLY,
	PD_PROG_EDGE_CLIENT,
	PD_PROG_MAX,
};

extern const char *const pd_prog_names[PD_PROG_MAX];

#define PD_OLD_PROGS 16

struct pandit;

struct pd_load {
	char *bpffs;
	int lock_fd; /* the locked bpffs directory */
	struct pandit *skel;
	struct bpf_object *obj;
	int map_fds[PD_MAP_MAX];   /* owned by obj */
	int prog_fds[PD_PROG_MAX]; /* owned by obj; -1 = not loaded */
	bool adopted_map[PD_MAP_MAX];
	bool fresh, cold, adopted;
	bool kept; /* cold, but for the translation of connections */
	uint32_t old_maps[PD_MAP_MAX];	  /* ids of the maps pinned before; 0 = none */
	uint32_t old_progs[PD_OLD_PROGS]; /* and of the programs */
	uint32_t settings_id, slots_id;
	struct pd_authority *authorities; /* mapped */
	struct pd_slot *slots;		  /* mapped */
	size_t authorities_len, slots_len;
	struct pd_settings settings;
	struct pd_observe *observe; /* in the memory of the programs; owned by skel */
	struct ring_buffer *ring;
	pd_load_event_fn event_fn;
	void *event_arg;
	pd_load_observed_fn observed_fn;
	void *observed_arg;
	bool observing; /* the ring `observed` is read */
	uint32_t watching;  /* bit n: watcher n is taken */
	uint32_t watch_tag; /* of the last watcher */
	char **problems;
	size_t nproblems;
	char edge_refusal[128];
};

static inline void pd_cleanup_load(struct pd_load **load)
{
	pd_load_close(load);
}

#define _cleanup_load_ _cleanup_(pd_cleanup_load)

/* "<bpffs>/v1/<dir>/<name>"; name may be NULL. NULL without memory. */
char *pd_pin_path(const struct pd_load *load, const char *dir, const char *name);

/* What libbpf said last, for faults: one line, the reason of a verifier refusal. */
void pd_libbpf_log_start(void);
const char *pd_libbpf_log_reason(void);

__attribute__((format(printf, 2, 3))) int pd_load_problem(struct pd_load *load, const char *fmt,
							  ...);

/* load.c: the object, not loaded yet. @rehearsal: a load that is never attached. */
int pd_skeleton_open(bool rehearsal, struct pandit **ret, struct pd_fault *f);
int pd_skeleton_load(struct pandit *skel);
struct bpf_object *pd_skeleton_object(struct pandit *skel);
struct pd_observe *pd_skeleton_observe(struct pandit *skel);
void pd_skeleton_free(struct pandit **skel);

/* pins.c */
int pd_pins_prepare(struct pd_load *load, struct pd_fault *f);
int pd_pins_write(struct pd_load *load, struct pd_fault *f);

/* adopt.c: reuse what fits; returns 0 or -errno. */
int pd_adopt(struct pd_load *load, struct pd_fault *f);

/* watch.c: the callback of the ring `observed`; @ctx is a struct pd_load. */
int pd_watch_record(void *ctx, void *data, size_t size);
/* What a watcher of the programs is to be. The tag is left alone. */
void pd_watcher_set(struct pd_watcher *w, const struct pd_watch *want);

/* The id of a map or program behind a descriptor, 0 if it is neither. */
uint32_t pd_object_id(int fd);
/* The seal over the settings of @s; needs its `unit`. */
uint64_t pd_settings_seal(const struct pd_settings *s);
/* What the maps of the unit that have these ids are called together; @ids by enum pd_map_id. */
uint64_t pd_unit(const uint32_t *ids);

/* audit.c */
struct pd_audit {
	uint64_t now;  /* boottime ns */
	uint64_t seed; /* of key hashes; without it identities are not checked */
	bool seeded;
	uint64_t bad, rows; /* found */
};
/* Look at every value of a map of this row, whose shape fits. 0 or -errno. */
int pd_audit_map(enum pd_map_id id, int fd, uint32_t max_entries, struct pd_audit *a);

/* tables.c: no connection that is there is answered any more. */
int pd_load_forget(struct pd_load *load, struct pd_fault *f);
/* tables.c: each row of a map, whole buckets at a time. */
typedef int (*pd_row_fn)(void *arg, const void *key, const void *value);
int pd_walk_rows(int fd, uint32_t key_size, uint32_t value_size, pd_row_fn fn, void *arg);

/* words.c */
uint64_t pd_hash_seeded(uint64_t seed, const void *key, size_t len);
int pd_words_map(struct pd_load *load, struct pd_fault *f);
int pd_words_init(struct pd_load *load, struct pd_fault *f);
/* Say in the settings that everything is there. */
int pd_words_seal(struct pd_load *load, struct pd_fault *f);

#endif
