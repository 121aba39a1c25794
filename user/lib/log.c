/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/lib/log.h"

static enum pd_log_level max_level = PD_LOG_INFO;

void pd_log_set_level(enum pd_log_level level)
{
	max_level = level;
}

enum pd_log_level pd_log_get_level(void)
{
	return max_level;
}

void pd_vlog(enum pd_log_level level, const char *fmt, va_list ap)
{
	char line[1024];
	size_t off = 0, len;

	if (level > max_level)
		return;
	if (getenv("JOURNAL_STREAM"))
		off = (size_t)snprintf(line, sizeof(line), "<%d>", level);
	off += (size_t)snprintf(line + off, sizeof(line) - off, "panditd: %s",
				level == PD_LOG_WARN ? "warning: " : "");
	vsnprintf(line + off, sizeof(line) - off - 1, fmt, ap);
	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	len = strlen(line);
	while (len && line[len - 1] == ' ')
		len--;
	line[len++] = '\n';
	/* One write: lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void pd_log(enum pd_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pd_vlog(level, fmt, ap);
	va_end(ap);
}

int pd_log_fault(enum pd_log_level level, int code, const struct pd_fault *f)
{
	if (f->hint[0])
		pd_log(level, "%s (%s)", f->message, f->hint);
	else
		pd_log(level, "%s", f->message);
	return code;
}

int pd_ratelimit_ok(struct pd_ratelimit *rl, uint64_t now_ns, uint64_t *ret_dropped)
{
	if (!rl->start || now_ns - rl->start >= rl->interval_ns) {
		rl->start = now_ns;
		rl->seen = 0;
	}
	if (rl->seen >= rl->burst) {
		rl->dropped++;
		return 0;
	}
	rl->seen++;
	*ret_dropped = rl->dropped;
	rl->dropped = 0;
	return 1;
}
