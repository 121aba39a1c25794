/* SPDX-License-Identifier: Apache-2.0 */
/* Links, routes and changes, in a namespace of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>

#include "selftests/unit/netns.h"
#include "user/lib/addr.h"
#include "user/net/net.h"

static struct pd_net *net;

static struct pd_route route_to(const char *text)
{
	struct pd_route r = {99, 99};
	struct pd_addr a;

	assert_int_equal(pd_addr_parse(text, 1, &a, NULL), 0);
	assert_int_equal(pd_net_route(net, &a.ip, &r), 0);
	return r;
}

static uint32_t index_of(const char *name)
{
	struct pd_link l;

	assert_int_equal(pd_net_link(net, name, &l), 0);
	return l.ifindex;
}

static void links(void **state)
{
	struct pd_link l;

	(void)state;
	assert_int_equal(pd_net_link(net, "away", &l), 0);
	assert_string_equal(l.kind, "veth");
	assert_true(l.peer_elsewhere);
	assert_int_equal(l.mtu, 1500);
	assert_int_equal(pd_net_link(net, "beside", &l), 0);
	assert_false(l.peer_elsewhere);
	assert_int_equal(pd_net_link(net, "lo", &l), 0);
	assert_true(l.loopback);
	assert_string_equal(l.kind, "");
	assert_int_equal(pd_net_link(net, "nope", &l), -ENODEV);
	assert_int_equal(pd_net_link(net, "", &l), -ENODEV);
	assert_int_equal(pd_net_link(net, "a-name-that-is-much-too-long", &l), -ENODEV);
}

static int count(void *arg, const struct pd_link *link)
{
	(void)link;
	return ++*(int *)arg == 2 ? 7 : 0;
}

static void the_walk_can_be_ended(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(pd_net_links(net, count, &n), 7);
	assert_int_equal(n, 2);
}

static void routes(void **state)
{
	(void)state;
	assert_int_equal(route_to("10.77.1.2").kind, PD_ROUTE_DIRECT);
	assert_int_equal(route_to("10.77.1.2").ifindex, index_of("away"));
	assert_int_equal(route_to("10.77.1.1").kind, PD_ROUTE_LOCAL);
	assert_int_equal(route_to("127.0.0.1").kind, PD_ROUTE_LOCAL);
	assert_int_equal(route_to("192.0.2.1").kind, PD_ROUTE_NONE);
	assert_int_equal(route_to("2001:db8::1").kind, PD_ROUTE_NONE);
	assert_int_equal(sh("ip route add default via 10.77.1.9"), 0);
	assert_int_equal(route_to("192.0.2.1").kind, PD_ROUTE_GATEWAY);
	assert_int_equal(route_to("192.0.2.1").ifindex, index_of("away"));
	assert_int_equal(sh("ip route add blackhole 192.0.2.0/24"), 0);
	assert_int_equal(route_to("192.0.2.1").kind, PD_ROUTE_NONE);
	assert_int_equal(sh("ip -6 addr add fd77::1/64 dev away nodad"), 0);
	assert_int_equal(route_to("fd77::2").kind, PD_ROUTE_DIRECT);
	assert_int_equal(route_to("fd77::2").ifindex, index_of("away"));
}

static void uplinks(void **state)
{
	uint32_t found[4];

	(void)state;
	assert_int_equal(pd_net_uplinks(net, found, 4), 1);
	assert_int_equal(found[0], index_of("away"));
	assert_int_equal(pd_net_uplinks(net, found, 0), 0);
	assert_int_equal(sh("ip route del default"), 0);
	assert_int_equal(pd_net_uplinks(net, found, 4), 0);
}

static unsigned int changes(void)
{
	struct pollfd p = {.fd = pd_net_monitor_fd(net), .events = POLLIN};
	unsigned int all = 0;

	while (poll(&p, 1, 200) > 0)
		all |= pd_net_monitor_take(net);
	return all;
}

static void changes_are_seen(void **state)
{
	(void)state;
	changes();
	assert_int_equal(changes(), 0);
	assert_int_equal(netns_veth("later", NULL, 1), 0);
	assert_true(changes() & PD_NET_LINKS);
	assert_int_equal(sh("ip addr add 10.78.1.1/24 dev later"), 0);
	assert_true(changes() & PD_NET_ROUTES);
	assert_int_equal(sh("tc qdisc add dev later clsact"), 0);
	assert_int_equal(changes(), PD_NET_FILTERS);
	assert_int_equal(sh("ip link del later"), 0);
	assert_true(changes() & PD_NET_LINKS);
}

static void filters_are_counted(void **state)
{
	uint32_t i = index_of("beside");

	(void)state;
	assert_int_equal(pd_net_filters(net, i), 0);
	assert_int_equal(sh("tc qdisc add dev beside clsact"), 0);
	assert_int_equal(pd_net_filters(net, i), 0);
	assert_int_equal(
		sh("tc filter add dev beside egress prio 7 protocol ip bpf bytecode '1,6 0 0 0'"),
		0);
	assert_true(pd_net_filters(net, i) > 0);
	assert_int_equal(
		sh("tc filter add dev beside ingress prio 9 protocol ip bpf bytecode '1,6 0 0 0'"),
		0);
	assert_int_equal(sh("tc filter del dev beside egress"), 0);
	assert_true(pd_net_filters(net, i) > 0);
	assert_int_equal(sh("tc filter del dev beside ingress"), 0);
	assert_int_equal(pd_net_filters(net, i), 0);
	assert_int_equal(sh("tc qdisc del dev beside clsact"), 0);
	assert_int_equal(pd_net_filters(net, i), 0);
}

static int setup(void **state)
{
	struct pd_fault f;

	(void)state;
	assert_int_equal(netns_veth("away", "10.77.1.1/24", 1), 0);
	assert_int_equal(netns_veth("beside", NULL, 0), 0);
	return pd_net_new(&net, &f);
}

static int teardown(void **state)
{
	(void)state;
	pd_net_free(&net);
	pd_net_free(&net);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links),
		cmocka_unit_test(the_walk_can_be_ended),
		cmocka_unit_test(routes),
		cmocka_unit_test(uplinks),
		cmocka_unit_test(changes_are_seen),
		cmocka_unit_test(filters_are_counted),
	};

	if (netns_enter()) {
		fprintf(stderr, "test_net: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
