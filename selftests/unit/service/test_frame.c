// SPDX-License-Identifier: Apache-2.0
/* Requests in words, the frames that carry them, and the filters of verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "user/service/frame.h"

static struct pd_fault fault;

static void encodes(const char *protocol, const char *text, bool datagram, const char *want,
		    size_t n)
{
	uint8_t buf[PD_REQUEST_MAX];
	size_t len = 0;

	assert_int_equal(pd_request_encode(pd_protocol_find(protocol), text, datagram, buf, &len,
					   &fault), 0);
	assert_int_equal(len, n);
	assert_memory_equal(buf, want, n);
}

static void refuses(const char *text, int err, const char *word)
{
	uint8_t buf[PD_REQUEST_MAX];
	size_t len = 77;

	assert_int_equal(pd_request_encode(pd_protocol_find("redis"), text, false, buf, &len,
					   &fault), err);
	assert_non_null(strstr(fault.message, word));
	assert_true(fault.hint[0]);
	assert_int_equal(len, 77);
}

#define ENCODES(protocol, text, datagram, want) \
	encodes(protocol, text, datagram, want, sizeof(want) - 1)

static void test_requests(void **state)
{
	char longest[PD_REQUEST_MAX + 8];

	(void)state;
	ENCODES("redis", "GET k", false, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
	ENCODES("redis", "  SET  \"a b\"  \"\\x00\\n\\\"\" ", false,
		"*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$3\r\n\0\n\"\r\n");
	ENCODES("redis", "GET \"\"", false, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
	ENCODES("memcached", "get k", false, "get k\r\n");
	ENCODES("memcached", "get k", true, "\0\1\0\0\0\1\0\0get k\r\n");
	refuses("", -EINVAL, "no word");
	refuses("GET \"k", -EINVAL, "not closed");
	refuses("GET \"k\"x", -EINVAL, "inside a word");
	refuses("GET \"\\q\"", -EINVAL, "escape");
	refuses("GET \"\\x0", -EINVAL, "escape");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	refuses(longest, -EINVAL, "more bytes");
	longest[PD_REQUEST_MAX - 2] = '\0';
	refuses(longest, -E2BIG, "longer than one packet");
}

/* Ones' complement sum of everything a checksum covers: 0xffff if it is right. */
static uint32_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (size_t i = 0; i < len; i += 2)
		s += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void check_frame(bool v6, uint8_t proto)
{
	uint8_t frame[PD_FRAME_MAX], pseudo[40] = {0};
	struct pd_frame_spec s = {.proto = proto, .seq = 1, .ack = 2,
				  .payload = (const uint8_t *)"odd", .len = 3};
	struct pd_frame_ends e;
	size_t l3 = v6 ? 40 : 20, hl = proto == IPPROTO_TCP ? 20 : 8, n, k = v6 ? 16 : 4;

	for (int i = 0; i < 16; i++) {
		s.flow.client.b[i] = v6 || i > 11 ? 0x20 + i : i > 9 ? 0xff : 0;
		s.flow.server.b[i] = v6 || i > 11 ? 0x40 + i : i > 9 ? 0xff : 0;
	}
	s.flow.cport = htons(50000);
	s.flow.sport = htons(6379);
	n = pd_frame_build(&s, frame);
	assert_int_equal(n, 14 + l3 + hl + 3);
	assert_null(pd_frame_ends(frame, n, &e));
	assert_memory_equal(&e.src, &s.flow.client, 16);
	assert_memory_equal(&e.dst, &s.flow.server, 16);
	assert_int_equal(e.sport, s.flow.cport);
	assert_int_equal(e.dport, s.flow.sport);
	assert_int_equal(e.proto, proto);
	assert_int_equal(e.poff, 14 + l3 + hl);
	assert_memory_equal(frame + e.poff, "odd", 3);
	if (!v6)
		assert_int_equal(sum(frame + 14, 20, 0), 0xffff);
	memcpy(pseudo, s.flow.client.b + 16 - k, k);
	memcpy(pseudo + k, s.flow.server.b + 16 - k, k);
	assert_int_equal(sum(frame + 14 + l3, hl + 3,
			     sum(pseudo, 2 * k, proto + (uint32_t)hl + 3)), 0xffff);
	for (size_t cut = 0; cut < n; cut++) /* no byte behind the end is read */
		pd_frame_ends(memcpy(pseudo, frame, cut < 40 ? cut : 40), cut < 40 ? cut : 40, &e);
}

static void test_frames(void **state)
{
	struct pd_frame_ends e;
	uint8_t vlan[64] = {[12] = 0x81};

	(void)state;
	for (int i = 0; i < 4; i++)
		check_frame(i & 1, i & 2 ? IPPROTO_TCP : IPPROTO_UDP);
	assert_non_null(strstr(pd_frame_ends(vlan, sizeof(vlan), &e), "VLAN"));
	assert_non_null(pd_frame_ends(vlan, 13, &e));
}

static uint64_t mask(const char *a, const char *b)
{
	const char *words[] = {a, b};
	uint64_t ret = 0;

	assert_int_equal(pd_verdict_mask(words, !!a + !!b, &ret, &fault), 0);
	return ret;
}

static void test_masks(void **state)
{
	const char *wrong = "mis_cold";
	uint64_t m = 7;

	(void)state;
	assert_true(mask("hit", NULL) == (1ULL << PD_V_hit | 1ULL << PD_V_replay));
	assert_true(mask("HIT", "miss_cold") ==
		    (1ULL << PD_V_hit | 1ULL << PD_V_replay | 1ULL << PD_V_miss_cold));
	assert_true(mask("all", NULL) == ~0ULL);
	assert_true(mask(NULL, NULL) & 1ULL << PD_V_pass_write);
	assert_false(mask(NULL, NULL) & 1ULL << PD_V_pass_ack);
	assert_int_equal(pd_verdict_mask(&wrong, 1, &m, &fault), -EINVAL);
	assert_non_null(strstr(fault.message, "did you mean 'miss_cold'?"));
	assert_true(m == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_masks),
	};

	return cmocka_run_group_tests_name("service/frame", tests, NULL, NULL);
}
