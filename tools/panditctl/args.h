/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, by the rows of verbs.def. */
#ifndef PD_TOOLS_PANDITCTL_ARGS_H
#define PD_TOOLS_PANDITCTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/lib/fault.h"

enum ctl_verb_id {
	CTL_VERB_any,
#define VERB(id, ...) CTL_VERB_##id,
#define OPTION(...)
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
	CTL_VERBS,
};

enum ctl_option_id {
#define VERB(...)
#define OPTION(verb, id, ...) CTL_OPT_##verb##_##id,
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
	CTL_OPTIONS,
};

struct ctl_verb {
	const char *name, *args, *help, *text;
};

struct ctl_option {
	enum ctl_verb_id verb;
	const char *name;
	char letter;		/* 0: none */
	const char *value;	/* "": a flag */
	const char *help;
};

extern const struct ctl_verb ctl_verbs[CTL_VERBS];	/* [CTL_VERB_any] is empty */
extern const struct ctl_option ctl_options[CTL_OPTIONS];

#define CTL_POS_MAX 2

struct ctl_given {
	enum ctl_option_id id;
	const char *value;	/* "" of a flag */
};

struct ctl_args {
	enum ctl_verb_id verb;	/* CTL_VERB_any: none was given */
	const char *pos[CTL_POS_MAX];
	size_t npos;
	struct ctl_given *given;	/* in the order of the command line */
	size_t ngiven;
};

/**
 * ctl_args_parse() - options may stand before and after the verb; "--" ends them.
 * @ret: points into @argv; free with ctl_args_free(). On failure @ret->verb is
 *	still the verb, if one was found.
 * Returns 0 or -EINVAL with @f filled, "did you mean" included.
 */
int ctl_args_parse(int argc, char **argv, struct ctl_args *ret, struct pd_fault *f);
void ctl_args_free(struct ctl_args *args);

bool ctl_has(const struct ctl_args *args, enum ctl_option_id id);

/* The last value given, or NULL. */
const char *ctl_value(const struct ctl_args *args, enum ctl_option_id id);

/* All values given, in order; at most @max. Returns how many there are. */
size_t ctl_values(const struct ctl_args *args, enum ctl_option_id id, const char **ret, size_t max);

/*
 * Values of options, 0 or -EINVAL with @f filled. Without the option *ret is
 * left alone. Durations are rounded up to milliseconds.
 */
int ctl_duration_ms(const struct ctl_args *args, enum ctl_option_id id, uint64_t *ret,
		    struct pd_fault *f);
int ctl_number(const struct ctl_args *args, enum ctl_option_id id, uint32_t max, uint32_t *ret,
	       struct pd_fault *f);

#endif
