/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying packets on a load of the programs that has maps of its own.
 *
 * Entries are brought in as they are missed: the programs of a rehearsal tell
 * the key of each entry they look for (pd_watch_want() in kern/observe.h). If
 * the live maps have one that the rehearsal lacks, it is copied, the
 * connection is put back to where it was, and the packet is tried again. So a
 * packet of n keys runs n + 1 times at most, and no map has to be walked.
 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/lib/clock.h"
#include "user/load/impl.h"

#define ROWS	  1024 /* of tables that are large in the live maps */
#define TRIES_MAX 256  /* of one packet */
#define SEEN_MAX  8    /* verdicts that one run may give */

struct want {
	uint64_t ehash[64];
	size_t n;
};

struct pd_rehearsal {
	struct pandit *skel;
	int map_fds[PD_MAP_MAX];
	int prog_fds[PD_HOOK_MAX]; /* -1 = not asked for */
	struct ring_buffer *ring;
	struct pd_observed_key seen[SEEN_MAX]; /* of the run under way */
	size_t nseen;
	struct want want;
};

/* A connection's state before a run. */
struct before {
	const struct pd_tuple *flow;
	bool has_conn, has_flow;
	struct pd_conn conn;
	struct pd_flow fl;
};

static const enum pd_map_id entries_maps[PD_CLASSES] = {
	PD_MAP_entries_s,
	PD_MAP_entries_m,
	PD_MAP_entries_l,
	PD_MAP_entries_xl,
};

/* ---- life ---------------------------------------------------------------- */

static int on_record(void *ctx, void *data, size_t size)
{
	struct pd_rehearsal *r = ctx;
	const struct pd_observed_key *k = data;

	if (size < sizeof(*k))
		return 0;
	if (k->h.verdict == PD_OBSERVED_WANT) {
		if (r->want.n < PD_ARRAY_SIZE(r->want.ehash))
			r->want.ehash[r->want.n++] = k->h.khash;
	} else if (r->nseen < SEEN_MAX) {
		r->seen[r->nseen++] = *k;
	}
	return 0;
}

static const char *const hook_names[PD_HOOK_MAX] = {
	[PD_HOOK_CLIENT_REQUEST] = "client_request", [PD_HOOK_CLIENT_REPLY] = "client_reply",
	[PD_HOOK_HOME_REQUEST] = "home_request",     [PD_HOOK_HOME_REPLY] = "home_reply",
	[PD_HOOK_EDGE] = "edge_client",
};

/* Only the programs asked for: each takes a while to be verified. */
static void choose_programs(struct bpf_object *obj, uint32_t hooks)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, obj) {
		bool wanted = false;

		for (int i = 0; i < PD_HOOK_MAX; i++)
			wanted |= hook_names[i] && hooks >> i & 1 &&
				  !strcmp(hook_names[i], bpf_program__name(p));
		bpf_program__set_autoload(p, wanted);
	}
}

static int set_rows(struct bpf_object *obj)
{
	static const enum pd_map_id large[] = {
		PD_MAP_connections, PD_MAP_flows,     PD_MAP_sources,	PD_MAP_datagrams,
		PD_MAP_entries_s,   PD_MAP_entries_m, PD_MAP_entries_l, PD_MAP_entries_xl,
	};
	int err = 0;

	for (size_t i = 0; !err && i < PD_ARRAY_SIZE(large); i++)
		err = bpf_map__set_max_entries(
			bpf_object__find_map_by_name(obj, pd_map_rows[large[i]].name), ROWS);
	return err;
}

static int load_programs(struct pd_rehearsal *r, uint32_t hooks, struct pd_fault *f)
{
	struct bpf_object *obj = pd_skeleton_object(r->skel);
	int err = set_rows(obj);

	choose_programs(obj, hooks);
	pd_libbpf_log_start();
	if (!err)
		err = pd_skeleton_load(r->skel);
	if (err)
		return pd_fail(f, err, "`panditctl doctor` looks at the kernel",
			       "the kernel refused a second load of the programs: %s",
			       pd_libbpf_log_reason());
	for (int i = 0; i < PD_MAP_MAX; i++)
		r->map_fds[i] =
			bpf_map__fd(bpf_object__find_map_by_name(obj, pd_map_rows[i].name));
	for (int i = 0; i < PD_HOOK_MAX; i++) {
		struct bpf_program *p =
			hook_names[i] ? bpf_object__find_program_by_name(obj, hook_names[i]) : NULL;

		r->prog_fds[i] = p ? bpf_program__fd(p) : -1;
	}
	return 0;
}

int pd_rehearsal_new(uint32_t hooks, struct pd_rehearsal **ret, struct pd_fault *f)
{
	static const struct pd_watch all = {
		.services = ~0ULL, .verdicts = ~0ULL, .keys = true};
	_cleanup_(pd_rehearsal_free) struct pd_rehearsal *r = calloc(1, sizeof(*r));
	struct pd_observe *o;
	int err;

	if (!r)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	err = pd_skeleton_open(true, &r->skel, f);
	if (!err)
		err = load_programs(r, hooks, f);
	if (err)
		return err;
	r->ring = ring_buffer__new(
		bpf_map__fd(bpf_object__find_map_by_name(pd_skeleton_object(r->skel), "observed")),
		on_record, r, NULL);
	if (!r->ring)
		return pd_fail(f, -errno, NULL, "cannot read a ring buffer: %s", strerror(errno));
	o = pd_skeleton_observe(r->skel);
	pd_watcher_set(&o->w[0], &all);
	o->until = UINT64_MAX;
	o->on = 1;
	*ret = PD_TAKE_PTR(r);
	return 0;
}

void pd_rehearsal_free(struct pd_rehearsal **rp)
{
	struct pd_rehearsal *r = *rp;

	if (!r)
		return;
	ring_buffer__free(r->ring);
	if (r->skel)
		pd_skeleton_free(&r->skel);
	free(r);
	*rp = NULL;
}

/* ---- copies -------------------------------------------------------------- */

static int put_row(struct pd_rehearsal *r, enum pd_map_id id, const void *key, const void *value)
{
	return bpf_map_update_elem(r->map_fds[id], key, value, BPF_ANY) < 0 ? -errno : 0;
}

/* One row as it is in the live map; none is no error. @flags: BPF_F_LOCK */
static int copy_row(struct pd_rehearsal *r, struct pd_load *load, enum pd_map_id id,
		    const void *key, void *value, uint64_t flags)
{
	if (bpf_map_lookup_elem_flags(load->map_fds[id], key, value, flags) < 0)
		return errno == ENOENT ? 0 : -errno;
	return put_row(r, id, key, value);
}

/* A whole hash: what is small, or copied as it is. */
static int copy_hash(struct pd_rehearsal *r, struct pd_load *load, enum pd_map_id id)
{
	const struct pd_map_row *row = &pd_map_rows[id];
	_cleanup_free_ uint8_t *buf = calloc(1, (size_t)row->key_size * 2 + row->value_size);
	uint8_t *key = buf, *next = buf + row->key_size, *value = next + row->key_size;
	uint64_t steps = 2ULL * row->max_entries + 16;
	void *prev = NULL;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	while (!err && steps-- && !bpf_map_get_next_key(load->map_fds[id], prev, next)) {
		memcpy(key, next, row->key_size);
		prev = key;
		err = copy_row(r, load, id, key, value, 0);
	}
	return err;
}

/* An array that user space has mapped. */
static int copy_mapped(struct pd_rehearsal *r, enum pd_map_id id, const void *from, size_t len)
{
	void *to = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, r->map_fds[id], 0);

	if (to == MAP_FAILED)
		return -errno;
	memcpy(to, from, len);
	munmap(to, len);
	return 0;
}

int pd_rehearsal_copy(struct pd_rehearsal *r, struct pd_load *load)
{
	struct pd_settings settings;
	uint32_t zero = 0;
	int err = copy_row(r, load, PD_MAP_settings, &zero, &settings, 0);

	if (!err)
		err = copy_hash(r, load, PD_MAP_services);
	if (!err)
		err = copy_hash(r, load, PD_MAP_interfaces);
	if (!err)
		err = copy_hash(r, load, PD_MAP_ttls);
	if (!err)
		err = copy_mapped(r, PD_MAP_authorities, load->authorities, load->authorities_len);
	if (!err)
		err = copy_mapped(r, PD_MAP_slots, load->slots, load->slots_len);
	return err;
}

/* Nobody works on the copy, even if somebody did on the original. */
static void idle(struct pd_stream *st)
{
	st->req_busy = 0;
	st->rep_busy = 0;
}

static int copy_connection(struct pd_rehearsal *r, struct pd_load *load, const struct pd_tuple *t)
{
	struct pd_conn c;
	struct pd_replay k;
	int err;

	if (bpf_map_lookup_elem_flags(load->map_fds[PD_MAP_connections], t, &c, BPF_F_LOCK) < 0)
		return errno == ENOENT ? 0 : -errno;
	idle(&c.stream);
	err = put_row(r, PD_MAP_connections, t, &c);
	if (!err)
		err = copy_row(r, load, PD_MAP_replays, &c.replay, &k, 0);
	return err;
}

static int copy_flow(struct pd_rehearsal *r, struct pd_load *load, const struct pd_tuple *t)
{
	struct pd_flow fl;
	struct pd_assembly a;
	int err;

	if (bpf_map_lookup_elem(load->map_fds[PD_MAP_flows], t, &fl) < 0)
		return errno == ENOENT ? 0 : -errno;
	idle(&fl.stream);
	err = put_row(r, PD_MAP_flows, t, &fl);
	if (!err && fl.fill.armed >= PD_FILL_PART && fl.fill.assembly < PD_ASSEMBLIES)
		err = copy_row(r, load, PD_MAP_assemblies, &fl.fill.assembly, &a, 0);
	return err;
}

static bool has_row(const struct pd_rehearsal *r, enum pd_map_id id, const void *key, void *value)
{
	return !bpf_map_lookup_elem(r->map_fds[id], key, value);
}

int pd_rehearsal_flow(struct pd_rehearsal *r, struct pd_load *load, const struct pd_dgram_key *key)
{
	struct pd_source source;
	struct pd_dgram dgram;
	struct pd_conn c;
	struct pd_flow fl;
	int err = 0;

	if (!has_row(r, PD_MAP_connections, &key->flow, &c))
		err = copy_connection(r, load, &key->flow);
	if (!err && !has_row(r, PD_MAP_flows, &key->flow, &fl))
		err = copy_flow(r, load, &key->flow);
	if (!err && !has_row(r, PD_MAP_sources, &key->flow, &source))
		err = copy_row(r, load, PD_MAP_sources, &key->flow, &source, 0);
	if (!err && !has_row(r, PD_MAP_datagrams, key, &dgram))
		err = copy_row(r, load, PD_MAP_datagrams, key, &dgram, 0);
	return err;
}

int pd_rehearsal_connect(struct pd_rehearsal *r, const struct pd_rehearsed_conn *c)
{
	/* behind the coarse clock of the programs */
	uint64_t now = pd_boottime_ns() - PD_NS_PER_S / 2;
	struct pd_source source = {.seen = now, .window = now};
	struct pd_authority a = {0};
	uint32_t authority = c->service->authority;
	struct pd_conn conn = {
		.c_nxt = c->seq, .s_nxt = c->ack, .srv_ack = c->seq, .cli_ack = c->ack,
		.swin = 0xffff, .cwin = 0xffff, .cws = 7, .state = PD_CONN_LIVE,
		.service = (uint8_t)c->service->id, .local = c->local, .id = now,
		.server_data = now, .forwarded = now, .seen = now,
		.stream.ses = {.known = 1, .proven = PD_PROVEN_READ},
	};
	struct pd_flow fl = {
		.id = now, .seen = now, .c_nxt = c->seq, .s_nxt = c->ack, .state = PD_CONN_LIVE,
		.service = (uint8_t)c->service->id, .authority = authority, .srv_ack = c->seq,
		.stream.ses = {.known = 1, .proven = PD_PROVEN_READ},
	};
	int err;

	if (c->udp)
		return put_row(r, PD_MAP_sources, &c->flow, &source);
	if (!has_row(r, PD_MAP_authorities, &authority, &a))
		return -ENOENT;
	fl.incarnation = (uint8_t)a.incarnation;
	err = put_row(r, PD_MAP_connections, &c->flow, &conn);
	if (!err && c->local)
		err = put_row(r, PD_MAP_flows, &c->flow, &fl);
	return err;
}

bool pd_load_serves(const struct pd_load *load, const struct pd_endpoint *endpoint)
{
	struct pd_service s;

	return !bpf_map_lookup_elem(load->map_fds[PD_MAP_services], endpoint, &s);
}

/* ---- runs ---------------------------------------------------------------- */

/* Bring in the entries that were looked for. True: there was one that the rehearsal lacked. */
static bool import_wanted(struct pd_rehearsal *r, struct pd_load *load)
{
	struct pd_entry_xl e;
	bool any = false;

	for (size_t i = 0; i < r->want.n; i++) {
		const uint64_t *key = &r->want.ehash[i];
		bool have = false;

		for (int c = 0; c < PD_CLASSES; c++)
			have |= has_row(r, entries_maps[c], key, &e);
		for (int c = 0; !have && c < PD_CLASSES; c++)
			if (!bpf_map_lookup_elem(load->map_fds[entries_maps[c]], key, &e))
				any |= !put_row(r, entries_maps[c], key, &e);
	}
	return any;
}

static void note_before(struct pd_rehearsal *r, struct before *b)
{
	b->has_conn = has_row(r, PD_MAP_connections, b->flow, &b->conn);
	b->has_flow = has_row(r, PD_MAP_flows, b->flow, &b->fl);
}

static int put_back(struct pd_rehearsal *r, const struct before *b)
{
	int err = b->has_conn ? put_row(r, PD_MAP_connections, b->flow, &b->conn) : 0;

	if (!err && b->has_flow)
		err = put_row(r, PD_MAP_flows, b->flow, &b->fl);
	return err;
}

static int run_once(struct pd_rehearsal *r, enum pd_hook hook, uint32_t ifindex,
		    const uint8_t *frame, size_t len, uint8_t *out, size_t *ret_len,
		    uint32_t *ret_act)
{
	struct __sk_buff skb = {.ifindex = ifindex};
	struct xdp_md xdp = {.data_end = (uint32_t)len, .ingress_ifindex = ifindex};
	bool edge = hook == PD_HOOK_EDGE;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = PD_REHEARSAL_ROOM, .repeat = 1);

	if (ifindex) {
		o.ctx_in = edge ? (void *)&xdp : (void *)&skb;
		o.ctx_size_in = edge ? sizeof(xdp) : sizeof(skb);
	}
	r->nseen = 0;
	r->want.n = 0;
	if (bpf_prog_test_run_opts(r->prog_fds[hook], &o) < 0)
		return -errno;
	ring_buffer__consume(r->ring);
	*ret_len = o.data_size_out;
	*ret_act = o.retval;
	return 0;
}

static enum pd_act act_of(enum pd_hook hook, uint32_t retval)
{
	if (hook == PD_HOOK_EDGE)
		return retval == XDP_TX ? PD_ACT_ANSWER :
		       retval == XDP_PASS ? PD_ACT_FORWARD : PD_ACT_DROP;
	return retval == TC_ACT_REDIRECT ? PD_ACT_ANSWER :
	       retval == TC_ACT_SHOT ? PD_ACT_DROP : PD_ACT_FORWARD;
}

int pd_rehearsal_run(struct pd_rehearsal *r, struct pd_load *load, enum pd_hook hook,
		     uint32_t ifindex, const struct pd_dgram_key *key, uint8_t *frame, size_t *len,
		     pd_load_observed_fn fn, void *arg, enum pd_act *ret)
{
	_cleanup_free_ uint8_t *out = malloc(PD_REHEARSAL_ROOM);
	struct before before = {.flow = &key->flow};
	size_t n = 0;
	uint32_t act = 0;
	int err;

	if (hook <= PD_HOOK_NONE || hook >= PD_HOOK_MAX || r->prog_fds[hook] < 0)
		return -ENOENT;
	if (!out)
		return -ENOMEM;
	note_before(r, &before);
	err = run_once(r, hook, ifindex, frame, *len, out, &n, &act);
	for (int i = 0; !err && i < TRIES_MAX && import_wanted(r, load); i++) {
		err = put_back(r, &before);
		if (!err)
			err = run_once(r, hook, ifindex, frame, *len, out, &n, &act);
	}
	if (err)
		return err;
	for (size_t i = 0; i < r->nseen; i++)
		fn(arg, &r->seen[i].h, r->seen[i].key);
	memcpy(frame, out, n);
	*len = n;
	*ret = act_of(hook, act);
	return 0;
}
