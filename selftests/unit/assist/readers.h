/* SPDX-License-Identifier: Apache-2.0 */
/* A sink that writes down what a reader tells: "on", "key NAME", "all", "gap", one a line. */
#ifndef PD_SELFTESTS_UNIT_ASSIST_READERS_H
#define PD_SELFTESTS_UNIT_ASSIST_READERS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/assist/impl.h"

struct heard {
	struct pd_strbuf said; /* by the reader, to us */
	struct pd_strbuf out;  /* by the reader, to the server */
	char text[PD_ASSIST_TEXT];
	int err;
};

static void heard_key(void *arg, const void *key, size_t len)
{
	struct heard *h = arg;

	pd_strbuf_adds(&h->said, "key ");
	pd_strbuf_add(&h->said, key, len);
	pd_strbuf_adds(&h->said, "\n");
}

static void heard_all(void *arg, bool gap)
{
	struct heard *h = arg;

	pd_strbuf_adds(&h->said, gap ? "gap\n" : "all\n");
}

static void heard_on(void *arg)
{
	struct heard *h = arg;

	pd_strbuf_adds(&h->said, "on\n");
}

static void heard_free(struct heard *h)
{
	pd_strbuf_free(&h->said);
	pd_strbuf_free(&h->out);
}

/* Feed @len bytes to a new reader, the first @cut of them by themselves, in exact buffers. */
static void listen_to(const struct pd_driver *d, const char *password, const void *data, size_t len,
		      size_t cut, struct heard *h)
{
	const struct pd_sink sink = {.arg = h, .key = heard_key, .all = heard_all, .on = heard_on};
	size_t parts[2] = {cut, len - cut};
	union pd_reader r;

	memset(&r, 0xa5, sizeof(r));
	*h = (struct heard){0};
	d->hello(&r, NULL, password, &h->out);
	pd_strbuf_reset(&h->out);
	for (int i = 0; i < 2 && !h->err; i++) {
		char *exact = malloc(parts[i] + 1);

		assert_non_null(exact);
		memcpy(exact, (const char *)data + (i ? cut : 0), parts[i]);
		/* ASan sees a read behind it */
		exact = realloc(exact, parts[i] ? parts[i] : 1);
		if (parts[i])
			h->err = d->feed(&r, exact, parts[i], &sink, &h->out, h->text);
		free(exact);
	}
}

/* The same, however it is cut: @want is what is told, @err how it ends. */
static void expect_heard(const struct pd_driver *d, const char *password, const void *data,
			 size_t len, const char *want, int err)
{
	for (size_t cut = 0; cut <= len; cut++) {
		struct heard h;

		listen_to(d, password, data, len, cut, &h);
		assert_string_equal(h.said.s ? h.said.s : "", want);
		assert_int_equal(h.err, err);
		heard_free(&h);
	}
}

/* Bytes of no meaning, some of them taken from what does mean something: no crash, no loop. */
static void feed_noise(const struct pd_driver *d, const char *const *pieces, size_t npieces)
{
	char data[4096];

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		size_t len = 0;
		struct heard h;

		while (len < 3000 && random() % 40) {
			const char *p = pieces[(size_t)random() % npieces];
			size_t n = strlen(p);

			memcpy(data + len, p, n);
			len += n;
			if (!(random() % 8))
				data[len - 1] = (char)random();
		}
		listen_to(d, NULL, data, len, len ? (size_t)random() % len : 0, &h);
		assert_true(!h.err || h.err == -EPROTO || h.err == -EACCES);
		heard_free(&h);
	}
}

#endif
