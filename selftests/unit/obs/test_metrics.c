/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics and /healthz over a real socket; the client runs in a thread beside the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <uv.h>

#include "user/obs/metrics.h"

struct world {
	uv_loop_t loop;
	uv_async_t done;
	uv_thread_t thread;
	struct pd_metrics *metrics;
	uint16_t port;
	bool ready;
	const char *request;
	char reply[8192];
};

static uint16_t free_port(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	close(fd);
	return ntohs(sin.sin_port);
}

static void render(void *arg, struct pd_strbuf *sb)
{
	(void)arg;
	pd_metrics_head(sb, "pandit_x_total", "counter", "help text");
	pd_strbuf_adds(sb, "pandit_x_total{service=\"");
	pd_metrics_label(sb, "a\"b\\c\nd");
	pd_strbuf_adds(sb, "\"} 7\n");
}

static bool ready(void *arg)
{
	struct world *w = arg;

	return w->ready;
}

static void client(void *arg)
{
	struct world *w = arg;
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(w->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t n = 0;
	ssize_t got;

	w->reply[0] = '\0';
	if (!connect(fd, (struct sockaddr *)&sin, sizeof(sin)) &&
	    write(fd, w->request, strlen(w->request)) > 0)
		while (n < sizeof(w->reply) - 1 &&
		       (got = read(fd, w->reply + n, sizeof(w->reply) - 1 - n)) > 0)
			n += (size_t)got;
	w->reply[n] = '\0';
	close(fd);
	uv_async_send(&w->done);
}

static void on_done(uv_async_t *async)
{
	uv_stop(async->loop);
}

static const char *ask(struct world *w, const char *request)
{
	w->request = request;
	uv_thread_create(&w->thread, client, w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	uv_thread_join(&w->thread);
	return w->reply;
}

static int setup(void **state)
{
	static struct world w;
	struct pd_addr listen;
	struct pd_fault f;
	char text[32];

	memset(&w, 0, sizeof(w));
	uv_loop_init(&w.loop);
	uv_async_init(&w.loop, &w.done, on_done);
	w.port = free_port();
	snprintf(text, sizeof(text), "127.0.0.1:%u", w.port);
	pd_addr_parse(text, 0, &listen, NULL);
	assert_int_equal(pd_metrics_new(&w.loop, &listen, render, ready, &w, &w.metrics, &f), 0);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	pd_metrics_free(&w->metrics);
	assert_null(w->metrics);
	uv_close((uv_handle_t *)&w->done, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&w->loop);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void healthz_follows_readiness(void **state)
{
	struct world *w = *state;

	assert_memory_equal(ask(w, GET("/healthz")), "HTTP/1.1 503", 12);
	w->ready = true;
	assert_memory_equal(ask(w, GET("/healthz")), "HTTP/1.1 200", 12);
	w->ready = false;
	assert_memory_equal(ask(w, GET("/healthz")), "HTTP/1.1 503", 12);
}

static void metrics_are_escaped(void **state)
{
	const char *reply = ask(*state, GET("/metrics"));

	assert_memory_equal(reply, "HTTP/1.1 200", 12);
	assert_non_null(strstr(reply, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(reply,
			       "# HELP pandit_x_total help text\n# TYPE pandit_x_total counter\n"
			       "pandit_x_total{service=\"a\\\"b\\\\c\\nd\"} 7\n"));
}

static void the_rest_is_refused(void **state)
{
	assert_memory_equal(ask(*state, GET("/")), "HTTP/1.1 404", 12);
	assert_memory_equal(ask(*state, GET("/metricsx")), "HTTP/1.1 404", 12);
	assert_memory_equal(ask(*state, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
					"Content-Length: 3\r\n\r\nabc"),
			    "HTTP/1.1 405", 12);
	/* Not HTTP at all: an answer or a close, and the next request works. */
	ask(*state, "\x01\x02\r\n\r\n");
	assert_memory_equal(ask(*state, GET("/metrics")), "HTTP/1.1 200", 12);
}

static void a_port_in_use_is_said(void **state)
{
	struct world *w = *state;
	struct pd_metrics *second = NULL;
	struct pd_addr listen;
	struct pd_fault f;
	char text[32];

	snprintf(text, sizeof(text), "127.0.0.1:%u", w->port);
	pd_addr_parse(text, 0, &listen, NULL);
	assert_int_equal(pd_metrics_new(&w->loop, &listen, render, ready, w, &second, &f),
			 -EADDRINUSE);
	assert_non_null(strstr(f.message, "Address already in use"));
	assert_null(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(healthz_follows_readiness, setup, teardown),
		cmocka_unit_test_setup_teardown(metrics_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(the_rest_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_in_use_is_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
