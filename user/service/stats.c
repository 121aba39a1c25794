/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and verdicts by name, for `stats` and for /metrics. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "user/service/host_impl.h"
#include "user/service/version.h"

struct row {
	const char *name, *text, *kind;
};

static const struct row counter_rows[PD_C_MAX] = {
#define COUNTER(n, t) [PD_C_##n] = {#n, t, ""},
#include "maps/counters.def"
#undef COUNTER
};

static const struct row verdict_rows[PD_V_MAX] = {
#define VERDICT(n, k, t) [PD_V_##n] = {#n, t, #k},
#include "maps/verdicts.def"
#undef VERDICT
};

struct counts {
	struct pd_named_count counters[PD_C_MAX], verdicts[PD_V_MAX], passes[PD_V_MAX];
	size_t npasses;
};

static void name_counts(const struct row *rows, const uint64_t *values, size_t n,
			struct pd_named_count *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct pd_named_count){.name = rows[i].name,
						 .text = rows[i].text,
						 .kind = rows[i].kind,
						 .count = values[i]};
}

static int read_counts(struct pd_host *h, const struct pd_svc *s, struct counts *c)
{
	uint64_t counters[PD_C_MAX] = {0}, verdicts[PD_V_MAX] = {0};
	int err = 0;

	if (h->load && s->placed) {
		err = pd_load_counters(h->load, s->row.id, counters);
		if (!err)
			err = pd_load_verdicts(h->load, s->row.id, verdicts);
	}
	name_counts(counter_rows, counters, PD_C_MAX, c->counters);
	name_counts(verdict_rows, verdicts, PD_V_MAX, c->verdicts);
	c->npasses = 0;
	for (size_t i = 0; i < PD_V_MAX; i++)
		if (verdicts[i] && (!strcmp(verdict_rows[i].kind, "PASS") ||
				    !strcmp(verdict_rows[i].kind, "MISS")))
			c->passes[c->npasses++] = c->verdicts[i];
	return err;
}

int pd_host_stats(struct pd_host *h, const char *service, pd_stats_fn fn, void *arg)
{
	struct counts c;
	int err = 0;

	if (service && !pd_svc_find(h, service))
		return -ENOENT;
	pd_svcs_assist_count(h);
	for (size_t i = 0; !err && i < h->nsvcs; i++) {
		struct pd_svc *s = h->svcs[i];
		struct pd_service_stats st;

		if (service && strcmp(service, s->cfg->name))
			continue;
		err = read_counts(h, s, &c);
		if (err)
			return err;
		st = (struct pd_service_stats){
			.name = s->cfg->name,
			.hits = c.counters[PD_C_hits].count,
			.misses = c.counters[PD_C_misses].count,
			.fills = c.counters[PD_C_fills].count,
			.invalidations = c.counters[PD_C_invalidations].count,
			.passes = c.passes,
			.npasses = c.npasses,
			.counters = c.counters,
			.ncounters = PD_C_MAX,
			.verdicts = c.verdicts,
			.nverdicts = PD_V_MAX,
		};
		err = fn(arg, &st);
	}
	return err;
}

/* ---- /metrics ------------------------------------------------------------------------- */

struct render {
	struct pd_strbuf *sb;
	size_t counter;	   /* the family being written */
	const char *kinds; /* of verdicts */
};

static int render_counter(void *arg, const struct pd_service_stats *st)
{
	struct render *r = arg;
	const struct pd_named_count *c = &st->counters[r->counter];

	pd_strbuf_addf(r->sb, "pandit_%s_total{service=\"", c->name);
	pd_metrics_label(r->sb, st->name);
	pd_strbuf_addf(r->sb, "\"} %" PRIu64 "\n", c->count);
	return 0;
}

static int render_verdicts(void *arg, const struct pd_service_stats *st)
{
	struct render *r = arg;
	bool passes = !strcmp(r->kinds, "passes");

	for (size_t i = 0; i < st->nverdicts; i++) {
		const struct pd_named_count *v = &st->verdicts[i];
		bool pass = !strcmp(v->kind, "PASS") || !strcmp(v->kind, "MISS");

		if (passes && !pass)
			continue;
		pd_strbuf_addf(r->sb, "pandit_%s_total{service=\"", r->kinds);
		pd_metrics_label(r->sb, st->name);
		if (passes)
			pd_strbuf_addf(r->sb, "\",verdict=\"%s\"} %" PRIu64 "\n", v->name,
				       v->count);
		else
			pd_strbuf_addf(r->sb, "\",verdict=\"%s\",kind=\"%s\"} %" PRIu64 "\n",
				       v->name, v->kind, v->count);
	}
	return 0;
}

static void gauge(struct pd_strbuf *sb, const char *name, const char *help, uint64_t value)
{
	pd_metrics_head(sb, name, "gauge", help);
	pd_strbuf_addf(sb, "%s %" PRIu64 "\n", name, value);
}

void pd_stats_render(void *arg, struct pd_strbuf *sb)
{
	struct pd_host *h = arg;
	struct render r = {.sb = sb};
	struct pd_status st;
	char name[64];

	for (r.counter = 0; r.counter < PD_C_MAX; r.counter++) {
		snprintf(name, sizeof(name), "pandit_%s_total", counter_rows[r.counter].name);
		pd_metrics_head(sb, name, "counter", counter_rows[r.counter].text);
		pd_host_stats(h, NULL, render_counter, &r);
	}
	pd_metrics_head(sb, "pandit_passes_total", "counter",
			"packets forwarded, by the reason why they were not answered");
	r.kinds = "passes";
	pd_host_stats(h, NULL, render_verdicts, &r);
	pd_metrics_head(sb, "pandit_verdicts_total", "counter",
			"packets by what was done with them");
	r.kinds = "verdicts";
	pd_host_stats(h, NULL, render_verdicts, &r);
	pd_host_status(h, &st);
	pd_metrics_head(sb, "pandit_assist_on", "gauge",
			"1 while the server itself reports changes that pandit cannot see");
	for (size_t i = 0; i < h->nsvcs; i++) {
		const struct pd_svc *s = h->svcs[i];

		pd_strbuf_adds(sb, "pandit_assist_on{service=\"");
		pd_metrics_label(sb, s->cfg->name);
		pd_strbuf_addf(sb, "\"} %d\n",
			       s->assist && pd_assist_state(s->assist) == PD_ASSIST_ON);
	}
	gauge(sb, "pandit_entries", "kept replies", st.entries);
	gauge(sb, "pandit_connections", "rows of the connection table", st.connections);
	gauge(sb, "pandit_services", "configured services", h->nsvcs);
	gauge(sb, "pandit_problems", "present problems, as `panditctl status` lists them",
	      st.nproblems);
	gauge(sb, "pandit_ready", "1 when ready or degraded", st.state != PD_STATE_STARTING);
	pd_metrics_head(sb, "pandit_build_info", "gauge", "always 1");
	pd_strbuf_addf(sb, "pandit_build_info{version=\"%s\",abi=\"%d\",node=\"", PD_VERSION,
		       PD_ABI);
	pd_metrics_label(sb, st.node);
	pd_strbuf_adds(sb, "\"} 1\n");
}
