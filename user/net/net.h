/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces and routes of this network namespace, by netlink; the only user
 * of libnl. One thread, the loop's. Everything is asked from the kernel when
 * it is needed: nothing here is a cache that could be old.
 */
#ifndef PD_USER_NET_NET_H
#define PD_USER_NET_NET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/service.h"
#include "user/lib/fault.h"

struct pd_net;

struct pd_link {
	uint32_t ifindex;
	uint32_t mtu; /* bytes of an IP packet */
	char name[IF_NAMESIZE];
	char kind[16]; /* "veth", "bridge", ...; "" for devices without one */
	bool up;
	bool loopback;
	bool ethernet;	     /* its frames begin with an Ethernet header */
	bool peer_elsewhere; /* a veth whose peer is in another namespace */
};

enum pd_route_kind {
	PD_ROUTE_NONE,	  /* unreachable */
	PD_ROUTE_LOCAL,	  /* an address of this host itself */
	PD_ROUTE_DIRECT,  /* on the link of `ifindex` */
	PD_ROUTE_GATEWAY, /* through a gateway on `ifindex` */
};

struct pd_route {
	enum pd_route_kind kind;
	uint32_t ifindex; /* 0 = none */
};

int pd_net_new(struct pd_net **ret, struct pd_fault *f);
void pd_net_free(struct pd_net **net);

/* Returning non-zero ends the iteration, which then returns that value. */
typedef int (*pd_link_fn)(void *arg, const struct pd_link *link);
int pd_net_links(struct pd_net *net, pd_link_fn fn, void *arg);

/* One interface by name; -ENODEV if there is none. */
int pd_net_link(struct pd_net *net, const char *name, struct pd_link *ret);

/* Where this host sends packets for @ip now. No route is no error: PD_ROUTE_NONE. */
int pd_net_route(struct pd_net *net, const struct pd_ip *ip, struct pd_route *ret);

/* Interfaces of the default routes, IPv4 and IPv6. Returns how many, at most @max. */
size_t pd_net_uplinks(struct pd_net *net, uint32_t *ret_ifindexes, size_t max);

/* Are there tc filters, of anybody, on the clsact qdisc of an interface? 0: none; > 0: some;
 * -errno. */
int pd_net_filters(struct pd_net *net, uint32_t ifindex);

/* Readable when links, addresses, routes, qdiscs or tc filters have changed. */
int pd_net_monitor_fd(struct pd_net *net);

/* Take what is waiting there. Returns a mask of PD_NET_*; 0 = nothing of interest. */
unsigned int pd_net_monitor_take(struct pd_net *net);
#define PD_NET_LINKS   0x1
#define PD_NET_ROUTES  0x2
#define PD_NET_FILTERS 0x4

#endif
