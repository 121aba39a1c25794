// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/clock.h"
#include "user/lib/cleanup.h"

#define FOREVER_MS	(365 * 86400 * 1000ULL)
#define VERDICTS_MAX	64
#define KEY_COLUMN	24

/* ---- one verdict -------------------------------------------------------- */

/* "2026-11-25T18:48:41.123456Z", or the local time of day. */
static const char *time_text(uint64_t ns, bool whole, char buf[40])
{
	time_t s = (time_t)(ns / PD_NS_PER_S);
	struct tm tm;
	size_t n;

	if (whole)
		gmtime_r(&s, &tm);
	else
		localtime_r(&s, &tm);
	n = strftime(buf, 40, whole ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%06u%s", (unsigned int)(ns % PD_NS_PER_S / 1000),
		 whole ? "Z" : "");
	return buf;
}

json_t *ctl_seen_object(const Pandit__V1__VerdictSeen *s)
{
	json_t *object = json_object();
	char buf[40];

	if (s->time_ns)
		json_object_set_new(object, "time", json_string(time_text(s->time_ns, true, buf)));
	snprintf(buf, sizeof(buf), "%016" PRIx64, s->key_hash);
	json_object_update_new(object,
			       json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "service", s->service,
					 "hook", s->hook, "transport", s->transport, "client",
					 s->client, "server", s->server, "key_hash",
					 s->has_key ? json_string(buf) : json_null()));
	if (s->key.len) {
		_cleanup_free_ char *key = ctl_escape(s->key.data, s->key.len);

		json_object_set_new(object, "key", json_string(key));
		json_object_set_new(object, "key_base64", ctl_base64(s->key.data, s->key.len));
	}
	json_object_update_new(object, json_pack("{s:s,s:s,s:s,s:s,s:i}", "verdict", s->verdict,
						 "kind", s->kind, "text", s->text, "file",
						 s->source, "line", (int)s->line));
	return object;
}

char ctl_kind_colour(const char *kind)
{
	return !strcmp(kind, "HIT") ? 'g' : !strcmp(kind, "MISS") ? 'y' :
	       !strcmp(kind, "DROP") ? 'r' : 'b';
}

static void print_seen(struct ctl *ctl, const Pandit__V1__VerdictSeen *s)
{
	_cleanup_free_ char *key = ctl_escape(s->key.data, s->key.len);
	char buf[40], column[32];

	fprintf(ctl->out, "%s %-12s ", time_text(s->time_ns, false, buf), s->service);
	snprintf(column, sizeof(column), "%-15s", s->verdict);
	ctl_colour(ctl, ctl_kind_colour(s->kind), column);
	if (s->key.len)
		fprintf(ctl->out, " %-*s", KEY_COLUMN, key);
	else if (s->has_key)
		fprintf(ctl->out, " %016" PRIx64, s->key_hash);
	else
		fprintf(ctl->out, " %-16s", "-");
	fprintf(ctl->out, "  %s %s > %s  %s:%u\n", s->transport, s->client, s->server, s->source,
		s->line);
}

/* ---- the stream --------------------------------------------------------- */

static void print_dropped(struct ctl *ctl, uint64_t n, uint32_t rate)
{
	char a[CTL_NUM_STRLEN], b[CTL_NUM_STRLEN];

	if (ctl->json)
		ctl_print(ctl, json_pack("{s:I}", "dropped", (json_int_t)n), CTL_OK);
	else
		fprintf(ctl->out, "-- %s left out: they were more than %s a second (--rate)\n",
			ctl_count(n, a), ctl_count(rate ? rate : 1000, b));
}

static int show_stream(struct ctl *ctl, struct pd_rpc_stream *stream, uint32_t rate,
		       struct pd_fault *f)
{
	for (;;) {
		_cleanup_msg_ Pandit__V1__ObserveReply *page = NULL;
		ProtobufCMessage *msg = NULL;
		int more = pd_rpc_stream_next(stream, &msg, f);

		if (more <= 0)
			return more;
		page = (Pandit__V1__ObserveReply *)msg;
		for (size_t i = 0; i < page->n_verdicts; i++) {
			if (ctl->json)
				ctl_print(ctl, ctl_seen_object(page->verdicts[i]), CTL_OK);
			else
				print_seen(ctl, page->verdicts[i]);
		}
		if (page->dropped)
			print_dropped(ctl, page->dropped, rate);
		fflush(ctl->out);
		if (ferror(ctl->out))
			return 0;	/* nobody reads on */
	}
}

static int parse_observe(struct ctl *ctl, Pandit__V1__ObserveRequest *request, char **ret_prefix,
			 struct pd_fault *f)
{
	const char *prefix = ctl_value(&ctl->args, CTL_OPT_observe_prefix);
	uint32_t count = 0;

	if (ctl_number(&ctl->args, CTL_OPT_observe_rate, UINT32_MAX, &request->rate, f) ||
	    ctl_number(&ctl->args, CTL_OPT_observe_count, UINT32_MAX, &count, f))
		return -EINVAL;
	request->count = count;
	request->keys = ctl_has(&ctl->args, CTL_OPT_observe_keys);
	if (!prefix)
		return 0;
	if (ctl_has(&ctl->args, CTL_OPT_observe_escaped)) {
		if (ctl_unescape(prefix, ret_prefix, &request->key_prefix.len))
			return pd_fail(f, -EINVAL, "known escapes: \\\\ \\n \\r \\t \\xNN",
				       "'%s' is not an escaped key", prefix);
	} else {
		*ret_prefix = strdup(prefix);
		request->key_prefix.len = strlen(prefix);
	}
	request->key_prefix.data = (uint8_t *)*ret_prefix;
	return *ret_prefix ? 0 : pd_fail(f, -ENOMEM, NULL, "out of memory");
}

int ctl_verb_observe(struct ctl *ctl)
{
	Pandit__V1__ObserveRequest request = PANDIT__V1__OBSERVE_REQUEST__INIT;
	_cleanup_(pd_rpc_stream_free) struct pd_rpc_stream *stream = NULL;
	const char *verdicts[VERDICTS_MAX];
	_cleanup_free_ char *prefix = NULL;
	struct pd_fault f = { 0 };

	if (parse_observe(ctl, &request, &prefix, &f))
		return ctl_usage(ctl, &f);
	request.services = (char **)ctl->args.pos;
	request.n_services = ctl->args.npos;
	request.verdicts = (char **)verdicts;
	request.n_verdicts = ctl_values(&ctl->args, CTL_OPT_observe_verdict, verdicts,
					VERDICTS_MAX);
	if (request.n_verdicts > VERDICTS_MAX) {
		pd_fail(&f, -EINVAL, "kinds take fewer words: hit, miss, pass, drop, home",
			"--verdict was given more than %d times", VERDICTS_MAX);
		return ctl_usage(ctl, &f);
	}
	if (ctl_dial(ctl, &f) ||
	    pd_rpc_stream_open(ctl->client, &pandit__v1__admin__descriptor, "Observe",
			       &request.base, FOREVER_MS, &stream, &f) ||
	    show_stream(ctl, stream, request.rate, &f))
		return ctl_fail(ctl, &f);
	return ferror(ctl->out) ? CTL_FAILED : CTL_OK;
}
