/* SPDX-License-Identifier: Apache-2.0 */
/* memcached's log, read from a stream that may be cut anywhere and may hold anything. */
#include "selftests/unit/assist/readers.h"

#define LINE(key)                                          \
	"ts=1795633609.28012 gid=2 type=eviction key=" key \
	" fetch=no ttl=-1 la=0 clsid=29 size=50\n"

static void check(const char *data, const char *want, int err)
{
	expect_heard(&pd_driver_memcached, NULL, data, strlen(data), want, err);
}

static void evictions_are_told(void **state)
{
	(void)state;
	check("OK\r\n", "on\n", 0);
	check("OK\r\n" LINE("abc") LINE("k%20a%2f%2F%25"), "on\nkey abc\nkey k a//%\n", 0);
	check("OK\r\n" LINE("b%FF"), "on\nkey b\xff\n", 0);
	check("OK\r\nts=1.1 gid=3 type=eviction key=last\n", "on\nkey last\n", 0);
}

static void other_lines_of_the_log_mean_nothing(void **state)
{
	(void)state;
	check("OK\r\nts=1.2 gid=1 type=conn_new rip=127.0.0.1 rport=1 transport=tcp cfd=17\n"
	      "ts=1.3 gid=2 type=item_store key=abc status=stored cmd=set ttl=0 clsid=1 cfd=17\n"
	      "ts=1.4 gid=3 type=evictions key=abc\n",
	      "on\n", 0);
}

static void a_gap_is_told(void **state)
{
	(void)state;
	check("OK\r\nskipped=2480\n" LINE("a"), "on\ngap\nkey a\n", 0);
	check("OK\r\n[skipped: 7]\n\n\r\n", "on\ngap\ngap\ngap\n", 0);
}

static void a_key_that_cannot_be_told_is_a_gap(void **state)
{
	static const char nul[] = "OK\r\nts=1 type=eviction key=a\0b\n";

	(void)state;
	check("OK\r\n" LINE("") LINE("%") LINE("%2") LINE("a%zz") LINE("a%2"),
	      "on\ngap\ngap\ngap\ngap\ngap\n", 0);
	check("OK\r\nts=1 type=eviction\nts=1 gid=2\nts=1 key=a type=eviction\n",
	      "on\ngap\ngap\ngap\n", 0);
	expect_heard(&pd_driver_memcached, NULL, nul, sizeof(nul) - 1, "on\ngap\n", 0);
}

static void a_line_too_long_is_a_gap(void **state)
{
	char data[5000], want[400], key[752];

	(void)state;
	snprintf(data, sizeof(data), "OK\r\nts=1 type=eviction key=%*d\n", 1500, 1);
	strcat(data, LINE("a"));
	check(data, "on\ngap\nkey a\n", 0);
	/* the longest key there is fits, however it is written; a longer one is not kept anyway */
	for (int i = 0; i < 250; i++)
		memcpy(key + 3L * i, "%41", 4);
	snprintf(data, sizeof(data), "OK\r\nts=1795633609.28012 gid=2 type=eviction key=%s la=0\n",
		 key);
	memset(want, 'A', sizeof(want));
	memcpy(want, "on\nkey ", 7);
	strcpy(want + 7 + 250, "\n");
	check(data, want, 0);
	memset(key, 'k', 251);
	key[251] = '\0';
	snprintf(data, sizeof(data), "OK\r\nts=1 type=eviction key=%s\n", key);
	check(data, "on\n", 0);
}

static void a_refusal_is_told_in_the_servers_words(void **state)
{
	static const char refused[] = "CLIENT_ERROR watch commands not allowed\r\n";
	struct heard h;

	(void)state;
	listen_to(&pd_driver_memcached, NULL, refused, sizeof(refused) - 1, 3, &h);
	assert_int_equal(h.err, -EACCES);
	assert_string_equal(h.text, "CLIENT_ERROR watch commands not allowed");
	heard_free(&h);
	check("ERROR\r\n", "", -EACCES);
	check("-ERR unknown command\r\n", "", -EPROTO);
	check(LINE("a"), "", -EPROTO);
}

static void credentials_come_first(void **state)
{
	static const char agreed[] = "STORED\r\nOK\r\n" LINE("a");
	static const char wrong[] = "CLIENT_ERROR authentication failure\r\n";
	struct pd_strbuf out = {0};
	union pd_reader r;
	struct heard h;

	(void)state;
	pd_driver_memcached.hello(&r, "bob", "secret", &out);
	assert_string_equal(out.s, "set pandit 0 0 10\r\nbob secret\r\n");
	pd_strbuf_free(&out);
	listen_to(&pd_driver_memcached, "secret", agreed, sizeof(agreed) - 1, 0, &h);
	assert_string_equal(h.out.s, "watch evictions\r\n");
	heard_free(&h);
	expect_heard(&pd_driver_memcached, "x", agreed, sizeof(agreed) - 1, "on\nkey a\n", 0);
	expect_heard(&pd_driver_memcached, "x", wrong, sizeof(wrong) - 1, "", -EACCES);
	/* nothing was asked for yet that OK would answer */
	expect_heard(&pd_driver_memcached, "x", "OK\r\n", 4, "", -EPROTO);
}

static void noise_is_survived(void **state)
{
	static const char *const pieces[] = {
		"OK\r\n", LINE("abc"), "skipped=1\n", "ts=1 ", " key=",	   "type=eviction", "%",
		"%41",	  "\n",	       "ERROR\r\n",   " ",     LINE("%4"), "xxxxxxxxxxxx"};

	(void)state;
	feed_noise(&pd_driver_memcached, pieces, PD_ARRAY_SIZE(pieces));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evictions_are_told),
		cmocka_unit_test(other_lines_of_the_log_mean_nothing),
		cmocka_unit_test(a_gap_is_told),
		cmocka_unit_test(a_key_that_cannot_be_told_is_a_gap),
		cmocka_unit_test(a_line_too_long_is_a_gap),
		cmocka_unit_test(a_refusal_is_told_in_the_servers_words),
		cmocka_unit_test(credentials_come_first),
		cmocka_unit_test(noise_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
