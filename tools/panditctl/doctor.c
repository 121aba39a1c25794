// SPDX-License-Identifier: Apache-2.0
/* doctor: the daemon's own checks, or what can be seen without it. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/check.h"
#include "user/lib/cleanup.h"
#include "user/lib/strbuf.h"

/* Checks as they are found. */
struct report {
	struct ctl *ctl;
	json_t *list;
	struct ctl_table *table;
	unsigned int failed;
};

static void add_check(struct report *r, const char *name, bool ok, const char *hint,
		      const char *detail)
{
	r->failed += !ok;
	json_array_append_new(r->list, json_pack("{s:s,s:b,s:s,s:s}", "name", name, "ok", ok,
						 "detail", detail, "hint", ok ? "" : hint));
	ctl_cell(r->table, "%s", ok ? "ok" : "FIX");
	ctl_cell(r->table, "%s", name);
	ctl_cell(r->table, "%s%s%s", detail, ok || !*hint ? "" : "; ", ok ? "" : hint);
}

__attribute__((format(printf, 5, 6)))
static void check(struct report *r, const char *name, bool ok, const char *hint, const char *fmt,
		  ...)
{
	char detail[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	add_check(r, name, ok, hint, detail);
}

/* ---- without the daemon ------------------------------------------------- */

static int add_local(void *arg, const struct pd_check *c)
{
	add_check(arg, c->name, c->ok, c->hint, c->detail);
	return 0;
}

/* Names of the pinned maps, and how many. */
static void check_pins(struct report *r, const char *bpffs)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_strbuf_ struct pd_strbuf names = { 0 };
	struct dirent *de;
	char path[512];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/v1/maps", bpffs);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		n++;
		pd_strbuf_addf(&names, " %s", de->d_name);
	}
	if (dir)
		check(r, "pins", true, "", "%zu maps in %s:%s", n, path,
		      names.s ? names.s : " empty");
	else
		check(r, "pins", errno == ENOENT, "run it as root", "%s: %s", path,
		      errno == ENOENT ? "none" : strerror(errno));
}

static void check_alone(struct report *r, const struct pd_fault *f)
{
	const char *bpffs = ctl_value(&r->ctl->args, CTL_OPT_doctor_bpffs);

	check(r, "daemon", false, f->hint, "%s", f->message);
	pd_checks_run(bpffs, add_local, r);
	check_pins(r, bpffs ? bpffs : CTL_DEFAULT_BPFFS);
}

/* ---- verb --------------------------------------------------------------- */

int ctl_verb_doctor(struct ctl *ctl)
{
	static const char *const headers[] = { "", "CHECK", "FOUND" };
	Pandit__V1__DoctorRequest request = PANDIT__V1__DOCTOR_REQUEST__INIT;
	_cleanup_(ctl_table_free) struct ctl_table *table =
		ctl_table_new(headers, PD_ARRAY_SIZE(headers));
	_cleanup_msg_ Pandit__V1__DoctorReply *reply = NULL;
	struct report r = { .ctl = ctl, .list = json_array(), .table = table };
	struct pd_fault f;
	int status;

	if (ctl_ask(ctl, "Doctor", &request, 0, &reply, &f)) {
		check_alone(&r, &f);
	} else {
		check(&r, "daemon", true, "", "answers on %s", ctl->address);
		for (size_t i = 0; i < reply->n_checks; i++)
			add_check(&r, reply->checks[i]->name, reply->checks[i]->ok,
				  reply->checks[i]->hint, reply->checks[i]->detail);
	}
	status = r.failed ? CTL_DEGRADED : CTL_OK;
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:b,s:o}", "ok", !r.failed, "checks", r.list),
				 status);
	json_decref(r.list);
	ctl_table_print(ctl, table);
	if (r.failed)
		fprintf(ctl->out, "\n%u to fix\n", r.failed);
	return status;
}
