/* SPDX-License-Identifier: Apache-2.0 */
/* The admin API (pandit.v1.Admin) on top of the host. Everything runs on the loop thread. */
#ifndef PD_USER_SERVICE_ADMIN_H
#define PD_USER_SERVICE_ADMIN_H

#include <stddef.h>

#include "user/lib/fault.h"

struct pd_admin;
struct pd_host;
struct uv_loop_s;

/**
 * pd_admin_new() - open the admin socket and answer calls until pd_admin_free().
 * @host: borrowed; must outlive the returned object
 * @socket: path of the unix socket; its directory is made (0755) if it is missing
 * @loop: the loop @host belongs to
 *
 * Starts the threads of gRPC, so nothing may fork() without exec() afterwards.
 * Returns 0; -EADDRINUSE: another daemon answers there; or -errno.
 */
int pd_admin_new(struct pd_host *host, const char *socket, struct uv_loop_s *loop,
		 struct pd_admin **ret, struct pd_fault *f);

/*
 * Let calls under way end (at most half a second), cancel the others, close
 * and remove the socket. The loop must be run once more before it is closed.
 * NULL-safe.
 */
void pd_admin_free(struct pd_admin **admin);

#endif
