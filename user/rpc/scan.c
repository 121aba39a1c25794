// SPDX-License-Identifier: Apache-2.0
/* The check of encoded messages that comes before protobuf-c. */
#include <string.h>

#include "user/rpc/rpc.h"

struct window {
	const uint8_t *p, *end;
};

/* A varint of at most ten bytes. */
static bool varint(struct window *w, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70 && w->p < w->end; shift += 7) {
		uint8_t b = *w->p++;

		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* Bytes of the UTF-8 sequence at @p; 0: not one. Refuses overlong forms and surrogates. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 :
		   p[0] >> 3 == 30 ? 4 : 0;
	uint32_t c;

	if (n < 2 || n > left)
		return n > left ? 0 : n;
	c = p[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static const char *text(const uint8_t *p, size_t len)
{
	while (len) {
		size_t n = utf8_len(p, len);

		if (!n)
			return "a string is not UTF-8";
		if (!*p)
			return "a string contains a zero byte";
		p += n;
		len -= n;
	}
	return NULL;
}

static const char *message(const ProtobufCMessageDescriptor *type, struct window w,
			   unsigned int depth);

static const char *delimited(const ProtobufCFieldDescriptor *field, struct window w,
			     unsigned int depth)
{
	if (!field)
		return NULL;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return text(w.p, (size_t)(w.end - w.p));
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return message(field->descriptor, w, depth + 1);
	return NULL;
}

static const char *message(const ProtobufCMessageDescriptor *type, struct window w,
			   unsigned int depth)
{
	if (depth > PD_RPC_DEPTH_MAX)
		return "messages are nested too deep";
	while (w.p < w.end) {
		const ProtobufCFieldDescriptor *field;
		const char *why;
		uint64_t tag, len;

		if (!varint(&w, &tag) || tag > UINT32_MAX || !(tag >> 3))
			return "a field has no valid number";
		field = protobuf_c_message_descriptor_get_field(type, (unsigned int)(tag >> 3));
		switch (tag & 7) {
		case PROTOBUF_C_WIRE_TYPE_VARINT:
			if (!varint(&w, &len))
				return "a number is cut off or too long";
			continue;
		case PROTOBUF_C_WIRE_TYPE_64BIT:
			len = 8;
			break;
		case PROTOBUF_C_WIRE_TYPE_32BIT:
			len = 4;
			break;
		case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
			if (!varint(&w, &len))
				return "a length is cut off or too long";
			break;
		default:
			return "groups are not supported";
		}
		if (len > (uint64_t)(w.end - w.p))
			return "a field is cut off";
		if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
			why = delimited(field, (struct window){ w.p, w.p + len }, depth);
			if (why)
				return why;
		}
		w.p += len;
	}
	return NULL;
}

const char *pd_rpc_scan(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len)
{
	return message(type, (struct window){ data, data + len }, 0);
}
