/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/lib/strbuf.h"

static bool reserve(struct pd_strbuf *sb, size_t more)
{
	size_t need = sb->len + more + 1, cap = sb->cap ? sb->cap : 64;
	char *s;

	if (sb->failed)
		return false;
	if (need <= sb->cap)
		return true;
	while (cap < need)
		cap *= 2;
	s = realloc(sb->s, cap);
	if (!s) {
		sb->failed = true;
		return false;
	}
	sb->s = s;
	sb->cap = cap;
	return true;
}

void pd_strbuf_add(struct pd_strbuf *sb, const void *data, size_t len)
{
	if (!reserve(sb, len))
		return;
	if (len)
		memcpy(sb->s + sb->len, data, len);
	sb->len += len;
	sb->s[sb->len] = '\0';
}

void pd_strbuf_adds(struct pd_strbuf *sb, const char *s)
{
	pd_strbuf_add(sb, s, strlen(s));
}

void pd_strbuf_addf(struct pd_strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(sb, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(sb->s + sb->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	sb->len += (size_t)n;
}

void pd_strbuf_reset(struct pd_strbuf *sb)
{
	sb->len = 0;
	sb->failed = false;
	if (sb->s)
		sb->s[0] = '\0';
}

char *pd_strbuf_take(struct pd_strbuf *sb)
{
	char *s = NULL;

	pd_strbuf_add(sb, "", 0);
	if (!sb->failed) {
		s = sb->s;
		sb->s = NULL;
	}
	pd_strbuf_free(sb);
	return s;
}

void pd_strbuf_free(struct pd_strbuf *sb)
{
	free(sb->s);
	*sb = (struct pd_strbuf){0};
}

char *pd_asprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		s = malloc((size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
