/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace of its own for a test process: nothing of the machine's
 * interfaces is seen or touched, and everything goes with the process. The
 * peers of veths live in a second one, held open by a descriptor.
 */
#ifndef PD_TEST_NETNS_H
#define PD_TEST_NETNS_H

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int peer_netns = -1;

__attribute__((format(printf, 1, 2))) static inline int sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* Returns 0, or -1 without the right to. */
static inline int netns_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	peer_netns = open("/proc/self/ns/net", O_RDONLY);
	if (peer_netns < 0 || unshare(CLONE_NEWNET) < 0)
		return -1;
	return sh("ip link set lo up");
}

/* A veth `name`, up, with its peer `eth0` in the other namespace (or beside it). */
static inline int netns_veth(const char *name, const char *address, int elsewhere)
{
	if (sh("ip link add %s type veth peer name p-%s", name, name))
		return -1;
	if (elsewhere && sh("ip link set p-%s netns /proc/%d/fd/%d", name, getpid(), peer_netns))
		return -1;
	if (address && sh("ip addr add %s dev %s", address, name))
		return -1;
	return sh("ip link set %s up", name);
}

#endif
