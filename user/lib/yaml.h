/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML into any protobuf-c message: the descriptor is the schema. See
 * proto/pandit/v1/config.proto for how types are written. Unknown and repeated
 * keys and wrong types are errors that name file, line and column.
 */
#ifndef PD_USER_LIB_YAML_H
#define PD_USER_LIB_YAML_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "user/lib/fault.h"

/* Where a value stands: path as in "services[1].cache.max_age", line and column from 1. */
struct pd_mark {
	char *path;
	unsigned int line, column;
};

struct pd_marks {
	char *file; /* as shown in messages */
	struct pd_mark *marks;
	size_t n, cap;
};

/**
 * pd_yaml_parse() - build a message of type @desc from @text.
 * @file: shown in messages
 * @ret: freed with protobuf_c_message_free_unpacked(msg, NULL)
 * @ret_marks: freed with pd_marks_free(); may be NULL
 * Returns 0, -EINVAL (@f says where and why) or -ENOMEM.
 */
int pd_yaml_parse(const char *file, const char *text, size_t len,
		  const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret,
		  struct pd_marks *ret_marks, struct pd_fault *f);

/* The same from a file of at most 1 MiB; -errno of open or read. */
int pd_yaml_read(const char *file, const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret,
		 struct pd_marks *ret_marks, struct pd_fault *f);

/* Like pd_fail(), with "file:line:col: " of @path (or of its nearest parent) in front. */
__attribute__((format(printf, 5, 6))) int pd_marks_fail(const struct pd_marks *marks,
							struct pd_fault *f, const char *path,
							const char *hint, const char *fmt, ...);

void pd_marks_free(struct pd_marks *marks);

/* The YAML spelling of an enum value: "per-user" of ACL_PER_USER. Returns @buf. */
char *pd_enum_spelling(const ProtobufCEnumDescriptor *e, const ProtobufCEnumValue *v, char *buf,
		       size_t size);

#endif
