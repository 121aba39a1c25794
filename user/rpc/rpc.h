/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC, server and client. No other directory includes <grpc/...>.
 *
 * Server: one completion-queue thread talks to gRPC. It checks and decodes a
 * request, puts it on a bounded queue and wakes the loop; handlers run on the
 * loop thread and nowhere else. A call moves
 *
 *	armed -> reading -> queued -> handler -> ending -> done
 *	             |         |         '- gone early: on_cancel() of the handler
 *	             '---------+----------- refused (status) or cancelled
 *
 * The handler owns its call until it gives it back by pd_rpc_reply(),
 * pd_rpc_end() or pd_rpc_fail(). A handler that returns without giving it back
 * must have set pd_rpc_on_cancel(), and is called there when the client has
 * gone, its deadline has passed, or the server stops.
 *
 * Client: synchronous, one call at a time for each pd_rpc_client.
 *
 * Errors travel as a status code (see pd_rpc_errno), a message, and a hint in
 * the trailing metadata PD_RPC_HINT.
 */
#ifndef PD_USER_RPC_RPC_H
#define PD_USER_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "user/lib/fault.h"

struct uv_loop_s;
struct pd_rpc_server;
struct pd_rpc_call;
struct pd_rpc_client;
struct pd_rpc_stream;

#define PD_RPC_HINT		"pandit-hint"
#define PD_RPC_DEPTH_MAX	32	/* nesting of a message that is still accepted */

/* ---- server ------------------------------------------------------------- */

/* @request is valid until the handler returns. @arg is that of the server. */
typedef void (*pd_rpc_handler)(struct pd_rpc_call *call, const ProtobufCMessage *request,
			       void *arg);

struct pd_rpc_method {
	const ProtobufCServiceDescriptor *service;
	const char *name;		/* of the method in @service */
	pd_rpc_handler handle;
	bool stream;			/* many replies: pd_rpc_send() .. pd_rpc_end() */
};

struct pd_rpc_server_config {
	const char *const *addresses;	/* "unix:/path" or "host:port" */
	size_t naddresses;
	const struct pd_rpc_method *methods;	/* borrowed while the server lives */
	size_t nmethods;
	void *arg;			/* handed to every handler */
	struct uv_loop_s *loop;
	size_t max_message;		/* bytes of a request; 0 = 1 MiB */
	size_t max_queue;		/* requests waiting for the loop; 0 = 512 */
	size_t max_backlog;		/* bytes a stream may hold back; 0 = 16 MiB */
	uint64_t grace_ms;		/* for calls under way at the end; 0 = 500 */
};

/**
 * pd_rpc_server_new() - bind, start the thread, accept calls.
 *
 * A unix socket is made with mode 0660. A socket file that nobody answers on
 * is replaced; -EADDRINUSE if somebody does, -EEXIST if it is no socket. The
 * addresses need not outlive the call.
 * Called on the loop thread.
 */
int pd_rpc_server_new(const struct pd_rpc_server_config *config, struct pd_rpc_server **ret,
		      struct pd_fault *f);

/*
 * Stop accepting, give calls under way their grace time (handlers still run,
 * from in here), cancel the rest, join the thread. Called on the loop thread,
 * which must be run once more before the loop is closed. NULL-safe.
 */
void pd_rpc_server_free(struct pd_rpc_server **server);

/* The only reply of a unary call, and its end. */
void pd_rpc_reply(struct pd_rpc_call *call, const ProtobufCMessage *reply);

/* One reply of a stream. -ENOBUFS: the client does not read; -ECANCELED: it has gone. */
int pd_rpc_send(struct pd_rpc_call *call, const ProtobufCMessage *reply);

/* The end of a stream, after everything sent before. */
void pd_rpc_end(struct pd_rpc_call *call);

/* End with an error. @err: -errno; @f: may be NULL. */
void pd_rpc_fail(struct pd_rpc_call *call, int err, const struct pd_fault *f);

/* @fn must give the call back, in the callback or later. */
void pd_rpc_on_cancel(struct pd_rpc_call *call, void (*fn)(struct pd_rpc_call *call, void *arg),
		      void *arg);

/* ---- client ------------------------------------------------------------- */

/**
 * pd_rpc_dial() - reach a server.
 * @address: "unix:/path" or "host:port"
 *
 * A unix socket is tried at once: -ENOENT, -ECONNREFUSED, -EACCES with a hint.
 */
int pd_rpc_dial(const char *address, struct pd_rpc_client **ret, struct pd_fault *f);
void pd_rpc_client_free(struct pd_rpc_client **client);

/**
 * pd_rpc_unary() - one request, one reply.
 * @service, @method: as in the generated code
 * @timeout_ms: -ETIMEDOUT after that
 * @ret: to be freed with protobuf_c_message_free_unpacked(); untouched on failure
 */
int pd_rpc_unary(struct pd_rpc_client *client, const ProtobufCServiceDescriptor *service,
		 const char *method, const ProtobufCMessage *request, uint64_t timeout_ms,
		 ProtobufCMessage **ret, struct pd_fault *f);

/* The same with many replies. The request is sent before this returns. */
int pd_rpc_stream_open(struct pd_rpc_client *client, const ProtobufCServiceDescriptor *service,
		       const char *method, const ProtobufCMessage *request, uint64_t timeout_ms,
		       struct pd_rpc_stream **ret, struct pd_fault *f);

/* 1 and a message in *ret; 0: the stream has ended well; -errno. */
int pd_rpc_stream_next(struct pd_rpc_stream *stream, ProtobufCMessage **ret, struct pd_fault *f);

/* Cancels what has not ended. NULL-safe; before pd_rpc_client_free(). */
void pd_rpc_stream_free(struct pd_rpc_stream **stream);

/* ---- both --------------------------------------------------------------- */

/* Where gRPC's own lines go (any thread); NULL, the default: nowhere. */
void pd_rpc_set_log(void (*fn)(const char *line));

/**
 * pd_rpc_scan() - check encoded bytes before protobuf-c sees them.
 *
 * protobuf-c recurses without bound, accepts field number 0 and does not check
 * UTF-8. Returns NULL, or what is wrong.
 */
const char *pd_rpc_scan(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len);

#endif
