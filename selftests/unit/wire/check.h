/* SPDX-License-Identifier: Apache-2.0 */
/* Every vector as a cmocka test, over any table of functions. */
#ifndef PD_SELFTESTS_CHECK_H
#define PD_SELFTESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "vectors.h"

#define CHECK_CUTS	1024	/* places where a send is cut, about */

struct check {
	const struct wire_ops *ops;
	const struct vector *v;
	size_t cuts;
};

static struct feed check_feed, check_whole;

static void check_same(const struct check *c, const struct vector_run *how, const char *want)
{
	vector_run(&check_feed, c->ops, c->v, how);
	if (check_feed.broken)
		fail_msg("line %d, step %u cut at %zu: %s", c->v->line, how->step, how->cut,
			 check_feed.broken);
	if (strcmp(check_feed.log, want))
		fail_msg("line %d, step %u cut at %zu, pieces of %zu\n--- expected\n%s--- got\n%s",
			 c->v->line, how->step, how->cut, how->chunk, want, check_feed.log);
}

static void check_cuts(const struct check *c, const char *want)
{
	for (unsigned int i = 0; i < c->v->nsteps; i++) {
		size_t n = c->v->steps[i].len, by = n / c->cuts + 1;

		if (!strchr("><", c->v->steps[i].what))
			continue;
		for (size_t cut = 1; cut < n; cut += cut < c->cuts / 2 ? 1 : by) {
			struct vector_run how = { i, cut, 0, 512, (__u8)(cut * 37), 1 };

			check_same(c, &how, want);
		}
	}
}

static void check_vector(void **state)
{
	static const struct vector_run pieces[] = {
		{ .chunk = 1 }, { .chunk = 2 }, { .chunk = 7 }, { .chunk = 300 },
		{ .load = PD_TOKEN_MAX }, { .load = 900, .poison = '0' },
		{ .poison = '\n' }, { .poison = '\r' }, { .poison = 0xff }, { .poison = '$' },
	};
	const struct check *c = *state;
	struct vector_run how = { 0 };

	check_same(c, &how, c->v->expected);
	how.offsets = 1;
	vector_run(&check_whole, c->ops, c->v, &how);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		how = pieces[i];
		how.offsets = 1;
		if (c->v->len <= 8 * c->cuts || !how.chunk || how.chunk > 100)
			check_same(c, &how, check_whole.log);
	}
	check_cuts(c, check_whole.log);
}

/* Run the vectors at @path over @ops, each send cut at about @cuts places. Not 0: some failed. */
static int check_run(const struct wire_ops *ops, const char *path, const char *group, size_t cuts)
{
	static struct CMUnitTest tests[VECTORS_MAX];
	static struct check checks[VECTORS_MAX];
	static struct vectors vs;
	int r = vectors_load(&vs, path);

	if (r) {
		fprintf(stderr, "%s\n", vs.error);
		return 1;
	}
	for (unsigned int i = 0; i < vs.n; i++) {
		checks[i].ops = ops;
		checks[i].v = &vs.v[i];
		checks[i].cuts = cuts;
		tests[i] = (struct CMUnitTest){ .name = vs.v[i].name, .test_func = check_vector,
						.initial_state = &checks[i] };
	}
	r = _cmocka_run_group_tests(group, tests, vs.n, NULL, NULL);
	vectors_free(&vs);
	return r;
}

#endif
