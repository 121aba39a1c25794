// SPDX-License-Identifier: Apache-2.0
/* The services on the whole screen; lines where there is no screen. */
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/clock.h"
#include "user/lib/cleanup.h"

#define REASONS 5	/* shown of one service */

/* What happened to one service between two readings, per second. */
struct top_row {
	const Pandit__V1__ServiceCounts *now, *before;	/* before: NULL = new */
	uint64_t ms;					/* between the readings */
	uint64_t hits, misses, passes;
};

struct top_reason {
	const char *name;
	uint64_t rate;
};

struct top {
	struct ctl *ctl;
	Pandit__V1__StatsReply *now, *before;
	struct top_row *rows;
	size_t n;
};

/* ---- figures ------------------------------------------------------------ */

/* A count that ran backwards (new maps) starts at zero. */
static uint64_t top_rate(uint64_t now, uint64_t before, uint64_t ms)
{
	return (now >= before ? now - before : now) * 1000 / (ms ? ms : 1);
}

static uint64_t top_named(Pandit__V1__NamedCount *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i]->name, name))
			return list[i]->count;
	return 0;
}

static int busier(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	uint64_t all_x = x->hits + x->misses + x->passes, all_y = y->hits + y->misses + y->passes;

	return all_x < all_y ? 1 : all_x > all_y ? -1 : strcmp(x->now->name, y->now->name);
}

static int likelier(const void *a, const void *b)
{
	const struct top_reason *x = a, *y = b;

	return x->rate < y->rate ? 1 : x->rate > y->rate ? -1 : strcmp(x->name, y->name);
}

/* Why requests were not answered, most frequent first; returns how many there are, at most @max. */
static size_t top_reasons(const struct top_row *row, struct top_reason *ret, size_t max)
{
	_cleanup_free_ struct top_reason *all = calloc(row->now->n_passes + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; all && i < row->now->n_passes; i++) {
		const Pandit__V1__NamedCount *c = row->now->passes[i];
		uint64_t old = row->before ? top_named(row->before->passes, row->before->n_passes,
						       c->name) : 0;

		all[n] = (struct top_reason){ c->name, top_rate(c->count, old, row->ms) };
		n += !!all[n].rate;
	}
	if (n)
		qsort(all, n, sizeof(*all), likelier);
	n = n > max ? max : n;
	memcpy(ret, all, n * sizeof(*ret));
	return n;
}

static void top_row_of(const struct top *top, const Pandit__V1__ServiceCounts *now,
		       struct top_row *row)
{
	static const Pandit__V1__ServiceCounts zero;
	const Pandit__V1__ServiceCounts *b = NULL;

	for (size_t i = 0; i < top->before->n_services && !b; i++)
		if (!strcmp(top->before->services[i]->name, now->name))
			b = top->before->services[i];
	*row = (struct top_row){ .now = now, .before = b,
				 .ms = top->now->time_ms - top->before->time_ms };
	b = b ? b : &zero;
	row->hits = top_rate(now->hits, b->hits, row->ms);
	row->misses = top_rate(now->misses, b->misses, row->ms);
	for (size_t i = 0; i < now->n_passes; i++)
		if (!strcmp(now->passes[i]->kind, "PASS"))
			row->passes += top_rate(now->passes[i]->count,
						top_named(b->passes, b->n_passes,
							  now->passes[i]->name), row->ms);
}

/* Take another reading; the one before stays for comparison. */
static int top_read(struct top *top, struct pd_fault *f)
{
	Pandit__V1__StatsRequest request = PANDIT__V1__STATS_REQUEST__INIT;
	Pandit__V1__StatsReply *fresh = NULL;
	int err = ctl_ask(top->ctl, "Stats", &request, 0, &fresh, f);

	if (err)
		return err;
	ctl_free(&top->before);
	top->before = top->now;
	top->now = fresh;
	free(top->rows);
	top->rows = calloc(fresh->n_services + 1, sizeof(*top->rows));
	top->n = 0;
	if (!top->rows)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	for (size_t i = 0; top->before && i < fresh->n_services; i++)
		top_row_of(top, fresh->services[i], &top->rows[top->n++]);
	if (top->n)
		qsort(top->rows, top->n, sizeof(*top->rows), busier);
	return 0;
}

static void top_end(struct top *top)
{
	ctl_free(&top->now);
	ctl_free(&top->before);
	free(top->rows);
}

static double top_share(const struct top_row *row)
{
	uint64_t reads = row->hits + row->misses;

	return reads ? 100.0 * (double)row->hits / (double)reads : 0;
}

/* ---- lines -------------------------------------------------------------- */

static json_t *top_object(const struct top *top)
{
	json_t *list = json_array();

	for (size_t i = 0; i < top->n; i++) {
		const struct top_row *row = &top->rows[i];
		struct top_reason reasons[REASONS];
		size_t n = top_reasons(row, reasons, REASONS);
		json_t *why = json_object();

		for (size_t k = 0; k < n; k++)
			json_object_set_new(why, reasons[k].name,
					    json_integer((json_int_t)reasons[k].rate));
		json_array_append_new(list, json_pack(
			"{s:s,s:I,s:I,s:I,s:f,s:o}", "name", row->now->name, "hits_per_s",
			(json_int_t)row->hits, "misses_per_s", (json_int_t)row->misses,
			"passes_per_s", (json_int_t)row->passes, "share_percent", top_share(row),
			"reasons", why));
	}
	return json_pack("{s:I,s:o}", "time_ms", (json_int_t)top->now->time_ms, "services", list);
}

static int top_lines(struct top *top)
{
	struct ctl *ctl = top->ctl;

	if (ctl->json)
		return ctl_print(ctl, top_object(top), CTL_OK);
	for (size_t i = 0; i < top->n; i++) {
		const struct top_row *row = &top->rows[i];
		struct top_reason reasons[REASONS];
		size_t n = top_reasons(row, reasons, REASONS);
		char a[CTL_NUM_STRLEN], b[CTL_NUM_STRLEN];

		fprintf(ctl->out, "%-16s %12s hits/s %12s misses/s %5.1f %%", row->now->name,
			ctl_count(row->hits, a), ctl_count(row->misses, b), top_share(row));
		for (size_t k = 0; k < n; k++)
			fprintf(ctl->out, "  %s %s", reasons[k].name,
				ctl_count(reasons[k].rate, a));
		fputc('\n', ctl->out);
	}
	fflush(ctl->out);
	return ferror(ctl->out) ? CTL_FAILED : CTL_OK;
}

/* ---- screen ------------------------------------------------------------- */

static void top_draw(const struct top *top, const char *trouble)
{
	char a[CTL_NUM_STRLEN], b[CTL_NUM_STRLEN], c[CTL_NUM_STRLEN];
	int y = 0;

	erase();
	attron(A_REVERSE);
	mvprintw(y++, 0, "%-20s %12s %12s %7s %12s %-*s", "SERVICE", "HITS/s", "MISSES/s", "HIT %",
		 "OTHER/s", COLS > 69 ? COLS - 69 : 0, "");
	attroff(A_REVERSE);
	for (size_t i = 0; i < top->n && y < LINES - 1; i++) {
		const struct top_row *row = &top->rows[i];
		struct top_reason reasons[REASONS];
		size_t n = top_reasons(row, reasons, REASONS);

		attron(A_BOLD);
		mvprintw(y++, 0, "%-20.20s %12s %12s %7.1f %12s", row->now->name,
			 ctl_count(row->hits, a), ctl_count(row->misses, b), top_share(row),
			 ctl_count(row->passes, c));
		attroff(A_BOLD);
		for (size_t k = 0; k < n && y < LINES - 1; k++)
			mvprintw(y++, 2, "%-18s %12s", reasons[k].name,
				 ctl_count(reasons[k].rate, a));
	}
	if (!top->n && !*trouble)
		mvprintw(y, 0, "%s", top->before ? "No service: see `panditctl help add`."
						 : "Reading...");
	mvprintw(LINES - 1, 0, "%s", *trouble ? trouble : "q: end   space: read now");
	refresh();
}

/* Wait for the next reading. False: it is to end. */
static bool top_wait(const struct top *top, uint64_t interval_ms)
{
	uint64_t end = pd_monotonic_ns() / PD_NS_PER_MS + interval_ms;

	for (;;) {
		uint64_t now = pd_monotonic_ns() / PD_NS_PER_MS;
		int key;

		if (now >= end)
			return true;
		timeout((int)(end - now < 1000 ? end - now : 1000));
		key = getch();
		if (key == 'q' || key == 'Q')
			return false;
		if (key == ' ')
			return true;
		if (key == KEY_RESIZE)
			top_draw(top, "");
		if (key == ERR && !isatty(STDIN_FILENO))
			return false;
	}
}

static int top_screen(struct top *top, uint64_t interval_ms, uint32_t count)
{
	SCREEN *screen = newterm(NULL, top->ctl->out, stdin);
	struct pd_fault f = { 0 };

	if (!screen) {
		pd_fail(&f, -ENOTTY, "set TERM, or use `panditctl top | cat`",
			"the terminal '%s' is not known", getenv("TERM") ? getenv("TERM") : "");
		return ctl_fail(top->ctl, &f);
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	top_draw(top, "");
	for (uint32_t i = 0; (!count || i < count) && top_wait(top, interval_ms); i++)
		/* a daemon that restarts is waited for */
		top_draw(top, top_read(top, &f) ? f.message : "");
	endwin();
	delscreen(screen);
	return CTL_OK;
}

/* ---- verb --------------------------------------------------------------- */

static int top_plain(struct top *top, uint64_t interval_ms, uint32_t count)
{
	struct timespec ts = {
		.tv_sec = (time_t)(interval_ms / 1000),
		.tv_nsec = (long)(interval_ms % 1000 * PD_NS_PER_MS),
	};
	struct pd_fault f;
	int status = CTL_OK;

	for (uint32_t i = 0; (!count || i < count) && status == CTL_OK; i++) {
		nanosleep(&ts, NULL);
		if (top_read(top, &f))
			return ctl_fail(top->ctl, &f);
		status = top_lines(top);
	}
	return status;
}

int ctl_verb_top(struct ctl *ctl)
{
	_cleanup_(top_end) struct top top = { .ctl = ctl };
	uint64_t interval_ms = 1000;
	uint32_t count = 0;
	struct pd_fault f;

	if (ctl_duration_ms(&ctl->args, CTL_OPT_top_interval, &interval_ms, &f) ||
	    ctl_number(&ctl->args, CTL_OPT_top_count, UINT32_MAX, &count, &f))
		return ctl_usage(ctl, &f);
	if (top_read(&top, &f))
		return ctl_fail(ctl, &f);
	return ctl->tty && !ctl->json ? top_screen(&top, interval_ms, count)
				      : top_plain(&top, interval_ms, count);
}
