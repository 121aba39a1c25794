// SPDX-License-Identifier: Apache-2.0
/*
 * What the programs cost alone: the live hit programs of a running panditd in
 * BPF_PROG_TEST_RUN, against floors that drop, or exchange addresses and send
 * back. Prints a Markdown table.
 *
 * usage: progs PROGS FLOORS CLIENT HOME
 *	PROGS	directory of panditd's pinned programs
 *	FLOORS	directory of those of floor.bpf.o
 *	CLIENT	interface towards the client 10.0.1.2, also attached as edge
 *	HOME	interface towards memcached, 10.2.0.2
 *
 * Each run is one packet (a hit turns the packet into its answer, so that a
 * second run would not be one): the kernel's own figure for it, medians, with
 * that of a program that does nothing taken off. Run it in the namespace of
 * the interfaces. Exit 1: something does not answer as it should.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#define RUNS	  20001
#define REFILL	  2000 /* runs after which the entry is made anew: it has an age */
#define CPORT	  40000
#define SPORT	  11211
#define FRAME	  8
#define KEY	  "the-key-of-16-by"
#define VALUE_MAX 1024

struct packet {
	uint8_t b[2048];
	uint32_t len; /* bytes */
};

/* One way to run a packet: the program, and what it is told of the packet's interface. */
struct hook {
	int fd;
	bool xdp;
	unsigned int ifindex;
	uint32_t expect; /* its return value */
};

static struct hook home_request, home_reply, client_reply;

static void die(const char *what, const char *name)
{
	fprintf(stderr, "progs: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static struct hook hook_open(const char *dir, const char *name, bool xdp, const char *dev,
			     uint32_t expect)
{
	struct hook h = {.xdp = xdp, .expect = expect};
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	h.fd = bpf_obj_get(path);
	if (h.fd < 0)
		die("no pinned program", path);
	h.ifindex = if_nametoindex(dev);
	if (!h.ifindex)
		die("no interface", dev);
	return h;
}

/* Runs the packet once. Returns nanoseconds. */
static uint32_t hook_run(const struct hook *h, const struct packet *in, const char *name)
{
	static uint8_t out[4096];
	struct __sk_buff skb = {.ifindex = h->ifindex, .ingress_ifindex = h->ifindex};
	struct xdp_md md = {.data_end = in->len, .ingress_ifindex = h->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->b, .data_size_in = in->len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	if (h->xdp) {
		o.ctx_in = &md;
		o.ctx_size_in = sizeof(md);
	} else {
		o.ctx_in = &skb;
		o.ctx_size_in = sizeof(skb);
	}
	if (bpf_prog_test_run_opts(h->fd, &o))
		die("cannot run", name);
	if (o.retval != h->expect) {
		fprintf(stderr, "progs: %s returned %u, not %u\n", name, o.retval, h->expect);
		exit(1);
	}
	return o.duration;
}

static uint32_t add_up(const uint8_t *b, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A datagram between client and server with n bytes of payload behind its frame. */
static void build(struct packet *p, bool reply, const void *payload, uint32_t n)
{
	static const uint8_t frame[FRAME] = {0x12, 0x34, 0, 0, 0, 1, 0, 0};
	struct ethhdr *eth = (void *)p->b;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	uint32_t client = inet_addr("10.0.1.2"), server = inet_addr("10.2.0.2");

	memset(p->b, 0, sizeof(p->b));
	eth->h_source[5] = 1;
	eth->h_dest[5] = 2;
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = reply ? server : client;
	ip->daddr = reply ? client : server;
	ip->tot_len = htons(sizeof(*ip) + sizeof(*udp) + FRAME + n);
	ip->check = htons(~add_up((void *)ip, sizeof(*ip), 0));
	udp->source = htons(reply ? SPORT : CPORT);
	udp->dest = htons(reply ? CPORT : SPORT);
	udp->len = htons(sizeof(*udp) + FRAME + n);
	memcpy(udp + 1, frame, FRAME);
	memcpy((uint8_t *)(udp + 1) + FRAME, payload, n);
	p->len = sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + FRAME + n;
}

/* Let the server answer, as far as the hooks can tell. */
static void fill(const struct packet *request, const struct packet *reply)
{
	hook_run(&home_request, request, "home_request");
	hook_run(&home_reply, reply, "home_reply");
	hook_run(&client_reply, reply, "client_reply");
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t measure(const struct hook *h, const struct packet *request,
			const struct packet *reply, const char *name)
{
	static uint32_t ns[RUNS];

	for (uint32_t i = 0; i < RUNS; i++) {
		if (i % REFILL == 0)
			fill(request, reply);
		ns[i] = hook_run(h, request, name);
	}
	qsort(ns, RUNS, sizeof(*ns), by_size);
	return ns[RUNS / 2];
}

struct way {
	const char *title;
	struct hook hit, drop, swap;
};

static void row(const struct way *w, uint32_t size)
{
	char text[VALUE_MAX + 128];
	struct packet request, reply;
	uint32_t n, drop, swap, hit;

	n = (uint32_t)snprintf(text, sizeof(text), "get " KEY "%u\r\n", size);
	build(&request, false, text, n);
	n = (uint32_t)snprintf(text, sizeof(text), "VALUE " KEY "%u 0 %u\r\n", size, size);
	memset(text + n, 'v', size);
	memcpy(text + n + size, "\r\nEND\r\n", 7);
	build(&reply, true, text, n + size + 7);
	drop = measure(&w->drop, &request, &reply, "drop");
	swap = measure(&w->swap, &request, &reply, "swap");
	hit = measure(&w->hit, &request, &reply, w->title);
	swap -= swap > drop ? drop : swap;
	hit -= hit > drop ? drop : hit;
	printf("| %s, %u B | %u | %u | %u |\n", w->title, size, drop, swap, hit);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: progs PROGS FLOORS CLIENT HOME\n");
		return 2;
	}
	home_request = hook_open(argv[1], "home_request", false, argv[4], (uint32_t)TC_ACT_UNSPEC);
	home_reply = hook_open(argv[1], "home_reply", false, argv[4], (uint32_t)TC_ACT_UNSPEC);
	client_reply = hook_open(argv[1], "client_reply", false, argv[3], (uint32_t)TC_ACT_UNSPEC);
	struct way ways[] = {
		{"TC, memcached hit over UDP",
		 hook_open(argv[1], "client_request", false, argv[3], TC_ACT_REDIRECT),
		 hook_open(argv[2], "floor_drop", false, argv[3], TC_ACT_SHOT),
		 hook_open(argv[2], "floor_swap", false, argv[3], TC_ACT_REDIRECT)},
		{"XDP, memcached hit over UDP",
		 hook_open(argv[1], "edge_client", true, argv[3], XDP_TX),
		 hook_open(argv[2], "floor_xdp_drop", true, argv[3], XDP_DROP),
		 hook_open(argv[2], "floor_xdp_swap", true, argv[3], XDP_TX)},
	};

	printf("Nanoseconds of one packet in BPF_PROG_TEST_RUN, medians of %d runs, each on a new\n"
	       "packet (its memory is cold). Drop does nothing; it is taken off the others.\n\n"
	       "| program | drop | swap and send | hit |\n|---|---:|---:|---:|\n",
	       RUNS);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		for (uint32_t size = 64; size <= VALUE_MAX; size *= 4)
			row(&ways[i], size);
	return 0;
}
