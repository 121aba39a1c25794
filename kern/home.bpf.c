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
#include "home_flow.h"
#include "home_udp.h"
#include "ring.h"
#include "sum.h"
#include "sweep.h"

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
	pd_watch_key(&f->win, &f->step, l->seed);
	if (f->step.cls == PD_CLASS_WRITE && st->ses.opaque) {
		pd_slot_hold(l->svc->authority, h & (PD_SLOTS - 1), PD_WORD_BUMP, f->now);
		ring_count_key(&st->req);
	} else if (f->step.cls == PD_CLASS_WRITE)
		ring_write_key(st, f, l->svc->authority, h);
	else {
		if (ring_empty(st) && f->tail == st->head)
			fill_note(l->fl, st->req.nkeys, l->svc, f, h);
		if (st->req.nkeys < PD_NKEYS) /* above it are flags */
			st->req.nkeys++;
	}
}

/* Is the reply made of a kept reply to each key, even to a single one? */
static __always_inline bool home_parts(const struct pd_service *svc, const struct feed *f)
{
	return (proto_flags(svc->protocol) & WIRE_F_HEAD) && f->step.parts;
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
	if (cls == PD_CLASS_READ && f->step.op)
		pd_count(l->svc->id, PD_C_misses);
	if (cls == PD_CLASS_READ && f->step.op && ring_empty(st) && f->tail == st->head &&
	    st->ses.known && !st->ses.block && !st->ses.end) {
		if (st->req.nkeys > 1 || home_parts(l->svc, f))
			fill = fill_arm_many(&fl->fill, f, l->svc, st->ses.realm, st->req.nkeys);
		else if (key)
			fill = fill_arm(&fl->fill, f, l->svc, st->ses.realm, st->req.khash,
					l->seed);
	}
	if (cls == PD_CLASS_WRITE_ALL)
		fill_flush(l->svc->authority, &f->step, f->now);
	if (cls == PD_CLASS_WRITE && (st->req.nkeys & PD_NKEYS) == 1)
		fill_ttl(st->req.khash, &f->step, f->now);
	if (cls == PD_CLASS_WRITE || cls == PD_CLASS_WRITE_ALL)
		pd_count(l->svc->id, cls == PD_CLASS_WRITE ? PD_C_invalidations : PD_C_writes_all);
	if (!st->ses.opaque || (st->req.nkeys & (PD_NKEYS_SLOT | PD_NKEYS_ALL)))
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
		home_lost(fl, &st->rep_busy, svc, p, f->now);
		pd_count(svc->id, PD_C_unknown);
		pd_verdict(svc->id, PD_V_pass_malformed);
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

static __always_inline __u8 home_incarnation(const struct pd_service *svc)
{
	const struct pd_authority *a = pd_authority_of(svc->authority);

	return a ? a->incarnation : 0;
}

/*
 * The hook was off, or the service another one, since this flow was seen last:
 * what it holds goes back where it was taken, and nothing it knows counts any
 * more (rule 14). False: somebody else is at it.
 */
static __noinline bool home_current(struct pd_flow *fl, const struct pd_service *svc,
				    const struct pkt *p, __u64 now, bool request)
{
	__u8 incarnation = home_incarnation(svc);

	if (fl->authority == svc->authority && fl->incarnation == incarnation)
		return true;
	if (!home_claim(&fl->stream.req_busy))
		return false;
	if (!home_claim(&fl->stream.rep_busy)) {
		WRITE_ONCE(fl->stream.req_busy, 0);
		return false;
	}
	pd_home_let_go(fl, fl->service, fl->authority, now);
	pd_authority_hold(svc->authority, PD_WORD_BUMP, now);
	fl->unknown = PD_FRAMING_LOST;
	fl->adopt = 0;
	fl->state = PD_CONN_LIVE;
	fl->fins = 0;
	fl->closed = 0;
	fl->c_nxt = request ? p->seq : p->ack;
	fl->s_nxt = request ? p->ack : p->seq;
	fl->srv_ack = fl->c_nxt - 1;
	fl->service = svc->id;
	fl->authority = svc->authority;
	fl->incarnation = incarnation;
	WRITE_ONCE(fl->stream.rep_busy, 0);
	WRITE_ONCE(fl->stream.req_busy, 0);
	return true;
}

/* A SYN: a new flow, or a note on the old one until the server answers it (rule 6). */
static __always_inline int home_syn(struct home_room *r, const struct pd_service *svc,
				    struct pkt *p)
{
	struct pd_flow *fl = bpf_map_lookup_elem(&flows, &p->t);

	if (fl && fl->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(&flows, &p->t);
		fl = NULL;
	}
	if (p->plen && fl) { /* TCP Fast Open, and what is known of the ports would be wrong */
		pd_verdict(svc->id, PD_V_drop_fastopen);
		return PD_DROP;
	}
	if (p->plen) {
		home_unknown(svc, PD_HERE);
		return PD_NEXT;
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
	fl->incarnation = home_incarnation(svc);
	fl->stream.ses.known = 1;
	if (bpf_map_update_elem(&flows, &p->t, fl, BPF_NOEXIST)) {
		pd_count(svc->id, PD_C_table_full);
		pd_event(svc->id, PD_EVENT_TABLE_FULL, &p->t);
	}
	pd_verdict(svc->id, PD_V_home_quiet);
	return PD_NEXT;
}

/*
 * A segment of a connection older than the hook. It gets a flow, so that it
 * can be adopted at a quiet point (rule 5); until then all it sends and gets
 * is a write to everything.
 */
static __noinline struct pd_flow *home_meet(struct home_room *r, const struct pd_service *svc,
					    const struct pkt *p)
{
	struct pd_flow *fl = &r->fresh;

	pd_zero(fl, sizeof(*fl));
	fl->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
	fl->c_nxt = p->seq;
	fl->s_nxt = p->ack;
	fl->srv_ack = p->seq - 1;
	fl->state = PD_CONN_LIVE;
	fl->service = svc->id;
	fl->authority = svc->authority;
	fl->incarnation = home_incarnation(svc);
	fl->unknown = PD_FRAMING_LOST;
	if (bpf_map_update_elem(&flows, &p->t, fl, BPF_NOEXIST)) {
		pd_count(svc->id, PD_C_table_full);
		pd_event(svc->id, PD_EVENT_TABLE_FULL, &p->t);
	}
	return bpf_map_lookup_elem(&flows, &p->t);
}

/* Everything sent either way has arrived: what comes next may be the start of a message. */
static __always_inline bool home_quiet(const struct pd_flow *fl, const struct pkt *p, __u32 late)
{
	return !late && p->ack == fl->s_nxt && fl->srv_ack == p->seq && ring_empty(&fl->stream) &&
	       !fl->due;
}

/* Did the segment hold exact requests, and none that changes the connection's state? */
static __always_inline bool home_exact(const struct feed *f, const struct pd_stream *st)
{
	return f->msgs && !f->more && !st->req.skip && !st->req.left && !st->req.phase &&
	       !(f->seen & ~(1 << PD_CLASS_READ | 1 << PD_CLASS_PEEK | 1 << PD_CLASS_WRITE));
}

/* New bytes of a flow whose framing is not known: each is a write to everything, and may be the
 * start of a trial. */
#define QUIET_NS 1000000000ULL /* silence, both ways, before a trial */

static __always_inline bool home_trial(const struct home_room *r, struct pd_flow *fl,
				       const struct pd_service *svc, struct pkt *p, __u32 late,
				       __u64 now)
{
	home_unknown(svc, PD_HERE);
	if (!home_quiet(fl, p, late)) {
		home_lost(fl, &fl->stream.rep_busy, svc, p, now);
		return false;
	}
	if (fl->unknown == PD_FRAMING_LOST) {
		/* a request may be unanswered though its bytes are acknowledged: wait for silence
		 */
		if (now - r->idle_since < QUIET_NS)
			return false;
		if (!home_claim(&fl->stream.rep_busy))
			return false;
		pd_zero(&fl->stream, sizeof(fl->stream));
		fl->stream.req_busy = 1;
		fl->unknown = PD_FRAMING_TRIAL;
	}
	return true;
}

/* New bytes of the client; the request direction is claimed. */
static __always_inline void home_new_request(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					     const struct pd_service *svc, struct pkt *p,
					     __u32 late)
{
	__u8 unknown = fl->unknown;

	if (unknown && !home_trial(r, fl, svc, p, late, r->f.now))
		return;
	p->poff += late;
	p->plen -= late;
	home_feed_request(ctx, r, fl, svc, p);
	if (unknown && !home_exact(&r->f, &fl->stream))
		home_lost(fl, &fl->stream.rep_busy, svc, p, r->f.now);
}

static __always_inline int home_segment(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					const struct pd_service *svc, struct pkt *p)
{
	__u32 end = p->seq + p->plen, late;

	if (p->flags & TCPF_URG) {
		home_unknown(svc, PD_HERE);
		home_lost(fl, &fl->stream.rep_busy, svc, p, r->f.now);
	}
	if (before(fl->c_nxt, p->seq)) {
		if (!fl->unknown && fl->state == PD_CONN_LIVE) {
			pd_verdict(svc->id, PD_V_home_gap);
			return PD_DROP;
		}
		fl->c_nxt = p->seq;
	}
	late = fl->c_nxt - p->seq;
	if (late >= p->plen) {
		pd_verdict(svc->id, PD_V_home_quiet);
		return PD_NEXT;
	}
	home_new_request(ctx, r, fl, svc, p, late);
	fl->c_nxt = end;
	if (p->flags & TCPF_FIN) {
		fl->c_nxt++;
		fl->fins |= PD_FIN_CLIENT;
	}
	if (fl->due)
		home_release(fl, &fl->stream.rep_busy, svc, r->f.now);
	return PD_NEXT;
}

static __always_inline int home_tcp_request(pd_ctx *ctx, struct home_room *r,
					    const struct pd_service *svc, struct pkt *p)
{
	struct pd_flow *fl;
	int act;

	if (p->flags & TCPF_SYN)
		return home_syn(r, svc, p);
	fl = bpf_map_lookup_elem(&flows, &p->t);
	if (fl && fl->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(&flows, &p->t);
		fl = NULL;
	}
	if (!fl && p->plen)
		fl = home_meet(r, svc, p);
	if (!fl) {
		if (p->plen)
			home_unknown(svc, PD_HERE);
		return PD_NEXT;
	}
	r->f.now = pd_now_coarse();
	r->idle_since = fl->seen ? fl->seen : r->f.now;
	fl->seen = r->f.now;
	if (!home_current(fl, svc, p, r->f.now, true)) {
		pd_verdict(svc->id, PD_V_home_race);
		return PD_DROP;
	}
	if (!p->plen) {
		if ((p->flags & TCPF_FIN) && p->seq == fl->c_nxt) {
			fl->c_nxt = p->seq + 1;
			fl->fins |= PD_FIN_CLIENT;
		}
		/* the server will not answer any more: the sweep lets go after the grace time */
		if ((p->flags & TCPF_RST) && p->seq == fl->c_nxt && fl->state == PD_CONN_LIVE) {
			fl->closed = r->f.now;
			fl->state = PD_CONN_CLOSED;
		}
		pd_verdict(svc->id, PD_V_home_quiet);
		return PD_NEXT;
	}
	if (!home_claim(&fl->stream.req_busy)) {
		pd_verdict(svc->id, PD_V_home_race);
		return PD_DROP;
	}
	act = home_segment(ctx, r, fl, svc, p);
	WRITE_ONCE(fl->stream.req_busy, 0);
	return act;
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
	s = pkt_read(ctx, p, true);
	if (s == PKT_OTHER)
		return PD_NEXT;
	svc = pkt_service(p, s);
	if (!svc)
		return PD_NEXT;
	pd_watch(p, PD_HOOK_HOME_REQUEST, s != PKT_OK);
	if (s != PKT_OK)
		return home_odd(svc);
	if (sum_spoilt(ctx, &r->f, p)) {
		pd_verdict(svc->id, PD_V_home_checksum);
		return PD_NEXT;
	}
	if (p->proto == IPPROTO_TCP)
		return home_tcp_request(ctx, r, svc, p);
	return home_udp_request(ctx, r, svc, p);
}

/* ---- replies ------------------------------------------------------------- */

/*
 * The server has answered a read that passed under fl->fill.epoch: what of its
 * kind the client may be given until that changes.
 */
static __always_inline void home_proof(struct pd_flow *fl, const struct ring_pop *r)
{
	struct pd_session *ses = &fl->stream.ses;
	__u32 proof = pd_proof(fl->fill.epoch);

	if (fl->proof != proof) {
		ses->proven &= PD_PROVEN_READ; /* older than what the date is going to say */
		barrier();
		WRITE_ONCE(fl->proof, proof);
		barrier();
	}
	if (r->arg)
		ses->proven |= 1 << (r->arg & 3);
}

/* A reply is complete: what it answers has taken effect (rule 7). */
static __noinline int home_reply_done(struct home_loop *l)
{
	struct feed *f = l->f;
	struct pd_flow *fl = l->fl;
	struct pd_stream *st = &fl->stream;
	struct ring_pop r = {.st = st, .authority = l->svc->authority, .words = 1};
	__u32 kind = f->step.kind;

	if (fl->unknown && kind > WIRE_KIND_ERROR)
		return -1; /* no connection to be adopted in this state */
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
	if ((r.flags & PD_REQ_FILL) && kind <= WIRE_KIND_NIL && fl->fill.armed)
		home_proof(fl, &r);
	if (!(r.flags & PD_REQ_FILL) || !fl->fill.armed)
		return 0;
	if (fl->fill.armed == PD_FILL_MANY) {
		fl->fill.armed = PD_FILL_OFF;
		return 0;
	}
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

/* A part of the reply to a read of several keys: from `from` to behind its payload. */
static __noinline void home_part(struct home_loop *l, __u32 from)
{
	struct pd_fill *fi = &l->fl->fill;
	struct feed *f = l->f;
	__u32 end = f->at + l->fl->stream.rep.skip;

	if (end <= f->plen && fill_choose(l->fl, f, l->svc, l->seed))
		home_fill_whole(l->ctx, f, fi, l->svc, from, end);
}

static long home_reply_loop(__u32 i, void *ctx)
{
	struct home_loop *l = ctx;
	struct feed *f = l->f;
	struct pd_stream *st = &l->fl->stream;
	__u32 from;
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
	from = f->at;
	f->at = f->base + f->step.pos;
	if ((ev & WIRE_EV_KEY) && l->fl->fill.armed == PD_FILL_MANY)
		home_part(l, from);
	if ((ev & WIRE_EV_DONE) && home_reply_done(l)) {
		f->bad = 1;
		return 1;
	}
	if (st->ses.opaque)
		return 1;
	return 0;
}

static __always_inline void home_feed_reply(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					    const struct pd_service *svc, struct pkt *p)
{
	struct pd_stream *st = &fl->stream;
	struct feed *f = &r->f;
	const struct pd_settings *set = pd_settings();
	struct home_loop l = {
		.ctx = ctx, .f = f, .fl = fl, .svc = svc, .seed = set ? set->seed : 0};

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
		home_lost(fl, &st->req_busy, svc, p, f->now);
		home_unknown(svc, PD_HERE);
		return;
	}
	if (fl->fill.armed)
		home_fill(ctx, r, fl, svc);
	if (st->ses.opaque)
		home_turned_opaque(fl, svc, f->now);
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
		pd_home_let_go(fl, svc->id, svc->authority, r->f.now);
		pd_zero(&fl->stream, sizeof(fl->stream));
		fl->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
		fl->unknown = PD_FRAMING_KNOWN;
		fl->fins = 0;
		fl->closed = 0;
	}
	fl->stream.ses.known = 1;
	fl->c_nxt = p->ack;
	fl->s_nxt = p->seq + 1;
	fl->srv_ack = p->ack;
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
	home_release(fl, &fl->stream.req_busy, svc, now);
	if (fl->fins == (PD_FIN_CLIENT | PD_FIN_SERVER) && !fl->closed) {
		fl->closed = now;
		fl->state = PD_CONN_CLOSED;
	}
}

#define ADOPT_ROUNDS 3 /* exact exchanges before a connection's framing is believed */

/* New bytes of the server; the reply direction is claimed. */
static __always_inline void home_new_reply(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
					   const struct pd_service *svc, struct pkt *p)
{
	struct pd_stream *st = &fl->stream;
	bool trial = fl->unknown == PD_FRAMING_TRIAL;

	if (fl->unknown)
		home_unknown(svc, PD_HERE);
	if (fl->unknown == PD_FRAMING_LOST)
		return;
	if (st->ses.opaque) {
		home_opaque_reply(fl, svc, r->f.now);
		return;
	}
	home_feed_reply(ctx, r, fl, svc, p);
	if (!trial || fl->unknown != PD_FRAMING_TRIAL || !ring_empty(st))
		return;
	if (st->rep.skip || st->rep.left || st->rep.phase || st->rep_carry_len ||
	    ++fl->adopt < ADOPT_ROUNDS)
		return;
	fl->unknown = PD_FRAMING_KNOWN;
	st->ses.known = !!(proto_flags(svc->protocol) & WIRE_F_PLAIN);
	pd_count(svc->id, PD_C_adopted);
}

static __always_inline int home_answer(pd_ctx *ctx, struct home_room *r, struct pd_flow *fl,
				       const struct pd_service *svc, struct pkt *p)
{
	__u32 end = p->seq + p->plen, late;

	if ((p->flags & TCPF_ACK) && fl->state == PD_CONN_LIVE) {
		if (before(fl->c_nxt + 1,
			   p->ack)) { /* the server has bytes that did not pass here */
			home_lost(fl, &fl->stream.req_busy, svc, p, r->f.now);
			fl->c_nxt = p->ack;
		}
		if (before(fl->srv_ack, p->ack))
			fl->srv_ack = p->ack;
	}
	if (p->plen && before(fl->s_nxt, p->seq)) {
		if (!fl->unknown) {
			pd_verdict(svc->id, PD_V_home_gap);
			return PD_DROP;
		}
		fl->s_nxt = p->seq;
	}
	late = fl->s_nxt - p->seq;
	if (p->plen && late < p->plen) {
		p->poff += late;
		p->plen -= late;
		home_new_reply(ctx, r, fl, svc, p);
		fl->s_nxt = end;
	}
	if ((p->flags & TCPF_FIN) && fl->s_nxt == end) {
		fl->s_nxt++;
		fl->fins |= PD_FIN_SERVER;
		home_close(fl, svc, p, r->f.now);
	} else if ((p->flags & TCPF_RST) || fl->due ||
		   (fl->fins == (PD_FIN_CLIENT | PD_FIN_SERVER) && !fl->closed)) {
		home_close(fl, svc, p, r->f.now);
	}
	return PD_NEXT;
}

static __always_inline int home_tcp_reply(pd_ctx *ctx, struct home_room *r,
					  const struct pd_service *svc, struct pkt *p)
{
	struct pd_flow *fl = bpf_map_lookup_elem(&flows, &p->t);
	int act;

	if (fl && fl->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(&flows, &p->t);
		fl = NULL;
	}
	if (!fl) {
		if (p->plen)
			home_unknown(svc, PD_HERE);
		return PD_NEXT;
	}
	r->f.now = pd_now_coarse();
	fl->seen = r->f.now;
	if (!home_current(fl, svc, p, r->f.now, false)) {
		pd_verdict(svc->id, PD_V_home_race);
		return PD_DROP;
	}
	if (!home_claim(&fl->stream.rep_busy)) {
		pd_verdict(svc->id, PD_V_home_race);
		return PD_DROP;
	}
	if (p->flags & TCPF_SYN) {
		home_syn_ack(r, fl, svc, p);
		act = PD_NEXT;
	} else {
		act = home_answer(ctx, r, fl, svc, p);
	}
	WRITE_ONCE(fl->stream.rep_busy, 0);
	return act;
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
	s = pkt_read(ctx, p, false);
	if (s == PKT_OTHER)
		return PD_NEXT;
	svc = pkt_service(p, s);
	if (!svc)
		return PD_NEXT;
	pd_watch(p, PD_HOOK_HOME_REPLY, s != PKT_OK);
	if (s != PKT_OK)
		return home_odd(svc);
	if (sum_spoilt(ctx, &r->f, p)) {
		pd_verdict(svc->id, PD_V_home_checksum);
		return PD_NEXT;
	}
	if (p->proto == IPPROTO_TCP)
		return home_tcp_reply(ctx, r, svc, p);
	return home_udp_reply(ctx, r, svc, p);
}

/* ---- sweep -------------------------------------------------------------------- */

/* Is anything of this flow in flight? */
static __always_inline bool home_holds(const struct pd_flow *fl)
{
	const struct pd_stream *st = &fl->stream;

	return !ring_empty(st) || st->nheld || st->held_all ||
	       (st->req.nkeys & (PD_NKEYS_SLOT | PD_NKEYS_ALL));
}

static long sweep_flow(struct bpf_map *map, const struct pd_tuple *k, struct pd_flow *fl, void *ctx)
{
	struct sweep *s = ctx;
	bool over;

	if (fl->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(map, k);
		s->deleted++;
		return 0;
	}
	over = sweep_over(s->now, fl->closed, fl->seen, fl->state, false);
	if (!over && !(fl->closed && s->now > fl->closed + s->grace && home_holds(fl)))
		return 0;
	if (!home_claim(&fl->stream.req_busy))
		return 0;
	if (home_claim(&fl->stream.rep_busy)) {
		pd_home_let_go(fl, fl->service, fl->authority, s->now);
		if (over) {
			fl->state = PD_CONN_DEAD;
			s->dead++;
		}
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
