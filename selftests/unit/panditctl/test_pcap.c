// SPDX-License-Identifier: Apache-2.0
/* Captures of every form, cut at every byte, and garbage; frames in hex. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tools/panditctl/pcap.c"

static uint8_t file[512];
static size_t file_len;
static bool swap;
static struct pd_fault fault;

static void put32(uint32_t v)
{
	v = swap ? __builtin_bswap32(v) : v;
	memcpy(file + file_len, &v, 4);
	file_len += 4;
}

static void begin(uint32_t magic, uint32_t link, bool swapped)
{
	swap = swapped;
	file_len = 0;
	put32(magic);
	put32(0x00040002);
	put32(0);
	put32(0);
	put32(65535);
	put32(link);
}

static void packet(const void *data, uint32_t have, uint32_t whole)
{
	put32(1);
	put32(2);
	put32(have);
	put32(whole);
	memcpy(file + file_len, data, have);
	file_len += have;
}

static int read_file(size_t len, size_t max, struct ctl_frames *frames)
{
	memset(frames, 0, sizeof(*frames));
	memset(&fault, 0, sizeof(fault));
	return ctl_pcap_read(file, len, max, frames, &fault);
}

static const uint8_t ether[20] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45, 1, 2 };

static void test_forms(void **state)
{
	static const uint32_t magics[] = { MAGIC_US, MAGIC_NS };
	struct ctl_frames frames;

	(void)state;
	for (int i = 0; i < 4; i++) {
		begin(magics[i & 1], LINK_ETHERNET, i & 2);
		packet(ether, 20, 20);
		packet(ether, 14, 14);
		assert_int_equal(read_file(file_len, 0, &frames), 0);
		assert_int_equal(frames.n, 2);
		assert_int_equal(frames.v[0].len, 20);
		assert_memory_equal(frames.v[0].data, ether, 20);
		assert_int_equal(frames.v[1].len, 14);
		ctl_frames_free(&frames);
		assert_int_equal(read_file(file_len, 1, &frames), 0);
		assert_int_equal(frames.n, 1);
		ctl_frames_free(&frames);
	}
}

static void test_other_links(void **state)
{
	uint8_t cooked[18] = { [14] = 0x86, 0xdd, 0x60, 0x01 };
	uint8_t raw[2] = { 0x45, 7 };
	struct ctl_frames frames;

	(void)state;
	begin(MAGIC_US, LINK_COOKED, false);
	packet(cooked, 18, 18);
	assert_int_equal(read_file(file_len, 0, &frames), 0);
	assert_int_equal(frames.v[0].len, 16);
	assert_memory_equal(frames.v[0].data + 12, "\x86\xdd\x60\x01", 4);
	ctl_frames_free(&frames);
	begin(MAGIC_US, LINK_RAW, true);
	packet(raw, 2, 2);
	assert_int_equal(read_file(file_len, 0, &frames), 0);
	assert_memory_equal(frames.v[0].data + 12, "\x08\x00\x45\x07", 4);
	ctl_frames_free(&frames);
	begin(MAGIC_US, 105, false);
	assert_int_equal(read_file(file_len, 0, &frames), -EINVAL);
	assert_non_null(strstr(fault.message, "link type 105"));
	ctl_frames_free(&frames);
}

/* Only at the end of a packet may a file end. */
static void test_cut(void **state)
{
	struct ctl_frames frames;

	(void)state;
	begin(MAGIC_US, LINK_ETHERNET, false);
	packet(ether, 20, 20);
	packet(ether, 20, 20);
	for (size_t len = 0; len <= file_len; len++) {
		bool whole = len == 24 || len == 60 || len == 96;

		assert_int_equal(read_file(len, 0, &frames), whole ? 0 : -EBADMSG);
		assert_int_equal(!fault.message[0], whole);
		assert_int_equal(!fault.hint[0], whole);
		ctl_frames_free(&frames);
	}
}

static void test_broken(void **state)
{
	struct ctl_frames frames;

	(void)state;
	begin(MAGIC_US, LINK_ETHERNET, false);
	packet(ether, 20, 60);
	assert_int_equal(read_file(file_len, 0, &frames), -EINVAL);
	assert_non_null(strstr(fault.message, "packet 1 was cut off: 20 bytes of 60"));
	ctl_frames_free(&frames);
	begin(MAGIC_US, LINK_ETHERNET, false);
	packet(ether, 13, 13);
	assert_int_equal(read_file(file_len, 0, &frames), -EBADMSG);
	ctl_frames_free(&frames);
	begin(MAGIC_US, LINK_ETHERNET, false);
	put32(0);
	put32(0);
	put32(UINT32_MAX);
	put32(UINT32_MAX);
	assert_int_equal(read_file(file_len, 0, &frames), -EBADMSG);
	assert_non_null(strstr(fault.message, "claims"));
	ctl_frames_free(&frames);
	begin(MAGIC_NG, LINK_ETHERNET, false);
	assert_int_equal(read_file(file_len, 0, &frames), -EBADMSG);
	assert_non_null(strstr(fault.message, "pcapng"));
	for (uint32_t seed = 1; seed < 20000; seed++) {
		for (size_t i = 0; i < sizeof(file); i += 4)
			memcpy(file + i, &(uint32_t){ seed * 2654435761u * (uint32_t)(i + 7) }, 4);
		memcpy(file, &(uint32_t){ MAGIC_US }, 4);
		memcpy(file + 20, &(uint32_t){ LINK_ETHERNET }, 4);
		memcpy(file + 32, &(uint32_t){ seed % 600 }, 4);
		memcpy(file + 36, &(uint32_t){ seed % 600 }, 4);
		read_file(seed % sizeof(file), 0, &frames);
		ctl_frames_free(&frames);
	}
}

static int read_hex(const char *s, struct ctl_frames *frames)
{
	memset(frames, 0, sizeof(*frames));
	return ctl_hex_read(s, frames, &fault);
}

static void test_hex(void **state)
{
	struct ctl_frames frames;

	(void)state;
	assert_int_equal(read_hex(" 00:aF 10\nff", &frames), 0);
	assert_int_equal(frames.v[0].len, 4);
	assert_memory_equal(frames.v[0].data, "\x00\xaf\x10\xff", 4);
	ctl_frames_free(&frames);
	assert_int_equal(read_hex("00 1", &frames), -EINVAL);
	assert_non_null(strstr(fault.message, "character 4"));
	ctl_frames_free(&frames);
	assert_int_equal(read_hex("0g", &frames), -EINVAL);
	ctl_frames_free(&frames);
	assert_int_equal(read_hex(" : ", &frames), -EINVAL);
	ctl_frames_free(&frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_other_links),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests_name("panditctl/pcap", tests, NULL, NULL);
}
