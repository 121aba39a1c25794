/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing string. Zero-initialised is empty and valid. After a failed
 * allocation `failed` stays set and every further append is ignored, so that
 * callers check once at the end.
 */
#ifndef PD_USER_LIB_STRBUF_H
#define PD_USER_LIB_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "user/lib/cleanup.h"

struct pd_strbuf {
	char *s; /* NUL-terminated once anything was appended */
	size_t len, cap;
	bool failed;
};

__attribute__((format(printf, 2, 3))) void pd_strbuf_addf(struct pd_strbuf *sb, const char *fmt,
							  ...);
void pd_strbuf_add(struct pd_strbuf *sb, const void *data, size_t len);
void pd_strbuf_adds(struct pd_strbuf *sb, const char *s);
void pd_strbuf_reset(struct pd_strbuf *sb);

/* Hands the string to the caller, who frees it. NULL after a failed allocation. Never NULL if
 * empty. */
char *pd_strbuf_take(struct pd_strbuf *sb);
void pd_strbuf_free(struct pd_strbuf *sb);

#define _cleanup_strbuf_ _cleanup_(pd_strbuf_free)

/* Returns a new string or NULL. */
__attribute__((format(printf, 1, 2))) char *pd_asprintf(const char *fmt, ...);

#endif
