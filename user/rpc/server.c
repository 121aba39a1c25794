// SPDX-License-Identifier: Apache-2.0
/* Life of the server, its completion-queue thread, and the queue to the loop. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/support/time.h>
#include <uv.h>

#include "user/lib/cleanup.h"
#include "user/lib/clock.h"
#include "user/rpc/server.h"

#define MAX_MESSAGE	(1024 * 1024)
#define MAX_QUEUE	512
#define MAX_BACKLOG	(16 * 1024 * 1024)
#define MAX_STREAMS	1024	/* of one connection */
#define GRACE_MS	500
#define TURN_MAX	32	/* events handled before the loop gets its turn */

/* Outlives the server: libuv lets go of a handle only in its own time. */
struct pd_rpc_wake {
	uv_async_t async;
	struct pd_rpc_server *server;	/* NULL: freed */
};

/* ---- queue to the loop -------------------------------------------------- */

int pd_rpc_server_push(struct pd_rpc_server *server, struct pd_rpc_call *call, unsigned int events)
{
	int err = 0;

	pthread_mutex_lock(&server->lock);
	if (events & PD_RPC_EVENT_REQUEST && server->requests >= server->config.max_queue) {
		err = -EBUSY;
		goto out;
	}
	if (events & PD_RPC_EVENT_REQUEST)
		server->requests++;
	call->events |= events;
	if (!call->queued) {
		atomic_fetch_add(&call->refs, 1);
		call->queued = true;
		call->next = NULL;
		*(server->head ? &server->tail->next : &server->head) = call;
		server->tail = call;
	}
	pthread_cond_broadcast(&server->changed);
	/* Under the lock: pd_rpc_server_free() takes it before it lets go of the handle. */
	uv_async_send(&server->wake->async);
out:
	pthread_mutex_unlock(&server->lock);
	return err;
}

/* One call with events, or NULL. */
static struct pd_rpc_call *pop(struct pd_rpc_server *server, unsigned int *ret_events)
{
	struct pd_rpc_call *call;

	pthread_mutex_lock(&server->lock);
	call = server->head;
	if (call) {
		server->head = call->next;
		call->queued = false;
		*ret_events = call->events;
		call->events = 0;
		if (*ret_events & PD_RPC_EVENT_REQUEST)
			server->requests--;
	}
	pthread_mutex_unlock(&server->lock);
	return call;
}

static void on_wake(uv_async_t *async)
{
	struct pd_rpc_wake *wake = (struct pd_rpc_wake *)async;

	for (int i = 0; wake->server; i++) {
		unsigned int events = 0;
		struct pd_rpc_call *call;

		if (i == TURN_MAX) {
			uv_async_send(async);
			return;
		}
		call = pop(wake->server, &events);
		if (!call)
			return;
		pd_rpc_call_run(call, events);
	}
}

static void wake_closed(uv_handle_t *handle)
{
	free(handle);
}

/* ---- queue thread ------------------------------------------------------- */

static void *queue_thread(void *arg)
{
	struct pd_rpc_server *server = arg;

	for (;;) {
		grpc_event event = grpc_completion_queue_next(
			server->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		struct pd_rpc_tag *tag = event.tag;

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		tag->fn(tag, event.success);
	}
}

static int start_thread(struct pd_rpc_server *server)
{
	int err = pthread_create(&server->thread, NULL, queue_thread, server);

	server->threaded = !err;
	return -err;
}

/* ---- life --------------------------------------------------------------- */

static int resolve_routes(struct pd_rpc_server *server)
{
	const struct pd_rpc_server_config *config = &server->config;

	server->routes = calloc(config->nmethods + 1, sizeof(*server->routes));
	if (!server->routes)
		return -ENOMEM;
	for (size_t i = 0; i < config->nmethods; i++) {
		const struct pd_rpc_method *row = &config->methods[i];
		struct pd_rpc_route *route = &server->routes[i];
		int err = pd_rpc_path(row->service, row->name, route->path);

		route->row = row;
		route->method = protobuf_c_service_descriptor_get_method_by_name(row->service,
										 row->name);
		if (err || !route->method)
			return err ? err : -EINVAL;
	}
	return 0;
}

static void create_core(struct pd_rpc_server *server)
{
	grpc_arg args[] = {
		/* With it a second server would share the port in silence. */
		{ .key = GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0 },
		{ .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		  .value.integer = (int)server->config.max_message },
		{ .key = GRPC_ARG_MAX_CONCURRENT_STREAMS, .value.integer = MAX_STREAMS },
	};
	grpc_channel_args all = { PD_ARRAY_SIZE(args), args };

	for (size_t i = 0; i < PD_ARRAY_SIZE(args); i++)
		args[i].type = GRPC_ARG_INTEGER;
	pd_rpc_init();
	server->server = grpc_server_create(&all, NULL);
	server->cq = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(server->server, server->cq, NULL);
}

static int create_wake(struct pd_rpc_server *server)
{
	struct pd_rpc_wake *wake = calloc(1, sizeof(*wake));
	int err;

	if (!wake)
		return -ENOMEM;
	err = uv_async_init(server->config.loop, &wake->async, on_wake);
	if (err) {
		free(wake);
		return err;	/* libuv's codes are negative errnos */
	}
	wake->server = server;
	server->wake = wake;
	return 0;
}

static void apply_defaults(struct pd_rpc_server_config *config)
{
	if (!config->max_message)
		config->max_message = MAX_MESSAGE;
	if (!config->max_queue)
		config->max_queue = MAX_QUEUE;
	if (!config->max_backlog)
		config->max_backlog = MAX_BACKLOG;
	if (!config->grace_ms)
		config->grace_ms = GRACE_MS;
}

static int start(struct pd_rpc_server *server, struct pd_fault *f)
{
	int err = resolve_routes(server);

	if (!err)
		err = create_wake(server);
	if (err)
		return pd_fail(f, err, NULL, "cannot set up the RPC server: %s", strerror(-err));
	create_core(server);
	err = start_thread(server);
	if (err)
		return pd_fail(f, err, NULL, "cannot start a thread: %s", strerror(-err));
	for (size_t i = 0; !err && i < server->config.naddresses; i++)
		err = pd_rpc_listen(server->server, server->config.addresses[i], f);
	if (err)
		return err;
	grpc_server_start(server->server);
	pd_rpc_call_arm(server);
	return 0;
}

int pd_rpc_server_new(const struct pd_rpc_server_config *config, struct pd_rpc_server **ret,
		      struct pd_fault *f)
{
	struct pd_rpc_server *server = calloc(1, sizeof(*server));
	pthread_condattr_t attr;
	sigset_t all, old;
	int err;

	if (!server)
		return -ENOMEM;
	server->config = *config;
	apply_defaults(&server->config);
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&server->changed, &attr);
	pthread_condattr_destroy(&attr);
	/* gRPC starts threads at many places; none of them may take a signal of the process. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = start(server, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	server->config.addresses = NULL;	/* only borrowed until here */
	if (err) {
		pd_rpc_server_free(&server);
		return err;
	}
	*ret = server;
	return 0;
}

static void on_down(struct pd_rpc_tag *tag, bool ok)
{
	struct pd_rpc_server *server = tag->owner;

	(void)ok;
	pthread_mutex_lock(&server->lock);
	server->down = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

/*
 * Run handlers until nothing lives any more, or until @until (monotonic ns).
 * Returns whether all is over.
 */
static bool run_down(struct pd_rpc_server *server, uint64_t until)
{
	struct timespec ts = {
		.tv_sec = (time_t)(until / PD_NS_PER_S),
		.tv_nsec = (long)(until % PD_NS_PER_S),
	};
	bool over, late = false;

	for (;;) {
		unsigned int events = 0;
		struct pd_rpc_call *call = pop(server, &events);

		if (call) {
			pd_rpc_call_run(call, events);
			continue;
		}
		pthread_mutex_lock(&server->lock);
		while (!server->head && (server->live || !server->down) && !late)
			late = pthread_cond_timedwait(&server->changed, &server->lock, &ts) ==
			       ETIMEDOUT;
		over = !server->head && !server->live && server->down;
		pthread_mutex_unlock(&server->lock);
		if (over || late)
			return over;
	}
}

/* The order matters: see struct pd_rpc_call on why the queue goes last. */
static void stop_core(struct pd_rpc_server *server)
{
	struct pd_rpc_tag down = { on_down, server };

	if (server->threaded) {
		grpc_server_shutdown_and_notify(server->server, server->cq, &down);
		if (!run_down(server, pd_monotonic_ns() + server->config.grace_ms * PD_NS_PER_MS)) {
			grpc_server_cancel_all_calls(server->server);
			while (!run_down(server, pd_monotonic_ns() + PD_NS_PER_S))
				;
		}
	}
	grpc_completion_queue_shutdown(server->cq);
	if (server->threaded)
		pthread_join(server->thread, NULL);
	grpc_server_destroy(server->server);
	grpc_completion_queue_destroy(server->cq);
	pd_rpc_fini();
}

void pd_rpc_server_free(struct pd_rpc_server **serverp)
{
	struct pd_rpc_server *server = *serverp;

	if (!server)
		return;
	*serverp = NULL;
	if (server->server)
		stop_core(server);
	if (server->wake) {
		server->wake->server = NULL;
		uv_close((uv_handle_t *)&server->wake->async, wake_closed);
	}
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server->routes);
	free(server);
}
