/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Client hook: on the interface towards clients. Requests arrive at TC ingress
 * and are answered from the maps when all of DESIGN 4.1 to 4.3 holds; the
 * connection stays end to end with the authority, with its sequence numbers
 * translated from then on, in both directions.
 */
#include "client.h"
#include "sum.h"
#include "sweep.h"
#include "syn.h"
#include "udp.h"

/* Row 0: requests, row 1: replies. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct client_room);
} client_rooms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct udp_room);
} client_udp_rooms SEC(".maps");

struct client_loop {
	pd_ctx *ctx;
	struct client_room *r;
	struct pd_conn *c;
	const struct pd_service *svc;
	__u64 seed;
};

/* Tells the hook at an interface's egress that an answer is its own. */
static __always_inline __u32 client_mark(void)
{
	const struct pd_settings *set = pd_settings();

	return set ? (__u32)(set->seed >> 32) | 1 : 0;
}

/* ---- handshake ----------------------------------------------------------- */

/* A SYN: make a connection, or note it on the live one until the server answers (rule 4.2.6). */
static __always_inline int client_syn(pd_ctx *ctx, struct client_room *r,
				      const struct pd_service *svc, struct pkt *p)
{
	struct pd_conn *c = bpf_map_lookup_elem(&connections, &p->t);
	struct syn_options so;

	if (c && c->state == PD_CONN_DEAD) {
		bpf_map_delete_elem(&connections, &p->t);
		c = NULL;
	}
	if (p->plen) { /* TCP Fast Open: its data is not ours to answer */
		pd_verdict(svc->id, c ? PD_V_drop_fastopen : PD_V_pass_urgent);
		return c ? PD_DROP : PD_NEXT;
	}
	if (!c) {
		c = (void *)r->fresh;
		pd_zero(c, sizeof(*c));
		c->c_nxt = p->seq + 1;
		c->state = PD_CONN_SYN;
		c->service = svc->id;
		c->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
		c->seen = bpf_ktime_get_boot_ns();
		c->replay = pd_mix(c->id, PD_HASH_LENGTH) & (PD_REPLAYS - 1);
		c->stream.ses.known = 1;
		bpf_map_update_elem(&connections, &p->t, c, BPF_NOEXIST);
		c = bpf_map_lookup_elem(&connections, &p->t);
		if (!c) {
			pd_count(svc->id, PD_C_table_full);
			pd_event(svc->id, PD_EVENT_TABLE_FULL, &p->t);
			pd_verdict(svc->id, PD_V_pass_untracked);
			return PD_NEXT;
		}
	}
	syn_options(ctx, &r->options, p, true, &so);
	c->syn_seq = p->seq;
	c->syn_cws = so.shift;
	pd_verdict(svc->id, PD_V_pass_handshake);
	return PD_NEXT;
}

/* The server's SYN-ACK seeds the connection; on a used one it starts a new life. */
static __always_inline int client_syn_ack(pd_ctx *ctx, struct client_room *r, struct pd_conn *c,
					  const struct pd_service *svc, struct pkt *p)
{
	struct syn_options so;
	struct pd_flow *fl;
	bool again;

	pd_verdict(svc->id, PD_V_pass_handshake);
	again = c->state != PD_CONN_SYN && c->s_nxt == p->seq + 1 && c->c_nxt == p->ack;
	if (p->ack != c->syn_seq + 1)
		return PD_NEXT;
	syn_options(ctx, &r->options, p, true, &so);
	if (again)
		return PD_NEXT;
	bpf_spin_lock(&c->lock);
	c->sum_n = 0;
	c->sum_m = 0;
	c->n = 0;
	c->m = 0;
	c->unconf = 0;
	c->probe = 0;
	c->fins = 0;
	c->closed = 0;
	c->c_nxt = p->ack;
	c->s_nxt = p->seq + 1;
	c->srv_ack = p->ack;
	c->cli_ack = p->seq;
	c->cws = c->syn_cws;
	c->swin = bpf_htons(bpf_ntohs(p->win) >> (so.shift & 15));
	c->tsval = so.tsval;
	c->state = PD_CONN_LIVE;
	bpf_spin_unlock(&c->lock);
	c->forwarded = bpf_ktime_get_boot_ns();
	fl = bpf_map_lookup_elem(&flows, &p->t);
	c->local = fl && fl->c_nxt == p->ack && fl->s_nxt == p->seq + 1;
	pd_zero(&c->stream, sizeof(c->stream));
	c->stream.ses.known = 1;
	return PD_NEXT;
}

/* ---- requests -------------------------------------------------------------- */

static __noinline void client_key(struct client_loop *l)
{
	struct feed *f = &l->r->f;
	struct pd_stream *st = &l->c->stream;
	__u32 why;

	st->req.nkeys = (st->req.nkeys + 1) & PD_NKEYS;
	pd_watch_key(&f->win, &f->step, l->seed);
	if (!f->all_hit)
		return;
	if (f->step.cls != PD_CLASS_READ || !f->step.op || (f->step.flags & PD_REQ_QUEUED)) {
		f->all_hit = 0;
		return;
	}
	why = hit_part(&l->r->ans, f, &l->r->emit, l->svc, st->ses.realm, l->seed,
		       st->req.nkeys == 1);
	if (why) {
		f->all_hit = 0;
		f->verdict = why;
	}
}

static __noinline void client_done(struct client_loop *l)
{
	struct feed *f = &l->r->f;
	struct pd_stream *st = &l->c->stream;
	bool keep = f->step.cls == PD_CLASS_READ && f->step.op;

	f->seen |= 1 << (f->step.cls & 7);
	f->msgs++;
	if (!keep || !st->req.nkeys)
		f->all_hit = 0;
	if (f->all_hit)
		hit_finish(&l->r->ans, f, &l->r->emit, l->svc, st->req.nkeys);
	st->req.nkeys = 0;
	ring_request(st, f, 0, false, false);
}

static long client_request_loop(__u32 i, void *ctx)
{
	struct client_loop *l = ctx;
	struct feed *f = &l->r->f;
	struct pd_stream *st = &l->c->stream;
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
		client_key(l);
	if (ev & WIRE_EV_DONE)
		client_done(l);
	return 0;
}

/* The bytes of the segment that are new, token by token. Returns the verdict for a segment that is
 * not answered. */
static __always_inline __u32 client_feed(pd_ctx *ctx, struct client_room *r, struct pd_conn *c,
					 const struct pd_service *svc, const struct pkt *p,
					 __u32 late)
{
	const struct pd_settings *set = pd_settings();
	struct client_loop l = {.ctx = ctx, .r = r, .c = c, .svc = svc};
	struct pd_stream *st = &c->stream;
	struct offer *o = &r->o;
	struct feed *f = &r->f;

	if (!set)
		return PD_V_miss_off;
	if (st->ses.end || st->ses.opaque)
		return PD_V_miss_session;
	l.seed = set->seed;
	o->fed = 1;
	f->tail = st->tail;
	f->proven = 0; /* of a proof this side knows no date */
	f->verdict = client_session(st, svc, set);
	f->all_hit = !f->verdict;
	if (f->all_hit)
		f->now = bpf_ktime_get_boot_ns(); /* ages are exact */
	if (feed_begin(ctx, f, p->poff + late, p->plen - late, st->carry, &st->carry_len) ||
	    bpf_loop(FEED_TOKENS, client_request_loop, &l, 0) == FEED_TOKENS)
		f->bad = 1;
	if (f->bad) {
		f->all_hit = 0;
		st->ses.end = 1;
		st->ses.opaque = 1;
		pd_count(svc->id, PD_C_framing_lost);
		return PD_V_pass_malformed;
	}
	if (!f->msgs || f->more || st->req.skip || st->req.left || st->req.phase) {
		f->all_hit = 0;
		if (!f->msgs)
			return PD_V_pass_body;
	}
	return client_kind(f);
}

/* A place to keep the answer until the client confirms it. */
static __always_inline struct pd_replay *replay_claim(struct pd_conn *c)
{
#pragma unroll 1
	for (__u32 n = 0; n < 8; n++) {
		__u32 i = (c->replay + n) & (PD_REPLAYS - 1);
		struct pd_replay *k = bpf_map_lookup_elem(&replays, &i);

		if (!k)
			return NULL;
		if (k->owner == c->id || !__sync_val_compare_and_swap(&k->owner, 0, c->id)) {
			c->replay = i;
			return k;
		}
	}
	return NULL;
}

/* The bytes to repeat, if they are still this connection's. */
static __always_inline struct pd_replay *replay_of(const struct pd_conn *c)
{
	__u32 i = c->replay;
	struct pd_replay *k = bpf_map_lookup_elem(&replays, &i);

	return k && k->owner == c->id ? k : NULL;
}

static __always_inline void replay_release(const struct pd_conn *c)
{
	struct pd_replay *k = replay_of(c);

	if (k)
		__sync_val_compare_and_swap(&k->owner, c->id, 0);
}

static __always_inline void answer_header(struct tcp_answer *a, const struct decision *d)
{
	a->seq = d->rseq;
	a->ack = d->rack;
	a->tsval = d->tsval;
	a->win = d->win;
	a->flags = TCPF_PSH | TCPF_ACK;
}

/* Give the answer. From here on the request is swallowed: if building fails, the client's repeat is
 * replayed. */
static __always_inline int client_answer(pd_ctx *ctx, struct client_room *r, struct pd_replay *k,
					 const struct pd_interface *ifc,
					 const struct pd_service *svc, const struct pkt *p,
					 const struct decision *d)
{
	struct feed *f = &r->f;
	__u32 n = f->ans_len;

	answer_header(&r->a, d);
	k->len = n;
	k->csum = f->ans_csum;
	LIM(n, PD_ANSWER_MAX, return PD_DROP);
	bpf_probe_read_kernel(k->data, n, r->ans.b);
	if ((d->need_ack && reply_inject_ack(ctx, &r->headers, p)) ||
	    reply_build(ctx, &r->headers, p, &r->a, r->ans.b, n, f->ans_csum)) {
		pd_verdict(svc->id, PD_V_drop_forge);
		return PD_DROP;
	}
	pd_verdict(svc->id, PD_V_hit);
	pd_hits_add(svc->authority, pd_count_hits(svc->id, f->msgs), f->msgs);
	pd_count_by(svc->id, PD_C_reply_bytes, n);
	return reply_send(ctx, ifc, client_mark());
}

/* The client asks again for what it was sent, or shows that it lacks it. */
static __always_inline int client_replay(pd_ctx *ctx, struct client_room *r, struct pd_conn *c,
					 const struct pd_service *svc, struct pkt *p,
					 const struct decision *d)
{
	__u32 ifindex = ctx->ifindex, n;
	struct pd_replay *k = replay_of(c);

	if (!k || !p->plain) {
		pd_verdict(svc->id, PD_V_drop_forge);
		return PD_DROP;
	}
	answer_header(&r->a, d);
	n = k->len;
	LIM(n, PD_ANSWER_MAX, return PD_DROP);
	if (bpf_probe_read_kernel(r->ans.b, n, k->data) ||
	    reply_build(ctx, &r->headers, p, &r->a, r->ans.b, n, k->csum)) {
		pd_verdict(svc->id, PD_V_drop_forge);
		return PD_DROP;
	}
	pd_verdict(svc->id, PD_V_replay);
	pd_count(svc->id, PD_C_replays);
	return reply_send(ctx, bpf_map_lookup_elem(&interfaces, &ifindex), client_mark());
}

static __always_inline int client_forward(pd_ctx *ctx, struct pd_conn *c,
					  const struct pd_service *svc, const struct pkt *p,
					  const struct decision *d, __u32 verdict)
{
	if (d->confirmed)
		replay_release(c);
	pd_verdict(svc->id, verdict);
	if (d->act == ACT_DROP)
		return PD_DROP;
	reply_translate(ctx, p, d->seq, d->ack);
	return PD_NEXT;
}

/* A segment without payload. */
static __always_inline int client_bare(pd_ctx *ctx, struct client_room *r, struct pd_conn *c,
				       const struct pd_service *svc, struct pkt *p)
{
	struct decision *d = &r->d;
	struct offer *o = &r->o;

	o->len = 0;
	o->late = 0;
	o->now = r->f.now;
	decide_begin(d);
	bpf_spin_lock(&c->lock);
	decide_request(c, p, o, d);
	bpf_spin_unlock(&c->lock);
	if (d->act == ACT_REPLAY)
		return client_replay(ctx, r, c, svc, p, d);
	d->confirmed = 0; /* the request direction is not claimed: the sweep gives the bytes back */
	return client_forward(ctx, c, svc, p, d, d->verdict ? d->verdict : PD_V_pass_ack);
}

/* A segment with payload; the request direction is claimed. */
static __always_inline int client_data(pd_ctx *ctx, struct client_room *r, struct pd_conn *c,
				       const struct pd_service *svc, struct pkt *p)
{
	struct offer *o = &r->o;
	const struct pd_interface *ifc = NULL;
	struct pd_replay *k = NULL;
	struct decision *d = &r->d;
	struct feed *f = &r->f;
	__u32 why = PD_V_pass_repeat, late = c->c_nxt - p->seq, ifindex = ctx->ifindex;
	bool fresh = (__s32)late >= 0 && late < p->plen &&
		     (!late || !c->n || !before(p->seq, c->cb + c->n));

	o->len = 0;
	o->late = 0;
	o->fed = 0;
	o->now = f->now;
	o->idle_limit = svc->idle_limit;
	decide_begin(d);
	f->ans_len = 0;
	f->ans_csum = 0;
	f->all_hit = 0;
	if (fresh) {
		o->late = late;
		if (!c->local)
			why = client_feed(ctx, r, c, svc, p, late);
		else if (!late)
			why = client_feed_local(ctx, r, c, svc, p);
	}
	if (f->all_hit && f->ans_len) {
		ifc = bpf_map_lookup_elem(&interfaces, &ifindex);
		if (!ifc || !(ifc->flags & PD_SIDE_CLIENT)) {
			why = PD_V_miss_off; /* the interface is being drained */
		} else if (!(ifc->flags & PD_IF_PEER) && p->poff - 14 + f->ans_len > ifc->mtu) {
			why = PD_V_miss_large;
		} else {
			k = replay_claim(c);
			why = PD_V_miss_busy;
			if (k)
				o->len = f->ans_len;
		}
	}
	bpf_spin_lock(&c->lock);
	decide_request(c, p, o, d);
	bpf_spin_unlock(&c->lock);
	if (d->act == ACT_ANSWER && k)
		return client_answer(ctx, r, k, ifc, svc, p, d);
	if (d->act == ACT_REPLAY)
		return client_replay(ctx, r, c, svc, p, d);
	if (o->fed && d->act == ACT_FORWARD) {
		WRITE_ONCE(c->stream.tail, f->tail);
		if (f->seen & (1 << PD_CLASS_READ))
			pd_count(svc->id, PD_C_misses);
	}
	if (k && !c->unconf)
		d->confirmed = 1;
	return client_forward(ctx, c, svc, p, d, d->verdict ? d->verdict : why);
}

static __always_inline int client_tcp_request(pd_ctx *ctx, struct client_room *r,
					      const struct pd_service *svc, struct pkt *p)
{
	struct pd_conn *c;
	int act;

	if (p->flags & TCPF_SYN)
		return client_syn(ctx, r, svc, p);
	c = bpf_map_lookup_elem(&connections, &p->t);
	if (!c) {
		pd_verdict(svc->id, PD_V_pass_untracked);
		return PD_NEXT;
	}
	r->f.now = pd_now_coarse();
	c->seen = r->f.now;
	if (!p->plen)
		return client_bare(ctx, r, c, svc, p);
	if (__sync_val_compare_and_swap(&c->stream.req_busy, 0, 1)) {
		pd_verdict(svc->id, PD_V_drop_race);
		return PD_DROP;
	}
	act = client_data(ctx, r, c, svc, p);
	WRITE_ONCE(c->stream.req_busy, 0);
	return act;
}

static __always_inline int client_odd(const struct pd_service *svc, int state)
{
	pd_verdict(svc->id, state == PKT_FRAGMENT  ? PD_V_pass_fragment
			    : state == PKT_OPTIONS ? PD_V_pass_options
						   : PD_V_pass_truncated);
	return PD_NEXT;
}

static __always_inline int client_udp_request(pd_ctx *ctx, const struct pd_service *svc,
					      const struct pkt *p)
{
	__u32 zero = 0, ifindex = ctx->ifindex, why;
	struct pd_interface *i = bpf_map_lookup_elem(&interfaces, &ifindex);
	struct udp_room *r = bpf_map_lookup_elem(&client_udp_rooms, &zero);

	if (!r || !i)
		return PD_NEXT;
	if (!(i->flags & PD_SIDE_CLIENT)) {
		pd_verdict(svc->id, PD_V_miss_off);
		return PD_NEXT;
	}
	r->p = *p;
	why = udp_answer(ctx, r, svc, i);
	if (!why) {
		pd_verdict(svc->id, PD_V_hit);
		return reply_send(ctx, i, client_mark());
	}
	if (why < PD_V_pass_write && why != PD_V_miss_off)
		pd_count(svc->id, PD_C_misses);
	pd_verdict(svc->id, why);
	return why == PD_V_drop_forge ? PD_DROP : PD_NEXT;
}

SEC("tc")
int client_request(struct __sk_buff *ctx)
{
	struct pd_service *svc;
	struct client_room *r;
	__u32 row = 0;
	struct pkt *p;
	int s;

	r = bpf_map_lookup_elem(&client_rooms, &row);
	if (!r)
		return PD_NEXT;
	p = &r->p;
	s = pkt_read(ctx, p, true);
	if (s == PKT_OTHER)
		return PD_NEXT;
	svc = pkt_service(p, s);
	if (!svc)
		return PD_NEXT;
	pd_watch(p, PD_HOOK_CLIENT_REQUEST, s != PKT_OK);
	if (s != PKT_OK)
		return client_odd(svc, s);
	if (sum_spoilt(ctx, &r->f, p)) {
		pd_verdict(svc->id, PD_V_pass_checksum);
		return PD_NEXT;
	}
	if (p->proto == IPPROTO_TCP)
		return client_tcp_request(ctx, r, svc, p);
	return client_udp_request(ctx, svc, p);
}

/* ---- replies ---------------------------------------------------------------- */

static long client_reply_loop(__u32 i, void *ctx)
{
	struct client_loop *l = ctx;
	struct feed *f = &l->r->f;
	struct pd_stream *st = &l->c->stream;
	struct ring_pop r = {.st = st};
	int ev;

	if (!feed_window(l->ctx, f, &st->rep))
		return 1;
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
	if (!(ev & WIRE_EV_DONE) || f->step.kind == WIRE_KIND_PUSH ||
	    f->step.kind == WIRE_KIND_PART)
		return 0;
	if (!ring_reply(&r)) {
		f->bad = 1;
		return 1;
	}
	ring_settle(&r, l->svc->protocol, &f->step);
	return 0;
}

static __always_inline void client_feed_reply(pd_ctx *ctx, struct client_room *r, struct pd_conn *c,
					      const struct pd_service *svc, const struct pkt *p,
					      __u32 late)
{
	struct client_loop l = {.ctx = ctx, .r = r, .c = c, .svc = svc};
	struct pd_stream *st = &c->stream;
	struct feed *f = &r->f;

	if (c->local || st->ses.end || st->ses.opaque)
		return;
	if (feed_begin(ctx, f, p->poff + late, p->plen - late, st->rep_carry, &st->rep_carry_len) ||
	    bpf_loop(FEED_TOKENS, client_reply_loop, &l, 0) == FEED_TOKENS)
		f->bad = 1;
	if (f->bad) {
		st->ses.end = 1;
		st->ses.opaque = 1;
		pd_count(svc->id, PD_C_framing_lost);
	}
}

/* The server has bytes that did not pass here: the framing is gone, the translation stays. */
static __always_inline void client_missed(struct pd_conn *c, const struct pkt *p)
{
	c->stream.ses.end = 1;
	c->stream.ses.opaque = 1;
	bpf_spin_lock(&c->lock);
	if (before(c->c_nxt, p->ack + c->sum_n))
		c->c_nxt = p->ack + c->sum_n;
	bpf_spin_unlock(&c->lock);
}

static __always_inline int client_tcp_reply(pd_ctx *ctx, struct client_room *r,
					    const struct pd_service *svc, struct pkt *p)
{
	struct pd_conn *c = bpf_map_lookup_elem(&connections, &p->t);
	struct decision *d = &r->d;
	struct offer *o = &r->o;

	if (!c) {
		pd_verdict(svc->id, PD_V_pass_untracked);
		return PD_NEXT;
	}
	r->f.now = pd_now_coarse();
	o->now = r->f.now;
	decide_begin(d);
	c->seen = o->now;
	if (p->flags & TCPF_SYN)
		return client_syn_ack(ctx, r, c, svc, p);
	if (c->state == PD_CONN_LIVE &&
	    before(c->c_nxt - c->sum_n + !!(c->fins & PD_FIN_CLIENT), p->ack))
		client_missed(c, p);
	if (p->plen && __sync_val_compare_and_swap(&c->stream.rep_busy, 0, 1)) {
		pd_verdict(svc->id, PD_V_drop_race);
		return PD_DROP;
	}
	o->late = c->s_nxt - p->seq;
	if (p->plen && (__s32)o->late >= 0 && o->late < p->plen &&
	    !(o->late && c->unconf && c->n && before(p->seq, c->bs)))
		client_feed_reply(ctx, r, c, svc, p, o->late);
	bpf_spin_lock(&c->lock);
	decide_reply(c, p, o, d);
	if (c->fins == (PD_FIN_CLIENT | PD_FIN_SERVER) && !c->closed)
		c->closed = o->now;
	bpf_spin_unlock(&c->lock);
	if (p->plen)
		WRITE_ONCE(c->stream.rep_busy, 0);
	pd_verdict(svc->id, d->verdict);
	if (d->act == ACT_DROP)
		return PD_DROP;
	reply_translate(ctx, p, d->seq, d->ack);
	return PD_NEXT;
}

SEC("tc")
int client_reply(struct __sk_buff *ctx)
{
	struct pd_service *svc;
	struct client_room *r;
	__u32 row = 1;
	struct pkt *p;
	int s;

	if (ctx->mark && ctx->mark == client_mark()) {
		ctx->mark = 0;
		return PD_NEXT;
	}
	r = bpf_map_lookup_elem(&client_rooms, &row);
	if (!r)
		return PD_NEXT;
	p = &r->p;
	s = pkt_read(ctx, p, false);
	if (s == PKT_OTHER)
		return PD_NEXT;
	svc = pkt_service(p, s);
	if (!svc)
		return PD_NEXT;
	pd_watch(p, PD_HOOK_CLIENT_REPLY, s != PKT_OK);
	if (s != PKT_OK)
		return client_odd(svc, s);
	if (sum_spoilt(ctx, &r->f, p)) {
		pd_verdict(svc->id, PD_V_pass_checksum);
		return PD_NEXT;
	}
	if (p->proto == IPPROTO_TCP)
		return client_tcp_reply(ctx, r, svc, p);
	udp_learn(p, bpf_ktime_get_boot_ns());
	pd_verdict(svc->id, PD_V_pass_reply);
	return PD_NEXT;
}

/* ---- sweep -------------------------------------------------------------------- */

static long sweep_connection(struct bpf_map *map, const struct pd_tuple *k, void *row, void *ctx)
{
	struct sweep *s = ctx;
	struct pd_conn *c;
	bool over;

	c = bpf_map_lookup_elem(&connections,
				k); /* 6.1 takes no lock in the callback's own pointer */
	if (!c)
		return 0;
	if (c->state == PD_CONN_DEAD) {
		replay_release(c);
		bpf_map_delete_elem(map, k);
		s->deleted++;
		return 0;
	}
	if (!c->unconf && s->now > c->seen && s->now - c->seen > 1000000000ULL)
		replay_release(c);
	if (!sweep_over(s->now, c->closed, c->seen, c->state, c->sum_n | c->sum_m))
		return 0;
	bpf_spin_lock(&c->lock);
	over = sweep_over(s->now, c->closed, c->seen, c->state, c->sum_n | c->sum_m);
	if (over)
		c->state = PD_CONN_DEAD;
	bpf_spin_unlock(&c->lock);
	s->dead += over;
	return 0;
}

/* Run by the daemon every few seconds; returns the number of rows it deleted. */
SEC("tc")
int sweep_connections(struct __sk_buff *ctx)
{
	struct sweep s = {.now = bpf_ktime_get_boot_ns()};
	__u32 zero = 0;
	struct pd_settings *set = bpf_map_lookup_elem(&settings, &zero);

	if (set)
		set->boot_offset = s.now - bpf_ktime_get_ns();

	bpf_for_each_map_elem(&connections, sweep_connection, &s, 0);
	return s.deleted;
}

static long forget_connection(struct bpf_map *map, const struct pd_tuple *k, void *row, void *ctx)
{
	struct pd_conn *c = bpf_map_lookup_elem(&connections, k);

	if (c) {
		c->stream.ses.end = 1;
		c->stream.ses.opaque = 1;
		c->local = 0; /* not by what the home hook may come to know of it either */
	}
	return 0;
}

/* Run by the daemon after a cold start: connections of before are translated on, and not answered
 * (rule 14). */
SEC("tc")
int forget_connections(struct __sk_buff *ctx)
{
	bpf_for_each_map_elem(&connections, forget_connection, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
