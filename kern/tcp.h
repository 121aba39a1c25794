/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translation between the client's and the server's view of a connection in
 * which some requests were answered on the way. DESIGN rules 4.1; RFC 9293
 * for sequence numbers, RFC 7323 for timestamps.
 *
 *   client space   ...| request answered here |...     server stream + sum_m
 *   server space   ...|                                client stream - sum_n
 *
 * At most one forged reply is unconfirmed at any time (`unconf`), and when it
 * was sent neither side had anything unacknowledged. So the last hit boundary
 * (cb in client space, bs in server space) is all that is needed to translate
 * piecewise: what lies before it uses the sums without the last n, m.
 *
 * The decide_ functions run under the connection's lock: no helper, no loop.
 */
#ifndef PD_KERN_TCP_H
#define PD_KERN_TCP_H

#include "l4.h"
#include "count.h"

enum act {
	ACT_FORWARD,
	ACT_DROP,
	ACT_ANSWER,
	ACT_REPLAY,
};

struct decision {
	__u32 act;
	__u32 verdict;	  /* 0 = the caller knows better */
	__u32 seq, ack;	  /* to forward with, in the other side's space */
	__u32 rseq, rack; /* of an answer, client space */
	__u32 tsval;
	__u16 win;
	__u8 need_ack;	/* the server must get the acknowledgement this packet carried */
	__u8 confirmed; /* the forged reply need not be kept any more */
};

/* What the caller found out about the segment before it took the lock. */
struct offer {
	__u32 len;  /* bytes of the answer; 0 = none */
	__u32 late; /* payload bytes at its start that were seen before */
	__u32 fed;  /* the segment went through the connection's own framing */
	__u32 pad;
	__u64 now;
	__u64 idle_limit;
};

/* Clear what not every decision sets. */
static __always_inline void decide_begin(struct decision *d)
{
	d->act = ACT_FORWARD;
	d->verdict = 0;
	d->need_ack = 0;
	d->confirmed = 0;
}

#define LATE_ACK_NS \
	20000000ULL /* how long the server may wait for an ACK that a swallowed request carried */

/* Why an available answer may not be given now; 0 = it may (rule 4.1.1). */
static __always_inline __u32 decide_eligible(const struct pd_conn *c, const struct pkt *p,
					     const struct offer *o, __u32 nseq)
{
	if (p->flags & (TCPF_FIN | TCPF_URG) || !(p->flags & TCPF_ACK) || !p->plain)
		return PD_V_miss_headers;
	if (c->state != PD_CONN_LIVE || c->fins)
		return PD_V_miss_session;
	if (p->ack != c->s_nxt + c->sum_m)
		return PD_V_miss_unacked;
	if (c->srv_ack != nseq)
		return PD_V_miss_unsent;
	if (((__u32)bpf_ntohs(p->win) << (c->cws & 15)) < o->len)
		return PD_V_miss_window;
	if (o->now - c->forwarded > o->idle_limit)
		return PD_V_miss_idle;
	return 0;
}

/* A segment with new bytes: answer it, or forward it. */
static __always_inline void decide_fresh(struct pd_conn *c, const struct pkt *p,
					 const struct offer *o, struct decision *d)
{
	__u32 end = p->seq + p->plen + !!(p->flags & TCPF_FIN);

	if (o->len && !o->late) {
		d->verdict = decide_eligible(c, p, o, d->seq);
		if (!d->verdict) {
			d->act = ACT_ANSWER;
			d->rseq = c->s_nxt + c->sum_m;
			d->rack = end;
			c->bs = c->s_nxt;
			c->m = o->len;
			c->cb = p->seq;
			c->n = p->plen;
			c->sum_n += p->plen;
			c->sum_m += o->len;
			c->c_nxt = end;
			c->unconf = 1;
			d->confirmed = 0;
			d->need_ack = c->probe || (c->cli_ack != d->ack &&
						   o->now - c->server_data > LATE_ACK_NS);
			return;
		}
	}
	c->c_nxt = end;
	c->gaps = 0;
	if (p->plen)
		c->forwarded = o->now;
	if (p->flags & TCPF_FIN)
		c->fins |= PD_FIN_CLIENT;
}

/* A segment that holds nothing new. */
static __always_inline void decide_repeat(struct pd_conn *c, const struct pkt *p, __u32 fs,
					  struct decision *d)
{
	__u32 end = p->seq + p->plen;

	if (!p->plen || !c->n)
		return;
	if (!before(c->cb, end)) { /* wholly before the last hit */
		d->seq = p->seq - (c->sum_n - c->n);
		d->verdict = PD_V_pass_repeat;
	} else if (before(p->seq, c->cb + c->n)) {
		d->act = ACT_REPLAY;
		d->rseq = fs;
		d->rack = c->cb + c->n;
	}
}

/* A bare acknowledgement at the expected place. */
static __always_inline void decide_ack(struct pd_conn *c, const struct pkt *p, __u32 fs,
				       struct decision *d)
{
	d->verdict = PD_V_pass_ack;
	if (c->unconf && p->ack == fs && c->s_nxt != c->bs) {
		d->act = ACT_REPLAY; /* rule 4.1.3: it has later data, but not the forged reply */
		d->rseq = fs;
		d->rack = c->cb + c->n;
	} else if (d->ack == c->cli_ack && d->ack == c->s_nxt && p->win == c->cwin && !c->probe) {
		d->act = ACT_DROP;
		d->verdict = PD_V_drop_ack;
	}
}

#define GAPS_MAX                                                                               \
	8 /* segments beyond a gap that are held back before this hook gives up the stretch it \
	     missed */

/*
 * A segment beyond the expected byte. This hook's own framing needs what is
 * missing: the segment is held back, and TCP sends both again. But the hook
 * may have been away, and then nothing is sent again: after some it gives up
 * its framing, and with it all answers. Where the home hook keeps the framing,
 * the segment just passes. True: held back.
 */
static __always_inline bool decide_gap(struct pd_conn *c, __u8 *gaps, struct decision *d)
{
	if (c->local)
		return false;
	if (*gaps < GAPS_MAX) {
		(*gaps)++;
		d->act = ACT_DROP;
		d->verdict = PD_V_drop_gap;
		return true;
	}
	c->stream.ses.end = 1;
	c->stream.ses.opaque = 1;
	return false;
}

/* A segment from the client. Called under the lock. */
static __always_inline void decide_request(struct pd_conn *c, const struct pkt *p,
					   const struct offer *o, struct decision *d)
{
	__u32 fs = c->bs + c->sum_m - c->m, fe = fs + c->m;
	__u32 end = p->seq + p->plen + !!(p->flags & TCPF_FIN);

	d->act = ACT_FORWARD;
	d->seq = p->seq - c->sum_n;
	d->tsval = c->tsval;
	d->win = c->swin;
	if (!c->n || !before(p->ack, fe)) {
		d->ack = p->ack - c->sum_m;
		d->confirmed = c->unconf;
		c->unconf = 0;
	} else {
		d->ack = p->ack - (c->sum_m - c->m);
		if (before(c->bs, d->ack))
			d->ack = c->bs;
	}
	if (p->flags & TCPF_RST) {
		if (c->n && before(p->seq, c->cb))
			d->seq = p->seq - (c->sum_n - c->n);
		if (p->seq == c->c_nxt && c->state == PD_CONN_LIVE) {
			c->state = PD_CONN_CLOSED;
			c->closed = o->now;
		}
		d->verdict = PD_V_pass_handshake;
		return;
	}
	if (p->seq + o->late == c->c_nxt && (p->plen > o->late || (p->flags & TCPF_FIN)))
		decide_fresh(c, p, o, d);
	else if (p->seq == c->c_nxt)
		decide_ack(c, p, fs, d);
	else if (before(p->seq, c->c_nxt))
		decide_repeat(c, p, fs, d);
	else if (!decide_gap(c, &c->gaps, d))
		c->c_nxt = end;
	if (d->act != ACT_FORWARD)
		return;
	c->probe = 0;
	c->cwin = p->win;
	if (before(c->cli_ack, d->ack))
		c->cli_ack = d->ack;
}

/* What the server's acknowledgement means to the client (rule 4.1.3: clamped before an unconfirmed
 * reply). */
static __always_inline __u32 decide_server_ack(struct pd_conn *c, const struct pkt *p)
{
	__u32 ds = c->cb - (c->sum_n - c->n), ack;

	if (!c->n || !before(p->ack, ds))
		ack = p->ack + c->sum_n;
	else
		ack = p->ack + c->sum_n - c->n;
	if (c->unconf && before(c->cb, ack))
		ack = c->cb;
	if (before(c->srv_ack, p->ack))
		c->srv_ack = p->ack;
	return ack;
}

/*
 * A segment from the server. Called under the lock. o->late: bytes at its
 * start that were seen before; d->confirmed is used to tell that new bytes
 * were taken in.
 */
static __always_inline void decide_reply(struct pd_conn *c, const struct pkt *p,
					 const struct offer *o, struct decision *d)
{
	__u32 end = p->seq + p->plen + !!(p->flags & TCPF_FIN);

	d->act = ACT_FORWARD;
	d->verdict = PD_V_pass_reply;
	d->seq = p->seq + c->sum_m;
	d->ack = decide_server_ack(c, p);
	if (p->flags & TCPF_RST) {
		if (c->n && before(p->seq, c->bs))
			d->seq = p->seq + c->sum_m - c->m;
		if (p->seq == c->s_nxt && c->state == PD_CONN_LIVE) {
			c->state = PD_CONN_CLOSED;
			c->closed = o->now;
		}
		d->verdict = PD_V_pass_handshake;
		return;
	}
	c->swin = p->win;
	if (p->tsval)
		c->tsval = p->tsval;
	if (before(p->seq, c->s_nxt))
		c->probe = 1;
	if (end == p->seq) {
		d->verdict = PD_V_pass_ack;
		return;
	}
	if (before(c->s_nxt, p->seq) && decide_gap(c, &c->rep_gaps, d))
		return;
	c->rep_gaps = 0;
	if (c->n && before(p->seq, c->bs)) {
		if (!before(c->bs, end)) {
			d->seq = p->seq + c->sum_m - c->m;
			d->verdict = PD_V_pass_repeat;
		} else if (c->unconf) {
			/* the part before the boundary would fall on the forged bytes, which the
			 * client may lack */
			d->act = ACT_DROP;
			d->verdict = PD_V_drop_straddle;
			return;
		}
	}
	if (before(c->s_nxt, end)) {
		c->s_nxt = end;
		c->server_data = o->now;
		if (p->flags & TCPF_FIN)
			c->fins |= PD_FIN_SERVER;
	}
}

#endif
