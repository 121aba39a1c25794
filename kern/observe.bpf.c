/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is done for those who watch verdicts. Never called while nobody does.
 * What is known of the packet under way is kept per CPU, because a verdict is
 * given in places that know neither packet nor key.
 */
#define PD_DEFINE_OBSERVE
#include "observe.h"
#include "l4.h"
#include "words.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PD_OBSERVED_BYTES);
} observed SEC(".maps");

/* The packet under way on this CPU. */
struct watching {
	struct pd_tuple flow;
	__u8 hook;
	__u8 proto;
	__u8 bare; /* it has no payload, and so no key */
	__u8 pad;
	__u64 khash;
	__u32 key_len;
	__u32 pad2;
	__u8 key[PD_WATCH_KEY];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct watching);
} watching_rooms SEC(".maps");

static __always_inline struct watching *watching(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&watching_rooms, &zero);
}

int pd_watch_packet(const struct pkt *p, __u32 hook, __u32 odd)
{
	struct watching *g = watching();

	if (!p || !g)
		return 0;
	__builtin_memcpy(&g->flow, &p->t, sizeof(g->flow));
	g->hook = hook;
	g->proto = p->proto;
	g->bare = odd || !p->plen;
	if (odd) {
		g->flow.cport = 0;
		g->flow.sport = 0;
	}
	if (g->bare) /* it may have been sent on behalf of another: pd_watch_resume() */
		return 0;
	g->khash = 0;
	g->key_len = 0;
	return 0;
}

int pd_watch_resume(void)
{
	struct watching *g = watching();

	if (g)
		g->bare = 0;
	return 0;
}

int pd_watch_span(const struct wire_win *w, __u32 off, __u32 len, __u64 seed)
{
	struct watching *g = watching();
	__u32 n = len;

	if (!w || !g)
		return 0;
	g->key_len = 0;
	g->khash = pd_hash(w, off, len, seed);
	pd_zero(g->key, sizeof(g->key));
	LIM(n, PD_WATCH_KEY, return 0);
	if (bpf_probe_read_kernel(g->key, n, w->b + (WIRE_HIDE(off) & (WIRE_WIN - 1))))
		return 0;
	g->key_len = len;
	return 0;
}

/* Is this one of the records that this watcher asked for? */
static __always_inline bool watch_wants(const struct pd_watcher *w, const struct watching *g,
					__u32 service, __u32 verdict)
{
	const __u64 *key = (const __u64 *)g->key;
	__u32 len = g->bare ? 0 : g->key_len;
	__u64 diff = 0;

	if (!(w->services >> (service & 63) & 1) || !(w->verdicts >> (verdict & 63) & 1))
		return false;
	if (!w->prefix_len)
		return true;
	if (len < w->prefix_len)
		return false;
#pragma unroll
	for (int i = 0; i < PD_WATCH_PREFIX / 8; i++)
		diff |= (key[i] ^ w->prefix[i]) & w->mask[i];
	return !diff;
}

/*
 * One more record within its rate? Time is what is spent: a record costs
 * 1 s / rate of it, and what is not used can be saved up to `burst`.
 */
static __always_inline bool watch_affords(struct pd_watcher *w, __u64 now)
{
	if (!w->cost)
		return true;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u64 old = READ_ONCE(w->spent), from = old;

		if (from + w->burst < now)
			from = now - w->burst;
		if (from + w->cost > now)
			return false;
		if (__sync_val_compare_and_swap(&w->spent, old, from + w->cost) == old)
			return true;
	}
	return false;
}

static __always_inline void watch_fill(struct pd_observed *e, const struct watching *g, __u64 now)
{
	e->when = now;
	e->hook = g->hook;
	e->proto = g->proto;
	e->khash = g->bare ? 0 : g->khash;
	e->key_len = g->bare ? 0 : g->key_len;
	e->pad = 0;
	__builtin_memcpy(&e->flow, &g->flow, sizeof(e->flow));
}

struct watch_loop {
	struct watching *g;
	__u64 now;
	__u32 service, verdict, here, on;
};

static long watch_loop(__u32 i, void *ctx)
{
	struct watch_loop *l = ctx;
	struct pd_observed_key *k;
	struct pd_observed *e;
	struct pd_watcher *w;

	i &= PD_WATCHERS - 1;
	w = &pd_observe.w[i];
	if (!(l->on >> i & 1) || !watch_wants(w, l->g, l->service, l->verdict))
		return 0;
	if (!watch_affords(w, l->now)) {
		__sync_fetch_and_add(&w->dropped, 1);
		return 0;
	}
	k = NULL;
	if (w->keys) {
		k = bpf_ringbuf_reserve(&observed, sizeof(*k), 0);
		e = &k->h;
		if (k)
			bpf_probe_read_kernel(k->key, sizeof(k->key), l->g->key);
	} else {
		e = bpf_ringbuf_reserve(&observed, sizeof(*e), 0);
	}
	if (!e) {
		__sync_fetch_and_add(&w->lost, 1);
		return 0;
	}
	watch_fill(e, l->g, l->now);
	e->service = l->service;
	e->verdict = l->verdict;
	e->source = l->here >> 16;
	e->line = l->here;
	e->watcher = i;
	e->tag = w->tag;
	bpf_ringbuf_submit(e, 0);
	__sync_fetch_and_add(&w->sent, 1);
	return 0;
}

int pd_watch_verdict(__u32 service, __u32 verdict, __u32 here)
{
	struct watch_loop l = {.g = watching(),
			       .now = bpf_ktime_get_boot_ns(),
			       .service = service,
			       .verdict = verdict,
			       .here = here,
			       .on = READ_ONCE(pd_observe.on)};

	if (!l.g)
		return 0;
	if (l.now > pd_observe.until) { /* the daemon has gone, or hangs */
		WRITE_ONCE(pd_observe.on, 0);
		return 0;
	}
	bpf_loop(PD_WATCHERS, watch_loop, &l, 0);
	return 0;
}

int pd_watch_entry(__u64 ehash)
{
	struct pd_observed_key *k = bpf_ringbuf_reserve(&observed, sizeof(*k), 0);

	if (!k)
		return 0;
	__builtin_memset(&k->h, 0, sizeof(k->h));
	pd_zero(k->key, sizeof(k->key));
	k->h.khash = ehash;
	k->h.verdict = PD_OBSERVED_WANT;
	bpf_ringbuf_submit(k, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
