/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "user/obs/metrics.h"

struct pd_metrics {
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int handles; /* still to be closed */
	pd_metrics_render_fn render;
	pd_metrics_ready_fn ready;
	void *arg;
};

void pd_metrics_head(struct pd_strbuf *sb, const char *name, const char *type, const char *help)
{
	pd_strbuf_addf(sb, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void pd_metrics_label(struct pd_strbuf *sb, const char *value)
{
	for (; *value; value++)
		switch (*value) {
		case '\\':
			pd_strbuf_adds(sb, "\\\\");
			break;
		case '"':
			pd_strbuf_adds(sb, "\\\"");
			break;
		case '\n':
			pd_strbuf_adds(sb, "\\n");
			break;
		default:
			pd_strbuf_add(sb, value, 1);
		}
}

static enum MHD_Result send_text(struct MHD_Connection *conn, unsigned int status, const char *type,
				 const char *text, size_t len)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result send_plain(struct MHD_Connection *conn, unsigned int status,
				  const char *text)
{
	return send_text(conn, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result send_metrics(struct pd_metrics *m, struct MHD_Connection *conn)
{
	_cleanup_strbuf_ struct pd_strbuf sb = {0};

	m->render(m->arg, &sb);
	if (sb.failed || !sb.s)
		return send_plain(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return send_text(conn, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", sb.s,
			 sb.len);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_len, void **state)
{
	struct pd_metrics *m = arg;
	static int begun;

	(void)version;
	(void)body;
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*body_len) {
		*body_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_plain(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!strcmp(url, "/metrics"))
		return send_metrics(m, conn);
	if (strcmp(url, "/healthz"))
		return send_plain(conn, MHD_HTTP_NOT_FOUND, "/metrics and /healthz\n");
	if (!m->ready(m->arg))
		return send_plain(conn, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
	return send_plain(conn, MHD_HTTP_OK, "ok\n");
}

static void on_timer(uv_timer_t *timer);

static void run(struct pd_metrics *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(m->daemon);
	if (MHD_get_timeout(m->daemon, &ms) == MHD_YES)
		uv_timer_start(&m->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&m->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static struct MHD_Daemon *start_daemon(struct pd_metrics *m, const struct pd_addr *listen)
{
	bool v4 = pd_ip_is_v4(&listen->ip);
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(listen->port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(listen->port)};

	memcpy(&sin.sin_addr, listen->ip.b + 12, 4);
	memcpy(&sin6.sin6_addr, listen->ip.b, 16);
	return MHD_start_daemon(MHD_USE_EPOLL | (v4 ? 0 : MHD_USE_IPv6), 0, NULL, NULL, on_request,
				m, MHD_OPTION_SOCK_ADDR,
				v4 ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6,
				MHD_OPTION_CONNECTION_LIMIT, 32u, MHD_OPTION_CONNECTION_TIMEOUT,
				30u, MHD_OPTION_END);
}

int pd_metrics_new(struct uv_loop_s *loop, const struct pd_addr *listen,
		   pd_metrics_render_fn render, pd_metrics_ready_fn ready, void *arg,
		   struct pd_metrics **ret, struct pd_fault *f)
{
	struct pd_metrics *m = calloc(1, sizeof(*m));
	const union MHD_DaemonInfo *info;
	char text[PD_ADDR_STRLEN];

	if (!m)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	m->render = render;
	m->ready = ready;
	m->arg = arg;
	errno = 0;
	m->daemon = start_daemon(m, listen);
	if (!m->daemon) {
		free(m);
		return pd_fail(f, errno ? -errno : -EADDRINUSE,
			       "choose another `listen: {metrics: ...}`",
			       "cannot listen on %s for metrics: %s",
			       pd_addr_format(&listen->ip, listen->port, text),
			       strerror(errno ? errno : EADDRINUSE));
	}
	info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(loop, &m->poll, info->epoll_fd);
	uv_timer_init(loop, &m->timer);
	m->poll.data = m->timer.data = m;
	m->handles = 2;
	uv_poll_start(&m->poll, UV_READABLE, on_readable);
	*ret = m;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct pd_metrics *m = handle->data;

	if (--m->handles)
		return;
	free(m);
}

void pd_metrics_free(struct pd_metrics **metrics)
{
	struct pd_metrics *m = *metrics;

	if (!m)
		return;
	uv_poll_stop(&m->poll);
	uv_timer_stop(&m->timer);
	MHD_stop_daemon(m->daemon);
	uv_close((uv_handle_t *)&m->poll, on_closed);
	uv_close((uv_handle_t *)&m->timer, on_closed);
	*metrics = NULL;
}
