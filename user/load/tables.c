/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the maps: services, interfaces, connections, counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/load/impl.h"

static int set_row(struct pd_load *load, enum pd_map_id id, const void *key, const void *value)
{
	if (bpf_map_update_elem(load->map_fds[id], key, value, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int del_row(struct pd_load *load, enum pd_map_id id, const void *key)
{
	if (bpf_map_delete_elem(load->map_fds[id], key) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/*
 * Walk a hash by its keys, copying each value. A key removed under the walk
 * makes the kernel start over: the number of steps is bounded for that.
 */
static int walk(struct pd_load *load, enum pd_map_id id, void *key, void *next, void *value,
		int (*fn)(void *arg, const void *key, const void *value), void *arg)
{
	uint64_t steps = 2ULL * bpf_map__max_entries(bpf_object__find_map_by_name(
					load->obj, pd_map_rows[id].name)) +
			 16;
	int fd = load->map_fds[id], err;
	void *prev = NULL;

	while (steps-- && !bpf_map_get_next_key(fd, prev, next)) {
		memcpy(key, next, pd_map_rows[id].key_size);
		prev = key;
		if (value && bpf_map_lookup_elem(fd, key, value) < 0)
			continue;
		err = fn(arg, key, value);
		if (err)
			return err;
	}
	return 0;
}

struct row_walk {
	pd_load_service_fn service;
	pd_load_interface_fn interface;
	void *arg;
};

static int on_service(void *arg, const void *key, const void *value)
{
	struct row_walk *w = arg;

	return w->service(w->arg, key, value);
}

int pd_load_services(struct pd_load *load, pd_load_service_fn fn, void *arg)
{
	struct row_walk w = {.service = fn, .arg = arg};
	struct pd_endpoint key, next;
	struct pd_service value;

	return walk(load, PD_MAP_services, &key, &next, &value, on_service, &w);
}

int pd_load_set_service(struct pd_load *load, const struct pd_endpoint *key,
			const struct pd_service *value)
{
	return set_row(load, PD_MAP_services, key, value);
}

int pd_load_del_service(struct pd_load *load, const struct pd_endpoint *key)
{
	return del_row(load, PD_MAP_services, key);
}

static int on_interface(void *arg, const void *key, const void *value)
{
	struct row_walk *w = arg;

	return w->interface(w->arg, *(const uint32_t *)key, value);
}

int pd_load_interfaces(struct pd_load *load, pd_load_interface_fn fn, void *arg)
{
	struct row_walk w = {.interface = fn, .arg = arg};
	struct pd_interface value;
	uint32_t key, next;

	return walk(load, PD_MAP_interfaces, &key, &next, &value, on_interface, &w);
}

int pd_load_set_interface(struct pd_load *load, uint32_t ifindex, const struct pd_interface *value)
{
	return set_row(load, PD_MAP_interfaces, &ifindex, value);
}

int pd_load_del_interface(struct pd_load *load, uint32_t ifindex)
{
	return del_row(load, PD_MAP_interfaces, &ifindex);
}

/* ---- batches -------------------------------------------------------------- */

#define BATCH 256

/*
 * Whole buckets at a time: no key is met twice or lost unless it moves. A
 * bucket larger than the batch asks for more room.
 */
int pd_walk_rows(int fd, uint32_t ks, uint32_t vs, pd_row_fn fn, void *arg)
{
	uint32_t room = BATCH, n, in = 0, out = 0;
	_cleanup_free_ char *keys = malloc((size_t)room * ks);
	_cleanup_free_ char *values = malloc((size_t)room * vs);
	bool first = true, last = false;
	int err;

	while (keys && values && !last) {
		n = room;
		err = bpf_map_lookup_batch(fd, first ? NULL : &in, &out, keys, values, &n, NULL) < 0
			      ? -errno
			      : 0;
		if (err == -ENOSPC && room < BATCH * 64) {
			room *= 2;
			free(keys);
			free(values);
			keys = malloc((size_t)room * ks);
			values = malloc((size_t)room * vs);
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		last = err == -ENOENT;
		for (uint32_t i = 0; i < n; i++) {
			err = fn(arg, keys + (size_t)i * ks, values + (size_t)i * vs);
			if (err)
				return err;
		}
		in = out;
		first = false;
	}
	return keys && values ? 0 : -ENOMEM;
}

static int walk_batches(struct pd_load *load, enum pd_map_id id, pd_row_fn fn, void *arg)
{
	return pd_walk_rows(load->map_fds[id], pd_map_rows[id].key_size, pd_map_rows[id].value_size,
			    fn, arg);
}

struct conn_walk {
	pd_load_conn_fn fn;
	void *arg;
};

static int on_conn(void *arg, const void *key, const void *value)
{
	struct conn_walk *w = arg;

	return w->fn(w->arg, key, value);
}

int pd_load_connections(struct pd_load *load, pd_load_conn_fn fn, void *arg)
{
	struct conn_walk w = {.fn = fn, .arg = arg};

	return walk_batches(load, PD_MAP_connections, on_conn, &w);
}

const char *const pd_load_class_names[PD_CLASSES] = {"s", "m", "l", "xl"};

static const enum pd_map_id entries_maps[PD_CLASSES] = {
	PD_MAP_entries_s,
	PD_MAP_entries_m,
	PD_MAP_entries_l,
	PD_MAP_entries_xl,
};

struct entry_walk {
	pd_load_entry_fn fn;
	void *arg;
	unsigned int cls;
};

static int on_entry(void *arg, const void *key, const void *value)
{
	struct entry_walk *w = arg;
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	return w->fn(w->arg, w->cls, k, value);
}

int pd_load_entries(struct pd_load *load, pd_load_entry_fn fn, void *arg)
{
	struct entry_walk w = {.fn = fn, .arg = arg};
	int err = 0;

	for (w.cls = 0; !err && w.cls < PD_CLASSES; w.cls++)
		err = walk_batches(load, entries_maps[w.cls], on_entry, &w);
	return err;
}

static int count_one(void *arg, const void *key, const void *value)
{
	(void)key;
	(void)value;
	(*(uint64_t *)arg)++;
	return 0;
}

uint64_t pd_load_count_entries(struct pd_load *load)
{
	uint64_t n = 0, key, next;

	for (unsigned int i = 0; i < PD_CLASSES; i++)
		walk(load, entries_maps[i], &key, &next, NULL, count_one, &n);
	return n;
}

uint64_t pd_load_count_connections(struct pd_load *load)
{
	struct pd_tuple key, next;
	uint64_t n = 0;

	walk(load, PD_MAP_connections, &key, &next, NULL, count_one, &n);
	return n;
}

/* ---- per-CPU counts -------------------------------------------------------- */

static int ncpus(void)
{
	static int n;

	if (!n)
		n = libbpf_num_possible_cpus();
	return n;
}

int pd_load_counters(struct pd_load *load, uint32_t id, uint64_t *ret)
{
	int cpus = ncpus();
	_cleanup_free_ uint64_t *row = NULL;

	if (id >= PD_SERVICES_MAX || cpus <= 0)
		return -EINVAL;
	row = calloc((size_t)cpus, sizeof(*row));
	if (!row)
		return -ENOMEM;
	for (uint32_t c = 0; c < PD_C_MAX; c++) {
		uint32_t key = id * PD_COUNTERS_MAX + c;

		if (bpf_map_lookup_elem(load->map_fds[PD_MAP_counters], &key, row) < 0)
			return -errno;
		ret[c] = 0;
		for (int i = 0; i < cpus; i++)
			ret[c] += row[i];
	}
	return 0;
}

int pd_load_verdicts(struct pd_load *load, uint32_t id, uint64_t *ret)
{
	int cpus = ncpus();
	_cleanup_free_ struct pd_verdict *row = NULL;

	if (id >= PD_SERVICES_MAX || cpus <= 0)
		return -EINVAL;
	row = calloc((size_t)cpus, sizeof(*row));
	if (!row)
		return -ENOMEM;
	for (uint32_t v = 0; v < PD_V_MAX; v++) {
		uint32_t key = id * PD_VERDICTS_MAX + v;

		if (bpf_map_lookup_elem(load->map_fds[PD_MAP_verdicts], &key, row) < 0)
			return -errno;
		ret[v] = 0;
		for (int i = 0; i < cpus; i++)
			ret[v] += row[i].count;
	}
	return 0;
}

int pd_load_count(struct pd_load *load, uint32_t id, uint32_t counter, uint64_t n)
{
	uint32_t key = id * PD_COUNTERS_MAX + counter;
	int cpus = ncpus();
	_cleanup_free_ uint64_t *row = NULL;

	if (id >= PD_SERVICES_MAX || counter >= PD_C_MAX || cpus <= 0)
		return -EINVAL;
	row = calloc((size_t)cpus, sizeof(*row));
	if (!row)
		return -ENOMEM;
	if (bpf_map_lookup_elem(load->map_fds[PD_MAP_counters], &key, row) < 0)
		return -errno;
	row[0] += n;
	return set_row(load, PD_MAP_counters, &key, row);
}

int pd_load_reset_counts(struct pd_load *load, uint32_t id)
{
	int cpus = ncpus(), err = 0;
	_cleanup_free_ struct pd_verdict *zero = NULL;

	if (id >= PD_SERVICES_MAX || cpus <= 0)
		return -EINVAL;
	zero = calloc((size_t)cpus, sizeof(*zero));
	if (!zero)
		return -ENOMEM;
	for (uint32_t v = 0; !err && v < PD_VERDICTS_MAX; v++) {
		uint32_t key = id * PD_VERDICTS_MAX + v;

		err = set_row(load, PD_MAP_verdicts, &key, zero);
	}
	for (uint32_t c = 0; !err && c < PD_COUNTERS_MAX; c++) {
		uint32_t key = id * PD_COUNTERS_MAX + c;

		err = set_row(load, PD_MAP_counters, &key, zero);
	}
	return err;
}

/* ---- ring buffer and control programs --------------------------------------- */

static int on_event(void *ctx, void *data, size_t size)
{
	struct pd_load *load = ctx;

	if (size >= sizeof(struct pd_event) && load->event_fn)
		load->event_fn(load->event_arg, data);
	return 0;
}

int pd_load_events_fd(struct pd_load *load, pd_load_event_fn fn, void *arg)
{
	struct bpf_map *map = bpf_object__find_map_by_name(load->obj, "events");
	struct bpf_map *seen = bpf_object__find_map_by_name(load->obj, "observed");

	if (!map || !seen)
		return -ENOENT;
	load->event_fn = fn;
	load->event_arg = arg;
	if (!load->ring)
		load->ring = ring_buffer__new(bpf_map__fd(map), on_event, load, NULL);
	if (!load->ring)
		return -errno;
	if (!load->observing) {
		int err = ring_buffer__add(load->ring, bpf_map__fd(seen), pd_watch_record, load);

		if (err)
			return err;
		load->observing = true;
	}
	return ring_buffer__epoll_fd(load->ring);
}

int pd_load_events_consume(struct pd_load *load)
{
	int n = load->ring ? ring_buffer__consume(load->ring) : 0;

	return n < 0 ? n : 0;
}

static int run_program(struct pd_load *load, const char *name)
{
	char packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet, .data_size_in = sizeof(packet));
	struct bpf_program *p = bpf_object__find_program_by_name(load->obj, name);

	if (!p || bpf_program__fd(p) < 0)
		return -ENOENT;
	return bpf_prog_test_run_opts(bpf_program__fd(p), &o) < 0 ? -errno : 0;
}

int pd_load_sweep(struct pd_load *load)
{
	int err = run_program(load, "sweep_connections"), second = run_program(load, "sweep_flows");

	return err ? err : second;
}

int pd_load_forget(struct pd_load *load, struct pd_fault *f)
{
	int err = run_program(load, "forget_connections");

	return err ? pd_fail(f, err, NULL, "cannot mark the connections of before: %s",
			     strerror(-err))
		   : 0;
}
