/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes that never cross the wire, as the servers report them (user/assist):
 * each changed key moves its slot's word, everything else the service word.
 *
 * Redis reports writes over the wire too; their words have moved already, and
 * the second move costs at most one more miss of that key. Which reports could
 * be left out is not known: a write that did cross the hook and one that did
 * not may have become one report.
 */
#include <errno.h>
#include <string.h>

#include "user/service/host_impl.h"

static void on_key(void *arg, const void *key, size_t len)
{
	struct pd_svc *s = arg;
	struct pd_load *load = s->host->load;

	if (!load || !s->placed)
		return;
	pd_load_bump_slot(load, s->row.authority,
			  (uint32_t)(pd_load_hash(load, key, len) & (PD_SLOTS - 1)));
	s->assisted++;
}

static void on_all(void *arg, bool gap)
{
	struct pd_svc *s = arg;

	if (!s->host->load || !s->placed)
		return;
	pd_load_bump_authority(s->host->load, s->row.authority);
	if (gap)
		s->assist_gaps++;
	else
		s->assisted++;
}

static void on_state(void *arg, enum pd_assist_state state, const char *reason)
{
	const struct pd_svc *s = arg;

	if (state == PD_ASSIST_ON)
		pd_log_info("service %s: the server reports its changes (%s)", s->cfg->name,
			    reason);
	else if (state == PD_ASSIST_WAITING)
		pd_log_warn("service %s: assist: %s; for changes that pandit cannot see only "
			    "max_age holds",
			    s->cfg->name, reason);
	else
		pd_log_debug("service %s: assist: %s", s->cfg->name, reason);
}

static const struct pd_assist_ops ops = {.key = on_key, .all = on_all, .state = on_state};

bool pd_svc_assist_same(const struct pd_config_service *a, const struct pd_config_service *b)
{
	return a->assist_off == b->assist_off &&
	       !strcmp(a->credentials ? a->credentials : "", b->credentials ? b->credentials : "");
}

/* Why a service has no channel; NULL: it should have one. */
static const char *why_off(const struct pd_svc *s)
{
	if (s->cfg->assist_off)
		return "as configured";
	if (!pd_assist_has(s->cfg->protocol->label))
		return "the protocol has no such thing";
	if (!(s->cfg->transport & PD_TRANSPORT_TCP))
		return "it needs TCP, and the service is UDP only";
	if (!s->host->load || !s->placed || !(s->row.flags & PD_SVC_ANSWER))
		return "nothing is answered";
	return NULL;
}

void pd_svcs_assist(struct pd_host *h)
{
	for (size_t i = 0; i < h->nsvcs; i++) {
		struct pd_svc *s = h->svcs[i];
		struct pd_assist_options o = {.protocol = s->cfg->protocol->label,
					      .addrs = s->cfg->addrs,
					      .naddrs = s->cfg->naddrs,
					      .credentials = s->cfg->credentials};

		/* Without memory there is no channel; the next round tries again. */
		if (why_off(s))
			pd_assist_free(&s->assist);
		else if (!s->assist && pd_assist_new(h->loop, &o, &ops, s, &s->assist))
			pd_log_debug("service %s: assist: out of memory", s->cfg->name);
	}
}

void pd_svcs_assist_count(struct pd_host *h)
{
	for (size_t i = 0; h->load && i < h->nsvcs; i++) {
		struct pd_svc *s = h->svcs[i];

		if (!s->placed)
			continue;
		if (s->assisted && !pd_load_count(h->load, s->row.id, PD_C_assisted, s->assisted))
			s->assisted = 0;
		if (s->assist_gaps &&
		    !pd_load_count(h->load, s->row.id, PD_C_assist_gaps, s->assist_gaps))
			s->assist_gaps = 0;
	}
}

const char *pd_svc_assist(const struct pd_svc *s, const char **ret_reason)
{
	const char *off = why_off(s);

	*ret_reason = off ? off : s->assist ? pd_assist_reason(s->assist) : "";
	return pd_assist_state_name(s->assist ? pd_assist_state(s->assist) : PD_ASSIST_OFF);
}
