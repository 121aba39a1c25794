/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire/wire.h"
#include "user/service/frame.h"

#define ETH_LEN 14

/* ---- who talks to whom --------------------------------------------------- */

static void map_v4(struct pd_ip *ip, const void *from)
{
	memset(ip, 0, sizeof(*ip));
	ip->b[10] = ip->b[11] = 0xff;
	memcpy(ip->b + 12, from, 4);
}

static void read_ports(const uint8_t *l4, size_t len, size_t at, struct pd_frame_ends *e)
{
	if (len < 8)
		return;
	if (e->proto == IPPROTO_UDP)
		e->poff = (uint32_t)at + 8;
	else if (e->proto == IPPROTO_TCP && len > 12)
		e->poff = (uint32_t)at + (l4[12] >> 4) * 4U;
	memcpy(&e->sport, l4, 2);
	memcpy(&e->dport, l4 + 2, 2);
	if (e->proto == IPPROTO_UDP && len >= 10)
		memcpy(&e->datagram, l4 + 8, 2);
}

static const char *read_v4(const uint8_t *p, size_t len, struct pd_frame_ends *e)
{
	struct iphdr ip;
	size_t hl;

	if (len < sizeof(ip))
		return "its IP header is cut off";
	memcpy(&ip, p, sizeof(ip));
	hl = ip.ihl * 4U;
	if (ip.version != 4 || hl < sizeof(ip))
		return "its IP header is malformed";
	map_v4(&e->src, &ip.saddr);
	map_v4(&e->dst, &ip.daddr);
	e->proto = ip.protocol;
	if (!(ip.frag_off & htons(0x3fff)) && hl <= len)
		read_ports(p + hl, len - hl, ETH_LEN + hl, e);
	return NULL;
}

static const char *read_v6(const uint8_t *p, size_t len, struct pd_frame_ends *e)
{
	struct ip6_hdr ip;

	if (len < sizeof(ip))
		return "its IPv6 header is cut off";
	memcpy(&ip, p, sizeof(ip));
	if ((ip.ip6_vfc >> 4) != 6)
		return "its IPv6 header is malformed";
	memcpy(&e->src, &ip.ip6_src, 16);
	memcpy(&e->dst, &ip.ip6_dst, 16);
	e->proto = ip.ip6_nxt;
	if (e->proto == IPPROTO_TCP || e->proto == IPPROTO_UDP)
		read_ports(p + sizeof(ip), len - sizeof(ip), ETH_LEN + sizeof(ip), e);
	return NULL;
}

const char *pd_frame_ends(const uint8_t *frame, size_t len, struct pd_frame_ends *ret)
{
	struct pd_frame_ends e = {0};
	const char *why;
	uint16_t type;

	if (len < ETH_LEN)
		return "it is shorter than an Ethernet header";
	memcpy(&type, frame + 12, 2);
	if (type == htons(ETHERTYPE_IP))
		why = read_v4(frame + ETH_LEN, len - ETH_LEN, &e);
	else if (type == htons(ETHERTYPE_IPV6))
		why = read_v6(frame + ETH_LEN, len - ETH_LEN, &e);
	else if (type == htons(ETHERTYPE_VLAN))
		why = "it has a VLAN tag: capture on the interface that removes it";
	else
		why = "it is no IP packet";
	if (!why)
		*ret = e;
	return why;
}

/* ---- building ------------------------------------------------------------ */

static uint64_t sum_words(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint64_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The headers below TCP or UDP. Returns where it starts. */
static size_t put_l3(const struct pd_frame_spec *s, size_t l4len, uint8_t *to)
{
	bool v4 = pd_ip_is_v4(&s->flow.client);

	to[12] = v4 ? 0x08 : 0x86;
	to[13] = v4 ? 0x00 : 0xdd;
	if (v4) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = s->proto,
				   .frag_off = htons(IP_DF),
				   .tot_len = htons((uint16_t)(sizeof(ip) + l4len))};

		memcpy(&ip.saddr, s->flow.client.b + 12, 4);
		memcpy(&ip.daddr, s->flow.server.b + 12, 4);
		ip.check = fold(sum_words(&ip, sizeof(ip)));
		memcpy(to + ETH_LEN, &ip, sizeof(ip));
		return ETH_LEN + sizeof(ip);
	}
	struct ip6_hdr ip = {.ip6_plen = htons((uint16_t)l4len), .ip6_nxt = s->proto,
			     .ip6_hlim = 64};

	ip.ip6_vfc = 0x60;
	memcpy(&ip.ip6_src, s->flow.client.b, 16);
	memcpy(&ip.ip6_dst, s->flow.server.b, 16);
	memcpy(to + ETH_LEN, &ip, sizeof(ip));
	return ETH_LEN + sizeof(ip);
}

size_t pd_frame_build(const struct pd_frame_spec *s, uint8_t ret[PD_FRAME_MAX])
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	bool tcp = s->proto == IPPROTO_TCP;
	size_t hl = tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr), l4len = hl + s->len, at;
	uint64_t sum;
	uint16_t check;

	assert(s->len <= PD_REQUEST_MAX);
	memcpy(ret, macs, sizeof(macs));
	at = put_l3(s, l4len, ret);
	/* the 0xffff of a mapped address is nothing in this sum */
	sum = sum_words(&s->flow.client, 16) + sum_words(&s->flow.server, 16) + s->proto + l4len;
	if (tcp) {
		struct tcphdr h = {.source = s->flow.cport, .dest = s->flow.sport,
				   .seq = htonl(s->seq), .ack_seq = htonl(s->ack), .doff = 5,
				   .psh = 1, .ack = 1, .window = 0xffff};

		memcpy(ret + at, &h, sizeof(h));
	} else {
		struct udphdr h = {.source = s->flow.cport, .dest = s->flow.sport,
				   .len = htons((uint16_t)l4len)};

		memcpy(ret + at, &h, sizeof(h));
	}
	if (s->len)
		memcpy(ret + at + hl, s->payload, s->len);
	check = fold(sum + sum_words(ret + at, l4len));
	if (!tcp && !check)
		check = 0xffff;
	memcpy(ret + at + (tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check)),
	       &check, 2);
	return at + l4len;
}
