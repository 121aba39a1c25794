/* SPDX-License-Identifier: Apache-2.0 */
/* The checker checked: true histories pass, and each kind of lie put into one is found. */
#ifndef PD_ORACLE_SELFTEST_H
#define PD_ORACLE_SELFTEST_H

#include "history.h"

#define ST_KEYS		8
#define ST_OPS		40000
#define ST_CLIENTS	12

static uint64_t st_rng = 88172645463325252ULL;

static uint64_t st_random(void)
{
	st_rng ^= st_rng << 13;
	st_rng ^= st_rng >> 7;
	st_rng ^= st_rng << 17;
	return st_rng;
}

/*
 * A true history: each client sends one operation after the other, and each
 * takes effect at a moment of its interval. Operations are generated in the
 * order in which they take effect.
 */
static void true_history(struct history *h)
{
	uint64_t state[ST_KEYS] = {}, free_at[ST_CLIENTS] = {}, t = 1000000, id = 1;
	uint32_t key;
	int i, c;

	h->len = 0;
	for (key = 0; key < ST_KEYS; key++)
		history_add(h, (struct rec){.start = 1, .end = 2, .key = key, .kind = REC_WRITE});
	for (i = 0; i < ST_OPS; i++) {
		struct rec r = {.key = st_random() % ST_KEYS, .kind = REC_READ};

		t += 1 + st_random() % 100;
		for (c = 0; c < ST_CLIENTS && free_at[c] >= t; c++)
			;
		if (c == ST_CLIENTS)
			continue;
		r.conn = c;
		r.start = t - st_random() % (t - free_at[c] < 900 ? t - free_at[c] : 900);
		r.end = free_at[c] = t + st_random() % 900;
		if (st_random() % 10 < 4) {
			r.kind = REC_WRITE;
			r.value = state[r.key] = st_random() % 8 ? id++ : NIL;
			if (st_random() % 50 == 0)
				r.end = FOREVER;	/* the reply was lost */
		} else {
			r.value = state[r.key];
		}
		history_add(h, r);
	}
}

/* Makes one read lie. kind 0: stale, 1: never written, 2: from the future. False: cannot be. */
static bool tell_lie(struct history *h, size_t at, int kind)
{
	struct rec *r = &h->recs[at], *w;
	bool newer = false;
	size_t i;

	if (r->kind != REC_READ)
		return false;
	if (kind == 1) {
		r->value = 1ULL << 40;
		return true;
	}
	for (i = kind == 2 ? at : 0; i < h->len; i++) {
		w = &h->recs[i];
		if (w->kind != REC_WRITE || w->key != r->key || w->value == NIL)
			continue;
		if (kind == 2 && w->start > r->end) {
			r->value = w->value;
			return true;
		}
		if (kind == 0 && i < at && w->end < r->start) {
			uint64_t done = w->end;
			size_t j;

			for (j = 0; j < h->len && !newer; j++) {
				const struct rec *x = &h->recs[j];

				newer = x->kind == REC_WRITE && x->key == r->key &&
					x->start > done && x->end < r->start;
			}
			if (newer)
				r->value = w->value;
			return newer;
		}
	}
	return false;
}

/* Small histories with one wrong read each, for the rules the random ones do not reach. */
static int small_cases(void)
{
	static const struct rec cases[][5] = {
		/* overwritten, as a finished read has shown, though not yet acknowledged */
		{{.start = 1, .end = 2, .kind = REC_WRITE, .value = 1},
		 {.start = 3, .end = FOREVER, .kind = REC_WRITE, .value = 2},
		 {.start = 4, .end = 5, .kind = REC_READ, .value = 2},
		 {.start = 6, .end = 7, .kind = REC_READ, .value = 1}},
		/* own write, sent before in the same pipeline */
		{{.start = 1, .end = 2, .kind = REC_WRITE, .value = 1},
		 {.start = 3, .end = 9, .kind = REC_WRITE, .value = 2},
		 {.start = 3, .end = 9, .kind = REC_READ, .value = 1, .own = 3}},
		/* past its time to live, and kept alive by nothing */
		{{.start = 1, .end = 2, .kind = REC_WRITE, .value = 1, .ttl_ms = 100},
		 {.start = 700000000, .end = 700000001, .kind = REC_READ, .value = 1}},
		{{.start = 1, .end = 2, .kind = REC_WRITE, .value = 1},
		 {.start = 5, .end = 6, .kind = REC_EXPIRE, .ttl_ms = 200},
		 {.start = 700000000, .end = 700000001, .kind = REC_READ, .value = 1}},
		/* deleted */
		{{.start = 1, .end = 2, .kind = REC_WRITE, .value = COUNTER_BIT | 7},
		 {.start = 3, .end = 4, .kind = REC_WRITE, .value = NIL},
		 {.start = 5, .end = 6, .kind = REC_READ, .value = COUNTER_BIT | 7}},
	};
	size_t i, j;
	int missed = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history h = {};

		for (j = 0; j < 5 && cases[i][j].start; j++)
			history_add(&h, cases[i][j]);
		if (history_check(&h, 1, NULL) != 1) {
			printf("self-test: case %zu not found\n", i);
			missed++;
		}
		free(h.recs);
	}
	return missed;
}

/* 0 or 1. */
static int self_test(void)
{
	static const char *const names[] = {"stale", "never written", "from the future"};
	struct history h = {};
	int kind, told, found, failed = small_cases();
	size_t at, before;

	for (kind = 0; kind < 3; kind++) {
		for (told = found = 0; told < 50; told++) {
			true_history(&h);
			before = history_check(&h, ST_KEYS, stdout);
			if (before) {
				printf("self-test: %zu false accusations\n", before);
				return 1;
			}
			do
				at = st_random() % h.len;
			while (!tell_lie(&h, at, kind));
			found += history_check(&h, ST_KEYS, NULL) >= 1;
		}
		printf("self-test: %s: %d of %d found\n", names[kind], found, told);
		failed |= found != told;
	}
	free(h.recs);
	printf("self-test: %s\n", failed ? "FAILED" : "ok");
	return failed ? 1 : 0;
}

#endif
