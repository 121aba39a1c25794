/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the checksum of a segment or datagram good? Only what its receiver will
 * take is interpreted (rule 6). Nearly always somebody has looked already, or
 * a device is to fill it in: then asking costs the reading of one field.
 */
#ifndef PD_KERN_SUM_H
#define PD_KERN_SUM_H

#include "l4.h"
#include "feed.h"
#include "observe.h"

/* Nobody has looked at the checksum of this packet: is it wrong? Spoils the window of f. */
int pd_sum_wrong(struct __sk_buff *ctx, struct feed *f, const struct pkt *p);

/* A packet with payload whose receiver will drop it. Not asked of one that is tried out: it may be
 * from a capture in front of the device that was to fill the checksum in. */
static __always_inline bool sum_spoilt(pd_ctx *ctx, struct feed *f, const struct pkt *p)
{
	return p->plen && !pd_rehearsal && pd_ip_summed(ctx) == PD_SUMMED_NONE &&
	       pd_sum_wrong(ctx, f, p);
}

#endif
