/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the admin API share: building replies. Everything runs on the loop thread. */
#ifndef PD_USER_SERVICE_ADMIN_IMPL_H
#define PD_USER_SERVICE_ADMIN_IMPL_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pandit/v1/admin.pb-c.h"
#include "user/lib/cleanup.h"
#include "user/rpc/rpc.h"
#include "user/service/admin.h"
#include "user/service/host.h"

struct pd_admin {
	struct pd_host *host;
	struct pd_rpc_server *server;
};

/* ---- building replies --------------------------------------------------- */

/* A reply under construction. After a failed allocation `err` stays -ENOMEM. */
struct build {
	ProtobufCMessage *msg;
	int err;
};

static inline void free_msg(ProtobufCMessage **msg)
{
	if (*msg)
		protobuf_c_message_free_unpacked(*msg, NULL);
}

static inline void build_free(struct build *b)
{
	free_msg(&b->msg);
}

#define _cleanup_build_ _cleanup_(build_free)

static inline ProtobufCMessage *new_msg(struct build *b, const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *msg = malloc(type->sizeof_message);

	if (msg)
		protobuf_c_message_init(type, msg);
	else
		b->err = -ENOMEM;
	return msg;
}

/* A new message of @type at the end of the repeated field @array of @n; NULL without memory. */
#define APPEND(b, array, n, type)							\
	({										\
		__auto_type append_more_ = realloc((array), ((n) + 1) * sizeof(*(array)));	\
		ProtobufCMessage *append_msg_ = NULL;					\
		if (append_more_) {							\
			(array) = append_more_;						\
			append_msg_ = new_msg((b), (type));				\
		} else {								\
			(b)->err = -ENOMEM;						\
		}									\
		if (append_msg_)							\
			(array)[(n)++] = (void *)append_msg_;				\
		(void *)append_msg_;							\
	})

static inline char *copy(struct build *b, const char *s)
{
	char *dup = strdup(s ? s : "");

	if (dup)
		return dup;
	b->err = -ENOMEM;
	return (char *)protobuf_c_empty_string;
}

static inline void copy_bytes(struct build *b, ProtobufCBinaryData *to, const void *from,
			      size_t len)
{
	to->data = len ? malloc(len) : NULL;
	if (to->data)
		memcpy(to->data, from, len);
	else if (len)
		b->err = -ENOMEM;
	to->len = to->data ? len : 0;
}

static inline void copy_strings(struct build *b, char ***to, size_t *ret_n, const char *const *from,
			 size_t n)
{
	*to = calloc(n + 1, sizeof(**to));
	if (!*to) {
		b->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		(*to)[(*ret_n)++] = copy(b, from[i]);
}

/* Begin a reply of the method's type. False: the call has been failed. */
static inline bool begin(struct pd_rpc_call *call, struct build *b,
			 const ProtobufCMessageDescriptor *type)
{
	b->msg = new_msg(b, type);
	if (b->msg)
		return true;
	pd_rpc_fail(call, -ENOMEM, NULL);
	return false;
}

/* Send what was built, or the error: @err, or a lack of memory while building. */
static inline void conclude(struct pd_rpc_call *call, const struct build *b, int err,
		     const struct pd_fault *f)
{
	if (err || b->err)
		pd_rpc_fail(call, err ? err : b->err, err ? f : NULL);
	else
		pd_rpc_reply(call, b->msg);
}

/* The reply of a method that has nothing to tell. */
static inline void conclude_empty(struct pd_rpc_call *call, const ProtobufCMessageDescriptor *type,
			   int err, const struct pd_fault *f)
{
	_cleanup_build_ struct build b = { 0 };

	if (begin(call, &b, type))
		conclude(call, &b, err, f);
}

/* admin_watch.c; handlers of user/rpc, @arg is the struct pd_admin. */
void pd_admin_observe(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg);
void pd_admin_why(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg);

#endif
