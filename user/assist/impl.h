/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared inside user/assist: what a protocol's driver is. A driver is a reader
 * of the server's bytes without any input or output of its own, so that it can
 * be fed anything in tests.
 */
#ifndef PD_USER_ASSIST_IMPL_H
#define PD_USER_ASSIST_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/assist/assist.h"
#include "user/lib/strbuf.h"

#define PD_ASSIST_KEY_MAX 250 /* WIRE_KEY_MAX: a longer key is never kept */
#define PD_ASSIST_TEXT	  128 /* of a server's answer, as far as it is shown */

/* What a reader tells. The key is valid during the call. */
struct pd_sink {
	void *arg;
	void (*key)(void *arg, const void *key, size_t len);
	void (*all)(void *arg, bool gap);
	void (*on)(void *arg); /* the server has agreed: from here on every change is told */
};

/*
 * Readers of Redis: the replies to what redis_hello() asks for, and pushes.
 * RESP3 is read element by element; no element is kept but a key, a line's
 * start, or a length. An aggregate adds its elements to one counter, as in the
 * grammar: that is all the nesting there is.
 */
enum pd_redis_step {
	PD_REDIS_HELLO = 0, /* each step waits for one reply that is no push */
	PD_REDIS_TRACKING,
	PD_REDIS_ON,
};

struct pd_redis {
	uint64_t left;	 /* elements still to come in the present message; 0 = none begun */
	uint64_t skip;	 /* bytes of a bulk string still to come, its CR LF included */
	uint64_t total;	 /* bytes of the present line so far, or of the whole bulk string */
	uint32_t index;	 /* of the present element in its message */
	uint8_t message; /* type byte of the present message */
	uint8_t step;	 /* enum pd_redis_step */
	bool cr;	 /* the last byte of the line so far is a CR */
	bool flushed;	 /* the message says that everything has changed */
	bool invalidate; /* the message is a push of that name */
	bool subscribed; /* the server counts this connection among the subscribers */
	uint8_t buf[PD_ASSIST_KEY_MAX + 2]; /* the start of the line or bulk string */
};

/*
 * Reader of memcached's log. A line that is not one of the log's ("skipped=9",
 * "[skipped: 9]") is a gap; so is a key that cannot be told.
 */
struct pd_watch {
	uint16_t len;
	bool on;
	bool login;    /* the first answer is that to the credentials */
	bool too_long; /* the present line did not fit */
	char buf[1024];
};

union pd_reader {
	struct pd_redis redis;
	struct pd_watch watch;
};

struct pd_driver {
	const char *protocol;
	/* Set up the reader and write what is to be sent first. @user, @password: NULL = none. */
	void (*hello)(union pd_reader *r, const char *user, const char *password,
		      struct pd_strbuf *out);
	/*
	 * Take some bytes, cut anywhere. 0; -EPROTO: not what such a server says;
	 * -EACCES: it refuses (@text: in its own words). @out: what is to be sent
	 * now. After an error the reader is used up.
	 */
	int (*feed)(union pd_reader *r, const void *data, size_t len, const struct pd_sink *sink,
		    struct pd_strbuf *out, char text[PD_ASSIST_TEXT]);
	/* What keeps a silent connection open; NULL: nothing is needed now. */
	const char *(*ping)(const union pd_reader *r);
};

extern const struct pd_driver pd_driver_redis, pd_driver_memcached;

/* "user:password" or "password", cut in place: @ret_user is NULL for the latter. */
void pd_credentials_split(char *text, const char **ret_user, const char **ret_password);

#endif
