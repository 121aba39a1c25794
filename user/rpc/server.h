/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two objects of the server half; private to server.c and call.c.
 *
 * Locks: pd_rpc_call.lock orders the batches of one call and guards what it
 * sends; pd_rpc_server.lock guards the queue to the loop and the count of
 * calls. Neither is held while the other is taken.
 *
 * References of a call: one for each batch or request under way, one while it
 * is queued, one while its handler owns it. A call counts as live until it is
 * freed; the completion queue is shut down only when none is, because a batch
 * on a closed queue aborts the process.
 */
#ifndef PD_USER_RPC_SERVER_H
#define PD_USER_RPC_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "user/rpc/internal.h"

#define PD_RPC_EVENT_REQUEST	0x1	/* a decoded request waits for its handler */
#define PD_RPC_EVENT_GONE	0x2	/* the client has gone, or time is up */

struct pd_rpc_wake;

/* A method of the table, resolved. */
struct pd_rpc_route {
	const struct pd_rpc_method *row;
	const ProtobufCMethodDescriptor *method;
	char path[PD_RPC_PATH_MAX];
};

struct pd_rpc_server {
	struct pd_rpc_server_config config;
	struct pd_rpc_route *routes;
	grpc_server *server;
	grpc_completion_queue *cq;
	struct pd_rpc_wake *wake;
	pthread_t thread;
	bool threaded;		/* thread is running */

	pthread_mutex_t lock;
	pthread_cond_t changed;	/* queue, live or down have */
	struct pd_rpc_call *head, *tail;	/* calls with events for the loop */
	size_t requests;	/* of them with PD_RPC_EVENT_REQUEST */
	size_t live;
	bool down;		/* gRPC has let go of all connections */
};

/* What a completion stands for: the tag handed to gRPC. */
struct pd_rpc_tag {
	void (*fn)(struct pd_rpc_tag *tag, bool ok);
	void *owner;
};

struct pd_rpc_reply {
	struct pd_rpc_reply *next;
	grpc_slice bytes;
};

struct pd_rpc_call {
	struct pd_rpc_server *server;
	atomic_uint refs;
	struct pd_rpc_tag arrived, closed, read, written;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	grpc_byte_buffer *received;
	int cancelled;			/* written by gRPC before `closed` completes */
	const struct pd_rpc_route *route;
	ProtobufCMessage *request;	/* handed from the queue thread to the loop */

	pthread_mutex_t lock;
	struct pd_rpc_reply *first, *last;
	size_t backlog;			/* bytes of the replies held back */
	bool opened;			/* initial metadata was sent */
	bool writing;			/* a reply is on its way */
	bool ending;			/* status is final; no more replies */
	bool finished;			/* it was sent, or nobody is there to read it */
	bool gone;			/* cancelled by the client, by time, or by us */
	grpc_status_code status;
	grpc_slice message;
	grpc_metadata trailing;		/* the hint, if there is one */
	size_t ntrailing;

	struct pd_rpc_call *next;	/* server.lock */
	unsigned int events;		/* server.lock; PD_RPC_EVENT_* */
	bool queued;			/* server.lock */

	bool owned;			/* loop thread; by the handler */
	void (*on_cancel)(struct pd_rpc_call *call, void *arg);
	void *cancel_arg;
};

/* Ask gRPC for the next call. */
void pd_rpc_call_arm(struct pd_rpc_server *server);

/* Give @events of @call to the loop. -EBUSY: too many requests wait already. */
int pd_rpc_server_push(struct pd_rpc_server *server, struct pd_rpc_call *call, unsigned int events);

/* Do what @events ask for; loop thread. Drops the queue's reference. */
void pd_rpc_call_run(struct pd_rpc_call *call, unsigned int events);

#endif
