/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `detach --force`: ends translated connections by an RST to both ends, while
 * the hooks are still there. The one to the client is sent in server space,
 * because the client hook translates it on its way out; the one to the server
 * leaves by the home interface, which translates nothing.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "user/service/host_impl.h"

struct reset {
	struct pd_host *h;
	uint32_t ifindex;
	int fd4, fd6;
	uint64_t n;
};

struct segment {
	union {
		struct iphdr v4;
		struct ip6_hdr v6;
	} ip;
	struct tcphdr tcp;
};

static uint32_t sum16(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t tcp_checksum(const struct pd_ip *from, const struct pd_ip *to, bool v4,
			     const struct tcphdr *tcp)
{
	size_t skip = v4 ? 12 : 0;
	uint32_t sum = IPPROTO_TCP + sizeof(*tcp);

	sum = sum16(from->b + skip, 16 - skip, sum);
	sum = sum16(to->b + skip, 16 - skip, sum);
	sum = sum16(tcp, sizeof(*tcp), sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Ports in network order, seq in host order. */
static void send_rst(struct reset *r, const struct pd_ip *from, uint16_t sport,
		     const struct pd_ip *to, uint16_t dport, uint32_t seq)
{
	bool v4 = pd_ip_is_v4(to);
	struct tcphdr tcp = {
		.source = sport, .dest = dport, .seq = htonl(seq), .doff = 5, .rst = 1};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	uint8_t buf[sizeof(struct ip6_hdr) + sizeof(tcp)];
	struct iphdr ip4 = {.version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = IPPROTO_TCP,
			    .tot_len = htons(sizeof(ip4) + sizeof(tcp))};
	struct ip6_hdr ip6 = {
		.ip6_hlim = 64, .ip6_nxt = IPPROTO_TCP, .ip6_plen = htons(sizeof(tcp))};
	size_t head = v4 ? sizeof(ip4) : sizeof(ip6);

	tcp.check = tcp_checksum(from, to, v4, &tcp);
	memcpy(&ip4.saddr, from->b + 12, 4);
	memcpy(&ip4.daddr, to->b + 12, 4);
	ip6.ip6_vfc = 6 << 4;
	memcpy(&ip6.ip6_src, from->b, 16);
	memcpy(&ip6.ip6_dst, to->b, 16);
	memcpy(&sin.sin_addr, to->b + 12, 4);
	memcpy(&sin6.sin6_addr, to->b, 16);
	memcpy(buf, v4 ? (void *)&ip4 : (void *)&ip6, head);
	memcpy(buf + head, &tcp, sizeof(tcp));
	/* A lost reset leaves that end to its own timeout, as without it. */
	if (sendto(v4 ? r->fd4 : r->fd6, buf, head + sizeof(tcp), 0,
		   v4 ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6,
		   v4 ? sizeof(sin) : sizeof(sin6)) < 0)
		pd_log_debug("reset: %s", strerror(errno));
}

static int reset_one(void *arg, const struct pd_tuple *key, const struct pd_conn *c)
{
	struct reset *r = arg;
	struct pd_route route = {0};

	if ((!c->sum_n && !c->sum_m) || c->closed)
		return 0;
	pd_net_route(r->h->net, &key->client, &route);
	if (r->ifindex && route.ifindex != r->ifindex)
		return 0;
	send_rst(r, &key->client, key->cport, &key->server, key->sport, c->c_nxt - c->sum_n);
	send_rst(r, &key->server, key->sport, &key->client, key->cport, c->s_nxt);
	r->n++;
	return 0;
}

uint64_t pd_reset_connections(struct pd_host *h, uint32_t ifindex)
{
	_cleanup_close_ int fd4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	_cleanup_close_ int fd6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct reset r = {.h = h, .ifindex = ifindex, .fd4 = fd4, .fd6 = fd6};
	int on = 1;

	if (fd6 >= 0)
		setsockopt(fd6, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on));
	if (h->load)
		pd_load_connections(h->load, reset_one, &r);
	if (r.n)
		pd_log_info("%llu connections reset", (unsigned long long)r.n);
	return r.n;
}
