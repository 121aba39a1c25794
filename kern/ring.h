/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Outstanding requests of one connection: what was forwarded and not yet
 * answered, in order. The home hook keeps words in flight with them; the
 * client hook uses the same ring without words (words = false).
 */
#ifndef PD_KERN_RING_H
#define PD_KERN_RING_H

#include "count.h"
#include "feed.h"
#include "words.h"

#define RING_KEYS 16 /* keys of one write that get a slot each */

#define RING_OVER_WORD 0x80000000U /* in `over`: its writes are in flight in the service word */

static __always_inline bool ring_empty(const struct pd_stream *st)
{
	return READ_ONCE(st->head) == READ_ONCE(st->tail) &&
	       READ_ONCE(st->over) == READ_ONCE(st->over_done);
}

/* Room for a request of `items` items, in order after everything older? */
static __always_inline bool ring_room(const struct pd_stream *st, const struct feed *f, __u32 items)
{
	return READ_ONCE(st->over) == READ_ONCE(st->over_done) &&
	       f->tail - READ_ONCE(st->head) + items <= PD_RING;
}

static __always_inline void ring_put(struct pd_stream *st, struct feed *f, __u8 cls, __u8 flags,
				     __u16 arg)
{
	struct pd_item *i = &st->ring[WIRE_HIDE(f->tail) & (PD_RING - 1)];

	i->cls = cls;
	i->flags = flags;
	i->arg = arg;
	f->tail++;
}

/* A key that is only counted: a time to live belongs to the one key of a request. */
static __always_inline void ring_count_key(struct pd_parse *p)
{
	if ((p->nkeys & PD_NKEYS) < PD_NKEYS)
		p->nkeys++;
}

/* A key of a write: its slot is in flight from here to the end of the request (rule 1). */
static __always_inline void ring_write_key(struct pd_stream *st, struct feed *f, __u32 authority,
					   __u64 khash)
{
	struct pd_parse *p = &st->req;
	__u32 n = p->nkeys & PD_NKEYS;

	if (!n && !ring_room(st, f, RING_KEYS + 1))
		p->nkeys |= PD_NKEYS_OVER; /* ring_beyond() moves the service word */
	if (p->nkeys & (PD_NKEYS_ALL | PD_NKEYS_OVER)) {
		ring_count_key(p);
		return;
	}
	if (n >= RING_KEYS) {
		p->nkeys |= PD_NKEYS_ALL;
		pd_authority_add(authority, PD_WORD_BEGIN);
		return;
	}
	pd_slot_add(authority, khash & (PD_SLOTS - 1), PD_WORD_BEGIN);
	if (n)
		ring_put(st, f, PD_CLASS_WRITE, PD_REQ_CHAIN | PD_REQ_SLOT, p->slot);
	p->slot = khash & (PD_SLOTS - 1);
	p->nkeys = (p->nkeys + 1) | PD_NKEYS_SLOT;
}

/*
 * A request beyond the ring: only counted. A write there is in flight in the
 * service word until everything is drained. The reply direction gives that
 * word back when it has counted all, unless `over` has changed meanwhile: count
 * and mark are one word.
 */
static __always_inline void ring_beyond(struct pd_stream *st, struct feed *f, __u32 authority,
					bool words)
{
	__u8 cls = f->step.cls;

	if (cls == PD_CLASS_CONTROL)
		st->ses.end = 1;
	/* which reply ends a transaction, and with it this write, would not be known */
	if (words && ((f->step.flags & PD_REQ_END) ||
		      ((f->step.flags & PD_REQ_QUEUED) &&
		       (cls == PD_CLASS_WRITE || cls == PD_CLASS_WRITE_ALL))))
		f->bad = 1;
	if (f->step.flags & PD_REQ_NOREPLY) {
		if (words)
			pd_authority_hold(authority, PD_WORD_BUMP, f->now);
		return;
	}
	__sync_fetch_and_add(&st->over, 1);
	if (!words || (cls != PD_CLASS_WRITE && cls != PD_CLASS_WRITE_ALL))
		return;
	if (!(__sync_fetch_and_or(&st->over, RING_OVER_WORD) & RING_OVER_WORD))
		pd_authority_add(authority, PD_WORD_BEGIN);
}

/*
 * A request is complete: put it into the ring, or count it as beyond. words:
 * this hook keeps words. A control that does not fit ends the session's claim
 * to answers, for its effect would be lost.
 */
static __always_inline void ring_request(struct pd_stream *st, struct feed *f, __u32 authority,
					 bool words, bool fill)
{
	struct pd_parse *p = &st->req;
	__u8 cls = f->step.cls, flags = f->step.flags;
	__u16 arg = 0;

	if ((p->nkeys & PD_NKEYS_OVER) || !ring_room(st, f, 1)) {
		ring_beyond(st, f, authority, words);
		return;
	}
	if (words && !(p->nkeys & PD_NKEYS_ALL) &&
	    (cls == PD_CLASS_WRITE_ALL || (cls == PD_CLASS_WRITE && !(p->nkeys & PD_NKEYS_SLOT)))) {
		pd_authority_add(authority, PD_WORD_BEGIN);
		flags |= PD_REQ_ALL;
	}
	if (p->nkeys & PD_NKEYS_ALL)
		flags |= PD_REQ_ALL;
	if (words && (p->nkeys & PD_NKEYS_SLOT)) {
		flags |= PD_REQ_SLOT;
		arg = p->slot;
	}
	if (cls == PD_CLASS_CONTROL || cls == PD_CLASS_PEEK || cls == PD_CLASS_READ)
		arg = f->step.code;
	if (cls == PD_CLASS_CONTROL && f->step.ttl) {
		if (st->ses.next)
			st->ses.end = 1;
		st->ses.next = f->step.ttl;
	}
	if (cls == PD_CLASS_CONTROL && (flags & PD_REQ_NOREPLY)) {
		/* never answered, and what follows may not be either */
		st->ses.opaque = 1;
		st->ses.end = 1;
	}
	if (cls == PD_CLASS_READ && f->step.op)
		flags |= PD_REQ_READ;
	if (fill)
		flags |= PD_REQ_FILL;
	ring_put(st, f, cls, flags, arg);
}

/* Let go of what one item holds; `amount` is PD_WORD_END. */
static __always_inline void ring_release(struct pd_stream *st, const struct pd_item *i,
					 __u32 authority)
{
	if (i->flags & PD_REQ_SLOT)
		pd_slot_add(authority, i->arg, PD_WORD_END);
	if (i->flags & PD_REQ_ALL)
		pd_authority_add(authority, PD_WORD_END);
}

/* A queued command was accepted: what it holds stays in flight until the transaction ends. */
static __always_inline void ring_hold(struct pd_stream *st, const struct pd_item *i,
				      __u32 authority)
{
	if (i->flags & PD_REQ_SLOT) {
		__u32 n = st->nheld;

		if (n < PD_HELD) {
			st->held[WIRE_HIDE(n) & (PD_HELD - 1)] = i->arg;
			st->nheld = n + 1;
		} else {
			if (!st->held_all) {
				st->held_all = 1;
				pd_authority_add(authority, PD_WORD_BEGIN);
			}
			pd_slot_add(authority, i->arg, PD_WORD_END);
		}
	}
	if (i->flags & PD_REQ_ALL) {
		if (st->held_all)
			pd_authority_add(authority, PD_WORD_END);
		st->held_all = 1;
	}
}

/* The transaction ended, one way or the other. */
static __always_inline void ring_end_transaction(struct pd_stream *st, __u32 authority)
{
	__u32 i;

	for (i = 0; i < PD_HELD; i++) {
		if (i >= st->nheld)
			break;
		pd_slot_add(authority, st->held[i], PD_WORD_END);
	}
	st->nheld = 0;
	if (st->held_all)
		pd_authority_add(authority, PD_WORD_END);
	st->held_all = 0;
}

/* Tell the grammar which request the next reply answers. */
static __always_inline void ring_peek(const struct pd_stream *st, struct wire_step *s)
{
	const struct pd_item *item = &st->ring[WIRE_HIDE(st->head) & (PD_RING - 1)];

	s->item_cls = st->head == READ_ONCE(st->tail) ? PD_CLASS_NONE : item->cls;
	s->item_flags = item->flags;
	s->item_code = item->arg;
}

struct ring_pop {
	struct pd_stream *st;
	__u32 authority;
	__u8 words;
	__u8 queued; /* the reply was "queued" */
	__u8 flags;  /* of all items taken */
	__u8 cls;    /* of the last item taken */
	__u16 arg;
	__u8 last; /* the request's last item was taken */
	__u8 pad;
};

/* Take one item; true when the request that was answered is complete. */
static __always_inline bool ring_take(struct ring_pop *r)
{
	struct pd_stream *st = r->st;
	struct pd_item i = st->ring[WIRE_HIDE(st->head) & (PD_RING - 1)];

	if (r->words && (i.flags & (PD_REQ_SLOT | PD_REQ_ALL))) {
		if (r->queued)
			ring_hold(st, &i, r->authority);
		else
			ring_release(st, &i, r->authority);
	}
	WRITE_ONCE(st->head, st->head + 1);
	r->cls = i.cls;
	r->arg = i.arg;
	if (i.flags & PD_REQ_NOREPLY)
		return st->head == READ_ONCE(st->tail);
	r->flags |= i.flags;
	if (i.flags & PD_REQ_CHAIN)
		return false;
	r->last = 1;
	return true;
}

static long ring_take_loop(__u32 n, void *ctx)
{
	struct ring_pop *r = ctx;

	return ring_take(r);
}

/*
 * A reply was completed: take the items of the request it answers, and those
 * of older requests without a reply, which the server has executed by now
 * (rule 7). False: there was no such request.
 */
static __always_inline bool ring_reply(struct ring_pop *r)
{
	struct pd_stream *st = r->st;
	__u32 over, done;

	if (st->head != READ_ONCE(st->tail)) {
		if (!ring_take(r))
			bpf_loop(2 * PD_RING, ring_take_loop, r, 0);
		if (r->last)
			return true;
	}
	over = READ_ONCE(st->over);
	done = st->over_done + 1;
	if (st->over_done == (over & ~RING_OVER_WORD))
		return false;
	WRITE_ONCE(st->over_done, done);
	/* drained, unless the request direction has just counted another one */
	if (over == (done | RING_OVER_WORD) &&
	    __sync_val_compare_and_swap(&st->over, over, done) == over && r->words)
		pd_authority_add(r->authority, PD_WORD_END);
	return true;
}

/* Let the session learn from a reply: of a read that it is allowed, of a control what it changed.
 * Returns the flags that still hold. */
static __always_inline __u8 ring_settle(struct ring_pop *r, __u32 protocol, struct wire_step *s)
{
	s->item_cls = r->cls;
	s->item_flags = r->flags;
	s->item_code = r->arg;
	if (r->last && (r->cls == PD_CLASS_CONTROL || s->kind == WIRE_KIND_QUEUED))
		proto_settle(protocol, &r->st->ses, s);
	if ((r->flags & PD_REQ_READ) && s->kind <= WIRE_KIND_NIL)
		r->st->ses.proven |= PD_PROVEN_READ;
	return s->item_flags;
}

#endif
