// SPDX-License-Identifier: Apache-2.0
/* The client half: synchronous calls. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "user/lib/cleanup.h"
#include "user/rpc/internal.h"

#define MAX_REPLY	(64 * 1024 * 1024)	/* bytes */
#define CANCELLED_BY_US	"the call was given up"

struct pd_rpc_client {
	char *address;
	grpc_channel *channel;
	grpc_completion_queue *cq;
	bool busy;	/* a stream is open */
};

/* What a call receives; the pointers are handed to gRPC until the status has come. */
struct received {
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice message;
	grpc_byte_buffer *reply;
};

struct pd_rpc_stream {
	struct pd_rpc_client *client;
	const ProtobufCMethodDescriptor *method;
	grpc_call *call;
	struct received in;
	bool sent, ended, reading;	/* sent, ended: that batch is over */
};

/* Tags of the batches; their addresses are what counts. */
static const char tag_sent, tag_ended, tag_read;

/* ---- connection --------------------------------------------------------- */

static int probe(const char *address, struct pd_fault *f)
{
	const char *path = address + strlen(PD_RPC_UNIX);
	int err;

	if (strncmp(address, PD_RPC_UNIX, strlen(PD_RPC_UNIX)))
		return 0;
	err = pd_rpc_probe_unix(path);
	if (!err)
		return 0;
	return pd_fail(f, err,
		       err == -EACCES ? "run it as root" :
		       "start panditd (systemctl start panditd), or name its socket with -s",
		       "no daemon answers on %s: %s", address, strerror(-err));
}

int pd_rpc_dial(const char *address, struct pd_rpc_client **ret, struct pd_fault *f)
{
	grpc_arg args[] = {
		{ .key = GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
		{ .key = GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
		{ .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
		{ .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = MAX_REPLY },
	};
	grpc_channel_args all = { PD_ARRAY_SIZE(args), args };
	grpc_channel_credentials *creds;
	struct pd_rpc_client *client;
	int err = probe(address, f);

	if (err)
		return err;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->address = strdup(address);
	if (!client->address) {
		free(client);
		return -ENOMEM;
	}
	for (size_t i = 0; i < PD_ARRAY_SIZE(args); i++)
		args[i].type = GRPC_ARG_INTEGER;
	pd_rpc_init();
	creds = grpc_insecure_credentials_create();
	client->channel = grpc_channel_create(address, creds, &all);
	grpc_channel_credentials_release(creds);
	client->cq = grpc_completion_queue_create_for_next(NULL);
	*ret = client;
	return 0;
}

static grpc_event wait_event(struct pd_rpc_client *client)
{
	return grpc_completion_queue_next(client->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

void pd_rpc_client_free(struct pd_rpc_client **clientp)
{
	struct pd_rpc_client *client = *clientp;

	if (!client)
		return;
	*clientp = NULL;
	assert(!client->busy);
	grpc_channel_destroy(client->channel);
	grpc_completion_queue_shutdown(client->cq);
	while (wait_event(client).type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(client->cq);
	pd_rpc_fini();
	free(client->address);
	free(client);
}

/* ---- calls -------------------------------------------------------------- */

static void received_init(struct received *in)
{
	memset(in, 0, sizeof(*in));
	grpc_metadata_array_init(&in->initial);
	grpc_metadata_array_init(&in->trailing);
	in->message = grpc_empty_slice();
}

static void received_destroy(struct received *in)
{
	grpc_metadata_array_destroy(&in->initial);
	grpc_metadata_array_destroy(&in->trailing);
	grpc_slice_unref(in->message);
	if (in->reply)
		grpc_byte_buffer_destroy(in->reply);
}

static void copy_slice(char *buf, size_t size, grpc_slice slice)
{
	snprintf(buf, size, "%.*s", (int)GRPC_SLICE_LENGTH(slice),
		 (const char *)GRPC_SLICE_START_PTR(slice));
}

/* The status of a call that has ended, as errno and fault. */
static int outcome(const struct pd_rpc_client *client, const struct received *in,
		   struct pd_fault *f)
{
	char text[sizeof(f->message)];

	if (in->status == GRPC_STATUS_OK)
		return 0;
	copy_slice(text, sizeof(text), in->message);
	pd_fail(f, 0, NULL, "%s", text[0] ? text : "the call failed without a message");
	if (!f)
		return pd_rpc_errno(in->status);
	for (size_t i = 0; i < in->trailing.count; i++)
		if (!grpc_slice_str_cmp(in->trailing.metadata[i].key, PD_RPC_HINT))
			copy_slice(f->hint, sizeof(f->hint), in->trailing.metadata[i].value);
	if (in->status == GRPC_STATUS_UNAVAILABLE && !f->hint[0])
		return pd_fail(f, pd_rpc_errno(in->status), "is panditd running?",
			       "no daemon answers on %s: %s", client->address, text);
	if (in->status == GRPC_STATUS_DEADLINE_EXCEEDED && !f->hint[0])
		return pd_fail(f, pd_rpc_errno(in->status), "is panditd overloaded?",
			       "no answer from %s in time", client->address);
	return pd_rpc_errno(in->status);
}

static grpc_call *new_call(struct pd_rpc_client *client, const ProtobufCServiceDescriptor *service,
			   const char *method, const ProtobufCMessage *request, uint64_t timeout_ms,
			   const ProtobufCMethodDescriptor **ret_method)
{
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
					     gpr_time_from_millis((int64_t)timeout_ms,
								  GPR_TIMESPAN));
	const ProtobufCMethodDescriptor *md =
		protobuf_c_service_descriptor_get_method_by_name(service, method);
	char path[PD_RPC_PATH_MAX];
	grpc_slice name;
	grpc_call *call;

	assert(!client->busy);
	assert(md && md->input == request->descriptor);
	if (pd_rpc_path(service, method, path))
		return NULL;
	name = grpc_slice_from_copied_string(path);
	call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->cq,
					name, NULL, deadline, NULL);
	grpc_slice_unref(name);
	*ret_method = md;
	return call;
}

static void start_batch(grpc_call *call, const grpc_op *ops, size_t nops, const char *tag)
{
	grpc_call_error err = grpc_call_start_batch(call, ops, nops, (void *)tag, NULL);

	assert(err == GRPC_CALL_OK);
	(void)err;
}

static const char *next_tag(struct pd_rpc_client *client)
{
	return wait_event(client).tag;
}

/* Send @request and ask for the status; both batches are under way afterwards. */
static void start_call(grpc_call *call, const ProtobufCMessage *request, struct received *in)
{
	grpc_slice bytes = pd_rpc_pack(request);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_op send[4] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
		{ .op = GRPC_OP_RECV_INITIAL_METADATA },
	};
	grpc_op status = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };

	send[1].data.send_message.send_message = buffer;
	send[3].data.recv_initial_metadata.recv_initial_metadata = &in->initial;
	start_batch(call, send, PD_ARRAY_SIZE(send), &tag_sent);
	status.data.recv_status_on_client.trailing_metadata = &in->trailing;
	status.data.recv_status_on_client.status = &in->status;
	status.data.recv_status_on_client.status_details = &in->message;
	start_batch(call, &status, 1, &tag_ended);
	grpc_byte_buffer_destroy(buffer);
	grpc_slice_unref(bytes);
}

int pd_rpc_stream_open(struct pd_rpc_client *client, const ProtobufCServiceDescriptor *service,
		       const char *method, const ProtobufCMessage *request, uint64_t timeout_ms,
		       struct pd_rpc_stream **ret, struct pd_fault *f)
{
	struct pd_rpc_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	stream->client = client;
	stream->call = new_call(client, service, method, request, timeout_ms, &stream->method);
	if (!stream->call) {
		free(stream);
		return pd_fail(f, -EINVAL, NULL, "the name of %s is too long", method);
	}
	client->busy = true;
	received_init(&stream->in);
	start_call(stream->call, request, &stream->in);
	*ret = stream;
	return 0;
}

static void note_tag(struct pd_rpc_stream *stream, const char *tag)
{
	stream->sent |= tag == &tag_sent;
	stream->ended |= tag == &tag_ended;
	if (tag == &tag_read)
		stream->reading = false;
}

int pd_rpc_stream_next(struct pd_rpc_stream *stream, ProtobufCMessage **ret, struct pd_fault *f)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };
	const char *why = NULL;
	int err;

	/* Also after the status has come: replies that came before it are still to be read. */
	stream->in.reply = NULL;
	stream->reading = true;
	op.data.recv_message.recv_message = &stream->in.reply;
	start_batch(stream->call, &op, 1, &tag_read);
	while (stream->reading)
		note_tag(stream, next_tag(stream->client));
	if (!stream->in.reply) {
		while (!stream->ended)
			note_tag(stream, next_tag(stream->client));
		return outcome(stream->client, &stream->in, f);
	}
	err = pd_rpc_unpack(stream->method->output, stream->in.reply, ret, &why);
	grpc_byte_buffer_destroy(stream->in.reply);
	stream->in.reply = NULL;
	if (err)
		return pd_fail(f, err, "is panditctl of the same version as panditd?",
			       "malformed %s from %s: %s", stream->method->output->name,
			       stream->client->address, why);
	return 1;
}

void pd_rpc_stream_free(struct pd_rpc_stream **streamp)
{
	struct pd_rpc_stream *stream = *streamp;

	if (!stream)
		return;
	*streamp = NULL;
	if (!stream->ended)
		grpc_call_cancel_with_status(stream->call, GRPC_STATUS_CANCELLED, CANCELLED_BY_US,
					     NULL);
	while (!stream->sent || !stream->ended)
		note_tag(stream, next_tag(stream->client));
	received_destroy(&stream->in);
	grpc_call_unref(stream->call);
	stream->client->busy = false;
	free(stream);
}

/* A unary call is a stream of one reply. */
int pd_rpc_unary(struct pd_rpc_client *client, const ProtobufCServiceDescriptor *service,
		 const char *method, const ProtobufCMessage *request, uint64_t timeout_ms,
		 ProtobufCMessage **ret, struct pd_fault *f)
{
	_cleanup_(pd_rpc_stream_free) struct pd_rpc_stream *stream = NULL;
	ProtobufCMessage *reply = NULL, *more = NULL;
	int err;

	err = pd_rpc_stream_open(client, service, method, request, timeout_ms, &stream, f);
	if (err)
		return err;
	err = pd_rpc_stream_next(stream, &reply, f);
	if (err < 0)
		return err;
	if (err)
		err = pd_rpc_stream_next(stream, &more, f);
	if (reply && !err) {
		*ret = reply;
		return 0;
	}
	if (reply)
		protobuf_c_message_free_unpacked(reply, NULL);
	if (more)
		protobuf_c_message_free_unpacked(more, NULL);
	return err < 0 ? err : pd_fail(f, -EPROTO, "is panditctl of the same version as panditd?",
				       "%s did not give exactly one reply", method);
}
