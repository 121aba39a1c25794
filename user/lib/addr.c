/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/lib/addr.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int fail(const char **ret_why, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return -EINVAL;
}

static int parse_ip(const char *s, size_t len, struct pd_ip *ret)
{
	char buf[INET6_ADDRSTRLEN];
	struct pd_ip ip;

	if (!len || len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, s, len);
	buf[len] = '\0';
	if (inet_pton(AF_INET, buf, ip.b + 12) == 1)
		memcpy(ip.b, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, buf, ip.b) != 1)
		return -EINVAL;
	*ret = ip;
	return 0;
}

static int parse_port(const char *s, uint16_t *ret)
{
	unsigned long v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (unsigned long)(*s - '0');
		if (v > 65535)
			return -EINVAL;
	}
	if (!v)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

int pd_addr_parse(const char *s, uint16_t default_port, struct pd_addr *ret, const char **ret_why)
{
	const char *host = s, *end, *port = NULL;
	struct pd_addr a = {.port = default_port};

	if (*s == '[') {
		host = s + 1;
		end = strchr(host, ']');
		if (!end)
			return fail(ret_why, "missing ']'");
		if (end[1] == ':')
			port = end + 2;
		else if (end[1])
			return fail(ret_why, "unexpected text after ']'");
	} else {
		end = strchr(s, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL; /* a bare IPv6 address */
		if (end)
			port = end + 1;
		else
			end = s + strlen(s);
	}
	if (parse_ip(host, (size_t)(end - host), &a.ip))
		return fail(ret_why, "not an IPv4 or IPv6 address");
	if (port && parse_port(port, &a.port))
		return fail(ret_why, "the port is not a number from 1 to 65535");
	if (!a.port)
		return fail(ret_why, "the port is missing");
	*ret = a;
	return 0;
}

bool pd_ip_is_v4(const struct pd_ip *ip)
{
	return !memcmp(ip->b, mapped, sizeof(mapped));
}

bool pd_ip_is_unusable(const struct pd_ip *ip)
{
	static const struct pd_ip any6;

	if (pd_ip_is_v4(ip))
		return ip->b[12] == 0 || ip->b[12] >= 224;
	return !memcmp(ip, &any6, sizeof(any6)) || ip->b[0] == 0xff;
}

char *pd_addr_format(const struct pd_ip *ip, uint16_t port, char buf[PD_ADDR_STRLEN])
{
	char host[INET6_ADDRSTRLEN];
	bool v4 = pd_ip_is_v4(ip);

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip->b + 12 : ip->b, host, sizeof(host));
	if (!port)
		snprintf(buf, PD_ADDR_STRLEN, "%s", host);
	else
		snprintf(buf, PD_ADDR_STRLEN, v4 ? "%s:%u" : "[%s]:%u", host, port);
	return buf;
}
