/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adoption: which of the maps pinned by an earlier daemon this one goes on
 * with. A map fits if type, sizes, flags and the BTF of key and value are
 * those of this build, its values could be what the programs write (audit.c),
 * and `settings` carries this ABI. Rows that hold connections and words
 * (COLDUNIT) fit together or not at all, and entries are worth nothing without
 * the words they carry. `settings` knows its unit by the ids of its maps: a
 * daemon that died while it pinned new ones leaves a mixture, which is none.
 *
 * A cold start loses what connections have in flight, and who they are. It
 * need not lose their translation: if that map alone fits it is kept, and no
 * connection in it is answered any more.
 *
 * Tables sized by the configuration are taken as they are: to resize one would
 * lose what is in it.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "maps/hash.h"
#include "user/load/impl.h"

#define TYPE_DEPTH_MAX 16

enum fit {
	FIT_MISSING,
	FIT_GOOD,
	FIT_BAD,
};

struct candidate {
	int fd;
	uint32_t rows;
	enum fit fit;
	char why[128];
};

static bool same_type(const struct btf *a, uint32_t ia, const struct btf *b, uint32_t ib,
		      unsigned int depth);

static const struct btf_type *skip_names(const struct btf *btf, uint32_t *id)
{
	const struct btf_type *t = btf__type_by_id(btf, *id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t))) {
		*id = t->type;
		t = btf__type_by_id(btf, *id);
	}
	return t;
}

static bool same_members(const struct btf *a, const struct btf_type *ta, const struct btf *b,
			 const struct btf_type *tb, unsigned int depth)
{
	const struct btf_member *ma = btf_members(ta), *mb = btf_members(tb);

	if (btf_vlen(ta) != btf_vlen(tb))
		return false;
	for (unsigned int i = 0; i < btf_vlen(ta); i++) {
		if (strcmp(btf__name_by_offset(a, ma[i].name_off),
			   btf__name_by_offset(b, mb[i].name_off)))
			return false;
		if (btf_member_bit_offset(ta, i) != btf_member_bit_offset(tb, i))
			return false;
		if (!same_type(a, ma[i].type, b, mb[i].type, depth + 1))
			return false;
	}
	return true;
}

static bool same_type(const struct btf *a, uint32_t ia, const struct btf *b, uint32_t ib,
		      unsigned int depth)
{
	const struct btf_type *ta = skip_names(a, &ia), *tb = skip_names(b, &ib);

	if (!ta || !tb || depth > TYPE_DEPTH_MAX)
		return ta == tb;
	if (btf_kind(ta) != btf_kind(tb))
		return false;
	if (btf_is_array(ta))
		return btf_array(ta)->nelems == btf_array(tb)->nelems &&
		       same_type(a, btf_array(ta)->type, b, btf_array(tb)->type, depth + 1);
	if (strcmp(btf__name_by_offset(a, ta->name_off), btf__name_by_offset(b, tb->name_off)))
		return false;
	if (btf_is_composite(ta))
		return ta->size == tb->size && same_members(a, ta, b, tb, depth);
	return ta->size == tb->size;
}

static bool same_btf(const struct pd_load *load, struct bpf_map *map,
		     const struct bpf_map_info *info)
{
	const struct btf *ours = bpf_object__btf(load->obj);
	struct btf *theirs;
	bool same;

	if (!ours || !bpf_map__btf_value_type_id(map))
		return true;
	if (!info->btf_id || !info->btf_value_type_id)
		return false;
	theirs = btf__load_from_kernel_by_id(info->btf_id);
	if (!theirs)
		return false;
	same = same_type(ours, bpf_map__btf_key_type_id(map), theirs, info->btf_key_type_id, 0) &&
	       same_type(ours, bpf_map__btf_value_type_id(map), theirs, info->btf_value_type_id, 0);
	btf__free(theirs);
	return same;
}

static bool sized_by_config(enum pd_map_id id)
{
	switch (id) {
	case PD_MAP_connections:
	case PD_MAP_flows:
	case PD_MAP_entries_s:
	case PD_MAP_entries_m:
	case PD_MAP_entries_l:
	case PD_MAP_entries_xl:
		return true;
	default:
		return false;
	}
}

__attribute__((format(printf, 2, 3))) static void bad(struct candidate *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	c->fit = FIT_BAD;
}

static void judge(struct pd_load *load, enum pd_map_id id, struct candidate *c)
{
	const struct pd_map_row *row = &pd_map_rows[id];
	struct bpf_map *map = bpf_object__find_map_by_name(load->obj, row->name);
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	c->fit = FIT_GOOD;
	if (bpf_obj_get_info_by_fd(c->fd, &info, &len) < 0) {
		bad(c, "not a map");
		return;
	}
	c->rows = info.max_entries;
	if (info.type != row->type)
		bad(c, "type %u, not %u", info.type, row->type);
	else if (info.key_size != row->key_size)
		bad(c, "key of %u bytes, not %u", info.key_size, row->key_size);
	else if (info.value_size != row->value_size)
		bad(c, "value of %u bytes, not %u", info.value_size, row->value_size);
	else if (info.map_flags != row->flags)
		bad(c, "flags 0x%x, not 0x%x", info.map_flags, row->flags);
	else if (!sized_by_config(id) && info.max_entries != row->max_entries)
		bad(c, "%u rows, not %u", info.max_entries, row->max_entries);
	else if (!same_btf(load, map, &info))
		bad(c, "its type information is that of another build");
	else if (info.max_entries != bpf_map__max_entries(map))
		pd_load_problem(load,
				"map %s keeps its %u rows (the configuration asks for %u) until "
				"`panditctl detach --all`",
				row->name, info.max_entries, bpf_map__max_entries(map));
}

uint32_t pd_object_id(int fd)
{
	struct bpf_map_info info = {0}; /* the id is in the same place for programs */
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

uint64_t pd_unit(const uint32_t *ids)
{
	uint64_t h = PD_ABI;

	for (int i = 0; i < PD_MAP_MAX; i++)
		if (pd_map_rows[i].life == PD_LIFE_COLDUNIT && i != PD_MAP_connections)
			h = pd_mix(h, ids[i]);
	return h;
}

uint64_t pd_settings_seal(const struct pd_settings *s)
{
	return pd_mix(pd_mix(pd_mix(s->seed, s->grace), s->abi), s->unit);
}

static void judge_settings(struct candidate *c, struct pd_settings *ret, struct pd_audit *audit)
{
	uint32_t zero = 0;

	if (c->fit != FIT_GOOD)
		return;
	if (bpf_map_lookup_elem(c->fd, &zero, ret) < 0 || ret->abi != PD_ABI)
		bad(c, "ABI %u, not %u", ret->abi, PD_ABI);
	else if (ret->seal && (ret->seal != pd_settings_seal(ret) || ret->answer > 1))
		bad(c, "no panditd wrote what it holds");
	audit->seed = ret->seed;
	audit->seeded = c->fit == FIT_GOOD && ret->seal;
}

static void judge_values(enum pd_map_id id, struct candidate *c, struct pd_audit *audit)
{
	int err;

	if (c->fit != FIT_GOOD)
		return;
	err = pd_audit_map(id, c->fd, c->rows, audit);
	if (err)
		bad(c, "it cannot be read: %s", strerror(-err));
	else if (audit->bad)
		bad(c, "no panditd wrote what it holds (%llu of %llu rows looked at)",
		    (unsigned long long)audit->bad, (unsigned long long)audit->rows);
}

/* What the hooks of the daemon before can be known by. */
static void note_old(struct pd_load *load, const struct candidate *all)
{
	for (int i = 0; i < PD_MAP_MAX; i++)
		load->old_maps[i] = pd_object_id(all[i].fd);
	for (int i = 0; i < PD_PROG_MAX; i++) {
		_cleanup_free_ char *path = pd_pin_path(load, "progs", pd_prog_names[i]);
		_cleanup_close_ int fd = path ? bpf_obj_get(path) : -1;

		load->old_progs[i] = pd_object_id(fd);
	}
}

static void open_all(struct pd_load *load, struct candidate *all)
{
	for (int i = 0; i < PD_MAP_MAX; i++) {
		_cleanup_free_ char *path = pd_pin_path(load, "maps", pd_map_rows[i].name);

		all[i] = (struct candidate){.fd = -1};
		if (!path || pd_map_rows[i].life == PD_LIFE_SCRATCH)
			continue;
		all[i].fd = bpf_obj_get(path);
		if (all[i].fd >= 0)
			judge(load, (enum pd_map_id)i, &all[i]);
		else if (errno != ENOENT)
			bad(&all[i], "cannot be opened: %s", strerror(errno));
	}
	note_old(load, all);
}

static bool is_entries(int id)
{
	return !strncmp(pd_map_rows[id].name, "entries_", 8);
}

/* Are these the maps that the settings were written for? */
static bool is_unit(const struct candidate *all, const struct pd_settings *s)
{
	uint32_t ids[PD_MAP_MAX];

	for (int i = 0; i < PD_MAP_MAX; i++)
		ids[i] = pd_object_id(all[i].fd);
	return s->unit == pd_unit(ids);
}

static void report(struct pd_load *load, const struct candidate *all, bool settings)
{
	for (int i = 0; i < PD_MAP_MAX; i++)
		if (all[i].fit == FIT_BAD)
			pd_load_problem(load, "map %s starts cold: %s", pd_map_rows[i].name,
					all[i].why);
		else if (all[i].fit == FIT_MISSING && settings &&
			 pd_map_rows[i].life != PD_LIFE_SCRATCH)
			pd_load_problem(load, "map %s starts cold: its pin was missing",
					pd_map_rows[i].name);
}

/* Say loudly what is not taken over, and spread it to what cannot stand without it. */
static void settle(struct pd_load *load, struct candidate *all, const struct pd_settings *s)
{
	bool settings = all[PD_MAP_settings].fit == FIT_GOOD, whole = true;
	unsigned int found = 0;

	for (int i = 0; i < PD_MAP_MAX; i++) {
		found += all[i].fit != FIT_MISSING;
		if (pd_map_rows[i].life == PD_LIFE_COLDUNIT)
			whole = whole && all[i].fit == FIT_GOOD;
	}
	/* The very first daemon died before all was there: it had not attached anything. */
	load->fresh = !found || (settings && !s->seal);
	if (load->fresh) {
		for (int i = 0; i < PD_MAP_MAX; i++)
			all[i].fit = FIT_MISSING;
		return;
	}
	report(load, all, settings);
	load->cold = !settings || !whole || !is_unit(all, s);
	load->adopted = !load->cold;
	/* Another ABI, if settings could be read, may mean something else by the same fields. */
	load->kept = load->cold && all[PD_MAP_connections].fit == FIT_GOOD &&
		     (!s->abi || s->abi == PD_ABI);
	if (load->cold)
		pd_load_problem(load, "connections and entries start cold: %s%s",
				!settings ? "the pinned settings do not fit"
				: !whole  ? "not all maps of connections and words fit"
					  : "the maps of connections and words are of two daemons",
				load->kept ? "; open connections pass unanswered from now on" : "");
	for (int i = 0; i < PD_MAP_MAX; i++)
		if (!settings ||
		    (load->cold && (pd_map_rows[i].life == PD_LIFE_COLDUNIT || is_entries(i))))
			if (i != PD_MAP_connections || !load->kept)
				all[i].fit = FIT_MISSING;
}

static int reuse(struct pd_load *load, struct candidate *all, struct pd_fault *f)
{
	for (int i = 0; i < PD_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(load->obj, pd_map_rows[i].name);
		int err;

		load->adopted_map[i] = all[i].fit == FIT_GOOD;
		if (!load->adopted_map[i])
			continue;
		err = bpf_map__reuse_fd(map, all[i].fd);
		if (err)
			return pd_fail(f, err, NULL, "cannot take over the map %s: %s",
				       pd_map_rows[i].name, strerror(-err));
	}
	return 0;
}

int pd_adopt(struct pd_load *load, struct pd_fault *f)
{
	struct candidate all[PD_MAP_MAX];
	struct pd_settings s = {0};
	struct pd_audit audit = {0};
	int err;

	load->cold = load->adopted = load->kept = false;
	open_all(load, all);
	judge_settings(&all[PD_MAP_settings], &s, &audit);
	for (int i = 0; i < PD_MAP_MAX; i++)
		judge_values((enum pd_map_id)i, &all[i], &audit);
	settle(load, all, &s);
	err = reuse(load, all, f);
	for (int i = 0; i < PD_MAP_MAX; i++)
		if (all[i].fd >= 0)
			close(all[i].fd);
	return err;
}
