/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a loop of its own thread, so that the test's thread can be the client. */
#ifndef PD_SELFTESTS_UNIT_RPC_HARNESS_H
#define PD_SELFTESTS_UNIT_RPC_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "user/lib/fault.h"

struct harness {
	char dir[64];
	char path[96];		/* of the socket */
	char address[256];	/* unix:path */
	uv_loop_t loop;
	uv_async_t stop;
	pthread_t thread;
	sem_t up;
	/* start() and finish() run on the loop thread. */
	int (*start)(struct harness *h, struct pd_fault *f);
	void (*finish)(struct harness *h);
	void *object;		/* of start() */
	struct pd_fault fault;
	int err;		/* of start() */
};

static inline void harness_on_stop(uv_async_t *async)
{
	struct harness *h = async->data;

	h->finish(h);
	uv_close((uv_handle_t *)async, NULL);
}

static inline void *harness_thread(void *arg)
{
	struct harness *h = arg;

	h->err = h->start(h, &h->fault);
	sem_post(&h->up);
	if (h->err)
		uv_close((uv_handle_t *)&h->stop, NULL);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	return NULL;
}

static inline void harness_dir(struct harness *h)
{
	strcpy(h->dir, "/tmp/pandit-test-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->path, sizeof(h->path), "%s/rpc.sock", h->dir);
	snprintf(h->address, sizeof(h->address), "unix:%s", h->path);
}

/* Returns the error of start(); then the harness is over already. */
static inline int harness_up(struct harness *h)
{
	sem_init(&h->up, 0, 0);
	assert_int_equal(uv_loop_init(&h->loop), 0);
	assert_int_equal(uv_async_init(&h->loop, &h->stop, harness_on_stop), 0);
	h->stop.data = h;
	assert_int_equal(pthread_create(&h->thread, NULL, harness_thread, h), 0);
	sem_wait(&h->up);
	if (!h->err)
		return 0;
	pthread_join(h->thread, NULL);
	assert_int_equal(uv_loop_close(&h->loop), 0);
	return h->err;
}

/* uv_loop_close() fails if the server has left a handle behind. */
static inline void harness_down(struct harness *h)
{
	uv_async_send(&h->stop);
	pthread_join(h->thread, NULL);
	assert_int_equal(uv_loop_close(&h->loop), 0);
	assert_int_equal(access(h->path, F_OK), -1);
	assert_int_equal(rmdir(h->dir), 0);
}

#endif
