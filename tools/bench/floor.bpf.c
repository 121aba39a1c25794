/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floors: what an answer from a hook costs when nothing is looked at. A hit
 * cannot cost less; what it costs more is pandit's.
 *
 *   floor_learn, floor_echo	TC: the last reply of the server that was seen is the answer to
 *				every request, whatever it asks (IPv4). No map of connections, no
 *				parser, no words; right only for a client that asks for one key.
 *   floor_drop, floor_swap	TC: drop; exchange addresses and send back
 *   floor_xdp_drop, floor_xdp_swap	the same at XDP
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define REPLY_MAX 8192
#define HEADERS	  (sizeof(struct ethhdr) + sizeof(struct iphdr))

struct reply {
	__u32 len; /* bytes of it; 0 = nothing learnt yet */
	__u8 b[REPLY_MAX];
};

/* One for each transport: 0 TCP, 1 UDP (behind its 8-byte frame). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct reply);
} replies SEC(".maps");

struct segment {
	struct ethhdr eth;
	struct iphdr ip;
	union {
		struct {
			struct tcphdr tcp;
			__u32 stamp[3]; /* NOP, NOP, timestamps: what Linux sends */
		};
		struct udphdr udp;
	};
	__u8 slack[8];
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct segment);
} rooms SEC(".maps");

/* Headers of an IPv4 packet into the room; their length, or 0: not one that is answered. */
static __always_inline __u32 read_headers(struct __sk_buff *ctx, struct segment *s)
{
	if (bpf_skb_load_bytes(ctx, 0, s, HEADERS + sizeof(struct udphdr)))
		return 0;
	if (s->eth.h_proto != bpf_htons(ETH_P_IP) || s->ip.ihl != 5)
		return 0;
	if (s->ip.protocol == IPPROTO_UDP)
		return HEADERS + sizeof(struct udphdr);
	if (s->ip.protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes(ctx, 0, s, HEADERS + sizeof(struct tcphdr) + 12) || s->tcp.doff != 8)
		return 0;
	return HEADERS + sizeof(struct tcphdr) + 12;
}

static __always_inline struct segment *room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rooms, &zero);
}

/* On the way to the client: remember the reply. */
SEC("tc")
int floor_learn(struct __sk_buff *ctx)
{
	struct segment *s = room();
	__u32 hl, n, udp;
	struct reply *r;

	if (!s)
		return TC_ACT_UNSPEC;
	hl = read_headers(ctx, s);
	udp = s->ip.protocol == IPPROTO_UDP;
	if (udp)
		hl += 8;
	r = bpf_map_lookup_elem(&replies, &udp);
	n = ctx->len - hl - 1;
	asm volatile("" : "+r"(n));
	if (!hl || !r || n > REPLY_MAX - 1)
		return TC_ACT_UNSPEC;
	if (!bpf_skb_load_bytes(ctx, hl, r->b, n + 1))
		r->len = n + 1;
	return TC_ACT_UNSPEC;
}

static __always_inline void swap_addresses(struct segment *s)
{
	__be32 ip = s->ip.saddr;
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, s->eth.h_source, ETH_ALEN);
	__builtin_memcpy(s->eth.h_source, s->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(s->eth.h_dest, mac, ETH_ALEN);
	s->ip.saddr = s->ip.daddr;
	s->ip.daddr = ip;
}

static __always_inline __u32 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u32 pseudo(const struct segment *s, __u32 len)
{
	return fold((__u64)s->ip.saddr + s->ip.daddr + bpf_htons(s->ip.protocol) + bpf_htons(len));
}

static __always_inline void answer_ip(struct segment *s, __u32 len)
{
	__u32 old = s->ip.tot_len;

	swap_addresses(s);
	s->ip.tot_len = bpf_htons(sizeof(struct iphdr) + len);
	s->ip.check = ~fold((__u64)(__u16)~s->ip.check + (__u16)~old + s->ip.tot_len);
}

/* The sender's checksum is left to the device (veth): the pseudo-header's sum is enough. */
static __always_inline void answer_tcp(struct segment *s, __u32 asked, __u32 len)
{
	__u32 seq = s->tcp.seq, ports = s->tcp.source;
	__u32 stamp = s->stamp[1];

	s->tcp.source = s->tcp.dest;
	s->tcp.dest = ports;
	s->tcp.seq = s->tcp.ack_seq;
	s->tcp.ack_seq = bpf_htonl(bpf_ntohl(seq) + asked);
	s->tcp.psh = 1;
	s->stamp[1] = s->stamp[2]; /* the server's last stamp */
	s->stamp[2] = stamp;
	s->tcp.check = pseudo(s, len);
}

static __always_inline void answer_udp(struct segment *s, __u32 len)
{
	__u16 port = s->udp.source;

	s->udp.source = s->udp.dest;
	s->udp.dest = port;
	s->udp.len = bpf_htons(len);
	s->udp.check = pseudo(s, len);
}

/* On the way from the client: the reply that was learnt answers every request. */
SEC("tc")
int floor_echo(struct __sk_buff *ctx)
{
	struct segment *s = room();
	__u32 hl, n, udp, asked, keep;
	struct reply *r;

	if (!s)
		return TC_ACT_UNSPEC;
	hl = read_headers(ctx, s);
	udp = s->ip.protocol == IPPROTO_UDP;
	r = bpf_map_lookup_elem(&replies, &udp);
	asked = ctx->len - hl;
	if (!hl || !r || !r->len || !asked || (!udp && (s->tcp.syn || s->tcp.fin || s->tcp.rst)))
		return TC_ACT_UNSPEC;
	keep = udp ? hl + 8 : hl; /* the frame of a datagram goes back as it came */
	n = r->len - 1;
	asm volatile("" : "+r"(n));
	if (n > REPLY_MAX - 1 || bpf_skb_change_tail(ctx, keep + n + 1, 0))
		return TC_ACT_SHOT;
	answer_ip(s, keep - HEADERS + n + 1);
	if (udp) {
		answer_udp(s, keep - HEADERS + n + 1);
		bpf_skb_store_bytes(ctx, 0, s, HEADERS + sizeof(struct udphdr), 0);
	} else {
		answer_tcp(s, asked, keep - HEADERS + n + 1);
		bpf_skb_store_bytes(ctx, 0, s, HEADERS + sizeof(struct tcphdr) + 12, 0);
	}
	if (bpf_skb_store_bytes(ctx, keep, r->b, n + 1, 0))
		return TC_ACT_SHOT;
	return bpf_redirect_peer(ctx->ifindex, 0);
}

SEC("tc")
int floor_drop(struct __sk_buff *ctx)
{
	return TC_ACT_SHOT;
}

SEC("tc")
int floor_swap(struct __sk_buff *ctx)
{
	struct segment *s = room();

	if (!s || bpf_skb_load_bytes(ctx, 0, s, HEADERS))
		return TC_ACT_SHOT;
	swap_addresses(s);
	if (bpf_skb_store_bytes(ctx, 0, s, HEADERS, 0))
		return TC_ACT_SHOT;
	return bpf_redirect(ctx->ifindex, 0);
}

SEC("xdp")
int floor_xdp_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp")
int floor_xdp_swap(struct xdp_md *ctx)
{
	struct segment *s = (void *)(long)ctx->data;

	if ((void *)&s->tcp > (void *)(long)ctx->data_end)
		return XDP_DROP;
	swap_addresses(s);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
