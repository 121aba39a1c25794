/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on stderr. Under a service manager that collects stderr
 * ($JOURNAL_STREAM) each line carries the <N> priority prefix. Called by
 * main.c and user/service only: library code returns faults instead. Keys and
 * values of cached data are never logged.
 */
#ifndef PD_USER_LIB_LOG_H
#define PD_USER_LIB_LOG_H

#include <stdarg.h>
#include <stdint.h>

#include "user/lib/fault.h"

enum pd_log_level {
	PD_LOG_ERR = 3, /* the values are those of syslog */
	PD_LOG_WARN = 4,
	PD_LOG_INFO = 6,
	PD_LOG_DEBUG = 7,
};

/* Lines above @level are dropped. Default: PD_LOG_INFO. */
void pd_log_set_level(enum pd_log_level level);
enum pd_log_level pd_log_get_level(void);

__attribute__((format(printf, 2, 3))) void pd_log(enum pd_log_level level, const char *fmt, ...);
void pd_vlog(enum pd_log_level level, const char *fmt, va_list ap);

/* A fault as one line: message, then the hint in parentheses. Returns @code. */
int pd_log_fault(enum pd_log_level level, int code, const struct pd_fault *f);

#define pd_log_err(...)	  pd_log(PD_LOG_ERR, __VA_ARGS__)
#define pd_log_warn(...)  pd_log(PD_LOG_WARN, __VA_ARGS__)
#define pd_log_info(...)  pd_log(PD_LOG_INFO, __VA_ARGS__)
#define pd_log_debug(...) pd_log(PD_LOG_DEBUG, __VA_ARGS__)

/* Lets at most `burst` lines through per `interval_ns`; counts the rest. */
struct pd_ratelimit {
	uint64_t interval_ns;
	uint32_t burst;
	uint32_t seen;	  /* in the present interval */
	uint64_t start;	  /* boottime ns of its start */
	uint64_t dropped; /* since the last line that went through */
};

/* 1: log it, and *ret_dropped is what was left out before; 0: leave it out. */
int pd_ratelimit_ok(struct pd_ratelimit *rl, uint64_t now_ns, uint64_t *ret_dropped);

#endif
