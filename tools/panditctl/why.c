// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "tools/panditctl/pcap.h"
#include "user/lib/cleanup.h"

#define WHY_MS		60000
#define HEX_MAX		64		/* frames of one command line */
#define FILE_MAX	(64u << 20)	/* bytes of a capture file */
#define REQUEST_MAX	(1000u << 10)	/* bytes of frames that one call takes */

/* ---- what is asked ------------------------------------------------------ */

static int read_capture(const char *path, uint8_t **ret, size_t *ret_len, struct pd_fault *f)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ uint8_t *data = NULL;
	size_t len = 0, room = 0, n;

	if (!file)
		return pd_fail(f, -errno, "or give a service and a request: why SERVICE \"GET k\"",
			       "cannot open %s: %s", path, strerror(errno));
	do {
		uint8_t *grown;

		room = room ? room * 2 : 65536;
		grown = room <= FILE_MAX ? realloc(data, room) : NULL;
		if (!grown)
			return pd_fail(f, -E2BIG, "tcpdump -r FILE -c N -w NEW shortens it",
				       "%s is too large", path);
		data = grown;
		n = fread(data + len, 1, room - len, file);
		len += n;
	} while (len == room);
	if (ferror(file))
		return pd_fail(f, -EIO, NULL, "cannot read %s: %s", path, strerror(errno));
	*ret = PD_TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

static int read_frames(struct ctl *ctl, struct ctl_frames *frames, struct pd_fault *f)
{
	const char *hex[HEX_MAX], *path = ctl->args.pos[0];
	size_t nhex = ctl_values(&ctl->args, CTL_OPT_why_hex, hex, HEX_MAX);
	_cleanup_free_ uint8_t *data = NULL;
	struct pd_fault inner = { 0 };
	uint32_t max = 0;
	size_t len = 0;
	int err = ctl_number(&ctl->args, CTL_OPT_why_count, UINT32_MAX, &max, f);

	if (!err && nhex > HEX_MAX)
		err = pd_fail(f, -EINVAL, "write a capture file", "more than %d frames in hex",
			      HEX_MAX);
	for (size_t i = 0; !err && i < nhex; i++)
		err = ctl_hex_read(hex[i], frames, f);
	if (err || nhex)
		return err;
	err = read_capture(path, &data, &len, f);
	if (err)
		return err;
	err = ctl_pcap_read(data, len, max, frames, &inner);
	if (err)
		return pd_fail(f, err, inner.hint, "%s: %s", path, inner.message);
	if (!frames->n)
		return pd_fail(f, -EINVAL, "tcpdump -w FILE writes some", "%s holds no packet",
			       path);
	return 0;
}

static int put_frames(const struct ctl_frames *frames, Pandit__V1__WhyRequest *request,
		      ProtobufCBinaryData *list, struct pd_fault *f)
{
	size_t bytes = 0;

	for (size_t i = 0; i < frames->n; i++) {
		list[i] = (ProtobufCBinaryData){ frames->v[i].len, frames->v[i].data };
		bytes += frames->v[i].len + 8;
		if (bytes > REQUEST_MAX)
			return pd_fail(f, -E2BIG, "-n takes the first ones only",
				       "%zu packets are more than one call takes (%u KiB): "
				       "the first %zu fit", frames->n, REQUEST_MAX >> 10, i);
	}
	request->frames = list;
	request->n_frames = frames->n;
	return 0;
}

/* ---- what is answered --------------------------------------------------- */

static json_t *fate_object(const Pandit__V1__PacketFate *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_verdicts; i++)
		json_array_append_new(list, ctl_seen_object(p->verdicts[i]));
	return json_pack("{s:i,s:s,s:i,s:s,s:o}", "packet", (int)p->packet, "action", p->action,
			 "reply_size", (int)p->reply_size, "note", p->note, "verdicts", list);
}

static void print_verdict(struct ctl *ctl, const Pandit__V1__VerdictSeen *s)
{
	char hook[32];

	snprintf(hook, sizeof(hook), "%s:", s->hook);
	fprintf(ctl->out, "  %-15s ", hook);
	ctl_colour(ctl, ctl_kind_colour(s->kind), s->verdict);
	fprintf(ctl->out, " (%s) at %s:%u\n                  %s\n", s->kind, s->source, s->line,
		s->text);
	if (s->key.len) {
		_cleanup_free_ char *key = ctl_escape(s->key.data, s->key.len);

		fprintf(ctl->out, "                  key %s, hash %016" PRIx64 "\n", key,
			s->key_hash);
	} else if (s->has_key) {
		fprintf(ctl->out, "                  key hash %016" PRIx64 "\n", s->key_hash);
	}
}

static void print_fate(struct ctl *ctl, const Pandit__V1__PacketFate *p)
{
	char a[CTL_NUM_STRLEN];

	fprintf(ctl->out, "packet %u: ", p->packet);
	ctl_colour(ctl, 'b', p->action);
	if (p->reply_size)
		fprintf(ctl->out, " with %s bytes", ctl_count(p->reply_size, a));
	if (p->n_verdicts)
		fprintf(ctl->out, "  %s %s %s > %s", p->verdicts[0]->service,
			p->verdicts[0]->transport, p->verdicts[0]->client, p->verdicts[0]->server);
	fputc('\n', ctl->out);
	for (size_t i = 0; i < p->n_verdicts; i++)
		print_verdict(ctl, p->verdicts[i]);
	if (p->note[0])
		fprintf(ctl->out, "  %s\n", p->note);
	else if (!p->n_verdicts)
		fprintf(ctl->out, "  no verdict: it passes without being looked at\n");
}

static int show_why(struct ctl *ctl, const Pandit__V1__WhyReply *reply)
{
	json_t *list;

	if (ctl->json) {
		list = json_array();
		for (size_t i = 0; i < reply->n_packets; i++)
			json_array_append_new(list, fate_object(reply->packets[i]));
		return ctl_print(ctl, json_pack("{s:o}", "packets", list), CTL_OK);
	}
	for (size_t i = 0; i < reply->n_packets; i++)
		print_fate(ctl, reply->packets[i]);
	return CTL_OK;
}

/* ---- verb --------------------------------------------------------------- */

static char *word(struct ctl *ctl, enum ctl_option_id id)
{
	const char *value = ctl_value(&ctl->args, id);

	return (char *)(value ? value : "");
}

/* A file, frames in hex, or a service and a request: exactly one of them. */
static int check_source(struct ctl *ctl, struct pd_fault *f)
{
	bool hex = ctl_has(&ctl->args, CTL_OPT_why_hex);

	if (!hex + !ctl->args.npos != 1)
		return pd_fail(f, -EINVAL, "see `panditctl help why`",
			       hex ? "--hex and a file or service: one of them is too many"
				   : "name a capture file, or a service and a request");
	if (ctl_has(&ctl->args, CTL_OPT_why_transport) && ctl->args.npos < 2)
		return pd_fail(f, -EINVAL, "see `panditctl help why`",
			       "--transport is for a request in words");
	return 0;
}

int ctl_verb_why(struct ctl *ctl)
{
	Pandit__V1__WhyRequest request = PANDIT__V1__WHY_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__WhyReply *reply = NULL;
	_cleanup_(ctl_frames_free) struct ctl_frames frames = { 0 };
	_cleanup_free_ ProtobufCBinaryData *list = NULL;
	struct pd_fault f = { 0 };

	if (check_source(ctl, &f))
		return ctl_usage(ctl, &f);
	request.hook = word(ctl, CTL_OPT_why_hook);
	request.interface = word(ctl, CTL_OPT_why_interface);
	request.transport = word(ctl, CTL_OPT_why_transport);
	request.keys = ctl_has(&ctl->args, CTL_OPT_why_keys);
	if (ctl->args.npos > 1) {
		request.service = (char *)ctl->args.pos[0];
		request.text = (char *)ctl->args.pos[1];
	} else {
		if (read_frames(ctl, &frames, &f))
			return ctl_fail(ctl, &f);
		list = calloc(frames.n, sizeof(*list));
		if (!list)
			pd_fail(&f, -ENOMEM, NULL, "out of memory");
		if (!list || put_frames(&frames, &request, list, &f))
			return ctl_fail(ctl, &f);
	}
	if (ctl_ask(ctl, "Why", &request, WHY_MS, &reply, &f))
		return ctl_fail(ctl, &f);
	return show_why(ctl, reply);
}
