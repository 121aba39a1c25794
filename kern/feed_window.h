/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feed_window(): part of XDP programs, and the body of the function that TC programs share. */
#ifndef PD_KERN_FEED_WINDOW_H
#define PD_KERN_FEED_WINDOW_H

static __always_inline bool feed_window(pd_ctx *ctx, struct feed *f, struct pd_parse *p)
{
	__u32 left, have, n;

	left = f->plen - f->at;
	if ((__s32)left <= 0)
		return false;
	if (p->skip) {
		n = left < p->skip ? left : p->skip;
		p->skip -= n;
		f->at += n;
		left -= n;
		if (!left)
			return false;
	}
	have = f->base + f->wlen - f->at;
	if ((__s32)have < PD_TOKEN_MAX && have != left && (__s32)f->at >= 0) {
		n = left > FEED_LOAD ? FEED_LOAD : left;
		f->base = f->at;
		f->wlen = n;
		LIM(n, FEED_LOAD, return false);
		if (pd_load(ctx, f->poff + f->at, f->win.b, n)) {
			f->bad = 1;
			return false;
		}
	}
	f->step.pos = f->at - f->base;
	f->step.len = f->wlen;
	return true;
}

#endif
