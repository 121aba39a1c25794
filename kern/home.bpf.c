/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Home hook: on the interface that leads to an authority. It alters nothing.
 * It sees every request before the server does (TC egress) and every reply
 * before anyone else does (TC ingress); it moves words for writes and keeps
 * replies to reads. Nothing passes unclassified: what cannot be interpreted is
 * a write to everything, in both directions (rule 5).
 */
#include "ctx_skb.h"
#include "home.h"
#include "home_udp.h"
#include "ring.h"
#include "sweep.h"

enum fill_found {
	FILL_NONE = 0,
	FILL_WHOLE, /* the reply starts in this segment and its end is known */
	FILL_ENDS,  /* its end is known now, its start is in the assembly */
};

/* Give back everything a connection holds: its end was seen, or its place is taken (rule 8). */
static long home_drop_loop(__u32 i, void *ctx)
{
	struct ring_pop *r = ctx;

	if (r->st->head == READ_ONCE(r->st->tail))
		return 1;
	ring_take(r);
	return 0;
}

static __always_inline void home_release(struct pd_flow *fl, const struct pd_service *svc,
					 __u64 now)
{
	struct pd_stream *st = &fl->stream;
	struct ring_pop r = {.st = st, .authority = svc->authority, .words = 1};
	bool any = !ring_empty(st) || st->nheld || st->held_all;

	if (st->req.nkeys &
	    PD_NKEYS) /* a write that was never sent to its end: all but the last are in the ring */
		pd_slot_hold(svc->authority, st->req.slot, PD_WORD_END, now);
	if (st->req.nkeys & PD_NKEYS_ALL)
		pd_authority_hold(svc->authority, PD_WORD_END, now);
	st->req.nkeys = 0;
	bpf_loop(PD_RING, home_drop_loop, &r, 0);
	ring_end_transaction(st, svc->authority);
	if (st->over_word)
		pd_authority_add(svc->authority, PD_WORD_END);
	st->over_word = 0;
	WRITE_ONCE(st->over_done, st->over);
	fill_off(&fl->fill, fl->id);
	if (any)
		pd_count(svc->id, PD_C_releases);
}

/* Framing is lost: from here on every segment is a write to everything. */
static __always_inline void home_lost(struct pd_flow *fl, const struct pd_service *svc,
				      struct pkt *p, __u64 now)
{
	if (fl->unknown)
		return;
	fl->unknown = 1;
	home_release(fl, svc, now);
	pd_authority_hold(svc->authority, PD_WORD_BUMP, now);
	pd_count(svc->id, PD_C_framing_lost);
	pd_event(svc->id, PD_EVENT_FRAMING_LOST, &p->t);
}

/* Replies of a connection whose messages cannot be told apart: each may acknowledge a write. */
static __always_inline void home_opaque_reply(struct pd_flow *fl, const struct pd_service *svc,
					      __u64 now)
{
	if (fl->unknown) {
		home_unknown(svc, __LINE__);
		return;
	}
	if (!ring_empty(&fl->stream)) {
		home_release(fl, svc, now);
		pd_authority_hold(svc->authority, PD_WORD_BUMP, now);
	}
	pd_verdict(svc->id, PD_V_home_reply);
}

/* ---- requests ---------------------------------------------------------- */

struct home_loop {
	pd_ctx *ctx;
	struct feed *f;
	struct pd_flow *fl;
	const struct pd_service *svc;
	__u64 seed;
};

static __noinline void home_key(struct home_loop *l)
{
	struct feed *f = l->f;
	struct pd_stream *st = &l->fl->stream;
	__u32 n = f->step.key_len;
	__u64 h;

	h = pd_hash(&f->win, f->step.key_off, n, l->seed);
	st->req.khash = h;
	if (f->step.cls == PD_CLASS_WRITE && st->ses.opaque)
		pd_slot_hold(l->svc->authority, h & (PD_SLOTS - 1), PD_WORD_BUMP, f->now);
	else if (f->step.cls == PD_CLASS_WRITE)
		ring_write_key(st, f, l->svc->authority, h);
	else
		st->req.nkeys++;
}

static __noinline void home_done(struct home_loop *l, bool key)
{
	struct feed *f = l->f;
	struct pd_flow *fl = l->fl;
	struct pd_stream *st = &fl->stream;
	__u8 cls = f->step.cls;
	bool fill = false;

	f->seen |= 1 << (cls & 7);
	f->msgs++;
	if (cls == PD_CLASS_READ && key && st->req.nkeys == 1 && f->step.op && ring_empty(st) &&
	    f->tail == st->head && st->ses.known && !st->ses.block && !st->ses.end)
		fill = fill_arm(&fl->fill, f, l->svc, st->ses.realm, st->req.khash, l->seed);
	if (cls == PD_CLASS_WRITE_ALL && f->step.ttl_unit == WIRE_TTL_MS)
		pd_flush_at(l->svc->authority, f->now + f->step.ttl * 1000000);
	if (cls == PD_CLASS_WRITE && (st->req.nkeys & PD_NKEYS) == 1)
		fill_ttl(st->req.khash, &f->step, f->now);
	if (cls == PD_CLASS_WRITE || cls == PD_CLASS_WRITE_ALL)
		pd_count(l->svc->id, cls == PD_CLASS_WRITE ? PD_C_invalidations : PD_C_writes_all);
	if (!st->ses.opaque)
		ring_request(st, f, l->svc->authority, true, fill);
	else if (cls == PD_CLASS_WRITE_ALL || (cls == PD_CLASS_WRITE && !key))
		/* the end of such a write cannot be told: nothing is kept until it is surely over
		 */
		pd_authority_hold(l->svc->authority, PD_WORD_BUMP, f->now);
	st->req.nkeys = 0;
}

static long home_request_loop(__u32 i, void *ctx)
{
	struct home_loop *l = ctx;
	struct feed *f = l->f;
	struct pd_stream *st = &l->fl->stream;
	int ev;

	if (!feed_window(l->ctx, f, &st->req))
		return 1;
	ev = proto_request(l->svc->protocol, &f->win, &st->req, &st->ses, &f->step);
	if (ev & WIRE_EV_MORE) {
		feed_carry(f, st->carry, &st->carry_len);
		return 1;
	}
	if (ev & WIRE_EV_BAD) {
		f->bad = 1;
		return 1;
	}
	f->at = f->base + f->step.pos;
	if (ev & WIRE_EV_KEY)
		home_key(l);
	if (ev & WIRE_EV_DONE)
		home_done(l, ev & WIRE_EV_KEY);
	return 0;
}

static __always_inline void home_feed_request(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					      const struct pd_service *svc, struct pkt *p)
{
	const struct pd_settings *set = pd_settings();
	struct pd_stream *st = &fl->stream;
	struct feed *f = &r->f;
	struct home_loop l = {
		.ctx = ctx, .f = f, .fl = fl, .svc = svc, .seed = set ? set->seed : 0};

	f->tail = st->tail;
	if (feed_begin(ctx, f, p->poff, p->plen, st->carry, &st->carry_len))
		f->bad = 1;
	else if (bpf_loop(FEED_TOKENS, home_request_loop, &l, 0) == FEED_TOKENS)
		f->bad = 1;
	WRITE_ONCE(st->tail, f->tail);
	if (f->bad) {
		home_lost(fl, svc, p, f->now);
		pd_verdict(svc->id, PD_V_home_unknown);
	} else if (f->seen & (1 << PD_CLASS_WRITE_ALL)) {
		pd_verdict(svc->id, PD_V_home_write_all);
	} else if (f->seen & (1 << PD_CLASS_WRITE)) {
		pd_verdict(svc->id, PD_V_home_write);
	} else if (f->seen & (1 << PD_CLASS_READ)) {
		pd_verdict(svc->id, PD_V_home_read);
	} else {
		pd_verdict(svc->id, PD_V_home_other);
	}
}

/* A SYN: a new flow, or a note on the old one until the server answers it (rule 6). */
static __always_inline int home_syn(struct home_room *r, const struct pd_service *svc,
				    struct pkt *p)
{
	struct pd_flow *fl = bpf_map_lookup_elem(&flows, &p->t);

	if (p->plen) { /* TCP Fast Open */
		home_unknown(svc, __LINE__);
		return PD_NEXT;
	}
	if (fl && fl->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(&flows, &p->t);
		fl = NULL;
	}
	if (fl) {
		fl->syn_seq = p->seq;
		return PD_NEXT;
	}
	fl = &r->fresh;
	pd_zero(fl, sizeof(*fl));
	fl->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
	fl->seen = bpf_ktime_get_boot_ns();
	fl->c_nxt = p->seq + 1;
	fl->syn_seq = p->seq;
	fl->state = PD_CONN_SYN;
	fl->service = svc->id;
	fl->authority = svc->authority;
	fl->stream.ses.known = 1;
	if (bpf_map_update_elem(&flows, &p->t, fl, BPF_NOEXIST)) {
		pd_count(svc->id, PD_C_table_full);
		pd_event(svc->id, PD_EVENT_TABLE_FULL, &p->t);
	}
	pd_verdict(svc->id, PD_V_home_quiet);
	return PD_NEXT;
}

static __always_inline int home_tcp_request(pd_ctx *ctx, struct home_room *r,
					    const struct pd_service *svc, struct pkt *p)
{
	struct pd_flow *fl;
	__u32 late = 0;

	if (p->flags & TCPF_SYN)
		return home_syn(r, svc, p);
	fl = bpf_map_lookup_elem(&flows, &p->t);
	if (!fl) {
		if (p->plen)
			home_unknown(svc, __LINE__);
		return PD_NEXT;
	}
	r->f.now = pd_now_coarse();
	fl->seen = r->f.now;
	if (p->flags & TCPF_URG) {
		home_unknown(svc, __LINE__);
		home_lost(fl, svc, p, r->f.now);
	}
	if (!p->plen) {
		if ((p->flags & TCPF_FIN) && p->seq == fl->c_nxt) {
			fl->c_nxt = p->seq + 1;
			fl->fins |= PD_FIN_CLIENT;
		}
		pd_verdict(svc->id, PD_V_home_quiet);
		return PD_NEXT;
	}
	if (__sync_val_compare_and_swap(&fl->stream.req_busy, 0, 1)) {
		pd_verdict(svc->id, PD_V_home_race);
		return PD_DROP;
	}
	if (before(fl->c_nxt, p->seq) && fl->state == PD_CONN_LIVE) {
		WRITE_ONCE(fl->stream.req_busy, 0);
		pd_verdict(svc->id, PD_V_home_gap);
		return PD_DROP;
	}
	late = fl->c_nxt - p->seq;
	if (late >= p->plen) {
		pd_verdict(svc->id, PD_V_home_quiet);
	} else {
		p->poff += late;
		p->plen -= late;
		if (fl->unknown)
			home_unknown(svc, __LINE__);
		else
			home_feed_request(ctx, r, fl, svc, p);
		fl->c_nxt = p->seq + late + p->plen;
		if (p->flags & TCPF_FIN) {
			fl->c_nxt++;
			fl->fins |= PD_FIN_CLIENT;
		}
	}
	WRITE_ONCE(fl->stream.req_busy, 0);
	return PD_NEXT;
}

SEC("tc")
int home_request(struct __sk_buff *ctx)
{
	struct pd_service *svc;
	struct home_room *r;
	__u32 row = 0;
	struct pkt *p;
	int s;

	r = bpf_map_lookup_elem(&home_rooms, &row);
	if (!r)
		return PD_NEXT;
	p = &r->p;
	pd_pull_headers(ctx);
	s = pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, p, true);
	if (s == PKT_OTHER)
		return PD_NEXT;
	if (ctx->vlan_present)
		s = PKT_OPTIONS;
	svc = pkt_service(p, s);
	if (!svc)
		return PD_NEXT;
	if (s != PKT_OK)
		return home_odd(svc);
	if (p->proto == IPPROTO_TCP)
		return home_tcp_request(ctx, r, svc, p);
	return home_udp_request(ctx, r, svc, p);
}

/* ---- replies ------------------------------------------------------------- */

/* A reply is complete: what it answers has taken effect (rule 7). */
static __noinline int home_reply_done(struct home_loop *l)
{
	struct feed *f = l->f;
	struct pd_flow *fl = l->fl;
	struct pd_stream *st = &fl->stream;
	struct ring_pop r = {.st = st, .authority = l->svc->authority, .words = 1};
	__u32 kind = f->step.kind;

	if (kind == WIRE_KIND_PUSH || kind == WIRE_KIND_PART) {
		if (fl->fill.armed == PD_FILL_PART) /* what was assembled is not the reply alone */
			fill_off(&fl->fill, fl->id);
		return 0;
	}
	r.queued = kind == WIRE_KIND_QUEUED;
	if (!ring_reply(&r))
		return -1;
	if (ring_settle(&r, l->svc->protocol, &f->step) & PD_REQ_END)
		ring_end_transaction(st, l->svc->authority);
	if (!(r.flags & PD_REQ_FILL) || !fl->fill.armed)
		return 0;
	if (kind != WIRE_KIND_VALUE && kind != WIRE_KIND_NIL) {
		fill_off(&fl->fill, fl->id);
		return 0;
	}
	f->fill = fl->fill.armed == PD_FILL_WAIT ? FILL_WHOLE : FILL_ENDS;
	f->fill_at = fl->fill.armed == PD_FILL_WAIT ? f->start : 0;
	f->fill_end = f->at + st->rep.skip - f->step.cut;
	fl->fill.kind = kind;
	return 0;
}

static long home_reply_loop(__u32 i, void *ctx)
{
	struct home_loop *l = ctx;
	struct feed *f = l->f;
	struct pd_stream *st = &l->fl->stream;
	int ev;

	if (!feed_window(l->ctx, f, &st->rep))
		return 1;
	if (!st->rep.phase && !st->rep.left)
		f->start = f->at;
	ring_peek(st, &f->step);
	ev = proto_reply(l->svc->protocol, &f->win, &st->rep, &st->ses, &f->step);
	if (ev & WIRE_EV_MORE) {
		feed_carry(f, st->rep_carry, &st->rep_carry_len);
		return 1;
	}
	if (ev & WIRE_EV_BAD) {
		f->bad = 1;
		return 1;
	}
	f->at = f->base + f->step.pos;
	if ((ev & WIRE_EV_DONE) && home_reply_done(l)) {
		f->bad = 1;
		return 1;
	}
	if (st->ses.opaque)
		return 1;
	return 0;
}

/* The reply under assembly is complete. */
static __always_inline void home_fill_assembled(struct home_room *r, struct pd_flow *fl,
						const struct pd_service *svc)
{
	struct pd_assembly *a = bpf_map_lookup_elem(&assemblies, &fl->fill.assembly);
	__u32 off = (fl->fill.ident_len + 7) & ~7U, len = fl->fill.reply_len, n = len;
	struct fill_room *room = fill_room();

	if (!a || !room || a->owner != fl->id)
		return;
	LIM(n, PD_REPLY_MAX, return );
	if (bpf_probe_read_kernel(room->e.data + (WIRE_HIDE(off) & 511), n, a->data))
		return;
	pd_fill_store(&fl->fill, svc, off, len, r->f.now);
}

/* After a segment of replies: keep what is complete, assemble what goes on. */
static __always_inline void home_fill(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
				      const struct pd_service *svc)
{
	struct pd_stream *st = &fl->stream;
	struct pd_fill *fi = &fl->fill;
	struct feed *f = &r->f;
	__u32 from = 0, end = f->plen;
	bool ok = true;

	if (f->fill == FILL_NONE) {
		if (fi->armed != PD_FILL_WAIT && fi->armed != PD_FILL_PART)
			return;
		if (fi->armed == PD_FILL_WAIT) {
			if (!st->rep.phase && !st->rep.left && !st->rep.skip && !st->rep_carry_len)
				return; /* its reply has not begun */
			from = f->start;
		}
		if (!fill_append(ctx, fi, fl->id, svc, f, from, end))
			fill_off(fi, fl->id);
		return;
	}
	from = f->fill_at;
	if ((__s32)f->fill_end <= (__s32)f->plen)
		end = f->fill_end;
	if (f->fill == FILL_WHOLE && end == f->fill_end) {
		home_fill_whole(ctx, r, fl, svc, from, end);
	} else {
		if ((__s32)end <= 0)
			fi->reply_len += end; /* what is cut began in an earlier segment */
		else
			ok = fill_append(ctx, fi, fl->id, svc, f, from, end);
		if (ok && end != f->fill_end) {
			fi->left = f->fill_end - end;
			fi->armed = PD_FILL_TAIL;
			return;
		}
		if (ok)
			home_fill_assembled(r, fl, svc);
	}
	fill_off(fi, fl->id);
}

/* The rest of a reply whose end is known. */
static __always_inline void home_fill_tail(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					   const struct pd_service *svc)
{
	struct pd_fill *fi = &fl->fill;
	struct feed *f = &r->f;
	__u32 n = fi->left < f->plen ? fi->left : f->plen;

	if (!fill_append(ctx, fi, fl->id, svc, f, 0, n)) {
		fill_off(fi, fl->id);
		return;
	}
	fi->left -= n;
	if (fi->left)
		return;
	home_fill_assembled(r, fl, svc);
	fill_off(fi, fl->id);
}

static __always_inline void home_feed_reply(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					    const struct pd_service *svc, struct pkt *p)
{
	struct pd_stream *st = &fl->stream;
	struct feed *f = &r->f;
	struct home_loop l = {.ctx = ctx, .f = f, .fl = fl, .svc = svc};

	f->fill = FILL_NONE;
	if (feed_begin(ctx, f, p->poff, p->plen, st->rep_carry, &st->rep_carry_len)) {
		f->bad = 1;
	} else {
		if (fl->fill.armed == PD_FILL_TAIL)
			home_fill_tail(ctx, r, fl, svc);
		if (bpf_loop(FEED_TOKENS, home_reply_loop, &l, 0) == FEED_TOKENS)
			f->bad = 1;
	}
	if (f->bad) {
		home_lost(fl, svc, p, f->now);
		home_unknown(svc, __LINE__);
		return;
	}
	if (fl->fill.armed)
		home_fill(ctx, r, fl, svc);
	if (st->ses.opaque) {
		home_release(fl, svc, f->now);
		pd_authority_hold(svc->authority, PD_WORD_BUMP, f->now);
	}
	pd_verdict(svc->id, PD_V_home_reply);
}

/* The server's SYN-ACK: the flow is live, or its place is taken by a new one. */
static __always_inline void home_syn_ack(struct home_room *r, struct pd_flow *fl,
					 const struct pd_service *svc, struct pkt *p)
{
	if (p->ack != fl->syn_seq + 1)
		return;
	if (fl->state != PD_CONN_SYN && fl->s_nxt == p->seq + 1 && fl->c_nxt == p->ack)
		return; /* sent again */
	if (fl->state != PD_CONN_SYN) {
		home_release(fl, svc, r->f.now);
		pd_zero(&fl->stream, sizeof(fl->stream));
		fl->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
		fl->unknown = 0;
		fl->fins = 0;
		fl->closed = 0;
		fl->stream.ses.known = 1;
	}
	fl->c_nxt = p->ack;
	fl->s_nxt = p->seq + 1;
	fl->state = PD_CONN_LIVE;
	pd_verdict(svc->id, PD_V_home_quiet);
}

/* The end of a stream. Both ended, or an exact reset: what is in flight is over. */
static __always_inline void home_close(struct pd_flow *fl, const struct pd_service *svc,
				       struct pkt *p, __u64 now)
{
	if (p->flags & TCPF_RST) {
		if (p->seq != fl->s_nxt || fl->state == PD_CONN_SYN)
			return;
		fl->fins = PD_FIN_CLIENT | PD_FIN_SERVER;
	}
	home_release(fl, svc, now);
	if (fl->fins == (PD_FIN_CLIENT | PD_FIN_SERVER) && !fl->closed) {
		fl->closed = now;
		fl->state = PD_CONN_CLOSED;
	}
}

static __always_inline int home_tcp_reply(pd_ctx *ctx, struct home_room *r,
					  const struct pd_service *svc, struct pkt *p)
{
	struct pd_flow *fl = bpf_map_lookup_elem(&flows, &p->t);
	__u32 late;

	if (!fl) {
		if (p->plen)
			home_unknown(svc, __LINE__);
		return PD_NEXT;
	}
	r->f.now = pd_now_coarse();
	fl->seen = r->f.now;
	if (p->flags & TCPF_SYN) {
		home_syn_ack(r, fl, svc, p);
		return PD_NEXT;
	}
	if ((p->flags & TCPF_ACK) && fl->state == PD_CONN_LIVE && before(fl->c_nxt + 1, p->ack)) {
		home_lost(fl, svc, p, r->f.now); /* the server has bytes that did not pass here */
		fl->c_nxt = p->ack;
	}
	if (__sync_val_compare_and_swap(&fl->stream.rep_busy, 0, 1)) {
		pd_verdict(svc->id, PD_V_home_race);
		return PD_DROP;
	}
	late = fl->s_nxt - p->seq;
	if (p->plen && before(fl->s_nxt, p->seq)) {
		WRITE_ONCE(fl->stream.rep_busy, 0);
		pd_verdict(svc->id, PD_V_home_gap);
		return PD_DROP;
	}
	if (p->plen && late < p->plen) {
		p->poff += late;
		p->plen -= late;
		if (fl->unknown || fl->stream.ses.opaque)
			home_opaque_reply(fl, svc, r->f.now);
		else
			home_feed_reply(ctx, r, fl, svc, p);
		fl->s_nxt += p->plen;
	}
	if ((p->flags & TCPF_FIN) && p->seq + p->plen + late - fl->s_nxt == 0) {
		fl->s_nxt++;
		fl->fins |= PD_FIN_SERVER;
		home_close(fl, svc, p, r->f.now);
	} else if (p->flags & TCPF_RST) {
		home_close(fl, svc, p, r->f.now);
	}
	WRITE_ONCE(fl->stream.rep_busy, 0);
	return PD_NEXT;
}

SEC("tc")
int home_reply(struct __sk_buff *ctx)
{
	struct pd_service *svc;
	struct home_room *r;
	__u32 row = 1;
	struct pkt *p;
	int s;

	r = bpf_map_lookup_elem(&home_rooms, &row);
	if (!r)
		return PD_NEXT;
	p = &r->p;
	pd_pull_headers(ctx);
	s = pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, p, false);
	if (s == PKT_OTHER)
		return PD_NEXT;
	if (ctx->vlan_present)
		s = PKT_OPTIONS;
	svc = pkt_service(p, s);
	if (!svc)
		return PD_NEXT;
	if (s != PKT_OK)
		return home_odd(svc);
	if (p->proto == IPPROTO_TCP)
		return home_tcp_reply(ctx, r, svc, p);
	return home_udp_reply(ctx, r, svc, p);
}

/* ---- sweep -------------------------------------------------------------------- */

static long sweep_flow(struct bpf_map *map, const struct pd_tuple *k, struct pd_flow *fl, void *ctx)
{
	struct pd_service svc = {.id = fl->service, .authority = fl->authority};
	struct sweep *s = ctx;

	if (fl->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(map, k);
		s->deleted++;
		return 0;
	}
	if (!sweep_over(s->now, fl->closed, fl->seen, fl->state, false))
		return 0;
	if (__sync_val_compare_and_swap(&fl->stream.req_busy, 0, 1))
		return 0;
	if (!__sync_val_compare_and_swap(&fl->stream.rep_busy, 0, 1)) {
		home_release(fl, &svc, s->now);
		fl->state = PD_CONN_DEAD;
		s->dead++;
		WRITE_ONCE(fl->stream.rep_busy, 0);
	}
	WRITE_ONCE(fl->stream.req_busy, 0);
	return 0;
}

static long sweep_ttl(struct bpf_map *map, const __u64 *k, struct pd_ttl *t, void *ctx)
{
	struct sweep *s = ctx;

	if (t->last + TTL_SLACK < s->now)
		bpf_map_delete_elem(map, k);
	return 0;
}

/* Run by the daemon every few seconds; returns the number of flows it deleted. */
SEC("tc")
int sweep_flows(struct __sk_buff *ctx)
{
	const struct pd_settings *set = pd_settings();
	struct sweep s = {.now = bpf_ktime_get_boot_ns(), .grace = set ? set->grace : 1000000000};

	bpf_for_each_map_elem(&datagrams, sweep_datagram, &s, 0);
	bpf_for_each_map_elem(&flows, sweep_flow, &s, 0);
	bpf_for_each_map_elem(&ttls, sweep_ttl, &s, 0);
	return s.deleted;
}

char LICENSE[] SEC("license") = "GPL";
