/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small engine in user space: feeds the two byte streams of a connection to
 * a grammar, in segments of any size, the way kern/ does it (one window at a
 * time, the incomplete token of a segment carried to the next), and writes
 * down what comes out, one line for each message:
 *
 *	CLASS [op=N] [code=0xN] [noreply] [queued] [end] [key="K"]... [ident="I"]
 *		[ttl=Nms|ttl=@Nms]
 *	KIND [cut=N]
 *	goes on			after a reply that did not end the transaction it was to end
 *
 * Every call is checked against the contract of proto/wire/wire.h; the first
 * breach is left in f->broken. What lies in the window beyond its length is
 * filled with f->poison: it must not matter.
 */
#ifndef PD_SELFTESTS_FEED_H
#define PD_SELFTESTS_FEED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops.h"

#define FEED_RING	256
#define FEED_LOG	(1 << 16)
#define FEED_TOKENS	65536

enum feed_side { FEED_CLIENT, FEED_SERVER };

struct feed_dir {
	struct pd_parse st;
	__u8 carry[PD_TOKEN_MAX];
	__u32 carry_len;
	__u64 at;		/* stream offset of the next token */
	int bad;
};

struct feed_item {
	__u8 cls, flags;
	__u16 code;
};

struct feed {
	const struct wire_ops *ops;
	struct feed_dir dir[2];
	struct pd_session ses;
	struct feed_item ring[FEED_RING];
	unsigned int head, tail;
	unsigned int keys;		/* of the present request */
	__u32 load;			/* bytes shown at once */
	__u8 poison;
	int offsets;			/* lines start with the offset of the message's end */
	const char *broken;
	struct wire_win *win;		/* on its own, so that a sanitizer sees its end */
	size_t key_len, log_len;
	char key_log[FEED_LOG];
	char log[FEED_LOG];
};

static inline void feed_printf(char *log, size_t *len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(log + *len, FEED_LOG - *len, fmt, ap);
	va_end(ap);
	if (n > 0)
		*len = *len + n < FEED_LOG ? *len + n : FEED_LOG - 1;
}

#define feed_log(f, ...)	feed_printf((f)->log, &(f)->log_len, __VA_ARGS__)
#define feed_key_log(f, ...)	feed_printf((f)->key_log, &(f)->key_len, __VA_ARGS__)

/* printf() of each byte would be most of what a fuzzer does. */
static inline void feed_key_byte(struct feed *f, __u8 c)
{
	if (f->key_len + 1 < FEED_LOG) {
		f->key_log[f->key_len++] = c;
		f->key_log[f->key_len] = 0;
	}
}

static inline void feed_quote(struct feed *f, const char *what, const __u8 *p, __u32 n)
{
	static const char hex[] = "0123456789abcdef";

	feed_key_log(f, " %s=\"", what);
	for (__u32 i = 0; i < n; i++) {
		if (p[i] >= 0x20 && p[i] <= 0x7e && p[i] != '"' && p[i] != '\\') {
			feed_key_byte(f, p[i]);
			continue;
		}
		feed_key_byte(f, '\\');
		if (p[i] == '\r' || p[i] == '\n') {
			feed_key_byte(f, p[i] == '\r' ? 'r' : 'n');
			continue;
		}
		feed_key_byte(f, 'x');
		feed_key_byte(f, hex[p[i] >> 4]);
		feed_key_byte(f, hex[p[i] & 15]);
	}
	feed_key_byte(f, '"');
}

static inline void feed_broken(struct feed *f, const char *why)
{
	if (!f->broken)
		f->broken = why;
}

/* A connection whose server and client have just met. @f need not be initialised. */
static inline void feed_init(struct feed *f, const struct wire_ops *ops)
{
	memset(f, 0, offsetof(struct feed, key_log));
	f->ops = ops;
	f->load = 512;
	f->ses.known = 1;
	f->ses.proven = 1;
	f->log[0] = 0;
	f->key_log[0] = 0;
	f->win = malloc(sizeof(*f->win));
	if (!f->win)
		abort();
}

static inline void feed_free(struct feed *f)
{
	free(f->win);
	f->win = NULL;
}

/* The grammar's part of @st is as at a message boundary, but for skip. */
static inline int feed_clear(const struct pd_parse *st)
{
	return !st->left && !st->arg && !st->row && !st->cls && !st->flags && !st->phase &&
	       !st->code && !st->aux && !st->num;
}

static inline void feed_check_key(struct feed *f, const struct wire_step *s, __u32 from)
{
	if (s->cls != PD_CLASS_READ && s->cls != PD_CLASS_WRITE)
		feed_broken(f, "a key of neither a read nor a write");
	if (!s->key_len || s->key_len > WIRE_KEY_MAX || s->key_off < from ||
	    s->key_off + s->key_len > s->pos)
		feed_broken(f, "a key outside its token");
	if (s->cls == PD_CLASS_READ &&
	    (s->ident_off != s->key_off || s->ident_len < s->key_len ||
	     s->ident_len > WIRE_IDENT_MAX || s->ident_off + s->ident_len > s->pos))
		feed_broken(f, "an identity that is not its request's");
}

static inline void feed_check_request(struct feed *f, const struct pd_parse *st,
				      const struct wire_step *s, int ev)
{
	if (!(ev & WIRE_EV_DONE))
		return;
	if (!feed_clear(st))
		feed_broken(f, "state is left behind a request");
	if (s->cls <= PD_CLASS_NONE || s->cls >= PD_CLASS_MAX)
		feed_broken(f, "no such class");
	if (s->op && (s->cls != PD_CLASS_READ || !f->keys))
		feed_broken(f, "an operation without a read's key");
	if (s->cls == PD_CLASS_WRITE && !f->keys)
		feed_broken(f, "a write without a key");
	if (s->ttl_unit > WIRE_TTL_AT_MS)
		feed_broken(f, "no such unit");
}

static inline void feed_check_reply(struct feed *f, const struct pd_parse *st,
				    const struct wire_step *s, __u32 from, int ev)
{
	if ((ev & WIRE_EV_KEY) && s->key_len &&
	    (s->key_off < from || s->key_off + s->key_len > s->pos))
		feed_broken(f, "a part's key outside its token");
	if ((ev & WIRE_EV_KEY) && !s->key_len && s->key_off >= WIRE_PARTS_MAX)
		feed_broken(f, "a part without a place");
	if (!(ev & WIRE_EV_DONE))
		return;
	if (!feed_clear(st))
		feed_broken(f, "state is left behind a reply");
	if (s->kind > WIRE_KIND_PART)
		feed_broken(f, "no such kind");
}

/* One call of the grammar, checked. */
static inline int feed_call(struct feed *f, enum feed_side side, struct wire_step *s)
{
	struct pd_parse *st = &f->dir[side].st, was = *st;
	__u32 from = s->pos, len = s->len;
	int ev;

	ev = side == FEED_CLIENT ? f->ops->request(f->win, st, &f->ses, s) :
				   f->ops->reply(f->win, st, &f->ses, s);
	if (s->len != len)
		feed_broken(f, "the window's length was changed");
	if (ev == WIRE_EV_BAD)
		return ev;
	if (ev == WIRE_EV_MORE) {
		if (memcmp(&was, st, sizeof(was)) || s->pos != from)
			feed_broken(f, "MORE changed something");
		if (len - from >= PD_TOKEN_MAX)
			feed_broken(f, "undecided over a whole token");
		return ev;
	}
	if (ev & ~(WIRE_EV_KEY | WIRE_EV_DONE))
		feed_broken(f, "no such event");
	if (s->pos <= from || s->pos > len)
		feed_broken(f, "no progress, or beyond the window");
	if ((ev & WIRE_EV_KEY) && side == FEED_CLIENT) {
		f->keys++;
		feed_check_key(f, s, from);
	}
	if (side == FEED_CLIENT)
		feed_check_request(f, st, s, ev);
	else
		feed_check_reply(f, st, s, from, ev);
	return ev;
}

static inline void feed_push(struct feed *f, const struct wire_step *s)
{
	struct feed_item *it = &f->ring[f->tail % FEED_RING];

	if (s->cls == PD_CLASS_CONTROL && s->ttl) {
		if (f->ses.next)
			f->ses.end = 1;
		f->ses.next = s->ttl;
	}
	if (s->flags & PD_REQ_NOREPLY) {
		if (s->cls == PD_CLASS_CONTROL)
			f->ses.opaque = f->ses.end = 1;
		return;
	}
	if (f->tail - f->head == FEED_RING)
		return;
	it->cls = s->cls;
	it->flags = s->flags;
	it->code = s->code;
	f->tail++;
}

static inline void feed_line(struct feed *f, enum feed_side side)
{
	struct feed_dir *d = &f->dir[side];

	if (f->offsets)
		feed_log(f, "@%llu ", (unsigned long long)(d->at + d->st.skip));
}

static inline void feed_request(struct feed *f, const struct wire_step *s)
{
	static const char *const names[] = {
		"none", "read", "peek", "write", "write_all", "control"
	};

	feed_line(f, FEED_CLIENT);
	feed_log(f, "%s", s->cls < PD_CLASS_MAX ? names[s->cls] : "?");
	if (s->op)
		feed_log(f, " op=%u", s->op);
	if (s->cls == PD_CLASS_CONTROL)
		feed_log(f, " code=0x%x", s->code);
	feed_log(f, "%s%s%s", s->flags & PD_REQ_NOREPLY ? " noreply" : "",
		 s->flags & PD_REQ_QUEUED ? " queued" : "", s->flags & PD_REQ_END ? " end" : "");
	feed_log(f, "%s", f->key_log);
	if (s->ttl_unit)
		feed_log(f, " ttl=%s%llums", s->ttl_unit == WIRE_TTL_AT_MS ? "@" : "",
			 (unsigned long long)s->ttl);
	feed_log(f, "\n");
	feed_push(f, s);
	f->keys = 0;
	f->key_len = 0;
	f->key_log[0] = 0;
}

static inline void feed_item(const struct feed *f, struct wire_step *s)
{
	const struct feed_item *it = &f->ring[f->head % FEED_RING];

	s->item_cls = PD_CLASS_NONE;
	s->item_flags = 0;
	s->item_code = 0;
	if (f->head == f->tail)
		return;
	s->item_cls = it->cls;
	s->item_flags = it->flags;
	s->item_code = it->code;
}

static inline void feed_reply(struct feed *f, struct wire_step *s)
{
	static const char *const names[] = { "value", "nil", "error", "queued", "push", "part" };

	feed_line(f, FEED_SERVER);
	feed_log(f, "%s", s->kind <= WIRE_KIND_PART ? names[s->kind] : "?");
	if (s->cut)
		feed_log(f, " cut=%u", s->cut);
	feed_log(f, "\n");
	if (s->kind == WIRE_KIND_PUSH || s->kind == WIRE_KIND_PART || f->head == f->tail)
		return;
	if (s->item_cls == PD_CLASS_CONTROL || s->kind == WIRE_KIND_QUEUED) {
		__u8 end = s->item_flags & PD_REQ_END;

		f->ops->settle(&f->ses, s);
		if (end && !(s->item_flags & PD_REQ_END))
			feed_log(f, "goes on\n");
	}
	f->head++;
}

/* Show the token at d->at: the carry, then as much of @data as there is. */
static inline void feed_window(struct feed *f, struct feed_dir *d, const __u8 *data, size_t n,
			       struct wire_step *s)
{
	__u32 lead = f->poison & 31, room = f->load - d->carry_len;
	__u32 m = n < room ? n : room;

	memset(f->win, f->poison, sizeof(*f->win));
	memset(s, f->poison, sizeof(*s));
	memcpy(f->win->b + lead, d->carry, d->carry_len);
	memcpy(f->win->b + lead + d->carry_len, data, m);
	s->pos = lead;
	s->len = lead + d->carry_len + m;
}

/* One token; returns how many bytes of @data it took, or -1 when it needs more. */
static inline ssize_t feed_token(struct feed *f, enum feed_side side, const __u8 *data, size_t n)
{
	struct feed_dir *d = &f->dir[side];
	struct wire_step s;
	__u32 from, used;
	int ev;

	feed_window(f, d, data, n, &s);
	from = s.pos;
	feed_item(f, &s);
	ev = feed_call(f, side, &s);
	if (ev == WIRE_EV_MORE) {
		if (n + d->carry_len > f->load || d->carry_len + n >= PD_TOKEN_MAX) {
			feed_broken(f, "MORE, though there is more");
			d->bad = 1;
			return n;
		}
		memcpy(d->carry + d->carry_len, data, n);
		d->carry_len += n;
		return -1;
	}
	if (ev == WIRE_EV_BAD || f->broken) {
		d->bad = 1;
		return n;
	}
	used = s.pos - from;
	d->at += used;
	if ((ev & WIRE_EV_KEY) && !s.key_len) {
		feed_log(f, "part %u\n", s.key_off);
	} else if (ev & WIRE_EV_KEY) {
		feed_quote(f, "key", f->win->b + s.key_off, s.key_len);
		if (s.cls == PD_CLASS_READ && s.ident_len != s.key_len)
			feed_quote(f, "ident", f->win->b + s.ident_off, s.ident_len);
	}
	if (ev & WIRE_EV_DONE) {
		if (side == FEED_CLIENT)
			feed_request(f, &s);
		else
			feed_reply(f, &s);
	}
	if (used < d->carry_len) {
		/* A token ended inside the carry: the bytes behind it stay there. */
		d->carry_len -= used;
		memmove(d->carry, d->carry + used, d->carry_len);
		return 0;
	}
	used -= d->carry_len;
	d->carry_len = 0;
	return used;
}

/* Pass over payload: what is in the carry, then up to @n bytes of the segment, and say how many. */
static inline __u32 feed_skip(struct feed_dir *d, size_t n)
{
	__u32 m = d->st.skip < d->carry_len ? d->st.skip : d->carry_len;

	d->st.skip -= m;
	d->at += m;
	d->carry_len -= m;
	memmove(d->carry, d->carry + m, d->carry_len);
	if (d->carry_len)
		return 0;
	m = d->st.skip < n ? d->st.skip : n;
	d->st.skip -= m;
	d->at += m;
	return m;
}

/* A segment of @n bytes. */
static inline void feed_bytes(struct feed *f, enum feed_side side, const __u8 *data, size_t n)
{
	struct feed_dir *d = &f->dir[side];
	unsigned int tokens = 0;

	while ((n || d->carry_len) && !d->bad) {
		ssize_t used;

		if (d->st.skip) {
			used = feed_skip(d, n);
			data += used;
			n -= used;
			continue;
		}
		used = feed_token(f, side, data, n);
		if (used < 0)
			return;
		data += used;
		n -= used;
		if (tokens++ > FEED_TOKENS)
			feed_broken(f, "too many tokens");
	}
}

/* Write down where a direction stands. */
static inline void feed_end(struct feed *f, enum feed_side side)
{
	struct feed_dir *d = &f->dir[side];

	if (d->bad)
		feed_log(f, "bad\n");
	else if (d->carry_len || d->st.skip || !feed_clear(&d->st))
		feed_log(f, "more\n");
}

/* Write down the session. */
static inline void feed_session(struct feed *f)
{
	const struct pd_session *s = &f->ses;

	feed_log(f, "= realm=0x%llx%s%s%s%s%s%s\n", (unsigned long long)s->realm,
		 s->known ? "" : " unknown", s->proven ? " proven" : "", s->block ? " block" : "",
		 s->end ? " end" : "", s->opaque ? " opaque" : "", s->next ? " next" : "");
}

#endif
