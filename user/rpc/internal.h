/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of user/rpc share. Not for others: it shows gRPC's types. */
#ifndef PD_USER_RPC_INTERNAL_H
#define PD_USER_RPC_INTERNAL_H

#include <grpc/grpc.h>

#include "user/rpc/rpc.h"

#define PD_RPC_UNIX		"unix:"
#define PD_RPC_PATH_MAX		128	/* bytes of "/package.Service/Method" and NUL */

/* Counted; the first call starts gRPC's threads, with every signal blocked in them. */
void pd_rpc_init(void);
void pd_rpc_fini(void);

/* One row of errors.def, either way. Unknown errno -> INTERNAL; unknown status -> -EIO. */
grpc_status_code pd_rpc_status(int err);
int pd_rpc_errno(grpc_status_code status);

/* The slice is the caller's. */
grpc_slice pd_rpc_pack(const ProtobufCMessage *msg);

/*
 * Decode a received buffer. 0; -EBADMSG: not such a message, *ret_why says why.
 * @buffer stays the caller's.
 */
int pd_rpc_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer,
		  ProtobufCMessage **ret, const char **ret_why);

/* "/package.Service/Method". -ENAMETOOLONG. */
int pd_rpc_path(const ProtobufCServiceDescriptor *service, const char *method,
		char buf[PD_RPC_PATH_MAX]);

/* A copy fit for metadata: printable ASCII, everything else a '?'. */
void pd_rpc_printable(char *buf, size_t size, const char *s);

/* Bind @address on @server; listen.c. */
int pd_rpc_listen(grpc_server *server, const char *address, struct pd_fault *f);

/* Try to connect to a unix socket. 0: somebody listens; -errno of connect(). */
int pd_rpc_probe_unix(const char *path);

#endif
