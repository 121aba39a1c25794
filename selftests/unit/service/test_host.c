/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host with the real programs, in a network namespace of its own: c0 leads
 * to clients, s0 to the authority of 10.77.2.2.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <uv.h>

#include "maps/conn.h"
#include "selftests/unit/netns.h"
#include "user/lib/clock.h"
#include "user/lib/log.h"
#include "user/load/load.h"
#include "user/service/config.h"
#include "user/service/host.h"

static char dir[64], pins[64];
static uv_loop_t loop;

static struct pd_config *config(const char *rest)
{
	struct pd_config *c = NULL;
	struct pd_fault f = {0};
	char text[2048];

	snprintf(text, sizeof(text),
		 "node: n\nruntime_dir: %s/run\nstate_dir: %s/state\nbpffs: %s\n"
		 "limits: {memory: 2MiB, connections: 1000}\n%s",
		 dir, dir, pins, rest);
	if (pd_config_parse("f.yaml", text, strlen(text), &c, &f))
		fail_msg("%s", f.message);
	return c;
}

#define BOTH "attach: [c0, s0]\n"
#define REDIS \
	"services:\n  - {name: r, protocol: redis, address: 10.77.2.2, cache: {max_age: 60s}}\n"

static struct pd_host *must_start(const char *rest)
{
	struct pd_host *h = NULL;
	struct pd_fault f = {0};

	if (pd_host_new(config(rest), &loop, &h, &f))
		fail_msg("%s", f.message);
	return h;
}

static void stop(struct pd_host **h)
{
	pd_host_free(h);
	assert_null(*h);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void on_time(uv_timer_t *t)
{
	uv_stop(t->loop);
}

/* Let the loop work until @done says so, at most two seconds. */
static bool work_until(struct pd_host *h, bool (*done)(struct pd_host *h))
{
	bool ok = false;
	uv_timer_t t;

	uv_timer_init(&loop, &t);
	for (int i = 0; i < 100 && !(ok = done(h)); i++) {
		uv_timer_start(&t, on_time, 20, 0);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return ok;
}

struct found {
	const char *name;
	bool there, answers;
	uint32_t id;
	char home[16], reason[256];
};

static int find(void *arg, const struct pd_service_info *info)
{
	struct found *f = arg;

	if (strcmp(info->name, f->name))
		return 0;
	f->there = true;
	f->answers = info->answers;
	f->id = info->id;
	snprintf(f->home, sizeof(f->home), "%s", info->home);
	snprintf(f->reason, sizeof(f->reason), "%s", info->reason);
	return 0;
}

static struct found service(struct pd_host *h, const char *name)
{
	struct found f = {.name = name};

	assert_int_equal(pd_host_services(h, find, &f), 0);
	return f;
}

static bool answers(struct pd_host *h)
{
	return service(h, "r").answers;
}

static bool is_closed(struct pd_host *h)
{
	return !service(h, "r").answers;
}

static const struct pd_interface_info *iface(struct pd_host *h, const char *name)
{
	static struct pd_status st;

	pd_host_status(h, &st);
	for (size_t i = 0; i < st.ninterfaces; i++)
		if (!strcmp(st.interfaces[i].name, name))
			return &st.interfaces[i];
	return NULL;
}

static bool has_problem(struct pd_host *h, const char *part)
{
	struct pd_status st;

	pd_host_status(h, &st);
	for (size_t i = 0; i < st.nproblems; i++)
		if (strstr(st.problems[i], part))
			return true;
	return false;
}

static int map_fd(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/v1/maps/%s", pins, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static uint64_t word(uint32_t authority)
{
	struct pd_authority a;
	int fd = map_fd("authorities");

	assert_int_equal(bpf_map_lookup_elem(fd, &authority, &a), 0);
	close(fd);
	return a.word;
}

static bool leftovers(void)
{
	return !access(pins, F_OK) || !system("tc qdisc show | grep -q clsact");
}

static void sides_come_from_the_routes(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	struct pd_status st;

	(void)state;
	assert_string_equal(iface(h, "c0")->side, "client");
	assert_string_equal(iface(h, "s0")->side, "home");
	assert_string_equal(iface(h, "s0")->mode, "tc-peer");
	assert_true(answers(h));
	assert_string_equal(service(h, "r").home, "s0");
	pd_host_status(h, &st);
	assert_int_equal(st.state, PD_STATE_READY);
	assert_int_equal(st.nproblems, 0);
	stop(&h);
}

static void a_service_without_its_home_stays_shut(void **state)
{
	struct pd_host *h = must_start("attach: c0\n" REDIS);
	struct pd_fault f;

	(void)state;
	assert_false(answers(h));
	assert_true(has_problem(h, "s0, which leads to 10.77.2.2:6379, is not attached"));
	assert_int_equal(pd_host_attach(h, "s0", PD_SIDE_CLIENT, NULL), 0);
	assert_true(has_problem(h, "attached as client only"));
	assert_int_equal(pd_host_attach(h, "s0", PD_SIDE_HOME, NULL), 0);
	assert_true(answers(h));
	assert_int_equal(pd_host_attach(h, "nope", 0, &f), -ENODEV);
	assert_int_equal(pd_host_attach(h, "lo", 0, &f), -EINVAL);
	stop(&h);
}

static void services_come_and_go(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	const char *addr[] = {"10.77.2.2:6379"}, *other[] = {"10.77.2.2:11211"};
	struct pd_service_spec spec = {
		.name = "r", .protocol = "redis", .addresses = other, .naddresses = 1};
	struct pd_fault f;
	uint32_t id;

	(void)state;
	assert_int_equal(pd_host_add_service(h, &spec, &f), -EEXIST);
	spec.name = "m";
	spec.addresses = addr;
	assert_int_equal(pd_host_add_service(h, &spec, &f), -EEXIST);
	assert_string_equal(f.message,
			    "the address 10.77.2.2:6379 belongs to the service 'r' already");
	spec.protocol = "memcached";
	spec.addresses = other;
	assert_int_equal(pd_host_add_service(h, &spec, &f), 0);
	assert_true(service(h, "m").answers);
	id = service(h, "m").id;
	assert_true(id != service(h, "r").id);
	/* It is there after a restart, with its id. */
	stop(&h);
	h = must_start(BOTH REDIS);
	assert_true(service(h, "m").answers);
	assert_int_equal(service(h, "m").id, id);
	assert_int_equal(pd_host_rm_service(h, "m", &f), 0);
	assert_false(service(h, "m").there);
	assert_int_equal(pd_host_rm_service(h, "m", &f), -ENOENT);
	stop(&h);
	h = must_start(BOTH REDIS);
	assert_false(service(h, "m").there);
	assert_true(answers(h));
	stop(&h);
}

static void an_adopted_service_keeps_its_epoch(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	uint64_t before = word(0);

	(void)state;
	stop(&h);
	h = must_start(BOTH REDIS);
	assert_true(answers(h));
	assert_true(word(0) == before);
	stop(&h);
	/* Without its home hook meanwhile, it may have been written to unseen. */
	assert_int_equal(sh("tc qdisc del dev s0 clsact"), 0);
	h = must_start(BOTH REDIS);
	assert_true(answers(h));
	assert_true(word(0) > before);
	stop(&h);
}

static void a_lost_home_shuts_and_a_new_epoch_opens(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	uint64_t before = word(0);

	(void)state;
	assert_int_equal(sh("ip link del s0"), 0);
	assert_true(work_until(h, is_closed));
	assert_true(word(0) > before);
	assert_true(has_problem(h, "s0: there is no such interface now"));
	before = word(0);
	assert_int_equal(netns_veth("s0", "10.77.2.1/24", 1), 0);
	assert_true(work_until(h, answers));
	assert_true(word(0) > before);
	/* Somebody takes the hook off: shut, attached again, open under a new epoch. */
	before = word(0);
	assert_int_equal(sh("tc qdisc del dev s0 clsact"), 0);
	work_until(h, is_closed);
	assert_true(answers(h));
	assert_true(word(0) > before);
	stop(&h);
}

static bool has_x0(struct pd_host *h)
{
	return iface(h, "x0") != NULL;
}

static bool has_no_x0(struct pd_host *h)
{
	return iface(h, "x0") == NULL;
}

static void patterns_take_what_appears_later(void **state)
{
	struct pd_host *h = must_start("attach: [c0, s0, \"x*\"]\n" REDIS);

	(void)state;
	assert_int_equal(netns_veth("x0", NULL, 1), 0);
	assert_true(work_until(h, has_x0));
	assert_string_equal(iface(h, "x0")->side, "client");
	assert_int_equal(sh("ip link del x0"), 0);
	assert_true(work_until(h, has_no_x0));
	assert_false(has_problem(h, "x0"));
	stop(&h);
}

/* ---- entries ---------------------------------------------------------------------- */

static void put_entry(struct pd_host *h, const char *key)
{
	struct pd_entry_s e = {.h = {.seq = 1,
				     .epoch = word(0),
				     .born = pd_boottime_ns(),
				     .service = (uint16_t)service(h, "r").id,
				     .op = 1}};
	size_t len = strlen(key), off = (len + 7) & ~(size_t)7;
	int fd = map_fd("entries_s");
	uint64_t hash = len;

	e.h.expires = e.h.born + 60 * PD_NS_PER_S;
	e.h.ident_len = e.h.key_len = (uint16_t)len;
	e.h.reply_len = 7;
	e.h.realm = 2 << 8;
	memcpy(e.data, key, len);
	memcpy(e.data + off, "$1\r\nv\r\n", 7);
	assert_int_equal(bpf_map_update_elem(fd, &hash, &e, BPF_ANY), 0);
	close(fd);
}

struct seen {
	size_t n;
	bool usable;
	char why[32];
	int32_t db;
};

static int see(void *arg, const struct pd_entry_info *info)
{
	struct seen *s = arg;

	s->n++;
	s->usable = info->usable;
	s->db = info->db;
	snprintf(s->why, sizeof(s->why), "%s", info->why);
	assert_memory_equal(info->reply, "$1\r\nv\r\n", info->reply_len);
	assert_true(info->left_ms > 50000);
	return 0;
}

static struct seen get(struct pd_host *h, const char *key, int db)
{
	struct seen s = {0};
	int err = pd_host_get(h, "r", key, strlen(key), db, see, &s, NULL);

	assert_int_equal(err, s.n ? 0 : -ENOENT);
	return s;
}

static void entries_are_shown_and_flushed(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	struct seen all = {0};
	struct pd_fault f;

	(void)state;
	put_entry(h, "k");
	put_entry(h, "key2");
	assert_int_equal(pd_host_entries(h, "r", 0, see, &all, &f), 0);
	assert_int_equal(all.n, 2);
	all.n = 0;
	assert_int_equal(pd_host_entries(h, "r", 1, see, &all, &f), 0);
	assert_int_equal(all.n, 1);
	assert_true(get(h, "k", -1).usable);
	assert_int_equal(get(h, "k", -1).db, 2);
	assert_int_equal(get(h, "k", 2).n, 1);
	assert_int_equal(get(h, "k", 0).n, 0);
	assert_int_equal(get(h, "key", -1).n, 0);
	assert_int_equal(pd_host_flush(h, "r", "k", 1, &f), 0);
	assert_string_equal(get(h, "k", -1).why, "miss_changed");
	assert_true(get(h, "key2", -1).usable);
	assert_int_equal(pd_host_flush(h, "r", NULL, 0, &f), 0);
	assert_string_equal(get(h, "key2", -1).why, "miss_changed");
	assert_int_equal(pd_host_flush(h, "nope", NULL, 0, &f), -ENOENT);
	assert_int_equal(pd_host_get(h, "nope", "k", 1, -1, see, &all, &f), -ENOENT);
	stop(&h);
}

/* ---- detaching --------------------------------------------------------------------- */

static int detach_result;
static bool detached;

static void on_detached(void *arg, int err, const struct pd_fault *f)
{
	(void)arg;
	assert_non_null(f);
	detach_result = err;
	detached = true;
}

static bool is_detached(struct pd_host *h)
{
	(void)h;
	return detached;
}

static int detach(struct pd_host *h, const char *name, uint64_t timeout_ms)
{
	struct pd_fault f;
	int err;

	detached = false;
	err = pd_host_detach(h, name, false, timeout_ms, on_detached, NULL, &f);
	if (err)
		return err;
	assert_int_equal(pd_host_detach(h, NULL, false, 0, NULL, NULL, &f), -EBUSY);
	assert_true(work_until(h, is_detached));
	return detach_result;
}

static void put_connection(uint32_t sum, uint64_t closed)
{
	struct pd_tuple key = {.client.b = {[10] = 0xff, 0xff, 10, 77, 1, 2}, .cport = 1};
	struct pd_conn c = {.sum_m = sum, .state = PD_CONN_LIVE, .closed = closed};
	int fd = map_fd("connections");

	c.seen = pd_boottime_ns();
	assert_int_equal(bpf_map_update_elem(fd, &key, &c, BPF_ANY), 0);
	close(fd);
}

static void detaching_waits_for_translated_connections(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);

	(void)state;
	put_connection(5, 0);
	assert_int_equal(detach(h, NULL, 200), -ETIMEDOUT);
	assert_true(answers(h));
	assert_int_equal(detach(h, "c0", 200), -ETIMEDOUT);
	assert_string_equal(iface(h, "c0")->mode, "tc-peer");
	/* Its client is behind c0: s0 need not wait. */
	assert_int_equal(detach(h, "s0", 200), 0);
	assert_false(answers(h));
	assert_null(iface(h, "s0"));
	put_connection(5, pd_boottime_ns() - 3 * PD_NS_PER_S);
	assert_int_equal(detach(h, "c0", 200), 0);
	stop(&h);
}

static void nothing_is_left(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	struct pd_status st;

	(void)state;
	put_connection(0, 0);
	assert_true(leftovers());
	assert_int_equal(detach(h, "nope", 0), -ENOENT);
	assert_int_equal(detach(h, NULL, 1000), 0);
	assert_false(leftovers());
	pd_host_status(h, &st);
	assert_int_equal(st.state, PD_STATE_DEGRADED);
	assert_int_equal(st.ninterfaces, 0);
	assert_int_equal(detach(h, NULL, 1000), 0);
	/* It can begin again. */
	assert_int_equal(pd_host_attach(h, "s0", 0, NULL), 0);
	assert_int_equal(pd_host_attach(h, "c0", 0, NULL), 0);
	assert_true(answers(h));
	assert_int_equal(detach(h, NULL, 1000), 0);
	assert_false(leftovers());
	stop(&h);
}

/* ---- starting and reloading ----------------------------------------------------------- */

static void a_failed_start_leaves_nothing(void **state)
{
	struct pd_host *h = NULL, *second = NULL;
	struct pd_fault f = {0};

	(void)state;
	assert_int_equal(pd_host_new(config("attach: [c0, nosuch]\n" REDIS), &loop, &h, &f),
			 -ENODEV);
	assert_string_equal(f.message, "attach: there is no interface 'nosuch'");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_false(leftovers());
	assert_int_equal(pd_host_new(config("listen: {metrics: \"203.0.113.1:9\"}\n" BOTH REDIS),
				     &loop, &h, &f),
			 -EADDRNOTAVAIL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_false(leftovers());
	assert_null(h);
	h = must_start(BOTH REDIS);
	assert_int_equal(pd_host_new(config(BOTH REDIS), &loop, &second, &f), -EBUSY);
	assert_non_null(strstr(f.message, "another panditd"));
	assert_true(answers(h));
	stop(&h);
}

static void reloading_is_all_or_nothing(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	struct pd_config *c = config(BOTH);
	struct pd_fault f;
	uint32_t id = service(h, "r").id;

	(void)state;
	free(c->bpffs);
	c->bpffs = strdup("/sys/fs/bpf/elsewhere");
	assert_int_equal(pd_host_reload(h, c, &f), -EINVAL);
	assert_int_equal(pd_host_reload(h, config("attach: nosuch\n"), &f), -ENODEV);
	assert_true(answers(h));
	assert_int_equal(
		pd_host_reload(h,
			       config(BOTH REDIS
				      "  - {name: m, protocol: memcached, address: 10.77.2.2}\n"),
			       &f),
		0);
	assert_true(answers(h) && service(h, "m").answers);
	assert_int_equal(service(h, "r").id, id);
	assert_int_equal(pd_host_reload(h, config(BOTH), &f), 0);
	assert_false(service(h, "r").there || service(h, "m").there);
	stop(&h);
}

static void nothing_to_do_loads_nothing(void **state)
{
	struct pd_host *h = must_start("");

	(void)state;
	assert_false(leftovers());
	assert_true(pd_host_is_ready(h));
	stop(&h);
}

struct tally {
	size_t n, bad;
};

static int on_stats(void *arg, const struct pd_service_stats *st)
{
	struct tally *t = arg;

	t->n++;
	t->bad += st->ncounters != PD_C_MAX || st->nverdicts != PD_V_MAX || st->npasses;
	t->bad += strcmp(st->verdicts[PD_V_hit].name, "hit") ||
		  strcmp(st->verdicts[PD_V_hit].kind, "HIT");
	return 0;
}

static int on_check(void *arg, const struct pd_check *c)
{
	struct tally *t = arg;

	t->n++;
	t->bad += !c->ok;
	return 0;
}

static void stats_and_doctor(void **state)
{
	struct pd_host *h = must_start(BOTH REDIS);
	struct tally stats = {0}, checks = {0};

	(void)state;
	assert_int_equal(pd_host_stats(h, NULL, on_stats, &stats), 0);
	assert_int_equal(pd_host_stats(h, "r", on_stats, &stats), 0);
	assert_int_equal(stats.n, 2);
	assert_int_equal(stats.bad, 0);
	assert_int_equal(pd_host_stats(h, "nope", on_stats, &stats), -ENOENT);
	assert_int_equal(pd_host_doctor(h, on_check, &checks), 0);
	assert_true(checks.n >= 12);
	assert_int_equal(checks.bad, 0);
	stop(&h);
}

/* Each test begins with the two veths, and without pins, hooks or state. */
static int fresh(void **state)
{
	(void)state;
	sh("ip link del c0 2>/dev/null; ip link del s0 2>/dev/null; rm -rf %s %s/state", pins, dir);
	if (netns_veth("c0", "10.77.1.1/24", 1) || netns_veth("s0", "10.77.2.1/24", 1))
		return -1;
	return 0;
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sides_come_from_the_routes),
		T(a_service_without_its_home_stays_shut),
		T(services_come_and_go),
		T(an_adopted_service_keeps_its_epoch),
		T(a_lost_home_shuts_and_a_new_epoch_opens),
		T(patterns_take_what_appears_later),
		T(entries_are_shown_and_flushed),
		T(detaching_waits_for_translated_connections),
		T(nothing_is_left),
		T(a_failed_start_leaves_nothing),
		T(reloading_is_all_or_nothing),
		T(nothing_to_do_loads_nothing),
		T(stats_and_doctor),
	};
	int failed;

	if (netns_enter()) {
		fprintf(stderr, "test_host: needs root\n");
		return 77;
	}
	snprintf(dir, sizeof(dir), "/tmp/pandit-unit-%d", getpid());
	snprintf(pins, sizeof(pins), "/sys/fs/bpf/pandit-unit-%d", getpid());
	mkdir(dir, 0700);
	pd_log_set_level(PD_LOG_ERR);
	uv_loop_init(&loop);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	uv_loop_close(&loop);
	sh("rm -rf %s %s", dir, pins);
	return failed;
}
