/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pairs: a key-value protocol of lines, small enough to show all of a grammar.
 *
 *	GET key\n		=value\n or !\n (no such key)
 *	PUT key value\n		+\n
 *	DROP key\n		+\n
 *	COUNT\n			=number\n
 *	anything else\n		?\n
 *
 * A key holds no blank. No line is longer than PAIRS_LINE bytes; the server
 * closes a connection that sends one.
 */
#ifndef PD_PAIRS_H
#define PD_PAIRS_H

#include "proto/wire/wire.h"

#define PAIRS_LINE	256	/* bytes, with the newline */
#define PAIRS_OP_GET	1

/*
 * Offset from `from` of the first `a` or `b` before `to`; to - from when there
 * is none. The result goes through memory (a field that is written anyway
 * before it counts): so the verifier forgets which round of the loop found it,
 * and follows what comes after once, not once for each round.
 */
WIRE_INLINE __u32 pairs_find(const struct wire_win *w, struct wire_step *s, __u32 from, __u32 to,
			     __u8 a, __u8 b)
{
	volatile __u16 *found = &s->ident_len;
	__u32 i;

	for (i = 0; i < PAIRS_LINE; i++) {
		__u8 c = W(w, from + i);

		if (from + i >= to || c == a || c == b)
			break;
	}
	*found = i;
	return *found;
}

/* Length of the line that starts the window's unread part; 0 when its newline is not there yet. */
WIRE_INLINE __u32 pairs_line(const struct wire_win *w, struct wire_step *s)
{
	__u32 n = pairs_find(w, s, s->pos, s->len, '\n', '\n');

	return n < PAIRS_LINE && n < s->len - s->pos ? n + 1 : 0;
}

/* What the next call needs when pairs_line() found nothing. */
WIRE_INLINE int pairs_short(const struct wire_step *s)
{
	return s->len - s->pos >= PAIRS_LINE ? WIRE_EV_BAD : WIRE_EV_MORE;
}

/* Does the line start with this word of four bytes? */
WIRE_INLINE int pairs_word(const struct wire_win *w, __u32 pos, const char *word)
{
	return W(w, pos) == word[0] && W(w, pos + 1) == word[1] && W(w, pos + 2) == word[2] &&
	       W(w, pos + 3) == word[3];
}

/*
 * What the line does, and where its key starts (0: it names none). A line the
 * server might execute and that is not known here may change anything.
 */
WIRE_INLINE __u32 pairs_classify(const struct wire_win *w, struct wire_step *s)
{
	__u32 pos = s->pos;

	s->op = 0;
	s->cls = PD_CLASS_WRITE_ALL;
	if (pairs_word(w, pos, "GET ")) {
		s->cls = PD_CLASS_READ;
		s->op = PAIRS_OP_GET;
		return 4;
	}
	if (pairs_word(w, pos, "PUT ")) {
		s->cls = PD_CLASS_WRITE;
		return 4;
	}
	if (pairs_word(w, pos, "DROP") && W(w, pos + 4) == ' ') {
		s->cls = PD_CLASS_WRITE;
		return 5;
	}
	if (pairs_word(w, pos, "COUN") && W(w, pos + 4) == 'T' && W(w, pos + 5) == '\n')
		s->cls = PD_CLASS_PEEK;
	return 0;
}

/* One request is one line, and one token. */
WIRE_INLINE int pairs_request(const struct wire_win *w, struct pd_parse *st,
			      const struct pd_session *ses, struct wire_step *s)
{
	__u32 line = pairs_line(w, s), pos = s->pos, off, key;

	(void)st;
	(void)ses;
	if (!line)
		return pairs_short(s);
	s->flags = 0;
	s->code = 0;
	s->ttl_unit = WIRE_TTL_NONE;
	off = pairs_classify(w, s);
	s->pos = pos + line;
	if (!off)
		return WIRE_EV_DONE;
	key = pairs_find(w, s, pos + off, pos + line - 1, ' ', '\r');
	/* A key that is empty or too long to be told apart, or a GET with more behind its key. */
	if (!key || key > WIRE_KEY_MAX || (s->op && off + key + 1 != line)) {
		s->cls = PD_CLASS_WRITE_ALL;
		s->op = 0;
		return WIRE_EV_DONE;
	}
	s->key_off = pos + off;
	s->key_len = key;
	s->ident_off = s->key_off;
	s->ident_len = s->key_len;
	return WIRE_EV_KEY | WIRE_EV_DONE;
}

/* One reply is one line; its first byte tells the kind. */
WIRE_INLINE int pairs_reply(const struct wire_win *w, struct pd_parse *st,
			    const struct pd_session *ses, struct wire_step *s)
{
	__u32 line = pairs_line(w, s);
	__u8 first = W(w, s->pos);

	(void)st;
	(void)ses;
	if (!line)
		return pairs_short(s);
	s->pos += line;
	s->cut = 0;
	if (first == '=' || first == '+')
		s->kind = WIRE_KIND_VALUE;
	else if (first == '!')
		s->kind = WIRE_KIND_NIL;
	else if (first == '?')
		s->kind = WIRE_KIND_ERROR;
	else
		return WIRE_EV_BAD;
	return WIRE_EV_DONE;
}

/* No request changes the state of a connection. */
WIRE_INLINE int pairs_settle(struct pd_session *ses, struct wire_step *s)
{
	(void)ses;
	(void)s;
	return 0;
}

#endif
