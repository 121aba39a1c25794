/* SPDX-License-Identifier: Apache-2.0 */
/* Redis' pushes, read from a stream that may be cut anywhere and may hold anything. */
#include "selftests/unit/assist/readers.h"

#define HELLO	   "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n"
#define AGREED	   HELLO "+OK\r\n"
#define SUBSCRIBED ">3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n"
#define PUSH	   ">2\r\n$10\r\ninvalidate\r\n"

static void check(const char *data, const char *want, int err)
{
	expect_heard(&pd_driver_redis, NULL, data, strlen(data), want, err);
}

static void it_asks_step_by_step(void **state)
{
	struct heard h;

	(void)state;
	listen_to(&pd_driver_redis, NULL, HELLO, strlen(HELLO), 0, &h);
	assert_string_equal(h.out.s, "*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n"
				     "$5\r\nBCAST\r\n");
	heard_free(&h);
	listen_to(&pd_driver_redis, NULL, AGREED, strlen(AGREED), strlen(HELLO), &h);
	assert_string_equal(h.said.s, "on\n");
	assert_non_null(strstr(h.out.s, "$9\r\nSUBSCRIBE\r\n$20\r\n__redis__:invalidate\r\n"));
	heard_free(&h);
}

static void keys_are_told(void **state)
{
	static const char binary[] = AGREED PUSH "*2\r\n$3\r\n\0\r\n\r\n$0\r\n\r\n";
	struct heard h;

	(void)state;
	check(AGREED SUBSCRIBED PUSH "*1\r\n$3\r\nabc\r\n", "on\nkey abc\n", 0);
	check(AGREED PUSH "*3\r\n$1\r\na\r\n$2\r\nbc\r\n$10\r\ninvalidate\r\n" SUBSCRIBED PUSH
			  "*1\r\n$1\r\nz\r\n",
	      "on\nkey a\nkey bc\nkey invalidate\nkey z\n", 0);
	check(AGREED PUSH "*0\r\n" PUSH "*1\r\n$1\r\na\r\n", "on\nkey a\n", 0);
	for (size_t cut = 0; cut < sizeof(binary); cut++) {
		listen_to(&pd_driver_redis, NULL, binary, sizeof(binary) - 1, cut, &h);
		assert_int_equal(h.said.len, 16);
		assert_memory_equal(h.said.s, "on\nkey \0\r\n\nkey \n", 16);
		heard_free(&h);
	}
}

static void a_null_is_everything(void **state)
{
	(void)state;
	check(AGREED PUSH "_\r\n" PUSH "*-1\r\n", "on\nall\nall\n", 0);
	/* only in the place of the list */
	check(AGREED PUSH "*2\r\n_\r\n$1\r\na\r\n" PUSH "$-1\r\n", "on\nkey a\n", 0);
	check(AGREED ">2\r\n$7\r\nmessage\r\n_\r\n+OK\r\n_\r\n", "on\n", 0);
}

static void other_messages_mean_nothing(void **state)
{
	(void)state;
	check(AGREED ">3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$1\r\na\r\n", "on\n",
	      0);
	check(AGREED "+PONG\r\n-NOPERM no\r\n:1\r\n,1.5\r\n#t\r\n(12\r\n=5\r\ntxt:a\r\n"
		     "!3\r\nbad\r\n~2\r\n:1\r\n:2\r\n%1\r\n*1\r\n*1\r\n:1\r\n$-1\r\n" PUSH
		     "*1\r\n$1\r\na\r\n",
	      "on\nkey a\n", 0);
	/* a push in front of an answer takes nothing from it */
	check(PUSH "*1\r\n$1\r\nq\r\n" HELLO PUSH "*1\r\n$1\r\nr\r\n+OK\r\n", "key q\nkey r\non\n",
	      0);
}

static void a_key_too_long_to_be_kept_is_left_out(void **state)
{
	char data[2048], key[400], want[400];

	(void)state;
	memset(key, 'k', sizeof(key));
	for (int n = 248; n < 256; n++) {
		snprintf(data, sizeof(data), "%s%s*2\r\n$%d\r\n%.*s\r\n$1\r\na\r\n", AGREED, PUSH,
			 n, n, key);
		snprintf(want, sizeof(want), "on\n%s%.*s%skey a\n", n <= 250 ? "key " : "",
			 n <= 250 ? n : 0, key, n <= 250 ? "\n" : "");
		check(data, want, 0);
	}
}

static void a_refusal_is_told_in_the_servers_words(void **state)
{
	static const char noauth[] = "-NOAUTH HELLO must be called\x1b[1m so\r\n";
	static const char noperm[] = HELLO "-NOPERM this user has no permissions\r\n";
	struct heard h;

	(void)state;
	listen_to(&pd_driver_redis, NULL, noauth, sizeof(noauth) - 1, 9, &h);
	assert_int_equal(h.err, -EACCES);
	assert_string_equal(h.text, "NOAUTH HELLO must be called?[1m so");
	heard_free(&h);
	listen_to(&pd_driver_redis, NULL, noperm, sizeof(noperm) - 1, 0, &h);
	assert_int_equal(h.err, -EACCES);
	assert_string_equal(h.text, "NOPERM this user has no permissions");
	heard_free(&h);
	check("!6\r\nREFUSE\r\n", "", -EACCES);
	/* of the subscription it is borne */
	check(AGREED "-NOPERM channel\r\n" PUSH "*1\r\n$1\r\na\r\n", "on\nkey a\n", 0);
}

static void a_ping_is_needed_without_a_subscription(void **state)
{
	const struct pd_sink sink = {.key = heard_key, .all = heard_all, .on = heard_on};
	struct pd_strbuf out = {0};
	char text[PD_ASSIST_TEXT];
	struct heard h = {0};
	struct pd_sink s = sink;
	union pd_reader r;

	(void)state;
	s.arg = &h;
	pd_driver_redis.hello(&r, NULL, NULL, &out);
	assert_null(pd_driver_redis.ping(&r));
	assert_int_equal(pd_driver_redis.feed(&r, AGREED, strlen(AGREED), &s, &out, text), 0);
	assert_string_equal(pd_driver_redis.ping(&r), "*1\r\n$4\r\nPING\r\n");
	assert_int_equal(pd_driver_redis.feed(&r, SUBSCRIBED, strlen(SUBSCRIBED), &s, &out, text),
			 0);
	assert_null(pd_driver_redis.ping(&r));
	pd_strbuf_free(&out);
	heard_free(&h);
}

static void what_is_not_resp_ends_it(void **state)
{
	static const char *const rows[] = {
		"HTTP/1.1 400\r\n",
		"\r\n",
		"\n",
		"+OK\n",
		"$\r\n",
		"$-2\r\n",
		"$1x\r\n",
		"$+1\r\n",
		"$536870913\r\n",
		"$99999999999999999999999999\r\n",
		"*2147483648\r\n",
		"%1073741824\r\n",
		"*18446744073709551616\r\n",
		"$3\r\nabcd\r\n",
		"$3\r\nabc\n\r",
		"$3\r\nabc\rx",
		"%-1\r\n",
		">-1\r\n",
		"*1\r\n>1\r\n",
		"|1\r\n",
		"$?\r\n",
		"*2147483647\r\n*2147483647\r\n",
		"\0",
	};
	char data[1024], line[400];

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		/* behind a good start too */
		size_t len = strlen(rows[i]) ? strlen(rows[i]) : 1;
		int n = snprintf(data, sizeof(data), "%s", AGREED);

		expect_heard(&pd_driver_redis, NULL, rows[i], len, "", -EPROTO);
		memcpy(data + n, rows[i], len);
		expect_heard(&pd_driver_redis, NULL, data, (size_t)n + len, "on\n", -EPROTO);
	}
	/* a length of no end */
	memset(line, '0', sizeof(line));
	line[0] = '$';
	expect_heard(&pd_driver_redis, NULL, line, sizeof(line), "", -EPROTO);
}

static void a_long_line_is_borne_up_to_a_point(void **state)
{
	char *data = malloc(80000);
	struct heard h;

	(void)state;
	assert_non_null(data);
	memset(data, 'x', 80000);
	data[0] = '+';
	memcpy(data + 60000, "\r\n+OK\r\n", 7);
	listen_to(&pd_driver_redis, NULL, data, 60007, 300, &h);
	assert_string_equal(h.said.s, "on\n");
	heard_free(&h);
	memset(data + 60000, 'x', 7);
	listen_to(&pd_driver_redis, NULL, data, 80000, 65000, &h);
	assert_int_equal(h.err, -EPROTO);
	heard_free(&h);
	free(data);
}

static void noise_is_survived(void **state)
{
	static const char *const pieces[] = {
		HELLO,	     "+OK\r\n",	 PUSH,		 "*1\r\n",   "$3\r\nabc\r\n", "_\r\n",	"$",
		"\r\n",	     "\r",	 "-1",		 "*",	     ">3\r\n",	      "%1\r\n", "9",
		"$250\r\nx", SUBSCRIBED, "*9999999\r\n", "$600\r\n", "-ERR\r\n",
	};

	(void)state;
	feed_noise(&pd_driver_redis, pieces, PD_ARRAY_SIZE(pieces));
}

static void credentials_have_three_forms(void **state)
{
	static const struct {
		const char *text, *user, *password;
	} rows[] = {
		{"secret\n", NULL, "secret"},
		{"bob:secret\r\nmore\n", "bob", "secret"},
		{"bob:se:cret", "bob", "se:cret"},
		{":se:cret\n", NULL, "se:cret"},
		{"", NULL, ""},
		{"bob:\n", "bob", ""},
	};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		const char *user, *password;
		char text[64];

		snprintf(text, sizeof(text), "%s", rows[i].text);
		pd_credentials_split(text, &user, &password);
		if (rows[i].user)
			assert_string_equal(user, rows[i].user);
		else
			assert_null(user);
		assert_string_equal(password, rows[i].password);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_asks_step_by_step),
		cmocka_unit_test(keys_are_told),
		cmocka_unit_test(a_null_is_everything),
		cmocka_unit_test(other_messages_mean_nothing),
		cmocka_unit_test(a_key_too_long_to_be_kept_is_left_out),
		cmocka_unit_test(a_refusal_is_told_in_the_servers_words),
		cmocka_unit_test(a_ping_is_needed_without_a_subscription),
		cmocka_unit_test(what_is_not_resp_ends_it),
		cmocka_unit_test(a_long_line_is_borne_up_to_a_point),
		cmocka_unit_test(noise_is_survived),
		cmocka_unit_test(credentials_have_three_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
