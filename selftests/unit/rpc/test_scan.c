// SPDX-License-Identifier: Apache-2.0
/* pd_rpc_scan(): what must not reach protobuf-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "user/rpc/rpc.h"

/* message Node { Node next = 1; string text = 2; bytes raw = 3; uint64 number = 4; } */
struct node {
	ProtobufCMessage base;
	struct node *next;
	char *text;
	ProtobufCBinaryData raw;
	uint64_t number;
};

static const ProtobufCMessageDescriptor node_type;

static const ProtobufCFieldDescriptor fields[] = {
	{ .name = "next", .id = 1, .label = PROTOBUF_C_LABEL_NONE,
	  .type = PROTOBUF_C_TYPE_MESSAGE, .offset = offsetof(struct node, next),
	  .descriptor = &node_type },
	{ .name = "text", .id = 2, .label = PROTOBUF_C_LABEL_NONE,
	  .type = PROTOBUF_C_TYPE_STRING, .offset = offsetof(struct node, text) },
	{ .name = "raw", .id = 3, .label = PROTOBUF_C_LABEL_NONE,
	  .type = PROTOBUF_C_TYPE_BYTES, .offset = offsetof(struct node, raw) },
	{ .name = "number", .id = 4, .label = PROTOBUF_C_LABEL_NONE,
	  .type = PROTOBUF_C_TYPE_UINT64, .offset = offsetof(struct node, number) },
};

static const ProtobufCIntRange ranges[] = { { 1, 0 }, { 0, 4 } };

static const ProtobufCMessageDescriptor node_type = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Node",
	.sizeof_message = sizeof(struct node),
	.n_fields = 4,
	.fields = fields,
	.n_field_ranges = 1,
	.field_ranges = ranges,
};

struct sample {
	const char *bytes;
	size_t len;
	const char *why;	/* NULL: fine */
};

#define S(bytes, why) { bytes, sizeof(bytes) - 1, why }

static const struct sample samples[] = {
	S("", NULL),
	S("\x12\x02hi", NULL),
	S("\x12\x00", NULL),
	S("\x0a\x04\x12\x02hi", NULL),
	S("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", NULL),	/* UINT64_MAX */
	S("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a number is cut off or too long"),
	S("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a number is cut off or too long"),
	S("\x20\xff", "a number is cut off or too long"),
	S("\x20", "a number is cut off or too long"),
	S("\x00", "a field has no valid number"),
	S("\x02\x01x", "a field has no valid number"),	/* field 0 */
	S("\xff", "a field has no valid number"),
	S("\xff\xff\xff\xff\x7f\x00", "a field has no valid number"),
	S("\x12\x03hi", "a field is cut off"),
	S("\x12\xff\xff\xff\xff\x0f", "a field is cut off"),
	S("\x12\x80", "a length is cut off or too long"),
	S("\x09" "1234567", "a field is cut off"),
	S("\x09" "12345678", NULL),
	S("\x0d" "1234", NULL),
	S("\x0d" "123", "a field is cut off"),
	S("\x0b\x0c", "groups are not supported"),
	S("\x0e", "groups are not supported"),
	S("\x7a\x02\xff\xff", NULL),		/* unknown field: any bytes */
	S("\x1a\x02\xff\x00", NULL),		/* bytes: any */
	S("\x12\x02\xc3\xa4", NULL),
	S("\x12\x03\xe2\x82\xac", NULL),
	S("\x12\x04\xf0\x9f\x90\xbc", NULL),
	S("\x12\x04\xf4\x8f\xbf\xbf", NULL),	/* U+10FFFF */
	S("\x12\x04\xf4\x90\x80\x80", "a string is not UTF-8"),
	S("\x12\x01\xc3", "a string is not UTF-8"),
	S("\x12\x01\xa4", "a string is not UTF-8"),
	S("\x12\x02\xc0\xaf", "a string is not UTF-8"),	/* overlong */
	S("\x12\x03\xed\xa0\x80", "a string is not UTF-8"),	/* surrogate */
	S("\x12\x02\xc3\x28", "a string is not UTF-8"),
	S("\x12\x01\xff", "a string is not UTF-8"),
	S("\x12\x03\x61\x00\x62", "a string contains a zero byte"),
	S("\x0a\x03\x12\x01\xff", "a string is not UTF-8"),	/* one level down */
};

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		const char *why = pd_rpc_scan(&node_type, (const uint8_t *)s->bytes, s->len);

		if (s->why ? !why || strcmp(why, s->why) : why != NULL)
			fail_msg("sample %zu: '%s' instead of '%s'", i, why ? why : "(fine)",
				 s->why ? s->why : "(fine)");
	}
}

/* @depth messages inside each other; returns the length. */
static size_t nest(uint8_t *buf, size_t size, unsigned int depth)
{
	size_t start = size;

	while (depth--) {
		size_t len = size - start;

		assert_true(start > 8);
		if (len >= 0x4000)
			buf[--start] = (uint8_t)(len >> 14);
		if (len >= 0x80)
			buf[--start] = (uint8_t)((len >> 7 & 0x7f) | (len >= 0x4000 ? 0x80 : 0));
		buf[--start] = (uint8_t)((len & 0x7f) | (len >= 0x80 ? 0x80 : 0));
		buf[--start] = 0x0a;
	}
	memmove(buf, buf + start, size - start);
	return size - start;
}

static void test_depth(void **state)
{
	static uint8_t buf[128 * 1024];
	size_t len;

	(void)state;
	len = nest(buf, sizeof(buf), PD_RPC_DEPTH_MAX);
	assert_null(pd_rpc_scan(&node_type, buf, len));
	len = nest(buf, sizeof(buf), PD_RPC_DEPTH_MAX + 1);
	assert_string_equal(pd_rpc_scan(&node_type, buf, len), "messages are nested too deep");
	len = nest(buf, sizeof(buf), 20000);	/* would end the process in protobuf-c */
	assert_string_equal(pd_rpc_scan(&node_type, buf, len), "messages are nested too deep");
}

/* Whatever passes the scan can be given to protobuf-c. */
static void test_random(void **state)
{
	uint8_t buf[64];
	size_t fine = 0;

	(void)state;
	srand(1);
	for (int round = 0; round < 300000; round++) {
		size_t pick = (size_t)rand() % (sizeof(samples) / sizeof(samples[0]));
		const struct sample *s = &samples[pick];
		size_t len = s->len;
		ProtobufCMessage *msg;

		memcpy(buf, s->bytes, len);
		for (int i = 0; i < 3 && len; i++)
			buf[(size_t)rand() % len] ^= (uint8_t)(1 << rand() % 8);
		if (pd_rpc_scan(&node_type, buf, len))
			continue;
		fine++;
		msg = protobuf_c_message_unpack(&node_type, NULL, len, buf);
		if (msg)
			protobuf_c_message_free_unpacked(msg, NULL);
	}
	assert_true(fine > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
