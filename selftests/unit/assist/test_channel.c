/* SPDX-License-Identifier: Apache-2.0 */
/* The connection, against a server of this test on the loopback. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "user/assist/assist.h"
#include "user/lib/cleanup.h"

static uv_loop_t loop;

/* One client at a time; `script` is what it is sent when it has said something. */
static struct {
	uv_tcp_t listener, client;
	struct pd_addr addr;
	const char *script[4];
	size_t next, accepted;
	bool busy;
	char got[512];
} server;

static struct {
	struct pd_assist *assist;
	int wholes, gaps, keys, agreed;
	char key[64], reason[256];
	enum pd_assist_state state;
} seen;

/* ---- the server ---------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
	static char in[512];

	(void)handle;
	(void)n;
	*buf = uv_buf_init(in, sizeof(in) - 1);
}

static void on_gone(uv_handle_t *handle)
{
	(void)handle;
	server.busy = false;
}

static void hang_up(void)
{
	if (server.busy && !uv_is_closing((uv_handle_t *)&server.client))
		uv_close((uv_handle_t *)&server.client, on_gone);
}

static void say(const char *text)
{
	uv_buf_t buf = uv_buf_init((char *)text, (unsigned int)strlen(text));

	assert_int_equal(uv_try_write((uv_stream_t *)&server.client, &buf, 1), strlen(text));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)stream;
	if (n < 0) {
		hang_up();
		return;
	}
	buf->base[n] = '\0';
	snprintf(server.got, sizeof(server.got), "%s", buf->base);
	if (server.next < PD_ARRAY_SIZE(server.script) && server.script[server.next])
		say(server.script[server.next++]);
}

static void on_client(uv_stream_t *listener, int status)
{
	assert_int_equal(status, 0);
	assert_false(server.busy);
	server.busy = true;
	server.accepted++;
	server.next = 0;
	uv_tcp_init(&loop, &server.client);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&server.client), 0);
	uv_read_start((uv_stream_t *)&server.client, on_alloc, on_read);
}

static void serve(const char *first, const char *second, const char *third)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int len = sizeof(sin);

	memset(&server, 0, sizeof(server));
	memset(&seen, 0, sizeof(seen));
	server.script[0] = first;
	server.script[1] = second;
	server.script[2] = third;
	uv_loop_init(&loop);
	uv_tcp_init(&loop, &server.listener);
	assert_int_equal(uv_tcp_bind(&server.listener, (struct sockaddr *)&sin, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server.listener, 4, on_client), 0);
	uv_tcp_getsockname(&server.listener, (struct sockaddr *)&sin, &len);
	pd_addr_parse("127.0.0.1", 1, &server.addr, NULL);
	server.addr.port = ntohs(sin.sin_port);
}

/* ---- the channel ------------------------------------------------------------------ */

static void on_key(void *arg, const void *key, size_t len)
{
	(void)arg;
	seen.keys++;
	snprintf(seen.key, sizeof(seen.key), "%.*s", (int)len, (const char *)key);
}

static void on_all(void *arg, bool gap)
{
	(void)arg;
	seen.wholes += !gap;
	seen.gaps += gap;
}

static void on_state(void *arg, enum pd_assist_state state, const char *reason)
{
	(void)arg;
	seen.state = state;
	seen.agreed += state == PD_ASSIST_ON;
	snprintf(seen.reason, sizeof(seen.reason), "%s", reason);
}

static void start(const char *protocol, const struct pd_addr *addrs, size_t n,
		  const char *credentials)
{
	static const struct pd_assist_ops ops = {.key = on_key, .all = on_all, .state = on_state};
	struct pd_assist_options o = {
		.protocol = protocol, .addrs = addrs, .naddrs = n, .credentials = credentials};

	assert_int_equal(pd_assist_new(&loop, &o, &ops, NULL, &seen.assist), 0);
	assert_int_equal(pd_assist_state(seen.assist), PD_ASSIST_CONNECTING);
}

static void on_time(uv_timer_t *t)
{
	uv_stop(t->loop);
}

/* Let the loop work until @done, at most five seconds. */
static void until(bool (*done)(void))
{
	uv_timer_t t;
	bool ok = false;

	uv_timer_init(&loop, &t);
	for (int i = 0; i < 500 && !(ok = done()); i++) {
		uv_timer_start(&t, on_time, 10, 0);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_true(ok);
}

/* Everything is closed: nothing is left on the loop, and no more is told. */
static void stop(void)
{
	pd_assist_free(&seen.assist);
	assert_null(seen.assist);
	hang_up();
	uv_close((uv_handle_t *)&server.listener, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static bool is_on(void)
{
	return seen.state == PD_ASSIST_ON;
}

static bool is_waiting(void)
{
	return seen.state == PD_ASSIST_WAITING;
}

static bool has_key(void)
{
	return seen.keys > 0;
}

static bool is_again_on(void)
{
	return seen.agreed == 2;
}

#define HELLO "%1\r\n$5\r\nproto\r\n:3\r\n"
#define PUSH  ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"

static void it_is_on_when_the_server_agrees(void **state)
{
	(void)state;
	serve(HELLO, "+OK\r\n", PUSH);
	start("redis", &server.addr, 1, NULL);
	until(has_key);
	assert_true(is_on());
	assert_string_equal(seen.key, "a");
	/* what came before was not told */
	assert_int_equal(seen.gaps, 1);
	assert_int_equal(seen.wholes, 0);
	assert_non_null(strstr(seen.reason, "127.0.0.1:"));
	say(">2\r\n$10\r\ninvalidate\r\n_\r\n" PUSH);
	seen.keys = 0;
	until(has_key);
	assert_int_equal(seen.wholes, 1);
	assert_int_equal(seen.gaps, 1);
	stop();
}

static void a_lost_connection_is_a_gap_and_made_again(void **state)
{
	(void)state;
	serve(HELLO, "+OK\r\n", NULL);
	start("redis", &server.addr, 1, NULL);
	until(is_on);
	assert_int_equal(seen.gaps, 1);
	hang_up();
	until(is_again_on);
	/* one for what was lost, one for the time between */
	assert_int_equal(seen.gaps, 3);
	assert_int_equal(server.accepted, 2);
	stop();
}

static void a_refusal_is_respected(void **state)
{
	(void)state;
	serve("-NOPERM no such luck\r\n", NULL, NULL);
	start("redis", &server.addr, 1, NULL);
	until(is_waiting);
	assert_non_null(strstr(seen.reason, "the server refuses: NOPERM no such luck"));
	/* nothing was told before, so nothing is lost */
	assert_int_equal(seen.gaps, 0);
	usleep(300000);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(server.accepted, 1);
	stop();
}

static void what_is_no_redis_is_left_alone(void **state)
{
	(void)state;
	serve("SSH-2.0-hello\r\n", NULL, NULL);
	start("redis", &server.addr, 1, NULL);
	until(is_waiting);
	assert_non_null(strstr(seen.reason, "not an answer of this protocol"));
	stop();
}

static void the_next_address_is_tried(void **state)
{
	struct pd_addr addrs[2];

	(void)state;
	serve(HELLO, "+OK\r\n", NULL);
	addrs[0] = addrs[1] = server.addr;
	addrs[0].port = 1; /* nobody listens there */
	start("redis", addrs, 2, NULL);
	until(is_on);
	assert_int_equal(seen.gaps, 1);
	stop();
}

static void credentials_are_sent_and_must_be_readable(void **state)
{
	char path[] = "/tmp/pandit-assist-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "bob:secret\n", 11), 11);
	close(fd);
	serve("-WRONGPASS\r\n", NULL, NULL);
	start("redis", &server.addr, 1, path);
	until(is_waiting);
	assert_non_null(strstr(server.got, "AUTH\r\n$3\r\nbob\r\n$6\r\nsecret\r\n"));
	assert_null(strstr(seen.reason, "secret"));
	stop();
	unlink(path);
	serve(HELLO, NULL, NULL);
	start("redis", &server.addr, 1, path);
	until(is_waiting);
	assert_non_null(strstr(seen.reason, "cannot read the credentials: No such file"));
	assert_string_equal(server.got, "");
	stop();
}

static void gaps_without_end_are_an_overrun(void **state)
{
	(void)state;
	serve("OK\r\n", NULL, NULL);
	start("memcached", &server.addr, 1, NULL);
	until(is_on);
	assert_string_equal(server.got, "watch evictions\r\n");
	say("skipped=1\nskipped=1\nts=1 type=eviction key=a\n");
	until(has_key);
	assert_true(is_on());
	assert_int_equal(seen.gaps, 3);
	say("skipped=1\nskipped=1\nskipped=1\nskipped=1\nskipped=1\nskipped=1\nskipped=1\n");
	until(is_waiting);
	assert_non_null(strstr(seen.reason, "leaves out too many"));
	assert_int_equal(seen.gaps, 11);
	stop();
}

static void many_keys_in_one_go(void **state)
{
	static char text[200000];
	size_t n = 0;

	(void)state;
	serve("OK\r\n", NULL, NULL);
	start("memcached", &server.addr, 1, NULL);
	until(is_on);
	for (int i = 0; i < 100; i++) {
		n = 0;
		for (int k = 0; k < 30; k++)
			n += (size_t)sprintf(text + n, "ts=1.5 gid=1 type=eviction key=k%d la=0\n",
					     i * 30 + k);
		say(text);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	while (seen.keys < 3000)
		uv_run(&loop, UV_RUN_ONCE);
	assert_string_equal(seen.key, "k2999");
	assert_int_equal(seen.gaps, 1);
	stop();
}

static void it_can_be_freed_at_any_time(void **state)
{
	struct pd_addr nobody;

	(void)state;
	for (int i = 0; i < 12; i++) {
		serve(HELLO, "+OK\r\n", PUSH PUSH);
		start("redis", &server.addr, 1, NULL);
		for (int k = 0; k < i; k++)
			uv_run(&loop, UV_RUN_NOWAIT);
		stop();
	}
	serve(NULL, NULL, NULL);
	nobody = server.addr;
	nobody.port = 1;
	start("redis", &nobody, 1, NULL);
	for (int k = 0; k < 3; k++)
		uv_run(&loop, UV_RUN_NOWAIT);
	stop();
}

static void only_some_protocols_have_it(void **state)
{
	struct pd_assist_options o = {.protocol = "pairs"};
	struct pd_assist *a = NULL;

	(void)state;
	assert_true(pd_assist_has("redis"));
	assert_true(pd_assist_has("memcached"));
	assert_false(pd_assist_has("pairs"));
	assert_int_equal(pd_assist_new(&loop, &o, NULL, NULL, &a), -EOPNOTSUPP);
	pd_assist_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_on_when_the_server_agrees),
		cmocka_unit_test(a_lost_connection_is_a_gap_and_made_again),
		cmocka_unit_test(a_refusal_is_respected),
		cmocka_unit_test(what_is_no_redis_is_left_alone),
		cmocka_unit_test(the_next_address_is_tried),
		cmocka_unit_test(credentials_are_sent_and_must_be_readable),
		cmocka_unit_test(gaps_without_end_are_an_overrun),
		cmocka_unit_test(many_keys_in_one_go),
		cmocka_unit_test(it_can_be_freed_at_any_time),
		cmocka_unit_test(only_some_protocols_have_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
