/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached: `watch evictions`, lines of its log:
 *
 *	ts=1795633609.28012 gid=2 type=eviction key=a%2Fb fetch=no ttl=-1 la=0 clsid=29 size=50
 *	skipped=2480
 *
 * Not `mutations`: there the server logs every store, also those that the home
 * hook has seen, up to a quarter of a second after it has answered them, when
 * the next reader has long been given the new value. The second move of the
 * word would take that entry away again, and with some 10^5 stores a second
 * lines are skipped, each time for everybody. 1.6.18 has no log of deletions.
 */
#include <errno.h>
#include <string.h>

#include "user/assist/impl.h"

static void hello(union pd_reader *reader, const char *user, const char *password,
		  struct pd_strbuf *out)
{
	struct pd_watch *w = &reader->watch;

	w->len = 0;
	w->on = w->too_long = false;
	w->login = password;
	/* A server with an -Y file takes the credentials from the first thing that is stored. */
	if (password)
		pd_strbuf_addf(out, "set pandit 0 0 %zu\r\n%s %s\r\n",
			       strlen(user ? user : "") + 1 + strlen(password), user ? user : "",
			       password);
	else
		pd_strbuf_adds(out, "watch evictions\r\n");
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo %XX, in place. @ret: the length; -EINVAL if it is cut short. */
static int decode(char *s, size_t len, size_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (s[i] != '%') {
			s[n++] = s[i];
			continue;
		}
		high = i + 2 < len ? hex(s[i + 1]) : -1;
		low = i + 2 < len ? hex(s[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -EINVAL;
		s[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret = n;
	return 0;
}

/* The value of " name=" in a line that ends in NUL; its length in @ret. */
static char *field(char *line, const char *name, size_t *ret)
{
	char *p = strstr(line, name);

	if (!p)
		return NULL;
	p += strlen(name);
	*ret = strcspn(p, " ");
	return p;
}

static void log_line(struct pd_watch *w, const struct pd_sink *sink)
{
	size_t len = 0, n = 0;
	char *type, *key;

	if (w->too_long || memchr(w->buf, '\0', w->len) || strncmp(w->buf, "ts=", 3)) {
		sink->all(sink->arg, true);
		return;
	}
	type = field(w->buf, " type=", &len);
	if (type && (len != 8 || strncmp(type, "eviction", 8)))
		return;
	key = type ? field(type, " key=", &len) : NULL;
	if (!key || decode(key, len, &n) || !n)
		sink->all(sink->arg, true);
	else if (n <= PD_ASSIST_KEY_MAX)
		sink->key(sink->arg, key, n);
}

static int take_line(struct pd_watch *w, const struct pd_sink *sink, struct pd_strbuf *out,
		     char text[PD_ASSIST_TEXT])
{
	size_t n = 0;

	if (w->len && w->buf[w->len - 1] == '\r')
		w->len--;
	w->buf[w->len] = '\0';
	if (w->on) {
		log_line(w, sink);
		return 0;
	}
	if (w->login && !strcmp(w->buf, "STORED")) {
		w->login = false;
		pd_strbuf_adds(out, "watch evictions\r\n");
		return 0;
	}
	if (!w->login && !w->too_long && !strcmp(w->buf, "OK")) {
		w->on = true;
		sink->on(sink->arg);
		return 0;
	}
	for (; w->buf[n] && n < PD_ASSIST_TEXT - 1; n++)
		text[n] = w->buf[n] < ' ' || w->buf[n] > '~' ? '?' : w->buf[n];
	text[n] = '\0';
	return strstr(w->buf, "ERROR") ? -EACCES : -EPROTO;
}

static int feed(union pd_reader *reader, const void *data, size_t len, const struct pd_sink *sink,
		struct pd_strbuf *out, char text[PD_ASSIST_TEXT])
{
	struct pd_watch *w = &reader->watch;
	const char *p = data;

	while (len) {
		const char *lf = memchr(p, '\n', len);
		size_t n = lf ? (size_t)(lf - p) : len, room = sizeof(w->buf) - 1 - w->len;
		int err;

		w->too_long |= n > room;
		memcpy(w->buf + w->len, p, n < room ? n : room);
		w->len += n < room ? n : room;
		n += !!lf;
		p += n;
		len -= n;
		if (!lf)
			break;
		err = take_line(w, sink, out, text);
		if (err)
			return err;
		w->len = 0;
		w->too_long = false;
	}
	return w->too_long && !w->on ? -EPROTO : 0;
}

const struct pd_driver pd_driver_memcached = {
	.protocol = "memcached",
	.hello = hello,
	.feed = feed,
};
