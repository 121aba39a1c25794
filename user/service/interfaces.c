/* SPDX-License-Identifier: Apache-2.0 */
/* The list of interfaces that are, or are to be, attached. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/service/host_impl.h"

#define XDP_ROOM 1400 /* no UDP answer is longer */

struct pd_iface *pd_iface_find(struct pd_host *h, const char *name)
{
	for (size_t i = 0; i < h->nifaces; i++)
		if (!strcmp(h->ifaces[i]->name, name))
			return h->ifaces[i];
	return NULL;
}

struct pd_iface *pd_iface_by_index(struct pd_host *h, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && i < h->nifaces; i++)
		if (h->ifaces[i]->ifindex == ifindex)
			return h->ifaces[i];
	return NULL;
}

int pd_iface_add(struct pd_host *h, const char *name, uint32_t forced, bool by_pattern,
		 struct pd_iface **ret)
{
	struct pd_iface *i = calloc(1, sizeof(*i)), **grown;

	if (!i)
		return -ENOMEM;
	grown = realloc(h->ifaces, (h->nifaces + 1) * sizeof(*grown));
	if (!grown) {
		free(i);
		return -ENOMEM;
	}
	h->ifaces = grown;
	snprintf(i->name, sizeof(i->name), "%s", name);
	snprintf(i->mode, sizeof(i->mode), "absent");
	snprintf(i->reason, sizeof(i->reason), "there is no such interface now");
	i->forced = forced;
	i->by_pattern = by_pattern;
	h->ifaces[h->nifaces++] = i;
	if (ret)
		*ret = i;
	return 0;
}

void pd_iface_drop(struct pd_host *h, struct pd_iface *iface)
{
	for (size_t i = 0; i < h->nifaces; i++) {
		if (h->ifaces[i] != iface)
			continue;
		h->nifaces--;
		memmove(&h->ifaces[i], &h->ifaces[i + 1], (h->nifaces - i) * sizeof(*h->ifaces));
		free(iface);
		return;
	}
}

void pd_iface_free_all(struct pd_host *h)
{
	while (h->nifaces)
		free(h->ifaces[--h->nifaces]);
	free(h->ifaces);
	h->ifaces = NULL;
}

int pd_iface_write(struct pd_host *h, const struct pd_iface *i)
{
	struct pd_interface row = {
		.flags = i->sides | (i->peer ? PD_IF_PEER : 0),
		.mtu = i->mtu,
	};

	/* While draining nothing is answered through it; translation goes on. */
	if (i->draining)
		row.flags &= ~(PD_SIDE_CLIENT | PD_SIDE_EDGE);
	/* What a packet may really grow by is found in its own buffer, one by one. */
	if (i->sides & PD_SIDE_EDGE)
		row.xdp_room = XDP_ROOM;
	return pd_load_set_interface(h->load, i->ifindex, &row);
}

void pd_ifaces_undo(struct pd_host *h)
{
	for (size_t k = 0; k < h->nifaces; k++) {
		struct pd_iface *i = h->ifaces[k];

		if (!i->ifindex)
			continue;
		pd_load_detach_edge(h->load, i->ifindex, NULL);
		pd_load_detach(h->load, i->ifindex, PD_SIDE_CLIENT | PD_SIDE_HOME, NULL);
		if (pd_load_clsact_ours(h->load, i->ifindex) && !pd_net_filters(h->net, i->ifindex))
			pd_load_clsact_remove(h->load, i->ifindex);
	}
	pd_load_purge(h->load, NULL);
}

/* ---- adoption -------------------------------------------------------------------- */

struct kept {
	uint32_t ifindex, flags;
};

struct keep_walk {
	struct kept kept[PD_INTERFACES_MAX];
	size_t n;
};

static int on_row(void *arg, uint32_t ifindex, const struct pd_interface *row)
{
	struct keep_walk *w = arg;

	if (w->n < PD_INTERFACES_MAX)
		w->kept[w->n++] = (struct kept){.ifindex = ifindex, .flags = row->flags};
	return 0;
}

struct name_walk {
	uint32_t ifindex;
	struct pd_link link;
};

static int on_link(void *arg, const struct pd_link *link)
{
	struct name_walk *w = arg;

	if (link->ifindex != w->ifindex)
		return 0;
	w->link = *link;
	return 1;
}

static bool is_uplink(struct pd_host *h, uint32_t ifindex)
{
	uint32_t all[PD_UPLINKS_MAX];
	size_t n = pd_net_uplinks(h->net, all, PD_UPLINKS_MAX);

	for (size_t i = 0; i < n; i++)
		if (all[i] == ifindex)
			return true;
	return false;
}

static int adopt_one(struct pd_host *h, const struct kept *kept)
{
	struct name_walk w = {.ifindex = kept->ifindex};
	uint32_t sides;
	int err;

	if (pd_net_links(h->net, on_link, &w) != 1) {
		pd_load_del_interface(h->load, kept->ifindex);
		if (pd_load_clsact_ours(h->load, kept->ifindex))
			pd_load_clsact_remove(h->load, kept->ifindex);
		return 0;
	}
	/* What the configuration takes anyway needs no help. */
	if (pd_iface_find(h, w.link.name) ||
	    pd_iface_matches(h->config, &w.link, is_uplink(h, kept->ifindex), &sides))
		return 0;
	sides = kept->flags & (PD_SIDE_CLIENT | PD_SIDE_HOME | PD_SIDE_EDGE);
	err = pd_iface_add(h, w.link.name, sides, false, NULL);
	if (!err)
		pd_log_info("%s: kept from the daemon before", w.link.name);
	return err;
}

struct hook_walk {
	struct pd_host *h;
	struct keep_walk *w;
};

static int on_hooked(void *arg, const struct pd_link *link)
{
	struct hook_walk *k = arg;
	uint32_t sides = pd_load_any_of_ours(k->h->load, link->ifindex);

	return sides ? on_row(k->w, link->ifindex, &(struct pd_interface){.flags = sides}) : 0;
}

int pd_ifaces_adopt(struct pd_host *h)
{
	_cleanup_free_ struct keep_walk *w = calloc(1, sizeof(*w));
	struct hook_walk hooks = {.h = h, .w = w};
	int err = w ? pd_load_interfaces(h->load, on_row, w) : -ENOMEM;

	/* The table is gone, the hooks may not be: what is hooked was attached. */
	if (!err && pd_load_lost_interfaces(h->load))
		err = pd_net_links(h->net, on_hooked, &hooks);
	for (size_t i = 0; !err && i < w->n; i++)
		err = adopt_one(h, &w->kept[i]);
	return err;
}

bool pd_ifaces_verify(struct pd_host *h)
{
	bool lost = false;

	for (size_t k = 0; h->load && k < h->nifaces; k++) {
		struct pd_iface *i = h->ifaces[k];
		uint32_t tc = i->sides & (PD_SIDE_CLIENT | PD_SIDE_HOME), now;

		if (!i->current || i->draining || !tc)
			continue;
		now = pd_load_attached(h->load, i->ifindex);
		if (!(tc & ~now))
			continue;
		pd_log_warn("%s: somebody removed our tc filters; attaching again", i->name);
		i->sides = (i->sides & PD_SIDE_EDGE) | (now & tc);
		i->current = false;
		lost = true;
	}
	return lost;
}

/* ---- configuration ------------------------------------------------------------------ */

static bool is_pattern(const char *name)
{
	return strpbrk(name, "*?") != NULL;
}

bool pd_iface_matches(const struct pd_config *config, const struct pd_link *link, bool uplink,
		      uint32_t *ret_sides)
{
	*ret_sides = 0;
	if (link->loopback)
		return false;
	if (config->attach_auto && (link->peer_elsewhere || uplink))
		return true;
	for (size_t i = 0; i < config->nattach; i++)
		if (is_pattern(config->attach[i].name) &&
		    !fnmatch(config->attach[i].name, link->name, 0)) {
			*ret_sides = config->attach[i].sides;
			return true;
		}
	return false;
}

int pd_ifaces_check(struct pd_host *h, const struct pd_config *config, struct pd_fault *f)
{
	for (size_t i = 0; i < config->nattach; i++) {
		const char *name = config->attach[i].name;
		struct pd_link link;
		int err;

		if (is_pattern(name))
			continue;
		err = pd_net_link(h->net, name, &link);
		if (err)
			return pd_fail(f, err,
				       "make it first; a pattern like 'veth*', or auto, also takes "
				       "interfaces that appear later",
				       "attach: there is no interface '%s'", name);
		if (link.loopback)
			return pd_fail(f, -EINVAL, "name the host's side of a container's veth",
				       "attach: '%s' is the loopback interface", name);
	}
	return 0;
}

int pd_ifaces_apply(struct pd_host *h, const struct pd_config *config)
{
	int err = 0;

	for (size_t i = 0; !err && i < config->nattach; i++) {
		const struct pd_config_attach *a = &config->attach[i];
		struct pd_iface *iface = pd_iface_find(h, a->name);

		if (is_pattern(a->name))
			continue;
		if (iface) {
			iface->excluded = false;
			iface->by_pattern = false;
			iface->forced = a->sides;
		} else {
			err = pd_iface_add(h, a->name, a->sides, false, NULL);
		}
	}
	return err;
}
