// SPDX-License-Identifier: Apache-2.0
/* One call of the server: from its arrival to its status. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>

#include "user/rpc/server.h"

static void call_get(struct pd_rpc_call *call)
{
	atomic_fetch_add(&call->refs, 1);
}

static void drop_replies(struct pd_rpc_call *call)
{
	while (call->first) {
		struct pd_rpc_reply *reply = call->first;

		call->first = reply->next;
		grpc_slice_unref(reply->bytes);
		free(reply);
	}
	call->last = NULL;
	call->backlog = 0;
}

static void call_put(struct pd_rpc_call *call)
{
	struct pd_rpc_server *server = call->server;

	if (atomic_fetch_sub(&call->refs, 1) != 1)
		return;
	drop_replies(call);
	if (call->request)
		protobuf_c_message_free_unpacked(call->request, NULL);
	if (call->received)
		grpc_byte_buffer_destroy(call->received);
	grpc_slice_unref(call->message);
	if (call->ntrailing)
		grpc_slice_unref(call->trailing.value);
	grpc_call_details_destroy(&call->details);
	grpc_metadata_array_destroy(&call->metadata);
	if (call->call)
		grpc_call_unref(call->call);
	pthread_mutex_destroy(&call->lock);
	free(call);

	pthread_mutex_lock(&server->lock);
	server->live--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static void start_batch(struct pd_rpc_call *call, const grpc_op *ops, size_t nops,
			struct pd_rpc_tag *tag)
{
	grpc_call_error err;

	call_get(call);
	err = grpc_call_start_batch(call->call, ops, nops, tag, NULL);
	assert(err == GRPC_CALL_OK);
	(void)err;
}

/*
 * Send what can be sent now: one reply, or the status, or both at once if only
 * one reply is left. Called with call->lock held after every change.
 */
static void pump(struct pd_rpc_call *call)
{
	struct pd_rpc_reply *reply;
	grpc_byte_buffer *buffer = NULL;
	grpc_op ops[3] = { 0 };
	size_t n = 0;

	if (call->gone) {
		drop_replies(call);
		call->finished = true;
	}
	reply = call->first;
	if (call->finished || call->writing || (!reply && !call->ending))
		return;
	if (!call->opened)
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	call->opened = true;
	if (reply) {
		buffer = grpc_raw_byte_buffer_create(&reply->bytes, 1);
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = buffer;
		call->backlog -= GRPC_SLICE_LENGTH(reply->bytes);
		call->first = reply->next;
	}
	if (call->ending && !call->first) {
		ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
		ops[n].data.send_status_from_server.status = call->status;
		ops[n].data.send_status_from_server.status_details = &call->message;
		ops[n].data.send_status_from_server.trailing_metadata = &call->trailing;
		ops[n].data.send_status_from_server.trailing_metadata_count = call->ntrailing;
		n++;
		call->finished = true;
	}
	call->writing = true;
	start_batch(call, ops, n, &call->written);
	if (!reply)
		return;
	grpc_byte_buffer_destroy(buffer);
	grpc_slice_unref(reply->bytes);
	free(reply);
}

/* Decide the status, once; any thread. */
static void finish(struct pd_rpc_call *call, grpc_status_code status, const char *message,
		   const char *hint)
{
	char line[sizeof(((struct pd_fault *)NULL)->hint)];

	pthread_mutex_lock(&call->lock);
	assert(!call->ending);
	call->ending = true;
	call->status = status;
	if (status != GRPC_STATUS_OK)
		drop_replies(call);
	if (message && *message)
		call->message = grpc_slice_from_copied_string(message);
	if (hint && *hint) {
		pd_rpc_printable(line, sizeof(line), hint);
		call->trailing.key = grpc_slice_from_static_string(PD_RPC_HINT);
		call->trailing.value = grpc_slice_from_copied_string(line);
		call->ntrailing = 1;
	}
	pump(call);
	pthread_mutex_unlock(&call->lock);
}

/* ---- completions: queue thread ------------------------------------------ */

static void on_written(struct pd_rpc_tag *tag, bool ok)
{
	struct pd_rpc_call *call = tag->owner;

	pthread_mutex_lock(&call->lock);
	call->writing = false;
	if (ok)
		pump(call);	/* if not, `closed` follows and says so */
	pthread_mutex_unlock(&call->lock);
	call_put(call);
}

/* Completes at the end of every call, however it ends. */
static void on_closed(struct pd_rpc_tag *tag, bool ok)
{
	struct pd_rpc_call *call = tag->owner;

	(void)ok;
	if (call->cancelled) {
		pthread_mutex_lock(&call->lock);
		call->gone = true;
		pump(call);
		pthread_mutex_unlock(&call->lock);
		pd_rpc_server_push(call->server, call, PD_RPC_EVENT_GONE);
	}
	call_put(call);
}

static void on_read(struct pd_rpc_tag *tag, bool ok)
{
	struct pd_rpc_call *call = tag->owner;
	const char *why = "no request was sent";
	int err = -EBADMSG;

	if (ok && call->received)
		err = pd_rpc_unpack(call->route->method->input, call->received, &call->request,
				    &why);
	if (err) {
		struct pd_fault f;

		pd_fail(&f, err, "is the client of the same version as panditd?",
			"malformed %s: %s", call->route->method->input->name, why);
		finish(call, GRPC_STATUS_INVALID_ARGUMENT, f.message, f.hint);
	} else if (pd_rpc_server_push(call->server, call, PD_RPC_EVENT_REQUEST)) {
		finish(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "too many requests are waiting",
		       "try again");
	}
	call_put(call);
}

static const struct pd_rpc_route *find_route(const struct pd_rpc_call *call)
{
	const struct pd_rpc_server *server = call->server;

	for (size_t i = 0; i < server->config.nmethods; i++)
		if (!grpc_slice_str_cmp(call->details.method, server->routes[i].path))
			return &server->routes[i];
	return NULL;
}

static void on_arrived(struct pd_rpc_tag *tag, bool ok)
{
	struct pd_rpc_call *call = tag->owner;
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	if (!ok) {
		call_put(call);	/* the server is stopping */
		return;
	}
	pd_rpc_call_arm(call->server);
	op.data.recv_close_on_server.cancelled = &call->cancelled;
	start_batch(call, &op, 1, &call->closed);
	call->route = find_route(call);
	if (call->route) {
		op = (grpc_op){ .op = GRPC_OP_RECV_MESSAGE };
		op.data.recv_message.recv_message = &call->received;
		start_batch(call, &op, 1, &call->read);
	} else {
		finish(call, GRPC_STATUS_UNIMPLEMENTED, "no such method",
		       "is the client of the same version as panditd?");
	}
	call_put(call);
}

void pd_rpc_call_arm(struct pd_rpc_server *server)
{
	struct pd_rpc_call *call = calloc(1, sizeof(*call));
	grpc_call_error err;

	assert(call);	/* without a call to fill in, the server would be deaf for good */
	call->server = server;
	atomic_init(&call->refs, 1);
	call->arrived = (struct pd_rpc_tag){ on_arrived, call };
	call->closed = (struct pd_rpc_tag){ on_closed, call };
	call->read = (struct pd_rpc_tag){ on_read, call };
	call->written = (struct pd_rpc_tag){ on_written, call };
	call->message = grpc_empty_slice();
	grpc_call_details_init(&call->details);
	grpc_metadata_array_init(&call->metadata);
	pthread_mutex_init(&call->lock, NULL);

	pthread_mutex_lock(&server->lock);
	server->live++;
	pthread_mutex_unlock(&server->lock);
	err = grpc_server_request_call(server->server, &call->call, &call->details,
				       &call->metadata, server->cq, server->cq, &call->arrived);
	if (err != GRPC_CALL_OK)
		call_put(call);
}

/* ---- loop thread -------------------------------------------------------- */

void pd_rpc_call_run(struct pd_rpc_call *call, unsigned int events)
{
	bool gone;

	pthread_mutex_lock(&call->lock);
	gone = call->gone;
	pthread_mutex_unlock(&call->lock);
	if (events & PD_RPC_EVENT_REQUEST && !gone) {
		ProtobufCMessage *request = call->request;

		call->request = NULL;
		call->owned = true;
		call_get(call);
		call->route->row->handle(call, request, call->server->config.arg);
		assert(!call->owned || call->on_cancel);
		protobuf_c_message_free_unpacked(request, NULL);
	}
	if (events & PD_RPC_EVENT_GONE && call->owned) {
		call->on_cancel(call, call->cancel_arg);
		assert(!call->owned);
	}
	call_put(call);
}

static void give_back(struct pd_rpc_call *call)
{
	assert(call->owned);
	call->owned = false;
	call_put(call);
}

int pd_rpc_send(struct pd_rpc_call *call, const ProtobufCMessage *msg)
{
	struct pd_rpc_reply *reply;
	int err = 0;

	assert(call->owned && msg->descriptor == call->route->method->output);
	reply = calloc(1, sizeof(*reply));
	if (!reply)
		return -ENOMEM;
	reply->bytes = pd_rpc_pack(msg);
	pthread_mutex_lock(&call->lock);
	if (call->gone)
		err = -ECANCELED;
	else if (call->backlog + GRPC_SLICE_LENGTH(reply->bytes) > call->server->config.max_backlog)
		err = -ENOBUFS;
	if (!err) {
		call->backlog += GRPC_SLICE_LENGTH(reply->bytes);
		*(call->first ? &call->last->next : &call->first) = reply;
		call->last = reply;
		if (call->route->row->stream)
			pump(call);	/* a unary reply leaves together with its status */
	}
	pthread_mutex_unlock(&call->lock);
	if (err) {
		grpc_slice_unref(reply->bytes);
		free(reply);
	}
	return err;
}

void pd_rpc_end(struct pd_rpc_call *call)
{
	finish(call, GRPC_STATUS_OK, NULL, NULL);
	give_back(call);
}

void pd_rpc_reply(struct pd_rpc_call *call, const ProtobufCMessage *reply)
{
	int err;

	assert(!call->route->row->stream);
	err = pd_rpc_send(call, reply);
	if (err)
		pd_rpc_fail(call, err, NULL);
	else
		pd_rpc_end(call);
}

void pd_rpc_fail(struct pd_rpc_call *call, int err, const struct pd_fault *f)
{
	bool words = f && f->message[0];

	finish(call, pd_rpc_status(err), words ? f->message : strerror(-err),
	       words ? f->hint : NULL);
	give_back(call);
}

void pd_rpc_on_cancel(struct pd_rpc_call *call, void (*fn)(struct pd_rpc_call *call, void *arg),
		      void *arg)
{
	assert(call->owned);
	call->on_cancel = fn;
	call->cancel_arg = arg;
}
