/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grammar as a library, for grammar.py: what it says of a client's bytes,
 * then, behind a line "--", of the server's. The result lies in memory of the
 * library, and holds until the next call.
 */
#include "native.h"
#include "feed.h"

const char *grammar_run(const void *client, size_t n, const void *server, size_t m);

static struct feed grammar_feed;

const char *grammar_run(const void *client, size_t n, const void *server, size_t m)
{
	struct feed *f = &grammar_feed;

	feed_init(f, &native_ops);
	feed_bytes(f, FEED_CLIENT, client, n);
	feed_end(f, FEED_CLIENT);
	feed_log(f, "--\n");
	feed_bytes(f, FEED_SERVER, server, m);
	feed_end(f, FEED_SERVER);
	feed_free(f);
	if (f->broken)
		feed_log(f, "broken: %s\n", f->broken);
	return f->log;
}
