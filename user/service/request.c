/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in words, as their protocol writes them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire/wire.h"
#include "user/service/frame.h"

#define WORDS_MAX 64

struct words {
	uint8_t bytes[PD_REQUEST_MAX];
	size_t len;
	size_t ends[WORDS_MAX]; /* of each word in `bytes` */
	size_t n;
};

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at && *at ? (int)(at - digits) : -1;
}

/* The byte behind a backslash; *s is moved over it. -1: no such escape. */
static int escaped(const char **s)
{
	static const char from[] = "\\\"nrt", to[] = "\\\"\n\r\t";
	const char *at = **s ? strchr(from, **s) : NULL;
	int high, low;

	if (at) {
		(*s)++;
		return to[at - from];
	}
	if (**s != 'x')
		return -1;
	high = hex_digit((*s)[1]);
	low = high < 0 ? -1 : hex_digit((*s)[2]);
	if (low < 0)
		return -1;
	*s += 3;
	return high << 4 | low;
}

/* One word at *s. NULL, or what is wrong. */
static const char *take_word(const char **s, struct words *w)
{
	bool quoted = **s == '"';

	*s += quoted;
	while (**s && (quoted ? **s != '"' : **s != ' ')) {
		int byte = (unsigned char)*(*s)++;

		if (quoted && byte == '\\')
			byte = escaped(s);
		if (byte < 0)
			return "an escape that is none of \\\\ \\\" \\n \\r \\t \\xNN";
		if (w->len == sizeof(w->bytes))
			return "more bytes than one packet takes";
		w->bytes[w->len++] = (uint8_t)byte;
	}
	if (quoted && **s != '"')
		return "a quote that is not closed";
	*s += quoted;
	if (w->n == WORDS_MAX)
		return "too many words";
	w->ends[w->n++] = w->len;
	return NULL;
}

static const char *split(const char *s, struct words *w)
{
	const char *why = NULL;

	while (!why) {
		s += strspn(s, " ");
		if (!*s)
			break;
		why = take_word(&s, w);
		if (!why && *s && *s != ' ')
			why = "a quote inside a word";
	}
	return why ? why : w->n ? NULL : "no word";
}

struct writer {
	uint8_t *to;
	size_t len;
	bool full;
};

static void put(struct writer *w, const void *data, size_t len)
{
	if (len > PD_REQUEST_MAX - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->to + w->len, data, len);
	w->len += len;
}

/* RESP: an array of bulk strings. */
static void put_array(struct writer *to, const struct words *w)
{
	char head[32];
	size_t from = 0;

	put(to, head, (size_t)snprintf(head, sizeof(head), "*%zu\r\n", w->n));
	for (size_t i = 0; i < w->n; i++) {
		size_t len = w->ends[i] - from;

		put(to, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", len));
		put(to, w->bytes + from, len);
		put(to, "\r\n", 2);
		from = w->ends[i];
	}
}

/* Anything else is a line of words. */
static void put_line(struct writer *to, const struct words *w)
{
	size_t from = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (i)
			put(to, " ", 1);
		put(to, w->bytes + from, w->ends[i] - from);
		from = w->ends[i];
	}
	put(to, "\r\n", 2);
}

int pd_request_encode(const struct pd_protocol *p, const char *text, bool datagram,
		      uint8_t ret[PD_REQUEST_MAX], size_t *ret_len, struct pd_fault *f)
{
	static const uint8_t frame[WIRE_FRAME] = {0, 1, 0, 0, 0, 1, 0, 0};
	struct writer to = {.to = ret};
	struct words w = {.n = 0};
	const char *why = split(text, &w);

	if (why)
		return pd_fail(f, -EINVAL, "write it like GET k, or SET \"a key\" v",
			       "the request holds %s", why);
	if (datagram)
		put(&to, frame, sizeof(frame));
	if (!strcmp(p->label, "redis"))
		put_array(&to, &w);
	else
		put_line(&to, &w);
	if (to.full)
		return pd_fail(f, -E2BIG, "capture it, and give the file",
			       "the request is longer than one packet of %d bytes", PD_REQUEST_MAX);
	*ret_len = to.len;
	return 0;
}
