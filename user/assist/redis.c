/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis: `CLIENT TRACKING ON BCAST` over RESP3. One connection carries both
 * the commands and the pushes, so there is one order and nothing to pair up,
 * as there would be with REDIRECT; and every server that has CLIENT TRACKING
 * has RESP3 (6.0).
 *
 * It also subscribes to a channel. Then the server counts it among the
 * subscribers: it gets their output buffer limit (without one, a daemon that
 * is stopped would let the server's memory grow), and no idle timeout. That
 * may be refused; then a PING keeps the connection busy.
 */
#include <errno.h>
#include <string.h>

#include "user/assist/impl.h"

#define BULK_MAX  (512ULL << 20) /* bytes; the server's own limit */
#define COUNT_MAX 0x7fffffffULL	 /* elements */
#define LINE_MAX_ 65536		 /* bytes of a status or an error */
#define NIL	  UINT64_MAX

/* What one call of feed() works with. */
struct run {
	struct pd_redis *r;
	const struct pd_sink *sink;
	struct pd_strbuf *out;
	char *text; /* PD_ASSIST_TEXT */
};

static void add_command(struct pd_strbuf *out, size_t n, const char *const *words)
{
	pd_strbuf_addf(out, "*%zu\r\n", n);
	for (size_t i = 0; i < n; i++)
		pd_strbuf_addf(out, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
}

#define COMMAND(out, ...)                                                       \
	({                                                                      \
		const char *const words_[] = {__VA_ARGS__};                     \
		add_command((out), sizeof(words_) / sizeof(words_[0]), words_); \
	})

static void hello(union pd_reader *reader, const char *user, const char *password,
		  struct pd_strbuf *out)
{
	memset(reader, 0, sizeof(*reader));
	if (password)
		COMMAND(out, "HELLO", "3", "AUTH", user ? user : "default", password, "SETNAME",
			"pandit");
	else
		COMMAND(out, "HELLO", "3", "SETNAME", "pandit");
}

/* ---- what messages mean ---------------------------------------------------- */

/* The start of a refusal, in characters that any terminal bears. */
static void copy_text(struct run *run)
{
	const struct pd_redis *r = run->r;
	uint64_t len = r->total < sizeof(r->buf) ? r->total : sizeof(r->buf), n = 0;

	for (uint64_t i = r->message == '-'; i < len && n < PD_ASSIST_TEXT - 1; i++)
		run->text[n++] = r->buf[i] < ' ' || r->buf[i] > '~' ? '?' : (char)r->buf[i];
	run->text[n] = '\0';
}

/* A reply that is no push: the answer to the oldest question. */
static int take_reply(struct run *run)
{
	struct pd_redis *r = run->r;

	if ((r->message == '-' || r->message == '!') && r->step != PD_REDIS_ON) {
		copy_text(run);
		return -EACCES;
	}
	if (r->step == PD_REDIS_HELLO) {
		COMMAND(run->out, "CLIENT", "TRACKING", "ON", "BCAST");
		r->step = PD_REDIS_TRACKING;
	} else if (r->step == PD_REDIS_TRACKING) {
		COMMAND(run->out, "SUBSCRIBE", "__redis__:invalidate");
		r->step = PD_REDIS_ON;
		run->sink->on(run->sink->arg);
	}
	return 0;
}

static bool is_word(const struct pd_redis *r, const char *word)
{
	return r->total == strlen(word) && !memcmp(r->buf, word, r->total);
}

/* A bulk string has ended. In a push: its name, or a key behind the list's head. */
static void take_bulk(struct run *run)
{
	struct pd_redis *r = run->r;

	if (r->message != '>')
		return;
	if (r->index == 1) {
		r->invalidate = is_word(r, "invalidate");
		r->subscribed |= is_word(r, "subscribe");
	} else if (r->invalidate && r->index > 2 && r->total <= PD_ASSIST_KEY_MAX) {
		run->sink->key(run->sink->arg, r->buf, r->total);
	}
}

/* An element has ended, and with the last one its message. */
static int element_done(struct run *run)
{
	struct pd_redis *r = run->r;
	int err = 0;

	r->index++;
	if (!--r->left) {
		if (r->message != '>')
			err = take_reply(run);
		else if (r->flushed)
			run->sink->all(run->sink->arg, false);
		r->index = 0;
		r->invalidate = r->flushed = false;
	}
	r->total = 0;
	return err;
}

/* ---- elements -------------------------------------------------------------- */

/* The number behind the type byte. NIL for -1. */
static int number(const struct pd_redis *r, uint64_t len, uint64_t *ret)
{
	uint64_t n = 0;

	if (len == 3 && r->buf[1] == '-' && r->buf[2] == '1') {
		*ret = NIL;
		return 0;
	}
	if (len < 2)
		return -EPROTO;
	for (uint64_t i = 1; i < len; i++) {
		if (r->buf[i] < '0' || r->buf[i] > '9' || n > COUNT_MAX)
			return -EPROTO;
		n = n * 10 + (r->buf[i] - '0');
	}
	*ret = n;
	return 0;
}

/* A length or a count: what comes next. */
static int take_sized(struct run *run, uint8_t type, uint64_t n)
{
	struct pd_redis *r = run->r;

	if (n == NIL) {
		if (type != '$' && type != '*')
			return -EPROTO;
		r->flushed |= type == '*' && r->invalidate && r->index == 2;
		return element_done(run);
	}
	if (type == '$' || type == '=' || type == '!') {
		if (n > BULK_MAX)
			return -EPROTO;
		r->skip = n + 2;
		r->total = n;
		return 0;
	}
	if (type == '%')
		n *= 2;
	if (n > COUNT_MAX - r->left || (type == '>' && r->index))
		return -EPROTO;
	r->left += n;
	return element_done(run);
}

/* A whole line, without its CR LF. Of one that is longer than buf the start is there. */
static int take_line(struct run *run)
{
	struct pd_redis *r = run->r;
	uint8_t type = r->buf[0];
	uint64_t n = 0;

	if (!r->left) {
		r->message = type;
		r->left = 1;
	}
	if (strchr("$=!*%~>", type)) {
		if (number(r, r->total, &n))
			return -EPROTO;
		return take_sized(run, type, n);
	}
	r->flushed |= type == '_' && r->invalidate && r->index == 2;
	return element_done(run);
}

/* Bytes of a line. 1: it is complete. @ret: how many were taken. */
static int feed_line(struct pd_redis *r, const uint8_t *p, size_t len, size_t *ret)
{
	const uint8_t *lf = memchr(p, '\n', len);
	size_t n = lf ? (size_t)(lf - p) : len;

	if (!r->total && (!*p || !strchr("$=!*%~>+-:,#(_", *p)))
		return -EPROTO;
	if (n && r->total < sizeof(r->buf)) {
		size_t room = sizeof(r->buf) - r->total;

		memcpy(r->buf + r->total, p, n < room ? n : room);
	}
	r->cr = n ? p[n - 1] == '\r' : r->cr;
	r->total += n;
	if (r->total > (strchr("+-(,", r->buf[0]) ? LINE_MAX_ : sizeof(r->buf)))
		return -EPROTO;
	*ret = n + !!lf;
	if (!lf)
		return 0;
	if (r->total < 2 || !r->cr)
		return -EPROTO;
	r->total--;
	return 1;
}

/* Bytes of a bulk string or of the CR LF behind it. 1: it is complete. */
static int feed_bulk(struct pd_redis *r, const uint8_t *p, size_t len, size_t *ret)
{
	uint64_t at = r->total + 2 - r->skip;

	if (r->skip <= 2) {
		*ret = 1;
		if (*p != (r->skip == 2 ? '\r' : '\n'))
			return -EPROTO;
		return !--r->skip;
	}
	if (len > r->skip - 2)
		len = r->skip - 2;
	if (at < sizeof(r->buf))
		memcpy(r->buf + at, p, len < sizeof(r->buf) - at ? len : sizeof(r->buf) - at);
	r->skip -= len;
	*ret = len;
	return 0;
}

static int feed(union pd_reader *reader, const void *data, size_t len, const struct pd_sink *sink,
		struct pd_strbuf *out, char text[PD_ASSIST_TEXT])
{
	struct run run = {.r = &reader->redis, .sink = sink, .out = out, .text = text};
	const uint8_t *p = data;
	size_t n;
	int err;

	for (; len; p += n, len -= n) {
		if (run.r->skip) {
			err = feed_bulk(run.r, p, len, &n);
			if (err > 0) {
				take_bulk(&run);
				err = element_done(&run);
			}
		} else {
			err = feed_line(run.r, p, len, &n);
			if (err > 0)
				err = take_line(&run);
		}
		if (err < 0)
			return err;
	}
	return 0;
}

static const char *ping(const union pd_reader *reader)
{
	const struct pd_redis *r = &reader->redis;

	return r->step != PD_REDIS_ON || r->subscribed ? NULL : "*1\r\n$4\r\nPING\r\n";
}

const struct pd_driver pd_driver_redis = {
	.protocol = "redis",
	.hello = hello,
	.feed = feed,
	.ping = ping,
};
