// SPDX-License-Identifier: Apache-2.0
/* Observe and Why. */
#include "user/service/admin_impl.h"

#define PAGE_SEEN	256	/* verdicts of one ObserveReply */

static void fill_seen(struct build *b, Pandit__V1__VerdictSeen *to, const struct pd_seen *from)
{
	to->time_ns = from->time;
	to->service = copy(b, from->service);
	to->hook = copy(b, from->hook);
	to->transport = copy(b, from->transport);
	to->client = copy(b, from->client);
	to->server = copy(b, from->server);
	to->has_key = from->has_key;
	to->key_hash = from->key_hash;
	if (from->key)
		copy_bytes(b, &to->key, from->key, from->key_len);
	to->verdict = copy(b, from->verdict);
	to->kind = copy(b, from->kind);
	to->text = copy(b, from->text);
	to->source = copy(b, from->source);
	to->line = from->line;
}

/* ---- observe ------------------------------------------------------------ */

/* A stream under way. Freed by what ends it. */
struct stream {
	struct pd_admin *admin;
	struct pd_rpc_call *call;
	struct build b;		/* the reply that is being filled */
	uint64_t left;		/* verdicts to send; UINT64_MAX: no end */
	uint64_t unsent;	/* verdicts that did not fit into the backlog */
};

static Pandit__V1__ObserveReply *page(struct stream *s)
{
	if (!s->b.msg)
		s->b.msg = new_msg(&s->b, &pandit__v1__observe_reply__descriptor);
	return (Pandit__V1__ObserveReply *)s->b.msg;
}

/* A client that reads too slowly loses verdicts, and is told how many. */
static void send_page(struct stream *s)
{
	Pandit__V1__ObserveReply *reply = (Pandit__V1__ObserveReply *)s->b.msg;

	if (!reply)
		return;
	if (s->b.err || pd_rpc_send(s->call, s->b.msg) < 0)
		s->unsent += reply->n_verdicts + reply->dropped;
	free_msg(&s->b.msg);
	s->b = (struct build){ 0 };
}

static void on_seen(void *arg, const struct pd_seen *seen)
{
	struct stream *s = arg;
	Pandit__V1__ObserveReply *reply = s->left ? page(s) : NULL;
	Pandit__V1__VerdictSeen *to;

	if (!reply)
		return;
	to = APPEND(&s->b, reply->verdicts, reply->n_verdicts,
		    &pandit__v1__verdict_seen__descriptor);
	if (to)
		fill_seen(&s->b, to, seen);
	if (s->left != UINT64_MAX)
		s->left--;
	if (reply->n_verdicts >= PAGE_SEEN)
		send_page(s);
}

static void stream_free(struct stream *s)
{
	free_msg(&s->b.msg);
	free(s);
}

static void on_flush(void *arg, uint64_t dropped)
{
	struct stream *s = arg;
	Pandit__V1__ObserveReply *reply;

	dropped += s->unsent;
	reply = dropped ? page(s) : NULL;
	if (reply) {
		reply->dropped = dropped;
		s->unsent = 0;
	}
	send_page(s);
	if (s->left)
		return;
	pd_host_unobserve(s->admin->host, s);
	pd_rpc_end(s->call);
	stream_free(s);
}

static void on_over(void *arg)
{
	struct stream *s = arg;
	struct pd_fault f;

	send_page(s);
	pd_rpc_fail(s->call,
		    pd_fail(&f, -ENODEV, "`panditctl attach IFACE` attaches one",
			    "nothing is attached any more"),
		    &f);
	stream_free(s);
}

static void on_observe_cancelled(struct pd_rpc_call *call, void *arg)
{
	struct stream *s = arg;

	pd_host_unobserve(s->admin->host, s);
	pd_rpc_fail(call, -ECANCELED, NULL);
	stream_free(s);
}

void pd_admin_observe(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	static const struct pd_observer_fns fns = { on_seen, on_flush, on_over };
	const Pandit__V1__ObserveRequest *in = (const Pandit__V1__ObserveRequest *)request;
	struct pd_observe_spec spec = {
		.services = (const char *const *)in->services,
		.nservices = in->n_services,
		.verdicts = (const char *const *)in->verdicts,
		.nverdicts = in->n_verdicts,
		.prefix = in->key_prefix.data,
		.prefix_len = in->key_prefix.len,
		.keys = in->keys,
		.rate = in->rate,
	};
	struct stream *s = calloc(1, sizeof(*s));
	struct pd_fault f = { 0 };
	int err;

	if (!s) {
		pd_rpc_fail(call, -ENOMEM, NULL);
		return;
	}
	*s = (struct stream){ .admin = arg, .call = call,
			      .left = in->count ? in->count : UINT64_MAX };
	pd_rpc_on_cancel(call, on_observe_cancelled, s);
	err = pd_host_observe(s->admin->host, &spec, &fns, s, &f);
	if (err) {
		pd_rpc_fail(call, err, &f);
		stream_free(s);
	}
}

/* ---- why ---------------------------------------------------------------- */

/* A question under way. Freed by what ends it. */
struct question {
	struct pd_admin *admin;
	struct pd_rpc_call *call;
	struct build b;
	Pandit__V1__PacketFate *packet;	/* the one whose verdicts come in; in b.msg */
};

static Pandit__V1__PacketFate *current(struct question *q)
{
	Pandit__V1__WhyReply *reply = (Pandit__V1__WhyReply *)q->b.msg;

	if (!q->packet)
		q->packet = APPEND(&q->b, reply->packets, reply->n_packets,
				   &pandit__v1__packet_fate__descriptor);
	return q->packet;
}

static void on_why_seen(void *arg, const struct pd_seen *seen)
{
	struct question *q = arg;
	Pandit__V1__PacketFate *packet = current(q);
	Pandit__V1__VerdictSeen *to = NULL;

	if (packet)
		to = APPEND(&q->b, packet->verdicts, packet->n_verdicts,
			    &pandit__v1__verdict_seen__descriptor);
	if (to)
		fill_seen(&q->b, to, seen);
}

static void on_fate(void *arg, const struct pd_fate *fate)
{
	struct question *q = arg;
	Pandit__V1__PacketFate *to = current(q);

	q->packet = NULL;
	if (!to)
		return;
	to->packet = fate->packet;
	to->action = copy(&q->b, fate->action);
	to->reply_size = fate->reply_size;
	to->note = copy(&q->b, fate->note);
}

static void question_free(struct question *q)
{
	free_msg(&q->b.msg);
	free(q);
}

static void on_why_done(void *arg, int err, const struct pd_fault *f)
{
	struct question *q = arg;

	conclude(q->call, &q->b, err, f);
	question_free(q);
}

static void on_why_cancelled(struct pd_rpc_call *call, void *arg)
{
	struct question *q = arg;

	pd_host_why_forget(q->admin->host, q);
	pd_rpc_fail(call, -ECANCELED, NULL);
	question_free(q);
}

static struct question *question_new(struct pd_admin *admin, struct pd_rpc_call *call)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->admin = admin;
	q->call = call;
	q->b.msg = new_msg(&q->b, &pandit__v1__why_reply__descriptor);
	if (q->b.msg)
		return q;
	free(q);
	return NULL;
}

void pd_admin_why(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	static const struct pd_why_fns fns = { on_why_seen, on_fate, on_why_done };
	const Pandit__V1__WhyRequest *in = (const Pandit__V1__WhyRequest *)request;
	_cleanup_free_ struct pd_blob *frames = calloc(in->n_frames + 1, sizeof(*frames));
	struct pd_why_spec spec = {
		.frames = frames,
		.nframes = in->n_frames,
		.service = in->service,
		.text = in->text,
		.transport = in->transport,
		.hook = in->hook,
		.interface = in->interface,
		.keys = in->keys,
	};
	struct question *q = question_new(arg, call);
	struct pd_fault f = { 0 };
	int err;

	if (!q || !frames) {
		if (q)
			question_free(q);
		pd_rpc_fail(call, -ENOMEM, NULL);
		return;
	}
	for (size_t i = 0; i < in->n_frames; i++)
		frames[i] = (struct pd_blob){ in->frames[i].data, in->frames[i].len };
	pd_rpc_on_cancel(call, on_why_cancelled, q);
	err = pd_host_why(q->admin->host, &spec, &fns, q, &f);
	if (err) {
		pd_rpc_fail(call, err, &f);
		question_free(q);
	}
}
