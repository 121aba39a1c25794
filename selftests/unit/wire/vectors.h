/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors: what a grammar must say to given bytes, in a text file next to it.
 *
 *	case NAME		starts a case; NAME is the rest of the line
 *	> "BYTES" [* N]		the client sends (N times); escapes: \r \n \t \0 \\ \" \xHH
 *	< "BYTES" [* N]		the server sends
 *	u "BYTES"		a UDP datagram from the client, on its own
 *	emit op=N nkeys=N	how that many kept replies are joined
 *	?			write down the session: a line that starts with "=" is expected
 *	anything else		a line that is expected, as feed.h writes it
 *	# text			a comment; empty lines are ignored
 *
 * At the end of a case `more` or `bad` is expected for the client's, then the
 * server's stream if it does not end between two messages. A datagram gives
 * the lines of its requests, or `bad`; emit gives head="..." tail="...".
 *
 * Every case runs once as it stands, and once for each way to cut each of its
 * sends in two, byte by byte, and with other bytes behind the window. What
 * comes out must be the same, the ends of the messages included.
 */
#ifndef PD_SELFTESTS_VECTORS_H
#define PD_SELFTESTS_VECTORS_H

#include <errno.h>
#include "feed.h"

#define VECTOR_BYTES	(1 << 21)
#define VECTOR_STEPS	64
#define VECTORS_MAX	1024

struct vector_step {
	char what;		/* '>', '<', 'u', 'e' or '?' */
	size_t off, len;	/* bytes, in vector.bytes */
	unsigned int op, nkeys;
};

struct vector {
	char *name;
	int line;
	__u8 *bytes;
	size_t len;
	struct vector_step steps[VECTOR_STEPS];
	unsigned int nsteps;
	char *expected;
	size_t expected_len;
};

struct vectors {
	struct vector v[VECTORS_MAX];
	unsigned int n;
	char error[1024];
};

static inline int vector_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a quoted string; advances *@p. Returns -1 at its end, -2 on an error. */
static inline int vector_char(const char **p)
{
	static const char from[] = "rnt0\\\"", to[] = "\r\n\t\0\\\"";
	const char *at;
	char c = *(*p)++;

	if (c == '"')
		return -1;
	if (c != '\\')
		return c ? (__u8)c : -2;
	c = *(*p)++;
	if (c == 'x') {
		int hi = vector_hex((*p)[0]), lo = hi < 0 ? -1 : vector_hex((*p)[1]);

		*p += lo < 0 ? 0 : 2;
		return lo < 0 ? -2 : hi * 16 + lo;
	}
	at = c ? strchr(from, c) : NULL;
	return at ? (__u8)to[at - from] : -2;
}

/* `"BYTES" [* N]` at @p, appended to @v. */
static inline int vector_bytes(struct vector *v, const char *p, struct vector_step *st)
{
	size_t once;
	long times = 1;
	int c;

	p += strspn(p, " \t");
	if (*p++ != '"')
		return -EINVAL;
	st->off = v->len;
	while ((c = vector_char(&p)) >= 0) {
		if (v->len >= VECTOR_BYTES)
			return -E2BIG;
		v->bytes[v->len++] = c;
	}
	if (c == -2)
		return -EINVAL;
	once = v->len - st->off;
	p += strspn(p, " \t");
	if (*p == '*')
		times = strtol(p + 1, NULL, 10);
	if (times < 1 || once * times > VECTOR_BYTES - v->len)
		return -E2BIG;
	for (long i = 1; i < times; i++, v->len += once)
		memcpy(v->bytes + v->len, v->bytes + st->off, once);
	st->len = v->len - st->off;
	return 0;
}

static inline int vector_expect(struct vector *v, const char *text)
{
	size_t n = strlen(text);
	char *p = realloc(v->expected, v->expected_len + n + 2);

	if (!p)
		return -ENOMEM;
	v->expected = p;
	memcpy(p + v->expected_len, text, n);
	memcpy(p + v->expected_len + n, "\n", 2);
	v->expected_len += n + 1;
	return 0;
}

/* A line inside a case. Sends that follow each other are one send. */
static inline int vector_line(struct vector *v, const char *line)
{
	struct vector_step *st = &v->steps[v->nsteps], *last = v->nsteps ? st - 1 : NULL;
	static char before;
	int r;

	if (strchr("><u?", line[0]) || !strncmp(line, "emit ", 5)) {
		if (v->nsteps == VECTOR_STEPS)
			return -E2BIG;
		memset(st, 0, sizeof(*st));
		st->what = line[0];
		if (line[0] == 'e') {
			r = sscanf(line, "emit op=%u nkeys=%u", &st->op, &st->nkeys);
			r = r == 2 ? 0 : -EINVAL;
		} else {
			r = line[0] == '?' ? 0 : vector_bytes(v, line + 1, st);
		}
		if (!r && last && before == line[0] && strchr("><", line[0]))
			last->len += st->len;
		else
			v->nsteps++;
		before = line[0];
		return r;
	}
	before = 0;
	return vector_expect(v, line);
}

static inline struct vector *vector_new(struct vectors *vs, const char *name, int line)
{
	struct vector *v = &vs->v[vs->n];

	if (vs->n == VECTORS_MAX)
		return NULL;
	memset(v, 0, sizeof(*v));
	v->line = line;
	v->name = strdup(name);
	v->bytes = malloc(VECTOR_BYTES);
	v->expected = strdup("");
	if (!v->name || !v->bytes || !v->expected)
		return NULL;
	vs->n++;
	return v;
}

/* Read the file at @path. Returns 0 or -errno; what is wrong is in vs->error. */
static inline int vectors_load(struct vectors *vs, const char *path)
{
	static char line[1 << 16];
	struct vector *v = NULL;
	int number = 0, r = 0;
	FILE *file = fopen(path, "re");

	memset(vs, 0, sizeof(*vs));
	if (!file) {
		r = -errno;
		snprintf(vs->error, sizeof(vs->error), "%s: %s", path, strerror(errno));
		return r;
	}
	while (!r && fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '#')
			continue;
		if (!strncmp(line, "case ", 5)) {
			v = vector_new(vs, line + 5, number);
			r = v ? 0 : -ENOMEM;
		} else {
			r = v ? vector_line(v, line) : -EINVAL;
		}
	}
	fclose(file);
	if (!r && !vs->n)
		r = -ENODATA;
	if (r)
		snprintf(vs->error, sizeof(vs->error), "%s:%d: %s", path, number, strerror(-r));
	return r;
}

static inline void vectors_free(struct vectors *vs)
{
	for (unsigned int i = 0; i < vs->n; i++) {
		free(vs->v[i].name);
		free(vs->v[i].bytes);
		free(vs->v[i].expected);
	}
	vs->n = 0;
}

/* How a case is run. */
struct vector_run {
	unsigned int step;	/* this step is cut in two */
	size_t cut;		/* behind so many bytes; 0 = nowhere */
	size_t chunk;		/* every step is sent in pieces of so many bytes; 0 = whole */
	__u32 load;
	__u8 poison;
	int offsets;
};

static inline void vector_emit(struct feed *f, const struct vector_step *st)
{
	struct wire_emit e = { .op = st->op, .nkeys = st->nkeys };

	if (!f->ops->emit) {
		feed_broken(f, "no emit");
		return;
	}
	f->ops->emit(&e);
	if (e.head_len > sizeof(e.head) || e.tail_len > sizeof(e.tail)) {
		feed_broken(f, "emit is too long");
		return;
	}
	f->key_len = 0;
	feed_quote(f, "head", e.head, e.head_len);
	feed_quote(f, "tail", e.tail, e.tail_len);
	feed_log(f, "%s\n", f->key_log + 1);
	f->key_len = 0;
	f->key_log[0] = 0;
}

/* A datagram: its frame, then requests to the end of it. */
static inline void vector_datagram(struct feed *f, const __u8 *p, size_t n)
{
	struct wire_step s;
	__u32 from = 0;
	int ev = WIRE_EV_BAD;

	f->load = WIRE_WIN - 32;
	if (f->ops->datagram && n <= f->load) {
		feed_window(f, &f->dir[FEED_CLIENT], p, n, &s);
		from = s.pos;
		ev = f->ops->datagram(f->win, &s);
		if (ev != WIRE_EV_BAD && (s.pos < from || s.pos > s.len))
			feed_broken(f, "a frame beyond its datagram");
	}
	if (ev == WIRE_EV_BAD || f->broken) {
		feed_log(f, "bad\n");
		return;
	}
	from = s.pos - from;
	feed_bytes(f, FEED_CLIENT, p + from, n - from);
}

static inline void vector_send(struct feed *f, enum feed_side side, const __u8 *p, size_t n,
			       size_t first, size_t chunk)
{
	if (first) {
		feed_bytes(f, side, p, first);
		p += first;
		n -= first;
	}
	while (chunk && n > chunk) {
		feed_bytes(f, side, p, chunk);
		p += chunk;
		n -= chunk;
	}
	feed_bytes(f, side, p, n);
}

/* Run a case; the outcome is in f->log and f->broken. */
static inline void vector_run(struct feed *f, const struct wire_ops *ops, const struct vector *v,
			      const struct vector_run *how)
{
	feed_init(f, ops);
	f->load = how->load ? how->load : 512;
	f->poison = how->poison;
	f->offsets = how->offsets;
	for (unsigned int i = 0; i < v->nsteps && !f->broken; i++) {
		const struct vector_step *st = &v->steps[i];

		switch (st->what) {
		case '>':
		case '<':
			vector_send(f, st->what == '>' ? FEED_CLIENT : FEED_SERVER,
				    v->bytes + st->off, st->len, how->step == i ? how->cut : 0,
				    how->chunk);
			break;
		case 'u':
			vector_datagram(f, v->bytes + st->off, st->len);
			break;
		case 'e':
			vector_emit(f, st);
			break;
		default:
			feed_session(f);
		}
	}
	feed_end(f, FEED_CLIENT);
	feed_end(f, FEED_SERVER);
	feed_free(f);
}

#endif
