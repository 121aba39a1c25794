/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Datagrams on the home hook. A request is remembered under its flow and
 * frame until its reply: a read with the words it carried, a write with the
 * slot it is in flight in. What gets no reply is let go by the sweep after the
 * grace time, under words that have moved (rules 7 and 10).
 */
#ifndef PD_KERN_HOME_UDP_H
#define PD_KERN_HOME_UDP_H

#include "home.h"
#include "sweep.h"

struct home_dgram {
	pd_ctx *ctx;
	struct home_room *r;
	const struct pd_service *svc;
	__u64 seed;
};

static long home_dgram_loop(__u32 i, void *ctx)
{
	struct home_dgram *l = ctx;
	struct feed *f = &l->r->f;
	int ev;

	if (!feed_window(l->ctx, f, &l->r->parse))
		return 1;
	ev = proto_request(l->svc->protocol, &f->win, &l->r->parse, &l->r->session, &f->step);
	if (ev & (WIRE_EV_MORE | WIRE_EV_BAD)) {
		f->bad = 1;
		return 1;
	}
	f->at = f->base + f->step.pos;
	if (ev & WIRE_EV_KEY) {
		l->r->parse.khash = pd_hash(&f->win, f->step.key_off, f->step.key_len, l->seed);
		l->r->seen.nkeys++;
		pd_watch_key(&f->win, &f->step, l->seed);
		if (f->step.cls == PD_CLASS_WRITE &&
		    (l->r->seen.nkeys > 1 || !(ev & WIRE_EV_DONE) ||
		     (f->step.flags & PD_REQ_NOREPLY))) {
			l->r->seen.held = 1;
			pd_slot_hold(l->svc->authority, l->r->parse.khash & (PD_SLOTS - 1),
				     PD_WORD_BUMP, f->now);
		}
		l->r->fill.slot = l->r->parse.khash & (PD_SLOTS - 1);
	}
	if (!(ev & WIRE_EV_DONE))
		return 0;
	f->msgs++;
	if (f->step.cls > l->r->seen.cls)
		l->r->seen.cls = f->step.cls;
	if (f->step.cls == PD_CLASS_WRITE_ALL || f->step.cls == PD_CLASS_CONTROL ||
	    (f->step.cls == PD_CLASS_WRITE && !l->r->seen.nkeys))
		pd_authority_hold(l->svc->authority, PD_WORD_BUMP, f->now);
	if (f->step.cls == PD_CLASS_WRITE_ALL)
		fill_flush(l->svc->authority, &f->step, f->now);
	if (f->step.cls == PD_CLASS_WRITE && l->r->seen.nkeys == 1)
		fill_ttl(l->r->parse.khash, &f->step, f->now);
	if (f->step.cls == PD_CLASS_READ && l->r->seen.nkeys == 1 && f->msgs == 1)
		fill_arm(&l->r->fill, f, l->svc, 0, l->r->parse.khash, l->seed);
	return 0;
}

/*
 * Put the row of a request in place. A repeat of it makes its reply unfit to
 * be kept, and a write may take effect a second time: nothing of its slot is
 * kept for the grace time. So too when there is no room for a row.
 */
static __always_inline void home_dgram_note(struct home_room *r, const struct pd_service *svc,
					    const struct pd_dgram_key *k, __u32 cls)
{
	struct pd_dgram *d, *n = (void *)&r->fresh;
	__u32 slot = r->fill.slot;

	n->fill = r->fill;
	n->seen = r->f.now;
	n->copies = 1;
	n->cls = cls;
	n->authority = svc->authority;
	if (cls == PD_CLASS_WRITE)
		pd_slot_add(svc->authority, slot, PD_WORD_BEGIN);
	if (!bpf_map_update_elem(&datagrams, k, n, BPF_NOEXIST))
		return;
	if (cls == PD_CLASS_WRITE)
		pd_slot_hold(svc->authority, slot, PD_WORD_END, r->f.now);
	d = bpf_map_lookup_elem(&datagrams, k);
	if (!d)
		return;
	__sync_fetch_and_add(&d->copies, 1);
	WRITE_ONCE(d->fill.armed, PD_FILL_OFF); /* for good: the replies cannot be told apart */
	if (d->cls != cls || (cls == PD_CLASS_WRITE && d->fill.slot != slot))
		pd_authority_hold(svc->authority, PD_WORD_BUMP, r->f.now);
}

static __always_inline int home_udp_request(pd_ctx *ctx, struct home_room *r,
					    const struct pd_service *svc, struct pkt *p)
{
	const struct pd_settings *set = pd_settings();
	struct home_dgram l = {.ctx = ctx, .r = r, .svc = svc, .seed = set ? set->seed : 0};
	struct pd_dgram_key *k = &r->dgram;
	struct feed *f = &r->f;
	__u16 no_carry = 0;

	f->now = bpf_ktime_get_boot_ns();
	__builtin_memset(&r->parse, 0, sizeof(r->parse));
	__builtin_memset(&r->session, 0, sizeof(r->session));
	r->fill.armed = 0;
	__builtin_memset(&r->seen, 0, sizeof(r->seen));
	f->step.pos = 0;
	f->step.len = p->plen;
	if (!p->plen || feed_begin(ctx, f, p->poff, p->plen, r->fill.ident, &no_carry) ||
	    proto_datagram(svc->protocol, &f->win, &f->step)) {
		home_unknown(svc, PD_HERE);
		pd_authority_hold(svc->authority, PD_WORD_BUMP, f->now);
		return PD_NEXT;
	}
	f->at = f->step.pos;
	k->pad = 0;
	k->frame = *(__u16 *)f->win.b;
	__builtin_memcpy(&k->flow, &p->t, sizeof(k->flow));
	bpf_loop(FEED_LOAD, home_dgram_loop, &l, 0);
	if (f->bad || f->msgs != 1 || f->at + r->parse.skip != p->plen) {
		home_unknown(svc, PD_HERE);
		pd_authority_hold(svc->authority, PD_WORD_BUMP, f->now);
		r->seen.cls = PD_CLASS_WRITE_ALL;
	} else {
		pd_verdict(svc->id, r->seen.cls == PD_CLASS_READ	? PD_V_home_read
				    : r->seen.cls == PD_CLASS_WRITE	? PD_V_home_write
				    : r->seen.cls == PD_CLASS_WRITE_ALL ? PD_V_home_write_all
									: PD_V_home_other);
	}
	/* a server may answer several keys by several datagrams that each call themselves the only
	 * one */
	if (r->seen.nkeys > 1 && r->seen.cls == PD_CLASS_READ) {
		r->fill.armed = 0;
		r->seen.cls = PD_CLASS_PEEK;
	}
	if (r->seen.cls == PD_CLASS_WRITE || r->seen.cls == PD_CLASS_WRITE_ALL)
		pd_count(svc->id,
			 r->seen.cls == PD_CLASS_WRITE ? PD_C_invalidations : PD_C_writes_all);
	/* a write of several keys, or without a reply, has taken its slots out of use for the grace
	 * time */
	if (r->seen.cls == PD_CLASS_WRITE && r->seen.held)
		r->seen.cls = PD_CLASS_PEEK;
	home_dgram_note(r, svc, k, r->seen.cls);
	return PD_NEXT;
}

static __always_inline void home_dgram_reply(pd_ctx *ctx, struct home_room *r,
					     const struct pd_service *svc, struct pkt *p,
					     struct pd_dgram *d)
{
	struct feed *f = &r->f;
	__u32 end;
	int ev;

	f->step.item_cls = PD_CLASS_READ;
	f->step.item_flags = 0;
	f->step.item_code = 0;
	f->start = f->at;
	end = f->at;
	__builtin_memset(&r->parse, 0, sizeof(r->parse));
	/* VALUE line, END line: two tokens; anything longer is not kept */
	ev = WIRE_EV_NEXT;
	for (int i = 0; i < 2; i++) {
		if (!feed_window(ctx, f, &r->parse))
			return;
		ev = proto_reply(svc->protocol, &f->win, &r->parse, &r->session, &f->step);
		if (ev & (WIRE_EV_MORE | WIRE_EV_BAD))
			return;
		f->at = f->base + f->step.pos;
		if (ev & WIRE_EV_DONE)
			break;
	}
	end = f->at + r->parse.skip;
	if (!(ev & WIRE_EV_DONE) || end != p->plen || f->step.kind > WIRE_KIND_NIL)
		return;
	r->fresh.fill = d->fill;
	r->fresh.fill.kind = f->step.kind;
	home_fill_whole(ctx, f, &r->fresh.fill, svc, f->start, end - f->step.cut);
}

/* A write was answered, or is not waited for any more; the row goes. */
static __always_inline void home_dgram_end(const struct pd_dgram_key *k, struct pd_dgram *d)
{
	/* whoever takes the class off ends the write: the reply and the sweep may both be here */
	__u32 cls = __sync_lock_test_and_set(&d->cls, PD_CLASS_NONE);

	if (cls == PD_CLASS_WRITE)
		pd_slot_add(d->authority, d->fill.slot, PD_WORD_END);
	bpf_map_delete_elem(&datagrams, k);
}

static __always_inline int home_udp_reply(pd_ctx *ctx, struct home_room *r,
					  const struct pd_service *svc, struct pkt *p)
{
	struct pd_dgram_key *k = &r->dgram;
	struct feed *f = &r->f;
	struct pd_dgram *d;
	__u16 no_carry = 0;
	bool whole;

	f->now = bpf_ktime_get_boot_ns();
	__builtin_memset(&r->session, 0, sizeof(r->session));
	if (!p->plen || feed_begin(ctx, f, p->poff, p->plen, r->fill.ident, &no_carry)) {
		home_unknown(svc, PD_HERE);
		return PD_NEXT;
	}
	k->pad = 0;
	k->frame = *(__u16 *)f->win.b;
	__builtin_memcpy(&k->flow, &p->t, sizeof(k->flow));
	d = bpf_map_lookup_elem(&datagrams, k);
	if (!d) {
		home_unknown(svc, PD_HERE);
		return PD_NEXT;
	}
	f->step.pos = 0;
	f->step.len = p->plen;
	whole = !proto_datagram(svc->protocol, &f->win, &f->step);
	f->at = f->step.pos;
	if (d->cls == PD_CLASS_WRITE_ALL || d->cls == PD_CLASS_CONTROL)
		pd_authority_add(svc->authority, PD_WORD_BUMP);
	else if (whole && d->copies == 1 && d->fill.armed)
		home_dgram_reply(ctx, r, svc, p, d);
	pd_verdict(svc->id, PD_V_home_reply);
	/* What may be answered by several datagrams keeps its row for the sweep: their order is not
	 * ours to know. */
	if (d->cls == PD_CLASS_WRITE ||
	    (whole && d->cls == PD_CLASS_READ && __sync_fetch_and_add(&d->copies, -1) == 1))
		home_dgram_end(k, d);
	return PD_NEXT;
}

static long sweep_datagram(struct bpf_map *map, const struct pd_dgram_key *k, struct pd_dgram *d,
			   void *ctx)
{
	const struct sweep *s = ctx;

	if (s->now > d->seen && s->now - d->seen > s->grace)
		home_dgram_end(k, d);
	return 0;
}

#endif
