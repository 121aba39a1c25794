// SPDX-License-Identifier: Apache-2.0
/* The help, from the rows of verbs.def. */
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/similar.h"

#define WIDTH	78

/* Words of @s in lines of at most WIDTH. */
static void print_wrapped(FILE *out, const char *s)
{
	size_t col = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (col && col + 1 + n > WIDTH) {
			fputc('\n', out);
			col = 0;
		}
		col += (size_t)fprintf(out, "%s%.*s", col ? " " : "", (int)n, s);
		s += n + (s[n] == ' ');
	}
	fputc('\n', out);
}

static void print_options(FILE *out, enum ctl_verb_id verb, const char *title)
{
	bool any = false;

	for (int i = 0; i < CTL_OPTIONS; i++) {
		const struct ctl_option *o = &ctl_options[i];
		char left[64], letter[8] = "    ";

		if (o->verb != verb)
			continue;
		if (!any)
			fprintf(out, "\n%s:\n", title);
		any = true;
		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, *o->value ? " " : "",
			 o->value);
		fprintf(out, "  %-32s %s\n", left, o->help);
	}
}

void ctl_help(FILE *out, enum ctl_verb_id verb)
{
	const struct ctl_verb *v = &ctl_verbs[verb];

	if (verb != CTL_VERB_any) {
		fprintf(out, "usage: panditctl %s%s%s [options]\n\n", v->name, *v->args ? " " : "",
			v->args);
		print_wrapped(out, v->text);
		print_options(out, verb, "options");
		print_options(out, CTL_VERB_any, "options of all verbs");
		return;
	}
	fprintf(out, "usage: panditctl [-s ADDR] VERB [arguments] [options]\n\n");
	for (int i = CTL_VERB_any + 1; i < CTL_VERBS; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", ctl_verbs[i].name, ctl_verbs[i].args);
		fprintf(out, "  %-20s %s\n", left, ctl_verbs[i].help);
	}
	print_options(out, CTL_VERB_any, "options");
	fprintf(out, "\nDefault address: %s\n"
		"Exit status: 0 ok, 1 failed, 2 wrong usage, 3 degraded or not ready yet.\n"
		"`panditctl help VERB` tells more.\n", CTL_DEFAULT_SOCKET);
}

static json_t *option_list(enum ctl_verb_id verb)
{
	json_t *list = json_array();

	for (int i = 0; i < CTL_OPTIONS; i++) {
		const struct ctl_option *o = &ctl_options[i];

		if (o->verb == verb)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", o->name,
							      "value", o->value, "help", o->help));
	}
	return list;
}

static json_t *verb_object(enum ctl_verb_id verb)
{
	const struct ctl_verb *v = &ctl_verbs[verb];

	return json_pack("{s:s,s:s,s:s,s:s,s:o}", "name", v->name, "args", v->args, "help",
			 v->help, "text", v->text, "options", option_list(verb));
}

int ctl_verb_help(struct ctl *ctl)
{
	enum ctl_verb_id verb = CTL_VERB_any;
	json_t *list = json_array();
	struct pd_similar similar = { 0 };
	struct pd_fault f;

	for (int i = CTL_VERB_any + 1; i < CTL_VERBS; i++) {
		if (ctl->args.npos && !strcmp(ctl_verbs[i].name, ctl->args.pos[0]))
			verb = (enum ctl_verb_id)i;
		if (!ctl->args.npos || verb == (enum ctl_verb_id)i)
			json_array_append_new(list, verb_object((enum ctl_verb_id)i));
	}
	if (ctl->args.npos && verb == CTL_VERB_any) {
		json_decref(list);
		similar.word = ctl->args.pos[0];
		for (int i = CTL_VERB_any + 1; i < CTL_VERBS; i++)
			pd_similar_try(&similar, ctl_verbs[i].name);
		pd_fail(&f, 0, "`panditctl help` lists the verbs", "unknown verb '%s'%s%s%s",
			similar.word, similar.best ? "; did you mean '" : "",
			similar.best ? similar.best : "", similar.best ? "'?" : "");
		return ctl_usage(ctl, &f);
	}
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:o,s:o}", "verbs", list, "options",
						option_list(CTL_VERB_any)), CTL_OK);
	json_decref(list);
	ctl_help(ctl->out, verb);
	return CTL_OK;
}
