/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests, by phase:
 *	MC_START -> [MC_LEAD ->] word, then by its shape (commands.def)
 *	GET, GAT:  keys, one token each; MC_KEYS until the end of the line
 *	one key:   the whole line in one token; when it does not fit into
 *		   PD_TOKEN_MAX, first word and key, then the rest (MC_ARGS)
 *	other:	   the line; what is too long for the window is passed over (MC_LINE)
 *	quiet mg:  these and the mn that ends them are one request (MC_QUIET),
 *		   because how many of them are answered cannot be known
 */
#ifndef PD_WIRE_MEMCACHED_REQUEST_H
#define PD_WIRE_MEMCACHED_REQUEST_H

#include "memcached_text.h"

enum mc_shape {
	MC_UNKNOWN = 0,
	MC_GET,			/* get key+ */
	MC_GETS,		/* the same, replies with the cas number */
	MC_GAT,			/* gat exptime key+ */
	MC_STORE,		/* set key flags exptime bytes [noreply] */
	MC_APPEND,		/* the same, leaves the exptime alone */
	MC_CAS,			/* cas key flags exptime bytes cas [noreply] */
	MC_ARITH,		/* incr key delta [noreply] */
	MC_TOUCH,		/* touch key exptime [noreply] */
	MC_DELETE,		/* delete key [0] [noreply] */
	MC_MG,			/* mg key flag* */
	MC_MS,			/* ms key bytes flag* */
	MC_MD,			/* md key flag*; ma key flag* */
	MC_MN,
	MC_FLUSH,		/* flush_all [delay] [noreply] */
	MC_LIMIT,		/* cache_memlimit size [noreply] */
	MC_VERBOSITY,		/* verbosity level [noreply] */
	MC_TUNE,		/* changes no data; noreply is possible, not where */
	MC_ADMIN,		/* may change data; noreply is possible, not where */
	MC_WATCH,
	/* from here on the word says all */
	MC_PEEK,		/* changes no data, always answered */
	MC_OTHER,		/* may change data, always answered */
	MC_QUIT,
};

enum mc_phase {
	MC_START = 0,
	MC_LEAD,		/* blanks before the command word */
	MC_KEYS,		/* more keys of a GET or GAT */
	MC_ARGS,		/* the line after its key */
	MC_LINE,		/* the rest of a line that needs no reading */
	MC_QUIET,		/* between quiet mg */
};

#define MC_OP_GET	1
#define MC_OP_GETS	2
#define MC_TAIL_MAX	160	/* longest rest of a line after its key */
#define MC_RELATIVE_MAX	(60 * 60 * 24 * 30)

WIRE_INLINE int mc_done(struct pd_parse *st, struct wire_step *s, __u32 pos, __u8 cls, __u8 flags)
{
	s->code = st->code;
	mc_clear(st);
	s->pos = pos;
	s->cls = cls;
	s->flags = flags;
	return WIRE_EV_DONE;
}

/* What exptime `v` (magnitude) means; memcached's clock ticks in seconds, hence one less. */
WIRE_INLINE void mc_ttl(struct wire_step *s, __u64 v, __u32 negative)
{
	s->ttl = 0;
	s->ttl_unit = WIRE_TTL_NONE;
	if (v == 0)
		return;
	s->ttl_unit = WIRE_TTL_MS;
	if (negative)
		return;
	if (v > MC_RELATIVE_MAX)
		s->ttl_unit = WIRE_TTL_AT_MS;
	s->ttl = (v - 1) * 1000;
}

/*
 * The command word at s->pos: its length in *n, or 16 when it is longer.
 * Returns 0, WIRE_EV_MORE or WIRE_EV_BAD.
 */
WIRE_INLINE int memcached_frame(const struct wire_win *w, struct wire_step *s, __u32 *n)
{
	__u32 avail = s->len - s->pos;
	__u8 c;

	if (s->pos >= s->len)
		return WIRE_EV_MORE;
	*n = mc_word(w, s, s->pos, 16);
	if (*n >= avail)
		return WIRE_EV_MORE;
	if (*n >= 16)
		return 0;
	c = W(w, s->pos + *n);
	if (c == ' ' || c == '\n')
		return 0;
	if (c != '\r')
		return WIRE_EV_BAD;
	if (*n + 1 >= avail)
		return WIRE_EV_MORE;
	return W(w, s->pos + *n + 1) == '\n' ? 0 : WIRE_EV_BAD;
}

/* The shape of the command whose word of n < 16 bytes starts at pos. */
WIRE_INLINE __u32 memcached_classify(const struct wire_win *w, struct wire_step *s, __u32 pos,
				     __u32 n)
{
	__u64 lo = mc_cut(mc_wide(w, pos), n);
	__u64 hi = n > 8 ? mc_cut(mc_wide(w, pos + 8), n - 8) : 0;
	__u32 shape = MC_UNKNOWN;

	if (0)
		;
#define COMMAND(word, id)	\
	else if (lo == MC_LO(word) && hi == MC_HI(word)) shape = MC_##id;
#include "commands.def"
#undef COMMAND
	return mc_forget(s, shape);
}

/*
 * The key at pos: s->key_off, s->key_len. 0, or WIRE_EV_MORE when its end is
 * not in the window, or WIRE_EV_BAD when it is too long for the server.
 */
WIRE_INLINE int memcached_key(const struct wire_win *w, struct wire_step *s, __u32 pos)
{
	__u32 n = mc_word(w, s, pos, 256);

	if (pos + n >= s->len && s->len - s->pos < PD_TOKEN_MAX)
		return WIRE_EV_MORE;
	if (n > WIRE_KEY_MAX || pos + n - s->pos >= PD_TOKEN_MAX)
		return WIRE_EV_BAD;
	s->key_off = pos;
	s->key_len = n;
	return 0;
}

/* Passes over the line from pos on; its class and code are kept in st. */
WIRE_INLINE int mc_line(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			__u32 pos, __u8 cls, __u16 code)
{
	__u32 n = mc_line_len(w, s, pos, 256);

	st->code = code;
	st->cls = cls;
	if (pos + n < s->len && n < 256)
		return mc_done(st, s, pos + n + 1, cls, code == MC_CODE_QUIT ? PD_REQ_NOREPLY : 0);
	st->phase = MC_LINE;
	s->pos = pos + n < s->len ? pos + n : s->len;
	return WIRE_EV_NEXT;
}

/* One key of a GET or GAT at pos, or the end of their line. touch: the GAT's exptime. */
WIRE_INLINE int mc_keys(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			__u32 shape, __u32 pos, const struct mc_num *touch)
{
	int ev = memcached_key(w, s, pos);
	__u32 end, eol;

	if (ev)
		return ev;
	end = pos + s->key_len;
	ev = s->key_len ? WIRE_EV_KEY : WIRE_EV_NEXT;
	s->ident_off = s->key_off;
	s->ident_len = s->key_len;
	if (W(w, end) == ' ')
		end += mc_blanks(w, end);
	else if (W(w, end) != '\n' && W(w, end) != '\r')
		return WIRE_EV_BAD;
	eol = mc_at_eol(w, s, end);
	if (eol == MC_EOL_NONE && W(w, end) == '\r')
		return WIRE_EV_BAD;
	if (eol == MC_EOL_CUT && end == s->pos)
		return WIRE_EV_MORE;
	s->cls = shape == MC_GAT ? PD_CLASS_WRITE : PD_CLASS_READ;
	s->op = shape == MC_GETS ? MC_OP_GETS : shape == MC_GET ? MC_OP_GET : 0;
	if (eol == MC_EOL_NONE || eol == MC_EOL_CUT) {
		st->row = shape;
		st->phase = MC_KEYS;
		st->aux = touch->v;
		st->sub = touch->negative;
		st->left |= ev;
		s->pos = end < s->len ? end : s->len;
		return ev;
	}
	if (!ev && !st->left) {	/* no key at all: an error, or nothing but END */
		s->cls = PD_CLASS_PEEK;
		s->op = 0;
	} else if (shape == MC_GAT) {
		mc_ttl(s, touch->v, touch->negative);
	}
	return ev | mc_done(st, s, end + eol, s->cls, 0);
}

/* The exptime of a GAT at *pos, which is set past it. 0, WIRE_EV_MORE or WIRE_EV_BAD. */
WIRE_INLINE int mc_gat(const struct wire_win *w, struct wire_step *s, __u32 *pos,
		       struct mc_num *touch)
{
	mc_number(w, s, *pos, touch);
	if (*pos + touch->n >= s->len)
		return WIRE_EV_MORE;
	if (!touch->ok || touch->v > MC_EXPTIME_MAX)
		return WIRE_EV_BAD;
	*pos += touch->n;
	*pos += mc_blanks(w, *pos);
	return *pos >= s->len ? WIRE_EV_MORE : 0;
}

/* set, cas and the like: WIRE_EV_BAD unless the server reads a data block. */
WIRE_INLINE int mc_store(struct pd_parse *st, struct wire_step *s, __u32 shape,
			 const struct mc_args *a)
{
	__u32 need = shape == MC_CAS ? 4 : 3;
	__u32 digits = shape == MC_CAS ? 0xf : 0x7;

	if (a->n != need && a->n != need + 1)
		return WIRE_EV_BAD;
	if ((a->digits & digits) != digits || (a->negative & digits & ~2U))
		return WIRE_EV_BAD;
	if (a->v[0] > 0xffffffffU || a->v[1] > MC_EXPTIME_MAX || a->v[2] > 0x7fffffffU - 2)
		return WIRE_EV_BAD;
	if (a->noreply)
		s->flags = PD_REQ_NOREPLY;
	if (shape != MC_APPEND)
		mc_ttl(s, a->v[1], a->negative & 2);
	st->skip = a->v[2] + 2;
	return 0;
}

/* Commands of one key, one number and noreply. */
WIRE_INLINE int mc_change(struct wire_step *s, __u32 shape, const struct mc_args *a)
{
	__u32 need = shape == MC_DELETE ? 0 : 1;

	if (a->n < need || a->n > 2)
		return WIRE_EV_BAD;
	if (shape == MC_TOUCH) {
		if (!(a->digits & 1) || a->v[0] > MC_EXPTIME_MAX)
			return WIRE_EV_BAD;
		mc_ttl(s, a->v[0], a->negative & 1);
	}
	if (!a->noreply)
		return 0;
	if (a->n == 2 && (!(a->digits & 1) || (shape == MC_DELETE && a->v[0])))
		return WIRE_EV_BAD;
	if (a->n == 1 && shape != MC_DELETE)
		return WIRE_EV_BAD;
	s->flags = PD_REQ_NOREPLY;
	return 0;
}

/* What the delay of flush_all means: it takes effect between ttl and one second after it. */
WIRE_INLINE void mc_delay(struct wire_step *s, __u64 v, __u32 negative)
{
	if (v == 0 || negative)
		return;
	s->ttl_unit = v > MC_RELATIVE_MAX ? WIRE_TTL_AT_MS : WIRE_TTL_MS;
	s->ttl = v > 1 ? (v - 2) * 1000 : 0;
}

/* Commands without a key. */
WIRE_INLINE int mc_admin(struct wire_step *s, __u32 shape, const struct mc_args *a)
{
	__u32 low = shape == MC_FLUSH ? 1 : 2;

	if (shape == MC_FLUSH && a->n > a->noreply) {
		if (!(a->digits & 1) || a->v[0] > MC_EXPTIME_MAX)
			return WIRE_EV_BAD;
		mc_delay(s, a->v[0], a->negative & 1);
	}
	if (!a->noreply)
		return 0;
	if (a->n < low || a->n > 2 || (a->n == 2 && !(a->digits & 1)))
		return WIRE_EV_BAD;
	s->flags = PD_REQ_NOREPLY;
	return 0;
}

/* What a line says from pos, after its key or its word, to end. */
WIRE_INLINE int mc_plain(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			 __u32 shape, __u32 pos, __u32 end)
{
	struct mc_args a = {};

	shape = mc_forget(s, shape);
	if (shape >= MC_TUNE) {
		s->cls = shape == MC_WATCH ? PD_CLASS_CONTROL :
			 shape == MC_TUNE ? PD_CLASS_PEEK : PD_CLASS_WRITE_ALL;
		s->code = 0;
		return mc_ends_noreply(w, end) ? WIRE_EV_BAD : 0;
	}
	if (mc_args(w, s, pos, end, &a))
		return WIRE_EV_BAD;
	s->cls = shape <= MC_DELETE ? PD_CLASS_WRITE :
		 shape == MC_VERBOSITY ? PD_CLASS_PEEK : PD_CLASS_WRITE_ALL;
	s->code = 0;
	if (shape <= MC_CAS)
		return mc_store(st, s, shape, &a);
	if (shape <= MC_DELETE)
		return mc_change(s, shape, &a);
	return mc_admin(s, shape, &a);
}

/* The same of a meta command. s->code becomes 1 if it is quiet. */
WIRE_INLINE int mc_meta(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			__u32 shape, __u32 pos, __u32 end)
{
	struct mc_num bytes = {};
	struct mc_flags f = {};

	if (shape == MC_MS) {
		pos += mc_blanks(w, pos);
		mc_number(w, s, pos, &bytes);
		pos += bytes.n;
		if (!bytes.ok || bytes.negative || bytes.v > 0x7fffffffU - 2 || pos > end)
			return WIRE_EV_BAD;
	}
	if (mc_flags(w, s, pos, end, &f))
		return WIRE_EV_BAD;
	s->cls = PD_CLASS_PEEK;
	s->code = !!(f.seen & MC_FLAG('q'));
	if (shape == MC_MG && !(f.seen & (MC_FLAG('T') | MC_FLAG('N') | MC_FLAG('R'))))
		return 0;
	if (s->code)
		return WIRE_EV_BAD;
	mc_ttl(s, f.ttl, f.negative);
	/* in base64 it is another key that is meant */
	s->cls = f.seen & MC_FLAG('b') ? PD_CLASS_WRITE_ALL : PD_CLASS_WRITE;
	if (shape == MC_MS)
		st->skip = bytes.v + 2;
	return 0;
}

/*
 * The line from pos, after its key, to its end. WIRE_EV_MORE when its end is
 * not in the token; otherwise WIRE_EV_BAD or 0, *end past the line, and s set.
 */
WIRE_INLINE int mc_rest(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			__u32 shape, __u32 pos, __u32 *end)
{
	__u32 n = mc_line_len(w, s, pos, MC_TAIL_MAX), stop = pos + n;

	if (stop >= s->len || (st->phase != MC_ARGS && stop >= s->pos + PD_TOKEN_MAX))
		return WIRE_EV_MORE;
	if (n >= MC_TAIL_MAX)
		return WIRE_EV_BAD;
	*end = stop + 1;
	if (n && W(w, stop - 1) == '\r')
		stop--;
	if (shape >= MC_MG && shape <= MC_MD)
		return mc_meta(w, st, s, shape, pos, stop);
	return mc_plain(w, st, s, shape, pos, stop);
}

/*
 * A command that needs its whole line, from pos on: after its key (s->key_off,
 * s->key_len), or after the word of a command without one.
 */
WIRE_INLINE int mc_whole(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			 __u32 shape, __u32 pos)
{
	int late = st->phase == MC_ARGS;
	__u32 end = 0;
	int ev;

	shape = mc_forget(s, shape);
	ev = mc_rest(w, st, s, shape, pos, &end);
	if (ev == WIRE_EV_MORE && s->len - s->pos >= PD_TOKEN_MAX) {
		if (st->phase >= MC_KEYS || shape > MC_MD)
			return WIRE_EV_BAD;
		st->row = shape;
		st->phase = MC_ARGS;
		s->cls = PD_CLASS_WRITE;
		s->pos = pos;
		return WIRE_EV_KEY;
	}
	if (ev)
		return ev;
	if (late)	/* the key was reported before the flags were known */
		return s->cls == PD_CLASS_WRITE_ALL || s->code ? WIRE_EV_BAD :
		       mc_done(st, s, end, PD_CLASS_WRITE, s->flags);
	if (shape <= MC_MD && s->code) {
		st->phase = MC_QUIET;
		s->pos = end;
		return WIRE_EV_NEXT;
	}
	if (st->phase == MC_QUIET)
		return WIRE_EV_BAD;
	st->code = shape == MC_WATCH ? MC_CODE_WATCH : 0;
	ev = s->cls == PD_CLASS_WRITE ? WIRE_EV_KEY : 0;
	return ev | mc_done(st, s, end, s->cls, s->flags);
}

/* A command that needs no more than its word, which ends at pos. */
WIRE_INLINE int mc_word_only(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			     __u32 shape, __u32 pos)
{
	__u8 cls = PD_CLASS_PEEK;
	__u16 code = 0;

	if (shape == MC_QUIT) {
		cls = PD_CLASS_CONTROL;
		code = MC_CODE_QUIT;
	} else if (shape == MC_UNKNOWN || shape == MC_OTHER) {
		cls = PD_CLASS_WRITE_ALL;
	} else if (st->phase == MC_QUIET) {
		code = MC_CODE_QUIET;
	}
	return mc_line(w, st, s, pos, cls, code);
}

/* Blanks before a command. */
WIRE_INLINE int mc_lead(const struct wire_win *w, struct pd_parse *st, struct wire_step *s)
{
	__u32 n = mc_blanks(w, s->pos);

	s->pos = s->pos + n < s->len ? s->pos + n : s->len;
	if (st->phase == MC_START)
		st->phase = MC_LEAD;
	return WIRE_EV_NEXT;
}

#define MC_WHOLE	0x100

/*
 * The command at s->pos. MC_WHOLE when what follows *pos, of shape *shape, has
 * to be read up to the line's end; otherwise WIRE_EV_*.
 */
WIRE_INLINE int mc_command(const struct wire_win *w, struct pd_parse *st, struct wire_step *s,
			   __u32 *shape, __u32 *pos)
{
	__u32 n = 0;
	int ev = memcached_frame(w, s, &n);

	if (ev)
		return ev;
	if (n == 0 && W(w, s->pos) == ' ')
		return mc_lead(w, st, s);
	if (W(w, s->pos) == 0x80)	/* the binary protocol */
		return WIRE_EV_BAD;
	*shape = n == 0 ? MC_PEEK :	/* an empty line is an error */
		 n < 16 ? memcached_classify(w, s, s->pos, n) : MC_UNKNOWN;
	*pos = s->pos + n;
	if (st->phase == MC_QUIET && *shape != MC_MG && *shape != MC_MN)
		return WIRE_EV_BAD;
	if (*shape == MC_UNKNOWN || *shape == MC_MN || *shape >= MC_PEEK)
		return mc_word_only(w, st, s, *shape, *pos);
	if (*shape > MC_MD)
		return MC_WHOLE;
	*pos += mc_blanks(w, *pos);
	if (*shape <= MC_GAT)
		return WIRE_EV_KEY;
	ev = memcached_key(w, s, *pos);
	if (ev)
		return ev;
	*pos += s->key_len;
	return s->key_len ? MC_WHOLE : WIRE_EV_BAD;
}

WIRE_INLINE int memcached_request(const struct wire_win *w, struct pd_parse *st,
				  const struct pd_session *ses, struct wire_step *s)
{
	struct mc_num touch = { .v = st->aux, .negative = st->sub };
	__u32 shape = st->row, pos = s->pos;
	int ev = MC_WHOLE;

	(void)ses;
	s->flags = 0;
	s->op = 0;
	s->ttl = 0;
	s->ttl_unit = WIRE_TTL_NONE;
	if (s->pos >= s->len)
		return WIRE_EV_MORE;
	if (st->phase == MC_LINE)
		return mc_line(w, st, s, pos, st->cls, st->code);
	if (st->phase != MC_ARGS && st->phase != MC_KEYS)
		ev = mc_command(w, st, s, &shape, &pos);
	else if (st->phase == MC_KEYS)
		ev = WIRE_EV_KEY;
	if (ev == MC_WHOLE)
		return mc_whole(w, st, s, shape, pos);
	if (ev != WIRE_EV_KEY)
		return ev;
	if (shape == MC_GAT && st->phase != MC_KEYS) {
		ev = mc_gat(w, s, &pos, &touch);
		if (ev)
			return ev;
	}
	return mc_keys(w, st, s, shape, pos, &touch);
}

#endif
