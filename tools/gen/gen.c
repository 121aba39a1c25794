// SPDX-License-Identifier: Apache-2.0
/*
 * Text made from the X-macro tables, on stdout:
 *
 *	gen completion	bash completion of panditctl
 *	gen man		panditctl.1, in mdoc
 *	gen tables	counters and verdicts, in Markdown
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DATE "November 21, 2026"	/* of the text, not of the build */
#define WIDTH 78

struct verb {
	const char *name, *args, *help, *text;
};

struct option {
	const char *verb, *name;
	char letter;
	const char *value, *help;
};

struct row {
	const char *name, *kind, *text;
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct verb verbs[] = {
#define VERB(id, args, help, text) { #id, args, help, text },
#define OPTION(...)
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
};

static const struct option options[] = {
#define VERB(...)
#define OPTION(verb, id, name, letter, value, help) { #verb, name, letter, value, help },
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
};

static const struct row verdicts[] = {
#define VERDICT(name, kind, text) { #name, #kind, text },
#include "maps/verdicts.def"
#undef VERDICT
};

static const struct row counters[] = {
#define COUNTER(name, text) { #name, "", text },
#include "maps/counters.def"
#undef COUNTER
};

static const char *const protocols[] = {
#define PROTOCOL(id, name, label, port, flags) #label,
#include "protocols.def"
#undef PROTOCOL
};

/* ---- bash --------------------------------------------------------------- */

static void bash_options(const char *verb)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (!strcmp(options[i].verb, verb))
			printf(" --%s", options[i].name);
}

/* Options that take a value, once each: what they take, by their name. */
static void bash_values(void)
{
	for (size_t i = 0; i < COUNT(options); i++) {
		const struct option *o = &options[i];
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= !strcmp(options[k].name, o->name);
		if (!*o->value || again)
			continue;
		printf("\t\t--%s", o->name);
		if (o->letter)
			printf(" | -%c", o->letter);
		printf(") printf '%%s' '%s' ;;\n", o->value);
	}
}

static const char bash_rest[] =
	"# Words that may stand where something of kind $1 is asked for.\n"
	"_panditctl_kind()\n"
	"{\n"
	"\tcase $1 in\n"
	"\t\tSERVICE | '[SERVICE]')\n"
	"\t\t\t\"${COMP_WORDS[0]}\" \"${_panditctl_socket[@]}\" services --json 2>/dev/null |\n"
	"\t\t\t\tgrep -o '\"name\":\"[^\"]*\"' | cut -d '\"' -f 4 ;;\n"
	"\t\tIFACE | '[IFACE]') ls /sys/class/net ;;\n"
	"\t\tVERB | '[VERB]') printf '%s' \"$_panditctl_verbs\" ;;\n"
	"\t\tPROTOCOL) printf '%s' \"$_panditctl_protocols\" ;;\n"
	"\t\tFILE) compgen -f -- \"$2\" ;;\n"
	"\t\t'[FILE|SERVICE]')\n"
	"\t\t\t_panditctl_kind SERVICE\n"
	"\t\t\tcompgen -f -- \"$2\" ;;\n"
	"\t\tDIR) compgen -d -- \"$2\" ;;\n"
	"\t\t*'|'*) printf '%s' \"${1//|/ }\" ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_panditctl()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} cur='' verb='' kind='' word='' args=''\n"
	"\tlocal -i i n=0\n"
	"\tlocal -a words=() _panditctl_socket=() places=()\n"
	"\n"
	"\t# Not COMP_WORDS: bash breaks addresses at their colons.\n"
	"\t" "read -r -a words <<< \"$line\"\n"
	"\t[[ $line == *' ' ]] && words+=('')\n"
	"\tcur=${words[-1]}\n"
	"\tfor ((i = 1; i + 1 < ${#words[@]}; i++)); do\n"
	"\t\tword=${words[i]}\n"
	"\t\tif [[ $word == -* ]]; then\n"
	"\t\t\tkind=$(_panditctl_value \"$word\")\n"
	"\t\t\t[[ -n $kind ]] || continue\n"
	"\t\t\tif ((i + 2 == ${#words[@]})); then\n"
	"\t\t\t\tkind=$(_panditctl_kind \"$kind\" \"$cur\")\n"
	"\t\t\t\tmapfile -t COMPREPLY < <(compgen -W \"$kind\" -- \"$cur\")\n"
	"\t\t\t\treturn\n"
	"\t\t\tfi\n"
	"\t\t\ti+=1\n"
	"\t\t\t[[ $word != -s && $word != --socket ]] || _panditctl_socket=(-s \"${words[i]}\")\n"
	"\t\telif [[ -z $verb ]]; then\n"
	"\t\t\tverb=$word\n"
	"\t\telse\n"
	"\t\t\tn+=1\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ $cur == -* ]]; then\n"
	"\t\tkind=\"$(_panditctl_options any) $(_panditctl_options \"$verb\")\"\n"
	"\telif [[ -z $verb ]]; then\n"
	"\t\tkind=$_panditctl_verbs\n"
	"\telse\n"
	"\t\targs=$(_panditctl_args \"$verb\")\n"
	"\t\t" "read -r -a places <<< \"$args\"\n"
	"\t\tkind=$(_panditctl_kind \"${places[n]:-}\" \"$cur\")\n"
	"\tfi\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$kind\" -- \"$cur\")\n"
	"}\n"
	"complete -F _panditctl panditctl\n";

static void completion(void)
{
	printf("# SPDX-License-Identifier: Apache-2.0\n"
	       "# Generated from tools/panditctl/verbs.def.\n"
	       "# shellcheck shell=bash\n\n_panditctl_verbs='");
	for (size_t i = 0; i < COUNT(verbs); i++)
		printf("%s%s", i ? " " : "", verbs[i].name);
	printf("'\n_panditctl_protocols='");
	for (size_t i = 0; i < COUNT(protocols); i++)
		printf("%s%s", i ? " " : "", protocols[i]);
	printf("'\n\n# The options of verb $1.\n_panditctl_options()\n{\n\tcase $1 in\n");
	for (size_t i = 0; i < COUNT(verbs); i++) {
		printf("\t\t%s) printf '%%s' '", verbs[i].name);
		bash_options(verbs[i].name);
		printf("' ;;\n");
	}
	printf("\t\tany) printf '%%s' '");
	bash_options("any");
	printf("' ;;\n\tesac\n}\n\n# The arguments of verb $1.\n_panditctl_args()\n{\n"
	       "\tcase $1 in\n");
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (*verbs[i].args)
			printf("\t\t%s) printf '%%s' '%s' ;;\n", verbs[i].name, verbs[i].args);
	printf("\tesac\n}\n\n# What option $1 takes; nothing if it is a flag.\n"
	       "_panditctl_value()\n{\n\tcase $1 in\n");
	bash_values();
	printf("\tesac\n}\n\n%s", bash_rest);
}

/* ---- mdoc --------------------------------------------------------------- */

/* One word: nothing in it may be taken for a request or an escape. */
static void roff_word(const char *s, size_t n)
{
	if (n && (*s == '.' || *s == '\''))
		printf("\\&");
	for (; n--; s++) {
		if (*s == '\\')
			printf("\\e");
		else
			putchar(*s);
	}
}

/* Text in lines of at most WIDTH; a sentence begins on a new line, so that it is spaced well. */
static void roff(const char *s)
{
	size_t col = 0;
	bool sentence = false;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (col && (sentence || col + 1 + n > WIDTH)) {
			putchar('\n');
			col = 0;
		}
		if (col)
			putchar(' ');
		roff_word(s, n);
		col += n + !!col;
		sentence = n && s[n - 1] == '.' && s[n] && s[n + 1] >= 'A' && s[n + 1] <= 'Z';
		s += n + (s[n] == ' ');
	}
	putchar('\n');
}

static void man_arg(const char *word, size_t n)
{
	bool may = *word == '[';

	printf(" %sAr %.*s", may ? "Op " : "", (int)(n - 2 * may), word + may);
}

static void man_args(const char *args)
{
	while (*args) {
		size_t n = strcspn(args, " ");

		man_arg(args, n);
		args += n + (args[n] == ' ');
	}
	putchar('\n');
}

static void man_options(const char *verb)
{
	bool any = false;

	for (size_t i = 0; i < COUNT(options); i++) {
		const struct option *o = &options[i];

		if (strcmp(o->verb, verb))
			continue;
		if (!any)
			printf(".Bl -tag -width Ds\n");
		any = true;
		printf(".It");
		if (o->letter)
			printf(" Fl %c ,", o->letter);
		printf(" Fl -%s", o->name);
		if (*o->value)
			printf(" Ar %s", o->value);
		putchar('\n');
		roff(o->help);
	}
	if (any)
		printf(".El\n");
}

static void man_rows(const struct row *rows, size_t n)
{
	printf(".Bl -tag -width Ds -compact\n");
	for (size_t i = 0; i < n; i++) {
		printf(".It Li %s", rows[i].name);
		if (*rows[i].kind)
			printf(" Pq %s", rows[i].kind);
		putchar('\n');
		roff(rows[i].text);
	}
	printf(".El\n");
}

static const char man_head[] =
	".\\\" SPDX-License-Identifier: Apache-2.0\n"
	".\\\" Generated from tools/panditctl/verbs.def, maps/verdicts.def and maps/counters.def.\n"
	".Dd " DATE "\n.Dt PANDITCTL 1\n.Os\n"
	".Sh NAME\n.Nm panditctl\n.Nd see and steer the kernel-resident cache of this host\n"
	".Sh SYNOPSIS\n.Nm\n.Op Fl s Ar ADDR\n.Ar VERB\n.Op Ar argument ...\n.Op Ar option ...\n"
	".Sh DESCRIPTION\n.Nm\nasks\n.Xr panditd 8\nover its admin socket.\n"
	"Options may stand before and after the verb;\n.Ql --\nends them.\n"
	"With\n.Fl -json\nevery verb prints one JSON object with stable names.\n"
	"An error is then\n.Dl {\"error\":{\"message\":\"...\",\"hint\":\"...\"}}\n";

static const char man_tail[] =
	".Sh FILES\n.Bl -tag -width Ds\n"
	".It Pa /run/pandit/pandit.sock\nadmin socket, unless\n.Fl s\nnames another\n"
	".It Pa /sys/fs/bpf/pandit/v1/maps\npinned maps\n.El\n"
	".Sh EXIT STATUS\n.Bl -tag -width Ds -compact\n"
	".It 0\nThe verb did what it says.\n"
	".It 1\nIt failed, or no daemon answers.\n"
	".It 2\nThe command line is wrong.\n"
	".It 3\nThe daemon is degraded or not ready yet, or\n.Cm doctor\nfound something to fix.\n"
	".El\n"
	".Sh EXAMPLES\nAdd a Redis server and put the programs on the interfaces:\n"
	".Bd -literal -offset indent\n"
	"panditctl add --name sessions --protocol redis --address 10.1.0.2:6379\n"
	"panditctl attach veths\npanditctl attach vethc\n.Ed\n.Pp\n"
	"Watch the hit rate, and see why requests are not answered:\n"
	".Bd -literal -offset indent\npanditctl stats -w\n.Ed\n.Pp\n"
	"Wait until everything is in place, in a script:\n"
	".Bd -literal -offset indent\n"
	"until panditctl status --json >/dev/null; do sleep 1; done\n.Ed\n"
	".Sh SEE ALSO\n.Xr pandit.yaml 5 ,\n.Xr bpftool 8 ,\n.Xr panditd 8\n";

static void man(void)
{
	printf("%s", man_head);
	printf(".Pp\nOptions of all verbs:\n");
	man_options("any");
	printf(".Pp\nVerbs:\n");
	for (size_t i = 0; i < COUNT(verbs); i++) {
		printf(".Ss %s \\(em %s\n.Nm\n.Cm %s", verbs[i].name, verbs[i].help,
		       verbs[i].name);
		man_args(verbs[i].args);
		printf(".Pp\n");
		roff(verbs[i].text);
		man_options(verbs[i].name);
	}
	printf(".Sh VERDICTS\nWhat the data path did with a packet of a service, as counted by\n"
	       ".Cm stats .\nThe kind is in parentheses.\n");
	man_rows(verdicts, COUNT(verdicts));
	printf(".Sh COUNTERS\nShown by\n.Cm stats Fl v ,\nand exported as\n"
	       ".Li pandit_NAME_total .\n");
	man_rows(counters, COUNT(counters));
	printf("%s", man_tail);
}

/* ---- Markdown ----------------------------------------------------------- */

static void tables(void)
{
	printf("| counter | meaning |\n|---|---|\n");
	for (size_t i = 0; i < COUNT(counters); i++)
		printf("| `%s` | %s |\n", counters[i].name, counters[i].text);
	printf("\n| verdict | kind | meaning |\n|---|---|---|\n");
	for (size_t i = 0; i < COUNT(verdicts); i++)
		printf("| `%s` | %s | %s |\n", verdicts[i].name, verdicts[i].kind,
		       verdicts[i].text);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} outputs[] = { { "completion", completion }, { "man", man }, { "tables", tables } };

	for (size_t i = 0; argc == 2 && i < COUNT(outputs); i++) {
		if (strcmp(argv[1], outputs[i].name))
			continue;
		outputs[i].fn();
		return fflush(stdout) || ferror(stdout) ? 1 : 0;
	}
	fprintf(stderr, "usage: gen completion|man|tables\n");
	return 2;
}
