// SPDX-License-Identifier: Apache-2.0
/* How panditctl shows things. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/strbuf.h"

/* ---- errors and JSON ---------------------------------------------------- */

/* Messages may quote the command line, which need not be UTF-8. */
static json_t *text(const char *s)
{
	json_t *string = json_string(s);
	char *escaped;

	if (string)
		return string;
	escaped = ctl_escape(s, strlen(s));
	string = json_string(escaped);
	free(escaped);
	return string;
}

static int show_error(struct ctl *ctl, const struct pd_fault *f, int status)
{
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:{s:o,s:o}}", "error", "message",
						text(f->message), "hint", text(f->hint)), status);
	fprintf(ctl->err, "panditctl: %s\n", f->message);
	if (f->hint[0])
		fprintf(ctl->err, "           %s\n", f->hint);
	return status;
}

int ctl_fail(struct ctl *ctl, const struct pd_fault *f)
{
	return show_error(ctl, f, CTL_FAILED);
}

int ctl_usage(struct ctl *ctl, const struct pd_fault *f)
{
	return show_error(ctl, f, CTL_USAGE);
}

int ctl_print(struct ctl *ctl, json_t *object, int status)
{
	if (!object)
		return CTL_FAILED;
	if (json_dumpf(object, ctl->out, JSON_COMPACT) || fputc('\n', ctl->out) == EOF)
		status = CTL_FAILED;
	json_decref(object);
	fflush(ctl->out);
	return status;
}

json_t *ctl_base64(const void *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_cleanup_strbuf_ struct pd_strbuf sb = { 0 };
	const uint8_t *p = data;

	pd_strbuf_adds(&sb, "");
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		v |= i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < len ? p[i + 2] : 0;
		pd_strbuf_addf(&sb, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63],
			       i + 1 < len ? digits[v >> 6 & 63] : '=',
			       i + 2 < len ? digits[v & 63] : '=');
	}
	return sb.failed ? NULL : json_string(sb.s);
}

void ctl_colour(struct ctl *ctl, char colour, const char *word)
{
	const char *code = colour == 'r' ? "31" : colour == 'g' ? "32" : colour == 'y' ? "33" : "1";

	if (ctl->tty && !getenv("NO_COLOR"))
		fprintf(ctl->out, "\033[%sm%s\033[0m", code, word);
	else
		fputs(word, ctl->out);
}

/* ---- tables ------------------------------------------------------------- */

struct ctl_table {
	const char *const *headers;
	size_t ncols;
	char **cells;		/* row after row */
	size_t n, cap;
};

static void *must(void *p)
{
	if (p)
		return p;
	fputs("panditctl: out of memory\n", stderr);
	exit(CTL_FAILED);
}

struct ctl_table *ctl_table_new(const char *const *headers, size_t n)
{
	struct ctl_table *table = must(calloc(1, sizeof(*table)));

	table->headers = headers;
	table->ncols = n;
	return table;
}

void ctl_cell(struct ctl_table *table, const char *fmt, ...)
{
	va_list ap;

	if (table->n == table->cap) {
		table->cap = table->cap ? table->cap * 2 : 64;
		table->cells = must(realloc(table->cells, table->cap * sizeof(*table->cells)));
	}
	va_start(ap, fmt);
	if (vasprintf(&table->cells[table->n], fmt, ap) < 0)
		must(NULL);
	va_end(ap);
	table->n++;
}

static void print_cell(struct ctl *ctl, const struct ctl_table *table, size_t col, int width,
		       const char *s)
{
	bool last = col + 1 == table->ncols;

	if (table->headers[col][0] == '>')
		fprintf(ctl->out, "%*s", width, s);
	else
		fprintf(ctl->out, "%-*s", last ? 0 : width, s);
	fputs(last ? "\n" : "  ", ctl->out);
}

void ctl_table_print(struct ctl *ctl, const struct ctl_table *table)
{
	int *widths = must(calloc(table->ncols, sizeof(*widths)));

	assert(table->n % table->ncols == 0);
	for (size_t c = 0; c < table->ncols; c++)
		widths[c] = (int)strlen(table->headers[c]) - (table->headers[c][0] == '>');
	for (size_t i = 0; i < table->n; i++)
		if (widths[i % table->ncols] < (int)strlen(table->cells[i]))
			widths[i % table->ncols] = (int)strlen(table->cells[i]);
	for (size_t c = 0; c < table->ncols; c++)
		print_cell(ctl, table, c, widths[c],
			   table->headers[c] + (table->headers[c][0] == '>'));
	for (size_t i = 0; i < table->n; i++)
		print_cell(ctl, table, i % table->ncols, widths[i % table->ncols], table->cells[i]);
	free(widths);
}

void ctl_table_free(struct ctl_table **tablep)
{
	struct ctl_table *table = *tablep;

	if (!table)
		return;
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
	*tablep = NULL;
}

/* ---- text --------------------------------------------------------------- */

static const char escapes[] = "\\\\\nn\rr\tt";	/* byte and letter, in turn */

char *ctl_escape(const void *data, size_t len)
{
	struct pd_strbuf sb = { 0 };
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		const char *e = p[i] ? strchr(escapes, p[i]) : NULL;

		if (e && (e - escapes) % 2 == 0)
			pd_strbuf_addf(&sb, "\\%c", e[1]);
		else if (p[i] >= 0x20 && p[i] <= 0x7e)
			pd_strbuf_add(&sb, &p[i], 1);
		else
			pd_strbuf_addf(&sb, "\\x%02x", p[i]);
	}
	return must(pd_strbuf_take(&sb));
}

int ctl_unescape(const char *s, char **ret, size_t *ret_len)
{
	char *buf = must(malloc(strlen(s) + 1)), *to = buf;

	while (*s) {
		unsigned int byte = 0;
		int used = 0;

		if (*s != '\\') {
			*to++ = *s++;
			continue;
		}
		s++;
		if (s[0] == 'x' && s[1] && s[2] && strspn(s + 1, "0123456789abcdefABCDEF") >= 2 &&
		    sscanf(s + 1, "%2x%n", &byte, &used) == 1) {
			*to++ = (char)byte;
			s += 1 + used;
			continue;
		}
		for (size_t i = 0; i + 1 < sizeof(escapes); i += 2)
			if (*s && escapes[i + 1] == *s)
				byte = (unsigned char)escapes[i];
		if (!byte) {
			free(buf);
			return -EINVAL;
		}
		*to++ = (char)byte;
		s++;
	}
	*ret_len = (size_t)(to - buf);
	*ret = buf;
	return 0;
}

char *ctl_count(uint64_t n, char buf[CTL_NUM_STRLEN])
{
	char digits[CTL_NUM_STRLEN], *to = buf;
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return buf;
}

char *ctl_ms(uint64_t ms, char buf[CTL_NUM_STRLEN])
{
	static const struct {
		uint64_t ms;
		const char *major, *minor;
		uint64_t minor_ms;
	} units[] = {
		{ 86400000, "d", "h", 3600000 },
		{ 3600000, "h", "m", 60000 },
		{ 60000, "m", "s", 1000 },
	};

	for (size_t i = 0; i < PD_ARRAY_SIZE(units); i++) {
		if (ms < units[i].ms)
			continue;
		snprintf(buf, CTL_NUM_STRLEN, "%" PRIu64 "%s %" PRIu64 "%s", ms / units[i].ms,
			 units[i].major, ms % units[i].ms / units[i].minor_ms, units[i].minor);
		return buf;
	}
	if (ms >= 1000)
		snprintf(buf, CTL_NUM_STRLEN, "%.1fs", (double)ms / 1000);
	else
		snprintf(buf, CTL_NUM_STRLEN, "%" PRIu64 "ms", ms);
	return buf;
}
