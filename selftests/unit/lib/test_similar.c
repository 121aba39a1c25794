/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/lib/similar.h"

static void counts_edits(void **state)
{
	(void)state;
	assert_int_equal(pd_edit_distance("", ""), 0);
	assert_int_equal(pd_edit_distance("abc", ""), 3);
	assert_int_equal(pd_edit_distance("", "abc"), 3);
	assert_int_equal(pd_edit_distance("services", "servces"), 1);
	assert_int_equal(pd_edit_distance("services", "serivces"), 1);
	assert_int_equal(pd_edit_distance("Services", "services"), 0);
	assert_int_equal(pd_edit_distance("kitten", "sitting"), 3);
}

static void long_words_do_not_overrun(void **state)
{
	char a[200];

	(void)state;
	memset(a, 'x', sizeof(a) - 1);
	a[sizeof(a) - 1] = '\0';
	assert_int_equal(pd_edit_distance(a, "services"), 199);
	assert_int_equal(pd_edit_distance("services", a), 199);
}

static const char *best(const char *word)
{
	static const char *const known[] = {"node", "attach", "listen", "limits", "services"};
	struct pd_similar s = {.word = word};

	for (size_t i = 0; i < 5; i++)
		pd_similar_try(&s, known[i]);
	return s.best;
}

static void offers_the_closest_only(void **state)
{
	(void)state;
	assert_string_equal(best("servces"), "services");
	assert_string_equal(best("lissten"), "listen");
	assert_string_equal(best("limit"), "limits");
	assert_null(best("wholly-different"));
	assert_null(best("x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_edits),
		cmocka_unit_test(long_words_do_not_overrun),
		cmocka_unit_test(offers_the_closest_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
