/* SPDX-License-Identifier: Apache-2.0 */
/* What the oracle's connections ask for: batches of requests, chosen at random. */
#ifndef PD_ORACLE_REQUESTS_H
#define PD_ORACLE_REQUESTS_H

#include <stdarg.h>

#include "client.h"

/* Shares per thousand batches; the rest are writes. */
struct mix {
	uint32_t reads;
	uint32_t flush_in;	/* one flush in so many batches */
};

#define TTL_PAUSE	700000000ULL	/* between two writes of a key with a time to live */

static inline void put(struct client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->tx_len += vsnprintf(c->tx + c->tx_len, TX_ROOM - c->tx_len, fmt, ap);
	va_end(ap);
	if (c->tx_len >= TX_ROOM)
		abort();
}

static inline struct step *add_step(struct client *c, enum step_kind kind, uint32_t key)
{
	struct step *s = &c->steps[c->nsteps++];

	*s = (struct step){.kind = kind, .n = 1, .key = {key}};
	return s;
}

static inline uint32_t value_size(struct worker *w, const struct client *c)
{
	if (pick(w, 100) < 5)
		return pick(w, c->type == C_MEMCACHED_UDP ? 1000 : 3900);
	return pick(w, 120);
}

/* A fresh value for the key; *ret_value is what the history calls it. */
static inline uint32_t fresh(struct worker *w, const struct client *c, uint32_t key, char *out,
			     uint64_t *ret_value)
{
	uint32_t id = next_id++;

	if (!is_counter(key)) {
		*ret_value = id;
		return piece_make(out, id, value_size(w, c));
	}
	*ret_value = (uint64_t)id << 20 | COUNTER_BIT;
	return sprintf(out, "%llu", (unsigned long long)id << 20);
}

static inline void put_bulk(struct client *c, const char *data, uint32_t len)
{
	put(c, "$%u\r\n", len);
	memcpy(c->tx + c->tx_len, data, len);
	c->tx_len += len;
	put(c, "\r\n");
}

static inline void put_key(struct client *c, uint32_t key)
{
	char name[16];

	put_bulk(c, name, sprintf(name, "o:%u", key));
}

static inline uint32_t read_key(struct worker *w)
{
	return pick(w, nkeys);
}

/* Most writes go to a quarter of the keys, so that others stay unwritten for a while. */
static inline uint32_t write_key(struct worker *w)
{
	return pick(w, 100) < 85 ? pick(w, nkeys / 4) : pick(w, nkeys);
}

static inline uint32_t register_key(struct worker *w)
{
	uint32_t key = write_key(w);

	return is_counter(key) || is_ttl(key) ? key - 3 : key;
}

/* Keys with a time to live are written so seldom that it can run out. */
static inline bool take_ttl_turn(const struct client *c, uint32_t key)
{
	_Atomic uint64_t *turn = &ttl_turn[store_of(c)][key];
	uint64_t last = *turn, now = now_ns();

	return now - last > TTL_PAUSE && atomic_compare_exchange_strong(turn, &last, now);
}

static inline void redis_get(struct client *c, uint32_t key)
{
	add_step(c, ST_READ, key);
	put(c, "*2\r\n$3\r\nGET\r\n");
	put_key(c, key);
}

static inline void redis_mget(struct worker *w, struct client *c)
{
	struct step *s = add_step(c, ST_READ, 0);
	uint32_t i;

	s->n = 2 + pick(w, 3);
	put(c, "*%u\r\n$4\r\nMGET\r\n", s->n + 1);
	for (i = 0; i < s->n; i++) {
		s->key[i] = read_key(w);
		put_key(c, s->key[i]);
	}
}

static inline void redis_set(struct worker *w, struct client *c, uint32_t key, enum step_kind kind)
{
	struct step *s = add_step(c, kind, key);
	char value[PIECE_MAX];
	uint32_t len = fresh(w, c, key, value, &s->value[0]);

	put(c, "*3\r\n$3\r\nSET\r\n");
	put_key(c, key);
	put_bulk(c, value, len);
}

static inline void redis_mset(struct worker *w, struct client *c)
{
	struct step *s = add_step(c, ST_WRITE, 0);
	uint32_t i, first = register_key(w), len;
	char value[PIECE_MAX];

	s->n = 3;
	put(c, "*7\r\n$4\r\nMSET\r\n");
	for (i = 0; i < 3; i++) {
		s->key[i] = (first + i * 8) % nkeys;
		len = fresh(w, c, s->key[i], value, &s->value[i]);
		put_key(c, s->key[i]);
		put_bulk(c, value, len);
	}
}

static inline void redis_append(struct worker *w, struct client *c, uint32_t key)
{
	struct step *s = add_step(c, ST_WRITE, key);
	char value[PIECE_MAX];
	uint32_t id = next_id++;

	s->value[0] = id;
	put(c, "*3\r\n$6\r\nAPPEND\r\n");
	put_key(c, key);
	put_bulk(c, value, piece_make(value, id, pick(w, 30)));
}

static inline void redis_ttl(struct worker *w, struct client *c, uint32_t key)
{
	struct step *s;
	char value[PIECE_MAX];
	uint32_t len;

	if (pick(w, 3) == 0) {
		s = add_step(c, ST_EXPIRE, key);
		s->ttl_ms = 1000;
		put(c, "*3\r\n$6\r\nEXPIRE\r\n");
		put_key(c, key);
		put(c, "$1\r\n1\r\n");
	} else if (pick(w, 4)) {
		s = add_step(c, ST_WRITE, key);
		s->ttl_ms = 300;
		len = fresh(w, c, key, value, &s->value[0]);
		put(c, "*5\r\n$3\r\nset\r\n");
		put_key(c, key);
		put_bulk(c, value, len);
		put(c, "$2\r\nPX\r\n$3\r\n300\r\n");
	} else {
		redis_set(w, c, key, ST_WRITE);
		return;
	}
	s->ttl_early_ms = 5;
}

static inline void redis_write(struct worker *w, struct client *c)
{
	uint32_t key = write_key(w), x = pick(w, 100);

	if (is_ttl(key) && take_ttl_turn(c, key)) {
		redis_ttl(w, c, key);
		return;
	}
	if (is_ttl(key))
		key -= 1;
	if (is_counter(key) && x < 80) {
		add_step(c, ST_COUNT, key);
		put(c, "*2\r\n$4\r\nINCR\r\n");
		put_key(c, key);
	} else if (x < 15) {
		add_step(c, ST_DELETE, key);
		put(c, "*2\r\n$3\r\nDEL\r\n");
		put_key(c, key);
	} else if (x < 30 && !is_counter(key)) {
		redis_append(w, c, key);
	} else if (x < 40) {
		redis_mset(w, c);
	} else {
		redis_set(w, c, key, ST_WRITE);
	}
}

/* MULTI, one or two writes and a read, EXEC; with WATCH and a read before it now and then. */
static inline void redis_multi(struct worker *w, struct client *c)
{
	struct step *s, exec = {.kind = ST_EXEC};
	uint32_t key = register_key(w), i, n = 1 + pick(w, 2);

	if (pick(w, 4) == 0) {
		add_step(c, ST_QUIET, 0);
		put(c, "*2\r\n$5\r\nWATCH\r\n");
		put_key(c, key);
		redis_get(c, key);
	}
	add_step(c, ST_QUIET, 0);
	put(c, "*1\r\n$5\r\nMULTI\r\n");
	for (i = 0; i < n; i++) {
		redis_set(w, c, key, ST_QUIET);
		s = &c->steps[c->nsteps - 1];
		exec.key[exec.n] = key;
		exec.value[exec.n++] = s->value[0];
		key = register_key(w);
	}
	redis_get(c, key);
	c->steps[c->nsteps - 1].kind = ST_QUIET;
	exec.key[exec.n++] = key;
	put(c, "*1\r\n$4\r\nEXEC\r\n");
	c->steps[c->nsteps++] = exec;
}

static inline void redis_flush(struct client *c)
{
	add_step(c, ST_FLUSH, 0);
	put(c, "*1\r\n$8\r\nFLUSHALL\r\n");
}

static inline void redis_batch(struct worker *w, struct client *c, const struct mix *m)
{
	uint32_t x = pick(w, 1000), i, n;

	if (pick(w, m->flush_in) == 0) {
		redis_flush(c);
	} else if (pick(w, 1000) < m->reads) {
		n = x < 6 ? 2 + pick(w, 5) : 1;
		for (i = 0; i < n; i++)
			if (x < 16 && n == 1)
				redis_mget(w, c);
			else
				redis_get(c, read_key(w));
	} else if (x < 30) {
		redis_multi(w, c);
	} else if (x < 70) {
		n = 2 + pick(w, 6);
		for (i = 0; i < n; i++)
			if (pick(w, 2))
				redis_write(w, c);
			else
				redis_get(c, write_key(w));
	} else {
		redis_write(w, c);
	}
}

static inline void mc_get(struct worker *w, struct client *c, uint32_t n)
{
	struct step *s = add_step(c, ST_READ, 0);
	uint32_t i;

	s->n = n;
	put(c, pick(w, 20) ? "get" : "gets");
	for (i = 0; i < n; i++) {
		/* different keys: the reply names each once */
		s->key[i] = i ? (s->key[i - 1] + 1 + pick(w, 5)) % nkeys : read_key(w);
		put(c, " o:%u", s->key[i]);
	}
	put(c, "\r\n");
}

static inline void mc_get_key(struct client *c, uint32_t key)
{
	add_step(c, ST_READ, key);
	put(c, "get o:%u\r\n", key);
}

static inline struct step *mc_store(struct worker *w, struct client *c, uint32_t key,
				    const char *verb, uint32_t ttl, bool silent)
{
	struct step *s = add_step(c, ST_WRITE, key);
	char value[PIECE_MAX];
	uint32_t len = fresh(w, c, key, value, &s->value[0]);

	s->silent = silent;
	put(c, "%s o:%u 0 %u %u%s\r\n", verb, key, ttl, len, silent ? " noreply" : "");
	memcpy(c->tx + c->tx_len, value, len);
	c->tx_len += len;
	put(c, "\r\n");
	return s;
}

/*
 * Seconds of memcached end up to two seconds early: a time to live counts from
 * its clock, which is up to a second behind, and a late tick of that clock skips one.
 */
static inline void mc_ttl(struct worker *w, struct client *c, uint32_t key)
{
	struct step *s;

	if (pick(w, 3)) {
		s = mc_store(w, c, key, "set", 3, false);
	} else {
		s = add_step(c, ST_EXPIRE, key);
		put(c, "touch o:%u 3\r\n", key);
	}
	s->ttl_ms = 3000;
	s->ttl_early_ms = 2100;
}

static inline void mc_write(struct worker *w, struct client *c)
{
	uint32_t key = write_key(w), x = pick(w, 100);
	bool udp = c->type == C_MEMCACHED_UDP;

	if (is_ttl(key) && take_ttl_turn(c, key)) {
		mc_ttl(w, c, key);
		return;
	}
	if (is_ttl(key))
		key -= 1;
	if (is_counter(key) && !udp && x < 80) {
		add_step(c, ST_COUNT, key);
		put(c, "incr o:%u 1\r\n", key);
	} else if (x < 15) {
		add_step(c, ST_DELETE, key);
		put(c, "delete o:%u\r\n", key);
	} else if (x < 25) {
		mc_store(w, c, key, "add", 0, false);
	} else if (x < 35 && !is_counter(key)) {
		mc_store(w, c, key, "append", 0, false);
	} else if (x < 45 && !udp) {
		mc_store(w, c, key, "set", 0, true);
		mc_get_key(c, pick(w, 2) ? key : read_key(w));
	} else {
		mc_store(w, c, key, "set", 0, false);
	}
}

static inline void mc_batch(struct worker *w, struct client *c, const struct mix *m)
{
	uint32_t x = pick(w, 1000), i, n;
	bool udp = c->type == C_MEMCACHED_UDP;

	/* not over UDP: the datagram may come again, so nothing is kept for a second after it */
	if (!udp && pick(w, m->flush_in) == 0) {
		add_step(c, ST_FLUSH, 0);
		put(c, "flush_all\r\n");
	} else if (pick(w, 1000) < m->reads) {
		n = !udp && x < 6 ? 2 + pick(w, 5) : 1;
		for (i = 0; i < n; i++)
			mc_get(w, c, x < 25 && !(udp && udp_single) ? 2 + pick(w, 3) : 1);
	} else if (x < 60 && !udp) {
		n = 2 + pick(w, 6);
		for (i = 0; i < n; i++)
			if (pick(w, 2))
				mc_write(w, c);
			else
				mc_get_key(c, write_key(w));
	} else {
		mc_write(w, c);
	}
}

/* Makes the next batch of a client. Returns the number of operations in it. */
static inline uint32_t make_batch(struct worker *w, struct client *c, const struct mix *m)
{
	uint32_t i, ops = 0;

	c->tx_len = c->nsteps = c->next = 0;
	if (c->type == C_MEMCACHED_UDP) {
		c->datagram++;
		memcpy(c->tx, (char[]){c->datagram >> 8, c->datagram, 0, 0, 0, 1, 0, 0}, 8);
		c->tx_len = 8;
	}
	if (c->type == C_REDIS)
		redis_batch(w, c, m);
	else
		mc_batch(w, c, m);
	for (i = 0; i < c->nsteps; i++) {
		ops += c->steps[i].kind != ST_QUIET;
		w->reads += c->steps[i].kind == ST_READ;
	}
	return ops;
}

#endif
