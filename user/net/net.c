/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/lib/addr.h"
#include "user/lib/cleanup.h"
#include "user/net/net.h"

struct pd_net {
	struct nl_sock *sock;	 /* requests */
	struct nl_sock *monitor; /* multicast groups, non-blocking */
	unsigned int changed;	 /* PD_NET_*, while the monitor is read */
};

static void drop_cache(struct nl_cache **cache)
{
	nl_cache_free(*cache);
}

#define _cleanup_cache_ _cleanup_(drop_cache)

static void drop_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

static int to_errno(int nlerr)
{
	switch (nlerr < 0 ? -nlerr : nlerr) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return -ENODEV;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_BUSY:
		return -EBUSY;
	case NLE_INVAL:
		return -EINVAL;
	default:
		return -EIO;
	}
}

static int on_monitor(struct nl_msg *msg, void *arg)
{
	struct pd_net *net = arg;

	switch (nlmsg_hdr(msg)->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		net->changed |= PD_NET_LINKS;
		break;
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER:
		net->changed |= PD_NET_FILTERS;
		break;
	default:
		net->changed |= PD_NET_ROUTES;
	}
	return NL_OK;
}

static int open_monitor(struct pd_net *net)
{
	int err;

	nl_socket_disable_seq_check(net->monitor);
	nl_socket_modify_cb(net->monitor, NL_CB_VALID, NL_CB_CUSTOM, on_monitor, net);
	err = nl_connect(net->monitor, NETLINK_ROUTE);
	if (!err)
		err = nl_socket_add_memberships(net->monitor, RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE,
						RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR,
						RTNLGRP_IPV6_IFADDR, RTNLGRP_TC, 0);
	if (!err)
		err = nl_socket_set_nonblocking(net->monitor);
	return to_errno(err);
}

int pd_net_new(struct pd_net **ret, struct pd_fault *f)
{
	struct pd_net *net = calloc(1, sizeof(*net));
	int err = -ENOMEM;

	if (!net)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	net->sock = nl_socket_alloc();
	net->monitor = nl_socket_alloc();
	if (net->sock && net->monitor)
		err = to_errno(nl_connect(net->sock, NETLINK_ROUTE));
	if (!err)
		err = open_monitor(net);
	if (err) {
		pd_net_free(&net);
		return pd_fail(f, err, NULL, "netlink: %s", strerror(-err));
	}
	*ret = net;
	return 0;
}

void pd_net_free(struct pd_net **net)
{
	if (!*net)
		return;
	if ((*net)->sock)
		nl_socket_free((*net)->sock);
	if ((*net)->monitor)
		nl_socket_free((*net)->monitor);
	free(*net);
	*net = NULL;
}

static void fill_link(struct rtnl_link *l, struct pd_link *ret)
{
	const char *kind = rtnl_link_get_type(l);
	int32_t nsid;

	*ret = (struct pd_link){
		.ifindex = (uint32_t)rtnl_link_get_ifindex(l),
		.mtu = rtnl_link_get_mtu(l),
		.up = rtnl_link_get_flags(l) & IFF_UP,
		.loopback = rtnl_link_get_flags(l) & IFF_LOOPBACK,
		.ethernet = rtnl_link_get_arptype(l) == ARPHRD_ETHER,
	};
	snprintf(ret->name, sizeof(ret->name), "%s", rtnl_link_get_name(l));
	snprintf(ret->kind, sizeof(ret->kind), "%s", kind ? kind : "");
	/* The attribute is there exactly if the peer is in another namespace. */
	ret->peer_elsewhere = kind && !strcmp(kind, "veth") &&
			      !rtnl_link_get_link_netnsid(l, &nsid);
}

int pd_net_links(struct pd_net *net, pd_link_fn fn, void *arg)
{
	_cleanup_cache_ struct nl_cache *cache = NULL;
	int err = to_errno(rtnl_link_alloc_cache(net->sock, AF_UNSPEC, &cache));

	for (struct nl_object *o = err ? NULL : nl_cache_get_first(cache); o && !err;
	     o = nl_cache_get_next(o)) {
		struct pd_link link;

		fill_link((struct rtnl_link *)o, &link);
		err = fn(arg, &link);
	}
	return err;
}

int pd_net_link(struct pd_net *net, const char *name, struct pd_link *ret)
{
	_cleanup_(drop_link) struct rtnl_link *link = NULL;
	int err;

	if (!*name || strlen(name) >= IF_NAMESIZE)
		return -ENODEV;
	err = to_errno(rtnl_link_get_kernel(net->sock, 0, name, &link));
	/* Without memory for the object libnl may report success all the same. */
	if (!err && !link)
		err = -ENOMEM;
	if (!err)
		fill_link(link, ret);
	return err;
}

/* ---- routes ---------------------------------------------------------------- */

struct route_answer {
	struct pd_route route;
	bool seen;
};

static void note_nexthop(struct rtnl_nexthop *nh, void *arg)
{
	struct pd_route *r = arg;

	if (r->ifindex)
		return;
	r->ifindex = (uint32_t)rtnl_route_nh_get_ifindex(nh);
	r->kind = rtnl_route_nh_get_gateway(nh) || rtnl_route_nh_get_via(nh) ? PD_ROUTE_GATEWAY
									     : PD_ROUTE_DIRECT;
}

static int on_route(struct nl_msg *msg, void *arg)
{
	struct route_answer *a = arg;
	struct rtnl_route *route = NULL;

	if (nlmsg_hdr(msg)->nlmsg_type != RTM_NEWROUTE || a->seen)
		return NL_OK;
	if (rtnl_route_parse(nlmsg_hdr(msg), &route))
		return NL_OK;
	a->seen = true;
	switch (rtnl_route_get_type(route)) {
	case RTN_LOCAL:
		a->route.kind = PD_ROUTE_LOCAL;
		break;
	case RTN_UNICAST:
		rtnl_route_foreach_nexthop(route, note_nexthop, &a->route);
		break;
	default:
		break;
	}
	rtnl_route_put(route);
	return NL_OK;
}

static int ask_route(struct pd_net *net, struct nl_msg *msg, struct route_answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_route, answer);
	err = nl_send_auto(net->sock, msg);
	if (err >= 0)
		err = nl_recvmsgs(net->sock, cb);
	/* The answer is followed by an acknowledgement. */
	if (err >= 0 && answer->seen)
		nl_wait_for_ack(net->sock);
	nl_cb_put(cb);
	return err;
}

int pd_net_route(struct pd_net *net, const struct pd_ip *ip, struct pd_route *ret)
{
	bool v4 = pd_ip_is_v4(ip);
	struct rtmsg rtm = {.rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128};
	struct route_answer answer = {0};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	int err;

	if (!msg)
		return -ENOMEM;
	err = nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO);
	if (!err)
		err = nla_put(msg, RTA_DST, v4 ? 4 : 16, v4 ? ip->b + 12 : ip->b);
	if (!err)
		err = ask_route(net, msg, &answer);
	nlmsg_free(msg);
	/* "network unreachable" arrives as an error of its own kind: it means none. */
	if (err < 0 && (err == -NLE_NOMEM || err == -NLE_BAD_SOCK))
		return to_errno(err);
	*ret = answer.route;
	return 0;
}

size_t pd_net_uplinks(struct pd_net *net, uint32_t *ret_ifindexes, size_t max)
{
	_cleanup_cache_ struct nl_cache *cache = NULL;
	size_t n = 0;

	if (rtnl_route_alloc_cache(net->sock, AF_UNSPEC, 0, &cache))
		return 0;
	for (struct nl_object *o = nl_cache_get_first(cache); o && n < max;
	     o = nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;
		struct pd_route to = {0};
		size_t i;

		if (rtnl_route_get_type(r) != RTN_UNICAST ||
		    rtnl_route_get_table(r) != RT_TABLE_MAIN ||
		    nl_addr_get_prefixlen(rtnl_route_get_dst(r)))
			continue;
		rtnl_route_foreach_nexthop(r, note_nexthop, &to);
		for (i = 0; i < n && ret_ifindexes[i] != to.ifindex; i++)
			;
		if (i == n && to.ifindex)
			ret_ifindexes[n++] = to.ifindex;
	}
	return n;
}

/* ---- tc --------------------------------------------------------------------- */

static int count_filters(struct pd_net *net, uint32_t ifindex, uint32_t parent)
{
	_cleanup_cache_ struct nl_cache *cache = NULL;
	int err = to_errno(rtnl_cls_alloc_cache(net->sock, (int)ifindex, parent, &cache));

	return err ? err : nl_cache_nitems(cache);
}

int pd_net_filters(struct pd_net *net, uint32_t ifindex)
{
	int in = count_filters(net, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
	int out;

	if (in < 0)
		return in;
	out = count_filters(net, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
	return out < 0 ? out : in + out;
}

/* ---- changes ------------------------------------------------------------------ */

int pd_net_monitor_fd(struct pd_net *net)
{
	return nl_socket_get_fd(net->monitor);
}

unsigned int pd_net_monitor_take(struct pd_net *net)
{
	int err;

	net->changed = 0;
	do {
		err = nl_recvmsgs_default(net->monitor);
		/* Too much at once: something was lost, so take it that everything has changed. */
		if (err < 0 && err != -NLE_AGAIN)
			net->changed |= PD_NET_LINKS | PD_NET_ROUTES | PD_NET_FILTERS;
	} while (!err || err == -NLE_NOMEM || err == -NLE_DUMP_INTR);
	return net->changed;
}
