/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/lib/cleanup.h"
#include "user/lib/units.h"

struct row {
	const char *text;
	int err;
	uint64_t value;
};

static void durations(void **state)
{
	static const struct row rows[] = {
		{"1s", 0, 1000000000},
		{"500ms", 0, 500000000},
		{"1.5s", 0, 1500000000},
		{"2min", 0, 120000000000},
		{"1h", 0, 3600000000000},
		{"7us", 0, 7000},
		{"3ns", 0, 3},
		{"0", 0, 0},
		{"0s", 0, 0},
		{"0.5ms", 0, 500000},
		{"1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1 year", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{"1.5ns", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"99999999999999999999s", -ERANGE, 0},
		{"18446744074s", -ERANGE, 0},
		{"1S", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		uint64_t v = 42;

		assert_int_equal(pd_duration_parse(rows[i].text, &v), rows[i].err);
		assert_true(v == (rows[i].err ? 42 : rows[i].value));
	}
}

static void sizes(void **state)
{
	static const struct row rows[] = {
		{"4096", 0, 4096},
		{"256MiB", 0, 268435456},
		{"4KiB", 0, 4096},
		{"1.5KiB", 0, 1536},
		{"10MB", 0, 10000000},
		{"1GiB", 0, 1073741824},
		{"8K", 0, 8192},
		{"0", 0, 0},
		{"12B", 0, 12},
		{"4kiB", -EINVAL, 0},
		{"MiB", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
		{"17179869184GiB", -ERANGE, 0},
		{"0x10", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		uint64_t v = 42;

		assert_int_equal(pd_size_parse(rows[i].text, &v), rows[i].err);
		assert_true(v == (rows[i].err ? 42 : rows[i].value));
	}
}

static void formats_exactly(void **state)
{
	char buf[PD_UNITS_STRLEN];

	(void)state;
	assert_string_equal(pd_duration_format(1000000000, buf), "1s");
	assert_string_equal(pd_duration_format(1500000000, buf), "1500ms");
	assert_string_equal(pd_duration_format(1, buf), "1ns");
	assert_string_equal(pd_duration_format(0, buf), "0s");
	assert_string_equal(pd_size_format(268435456, buf), "256MiB");
	assert_string_equal(pd_size_format(1536, buf), "1536B");
	assert_string_equal(pd_size_format(0, buf), "0B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(formats_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
