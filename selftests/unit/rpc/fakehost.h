/* SPDX-License-Identifier: Apache-2.0 */
/* A host that only remembers what it was asked, behind the real admin API. */
#ifndef PD_SELFTESTS_UNIT_RPC_FAKEHOST_H
#define PD_SELFTESTS_UNIT_RPC_FAKEHOST_H

#include "selftests/unit/rpc/harness.h"

#include <errno.h>

#include "user/service/admin.h"
#include "user/service/host.h"

struct pd_host {
	size_t entries;
	int list_end;	/* 1: all were taken; -errno: the callback ended it */
	struct pd_service_spec spec;
	uint32_t sides;
	const void *flushed_key;
	size_t flushed_len;
	pd_done_fn done;
	void *done_arg;
	bool forgotten, ready;
	int counting;	/* not 0: hits grow with each call */
	int db;
	void *observing;	/* NULL: nobody does */
	uint32_t rate;
	size_t prefix_len;
};

static struct pd_host host;

static const char *const problems[] = { "interface vethx is absent" };
static const struct pd_interface_info interfaces[] = {
	{ "vethc", "client", "tc-peer", "leads to clients", 7, 1500 },
	{ "veths", "home", "tc", "route to 10.1.0.2", 9, 9000 },
};
static const char *const addresses[] = { "10.1.0.2:6379", "[fd00::2]:6379" };
static const struct pd_service_info service = {
	.name = "sessions", .protocol = "redis", .addresses = addresses, .naddresses = 2,
	.transport = "tcp", .home = "veths", .consistency = "strict", .acl = "per-user",
	.max_age_ms = 1500, .max_value = 4096, .id = 3, .authority = 2, .answers = true,
	.reason = "", .assist = "on", .assist_reason = "10.1.0.2:6379",
};

const char *pd_state_name(enum pd_state state)
{
	return state == PD_STATE_DEGRADED ? "degraded" : "ready";
}

void pd_host_status(struct pd_host *h, struct pd_status *st)
{
	*st = (struct pd_status){
		.node = "host-b", .version = "1.2", .state = PD_STATE_DEGRADED,
		.problems = problems, .nproblems = 1, .interfaces = interfaces, .ninterfaces = 2,
		.entries = 12345678901, .connections = 4, .uptime_ms = 99,
	};
	if (h->ready) {
		st->state = PD_STATE_READY;
		st->nproblems = 0;
	}
}

int pd_host_services(struct pd_host *h, pd_service_fn fn, void *arg)
{
	(void)h;
	return fn(arg, &service);
}

int pd_host_add_service(struct pd_host *h, const struct pd_service_spec *spec, struct pd_fault *f)
{
	if (spec->max_value == 1)
		return pd_fail(f, -EEXIST, "pick another name,\nor r\xc3\xa4m it",
			       "service '%s' exists", spec->name);
	h->spec = *spec;
	return 0;
}

int pd_host_rm_service(struct pd_host *h, const char *name, struct pd_fault *f)
{
	(void)h;
	return strcmp(name, "sessions") ? pd_fail(f, -ENOENT, "hint", "no '%s'", name) : 0;
}

int pd_host_stats(struct pd_host *h, const char *name, pd_stats_fn fn, void *arg)
{
	static const struct pd_named_count passes[] = { { "pass_write", "a write", "PASS", 5 } };
	static const struct pd_named_count counters[] = { { "replays", "replies again", "", 0 } };
	struct pd_service_stats stats = {
		.name = "sessions", .hits = UINT64_MAX, .misses = 2, .fills = 3,
		.invalidations = 4, .passes = passes, .npasses = 1, .counters = counters,
		.ncounters = 1, .verdicts = passes, .nverdicts = 1,
	};

	if (name && strcmp(name, "sessions"))
		return -ENOENT;
	if (h->counting)
		stats.hits = 1000000 + 500 * (uint64_t)h->counting++;
	return fn(arg, &stats);
}

int pd_host_entries(struct pd_host *h, const char *name, size_t limit, pd_entry_fn fn, void *arg,
		    struct pd_fault *f)
{
	char key[24];

	(void)f;
	for (size_t i = 0; i < h->entries && (!limit || i < limit); i++) {
		struct pd_entry_info info = {
			.service = name, .key = key, .key_len = sizeof(key), .ident = key,
			.ident_len = sizeof(key), .reply = "x", .reply_len = 1, .db = -1,
			.class_name = "s", .left_ms = -5, .why = "miss_expired",
		};
		int err;

		memset(key, 0, sizeof(key));
		snprintf(key, sizeof(key), "k%zu", i);
		err = fn(arg, &info);
		if (err) {
			__atomic_store_n(&h->list_end, err, __ATOMIC_SEQ_CST);
			return err;
		}
	}
	__atomic_store_n(&h->list_end, 1, __ATOMIC_SEQ_CST);
	return 0;
}

int pd_host_get(struct pd_host *h, const char *name, const void *key, size_t key_len, int db,
		pd_entry_fn fn, void *arg, struct pd_fault *f)
{
	struct pd_entry_info info = {
		.service = name, .key = key, .key_len = key_len, .ident = key,
		.ident_len = key_len, .reply = "$1\r\n\0\r\n", .reply_len = 7, .db = db,
		.class_name = "xl", .age_ms = 1, .left_ms = 2, .usable = true, .why = "ignored",
	};
	struct pd_entry_info length = info;	/* of the key "two" only */

	h->db = db;
	if (key_len == 0)
		return pd_fail(f, -ENOENT, NULL, "no entry");
	length.reply = ":1\r\n";
	length.reply_len = 4;
	if (key_len == 3 && !memcmp(key, "two", 3) && fn(arg, &length))
		return -ECANCELED;
	return fn(arg, &info);
}

int pd_host_flush(struct pd_host *h, const char *name, const void *key, size_t key_len,
		  struct pd_fault *f)
{
	(void)name;
	(void)f;
	h->flushed_key = key;
	h->flushed_len = key_len;
	return 0;
}

int pd_host_attach(struct pd_host *h, const char *ifname, uint32_t sides, struct pd_fault *f)
{
	h->sides = sides;
	return strcmp(ifname, "veths") ? pd_fail(f, -ENODEV, NULL, "no interface %s", ifname) : 0;
}

/* vethc ends at once, veths never, all fails. */
int pd_host_detach(struct pd_host *h, const char *ifname, bool force, uint64_t timeout_ms,
		   pd_done_fn done, void *arg, struct pd_fault *f)
{
	struct pd_fault late = { "2 connections left", "use --force" };

	(void)force;
	(void)timeout_ms;
	if (!ifname)
		return pd_fail(f, -EBUSY, NULL, "a detach is under way");
	if (!strcmp(ifname, "vethc"))
		done(arg, 0, &late);
	else if (!strcmp(ifname, "vethd"))
		done(arg, -ETIMEDOUT, &late);
	h->done = done;
	h->done_arg = arg;
	return 0;
}

void pd_host_detach_forget(struct pd_host *h, void *arg)
{
	if (h->done_arg == arg)
		h->forgotten = true;
}

int pd_host_doctor(struct pd_host *h, pd_check_fn fn, void *arg)
{
	struct pd_check check = { "bpffs", false, "not mounted", "mount -t bpf bpf /sys/fs/bpf" };

	(void)h;
	return fn(arg, &check);
}

/* Two verdicts and then, if there is a count, nothing more; else the caller has to go. */
int pd_host_observe(struct pd_host *h, const struct pd_observe_spec *spec,
		    const struct pd_observer_fns *fns, void *arg, struct pd_fault *f)
{
	struct pd_seen seen = {
		.time = 1764096521123456789, .service = "sessions", .hook = "client request",
		.transport = "tcp", .client = "10.0.1.2:40000", .server = "10.1.0.2:6379",
		.has_key = true, .key_hash = 0xabc,
		.key = spec->keys ? "k\001" : NULL, .key_len = 2,
		.verdict = "miss_cold", .kind = "MISS", .text = "no entry for this request",
		.source = "kern/client.bpf.c", .line = 7,
	};

	if (spec->nservices && strcmp(spec->services[0], "sessions"))
		return pd_fail(f, -ENOENT, "hint", "there is no service '%s'", spec->services[0]);
	h->observing = arg;
	h->rate = spec->rate;
	h->prefix_len = spec->prefix_len;
	fns->seen(arg, &seen);
	fns->seen(arg, &seen);
	fns->flush(arg, 5);
	return 0;
}

void pd_host_unobserve(struct pd_host *h, void *arg)
{
	if (h->observing == arg)
		__atomic_store_n(&h->observing, NULL, __ATOMIC_SEQ_CST);
}

int pd_host_why(struct pd_host *h, const struct pd_why_spec *spec, const struct pd_why_fns *fns,
		void *arg, struct pd_fault *f)
{
	struct pd_seen seen = {
		.service = "sessions", .hook = "client request", .transport = "tcp",
		.client = "192.0.2.1:50000", .server = "10.1.0.2:6379", .verdict = "hit",
		.kind = "HIT", .text = "answered from the map", .source = "kern/client.bpf.c",
		.line = 9,
	};
	struct pd_fate fate = { 1, "answered", 11, "" };

	if (!spec->nframes && strcmp(spec->service, "sessions"))
		return pd_fail(f, -ENOENT, "hint", "there is no service '%s'", spec->service);
	h->entries = spec->nframes;
	fns->seen(arg, &seen);
	fns->fate(arg, &fate);
	fns->done(arg, 0, &(struct pd_fault){ "", "" });
	return 0;
}

void pd_host_why_forget(struct pd_host *h, void *arg)
{
	(void)h;
	(void)arg;
}

static inline int fakehost_start(struct harness *h, struct pd_fault *f)
{
	return pd_admin_new(&host, h->path, &h->loop, (struct pd_admin **)&h->object, f);
}

static inline void fakehost_finish(struct harness *h)
{
	pd_admin_free((struct pd_admin **)&h->object);
}

/* A fresh host, answering on h->address; ended by harness_down(). */
static inline void fakehost_up(struct harness *h)
{
	memset(&host, 0, sizeof(host));
	h->start = fakehost_start;
	h->finish = fakehost_finish;
	harness_dir(h);
	assert_int_equal(harness_up(h), 0);
}

#endif
