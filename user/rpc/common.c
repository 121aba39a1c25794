// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/log.h>

#include "user/rpc/internal.h"

static void (*_Atomic log_fn)(const char *line);

static void forward_log(gpr_log_func_args *args)
{
	void (*fn)(const char *line) = atomic_load(&log_fn);

	if (fn)
		fn(args->message);
}

void pd_rpc_set_log(void (*fn)(const char *line))
{
	atomic_store(&log_fn, fn);
}

void pd_rpc_init(void)
{
	sigset_t all, old;

	/* gRPC's threads inherit the mask: no signal of the process may be taken by one of them. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	gpr_set_log_function(forward_log);
	grpc_init();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void pd_rpc_fini(void)
{
	grpc_shutdown_blocking();
}

static const struct {
	int err;
	grpc_status_code status;
} errors[] = {
#define RPC_ERROR(err, status) { err, GRPC_STATUS_##status },
#include "user/rpc/errors.def"
#undef RPC_ERROR
};

grpc_status_code pd_rpc_status(int err)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].err == -err)
			return errors[i].status;
	return GRPC_STATUS_INTERNAL;
}

int pd_rpc_errno(grpc_status_code status)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].status == status)
			return -errors[i].err;
	return -EIO;
}

grpc_slice pd_rpc_pack(const ProtobufCMessage *msg)
{
	grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(msg));

	protobuf_c_message_pack(msg, GRPC_SLICE_START_PTR(slice));
	return slice;
}

int pd_rpc_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer,
		  ProtobufCMessage **ret, const char **ret_why)
{
	ProtobufCMessage *msg = NULL;
	grpc_byte_buffer_reader reader;
	const char *why;
	grpc_slice all;

	if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
		*ret_why = "cannot be decompressed";
		return -EBADMSG;
	}
	all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	why = pd_rpc_scan(type, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
	if (!why) {
		msg = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(all),
						GRPC_SLICE_START_PTR(all));
		why = msg ? NULL : "does not decode";
	}
	grpc_slice_unref(all);
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret = msg;
	return 0;
}

int pd_rpc_path(const ProtobufCServiceDescriptor *service, const char *method,
		char buf[PD_RPC_PATH_MAX])
{
	int n = snprintf(buf, PD_RPC_PATH_MAX, "/%s/%s", service->name, method);

	return n < PD_RPC_PATH_MAX ? 0 : -ENAMETOOLONG;
}

void pd_rpc_printable(char *buf, size_t size, const char *s)
{
	size_t n = 0;

	for (; s[n] && n + 1 < size; n++)
		buf[n] = s[n] >= 0x20 && s[n] <= 0x7e ? s[n] : '?';
	buf[n] = '\0';
}
