/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar named by -DPROTO, -DPROTO_HDR and -DPROTO_FLAGS, compiled into this program. */
#ifndef PD_SELFTESTS_NATIVE_H
#define PD_SELFTESTS_NATIVE_H

#include <stdio.h>
#include <string.h>
#include PROTO_HDR
#include "ops.h"

#define OPS_JOIN_(a, b)	a##b
#define OPS_JOIN(a, b)	OPS_JOIN_(a, b)
#define OPS_STR_(a)	#a
#define OPS_STR(a)	OPS_STR_(a)

/* The vectors of the grammar: next to its header. */
static inline const char *native_vectors(void)
{
	static char path[512];
	const char *slash = strrchr(PROTO_HDR, '/');

	snprintf(path, sizeof(path), "%.*s/vectors.txt",
		 slash ? (int)(slash - PROTO_HDR) : 1, slash ? PROTO_HDR : ".");
	return path;
}

static const struct wire_ops native_ops = {
	.name = OPS_STR(PROTO),
	.flags = PROTO_FLAGS,
	.request = OPS_JOIN(PROTO, _request),
	.reply = OPS_JOIN(PROTO, _reply),
	.settle = OPS_JOIN(PROTO, _settle),
#if (PROTO_FLAGS) & (WIRE_F_EMIT | WIRE_F_HEAD)
	.emit = OPS_JOIN(PROTO, _emit),
#endif
#if (PROTO_FLAGS) & WIRE_F_DATAGRAM
	.datagram = OPS_JOIN(PROTO, _datagram),
#endif
};

#endif
