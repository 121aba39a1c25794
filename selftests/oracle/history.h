/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History of reads and writes of registers, and its check.
 *
 * Every write of a register has its own value, but for NIL (deleted, flushed,
 * expired, never written) and numbers counted up again from zero. A write took
 * effect at one moment between its start and its end; an end of FOREVER means
 * that it may still be on its way. A read is wrong when every write that could
 * have given its value
 *   - started after the read ended ("from nowhere"), or
 *   - ended before another write started that itself ended before the read
 *     started, or that the reader's own connection sent earlier ("stale").
 * A write that a finished read has returned has taken effect by that read's
 * end. This never accuses a correct server: writes that overlap may be
 * ordered either way.
 *
 * Times are CLOCK_MONOTONIC nanoseconds. One owner, no locking.
 */
#ifndef PD_ORACLE_HISTORY_H
#define PD_ORACLE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NIL		0ULL
#define GARBAGE		(UINT64_MAX - 1)
#define COUNTER_BIT	(1ULL << 63)
#define FOREVER		UINT64_MAX
#define TTL_SLACK	300000000ULL

enum rec_kind { REC_READ, REC_WRITE, REC_EXPIRE };

struct rec {
	uint64_t start, end;
	uint64_t own;		/* read: start of its connection's last write; 0 = none */
	uint64_t value;
	uint32_t key;
	uint32_t ttl_ms;	/* write, expire: 0 = none */
	uint8_t kind;
	uint8_t conn;
};

struct history {
	struct rec *recs;
	size_t len, room;
};

static inline void history_add(struct history *h, struct rec r)
{
	if (h->len == h->room) {
		h->room = h->room ? h->room * 2 : 4096;
		h->recs = realloc(h->recs, h->room * sizeof(*h->recs));
		if (!h->recs)
			abort();
	}
	h->recs[h->len++] = r;
}

/* Writes of one key in the two orders the check needs. */
struct write {
	const struct rec *rec;
	uint64_t done;		/* it has taken effect by then */
	uint64_t group_done;	/* latest `done` of those of the same value up to this one */
	uint64_t last_start;	/* latest start of those done up to this one */
};

struct key_check {
	struct write *by_value, *by_done;
	size_t writes;
	const struct rec **reads, **expires;
	size_t nreads, nexpires;
};

static int cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int cmp_value(const void *x, const void *y)
{
	const struct write *a = x, *b = y;
	int c = cmp_u64(a->rec->value, b->rec->value);

	return c ? c : cmp_u64(a->rec->start, b->rec->start);
}

static int cmp_done(const void *x, const void *y)
{
	return cmp_u64(((const struct write *)x)->done, ((const struct write *)y)->done);
}

/* First write of the value, or `writes` when there is none. */
static size_t find_value(const struct key_check *k, uint64_t value)
{
	size_t lo = 0, hi = k->writes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (k->by_value[mid].rec->value < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < k->writes && k->by_value[lo].rec->value == value ? lo : k->writes;
}

/* Last write of the value that started by `end`, or NULL. */
static const struct write *find_writer(const struct key_check *k, uint64_t value, uint64_t end)
{
	size_t first = find_value(k, value), lo = first, hi = k->writes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct rec *w = k->by_value[mid].rec;

		if (w->value == value && w->start <= end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > first ? &k->by_value[lo - 1] : NULL;
}

/* Of the writes that were done before `t`, the one that started last, or NULL. */
static const struct write *last_before(const struct key_check *k, uint64_t t)
{
	size_t lo = 0, hi = k->writes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (k->by_done[mid].done < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? &k->by_done[lo - 1] : NULL;
}

static void index_key(struct key_check *k)
{
	size_t i, at;

	qsort(k->by_value, k->writes, sizeof(*k->by_value), cmp_value);
	for (i = 0; i < k->nreads; i++) {
		const struct rec *r = k->reads[i];

		at = find_value(k, r->value);
		if (at == k->writes || r->end < k->by_value[at].rec->start ||
		    (at + 1 < k->writes && k->by_value[at + 1].rec->value == r->value))
			continue;
		if (r->end < k->by_value[at].done)
			k->by_value[at].done = r->end;
	}
	for (i = 0; i < k->writes; i++) {
		struct write *w = &k->by_value[i];

		w->group_done = w->done;
		if (i && w[-1].rec->value == w->rec->value && w[-1].group_done > w->done)
			w->group_done = w[-1].group_done;
	}
	memcpy(k->by_done, k->by_value, k->writes * sizeof(*k->by_done));
	qsort(k->by_done, k->writes, sizeof(*k->by_done), cmp_done);
	for (i = 0; i < k->writes; i++) {
		struct write *w = &k->by_done[i];

		w->last_start = w->rec->start;
		if (i && w[-1].last_start > w->last_start)
			w->last_start = w[-1].last_start;
	}
}

static void print_rec(FILE *f, const struct rec *r)
{
	static const char *const names[] = {"read", "write", "expire"};

	fprintf(f, "  %12llu .. ", (unsigned long long)r->start);
	if (r->end == FOREVER)
		fprintf(f, "%12s", "unknown");
	else
		fprintf(f, "%12llu", (unsigned long long)r->end);
	fprintf(f, "  connection %2u %-6s ", r->conn, names[r->kind]);
	if (r->value == NIL)
		fprintf(f, "nil");
	else if (r->value == GARBAGE)
		fprintf(f, "bytes nobody wrote");
	else if (r->value & COUNTER_BIT)
		fprintf(f, "number %llu", (unsigned long long)(r->value & ~COUNTER_BIT));
	else
		fprintf(f, "#%llx", (unsigned long long)r->value);
	if (r->ttl_ms)
		fprintf(f, " for %u ms", r->ttl_ms);
	fputc('\n', f);
}

/* The read, the write it saw, and what happened to the key between the two. */
static void print_violation(FILE *f, const struct key_check *k, const struct rec *r,
			    const struct write *w, const char *what)
{
	uint64_t from = w ? w->rec->start : r->start;
	size_t i, shown = 0;

	fprintf(f, "violation on key %u: %s\n", r->key, what);
	print_rec(f, r);
	if (w) {
		fprintf(f, " its value was written by\n");
		print_rec(f, w->rec);
	}
	fprintf(f, " writes since then, the last ones first\n");
	for (i = k->writes; i-- && shown < 12;) {
		const struct rec *x = k->by_done[i].rec;

		if (x->start > r->end || x->end < from || (w && x == w->rec))
			continue;
		print_rec(f, x);
		shown++;
	}
}

/* The value's time to live was over when the read started. */
static bool outlived(const struct key_check *k, const struct rec *r, const struct write *w)
{
	uint64_t deadline = 0;
	size_t i;

	if (r->value == NIL || w->rec->end == FOREVER)
		return false;
	if (w->rec->ttl_ms)
		deadline = w->rec->end + w->rec->ttl_ms * 1000000ULL;
	for (i = 0; i < k->nexpires; i++) {
		const struct rec *e = k->expires[i];

		if (e->start < w->rec->start || e->start > r->end)
			continue;
		/* one that may have come before the write may not count for it */
		if (e->end == FOREVER || (!w->rec->ttl_ms && e->start <= w->done))
			return false;
		if (e->end + e->ttl_ms * 1000000ULL > deadline)
			deadline = e->end + e->ttl_ms * 1000000ULL;
	}
	return deadline && r->start > deadline + TTL_SLACK;
}

static const char *judge(const struct key_check *k, const struct rec *r, const struct write **ret_w)
{
	const struct write *before = last_before(k, r->start);
	uint64_t bound = before ? before->last_start : 0;

	*ret_w = find_writer(k, r->value, r->end);
	if (!*ret_w)
		return find_value(k, r->value) == k->writes ?
			"a value that was never written" : "a value from the future";
	if (r->own > bound)
		bound = r->own;
	if ((*ret_w)->group_done < bound)
		return "a value that had been overwritten before the read started";
	if (outlived(k, r, *ret_w))
		return "a value past its time to live";
	return NULL;
}

static size_t check_key(struct key_check *k, FILE *f)
{
	size_t i, bad = 0;

	index_key(k);
	for (i = 0; i < k->nreads; i++) {
		const struct write *w;
		const char *what = judge(k, k->reads[i], &w);

		if (what && bad++ < 3 && f)
			print_violation(f, k, k->reads[i], w, what);
	}
	return bad;
}

/* Sorts the records of one key into k, whose arrays have room for all. */
static void collect_key(struct key_check *k, struct rec *const *recs, size_t n)
{
	size_t i;

	k->writes = k->nreads = k->nexpires = 0;
	for (i = 0; i < n; i++) {
		if (recs[i]->kind == REC_READ)
			k->reads[k->nreads++] = recs[i];
		else if (recs[i]->kind == REC_EXPIRE)
			k->expires[k->nexpires++] = recs[i];
		else
			k->by_value[k->writes++] = (struct write){recs[i], recs[i]->end, 0, 0};
	}
}

/* Returns the number of wrong reads; the first few of each key are printed to f (may be NULL). */
static size_t history_check(const struct history *h, uint32_t nkeys, FILE *f)
{
	size_t *start = calloc(nkeys + 2, sizeof(*start)), i, bad = 0;
	struct rec **sorted = calloc(h->len + 1, sizeof(*sorted));
	struct key_check k = {
		.by_value = calloc(h->len + 1, sizeof(struct write)),
		.by_done = calloc(h->len + 1, sizeof(struct write)),
		.reads = calloc(h->len + 1, sizeof(struct rec *)),
		.expires = calloc(h->len + 1, sizeof(struct rec *)),
	};
	uint32_t key;

	if (!start || !sorted || !k.by_value || !k.by_done || !k.reads || !k.expires)
		abort();
	for (i = 0; i < h->len; i++)
		start[h->recs[i].key + 2]++;
	for (key = 2; key <= nkeys + 1; key++)
		start[key] += start[key - 1];
	for (i = 0; i < h->len; i++)
		sorted[start[h->recs[i].key + 1]++] = &h->recs[i];
	for (key = 0; key < nkeys; key++) {
		collect_key(&k, sorted + start[key], start[key + 1] - start[key]);
		bad += check_key(&k, bad < 8 ? f : NULL);
	}
	free(start);
	free(sorted);
	free(k.by_value);
	free(k.by_done);
	free(k.reads);
	free(k.expires);
	return bad;
}

#endif
