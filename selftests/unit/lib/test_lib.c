/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf, faults, log lines, rate limit, clocks, notification, checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/lib/check.h"
#include "user/lib/cleanup.h"
#include "user/lib/clock.h"
#include "user/lib/log.h"
#include "user/lib/notify.h"
#include "user/lib/strbuf.h"

static void strbuf_grows(void **state)
{
	_cleanup_strbuf_ struct pd_strbuf sb = {0};
	char *s;

	(void)state;
	for (int i = 0; i < 1000; i++)
		pd_strbuf_addf(&sb, "%d,", i);
	assert_int_equal(sb.len, 3890);
	assert_int_equal(strlen(sb.s), sb.len);
	pd_strbuf_reset(&sb);
	pd_strbuf_add(&sb, "a\0b", 3);
	assert_int_equal(sb.len, 3);
	s = pd_strbuf_take(&sb);
	assert_memory_equal(s, "a\0b", 4);
	free(s);
	s = pd_strbuf_take(&sb);
	assert_string_equal(s, "");
	free(s);
}

static void faults_are_cut_and_may_be_null(void **state)
{
	struct pd_fault f;
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pd_fail(NULL, -5, "hint", "%s", "x"), -5);
	assert_int_equal(pd_fail(&f, -5, text, "%s", text), -5);
	assert_int_equal(strlen(f.message), sizeof(f.message) - 1);
	assert_int_equal(strlen(f.hint), sizeof(f.hint) - 1);
	assert_int_equal(pd_fail(&f, -6, NULL, "m"), -6);
	assert_string_equal(f.hint, "");
}

/* What pd_log() writes to stderr, with stderr in a pipe. */
static void capture(char *buf, size_t size, enum pd_log_level level, const char *text)
{
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	pd_log(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fds[0], buf, size - 1);
	close(fds[0]);
	buf[n < 0 ? 0 : n] = '\0';
}

static void a_log_line_is_one_line(void **state)
{
	char buf[2048], text[1500];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	capture(buf, sizeof(buf), PD_LOG_ERR, "a\nb\n");
	assert_string_equal(buf, "panditd: a b\n");
	capture(buf, sizeof(buf), PD_LOG_WARN, "a");
	assert_string_equal(buf, "panditd: warning: a\n");
	capture(buf, sizeof(buf), PD_LOG_DEBUG, "a");
	assert_string_equal(buf, "");
	setenv("JOURNAL_STREAM", "8:1", 1);
	capture(buf, sizeof(buf), PD_LOG_ERR, "a");
	assert_string_equal(buf, "<3>panditd: a\n");
	unsetenv("JOURNAL_STREAM");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture(buf, sizeof(buf), PD_LOG_ERR, text);
	assert_int_equal(buf[strlen(buf) - 1], '\n');
	assert_true(strlen(buf) <= 1024);
}

static void ratelimit_counts_what_it_drops(void **state)
{
	struct pd_ratelimit rl = {.interval_ns = 1000, .burst = 2};
	uint64_t dropped = 99;

	(void)state;
	assert_int_equal(pd_ratelimit_ok(&rl, 5000, &dropped), 1);
	assert_int_equal(dropped, 0);
	assert_int_equal(pd_ratelimit_ok(&rl, 5100, &dropped), 1);
	assert_int_equal(pd_ratelimit_ok(&rl, 5200, &dropped), 0);
	assert_int_equal(pd_ratelimit_ok(&rl, 5999, &dropped), 0);
	assert_int_equal(pd_ratelimit_ok(&rl, 6000, &dropped), 1);
	assert_int_equal(dropped, 2);
}

static void clocks_agree(void **state)
{
	uint64_t wall, now = (uint64_t)time(NULL), mono = pd_monotonic_ns();

	(void)state;
	wall = (pd_boottime_ns() + pd_wall_offset_ns()) / PD_NS_PER_S;
	assert_true(wall + 2 >= now && wall <= now + 2);
	assert_true(pd_boottime_ns() >= mono);
}

static void notifies(void **state)
{
	char dir[] = "/tmp/pandit-test-XXXXXX", buf[64];
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(pd_notify("READY=1"), 0);
	assert_non_null(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/n", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	assert_int_equal(pd_notify("READY=1"), 1);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	assert_int_equal(n, 7);
	assert_memory_equal(buf, "READY=1", 7);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(pd_notify("READY=1"), -22);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink(sun.sun_path);
	rmdir(dir);
}

struct seen {
	unsigned int n, bpffs_ok, bpffs_bad;
};

static int on_check(void *arg, const struct pd_check *c)
{
	struct seen *s = arg;

	assert_non_null(c->name);
	assert_true(*c->detail != '\0');
	if (c->ok)
		assert_string_equal(c->hint, "");
	else
		assert_true(*c->hint != '\0');
	if (!strcmp(c->name, "bpffs")) {
		s->bpffs_ok += c->ok;
		s->bpffs_bad += !c->ok;
	}
	s->n++;
	return 0;
}

static int stop_at_once(void *arg, const struct pd_check *c)
{
	(void)c;
	(*(int *)arg)++;
	return -77;
}

static void checks_run(void **state)
{
	struct seen s = {0};
	int n = 0;

	(void)state;
	assert_int_equal(pd_checks_run("/tmp/no/bpffs/here", on_check, &s), 0);
	assert_true(s.n >= 8);
	assert_int_equal(s.bpffs_bad, 1);
	assert_int_equal(pd_checks_run(NULL, stop_at_once, &n), -77);
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_grows),
		cmocka_unit_test(faults_are_cut_and_may_be_null),
		cmocka_unit_test(a_log_line_is_one_line),
		cmocka_unit_test(ratelimit_counts_what_it_drops),
		cmocka_unit_test(clocks_agree),
		cmocka_unit_test(notifies),
		cmocka_unit_test(checks_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
