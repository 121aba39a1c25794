/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round: look at the links and routes there are, and bring hooks and
 * services to what is wanted. The order keeps rule 14: services that lost
 * their home close first, then home hooks, then client hooks, and only then
 * does a service answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/service/host_impl.h"

struct round {
	struct pd_host *h;
	struct pd_link *links;
	size_t n;
	uint32_t uplinks[PD_UPLINKS_MAX];
	size_t nuplinks;
};

static int collect(void *arg, const struct pd_link *link)
{
	struct round *r = arg;
	struct pd_link *grown = realloc(r->links, (r->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	r->links = grown;
	r->links[r->n++] = *link;
	return 0;
}

static const struct pd_link *link_by_name(const struct round *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->links[i].name, name))
			return &r->links[i];
	return NULL;
}

static const char *link_name(const struct round *r, uint32_t ifindex)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->links[i].ifindex == ifindex)
			return r->links[i].name;
	return "?";
}

static bool is_uplink(const struct round *r, uint32_t ifindex)
{
	for (size_t i = 0; i < r->nuplinks; i++)
		if (r->uplinks[i] == ifindex)
			return true;
	return false;
}

/* ---- links ------------------------------------------------------------------------ */

static void set_text(char *buf, const char *text)
{
	snprintf(buf, PD_REASON_LEN, "%s", text);
}

/* The interface is gone, with its qdisc and filters. */
static void lose(struct pd_host *h, struct pd_iface *i)
{
	if (h->load) {
		pd_load_del_interface(h->load, i->ifindex);
		if (pd_load_clsact_ours(h->load, i->ifindex))
			pd_load_clsact_remove(h->load, i->ifindex);
	}
	pd_log_warn("%s: the interface has gone", i->name);
	i->ifindex = i->sides = 0;
	i->current = i->edge_lost = false;
	i->xdp = PD_XDP_NONE;
	i->fault.message[0] = '\0';
	snprintf(i->mode, sizeof(i->mode), "absent");
	set_text(i->reason, "there is no such interface now");
}

static void meet(struct pd_host *h, struct pd_iface *i, const struct pd_link *link)
{
	if (!i->ifindex) {
		i->ifindex = link->ifindex;
		i->current = false;
		i->fault.message[0] = '\0';
		/* An earlier daemon's hooks go on working until they are replaced. */
		i->sides = h->load ? pd_load_attached(h->load, link->ifindex) : 0;
	}
	i->veth = !strcmp(link->kind, "veth");
	i->peer = link->peer_elsewhere;
	i->ethernet = link->ethernet;
	if (i->mtu != link->mtu && i->current) {
		i->mtu = link->mtu;
		pd_iface_write(h, i);
	}
	i->mtu = link->mtu;
}

static void match_links(struct round *r)
{
	struct pd_host *h = r->h;

	for (size_t k = 0; k < h->nifaces;) {
		struct pd_iface *i = h->ifaces[k];
		const struct pd_link *link = link_by_name(r, i->name);

		if (i->ifindex && (!link || link->ifindex != i->ifindex))
			lose(h, i);
		if (link && !i->excluded)
			meet(h, i, link);
		else if (!link && (i->by_pattern || i->excluded) && !i->draining) {
			pd_iface_drop(h, i);
			continue;
		}
		k++;
	}
}

static int take_patterns(struct round *r)
{
	int err = 0;

	for (size_t k = 0; !err && !r->h->detached && k < r->n; k++) {
		bool uplink = is_uplink(r, r->links[k].ifindex);
		struct pd_iface *i;
		uint32_t sides;

		if (!pd_iface_matches(r->h->config, &r->links[k], uplink, &sides) ||
		    pd_iface_find(r->h, r->links[k].name))
			continue;
		err = pd_iface_add(r->h, r->links[k].name, sides, true, &i);
		if (!err)
			meet(r->h, i, &r->links[k]);
	}
	return err;
}

/* ---- homes --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void why_not(struct pd_svc *s, const char *fmt, ...)
{
	va_list ap;

	if (s->reason[0])
		return;
	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
}

/* Does this address lead to an attached interface? 1: yes, 0: it leads nowhere of ours, -1: it must
 * not be. */
static int home_of_address(struct round *r, struct pd_svc *s, size_t k, struct pd_iface **ret)
{
	const char *text = s->addr_text[k];
	struct pd_route route = {0};
	struct pd_iface *i;

	if (pd_net_route(r->h->net, &s->cfg->addrs[k].ip, &route) || route.kind == PD_ROUTE_NONE) {
		why_not(s, "there is no route to %s", text);
		return 0;
	}
	if (route.kind == PD_ROUTE_LOCAL) {
		why_not(s, "%s is an address of this host itself: no interface leads to it", text);
		return 0;
	}
	if (!s->cfg->home_this && (route.kind == PD_ROUTE_GATEWAY || is_uplink(r, route.ifindex))) {
		why_not(s, "%s is behind the uplink %s, not on this host (see `home: this`)", text,
			link_name(r, route.ifindex));
		return 0;
	}
	i = pd_iface_by_index(r->h, route.ifindex);
	if (!i || i->excluded || i->draining) {
		why_not(s, "%s, which leads to %s, is not attached", link_name(r, route.ifindex),
			text);
		return -1;
	}
	if (i->forced && !(i->forced & PD_SIDE_HOME)) {
		why_not(s, "%s, which leads to %s, is attached as client only", i->name, text);
		return -1;
	}
	*ret = i;
	return 1;
}

/* Find the interface that leads to the authority. @ret_ready: all its ways are hooked. */
static struct pd_iface *find_home(struct round *r, struct pd_svc *s, bool *ret_ready)
{
	struct pd_iface *home = NULL;

	*ret_ready = true;
	s->reason[0] = '\0';
	for (size_t k = 0; k < s->cfg->naddrs; k++) {
		struct pd_iface *i = NULL;
		int got = home_of_address(r, s, k, &i);

		if (got < 0)
			*ret_ready = false;
		if (got <= 0)
			continue;
		i->home = true;
		home = home ? home : i;
		if (!(i->sides & PD_SIDE_HOME)) {
			*ret_ready = false;
			s->renew = true;
		}
	}
	if (!home)
		*ret_ready = false;
	return home;
}

static void settle_service(struct round *r, struct pd_svc *s, bool open)
{
	bool ready, was = s->row.flags & PD_SVC_ANSWER;
	struct pd_iface *home = find_home(r, s, &ready);
	uint8_t flags = ready ? PD_SVC_HOME | PD_SVC_ANSWER : 0;
	struct pd_fault f = {0};

	s->home_ifindex = home ? home->ifindex : 0;
	snprintf(s->home, sizeof(s->home), "%s", home ? home->name : "");
	if (ready)
		s->reason[0] = '\0';
	else if (home)
		why_not(s, "the hook on %s is not there", home->name);
	/* Closing comes before any hook is touched, opening after all are there. */
	if (flags && !open && !was)
		return;
	if (pd_svc_write(r->h, s, flags, &f))
		pd_log_fault(PD_LOG_ERR, 0, &f);
	if (was != ready && open && ready)
		pd_log_info("service %s: answering, home %s", s->cfg->name, s->home);
	else if (was && !ready)
		pd_log_warn("service %s: not answering: %s", s->cfg->name, s->reason);
}

static void settle_services(struct round *r, bool open)
{
	for (size_t k = 0; k < r->h->nifaces; k++)
		r->h->ifaces[k]->home = false;
	for (size_t k = 0; k < r->h->nsvcs; k++)
		settle_service(r, r->h->svcs[k], open);
}

/* ---- hooks ------------------------------------------------------------------------------ */

static uint32_t wanted_sides(const struct pd_iface *i)
{
	if (i->forced)
		return i->forced;
	/* What is attached stays for now: a client hook may translate, a home hook costs little. */
	if (i->home)
		return i->sides | PD_SIDE_HOME;
	return i->sides ? i->sides : PD_SIDE_CLIENT;
}

static void describe_edge(const struct pd_host *h, const struct pd_iface *i, char *buf, size_t len)
{
	const char *refusal = pd_load_edge_refusal(h->load);
	const char *why = i->xdp == PD_XDP_NATIVE ? "native"
			  : i->veth		  ? "generic (native can grow no packet on a veth)"
						  : "generic";
	const char *rest = i->sides & PD_SIDE_CLIENT ? "tc answers"
						     : "the server answers (no client side here)";

	snprintf(buf, len, "; XDP %s%s%s%s: UDP hits that fit the packet's buffer, else %s", why,
		 *refusal ? " (native refused: " : "", refusal, *refusal ? ")" : "", rest);
}

static void describe(const struct pd_host *h, struct pd_iface *i)
{
	const char *side = i->forced ? "as asked for"
			   : i->home ? "the route to an authority leads here"
				     : "no route to an authority leads here";
	const char *tc = i->peer ? "its peer is in another namespace: answers go straight there"
				 : "answers go out by the interface itself";
	const char *tc_mode = !(i->sides & (PD_SIDE_CLIENT | PD_SIDE_HOME)) ? ""
			      : i->peer					    ? "tc-peer"
									    : "tc";
	char edge[256] = "";

	if (i->xdp != PD_XDP_NONE)
		describe_edge(h, i, edge, sizeof(edge));
	snprintf(i->mode, sizeof(i->mode), "%s%s%s", tc_mode,
		 *tc_mode && i->xdp != PD_XDP_NONE ? "+" : "",
		 i->xdp == PD_XDP_NATIVE    ? "xdp-native"
		 : i->xdp == PD_XDP_GENERIC ? "xdp-generic"
					    : "");
	snprintf(i->reason, sizeof(i->reason), "%s%s%s%s", side,
		 i->sides & PD_SIDE_CLIENT ? "; " : "", i->sides & PD_SIDE_CLIENT ? tc : "", edge);
}

/* Choose the mode and attach. Native on a veth grows no packet, and what it sends back is lost
 * without an XDP program on the peer. */
static int attach_edge(struct pd_host *h, struct pd_iface *i, struct pd_fault *f)
{
	struct pd_edge now;

	pd_load_edge(h->load, i->ifindex, &now);
	if (i->veth && now.ours && now.mode == PD_XDP_NATIVE)
		pd_log_warn("%s: edge_client was attached in native mode, which answers nothing "
			    "on a veth: changing it to generic",
			    i->name);
	return pd_load_attach_edge(h->load, i->ifindex, i->name,
				   i->veth ? PD_XDP_GENERIC : PD_XDP_NONE, &i->xdp, f);
}

static int attach_one(struct pd_host *h, struct pd_iface *i, uint32_t sides, struct pd_fault *f)
{
	int err;

	if (!i->ethernet)
		return pd_fail(f, -EOPNOTSUPP, "attach the interface below or behind it",
			       "%s: its packets have no Ethernet header", i->name);
	err = pd_load_attach(h->load, i->ifindex, i->name, sides, f);
	i->xdp = PD_XDP_NONE;
	if (!err)
		err = sides & PD_SIDE_EDGE ? attach_edge(h, i, f)
					   : pd_load_detach_edge(h->load, i->ifindex, f);
	if (err)
		return err;
	i->edge_lost = false;
	i->sides = sides;
	i->current = true;
	describe(h, i);
	err = pd_iface_write(h, i);
	return err ? pd_fail(f, err, NULL, "%s: cannot write its row: %s", i->name, strerror(-err))
		   : 0;
}

/*
 * An interface that appeared before its route was taken for a client's. Now
 * that it leads to an authority that hook goes, unless it translates already.
 */
static void drop_client(struct pd_host *h, struct pd_iface *i)
{
	if (i->forced || !i->home || !(i->sides & PD_SIDE_CLIENT))
		return;
	/* For this moment nothing is answered; a packet on another CPU is done within the pause. */
	i->sides &= ~PD_SIDE_CLIENT;
	pd_load_set_answer(h->load, false);
	usleep(1000);
	if (pd_translated(h, i->ifindex, -1) ||
	    pd_load_detach(h->load, i->ifindex, PD_SIDE_CLIENT, NULL))
		i->sides |= PD_SIDE_CLIENT;
	pd_load_set_answer(h->load, true);
	describe(h, i);
	pd_iface_write(h, i);
}

/*
 * What XDP does on an interface that is attached: it is no longer wanted, or
 * somebody else has put another program in the place of ours. TC goes on
 * answering without it. Returns the sides to be attached now.
 */
static uint32_t settle_edge(struct pd_host *h, struct pd_iface *i, uint32_t sides)
{
	struct pd_edge now;

	if (!i->current || !((sides | i->sides) & PD_SIDE_EDGE))
		return sides;
	pd_load_edge(h->load, i->ifindex, &now);
	if (i->sides & PD_SIDE_EDGE && sides & PD_SIDE_EDGE && now.ours && now.mode == i->xdp)
		return sides;
	if (i->sides & PD_SIDE_EDGE) {
		i->sides &= ~PD_SIDE_EDGE;
		i->xdp = PD_XDP_NONE;
		i->edge_lost = sides & PD_SIDE_EDGE;
		if (!i->edge_lost)
			pd_load_detach_edge(h->load, i->ifindex, NULL);
		describe(h, i);
		pd_iface_write(h, i);
		pd_log_warn("%s: no UDP hits from XDP any more: %s", i->name,
			    i->edge_lost ? "somebody took our program off" : "no longer asked for");
	}
	if (i->edge_lost && now.prog_id && !now.ours) {
		snprintf(i->reason, sizeof(i->reason),
			 "no UDP hits from XDP: program id %u took the place of ours; tc answers",
			 now.prog_id);
		sides &= ~PD_SIDE_EDGE;
	}
	return sides;
}

static void attach(struct pd_host *h, struct pd_iface *i, bool homes)
{
	uint32_t sides = wanted_sides(i);
	struct pd_fault f = {0};
	char text[32];

	if (!i->ifindex || i->excluded || i->draining || homes != !!(sides & PD_SIDE_HOME))
		return;
	sides = settle_edge(h, i, sides);
	if (i->current && !(sides & ~i->sides))
		return;
	if (attach_one(h, i, sides | i->sides, &f)) {
		/* A start that fails says so itself. */
		if (h->ready && strcmp(i->fault.message, f.message))
			pd_log_fault(PD_LOG_ERR, 0, &f);
		i->fault = f;
		snprintf(i->mode, sizeof(i->mode), "failed");
		set_text(i->reason, f.message);
		return;
	}
	i->fault.message[0] = '\0';
	drop_client(h, i);
	pd_log_info("%s: %s side, mode %s: %s", i->name, pd_sides_format(i->sides, text), i->mode,
		    i->reason);
}

/*
 * Client hooks of a daemon before that went by other maps: they would go on
 * answering by words that nobody moves once its home hook is replaced, so they
 * are replaced first.
 */
static bool any_old_words(const struct pd_host *h)
{
	for (size_t k = 0; k < h->nifaces; k++)
		if (h->ifaces[k]->ifindex && !h->ifaces[k]->current &&
		    pd_load_has_old_words(h->load, h->ifaces[k]->ifindex))
			return true;
	return false;
}

int pd_reconcile(struct pd_host *h)
{
	struct round r = {.h = h};
	int err = pd_net_links(h->net, collect, &r);
	bool clients_first;

	r.nuplinks = pd_net_uplinks(h->net, r.uplinks, PD_UPLINKS_MAX);
	if (!err) {
		match_links(&r);
		err = take_patterns(&r);
	}
	if (!err)
		settle_services(&r, false);
	for (size_t k = 0; !err && h->load && k < h->nsvcs; k++) {
		if (h->svcs[k]->renew)
			pd_load_renew(h->load, h->svcs[k]->row.authority);
		h->svcs[k]->renew = false;
	}
	clients_first = h->load && any_old_words(h);
	for (int n = 0; !err && h->load && n < 2; n++)
		for (size_t k = 0; k < h->nifaces; k++)
			attach(h, h->ifaces[k], clients_first ? n : !n);
	if (!err)
		settle_services(&r, true);
	pd_svcs_assist(h);
	free(r.links);
	return err;
}
