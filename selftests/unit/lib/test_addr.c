/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/lib/addr.h"
#include "user/lib/cleanup.h"

static void parses(void **state)
{
	static const struct {
		const char *text;
		uint16_t port;
		const char *shown;
		bool v4;
	} rows[] = {
		{"10.1.0.2:6379", 0, "10.1.0.2:6379", true},
		{"10.1.0.2", 6379, "10.1.0.2:6379", true},
		{"0.0.0.0:1", 0, "0.0.0.0:1", true},
		{"255.255.255.255:65535", 0, "255.255.255.255:65535", true},
		{"[fd00::2]:6379", 0, "[fd00::2]:6379", false},
		{"[fd00::2]", 11211, "[fd00::2]:11211", false},
		{"fd00::2", 11211, "[fd00::2]:11211", false},
		{"::1", 7, "[::1]:7", false},
		{"::ffff:10.1.0.2", 7, "10.1.0.2:7", true},
	};
	char buf[PD_ADDR_STRLEN];
	struct pd_addr a;

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		assert_int_equal(pd_addr_parse(rows[i].text, rows[i].port, &a, NULL), 0);
		assert_string_equal(pd_addr_format(&a.ip, a.port, buf), rows[i].shown);
		assert_int_equal(pd_ip_is_v4(&a.ip), rows[i].v4);
	}
}

static void refuses(void **state)
{
	static const char *const rows[] = {
		"",
		":",
		":6379",
		"10.1.0.2:",
		"10.1.0.2:0",
		"10.1.0.2:65536",
		"10.1.0.2:-1",
		"10.1.0.2:6379x",
		"10.1.0.2:+1",
		"10.1.0",
		"10.1.0.256:1",
		"010.1.0.2:1",
		"localhost:1",
		"[fd00::2",
		"[fd00::2]x",
		"[fd00::2]:",
		"[]:1",
		"fd00::g",
		"[10.1.0.2]x:1",
		"1.2.3.4:5:6",
		"10.1.0.2 :1",
		" 10.1.0.2:1",
		"10.1.0.2:99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		struct pd_addr a = {.port = 77};
		const char *why = NULL;

		assert_int_equal(pd_addr_parse(rows[i], 1, &a, &why), -22);
		assert_non_null(why);
		assert_int_equal(a.port, 77);
	}
}

static void a_port_is_needed_without_a_default(void **state)
{
	struct pd_addr a;

	(void)state;
	assert_int_equal(pd_addr_parse("10.1.0.2", 0, &a, NULL), -22);
	assert_int_equal(pd_addr_parse("fd00::1", 0, &a, NULL), -22);
}

static void knows_what_is_no_endpoint(void **state)
{
	static const struct {
		const char *text;
		bool unusable;
	} rows[] = {{"0.0.0.0", true},	{"224.0.0.1", true}, {"255.255.255.255", true},
		    {"::", true},	{"ff02::1", true},   {"10.0.0.1", false},
		    {"fe80::1", false}, {"127.0.0.1", false}};
	struct pd_addr a;

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		assert_int_equal(pd_addr_parse(rows[i].text, 1, &a, NULL), 0);
		assert_int_equal(pd_ip_is_unusable(&a.ip), rows[i].unusable);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(a_port_is_needed_without_a_default),
		cmocka_unit_test(knows_what_is_no_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
