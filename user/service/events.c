/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the data path, as log lines. Rate-limited; never a key, never a value. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "user/service/host_impl.h"

static const struct {
	enum pd_log_level level;
	const char *text;
} kinds[] = {
	[PD_EVENT_TABLE_FULL] = {PD_LOG_WARN,
				 "connection table full; passed unanswered (limits.connections)"},
	[PD_EVENT_FRAMING_LOST] =
		{PD_LOG_WARN,
		 "messages can no longer be told apart; every segment counts as a write"},
	[PD_EVENT_UNKNOWN] = {PD_LOG_INFO, "unclassified traffic; taken for a write to everything"},
};

void pd_on_event(void *arg, const struct pd_event *e)
{
	struct pd_host *h = arg;
	char client[PD_ADDR_STRLEN], server[PD_ADDR_STRLEN], more[48] = "";
	uint64_t dropped = 0;
	struct pd_ratelimit *rl;

	if (e->type >= PD_ARRAY_SIZE(kinds) || !kinds[e->type].text)
		return;
	rl = &h->event_limits[e->type];
	rl->interval_ns = 10 * PD_NS_PER_S;
	rl->burst = 3;
	if (!pd_ratelimit_ok(rl, pd_boottime_ns(), &dropped))
		return;
	if (dropped)
		snprintf(more, sizeof(more), " (%" PRIu64 " more before)", dropped);
	pd_log(kinds[e->type].level, "service %s: %s -> %s: %s%s", pd_service_name(h, e->service),
	       pd_addr_format(&e->flow.client, ntohs(e->flow.cport), client),
	       pd_addr_format(&e->flow.server, ntohs(e->flow.sport), server), kinds[e->type].text,
	       more);
}
