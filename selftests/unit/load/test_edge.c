/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edge_client in BPF_PROG_TEST_RUN, on a buffer of the kind that drivers with
 * native XDP use: a page with room behind the packet. Entries are filled by the
 * home programs, and client_request is given the same requests: both must make
 * the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include "selftests/unit/netns.h"
#include "user/load/load.h"

#define CPORT	    40000
#define SPORT	    11211
#define LO	    1 /* ifindex of every namespace's lo, where test runs come from */
#define REPLY_MAX   1400
#define TC_UNSPEC   UINT32_MAX
#define TC_REDIRECT 7

enum sum {
	SUM_FULL,
	SUM_PARTIAL, /* of the pseudo-header: left to a device */
	SUM_NONE,
	SUM_BAD,
};

struct packet {
	uint8_t b[4096];
	uint32_t len;
};

static char dir[64];
static struct pd_load *load;
static int progs[4];
enum {
	HOME_REQUEST,
	HOME_REPLY,
	TC,
	XDP
};

/* ---- packets ------------------------------------------------------------------- */

static uint32_t add_up(const uint8_t *b, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *from)
{
	return (uint32_t)from[0] << 8 | from[1];
}

static uint32_t l4_offset(const uint8_t *b)
{
	return b[12] == 0x08 ? 34 : 54;
}

/* Sum of the pseudo-header of the UDP packet in @b. */
static uint32_t pseudo(const uint8_t *b)
{
	bool v6 = b[12] != 0x08;
	uint32_t sum = add_up(b + (v6 ? 22 : 26), v6 ? 32 : 8, IPPROTO_UDP);

	return add_up(b + l4_offset(b) + 4, 2, sum);
}

static void set_sum(uint8_t *b, uint32_t len, enum sum how)
{
	uint8_t *u = b + l4_offset(b);
	uint32_t full;

	put16(u + 6, 0);
	full = ~add_up(u, len - l4_offset(b), pseudo(b)) & 0xffff;
	if (!full)
		full = 0xffff;
	put16(u + 6, how == SUM_FULL	  ? full
		     : how == SUM_PARTIAL ? pseudo(b)
		     : how == SUM_NONE	  ? 0
					  : full ^ 0x0100);
}

/* A datagram between client and server, @payload behind the 8 bytes of the frame. */
static void build(struct packet *p, bool v6, bool reply, const void *payload, uint32_t n)
{
	static const uint8_t frame[8] = {0x12, 0x34, 0, 0, 0, 1, 0, 0};
	uint32_t l4 = v6 ? 54 : 34, udp = 16 + n;
	uint8_t *ip = p->b + 14, *u = p->b + l4, *client, *server;

	memset(p->b, 0, sizeof(p->b));
	memcpy(p->b, reply ? "\2\0\0\0\0\1\2\0\0\0\0\2" : "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	if (v6) {
		put16(p->b + 12, 0x86dd);
		ip[0] = 0x60;
		put16(ip + 4, udp);
		ip[6] = IPPROTO_UDP;
		ip[7] = 61;
		client = ip + (reply ? 24 : 8);
		server = ip + (reply ? 8 : 24);
		memcpy(client, "\xfd\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2", 16);
		memcpy(server, "\xfd\0\0\2\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	} else {
		put16(p->b + 12, 0x0800);
		ip[0] = 0x45;
		put16(ip + 2, 20 + udp);
		put16(ip + 4, 0xbeef);
		ip[8] = 61;
		ip[9] = IPPROTO_UDP;
		client = ip + (reply ? 16 : 12);
		server = ip + (reply ? 12 : 16);
		memcpy(client, "\12\0\1\2", 4);
		memcpy(server, "\12\2\0\2", 4);
		put16(ip + 10, ~add_up(ip, 20, 0));
	}
	put16(u, reply ? SPORT : CPORT);
	put16(u + 2, reply ? CPORT : SPORT);
	put16(u + 4, udp);
	memcpy(u + 8, frame, 8);
	memcpy(u + 16, payload, n);
	p->len = l4 + udp;
	set_sum(p->b, p->len, SUM_FULL);
}

static uint32_t run(int which, const struct packet *in, struct packet *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->b, .data_size_in = in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b), .repeat = 1);

	memset(out->b, 0, sizeof(out->b));
	assert_int_equal(bpf_prog_test_run_opts(progs[which], &o), 0);
	out->len = o.data_size_out;
	return o.retval;
}

/* ---- one key ------------------------------------------------------------------- */

struct get {
	struct packet request, reply; /* as the server would send it */
};

static void make_get(struct get *g, bool v6, uint32_t key_len, uint32_t size)
{
	char key[256], text[4096];
	uint32_t n;

	memset(key, 'a' + size % 26, key_len);
	key[key_len] = '\0';
	n = (uint32_t)snprintf(text, sizeof(text), "get %s\r\n", key);
	build(&g->request, v6, false, text, n);
	n = (uint32_t)snprintf(text, sizeof(text), "VALUE %s 7 %u\r\n", key, size);
	for (uint32_t i = 0; i < size; i++)
		text[n++] = (char)(i * 31 + size);
	memcpy(text + n, "\r\nEND\r\n", 7);
	build(&g->reply, v6, true, text, n + 7);
}

/* Forget everything, then let the server answer @g. */
static void fill(const struct get *g)
{
	struct packet out;

	pd_load_bump_all(load);
	assert_int_equal(run(HOME_REQUEST, &g->request, &out), TC_UNSPEC);
	assert_int_equal(run(HOME_REPLY, &g->reply, &out), TC_UNSPEC);
}

static void set_interface(uint32_t flags, uint32_t mtu, uint32_t room)
{
	struct pd_interface i = {.flags = flags, .mtu = mtu, .xdp_room = room};

	assert_int_equal(pd_load_set_interface(load, LO, &i), 0);
}

static uint64_t verdict(enum pd_verdict_id id)
{
	uint64_t all[PD_V_MAX];

	assert_int_equal(pd_load_verdicts(load, 0, all), 0);
	return all[id];
}

static uint32_t reply_bytes(const struct get *g)
{
	return g->reply.len - l4_offset(g->reply.b) - 8;
}

static void expect_same(const struct packet *a, const struct packet *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->b, b->b, a->len);
}

/* The answer is the server's reply, but for what only a router or the server's IP layer sets. */
static void expect_reply(const struct packet *out, const struct get *g)
{
	uint32_t l4 = l4_offset(g->reply.b);

	assert_int_equal(out->len, g->reply.len);
	assert_memory_equal(out->b, g->reply.b, 14);
	assert_memory_equal(out->b + l4, g->reply.b + l4, out->len - l4);
	if (l4 == 34)
		assert_int_equal(add_up(out->b + 14, 20, 0), 0xffff);
}

/* ---- tests --------------------------------------------------------------------- */

static void every_size(bool v6, uint32_t key_len)
{
	struct packet xdp, tc;
	struct get g;

	for (uint32_t size = 0; size <= REPLY_MAX; size += size < 70 || size > 1330 ? 1 : 37) {
		bool fits;

		make_get(&g, v6, key_len, size);
		fits = reply_bytes(&g) <= REPLY_MAX;
		fill(&g);
		assert_int_equal(run(XDP, &g.request, &xdp), fits ? XDP_TX : XDP_PASS);
		assert_int_equal(run(TC, &g.request, &tc), fits ? TC_REDIRECT : TC_UNSPEC);
		expect_same(&xdp, &tc);
		if (fits)
			expect_reply(&xdp, &g);
		else
			expect_same(&xdp, &g.request);
	}
}

static void both_hooks_make_the_same_bytes(void **state)
{
	static const uint32_t lengths[] = {1, 2, 37, 100, 250};

	(void)state;
	set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, REPLY_MAX);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		every_size(false, lengths[i]);
		every_size(true, lengths[i]);
	}
	assert_int_equal(verdict(PD_V_drop_forge), 0);
}

static void what_is_written_is_not_answered(void **state)
{
	struct packet out;
	struct get g;

	(void)state;
	make_get(&g, false, 5, 10);
	fill(&g);
	assert_int_equal(run(XDP, &g.request, &out), XDP_TX);
	pd_load_bump_all(load);
	assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
	expect_same(&out, &g.request);
}

/* Decided before the packet is touched: what is passed on is what came. */
static void the_row_bounds_the_growth(void **state)
{
	struct packet out;
	struct get g;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t growth;

		make_get(&g, v6, 20, 500);
		growth = g.reply.len - g.request.len;
		fill(&g);
		set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, growth);
		assert_int_equal(run(XDP, &g.request, &out), XDP_TX);
		set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, growth - 1);
		assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
		expect_same(&out, &g.request);
		assert_int_equal(run(TC, &g.request, &out), TC_REDIRECT);
		set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, 0);
		assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
		set_interface(PD_SIDE_CLIENT, 1500, REPLY_MAX);
		assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
	}
	assert_int_equal(verdict(PD_V_drop_forge), 0);
}

static void the_mtu_bounds_both_hooks(void **state)
{
	struct packet out;
	struct get g;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		make_get(&g, v6, 20, 600);
		fill(&g);
		set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, g.reply.len - 14, REPLY_MAX);
		assert_int_equal(run(XDP, &g.request, &out), XDP_TX);
		assert_int_equal(run(TC, &g.request, &out), TC_REDIRECT);
		set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, g.reply.len - 15, REPLY_MAX);
		assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
		expect_same(&out, &g.request);
		assert_int_equal(run(TC, &g.request, &out), TC_UNSPEC);
		expect_same(&out, &g.request);
	}
}

static void alone_it_counts_what_it_passes(void **state)
{
	struct packet out;
	struct get g;
	uint64_t large = verdict(PD_V_miss_large), cold;

	(void)state;
	make_get(&g, false, 20, 500);
	fill(&g);
	set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, 10);
	assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
	assert_int_equal(verdict(PD_V_miss_large), large);
	set_interface(PD_SIDE_EDGE, 1500, 10);
	assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
	assert_int_equal(verdict(PD_V_miss_large), large + 1);
	cold = verdict(PD_V_miss_cold);
	make_get(&g, false, 21, 500);
	assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
	assert_int_equal(verdict(PD_V_miss_cold), cold + 1);
}

static void checksums_stay_what_they_are(void **state)
{
	struct packet out, full;
	struct get g;

	(void)state;
	set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, REPLY_MAX);
	for (int v6 = 0; v6 < 2; v6++) {
		make_get(&g, v6, 99, 333);
		fill(&g);
		assert_int_equal(run(XDP, &g.request, &full), XDP_TX);
		/* a device will finish it: the answer must be unfinished too */
		set_sum(g.request.b, g.request.len, SUM_PARTIAL);
		assert_int_equal(run(XDP, &g.request, &out), XDP_TX);
		assert_int_equal(get16(out.b + l4_offset(out.b) + 6), pseudo(out.b));
		set_sum(out.b, out.len, SUM_FULL);
		expect_same(&out, &full);
		/* IPv4 knows packets without one */
		set_sum(g.request.b, g.request.len, SUM_NONE);
		assert_int_equal(run(XDP, &g.request, &out), v6 ? XDP_PASS : XDP_TX);
		expect_same(&out, v6 ? &g.request : &full);
		set_sum(g.request.b, g.request.len, SUM_BAD);
		assert_int_equal(run(XDP, &g.request, &out), XDP_PASS);
		expect_same(&out, &g.request);
	}
}

/* Requests of every length, past the 512 bytes that are summed at once. */
static void long_requests_are_summed_whole(void **state)
{
	char text[1100];
	struct packet out;
	struct get g;

	(void)state;
	for (uint32_t n = 9; n <= 1016; n++) {
		make_get(&g, n & 1, 3, 5);
		if (n == 9)
			fill(&g);
		if (n == 10)
			fill(&g);
		memset(text, ' ', n);
		memcpy(text, g.request.b + l4_offset(g.request.b) + 16, 7);
		memcpy(text + n - 2, "\r\n", 2);
		build(&g.request, n & 1, false, text, n);
		if (run(XDP, &g.request, &out) != XDP_TX)
			fail_msg("a request of %u bytes is not answered", n);
		expect_reply(&out, &g);
	}
}

static void padded_frames_are_answered(void **state)
{
	struct packet out;
	struct get g;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		make_get(&g, v6, 1, 1);
		fill(&g);
		for (uint32_t pad = 1; pad < 200; pad += 9) {
			struct packet padded = g.request;

			padded.len += pad;
			assert_int_equal(run(XDP, &padded, &out), XDP_TX);
			expect_reply(&out, &g);
			assert_int_equal(run(TC, &padded, &out), TC_REDIRECT);
			expect_reply(&out, &g);
		}
	}
}

/* ---- set-up -------------------------------------------------------------------- */

static int pinned_program(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/v1/progs/%s", dir, name);
	return bpf_obj_get(path);
}

static int set_up(void **state)
{
	static const char *const addresses[] = {"::ffff:10.2.0.2", "fd00:2::2"};
	struct pd_load_options o = {
		.bpffs = dir, .connections = 1000, .memory = 16 << 20, .max_entries = 1000};
	struct pd_service s = {.max_age = 600000000000,
			       .idle_limit = 600000000000,
			       .max_value = PD_REPLY_MAX,
			       .udp_budget = UINT32_MAX,
			       .protocol = 2,
			       .flags = PD_SVC_ANSWER | PD_SVC_HOME | PD_SVC_OPEN_UDP};
	struct pd_fault f = {0};

	(void)state;
	if (pd_load_open(&o, &load, &f)) {
		fprintf(stderr, "%s (%s)\n", f.message, f.hint);
		return -1;
	}
	for (int i = 0; i < 2; i++) {
		struct pd_endpoint e = {.port = htons(SPORT), .proto = IPPROTO_UDP};

		inet_pton(AF_INET6, addresses[i], &e.ip);
		if (pd_load_set_service(load, &e, &s))
			return -1;
	}
	progs[HOME_REQUEST] = pinned_program("home_request");
	progs[HOME_REPLY] = pinned_program("home_reply");
	progs[TC] = pinned_program("client_request");
	progs[XDP] = pinned_program("edge_client");
	for (int i = 0; i < 4; i++)
		if (progs[i] < 0)
			return -1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		close(progs[i]);
	if (load)
		pd_load_purge(load, NULL);
	pd_load_close(&load);
	return 0;
}

/* Each test starts with answers on lo. */
static int on_lo(void **state)
{
	(void)state;
	set_interface(PD_SIDE_CLIENT | PD_SIDE_EDGE, 1500, REPLY_MAX);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(both_hooks_make_the_same_bytes, on_lo),
		cmocka_unit_test_setup(what_is_written_is_not_answered, on_lo),
		cmocka_unit_test_setup(the_row_bounds_the_growth, on_lo),
		cmocka_unit_test_setup(the_mtu_bounds_both_hooks, on_lo),
		cmocka_unit_test_setup(alone_it_counts_what_it_passes, on_lo),
		cmocka_unit_test_setup(checksums_stay_what_they_are, on_lo),
		cmocka_unit_test_setup(long_requests_are_summed_whole, on_lo),
		cmocka_unit_test_setup(padded_frames_are_answered, on_lo),
	};

	if (netns_enter()) {
		fprintf(stderr, "test_edge: needs root\n");
		return 1;
	}
	snprintf(dir, sizeof(dir), "/sys/fs/bpf/pandit-edge-%d", getpid());
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
