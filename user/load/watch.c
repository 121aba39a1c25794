/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watchers of verdicts: what they want is written into the programs' own
 * memory, while their bit of `on` is clear; see maps/observe.h.
 */
#include <errno.h>
#include <string.h>

#include "user/lib/clock.h"
#include "user/load/impl.h"

#define WATCH_NS (5 * PD_NS_PER_S) /* how long the programs look without being asked to go on */

void pd_load_on_observed(struct pd_load *load, pd_load_observed_fn fn, void *arg)
{
	load->observed_fn = fn;
	load->observed_arg = arg;
}

int pd_watch_record(void *ctx, void *data, size_t size)
{
	struct pd_load *load = ctx;
	const struct pd_observed_key *k = data;
	const struct pd_observed *e = &k->h;
	bool keyed = size >= sizeof(*k);

	if (size < sizeof(*e) || !load->observed_fn || e->watcher >= PD_WATCHERS ||
	    e->tag != load->observe->w[e->watcher].tag || e->key_len > PD_WATCH_KEY)
		return 0;
	if (!(load->watching >> e->watcher & 1))
		return 0; /* of one that has gone meanwhile */
	load->observed_fn(load->observed_arg, e, keyed ? k->key : NULL);
	return 0;
}

void pd_watcher_set(struct pd_watcher *w, const struct pd_watch *want)
{
	uint32_t tag = w->tag;

	memset(w, 0, sizeof(*w));
	w->tag = tag;
	w->services = want->services;
	w->verdicts = want->verdicts;
	w->keys = want->keys;
	w->prefix_len = (uint32_t)want->prefix_len;
	if (want->prefix_len)
		memcpy(w->prefix, want->prefix, want->prefix_len);
	memset(w->mask, 0xff, want->prefix_len); /* in bytes: it is compared in words */
	if (want->rate) {
		w->cost = PD_NS_PER_S / want->rate;
		w->cost += !w->cost;
		w->burst = PD_NS_PER_S;
		w->spent = pd_boottime_ns() - w->burst;
	}
}

int pd_load_watch(struct pd_load *load, const struct pd_watch *want, unsigned int *ret_watcher)
{
	struct pd_observe *o = load->observe;
	uint32_t on = __atomic_load_n(&o->on, __ATOMIC_SEQ_CST);

	if (want->prefix_len > PD_WATCH_PREFIX)
		return -EINVAL;
	for (unsigned int i = 0; i < PD_WATCHERS; i++) {
		if (load->watching >> i & 1)
			continue;
		/* a program that still works for the one before may count there: the tag tells */
		if (on >> i & 1)
			__atomic_fetch_and(&o->on, ~(1U << i), __ATOMIC_SEQ_CST);
		pd_watcher_set(&o->w[i], want);
		o->w[i].tag = ++load->watch_tag;
		load->watching |= 1U << i;
		pd_load_watch_on(load);
		*ret_watcher = i;
		return 0;
	}
	return -EBUSY;
}

void pd_load_unwatch(struct pd_load *load, unsigned int watcher)
{
	load->watching &= ~(1U << watcher);
	__atomic_fetch_and(&load->observe->on, ~(1U << watcher), __ATOMIC_SEQ_CST);
}

void pd_load_watch_on(struct pd_load *load)
{
	struct pd_observe *o = load->observe;

	__atomic_store_n(&o->until, pd_boottime_ns() + WATCH_NS, __ATOMIC_SEQ_CST);
	/* also after a time in which nobody asked, and the programs stopped */
	__atomic_store_n(&o->on, load->watching, __ATOMIC_SEQ_CST);
}

uint64_t pd_load_watch_dropped(const struct pd_load *load, unsigned int watcher)
{
	const struct pd_watcher *w = &load->observe->w[watcher];

	return __atomic_load_n(&w->dropped, __ATOMIC_SEQ_CST) +
	       __atomic_load_n(&w->lost, __ATOMIC_SEQ_CST);
}
