/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis (RESP2) and memcached (text), taken apart for client.h. */
#ifndef PD_ORACLE_REPLIES_H
#define PD_ORACLE_REPLIES_H

#include "client.h"

/*
 * All parsers: bytes used, 0 = more is needed, -1 = not this protocol. The
 * items point into buf.
 */

static inline const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', end - p);

	return nl && nl > p && nl[-1] == '\r' ? nl : NULL;
}

static long redis_item(const char *p, const char *end, struct item *it)
{
	const char *nl = line_end(p, end);
	long len;

	if (!nl)
		return 0;
	*it = (struct item){.type = *p, .data = p + 1, .len = nl - p - 2};
	switch (*p) {
	case '+':
	case '-':
		return nl + 1 - p;
	case ':':
		it->number = strtoull(p + 1, NULL, 10);
		return nl + 1 - p;
	case '$':
		len = strtol(p + 1, NULL, 10);
		if (len < 0) {
			it->type = 'n';
			return nl + 1 - p;
		}
		if (end - nl - 1 < len + 2)
			return 0;
		it->data = nl + 1;
		it->len = len;
		return nl[1 + len] == '\r' ? nl + 1 - p + len + 2 : -1;
	default:
		return -1;
	}
}

static inline long redis_reply(const char *buf, uint32_t len, struct reply *r)
{
	const char *p = buf, *end = buf + len, *nl;
	long n = 1, used, i;

	r->n = 0;
	r->null_array = false;
	if (len && *p == '*') {
		nl = line_end(p, end);
		if (!nl)
			return 0;
		n = strtol(p + 1, NULL, 10);
		p = nl + 1;
		if (n < 0) {
			r->null_array = true;
			return p - buf;
		}
		if (n > STEP_KEYS)
			return -1;
	}
	for (i = 0; i < n; i++, p += used) {
		used = p < end ? redis_item(p, end, &r->item[i]) : 0;
		if (used <= 0)
			return used;
		r->n++;
	}
	return p - buf;
}

static inline long memcached_line(const char *buf, uint32_t len, struct reply *r)
{
	static const struct {
		const char *text;
		char type;
	} table[] = {
		{"STORED\r", '+'}, {"NOT_STORED\r", '!'}, {"EXISTS\r", '!'}, {"DELETED\r", '+'},
		{"TOUCHED\r", '+'}, {"OK\r", '+'}, {"NOT_FOUND\r", 'n'}, {"VERSION ", '+'},
		{"ERROR", '-'}, {"CLIENT_ERROR", '-'}, {"SERVER_ERROR", '-'},
	};
	const char *nl = line_end(buf, buf + len);
	uint32_t i;

	if (!nl)
		return 0;
	r->n = 1;
	r->item[0] = (struct item){.data = buf, .len = nl - buf - 1};
	if (*buf >= '0' && *buf <= '9') {
		r->item[0].type = ':';
		r->item[0].number = strtoull(buf, NULL, 10);
		return nl + 1 - buf;
	}
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strncmp(buf, table[i].text, strlen(table[i].text))) {
			r->item[0].type = table[i].type;
			return nl + 1 - buf;
		}
	return -1;
}

/* VALUE <key> <flags> <bytes>[ <cas>]: which of the step's keys it is, and its length. */
static inline int value_head(const struct step *s, const char *p, uint32_t *ret_len)
{
	uint32_t key, flags, i;

	if (sscanf(p, "VALUE o:%u %u %u", &key, &flags, ret_len) != 3 || flags)
		return -1;
	for (i = 0; i < s->n; i++)
		if (s->key[i] == key)
			return i;
	return -1;
}

static inline long memcached_values(const struct step *s, const char *buf, uint32_t len,
				    struct reply *r)
{
	const char *p = buf, *end = buf + len, *nl;
	uint32_t i, size;
	int at;

	for (i = 0; i < s->n; i++)
		r->item[i] = (struct item){.type = 'n'};
	r->n = s->n;
	while (p < end && (nl = line_end(p, end))) {
		if (!strncmp(p, "END\r\n", 5))
			return p + 5 - buf;
		at = value_head(s, p, &size);
		if (at < 0 || r->item[at].type == '$')
			return -1;
		if (end - nl - 1 < (long)size + 2)
			return 0;
		r->item[at] = (struct item){.type = '$', .data = nl + 1, .len = size};
		if (memcmp(nl + 1 + size, "\r\n", 2))
			return -1;
		p = nl + 1 + size + 2;
	}
	return 0;
}

static inline long parse_reply(const struct client *c, const struct step *s, const char *buf,
			       uint32_t len, struct reply *r)
{
	if (c->type == C_REDIS)
		return redis_reply(buf, len, r);
	if (s->kind == ST_READ && strncmp(buf, "ERROR", len < 5 ? len : 5))
		return memcached_values(s, buf, len, r);
	return memcached_line(buf, len, r);
}

#endif
