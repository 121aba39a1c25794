// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"
#include "user/lib/clock.h"

/* Two readings; `before` is NULL if counts since the beginning are shown. */
struct reading {
	const Pandit__V1__StatsReply *now, *before;
};

static const Pandit__V1__ServiceCounts *counts_of(const Pandit__V1__StatsReply *reply,
						  const char *name)
{
	for (size_t i = 0; reply && i < reply->n_services; i++)
		if (!strcmp(reply->services[i]->name, name))
			return reply->services[i];
	return NULL;
}

static uint64_t named(Pandit__V1__NamedCount *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i]->name, name))
			return list[i]->count;
	return 0;
}

/* Per second between the readings; a counter that ran backwards (new maps) counts from zero. */
static uint64_t rate(const struct reading *r, uint64_t now, uint64_t before)
{
	uint64_t ms;

	if (!r->before)
		return now;
	ms = r->now->time_ms - r->before->time_ms;
	return (now >= before ? now - before : now) * 1000 / (ms ? ms : 1);
}

/* ---- JSON --------------------------------------------------------------- */

static json_t *named_object(Pandit__V1__NamedCount *const *list, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, list[i]->name,
				    json_integer((json_int_t)list[i]->count));
	return object;
}

static json_t *stats_object(const struct ctl *ctl, const Pandit__V1__StatsReply *reply)
{
	json_t *list = json_array();

	for (size_t i = 0; i < reply->n_services; i++) {
		const Pandit__V1__ServiceCounts *s = reply->services[i];
		json_t *object = json_pack(
			"{s:s,s:I,s:I,s:I,s:I,s:o}", "name", s->name, "hits", (json_int_t)s->hits,
			"misses", (json_int_t)s->misses, "fills", (json_int_t)s->fills,
			"invalidations", (json_int_t)s->invalidations, "passes",
			named_object(s->passes, s->n_passes));

		if (ctl->verbose) {
			json_object_set_new(object, "counters",
					    named_object(s->counters, s->n_counters));
			json_object_set_new(object, "verdicts",
					    named_object(s->verdicts, s->n_verdicts));
		}
		json_array_append_new(list, object);
	}
	return json_pack("{s:o}", "services", list);
}

/* ---- words -------------------------------------------------------------- */

static void print_summary(struct ctl *ctl, const struct reading *r)
{
	static const char *const totals[] = { "SERVICE", ">HITS", ">MISSES", ">HIT %", ">FILLS",
					      ">INVALIDATIONS" };
	static const char *const rates[] = { "SERVICE", ">HITS/s", ">MISSES/s", ">HIT %",
					     ">FILLS/s", ">INVALIDATIONS/s" };
	_cleanup_(ctl_table_free) struct ctl_table *table =
		ctl_table_new(r->before ? rates : totals, PD_ARRAY_SIZE(totals));
	char a[CTL_NUM_STRLEN];

	for (size_t i = 0; i < r->now->n_services; i++) {
		static const Pandit__V1__ServiceCounts zero;
		const Pandit__V1__ServiceCounts *s = r->now->services[i];
		const Pandit__V1__ServiceCounts *b = counts_of(r->before, s->name);
		uint64_t hits, misses;

		b = b ? b : &zero;
		hits = rate(r, s->hits, b->hits);
		misses = rate(r, s->misses, b->misses);
		ctl_cell(table, "%s", s->name);
		ctl_cell(table, "%s", ctl_count(hits, a));
		ctl_cell(table, "%s", ctl_count(misses, a));
		if (hits + misses)
			ctl_cell(table, "%.1f", 100.0 * (double)hits / (double)(hits + misses));
		else
			ctl_cell(table, "-");
		ctl_cell(table, "%s", ctl_count(rate(r, s->fills, b->fills), a));
		ctl_cell(table, "%s", ctl_count(rate(r, s->invalidations, b->invalidations), a));
	}
	ctl_table_print(ctl, table);
}

/* Rows of one list; those that are zero only with --verbose. */
static void print_named(struct ctl *ctl, const struct reading *r, const char *title,
			Pandit__V1__NamedCount *const *list, size_t n,
			Pandit__V1__NamedCount *const *before, size_t nbefore)
{
	const char *const headers[] = { title, r->before ? ">PER SECOND" : ">COUNT", "MEANING" };
	_cleanup_(ctl_table_free) struct ctl_table *table =
		ctl_table_new(headers, PD_ARRAY_SIZE(headers));
	char a[CTL_NUM_STRLEN];
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		uint64_t v = rate(r, list[i]->count, named(before, nbefore, list[i]->name));

		if (!v && !ctl->verbose)
			continue;
		any = true;
		ctl_cell(table, "  %s", list[i]->name);
		ctl_cell(table, "%s", ctl_count(v, a));
		ctl_cell(table, "%s", list[i]->text);
	}
	if (!any)
		return;
	fputc('\n', ctl->out);
	ctl_table_print(ctl, table);
}

static void print_details(struct ctl *ctl, const struct reading *r)
{
	for (size_t i = 0; i < r->now->n_services; i++) {
		static const Pandit__V1__ServiceCounts zero;
		const Pandit__V1__ServiceCounts *s = r->now->services[i];
		const Pandit__V1__ServiceCounts *b = counts_of(r->before, s->name);
		char title[128];

		b = b ? b : &zero;
		if (!ctl->verbose) {
			snprintf(title, sizeof(title), "%s: not answered", s->name);
			print_named(ctl, r, title, s->passes, s->n_passes, b->passes, b->n_passes);
			continue;
		}
		snprintf(title, sizeof(title), "%s: counters", s->name);
		print_named(ctl, r, title, s->counters, s->n_counters, b->counters, b->n_counters);
		snprintf(title, sizeof(title), "%s: verdicts", s->name);
		print_named(ctl, r, title, s->verdicts, s->n_verdicts, b->verdicts, b->n_verdicts);
	}
}

static int show(struct ctl *ctl, const struct reading *r)
{
	if (ctl->json)
		return ctl_print(ctl, stats_object(ctl, r->now), CTL_OK);
	if (r->before && ctl->tty)
		fputs("\033[H\033[2J", ctl->out);
	if (!r->now->n_services) {
		fprintf(ctl->out, "No service: see `panditctl help add`.\n");
		return CTL_OK;
	}
	print_summary(ctl, r);
	print_details(ctl, r);
	fflush(ctl->out);
	return ferror(ctl->out) ? CTL_FAILED : CTL_OK;
}

/* ---- verb --------------------------------------------------------------- */

static int read_stats(struct ctl *ctl, Pandit__V1__StatsReply **ret, struct pd_fault *f)
{
	Pandit__V1__StatsRequest request = PANDIT__V1__STATS_REQUEST__INIT;

	if (ctl->args.npos)
		request.service = (char *)ctl->args.pos[0];
	return ctl_ask(ctl, "Stats", &request, 0, ret, f);
}

static int watch(struct ctl *ctl, uint64_t interval_ms, uint32_t count)
{
	_cleanup_msg_ Pandit__V1__StatsReply *before = NULL;
	struct timespec ts = {
		.tv_sec = (time_t)(interval_ms / 1000),
		.tv_nsec = (long)(interval_ms % 1000 * PD_NS_PER_MS),
	};
	struct pd_fault f;
	int status = CTL_OK;

	if (read_stats(ctl, &before, &f))
		return ctl_fail(ctl, &f);
	for (uint32_t i = 0; (!count || i < count) && status == CTL_OK; i++) {
		Pandit__V1__StatsReply *now = NULL;

		nanosleep(&ts, NULL);
		if (read_stats(ctl, &now, &f))
			return ctl_fail(ctl, &f);
		status = show(ctl, &(struct reading){ now, before });
		ctl_free(&before);
		before = now;
	}
	return status;
}

int ctl_verb_stats(struct ctl *ctl)
{
	_cleanup_msg_ Pandit__V1__StatsReply *now = NULL;
	uint64_t interval_ms = 1000;
	uint32_t count = 0;
	struct pd_fault f;

	if (ctl_duration_ms(&ctl->args, CTL_OPT_stats_interval, &interval_ms, &f) ||
	    ctl_number(&ctl->args, CTL_OPT_stats_count, UINT32_MAX, &count, &f))
		return ctl_usage(ctl, &f);
	if (ctl_has(&ctl->args, CTL_OPT_stats_watch))
		return watch(ctl, interval_ms, count);
	if (read_stats(ctl, &now, &f))
		return ctl_fail(ctl, &f);
	return show(ctl, &(struct reading){ now, NULL });
}
