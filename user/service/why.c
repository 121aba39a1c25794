/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying packets out. The programs of the rehearsal are loaded on a thread of
 * libuv's pool, because verifying them takes up to seconds; everything else is
 * done here on the loop thread. pd_why outlives host and caller if they go
 * first: then the result is dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/service/frame.h"
#include "user/service/host_impl.h"

#define SEQ 1000000 /* next byte of the client whose connection is made up */
#define ACK 2000000

/* A frame, and what is known of it. */
struct packet {
	uint8_t *data;
	size_t len;
	struct pd_dgram_key key;
	bool to_server;
	uint32_t poff; /* where the payload starts */
	const char *skip; /* why no program sees it; NULL = they do */
};

struct pd_why {
	struct pd_why *next;
	struct pd_host *h; /* NULL = gone */
	struct pd_why_fns fns;
	void *arg; /* NULL = the caller has gone */
	uv_work_t work;
	struct packet *packets;
	size_t npackets;
	bool keys;
	const char *side;	       /* of --hook; "" = client and home */
	char service[128];	       /* of a request in words; "" = none */
	struct pd_rehearsed_conn conn; /* of it; `service` is filled in late */
	uint32_t ifindex, home_ifindex;
	char note[PD_REASON_LEN]; /* for each packet that is tried */
	uint32_t hooks;
	struct pd_rehearsal *rehearsal;
	struct pd_fault fault;
	int err;
};

static void why_free(struct pd_why *w)
{
	for (size_t i = 0; i < w->npackets; i++)
		free(w->packets[i].data);
	free(w->packets);
	pd_rehearsal_free(&w->rehearsal);
	free(w);
}

/* ---- which programs ------------------------------------------------------ */

static bool serves(const struct pd_host *h, const struct pd_ip *ip, uint16_t port, uint8_t proto)
{
	struct pd_endpoint e = {.ip = *ip, .port = port, .proto = port ? proto : 0};

	return pd_load_serves(h->load, &e);
}

/* Whose packet is this? */
static void look_at(const struct pd_host *h, struct packet *p)
{
	struct pd_frame_ends e;
	struct pd_tuple *t = &p->key.flow;

	p->skip = pd_frame_ends(p->data, p->len, &e);
	if (p->skip)
		return;
	p->to_server = serves(h, &e.dst, e.dport, e.proto);
	if (!p->to_server && !serves(h, &e.src, e.sport, e.proto)) {
		p->skip = "neither of its ends is a service";
		return;
	}
	*t = (struct pd_tuple){.client = p->to_server ? e.src : e.dst,
			       .server = p->to_server ? e.dst : e.src,
			       .cport = p->to_server ? e.sport : e.dport,
			       .sport = p->to_server ? e.dport : e.sport};
	p->key.frame = e.datagram;
	p->poff = e.poff;
}

/* The programs a packet meets, in order; at most two. */
static size_t path_of(const struct pd_why *w, const struct packet *p, enum pd_hook ret[2])
{
	bool client = strcmp(w->side, "home"), home = strcmp(w->side, "client");
	size_t n = 0;

	if (!strcmp(w->side, "edge")) {
		ret[0] = PD_HOOK_EDGE;
		return p->to_server;
	}
	if (p->to_server && client)
		ret[n++] = PD_HOOK_CLIENT_REQUEST;
	if (home)
		ret[n++] = p->to_server ? PD_HOOK_HOME_REQUEST : PD_HOOK_HOME_REPLY;
	if (!p->to_server && client)
		ret[n++] = PD_HOOK_CLIENT_REPLY;
	return n;
}

static void look_at_all(struct pd_why *w)
{
	enum pd_hook path[2];

	for (size_t i = 0; i < w->npackets; i++) {
		look_at(w->h, &w->packets[i]);
		if (w->packets[i].skip)
			continue;
		for (size_t k = path_of(w, &w->packets[i], path); k > 0; k--)
			w->hooks |= 1U << path[k - 1];
	}
}

static int find_interface(struct pd_why *w, const char *name, struct pd_fault *f)
{
	uint32_t side = strcmp(w->side, "edge") ? PD_SIDE_CLIENT : PD_SIDE_EDGE;
	struct pd_host *h = w->h;

	for (size_t i = 0; i < h->nifaces && !w->ifindex; i++) {
		const struct pd_iface *f = h->ifaces[i];

		if (f->ifindex && f->sides & side && (!*name || !strcmp(f->name, name)))
			w->ifindex = f->ifindex;
	}
	if (!w->ifindex && *name)
		return pd_fail(f, -ENODEV, "`panditctl status` shows the sides",
			       "'%s' is no interface towards clients that is attached", name);
	if (!w->ifindex)
		snprintf(w->note, sizeof(w->note),
			 "no interface towards clients is attached: nothing is answered");
	return 0;
}

/* ---- a request in words -------------------------------------------------- */

static int choose_transport(const struct pd_svc *s, const char *word, bool *ret_udp,
			    struct pd_fault *f)
{
	uint32_t asked = !strcmp(word, "udp") ? PD_TRANSPORT_UDP : PD_TRANSPORT_TCP;

	if (!*word && !(s->cfg->transport & PD_TRANSPORT_TCP))
		asked = PD_TRANSPORT_UDP;
	if (!(s->cfg->transport & asked))
		return pd_fail(f, -EINVAL, "`panditctl services` shows the transports",
			       "service %s is not spoken over %s", s->cfg->name,
			       asked == PD_TRANSPORT_UDP ? "UDP" : "TCP");
	*ret_udp = asked == PD_TRANSPORT_UDP;
	return 0;
}

static int add_packet(struct pd_why *w, const void *data, size_t len)
{
	struct packet *p = &w->packets[w->npackets];

	/* programs lengthen and shorten it in place */
	p->data = malloc(len > PD_REHEARSAL_ROOM ? len : PD_REHEARSAL_ROOM);
	if (!p->data)
		return -ENOMEM;
	memcpy(p->data, data, len);
	p->len = len;
	w->npackets++;
	return 0;
}

/* Addresses of RFC 5737 and RFC 3849: nobody has them. */
static void made_up_client(const struct pd_addr *server, struct pd_tuple *t)
{
	static const struct pd_ip v4 = {{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}};
	static const struct pd_ip v6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

	t->client = pd_ip_is_v4(&server->ip) ? v4 : v6;
	t->cport = htons(50000);
	t->server = server->ip;
	t->sport = htons(server->port);
}

static int build_request(struct pd_why *w, const struct pd_why_spec *spec, struct pd_fault *f)
{
	const struct pd_svc *s = pd_svc_find(w->h, spec->service);
	uint8_t payload[PD_REQUEST_MAX], frame[PD_FRAME_MAX];
	struct pd_frame_spec fs = {.seq = SEQ, .ack = ACK, .payload = payload};
	int err;

	if (!s)
		return pd_fail(f, -ENOENT, "`panditctl services` lists them",
			       "there is no service '%s'", spec->service);
	err = choose_transport(s, spec->transport, &w->conn.udp, f);
	if (!err)
		err = pd_request_encode(s->cfg->protocol, spec->text, w->conn.udp, payload,
					&fs.len, f);
	if (err)
		return err;
	snprintf(w->service, sizeof(w->service), "%s", s->cfg->name);
	made_up_client(&s->cfg->addrs[0], &w->conn.flow);
	w->conn.seq = SEQ;
	w->conn.ack = ACK;
	w->conn.local = s->home_ifindex;
	w->home_ifindex = s->home_ifindex;
	fs.flow = w->conn.flow;
	fs.proto = w->conn.udp ? IPPROTO_UDP : IPPROTO_TCP;
	w->packets = calloc(1, sizeof(*w->packets));
	if (!w->packets || add_packet(w, frame, pd_frame_build(&fs, frame)))
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	return 0;
}

static int take_frames(struct pd_why *w, const struct pd_why_spec *spec, struct pd_fault *f)
{
	if (!spec->nframes && !*spec->service)
		return pd_fail(f, -EINVAL, "see `panditctl help why`", "there is no packet");
	if (!spec->nframes)
		return build_request(w, spec, f);
	w->packets = calloc(spec->nframes, sizeof(*w->packets));
	for (size_t i = 0; w->packets && i < spec->nframes; i++)
		if (add_packet(w, spec->frames[i].data, spec->frames[i].len))
			break;
	if (w->npackets != spec->nframes)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	return 0;
}

/* ---- trying -------------------------------------------------------------- */

static void on_verdict(void *arg, const struct pd_observed *record, const uint8_t *key)
{
	struct pd_why *w = arg;
	struct pd_seen_text text;
	struct pd_seen seen;

	pd_seen_of(w->h, record, w->keys ? key : NULL, &text, &seen);
	seen.time = 0;
	w->fns.seen(w->arg, &seen);
}

static int try_packet(struct pd_why *w, struct packet *p, struct pd_fate *fate)
{
	static const char *const acts[] = {"forwarded", "answered", "dropped"};
	enum pd_act act = PD_ACT_FORWARD;
	enum pd_hook path[2];
	size_t n = path_of(w, p, path);
	int err;

	err = pd_rehearsal_flow(w->rehearsal, w->h->load, &p->key);
	for (size_t i = 0; !err && i < n && act == PD_ACT_FORWARD; i++) {
		bool home = path[i] == PD_HOOK_HOME_REQUEST || path[i] == PD_HOOK_HOME_REPLY;

		err = pd_rehearsal_run(w->rehearsal, w->h->load, path[i],
				       home ? w->home_ifindex : w->ifindex, &p->key, p->data,
				       &p->len, on_verdict, w, &act);
	}
	fate->action = acts[act];
	if (act == PD_ACT_ANSWER)
		fate->reply_size = p->len > p->poff ? (uint32_t)p->len - p->poff : 0;
	return err;
}

static int try_all(struct pd_why *w)
{
	int err = 0;

	for (size_t i = 0; !err && i < w->npackets; i++) {
		struct packet *p = &w->packets[i];
		struct pd_fate fate = {.packet = (uint32_t)i + 1, .action = "not ours"};
		char note[PD_REASON_LEN];

		snprintf(note, sizeof(note), "%s", p->skip ? p->skip : w->note);
		if (!p->skip)
			err = try_packet(w, p, &fate);
		if (err == -EINVAL || err == -E2BIG) {
			snprintf(note, sizeof(note),
				 err == -EINVAL
					 ? "the kernel tries no packet of %zu bytes, but those of "
					   "an Ethernet frame"
					 : "more than 1,024 connections in one go (%zu bytes)",
				 p->len);
			fate.action = "not tried";
			err = 0;
		}
		fate.note = note;
		if (!err)
			w->fns.fate(w->arg, &fate);
	}
	return err;
}

/* ---- life ---------------------------------------------------------------- */

static void on_load(uv_work_t *work)
{
	struct pd_why *w = work->data;

	w->err = pd_rehearsal_new(w->hooks, &w->rehearsal, &w->fault);
}

static void unlink_why(struct pd_why *w)
{
	for (struct pd_why **p = &w->h->whys; *p; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			return;
		}
}

static int perform(struct pd_why *w)
{
	const struct pd_svc *s = *w->service ? pd_svc_find(w->h, w->service) : NULL;
	int err;

	if (!w->h->load || (*w->service && !s))
		return pd_fail(&w->fault, -ENODEV, "try again",
			       "what the packets were for has gone meanwhile");
	err = pd_rehearsal_copy(w->rehearsal, w->h->load);
	if (!err && s) {
		w->conn.service = &s->row;
		err = pd_rehearsal_connect(w->rehearsal, &w->conn);
	}
	if (!err)
		err = try_all(w);
	if (err && !w->fault.message[0])
		pd_fail(&w->fault, err, NULL, "cannot try the packets: %s", strerror(-err));
	return err;
}

static void on_loaded(uv_work_t *work, int status)
{
	struct pd_why *w = work->data;

	if (status)
		w->err = w->err ? w->err : status;
	if (w->h && w->arg && !w->err)
		w->err = perform(w);
	if (w->h)
		unlink_why(w);
	if (w->arg)
		w->fns.done(w->arg, w->err, &w->fault);
	why_free(w);
}

int pd_host_why(struct pd_host *h, const struct pd_why_spec *spec, const struct pd_why_fns *fns,
		void *arg, struct pd_fault *f)
{
	static const char *const sides[] = {"client", "home", "edge"};
	struct pd_why *w;
	int err;

	if (!h->load)
		return pd_fail(f, -ENODEV, "`panditctl attach IFACE` attaches one",
			       "there are no programs to ask: no interface is attached");
	w = calloc(1, sizeof(*w));
	if (!w)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	w->h = h;
	w->fns = *fns;
	w->arg = arg;
	w->keys = spec->keys;
	w->side = "";
	w->work.data = w;
	for (size_t i = 0; i < PD_ARRAY_SIZE(sides); i++)
		if (!strcmp(sides[i], spec->hook))
			w->side = sides[i];
	err = strcmp(w->side, spec->hook)
		      ? pd_fail(f, -EINVAL, "it is client, home or edge", "no hook '%s'",
				spec->hook)
		      : find_interface(w, spec->interface, f);
	if (!err && !strcmp(w->side, "edge") && !pd_load_has(h->load, "edge_client"))
		err = pd_fail(f, -ENOENT, "`panditctl status` says why",
			      "the kernel did not take the edge program");
	if (!err)
		err = take_frames(w, spec, f);
	if (!err)
		look_at_all(w);
	if (!err && uv_queue_work(h->loop, &w->work, on_load, on_loaded))
		err = pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (err) {
		why_free(w);
		return err;
	}
	w->next = h->whys;
	h->whys = w;
	return 0;
}

void pd_host_why_forget(struct pd_host *h, void *arg)
{
	for (struct pd_why *w = h->whys; w; w = w->next)
		if (w->arg == arg)
			w->arg = NULL;
}

void pd_whys_end(struct pd_host *h)
{
	struct pd_fault f = {"panditd stops", ""};

	while (h->whys) {
		struct pd_why *w = h->whys;

		h->whys = w->next;
		w->h = NULL;
		if (w->arg)
			w->fns.done(w->arg, -ECANCELED, &f);
		w->arg = NULL;
	}
}
