/* SPDX-License-Identifier: Apache-2.0 */
/* A grammar as a table of functions: the same tests run it in user space and in the kernel. */
#ifndef PD_SELFTESTS_OPS_H
#define PD_SELFTESTS_OPS_H

#include "proto/wire/wire.h"

struct wire_ops {
	const char *name;
	unsigned int flags;	/* WIRE_F_* */
	int (*request)(const struct wire_win *w, struct pd_parse *st, const struct pd_session *ses,
		       struct wire_step *s);
	int (*reply)(const struct wire_win *w, struct pd_parse *st, const struct pd_session *ses,
		     struct wire_step *s);
	int (*settle)(struct pd_session *ses, struct wire_step *s);
	int (*emit)(struct wire_emit *e);					/* WIRE_F_EMIT */
	int (*datagram)(const struct wire_win *w, struct wire_step *s);	/* WIRE_F_DATAGRAM */
};

#endif
