// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/panditctl/args.h"
#include "user/lib/clock.h"
#include "user/lib/similar.h"
#include "user/lib/units.h"

const struct ctl_verb ctl_verbs[CTL_VERBS] = {
	[CTL_VERB_any] = { "", "", "", "" },
#define VERB(id, args, help, text) [CTL_VERB_##id] = { #id, args, help, text },
#define OPTION(...)
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
};

const struct ctl_option ctl_options[CTL_OPTIONS] = {
#define VERB(...)
#define OPTION(verb, id, name, letter, value, help) \
	[CTL_OPT_##verb##_##id] = { CTL_VERB_##verb, name, letter, value, help },
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
};

/* An option as written: "--name", "--name=value", "-n", "-nvalue". */
struct written {
	char name[32];		/* without dashes; one letter if short */
	bool is_short;
	const char *value;	/* attached, or NULL */
};

static bool parse_written(const char *arg, struct written *w)
{
	const char *eq = strchr(arg, '=');

	if (arg[0] != '-' || !arg[1] || !strcmp(arg, "--"))
		return false;
	w->is_short = arg[1] != '-';
	if (w->is_short) {
		snprintf(w->name, sizeof(w->name), "%c", arg[1]);
		w->value = arg[2] ? arg + 2 : NULL;
		return true;
	}
	arg += 2;
	snprintf(w->name, sizeof(w->name), "%.*s", eq ? (int)(eq - arg) : (int)strlen(arg), arg);
	w->value = eq ? eq + 1 : NULL;
	return true;
}

static bool matches(const struct ctl_option *o, const struct written *w)
{
	return w->is_short ? o->letter == w->name[0] : !strcmp(o->name, w->name);
}

/* The option of @verb or of all; CTL_OPTIONS: none. @verb any: of whatever verb. */
static enum ctl_option_id find_option(enum ctl_verb_id verb, const struct written *w)
{
	for (int i = 0; i < CTL_OPTIONS; i++) {
		const struct ctl_option *o = &ctl_options[i];

		if (matches(o, w) && (o->verb == verb || o->verb == CTL_VERB_any ||
				      verb == CTL_VERB_any))
			return (enum ctl_option_id)i;
	}
	return CTL_OPTIONS;
}

/* Whether "-x" or "--xyz" before the verb takes the next word: options of one name agree on it. */
static bool takes_next(const struct written *w)
{
	enum ctl_option_id id = find_option(CTL_VERB_any, w);

	return id != CTL_OPTIONS && *ctl_options[id].value && !w->value;
}

static int find_verb(int argc, char **argv, enum ctl_verb_id *ret, int *ret_index,
		     struct pd_fault *f)
{
	struct pd_similar similar = { 0 };
	struct written w;
	int i;

	for (i = 1; i < argc && parse_written(argv[i], &w); i++)
		i += takes_next(&w);
	*ret_index = argc;
	if (i >= argc || !strcmp(argv[i], "--"))
		return 0;
	similar.word = argv[i];
	for (int v = CTL_VERB_any + 1; v < CTL_VERBS; v++) {
		pd_similar_try(&similar, ctl_verbs[v].name);
		if (strcmp(argv[i], ctl_verbs[v].name))
			continue;
		*ret = (enum ctl_verb_id)v;
		*ret_index = i;
		return 0;
	}
	if (similar.best)
		return pd_fail(f, -EINVAL, "`panditctl help` lists the verbs",
			       "unknown verb '%s'; did you mean '%s'?", argv[i], similar.best);
	return pd_fail(f, -EINVAL, "`panditctl help` lists the verbs", "unknown verb '%s'",
		       argv[i]);
}

static int unknown_option(enum ctl_verb_id verb, const char *arg, const struct written *w,
			  struct pd_fault *f)
{
	struct pd_similar similar = { .word = w->name };
	char hint[96] = "`panditctl help` lists the options";

	if (verb != CTL_VERB_any)
		snprintf(hint, sizeof(hint), "`panditctl help %s` lists the options",
			 ctl_verbs[verb].name);
	for (int i = 0; i < CTL_OPTIONS && !w->is_short; i++)
		if (ctl_options[i].verb == verb || ctl_options[i].verb == CTL_VERB_any)
			pd_similar_try(&similar, ctl_options[i].name);
	if (similar.best)
		return pd_fail(f, -EINVAL, hint, "unknown option '%s'; did you mean '--%s'?", arg,
			       similar.best);
	if (verb != CTL_VERB_any && find_option(CTL_VERB_any, w) != CTL_OPTIONS)
		return pd_fail(f, -EINVAL, hint, "%s has no option '%s'", ctl_verbs[verb].name,
			       arg);
	return pd_fail(f, -EINVAL, hint, "unknown option '%s'", arg);
}

/* @value against "a|b|c"; anything goes if there is no bar. */
static int check_choice(const struct ctl_option *o, const char *value, struct pd_fault *f)
{
	struct pd_similar similar = { .word = value };
	const char *word = o->value;
	char words[4][16] = { 0 };

	if (!strchr(word, '|'))
		return 0;
	for (size_t i = 0; i < 4 && *word; i++) {
		size_t n = strcspn(word, "|");

		snprintf(words[i], sizeof(words[i]), "%.*s", (int)n, word);
		if (!strcmp(words[i], value))
			return 0;
		pd_similar_try(&similar, words[i]);
		word += n + (word[n] == '|');
	}
	if (similar.best)
		return pd_fail(f, -EINVAL, NULL, "--%s is %s, not '%s'; did you mean '%s'?",
			       o->name, o->value, value, similar.best);
	return pd_fail(f, -EINVAL, NULL, "--%s is %s, not '%s'", o->name, o->value, value);
}

/* One option at argv[*i], which is moved on over its value. */
static int take_option(struct ctl_args *args, char **argv, int argc, int *i,
		       const struct written *w, struct pd_fault *f)
{
	enum ctl_option_id id = find_option(args->verb, w);
	const struct ctl_option *o;
	const char *value = w->value;
	int err;

	if (id == CTL_OPTIONS || (args->verb == CTL_VERB_any && ctl_options[id].verb))
		return unknown_option(args->verb, argv[*i], w, f);
	o = &ctl_options[id];
	if (!*o->value && value && !w->is_short)
		return pd_fail(f, -EINVAL, NULL, "--%s takes no value", o->name);
	if (*o->value && !value) {
		if (*i + 1 >= argc)
			return pd_fail(f, -EINVAL, NULL, "%s needs a value: %s", argv[*i],
				       o->value);
		value = argv[++*i];
	}
	err = *o->value ? check_choice(o, value, f) : 0;
	if (err)
		return err;
	args->given[args->ngiven++] = (struct ctl_given){ id, *o->value ? value : "" };
	return 0;
}

/* Flags may share one dash: "-rw". */
static int take_options(struct ctl_args *args, char **argv, int argc, int *i, struct pd_fault *f)
{
	struct written w;
	int err;

	parse_written(argv[*i], &w);
	err = take_option(args, argv, argc, i, &w, f);
	while (!err && w.is_short && w.value &&
	       !*ctl_options[args->given[args->ngiven - 1].id].value) {
		const char *rest = w.value;

		snprintf(w.name, sizeof(w.name), "%c", rest[0]);
		w.value = rest[1] ? rest + 1 : NULL;
		err = take_option(args, argv, argc, i, &w, f);
	}
	return err;
}

static int check_positional(const struct ctl_args *args, struct pd_fault *f)
{
	const struct ctl_verb *verb = &ctl_verbs[args->verb];
	size_t least = 0, most = 0;
	char hint[128];

	snprintf(hint, sizeof(hint), "usage: panditctl %s%s%s", verb->name, *verb->args ? " " : "",
		 verb->args);
	for (const char *p = verb->args; *p; p += strcspn(p, " "), p += *p == ' ') {
		most++;
		least += *p != '[';
	}
	assert(most <= CTL_POS_MAX);
	if (ctl_has(args, CTL_OPT_any_help))
		return 0;
	if (args->npos < least)
		return pd_fail(f, -EINVAL, hint, "%s needs %s", verb->name, verb->args);
	if (args->npos > most)
		return pd_fail(f, -EINVAL, hint, "too many arguments for %s", verb->name);
	return 0;
}

int ctl_args_parse(int argc, char **argv, struct ctl_args *ret, struct pd_fault *f)
{
	bool options = true;
	int verb_index = 0, err;
	struct written w;
	size_t most = 1;

	memset(ret, 0, sizeof(*ret));
	for (int i = 1; i < argc; i++)
		most += strlen(argv[i]);	/* every letter might be a flag */
	ret->given = calloc(most, sizeof(*ret->given));
	if (!ret->given)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	err = find_verb(argc, argv, &ret->verb, &verb_index, f);
	for (int i = 1; !err && i < argc; i++) {
		if (i == verb_index)
			continue;
		if (options && !strcmp(argv[i], "--")) {
			options = false;
			continue;
		}
		if (options && parse_written(argv[i], &w)) {
			err = take_options(ret, argv, argc, &i, f);
			continue;
		}
		if (ret->npos < CTL_POS_MAX)
			ret->pos[ret->npos] = argv[i];
		ret->npos++;
	}
	if (!err && ret->verb != CTL_VERB_any)
		err = check_positional(ret, f);
	return err;
}

void ctl_args_free(struct ctl_args *args)
{
	free(args->given);
	args->given = NULL;
	args->ngiven = 0;
}

bool ctl_has(const struct ctl_args *args, enum ctl_option_id id)
{
	return ctl_value(args, id);
}

const char *ctl_value(const struct ctl_args *args, enum ctl_option_id id)
{
	for (size_t i = args->ngiven; i > 0; i--)
		if (args->given[i - 1].id == id)
			return args->given[i - 1].value;
	return NULL;
}

size_t ctl_values(const struct ctl_args *args, enum ctl_option_id id, const char **ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < args->ngiven; i++) {
		if (args->given[i].id != id)
			continue;
		if (n < max)
			ret[n] = args->given[i].value;
		n++;
	}
	return n;
}

int ctl_duration_ms(const struct ctl_args *args, enum ctl_option_id id, uint64_t *ret,
		    struct pd_fault *f)
{
	const char *value = ctl_value(args, id);
	uint64_t ns = 0;

	if (!value)
		return 0;
	if (pd_duration_parse(value, &ns) || !ns)
		return pd_fail(f, -EINVAL, "write it like 500ms, 1s or 2m",
			       "--%s: '%s' is not a duration", ctl_options[id].name, value);
	*ret = ns / PD_NS_PER_MS + !!(ns % PD_NS_PER_MS);
	return 0;
}

int ctl_number(const struct ctl_args *args, enum ctl_option_id id, uint32_t max, uint32_t *ret,
	       struct pd_fault *f)
{
	const char *value = ctl_value(args, id);
	unsigned long long n;
	char *end;

	if (!value)
		return 0;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (!*value || *end || value[0] == '-' || errno || n > max)
		return pd_fail(f, -EINVAL, NULL, "--%s: '%s' is not a number up to %u",
			       ctl_options[id].name, value, max);
	*ret = (uint32_t)n;
	return 0;
}
