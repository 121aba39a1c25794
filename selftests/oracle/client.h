/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client connection of the oracle: batches of requests, their replies,
 * and what they say about the history.
 */
#ifndef PD_ORACLE_CLIENT_H
#define PD_ORACLE_CLIENT_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "history.h"
#include "value.h"

#define KEYS_MAX	1024	/* of one store */
#define STEP_KEYS	4
#define STEPS_MAX	24
#define RX_ROOM		(1 << 20)
#define TX_ROOM		(1 << 17)

enum store { STORE_REDIS, STORE_MEMCACHED, STORES };
enum client_type { C_REDIS, C_MEMCACHED, C_MEMCACHED_UDP };

enum step_kind {
	ST_READ,	/* n keys */
	ST_WRITE,	/* n keys; the reply says whether it was done */
	ST_DELETE,
	ST_COUNT,	/* the reply is the new value */
	ST_EXPIRE,
	ST_FLUSH,
	ST_QUIET,	/* OK, QUEUED: tells nothing */
	ST_EXEC,	/* keys written (value != 0) or read, in order */
};

struct step {
	uint8_t kind, n;
	bool silent;		/* no reply comes (noreply) */
	uint32_t key[STEP_KEYS];
	uint64_t value[STEP_KEYS];
	uint32_t ttl_ms;
	uint32_t ttl_early_ms;	/* it may end so much before its time */
};

/* A reply, flattened: items of an array, one per key of a memcached get. */
struct item {
	char type;		/* + ok, ! not done, n nil, : number, $ value, - error */
	const char *data;
	uint32_t len;
	uint64_t number;
};

struct reply {
	struct item item[STEP_KEYS + 1];
	uint32_t n;
	bool null_array;
};

struct client {
	enum client_type type;
	int fd;
	uint8_t id;
	uint16_t datagram;
	struct step steps[STEPS_MAX];
	uint32_t nsteps, next;
	uint64_t start;
	char *tx, *rx;
	uint32_t tx_len, rx_len;
	uint32_t frames_got;	/* UDP: datagrams of the reply */
	uint64_t own[KEYS_MAX];		/* per key: start of the last acknowledged write */
	const char *where;
};

struct worker {
	struct history history;
	uint64_t rng;
	uint64_t reads, read_keys, writes, errors, lost;
	struct client **clients;
	uint32_t nclients;
};

static uint32_t nkeys = 64;
static bool udp_single;	/* UDP reads ask for one key */
static _Atomic uint32_t next_id = 1;
static _Atomic uint64_t ttl_turn[STORES][KEYS_MAX];

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline uint32_t pick(struct worker *w, uint32_t n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (w->rng >> 16) % n;
}

static inline enum store store_of(const struct client *c)
{
	return c->type == C_REDIS ? STORE_REDIS : STORE_MEMCACHED;
}

/* Of sixteen keys, two are counters and one is used with times to live. */
static inline bool is_counter(uint32_t key)
{
	return key % 8 == 6;
}

static inline bool is_ttl(uint32_t key)
{
	return key % 16 == 15;
}

static inline uint32_t global_key(const struct client *c, uint32_t key)
{
	return store_of(c) * nkeys + key;
}

static inline void record(struct worker *w, const struct client *c, struct rec r)
{
	r.key = global_key(c, r.key);
	r.conn = c->id;
	r.start = r.start ? r.start : c->start;
	history_add(&w->history, r);
}

static inline void record_write(struct worker *w, struct client *c, const struct step *s,
				uint32_t i, uint64_t end)
{
	record(w, c, (struct rec){.kind = REC_WRITE, .key = s->key[i], .value = s->value[i],
				  .ttl_ms = s->ttl_ms, .end = end});
	if (s->ttl_ms)	/* from then on the key may be gone */
		record(w, c, (struct rec){.kind = REC_WRITE, .key = s->key[i], .value = NIL,
			       .start = c->start + (s->ttl_ms - s->ttl_early_ms) * 1000000ULL,
			       .end = FOREVER});
	if (end != FOREVER && c->type != C_MEMCACHED_UDP)
		c->own[s->key[i]] = c->start;
	w->writes++;
}

static inline void record_expire(struct worker *w, struct client *c, const struct step *s,
				 uint64_t end)
{
	record(w, c, (struct rec){.kind = REC_EXPIRE, .key = s->key[0], .ttl_ms = s->ttl_ms,
				  .end = end});
	record(w, c, (struct rec){.kind = REC_WRITE, .key = s->key[0], .value = NIL,
		       .start = c->start + (s->ttl_ms - s->ttl_early_ms) * 1000000ULL,
		       .end = FOREVER});
}

static inline void record_flush(struct worker *w, struct client *c, uint64_t end)
{
	struct step s = {.n = 1};
	uint32_t key;

	for (key = 0; key < nkeys; key++) {
		s.key[0] = key;
		record_write(w, c, &s, 0, end);
	}
}

static inline uint64_t value_of(const struct item *it, uint32_t key)
{
	uint64_t n = 0;
	uint32_t i;

	if (it->type == 'n')
		return NIL;
	if (!is_counter(key)) {
		i = value_writer(it->data, it->len);
		return i ? i : GARBAGE;
	}
	for (i = 0; i < it->len; i++) {
		if (it->data[i] < '0' || it->data[i] > '9')
			return GARBAGE;
		n = n * 10 + it->data[i] - '0';
	}
	return it->len && it->len < 19 ? n | COUNTER_BIT : GARBAGE;
}

static inline void record_read(struct worker *w, const struct client *c, uint32_t key,
			       const struct item *it, uint64_t end)
{
	uint64_t value = value_of(it, key);

	if (value == GARBAGE)
		fprintf(stderr, "oracle: key %u: bytes nobody wrote: \"%.*s\"\n", key,
			it->len > 200 ? 200 : (int)it->len, it->data);
	record(w, c, (struct rec){.kind = REC_READ, .key = key, .value = value, .end = end,
				  .own = c->type == C_MEMCACHED_UDP ? 0 : c->own[key]});
	w->read_keys++;
}

static inline bool unexpected(struct worker *w, const struct client *c, const struct step *s,
			      const struct item *it)
{
	if (w->errors++ < 5)
		fprintf(stderr, "oracle: %s connection %u: unexpected reply '%c' \"%.*s\" "
			"to a step of kind %u\n", c->where, c->id, it->type ? it->type : '?',
			it->data ? (it->len > 100 ? 100 : (int)it->len) : 0,
			it->data ? it->data : "", s->kind);
	return false;
}

static inline bool apply_exec(struct worker *w, struct client *c, struct step *s,
			      const struct reply *r, uint64_t now)
{
	uint32_t i;

	if (r->null_array)
		return true;	/* a watched key had changed: nothing was done */
	if (r->n != s->n)
		return unexpected(w, c, s, &r->item[0]);
	for (i = 0; i < s->n; i++) {
		if (s->value[i] && r->item[i].type == '+')
			record_write(w, c, s, i, now);
		else if (!s->value[i] && strchr("n$", r->item[i].type))
			record_read(w, c, s->key[i], &r->item[i], now);
		else
			return unexpected(w, c, s, &r->item[i]);
	}
	return true;
}

/* Enters what one reply tells into the history. False: the reply cannot be right. */
static inline bool apply(struct worker *w, struct client *c, struct step *s,
			 const struct reply *r, uint64_t now)
{
	const struct item *it = &r->item[0];
	uint32_t i;

	switch (s->kind) {
	case ST_READ:
		if (r->n != s->n)
			return unexpected(w, c, s, it);
		for (i = 0; i < s->n; i++) {
			if (!strchr("n$", it[i].type))
				return unexpected(w, c, s, &it[i]);
			record_read(w, c, s->key[i], &it[i], now);
		}
		return true;
	case ST_WRITE:
		if (it->type != '+' && it->type != '!' && it->type != ':')
			return unexpected(w, c, s, it);
		for (i = 0; it->type != '!' && i < s->n; i++)
			record_write(w, c, s, i, now);
		return true;
	case ST_DELETE:
		if (it->type != '+' && it->type != 'n' && it->type != ':')
			return unexpected(w, c, s, it);
		record_write(w, c, s, 0, now);
		return true;
	case ST_COUNT:
		if (it->type == 'n')
			return true;
		if (it->type != ':')
			return unexpected(w, c, s, it);
		s->value[0] = it->number | COUNTER_BIT;
		record_write(w, c, s, 0, now);
		return true;
	case ST_EXPIRE:
		if (it->type == '+' || (it->type == ':' && it->number == 1))
			record_expire(w, c, s, now);
		else if (it->type != 'n' && it->type != ':')
			return unexpected(w, c, s, it);
		return true;
	case ST_FLUSH:
		if (it->type != '+')
			return unexpected(w, c, s, it);
		record_flush(w, c, now);
		return true;
	case ST_EXEC:
		return apply_exec(w, c, s, r, now);
	default:
		return it->type == '+' || unexpected(w, c, s, it);
	}
}

/* The reply will not come: a write may take effect at any time from its start on. */
static inline void apply_lost(struct worker *w, struct client *c, struct step *s)
{
	uint32_t i;

	switch (s->kind) {
	case ST_WRITE:
	case ST_DELETE:
		for (i = 0; i < s->n; i++)
			record_write(w, c, s, i, FOREVER);
		break;
	case ST_EXPIRE:
		record_expire(w, c, s, FOREVER);
		break;
	case ST_FLUSH:
		record_flush(w, c, FOREVER);
		break;
	case ST_EXEC:
		for (i = 0; i < s->n; i++)
			if (s->value[i])
				record_write(w, c, s, i, FOREVER);
		break;
	default:	/* a lost count has an unknown value; over TCP it is an error anyway */
		break;
	}
}

#endif
