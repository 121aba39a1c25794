/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for monitoring: /metrics (Prometheus text) and /healthz. Served on the
 * loop thread: libmicrohttpd is polled, never given a thread of its own.
 */
#ifndef PD_USER_OBS_METRICS_H
#define PD_USER_OBS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/lib/addr.h"
#include "user/lib/fault.h"
#include "user/lib/strbuf.h"

struct pd_metrics;
struct uv_loop_s;

/* Append the whole of /metrics. */
typedef void (*pd_metrics_render_fn)(void *arg, struct pd_strbuf *sb);
/* Is the daemon ready? /healthz is 200 or 503 by it. */
typedef bool (*pd_metrics_ready_fn)(void *arg);

int pd_metrics_new(struct uv_loop_s *loop, const struct pd_addr *listen,
		   pd_metrics_render_fn render, pd_metrics_ready_fn ready, void *arg,
		   struct pd_metrics **ret, struct pd_fault *f);

/* The loop must be run once more before it is closed. NULL-safe. */
void pd_metrics_free(struct pd_metrics **metrics);

/* Text pieces of the exposition format. */
void pd_metrics_head(struct pd_strbuf *sb, const char *name, const char *type, const char *help);
/* A label value with \, " and newline escaped. */
void pd_metrics_label(struct pd_strbuf *sb, const char *value);

#endif
