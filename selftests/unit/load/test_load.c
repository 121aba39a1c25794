/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, pinning, adoption and hooks, with the real programs, below a bpf
 * directory and in a network namespace of its own. Maps are made wrong by
 * pinning others in their place.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "selftests/unit/netns.h"
#include "user/load/impl.h"

static char dir[64];

static int open_load(struct pd_load **ret, struct pd_fault *f)
{
	struct pd_load_options o = {
		.bpffs = dir, .connections = 1000, .memory = 4 << 20, .max_entries = 1000};

	return pd_load_open(&o, ret, f);
}

static struct pd_load *must_open(void)
{
	struct pd_load *l = NULL;
	struct pd_fault f = {0};

	if (open_load(&l, &f))
		fail_msg("%s (%s)", f.message, f.hint);
	return l;
}

static int pinned(const char *sub)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/v1/%s", dir, sub);
	return !access(path, F_OK);
}

static bool has_problem(const struct pd_load *l, const char *part)
{
	size_t n;
	const char *const *p = pd_load_problems(l, &n);

	for (size_t i = 0; i < n; i++)
		if (strstr(p[i], part))
			return true;
	return false;
}

static size_t problems(const struct pd_load *l)
{
	size_t n;

	pd_load_problems(l, &n);
	return n;
}

static const struct pd_endpoint endpoint = {
	.ip.b = {[10] = 0xff, 0xff, 10, 1, 0, 2},
	.port = 0xeb18,
	.proto = IPPROTO_TCP,
};

/* Something of each kind that a next daemon has to find again. */
static void leave_traces(struct pd_load *l)
{
	struct pd_service s = {.id = 3, .authority = 3, .max_age = 17};
	struct pd_interface i = {.flags = PD_SIDE_CLIENT, .mtu = 1500};

	assert_int_equal(pd_load_set_service(l, &endpoint, &s), 0);
	assert_int_equal(pd_load_set_interface(l, 4711, &i), 0);
	pd_load_bump_slot(l, 3, 5);
	pd_load_bump_slot(l, 3, 5);
	pd_load_bump_authority(l, 3);
}

static int see_service(void *arg, const struct pd_endpoint *key, const struct pd_service *value)
{
	assert_memory_equal(key, &endpoint, sizeof(*key));
	assert_int_equal(value->max_age, 17);
	++*(int *)arg;
	return 0;
}

static void sizes_follow_the_rule(void **state)
{
	uint32_t rows[PD_CLASSES], more[PD_CLASSES];

	(void)state;
	pd_load_sizes(256 << 20, 100000, rows);
	assert_int_equal(rows[0], 100000);
	for (int i = 1; i < PD_CLASSES; i++)
		assert_true(rows[i] < rows[i - 1]);
	assert_true((uint64_t)rows[3] * sizeof(struct pd_entry_xl) <= 64 << 20);
	pd_load_sizes(512 << 20, UINT64_MAX, more);
	for (int i = 0; i < PD_CLASSES; i++)
		assert_true(more[i] >= rows[i]);
	pd_load_sizes(0, 0, rows);
	for (int i = 0; i < PD_CLASSES; i++)
		assert_int_equal(rows[i], 64);
}

static void a_first_start_is_silent(void **state)
{
	struct pd_load *l = must_open();
	struct pd_settings s;
	struct pd_authority a;

	(void)state;
	assert_int_equal(problems(l), 0);
	assert_true(pd_load_was_fresh(l));
	assert_false(pd_load_adopted(l));
	assert_false(pd_load_was_cold(l));
	assert_true(pinned("maps/settings") && pinned("maps/entries_xl") &&
		    pinned("progs/client_request"));
	pd_load_settings(l, &s);
	assert_int_equal(s.abi, PD_ABI);
	assert_int_equal(s.answer, 1);
	assert_true(s.seed != 0);
	pd_load_authority(l, 15, &a);
	assert_true(a.word >> 24 && a.incarnation);
	assert_int_equal(a.word & PD_WORD_FLIGHT, 0);
	pd_load_close(&l);
	assert_null(l);
}

static void everything_is_adopted(void **state)
{
	struct pd_load *l = must_open();
	struct pd_settings before, after;
	struct pd_authority a, b;
	struct pd_slot slot;
	int n = 0;

	(void)state;
	leave_traces(l);
	pd_load_settings(l, &before);
	pd_load_authority(l, 3, &a);
	pd_load_close(&l);
	l = must_open();
	assert_true(pd_load_adopted(l));
	assert_int_equal(problems(l), 0);
	pd_load_settings(l, &after);
	assert_true(before.seed == after.seed);
	pd_load_authority(l, 3, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	pd_load_slot(l, 3, 5, &slot);
	assert_true(slot.word == 2 * PD_WORD_BUMP);
	assert_int_equal(pd_load_services(l, see_service, &n), 0);
	assert_int_equal(n, 1);
	pd_load_close(&l);
}

/* Put a map of another shape where `name` is pinned. */
static void spoil(const char *name, uint32_t value_size, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "wrong", 8, value_size, 16, &o);
	char path[160];

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/v1/maps/%s", dir, name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

static void a_map_alone_is_taken_cold(void **state)
{
	struct pd_load *l = must_open();
	struct pd_authority a, b;

	(void)state;
	leave_traces(l);
	pd_load_authority(l, 3, &a);
	pd_load_close(&l);
	spoil("entries_m", 3, 0);
	l = must_open();
	assert_true(has_problem(l, "map entries_m starts cold"));
	assert_int_equal(problems(l), 1);
	assert_true(pd_load_adopted(l));
	pd_load_authority(l, 3, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	pd_load_close(&l);
	/* What it made anew is pinned in the place of the wrong one. */
	l = must_open();
	assert_int_equal(problems(l), 0);
	pd_load_close(&l);
}

static void a_map_without_type_information_is_cold(void **state)
{
	struct pd_load *l = must_open();

	(void)state;
	pd_load_close(&l);
	spoil("ttls", sizeof(struct pd_ttl), BPF_F_NO_PREALLOC);
	l = must_open();
	assert_true(has_problem(l, "map ttls starts cold"));
	pd_load_close(&l);
}

static void the_unit_goes_together(void **state)
{
	struct pd_load *l = must_open();
	struct pd_settings before, after;
	struct pd_authority a, b;
	struct pd_slot slot;

	(void)state;
	leave_traces(l);
	pd_load_settings(l, &before);
	pd_load_authority(l, 3, &a);
	pd_load_close(&l);
	spoil("connections", 8, BPF_F_NO_PREALLOC);
	l = must_open();
	assert_true(has_problem(l, "map connections starts cold"));
	assert_true(has_problem(l, "connections and entries start cold"));
	assert_true(pd_load_was_cold(l));
	assert_false(pd_load_adopted(l));
	pd_load_authority(l, 3, &b);
	assert_true(a.incarnation != b.incarnation);
	assert_true(b.word > a.word);
	pd_load_slot(l, 3, 5, &slot);
	assert_true(slot.word == 0);
	/* The seed is not part of the unit. */
	pd_load_settings(l, &after);
	assert_true(before.seed == after.seed);
	pd_load_close(&l);
}

static void a_missing_pin_of_the_unit_is_cold(void **state)
{
	struct pd_load *l = must_open();
	char path[160];

	(void)state;
	pd_load_close(&l);
	snprintf(path, sizeof(path), "%s/v1/maps/flows", dir);
	assert_int_equal(unlink(path), 0);
	l = must_open();
	assert_true(pd_load_was_cold(l));
	assert_true(has_problem(l, "map flows starts cold: its pin was missing"));
	pd_load_close(&l);
}

/* Write `value` over the row `key` of a pinned map. */
static void scribble(const char *name, const void *key, const void *value)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/v1/maps/%s", dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, key, value, BPF_ANY), 0);
	close(fd);
}

static int pinned_map(const char *name)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/v1/maps/%s", dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* A value that no program writes is found in each map. */
static void values_that_nobody_wrote_are_found(void **state)
{
	static const enum pd_map_id maps[] = {
		PD_MAP_services,  PD_MAP_interfaces, PD_MAP_slots,	PD_MAP_authorities,
		PD_MAP_replays,	  PD_MAP_flows,	     PD_MAP_assemblies, PD_MAP_connections,
		PD_MAP_entries_s, PD_MAP_entries_m,  PD_MAP_entries_l,	PD_MAP_entries_xl,
		PD_MAP_datagrams, PD_MAP_sources,    PD_MAP_ttls,
	};
	struct pd_load *l = must_open();
	struct pd_audit audit = {0};
	static uint8_t value[65536];
	uint8_t key[64] = {1};

	(void)state;
	leave_traces(l);
	for (size_t i = 0; i < PD_ARRAY_SIZE(maps); i++) {
		const struct pd_map_row *row = &pd_map_rows[maps[i]];
		int fd = l->map_fds[maps[i]];
		uint32_t rows = bpf_map__max_entries(
			bpf_object__find_map_by_name(l->obj, row->name));

		assert_int_equal(pd_audit_map(maps[i], fd, rows, &audit), 0);
		assert_int_equal(audit.bad, 0);
		memset(value, 0xa5, sizeof(value));
		/* a time to live that ends before it begins */
		memset(value + 8, maps[i] == PD_MAP_ttls ? 0 : 0xa5, 8);
		scribble(row->name, key, value);
		assert_int_equal(pd_audit_map(maps[i], fd, rows, &audit), 0);
		if (audit.bad != 1)
			fail_msg("%s: %d found", row->name, (int)audit.bad);
	}
	pd_load_close(&l);
}

static void what_nobody_wrote_is_cold(void **state)
{
	struct pd_load *l = must_open();
	struct pd_slot slot = {.pad = 1};
	struct pd_entry_m entry = {.h = {.key_len = 9}};
	uint32_t at = 77;
	uint64_t key = 99;

	(void)state;
	pd_load_close(&l);
	scribble("entries_m", &key, &entry);
	l = must_open();
	assert_true(has_problem(l, "map entries_m starts cold: no panditd wrote"));
	assert_int_equal(problems(l), 1);
	assert_true(pd_load_adopted(l));
	pd_load_close(&l);
	scribble("slots", &at, &slot);
	l = must_open();
	assert_true(has_problem(l, "map slots starts cold: no panditd wrote"));
	assert_int_equal(problems(l), 2);
	assert_true(pd_load_was_cold(l));
	pd_load_close(&l);
	l = must_open();
	assert_int_equal(problems(l), 0);
	pd_load_close(&l);
}

/* Settings that were not sealed by a panditd. */
static void settings_that_nobody_wrote_are_cold(void **state)
{
	struct pd_load *l = must_open();
	struct pd_settings s, after;
	uint32_t zero = 0;

	(void)state;
	pd_load_settings(l, &s);
	pd_load_close(&l);
	s.seed++;
	scribble("settings", &zero, &s);
	l = must_open();
	assert_true(has_problem(l, "map settings starts cold: no panditd wrote"));
	assert_true(pd_load_was_cold(l));
	pd_load_settings(l, &after);
	assert_true(after.seed != s.seed);
	pd_load_close(&l);
}

/* A daemon that died while it pinned the maps of a cold start. */
static void maps_of_two_daemons_are_cold(void **state)
{
	struct pd_load *l = must_open();
	char path[160], next[192];
	int fd;

	(void)state;
	pd_load_close(&l);
	fd = pinned_map("slots");
	l = must_open();
	assert_false(pd_load_was_cold(l));
	pd_load_close(&l);
	spoil("flows", 8, BPF_F_NO_PREALLOC);
	l = must_open();
	assert_true(pd_load_was_cold(l));
	pd_load_close(&l);
	/* the slots of before the cold start: everything fits, one by one */
	snprintf(path, sizeof(path), "%s/v1/maps/slots", dir);
	snprintf(next, sizeof(next), "%s_old", path);
	assert_int_equal(bpf_obj_pin(fd, next), 0);
	assert_int_equal(rename(next, path), 0);
	close(fd);
	l = must_open();
	assert_true(pd_load_was_cold(l));
	assert_true(has_problem(l, "are of two daemons"));
	pd_load_close(&l);
}

/* The first daemon of all died before everything was pinned: nothing to complain of. */
static void half_a_first_start_is_a_first_start(void **state)
{
	struct pd_load *l = must_open();
	struct pd_settings s;
	uint32_t zero = 0;
	char path[160];

	(void)state;
	pd_load_settings(l, &s);
	pd_load_close(&l);
	s.seal = 0;
	scribble("settings", &zero, &s);
	snprintf(path, sizeof(path), "%s/v1/maps/datagrams", dir);
	assert_int_equal(unlink(path), 0);
	l = must_open();
	assert_true(pd_load_was_fresh(l));
	assert_int_equal(problems(l), 0);
	pd_load_settings(l, &s);
	assert_true(s.seal != 0);
	pd_load_close(&l);
	l = must_open();
	assert_true(pd_load_adopted(l));
	pd_load_close(&l);
}

/* Translation outlives a cold start that has another reason. */
static void connections_are_kept_for_their_translation(void **state)
{
	struct pd_load *l = must_open();
	struct pd_tuple t = {.cport = 1};
	static struct pd_conn c = {.state = PD_CONN_LIVE, .sum_n = 20, .sum_m = 30, .local = 1};
	int fd;

	(void)state;
	pd_load_close(&l);
	scribble("connections", &t, &c);
	spoil("flows", 8, BPF_F_NO_PREALLOC);
	l = must_open();
	assert_true(pd_load_was_cold(l));
	assert_true(has_problem(l, "open connections pass unanswered"));
	fd = pinned_map("connections");
	assert_int_equal(bpf_map_lookup_elem(fd, &t, &c), 0);
	close(fd);
	assert_int_equal(c.sum_n, 20);
	assert_int_equal(c.sum_m, 30);
	assert_true(c.stream.ses.end && c.stream.ses.opaque && !c.local);
	pd_load_close(&l);
}

static void another_abi_is_all_cold(void **state)
{
	struct pd_load *l = must_open();
	struct pd_settings s;
	uint32_t zero = 0;
	char path[160];
	int fd, n = 0;

	(void)state;
	leave_traces(l);
	pd_load_settings(l, &s);
	pd_load_close(&l);
	snprintf(path, sizeof(path), "%s/v1/maps/settings", dir);
	fd = bpf_obj_get(path);
	s.abi = 99;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &s, BPF_ANY), 0);
	close(fd);
	l = must_open();
	assert_true(has_problem(l, "map settings starts cold: ABI 99"));
	assert_true(pd_load_was_cold(l));
	assert_int_equal(pd_load_services(l, see_service, &n), 0);
	assert_int_equal(n, 0);
	pd_load_close(&l);
}

static void other_limits_keep_what_is_there(void **state)
{
	struct pd_load_options o = {
		.bpffs = dir, .connections = 2000, .memory = 4 << 20, .max_entries = 1000};
	struct pd_load *l = must_open();

	(void)state;
	pd_load_close(&l);
	assert_int_equal(pd_load_open(&o, &l, NULL), 0);
	assert_true(pd_load_adopted(l));
	assert_true(has_problem(
		l, "map connections keeps its 1000 rows (the configuration asks for 2000)"));
	pd_load_close(&l);
}

static void there_is_only_one(void **state)
{
	struct pd_load *l = must_open(), *second = NULL;
	struct pd_fault f;

	(void)state;
	assert_int_equal(open_load(&second, &f), -EBUSY);
	assert_non_null(strstr(f.message, "another panditd"));
	assert_true(f.hint[0] != '\0');
	assert_null(second);
	pd_load_close(&l);
	l = must_open();
	pd_load_close(&l);
}

static void elsewhere_is_no_bpffs(void **state)
{
	struct pd_load_options o = {.bpffs = "/tmp/pandit/none",
				    .connections = 10,
				    .memory = 1 << 20,
				    .max_entries = 10};
	struct pd_load *l = NULL;
	struct pd_fault f;

	(void)state;
	assert_int_equal(pd_load_open(&o, &l, &f), -ENODEV);
	assert_non_null(strstr(f.hint, "mount -t bpf"));
	assert_true(access("/tmp/pandit/none", F_OK) < 0);
}

static void words_only_grow(void **state)
{
	struct pd_load *l = must_open();
	struct pd_authority a, b;

	(void)state;
	pd_load_authority(l, 0, &a);
	pd_load_bump_all(l);
	pd_load_authority(l, 0, &b);
	assert_true(b.word == a.word + PD_WORD_BUMP);
	/* Out of range: nothing happens, nothing is written beyond. */
	pd_load_bump_authority(l, PD_AUTHORITIES_MAX);
	pd_load_bump_slot(l, PD_AUTHORITIES_MAX, 0);
	pd_load_close(&l);
}

static void counts_start_at_zero(void **state)
{
	struct pd_load *l = must_open();
	uint64_t counters[PD_C_MAX], verdicts[PD_V_MAX];

	(void)state;
	assert_int_equal(pd_load_reset_counts(l, 63), 0);
	assert_int_equal(pd_load_counters(l, 63, counters), 0);
	assert_int_equal(pd_load_verdicts(l, 63, verdicts), 0);
	for (int i = 0; i < PD_C_MAX; i++)
		assert_int_equal(counters[i], 0);
	assert_int_equal(pd_load_counters(l, 64, counters), -EINVAL);
	assert_int_equal(pd_load_verdicts(l, 64, verdicts), -EINVAL);
	assert_int_equal(pd_load_count_entries(l), 0);
	assert_int_equal(pd_load_count_connections(l), 0);
	assert_int_equal(pd_load_sweep(l), 0);
	pd_load_close(&l);
}

/* ---- hooks ------------------------------------------------------------------ */

static uint32_t veth(const char *name)
{
	assert_int_equal(netns_veth(name, NULL, 1), 0);
	return if_nametoindex(name);
}

static int filters(const char *name, const char *way)
{
	char cmd[160];

	snprintf(cmd, sizeof(cmd), "test $(tc filter show dev %s %s | grep -c handle) = ", name,
		 way);
	for (int n = 0; n < 5; n++) {
		char full[176];

		snprintf(full, sizeof(full), "%s%d", cmd, n);
		if (!system(full))
			return n;
	}
	return -1;
}

static void hooks_come_and_go(void **state)
{
	struct pd_load *l = must_open();
	uint32_t i = veth("h0");

	(void)state;
	assert_int_equal(pd_load_attached(l, i), 0);
	assert_int_equal(pd_load_attach(l, i, "h0", PD_SIDE_HOME, NULL), 0);
	assert_int_equal(pd_load_attached(l, i), PD_SIDE_HOME);
	assert_int_equal(pd_load_attach(l, i, "h0", PD_SIDE_CLIENT | PD_SIDE_HOME, NULL), 0);
	assert_int_equal(filters("h0", "ingress"), 2);
	assert_int_equal(filters("h0", "egress"), 2);
	/* Again: replaced in place, not added. */
	assert_int_equal(pd_load_attach(l, i, "h0", PD_SIDE_CLIENT | PD_SIDE_HOME, NULL), 0);
	assert_int_equal(filters("h0", "ingress"), 2);
	pd_load_close(&l);
	l = must_open();
	assert_int_equal(pd_load_attached(l, i), PD_SIDE_CLIENT | PD_SIDE_HOME);
	assert_true(pd_load_clsact_ours(l, i));
	assert_int_equal(pd_load_detach(l, i, PD_SIDE_CLIENT, NULL), 0);
	assert_int_equal(pd_load_attached(l, i), PD_SIDE_HOME);
	assert_int_equal(pd_load_detach(l, i, PD_SIDE_HOME, NULL), 0);
	assert_int_equal(pd_load_detach(l, i, PD_SIDE_HOME, NULL), 0);
	assert_int_equal(filters("h0", "ingress"), 0);
	assert_int_equal(pd_load_clsact_remove(l, i), 0);
	assert_false(pd_load_clsact_ours(l, i));
	assert_int_not_equal(system("tc qdisc show dev h0 | grep -q clsact"), 0);
	pd_load_close(&l);
}

static void what_is_not_ours_stays(void **state)
{
	char other[80];
	struct pd_load_options o = {
		.bpffs = other, .connections = 10, .memory = 1 << 20, .max_entries = 10};
	struct pd_load *l = must_open(), *them = NULL;
	uint32_t i = veth("h1");
	struct pd_fault f;

	(void)state;
	snprintf(other, sizeof(other), "%s-2", dir);
	assert_int_equal(sh("tc qdisc add dev h1 clsact"), 0);
	assert_int_equal(pd_load_open(&o, &them, NULL), 0);
	assert_int_equal(pd_load_attach(them, i, "h1", PD_SIDE_CLIENT, NULL), 0);
	assert_int_equal(pd_load_attached(l, i), 0);
	assert_int_equal(pd_load_attach(l, i, "h1", PD_SIDE_CLIENT, &f), -EBUSY);
	assert_non_null(strstr(f.message, "h1"));
	assert_non_null(strstr(f.hint, "tc filter del dev h1 egress prio 3026"));
	assert_int_equal(pd_load_detach(l, i, PD_SIDE_CLIENT | PD_SIDE_HOME, NULL), 0);
	assert_int_equal(pd_load_attached(them, i), PD_SIDE_CLIENT);
	/* The qdisc was there before: it belongs to neither. */
	assert_false(pd_load_clsact_ours(l, i) || pd_load_clsact_ours(them, i));
	assert_int_equal(pd_load_detach(them, i, PD_SIDE_CLIENT, NULL), 0);
	assert_int_equal(pd_load_purge(them, NULL), 0);
	pd_load_close(&them);
	pd_load_close(&l);
}

static void xdp_is_attached_and_taken_off(void **state)
{
	struct pd_load *l = must_open();
	uint32_t i = veth("h2");
	enum pd_xdp_mode mode = PD_XDP_NONE;

	(void)state;
	if (!pd_load_has(l, "edge_client")) {
		assert_int_equal(pd_load_attach_edge(l, i, "h2", PD_XDP_GENERIC, &mode, NULL),
				 -ENOENT);
		assert_int_equal(pd_load_detach_edge(l, i, NULL), 0);
		pd_load_close(&l);
		return;
	}
	assert_int_equal(pd_load_attach_edge(l, i, "h2", PD_XDP_GENERIC, &mode, NULL), 0);
	assert_int_equal(mode, PD_XDP_GENERIC);
	assert_int_equal(pd_load_attach_edge(l, i, "h2", PD_XDP_NONE, &mode, NULL), 0);
	assert_int_equal(mode, PD_XDP_GENERIC);
	assert_int_equal(system("ip -d link show dev h2 | grep -q xdpgeneric"), 0);
	assert_int_equal(pd_load_detach_edge(l, i, NULL), 0);
	assert_int_not_equal(system("ip -d link show dev h2 | grep -q xdp"), 0);
	assert_int_equal(pd_load_attach_edge(l, i, "h2", PD_XDP_NONE, &mode, NULL), 0);
	assert_int_equal(mode, PD_XDP_NATIVE);
	assert_int_equal(pd_load_detach_edge(l, i, NULL), 0);
	pd_load_close(&l);
}

static void an_interface_that_is_not_there(void **state)
{
	struct pd_load *l = must_open();
	struct pd_fault f = {0};

	(void)state;
	assert_true(pd_load_attach(l, 999999, "gone", PD_SIDE_CLIENT, &f) < 0);
	assert_non_null(strstr(f.message, "gone"));
	assert_int_equal(pd_load_detach(l, 999999, PD_SIDE_CLIENT, NULL), 0);
	assert_int_equal(pd_load_clsact_remove(l, 999999), 0);
	pd_load_close(&l);
}

static void purge_leaves_nothing(void **state)
{
	struct pd_load *l = must_open();

	(void)state;
	assert_int_equal(pd_load_purge(l, NULL), 0);
	assert_true(access(dir, F_OK) < 0);
	pd_load_close(&l);
	l = must_open();
	assert_true(pd_load_was_fresh(l));
	pd_load_close(&l);
}

/* Each test starts without pins. */
static int fresh(void **state)
{
	(void)state;
	return sh("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sizes_follow_the_rule, fresh),
		cmocka_unit_test_setup(a_first_start_is_silent, fresh),
		cmocka_unit_test_setup(everything_is_adopted, fresh),
		cmocka_unit_test_setup(a_map_alone_is_taken_cold, fresh),
		cmocka_unit_test_setup(a_map_without_type_information_is_cold, fresh),
		cmocka_unit_test_setup(the_unit_goes_together, fresh),
		cmocka_unit_test_setup(a_missing_pin_of_the_unit_is_cold, fresh),
		cmocka_unit_test_setup(values_that_nobody_wrote_are_found, fresh),
		cmocka_unit_test_setup(what_nobody_wrote_is_cold, fresh),
		cmocka_unit_test_setup(settings_that_nobody_wrote_are_cold, fresh),
		cmocka_unit_test_setup(maps_of_two_daemons_are_cold, fresh),
		cmocka_unit_test_setup(half_a_first_start_is_a_first_start, fresh),
		cmocka_unit_test_setup(connections_are_kept_for_their_translation, fresh),
		cmocka_unit_test_setup(another_abi_is_all_cold, fresh),
		cmocka_unit_test_setup(other_limits_keep_what_is_there, fresh),
		cmocka_unit_test_setup(there_is_only_one, fresh),
		cmocka_unit_test_setup(elsewhere_is_no_bpffs, fresh),
		cmocka_unit_test_setup(words_only_grow, fresh),
		cmocka_unit_test_setup(counts_start_at_zero, fresh),
		cmocka_unit_test_setup(hooks_come_and_go, fresh),
		cmocka_unit_test_setup(what_is_not_ours_stays, fresh),
		cmocka_unit_test_setup(xdp_is_attached_and_taken_off, fresh),
		cmocka_unit_test_setup(an_interface_that_is_not_there, fresh),
		cmocka_unit_test_setup(purge_leaves_nothing, fresh),
	};
	int failed;

	if (netns_enter()) {
		fprintf(stderr, "test_load: needs root\n");
		return 77;
	}
	snprintf(dir, sizeof(dir), "/sys/fs/bpf/pandit-load-%d", getpid());
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (sh("rm -rf %s", dir))
		return 1;
	return failed;
}
