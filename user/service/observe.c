/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as they are given, for those who watch. Keys go to them alone, and to no log. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "user/lib/similar.h"
#include "user/service/host_impl.h"

#define RATE_DEFAULT 1000

static const struct {
	const char *name, *kind, *text;
} verdicts[] = {
#define VERDICT(name, kind, text) {#name, #kind, text},
#include "maps/verdicts.def"
#undef VERDICT
};

static const char *const sources[] = {
	[PD_SOURCE_NONE] = "?",
#define SOURCE(id, file) [PD_SOURCE_##id] = file,
#include "maps/sources.def"
#undef SOURCE
};

static const char *const hooks[PD_HOOK_MAX] = {
	[PD_HOOK_NONE] = "?",
	[PD_HOOK_CLIENT_REQUEST] = "client request",
	[PD_HOOK_CLIENT_REPLY] = "client reply",
	[PD_HOOK_HOME_REQUEST] = "home request",
	[PD_HOOK_HOME_REPLY] = "home reply",
	[PD_HOOK_EDGE] = "edge",
};

/* What passes in great numbers and is no request. */
#define QUIET                                                                                    \
	(1ULL << PD_V_pass_handshake | 1ULL << PD_V_pass_ack | 1ULL << PD_V_pass_reply |         \
	 1ULL << PD_V_drop_ack | 1ULL << PD_V_home_reply | 1ULL << PD_V_home_quiet)

const char *pd_service_name(struct pd_host *h, uint32_t id)
{
	for (size_t i = 0; i < h->nsvcs; i++)
		if (h->svcs[i]->placed && h->svcs[i]->row.id == id)
			return h->svcs[i]->cfg->name;
	return "?";
}

/* ---- filters ------------------------------------------------------------- */

int pd_verdict_mask(const char *const *words, size_t n, uint64_t *ret, struct pd_fault *f)
{
	uint64_t mask = n ? 0 : ~QUIET;

	for (size_t w = 0; w < n; w++) {
		struct pd_similar similar = {.word = words[w]};
		uint64_t found = strcasecmp(words[w], "all") ? 0 : ~0ULL;

		for (size_t v = 0; v < PD_ARRAY_SIZE(verdicts); v++) {
			pd_similar_try(&similar, verdicts[v].name);
			if (!strcmp(verdicts[v].name, words[w]) ||
			    !strcasecmp(verdicts[v].kind, words[w]))
				found |= 1ULL << v;
		}
		if (!found)
			return pd_fail(f, -EINVAL,
				       "a kind (hit, miss, pass, drop, home), `all`, or a name of "
				       "`panditctl stats -v`",
				       "no verdict '%s'%s%s%s", words[w],
				       similar.best ? "; did you mean '" : "",
				       similar.best ? similar.best : "", similar.best ? "'?" : "");
		mask |= found;
	}
	*ret = mask;
	return 0;
}

static int service_mask(struct pd_host *h, const struct pd_observe_spec *spec, uint64_t *ret,
			struct pd_fault *f)
{
	uint64_t mask = spec->nservices ? 0 : ~0ULL;

	for (size_t i = 0; i < spec->nservices; i++) {
		const struct pd_svc *s = pd_svc_find(h, spec->services[i]);

		if (!s)
			return pd_fail(f, -ENOENT, "`panditctl services` lists them",
				       "there is no service '%s'", spec->services[i]);
		if (s->placed)
			mask |= 1ULL << s->row.id;
	}
	*ret = mask;
	return 0;
}

static int watch_of(struct pd_host *h, const struct pd_observe_spec *spec, struct pd_watch *ret,
		    struct pd_fault *f)
{
	int err = service_mask(h, spec, &ret->services, f);

	if (!err)
		err = pd_verdict_mask(spec->verdicts, spec->nverdicts, &ret->verdicts, f);
	if (err)
		return err;
	if (spec->prefix_len > PD_WATCH_PREFIX)
		return pd_fail(f, -EINVAL, "give its beginning",
			       "the key prefix has %zu bytes: %d are compared at most",
			       spec->prefix_len, PD_WATCH_PREFIX);
	if (spec->rate > PD_OBSERVE_RATE_MAX)
		return pd_fail(f, -EINVAL, "narrow it with a filter",
			       "a rate of %u a second is beyond the most, %d", spec->rate,
			       PD_OBSERVE_RATE_MAX);
	ret->prefix = spec->prefix;
	ret->prefix_len = spec->prefix_len;
	ret->keys = spec->keys;
	ret->rate = spec->rate ? spec->rate : RATE_DEFAULT;
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

int pd_host_observe(struct pd_host *h, const struct pd_observe_spec *spec,
		    const struct pd_observer_fns *fns, void *arg, struct pd_fault *f)
{
	struct pd_watch watch = {0};
	unsigned int i = 0;
	int err = watch_of(h, spec, &watch, f);

	if (err)
		return err;
	if (!h->load)
		return pd_fail(f, -ENODEV, "`panditctl attach IFACE` attaches one",
			       "there is nothing to see: no interface is attached");
	err = pd_load_watch(h->load, &watch, &i);
	if (err == -EBUSY)
		return pd_fail(f, err, "end one of the others", "%d watch already", PD_WATCHERS);
	if (err)
		return pd_fail(f, err, NULL, "cannot watch: %s", strerror(-err));
	h->observers[i] = (struct pd_observer){.fns = *fns, .arg = arg};
	return 0;
}

void pd_host_unobserve(struct pd_host *h, void *arg)
{
	for (unsigned int i = 0; i < PD_WATCHERS; i++) {
		if (h->observers[i].arg != arg)
			continue;
		h->observers[i].arg = NULL;
		if (h->load)
			pd_load_unwatch(h->load, i);
	}
}

void pd_observers_end(struct pd_host *h)
{
	for (unsigned int i = 0; i < PD_WATCHERS; i++) {
		struct pd_observer o = h->observers[i];

		if (!o.arg)
			continue;
		pd_host_unobserve(h, o.arg);
		o.fns.over(o.arg);
	}
}

void pd_observers_flush(struct pd_host *h, bool tick)
{
	bool any = false;

	for (unsigned int i = 0; i < PD_WATCHERS; i++) {
		struct pd_observer *o = &h->observers[i];
		uint64_t dropped;

		if (!o->arg || !h->load || (!tick && !o->fresh))
			continue;
		any = true;
		dropped = pd_load_watch_dropped(h->load, i);
		o->fresh = false;
		dropped -= o->dropped;
		o->dropped += dropped;
		o->fns.flush(o->arg, dropped);
	}
	if (tick && any && h->load)
		pd_load_watch_on(h->load);
}

/* ---- records ------------------------------------------------------------- */

void pd_seen_of(struct pd_host *h, const struct pd_observed *e, const uint8_t *key,
		struct pd_seen_text *text, struct pd_seen *ret)
{
	unsigned int verdict = e->verdict < PD_V_MAX ? e->verdict : 0;

	pd_addr_format(&e->flow.client, ntohs(e->flow.cport), text->client);
	pd_addr_format(&e->flow.server, ntohs(e->flow.sport), text->server);
	snprintf(text->source, sizeof(text->source), "kern/%s",
		 e->source < PD_SOURCE_MAX ? sources[e->source] : "?");
	*ret = (struct pd_seen){
		.time = e->when + h->wall_offset,
		.service = pd_service_name(h, e->service),
		.hook = e->hook < PD_HOOK_MAX ? hooks[e->hook] : "?",
		.transport = e->proto == IPPROTO_UDP ? "udp" : "tcp",
		.client = text->client,
		.server = text->server,
		.has_key = e->key_len,
		.key_hash = e->khash,
		.key = key,
		.key_len = e->key_len,
		.verdict = verdicts[verdict].name,
		.kind = verdicts[verdict].kind,
		.text = verdicts[verdict].text,
		.source = text->source,
		.line = e->line,
	};
}

void pd_on_observed(void *arg, const struct pd_observed *e, const uint8_t *key)
{
	struct pd_host *h = arg;
	struct pd_observer *o = &h->observers[e->watcher];
	struct pd_seen_text text;
	struct pd_seen seen;

	if (!o->arg)
		return;
	pd_seen_of(h, e, key, &text, &seen);
	o->fns.seen(o->arg, &seen);
	o->fresh = true;
}
