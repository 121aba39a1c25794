/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes that never cross the wire: a connection to the authority of a
 * service, on which the server itself says which keys have changed. Redis:
 * `CLIENT TRACKING ON BCAST` (eviction, expiry, writers on a unix socket or on
 * the server's own loopback, a master's writes that reach a replica).
 * memcached: `watch evictions`.
 *
 * It only shortens what max_age bounds anyway, so it gives way wherever it
 * would cost something: it never blocks the loop, reads at most once in a
 * millisecond, and rests when the server refuses it or cannot keep up.
 *
 *	connecting --server agrees--> on --lost--> connecting (again, after a while)
 *	    \--refused, or the reports have too many gaps--> waiting (for a minute)
 *
 * Threading: the loop's thread alone. Ownership: pd_assist_new() copies what
 * it is given; `ops` and `arg` must live until pd_assist_free() returns, after
 * which nothing is called any more (its memory goes when the loop has closed
 * its handles).
 */
#ifndef PD_USER_ASSIST_ASSIST_H
#define PD_USER_ASSIST_ASSIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/lib/addr.h"
#include "user/lib/fault.h"

struct pd_assist;
struct uv_loop_s;

enum pd_assist_state {
	PD_ASSIST_OFF = 0,
	PD_ASSIST_CONNECTING,
	PD_ASSIST_ON,	   /* the server reports changes */
	PD_ASSIST_WAITING, /* refused or overrun; the reason says why */
};

struct pd_assist_ops {
	/* The value of this key has changed in the server. The key is valid during the call. */
	void (*key)(void *arg, const void *key, size_t len);
	/* Anything may have changed. @gap: because reports were lost, not because one said so. */
	void (*all)(void *arg, bool gap);
	/* The state has changed. */
	void (*state)(void *arg, enum pd_assist_state state, const char *reason);
};

struct pd_assist_options {
	const char *protocol;	     /* label of protocols.def */
	const struct pd_addr *addrs; /* one at a time is used: the next if it is not there */
	size_t naddrs;
	/* A file, read anew for each connection: "user:password" or "password". NULL = none. */
	const char *credentials;
};

/* Does a server of this protocol report changes? */
bool pd_assist_has(const char *protocol);

/* Begin connecting. -EOPNOTSUPP if the protocol has no such thing; -ENOMEM. */
int pd_assist_new(struct uv_loop_s *loop, const struct pd_assist_options *options,
		  const struct pd_assist_ops *ops, void *arg, struct pd_assist **ret);

/* Close the connection. The loop must be run once more before it is closed. NULL-safe. */
void pd_assist_free(struct pd_assist **assist);

enum pd_assist_state pd_assist_state(const struct pd_assist *assist);
/* Why it is not on, or the address it is on with. Valid until the next state. */
const char *pd_assist_reason(const struct pd_assist *assist);
/* "off", "connecting", "on", "waiting". */
const char *pd_assist_state_name(enum pd_assist_state state);

#endif
