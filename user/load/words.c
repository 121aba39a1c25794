/* SPDX-License-Identifier: Apache-2.0 */
/* Words, settings: what user space changes in memory shared with the programs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "maps/hash.h"
#include "user/lib/clock.h"
#include "user/load/impl.h"

#define GRACE_NS (1 * PD_NS_PER_S)

static int map_array(struct pd_load *load, enum pd_map_id id, void **ret, size_t *ret_len,
		     struct pd_fault *f)
{
	const struct pd_map_row *row = &pd_map_rows[id];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (((size_t)row->value_size + 7) & ~(size_t)7) * row->max_entries;
	void *p;

	len = (len + page - 1) & ~(page - 1);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, load->map_fds[id], 0);
	if (p == MAP_FAILED)
		return pd_fail(f, -errno, NULL, "cannot map %s: %s", row->name, strerror(errno));
	*ret = p;
	*ret_len = len;
	return 0;
}

int pd_words_map(struct pd_load *load, struct pd_fault *f)
{
	void *p = NULL;
	int err = map_array(load, PD_MAP_authorities, &p, &load->authorities_len, f);

	if (err)
		return err;
	load->authorities = p;
	err = map_array(load, PD_MAP_slots, &p, &load->slots_len, f);
	if (!err)
		load->slots = p;
	return err;
}

/*
 * A new set of words starts above every word an earlier one can have reached:
 * the version is the boot time in ms, and one version takes longer than a
 * millisecond to be used up by no workload that also has to fill an entry.
 */
static int init_authorities(struct pd_load *load, struct pd_fault *f)
{
	uint64_t word = (pd_boottime_ns() / PD_NS_PER_MS) << 24;

	for (unsigned int i = 0; i < PD_AUTHORITIES_MAX; i++) {
		struct pd_authority *a = &load->authorities[i];

		if (getrandom(&a->incarnation, sizeof(a->incarnation), 0) < 0)
			return pd_fail(f, -errno, NULL, "getrandom: %s", strerror(errno));
		__atomic_store_n(&a->word, word, __ATOMIC_SEQ_CST);
	}
	return 0;
}

/*
 * The row is written by this thread and by the sweep, which this thread runs:
 * what the sweep keeps there is taken over first.
 */
static int write_settings(struct pd_load *load)
{
	struct pd_settings now = {0};
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(load->map_fds[PD_MAP_settings], &zero, &now) < 0)
		return -errno;
	load->settings.boot_offset = now.boot_offset ? now.boot_offset : pd_boot_offset_ns();
	if (bpf_map_update_elem(load->map_fds[PD_MAP_settings], &zero, &load->settings, BPF_ANY) <
	    0)
		return -errno;
	return 0;
}

static uint64_t unit_in_use(const struct pd_load *load)
{
	uint32_t ids[PD_MAP_MAX];

	for (int i = 0; i < PD_MAP_MAX; i++)
		ids[i] = pd_object_id(load->map_fds[i]);
	return pd_unit(ids);
}

int pd_words_init(struct pd_load *load, struct pd_fault *f)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), zero = 0;
	int err;

	if (bpf_obj_get_info_by_fd(load->map_fds[PD_MAP_settings], &info, &len) < 0 ||
	    bpf_map_lookup_elem(load->map_fds[PD_MAP_settings], &zero, &load->settings) < 0)
		return pd_fail(f, -errno, NULL, "cannot read the settings: %s", strerror(errno));
	load->settings_id = info.id;
	load->slots_id = pd_object_id(load->map_fds[PD_MAP_slots]);
	if (!load->adopted_map[PD_MAP_authorities]) {
		err = init_authorities(load, f);
		if (err)
			return err;
	}
	if (!load->adopted_map[PD_MAP_settings] &&
	    getrandom(&load->settings.seed, sizeof(load->settings.seed), 0) < 0)
		return pd_fail(f, -errno, NULL, "getrandom: %s", strerror(errno));
	load->settings.abi = PD_ABI;
	load->settings.grace = GRACE_NS;
	load->settings.wall_offset = pd_wall_offset_ns();
	load->settings.answer = 1;
	load->settings.unit = unit_in_use(load);
	/* Of a first start, only when all is pinned. */
	load->settings.seal = load->fresh ? 0 : pd_settings_seal(&load->settings);
	err = write_settings(load);
	if (err)
		return pd_fail(f, err, NULL, "cannot write the settings: %s", strerror(-err));
	return 0;
}

int pd_words_seal(struct pd_load *load, struct pd_fault *f)
{
	int err;

	load->settings.seal = pd_settings_seal(&load->settings);
	err = write_settings(load);
	return err ? pd_fail(f, err, NULL, "cannot write the settings: %s", strerror(-err)) : 0;
}

void pd_load_bump_authority(struct pd_load *load, uint32_t authority)
{
	if (authority < PD_AUTHORITIES_MAX)
		__atomic_fetch_add(&load->authorities[authority].word, PD_WORD_BUMP,
				   __ATOMIC_SEQ_CST);
}

void pd_load_bump_all(struct pd_load *load)
{
	for (uint32_t i = 0; i < PD_AUTHORITIES_MAX; i++)
		pd_load_bump_authority(load, i);
}

void pd_load_renew(struct pd_load *load, uint32_t authority)
{
	if (authority >= PD_AUTHORITIES_MAX)
		return;
	__atomic_fetch_add(&load->authorities[authority].incarnation, 1, __ATOMIC_SEQ_CST);
	pd_load_bump_authority(load, authority);
}

void pd_load_bump_slot(struct pd_load *load, uint32_t authority, uint32_t slot)
{
	if (authority < PD_AUTHORITIES_MAX)
		__atomic_fetch_add(
			&load->slots[authority * PD_SLOTS + (slot & (PD_SLOTS - 1))].word,
			PD_WORD_BUMP, __ATOMIC_SEQ_CST);
}

void pd_load_authority(struct pd_load *load, uint32_t authority, struct pd_authority *ret)
{
	*ret = load->authorities[authority % PD_AUTHORITIES_MAX];
}

void pd_load_slot(struct pd_load *load, uint32_t authority, uint32_t slot, struct pd_slot *ret)
{
	*ret = load->slots[(authority % PD_AUTHORITIES_MAX) * PD_SLOTS + (slot & (PD_SLOTS - 1))];
}

int pd_load_set_wall_offset(struct pd_load *load, uint64_t wall_offset)
{
	load->settings.wall_offset = wall_offset;
	return write_settings(load);
}

int pd_load_set_answer(struct pd_load *load, bool answer)
{
	load->settings.answer = answer;
	return write_settings(load);
}

void pd_load_settings(const struct pd_load *load, struct pd_settings *ret)
{
	*ret = load->settings;
}

uint64_t pd_hash_seeded(uint64_t seed, const void *key, size_t len)
{
	uint64_t h = pd_mix(seed, len + PD_HASH_LENGTH);

	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = 0;

		memcpy(&v, (const char *)key + i, len - i < 8 ? len - i : 8);
		h = pd_mix(h, v);
	}
	return pd_mix(h, h >> 17);
}

uint64_t pd_load_hash(const struct pd_load *load, const void *key, size_t len)
{
	return pd_hash_seeded(load->settings.seed, key, len);
}
