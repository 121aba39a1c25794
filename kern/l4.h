/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Headers of one packet, v4 and v6. Header bytes are read directly, nothing is
 * written through packet pointers: a direct write would add an unclone to every
 * packet.
 */
#ifndef PD_KERN_L4_H
#define PD_KERN_L4_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include "pandit.h"

#define TCPF_FIN 0x01
#define TCPF_SYN 0x02
#define TCPF_RST 0x04
#define TCPF_PSH 0x08
#define TCPF_ACK 0x10
#define TCPF_URG 0x20

enum pkt_state {
	PKT_OTHER = 0, /* no IP packet, or not TCP or UDP: not ours */
	PKT_OK,
	PKT_FRAGMENT,
	PKT_OPTIONS, /* VLAN, or more extension headers than we walk */
	PKT_TRUNCATED,
};

struct pkt {
	struct pd_tuple t; /* oriented: client first, whichever way the packet goes */
	__u32 poff, plen;  /* payload: offset from the frame's start, bytes */
	__u32 seq, ack;	   /* host order */
	__u32 tsval;	   /* of a timestamps option in its usual place; network order; 0 = none */
	__u16 win;	   /* network order */
	__u16 l4off;	   /* offset of the TCP or UDP header */
	__u8 doff;	   /* bytes of the TCP header */
	__u8 flags;	   /* TCPF_* */
	__u8 proto;
	__u8 v6;
	__u8 plain; /* no options that an answer cannot mirror */
	__u8 pad[3];
};

/* Protocols that may carry TCP or UDP where it cannot be read: tunnels, IPsec, extension headers
 * that are not walked. */
static __always_inline bool pkt_wraps(__u8 proto)
{
	return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6 || proto == IPPROTO_GRE ||
	       proto == IPPROTO_ESP || proto == IPPROTO_AH || proto == 135 || proto == 139 ||
	       proto == 140;
}

static __always_inline void pkt_v4(struct pd_ip *ip, __be32 a)
{
	__u32 *w = (__u32 *)ip->b;

	w[0] = 0;
	w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = a;
}

static __always_inline void pkt_copy_ip(struct pd_ip *ip, const void *from)
{
	__builtin_memcpy(ip, from, 16);
}

/* Addresses and the offset of the L4 header. to_server: the packet travels from client to server.
 */
static __always_inline int pkt_l3(void *data, void *end, struct pkt *p, bool to_server, __u32 *l4,
				  __u32 *total)
{
	struct ethhdr *e = data;

	if ((void *)(e + 1) > end)
		return PKT_OTHER;
	if (e->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(e + 1);

		if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
			return PKT_OTHER;
		pkt_v4(to_server ? &p->t.client : &p->t.server, ip->saddr);
		pkt_v4(to_server ? &p->t.server : &p->t.client, ip->daddr);
		p->proto = ip->protocol;
		p->v6 = 0;
		p->plain = ip->ihl == 5;
		*l4 = sizeof(*e) + ip->ihl * 4;
		*total = sizeof(*e) + bpf_ntohs(ip->tot_len);
		if (ip->frag_off & bpf_htons(0x3fff))
			return PKT_FRAGMENT;
		return pkt_wraps(p->proto) ? PKT_OPTIONS : PKT_OK;
	}
	if (e->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(e + 1);

		if ((void *)(ip + 1) > end || ip->version != 6)
			return PKT_OTHER;
		pkt_copy_ip(to_server ? &p->t.client : &p->t.server, &ip->saddr);
		pkt_copy_ip(to_server ? &p->t.server : &p->t.client, &ip->daddr);
		p->proto = ip->nexthdr;
		p->v6 = 1;
		p->plain = 1;
		*l4 = sizeof(*e) + sizeof(*ip);
		*total = sizeof(*e) + sizeof(*ip) + bpf_ntohs(ip->payload_len);
		if (p->proto == 44)
			return PKT_FRAGMENT;
		if (p->proto == 0 || p->proto == 43 || p->proto == 60 || pkt_wraps(p->proto))
			return PKT_OPTIONS;
		return PKT_OK;
	}
	return PKT_OTHER;
}

static __always_inline int pkt_tcp(void *data, void *end, struct pkt *p, bool to_server, __u32 l4,
				   __u32 total)
{
	struct tcphdr *t;
	__u32 *opt;

	asm volatile("" : "+r"(l4));
	if (l4 > 128)
		return PKT_TRUNCATED;
	t = data + l4;
	if ((void *)(t + 1) > end)
		return PKT_TRUNCATED;
	p->l4off = l4;
	p->doff = t->doff * 4;
	if (p->doff < 20 || total < l4 + p->doff)
		return PKT_TRUNCATED;
	p->poff = l4 + p->doff;
	p->plen = total - p->poff;
	p->seq = bpf_ntohl(t->seq);
	p->ack = bpf_ntohl(t->ack_seq);
	p->win = t->window;
	p->flags = ((__u8 *)t)[13];
	p->t.cport = to_server ? t->source : t->dest;
	p->t.sport = to_server ? t->dest : t->source;
	p->tsval = 0;
	opt = (void *)(t + 1);
	if (p->doff == 32 && (void *)(opt + 3) <= end && opt[0] == bpf_htonl(0x0101080a))
		p->tsval = opt[1];
	if (p->doff != 20 && !p->tsval)
		p->plain = 0;
	return PKT_OK;
}

static __always_inline int pkt_udp(void *data, void *end, struct pkt *p, bool to_server, __u32 l4,
				   __u32 total)
{
	struct udphdr *u;

	asm volatile("" : "+r"(l4));
	if (l4 > 128)
		return PKT_TRUNCATED;
	u = data + l4;
	if ((void *)(u + 1) > end)
		return PKT_TRUNCATED;
	p->l4off = l4;
	p->doff = 8;
	p->poff = l4 + 8;
	p->t.cport = to_server ? u->source : u->dest;
	p->t.sport = to_server ? u->dest : u->source;
	if (total < p->poff || bpf_ntohs(u->len) < 8 || total < l4 + bpf_ntohs(u->len))
		return PKT_TRUNCATED;
	p->plen = bpf_ntohs(u->len) - 8;
	p->flags = 0;
	return PKT_OK;
}

/*
 * Parse from the frame's start. PKT_OTHER leaves *p undefined; PKT_FRAGMENT,
 * PKT_OPTIONS and PKT_TRUNCATED leave the addresses and proto.
 */
static __always_inline int pkt_parse(void *data, void *end, struct pkt *p, bool to_server)
{
	__u32 l4 = 0, total = 0;
	int r = pkt_l3(data, end, p, to_server, &l4, &total);

	if (r != PKT_OK)
		return r;
	if (p->proto == IPPROTO_TCP)
		return pkt_tcp(data, end, p, to_server, l4, total);
	if (p->proto == IPPROTO_UDP)
		return pkt_udp(data, end, p, to_server, l4, total);
	return PKT_OTHER;
}

#ifdef PD_CTX_SKB
/*
 * pkt_parse() of a TC packet. The headers nearly always lie in its linear
 * part; only if they do not are they pulled there, for that copies the head.
 */
static __always_inline int pkt_read(pd_ctx *ctx, struct pkt *p, bool to_server)
{
	int s = pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, p, to_server);
	__u32 want = ctx->len < 128 ? ctx->len : 128;

	if (s != PKT_OK && ctx->data_end - ctx->data < want) {
		if (bpf_skb_pull_data(ctx, want))
			return PKT_OTHER;
		s = pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, p, to_server);
	}
	return s != PKT_OTHER && ctx->vlan_present ? PKT_OPTIONS : s;
}
#endif

/* The service behind the server side of the packet; NULL = not ours. */
static __always_inline struct pd_service *pkt_service(const struct pkt *p, int state)
{
	struct pd_endpoint e = {};

	__builtin_memcpy(&e.ip, &p->t.server, sizeof(e.ip));
	if (state == PKT_OK) {
		e.port = p->t.sport;
		e.proto = p->proto;
	}
	return bpf_map_lookup_elem(&services, &e);
}

#endif
