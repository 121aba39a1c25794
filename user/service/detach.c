/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detaching: stop answering, let translated connections end, take the client
 * hooks off, the home hooks last; then only what is ours goes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/service/host_impl.h"

#define FIRST_MS   10
#define DRAIN_MS   100
#define TIMEOUT_MS 60000
/* After both FINs the last acknowledgements still need translation. */
#define LINGER_NS  (2 * PD_NS_PER_S)

struct count {
	struct pd_host *h;
	uint32_t ifindex;
	int64_t id;
	uint64_t now, n;
	struct pd_ip last; /* client of the route below */
	uint32_t last_ifindex;
};

static bool leads_to(struct count *c, const struct pd_ip *client)
{
	struct pd_route route = {0};

	if (!c->ifindex)
		return true;
	if (memcmp(&c->last, client, sizeof(*client))) {
		pd_net_route(c->h->net, client, &route);
		c->last = *client;
		c->last_ifindex = route.ifindex;
	}
	return c->last_ifindex == c->ifindex;
}

static int count_conn(void *arg, const struct pd_tuple *key, const struct pd_conn *conn)
{
	struct count *c = arg;

	if (!conn->sum_n && !conn->sum_m)
		return 0;
	if (conn->closed && c->now > conn->closed && c->now - conn->closed > LINGER_NS)
		return 0;
	if (c->id >= 0 && conn->service != (uint64_t)c->id)
		return 0;
	if (leads_to(c, &key->client))
		c->n++;
	return 0;
}

uint64_t pd_translated(struct pd_host *h, uint32_t ifindex, int64_t id)
{
	struct count c = {.h = h, .ifindex = ifindex, .id = id, .now = pd_boottime_ns()};

	if (h->load)
		pd_load_connections(h->load, count_conn, &c);
	return c.n;
}

static bool concerned(const struct pd_detach *d, const struct pd_iface *i)
{
	return !i->excluded && (!d->name[0] || !strcmp(d->name, i->name));
}

static uint64_t waiting_for(struct pd_host *h, const struct pd_detach *d)
{
	uint64_t n = 0;

	if (!d->name[0])
		return pd_translated(h, 0, -1);
	for (size_t k = 0; k < h->nifaces; k++)
		if (concerned(d, h->ifaces[k]) && h->ifaces[k]->sides & PD_SIDE_CLIENT)
			n += pd_translated(h, h->ifaces[k]->ifindex, -1);
	return n;
}

static void set_draining(struct pd_host *h, const struct pd_detach *d, bool draining)
{
	for (size_t k = 0; k < h->nifaces; k++) {
		struct pd_iface *i = h->ifaces[k];

		if (!concerned(d, i))
			continue;
		i->draining = draining;
		if (h->load && i->ifindex)
			pd_iface_write(h, i);
	}
	if (h->load && !d->name[0]) {
		pd_load_set_answer(h->load, !draining);
		pd_load_bump_all(h->load);
	}
	/* Services whose home is among them close here, or open again under a new epoch. */
	pd_reconcile(h);
}

static int take_off(struct pd_host *h, const struct pd_detach *d, uint32_t sides,
		    struct pd_fault *f)
{
	int err = 0;

	for (size_t k = 0; h->load && k < h->nifaces; k++) {
		struct pd_iface *i = h->ifaces[k];
		int one = 0;

		if (!concerned(d, i) || !i->ifindex)
			continue;
		if (sides & PD_SIDE_CLIENT)
			one = pd_load_detach_edge(h->load, i->ifindex, f);
		if (!one)
			one = pd_load_detach(h->load, i->ifindex, sides, f);
		if (one)
			err = one;
	}
	return err;
}

static void forget(struct pd_host *h, struct pd_iface *i)
{
	int filters;

	if (h->load && i->ifindex) {
		pd_load_del_interface(h->load, i->ifindex);
		filters = pd_net_filters(h->net, i->ifindex);
		if (pd_load_clsact_ours(h->load, i->ifindex) && !filters)
			pd_load_clsact_remove(h->load, i->ifindex);
		pd_log_info("%s: detached", i->name);
	}
	if (i->by_pattern && !h->detached) {
		i->excluded = true;
		i->draining = false;
		i->ifindex = i->sides = 0;
		i->current = false;
	} else {
		pd_iface_drop(h, i);
	}
}

/* Everything is off: what is left are the pins. */
static int remove_all(struct pd_host *h, struct pd_fault *f)
{
	int err = h->load ? pd_load_purge(h->load, f) : 0;

	pd_host_unload(h);
	return err;
}

static void conclude(struct pd_host *h, int err, const struct pd_fault *f)
{
	struct pd_detach *d = PD_TAKE_PTR(h->detach);

	uv_timer_stop(&h->drain);
	if (d->done)
		d->done(d->arg, err, f);
	free(d);
}

/*
 * Between the last look and the removal of a client hook no hit may begin:
 * for that moment nothing is answered anywhere. True: look again next time.
 */
static bool last_look(struct pd_host *h, struct pd_detach *d, uint64_t left)
{
	if (!d->name[0] || !h->load || d->hush == !left)
		return false;
	d->hush = !left;
	pd_load_set_answer(h->load, left);
	return d->hush;
}

static void finish(struct pd_host *h)
{
	const struct pd_detach *d = h->detach;
	struct pd_fault f = {0};
	int err = take_off(h, d, PD_SIDE_CLIENT, &f), last;

	last = take_off(h, d, PD_SIDE_HOME, &f);
	if (!err)
		err = last;
	if (!d->name[0])
		h->detached = true;
	for (size_t k = 0; k < h->nifaces;) {
		size_t before = h->nifaces;

		if (concerned(d, h->ifaces[k]))
			forget(h, h->ifaces[k]);
		if (h->nifaces == before)
			k++;
	}
	if (!err && !d->name[0])
		err = remove_all(h, &f);
	if (h->load)
		pd_load_set_answer(h->load, true);
	conclude(h, err, &f);
	pd_reconcile(h);
}

static void give_up(struct pd_host *h, uint64_t left)
{
	struct pd_fault f;

	set_draining(h, h->detach, false);
	pd_fail(&f, -ETIMEDOUT, "wait for them to end, or use --force, which resets them",
		"%" PRIu64 " connections still need translation; answering again", left);
	conclude(h, -ETIMEDOUT, &f);
}

void pd_detach_tick(struct pd_host *h)
{
	struct pd_detach *d = h->detach;
	uint64_t left;

	if (!d)
		return;
	left = waiting_for(h, d);
	if (left && d->force && !d->reset) {
		/* While the hooks are there: they translate the resets like anything else. */
		for (size_t k = 0; k < h->nifaces; k++)
			if (d->name[0] && concerned(d, h->ifaces[k]))
				pd_reset_connections(h, h->ifaces[k]->ifindex);
		if (!d->name[0])
			pd_reset_connections(h, 0);
		d->reset = true;
		return;
	}
	if (last_look(h, d, left))
		return;
	if (!left || d->force)
		finish(h);
	else if (pd_boottime_ns() > d->deadline)
		give_up(h, left);
}

static void on_drain(uv_timer_t *timer)
{
	pd_detach_tick(timer->data);
}

int pd_host_detach(struct pd_host *h, const char *ifname, bool force, uint64_t timeout_ms,
		   pd_done_fn done, void *arg, struct pd_fault *f)
{
	struct pd_iface *i = ifname ? pd_iface_find(h, ifname) : NULL;
	struct pd_detach *d;

	if (h->detach)
		return pd_fail(f, -EBUSY, "wait for it to end", "a detach is under way already");
	if (ifname && (!i || i->excluded))
		return pd_fail(f, -ENOENT, "`panditctl status` lists what is attached",
			       "'%s' is not attached", ifname);
	d = calloc(1, sizeof(*d));
	if (!d)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	snprintf(d->name, sizeof(d->name), "%s", ifname ? ifname : "");
	d->force = force;
	d->deadline = pd_boottime_ns() + (timeout_ms ? timeout_ms : TIMEOUT_MS) * PD_NS_PER_MS;
	d->done = done;
	d->arg = arg;
	h->detach = d;
	set_draining(h, d, true);
	/* The first look is after packets under way have seen that answering is off. */
	uv_timer_start(&h->drain, on_drain, FIRST_MS, DRAIN_MS);
	return 0;
}

void pd_host_detach_forget(struct pd_host *h, void *arg)
{
	if (h->detach && h->detach->arg == arg) {
		h->detach->done = NULL;
		h->detach->arg = NULL;
	}
}

void pd_detach_abort(struct pd_host *h)
{
	struct pd_fault f;

	if (!h->detach)
		return;
	set_draining(h, h->detach, false);
	if (h->load)
		pd_load_set_answer(h->load, true);
	pd_fail(&f, -ECANCELED, NULL, "panditd is stopping");
	conclude(h, -ECANCELED, &f);
}
