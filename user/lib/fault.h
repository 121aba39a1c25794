/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, in words for the operator: one line, and one line on what
 * to do about it. Filled where the failure is decided, logged or sent by
 * whoever asked for the operation. Library code never logs.
 */
#ifndef PD_USER_LIB_FAULT_H
#define PD_USER_LIB_FAULT_H

struct pd_fault {
	char message[384]; /* one line, no newline */
	char hint[384];	   /* what to do; may be empty */
};

/**
 * pd_fail() - fill @f and return @code, so that callers can `return pd_fail(...)`.
 * @f: may be NULL
 * @code: a negative errno
 * @hint: what to do, or NULL
 * @fmt: printf format of the message
 */
__attribute__((format(printf, 4, 5))) int pd_fail(struct pd_fault *f, int code, const char *hint,
						  const char *fmt, ...);

#endif
