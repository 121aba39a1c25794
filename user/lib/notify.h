/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PD_USER_LIB_NOTIFY_H
#define PD_USER_LIB_NOTIFY_H

/*
 * Tell the service manager, e.g. "READY=1\nSTATUS=...". 1: sent; 0: nobody
 * asked ($NOTIFY_SOCKET is not set); -errno.
 */
int pd_notify(const char *state);

#endif
