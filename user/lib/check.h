/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can this machine run pandit? Checks that need no daemon and load nothing;
 * `panditctl doctor` runs them itself, panditd runs them and adds its own.
 */
#ifndef PD_USER_LIB_CHECK_H
#define PD_USER_LIB_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "user/lib/fault.h"

struct pd_check {
	const char *name; /* "kernel", "btf", "jit", "bpffs", "capabilities", ... */
	bool ok;
	const char *detail; /* one line: what was found */
	const char *hint;   /* what to do; "" if ok */
};

/* Valid until it returns. Returning non-zero ends the checks, which then return that value. */
typedef int (*pd_check_fn)(void *arg, const struct pd_check *check);

/* @bpffs: the configured directory, or NULL for the default /sys/fs/bpf/pandit. */
int pd_checks_run(const char *bpffs, pd_check_fn fn, void *arg);

/* 0, or -EPERM and what is missing: what panditd needs to load and attach. */
int pd_check_capabilities(struct pd_fault *f);

/* 0, or -ENOSYS and what this kernel lacks. */
int pd_check_kernel(struct pd_fault *f);

#endif
