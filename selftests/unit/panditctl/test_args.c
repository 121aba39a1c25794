// SPDX-License-Identifier: Apache-2.0
/* The command line, and text as panditctl writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "selftests/unit/panditctl/ctl_sources.h"

#define WORDS_MAX 12

/* Split @line at blanks and parse it; @storage holds the words. */
static int parse(const char *line, struct ctl_args *args, struct pd_fault *f, char *storage)
{
	char *argv[WORDS_MAX + 1] = { "panditctl" };
	int argc = 1;

	strcpy(storage, line);
	for (char *p = strtok(storage, " "); p && argc < WORDS_MAX; p = strtok(NULL, " "))
		argv[argc++] = p;
	memset(f, 0, sizeof(*f));
	return ctl_args_parse(argc, argv, args, f);
}

static const struct {
	const char *line;
	enum ctl_verb_id verb;
	size_t npos;
	const char *pos[2];
	enum ctl_option_id option;	/* looked at if not CTL_OPTIONS */
	const char *value;		/* NULL: must be absent */
} good[] = {
	{ "status", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_json, NULL },
	{ "status --json", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_json, "" },
	{ "--json status", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_json, "" },
	{ "-s unix:/x status", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_socket, "unix:/x" },
	{ "status -sunix:/x", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_socket, "unix:/x" },
	{ "--socket=unix:/x status", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_socket, "unix:/x" },
	{ "-s a:1 status -s b:2", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_socket, "b:2" },
	{ "-s status status", CTL_VERB_status, 0, { 0 }, CTL_OPT_any_socket, "status" },
	{ "ls sessions --limit 5", CTL_VERB_ls, 1, { "sessions" }, CTL_OPT_ls_limit, "5" },
	{ "--limit 5 ls sessions", CTL_VERB_ls, 1, { "sessions" }, CTL_OPT_ls_limit, "5" },
	{ "ls -l5 sessions", CTL_VERB_ls, 1, { "sessions" }, CTL_OPT_ls_limit, "5" },
	{ "get sessions -- --key", CTL_VERB_get, 2, { "sessions", "--key" }, CTL_OPTIONS, NULL },
	{ "get -re sessions k", CTL_VERB_get, 2, { "sessions", "k" }, CTL_OPT_get_escaped, "" },
	{ "get -re sessions k", CTL_VERB_get, 2, { "sessions", "k" }, CTL_OPT_get_raw, "" },
	{ "get -rd3 sessions k", CTL_VERB_get, 2, { "sessions", "k" }, CTL_OPT_get_db, "3" },
	{ "get -rd 3 sessions k", CTL_VERB_get, 2, { "sessions", "k" }, CTL_OPT_get_db, "3" },
	{ "get sessions -", CTL_VERB_get, 2, { "sessions", "-" }, CTL_OPTIONS, NULL },
	{ "flush sessions", CTL_VERB_flush, 1, { "sessions" }, CTL_OPTIONS, NULL },
	{ "flush sessions k", CTL_VERB_flush, 2, { "sessions", "k" }, CTL_OPTIONS, NULL },
	{ "attach v --side home", CTL_VERB_attach, 1, { "v" }, CTL_OPT_attach_side, "home" },
	{ "detach --all --force", CTL_VERB_detach, 0, { 0 }, CTL_OPT_detach_force, "" },
	{ "--all detach", CTL_VERB_detach, 0, { 0 }, CTL_OPT_detach_all, "" },
	{ "get --help", CTL_VERB_get, 0, { 0 }, CTL_OPT_any_help, "" },
	{ "--version", CTL_VERB_any, 0, { 0 }, CTL_OPT_any_version, "" },
	{ "", CTL_VERB_any, 0, { 0 }, CTL_OPTIONS, NULL },
};

static void test_good(void **state)
{
	char storage[256];
	struct pd_fault f;

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(good); i++) {
		struct ctl_args args;
		const char *value;

		if (parse(good[i].line, &args, &f, storage))
			fail_msg("'%s': %s", good[i].line, f.message);
		if (args.verb != good[i].verb || args.npos != good[i].npos)
			fail_msg("'%s': verb %d, %zu arguments", good[i].line, args.verb,
				 args.npos);
		for (size_t k = 0; k < args.npos; k++)
			assert_string_equal(args.pos[k], good[i].pos[k]);
		value = good[i].option == CTL_OPTIONS ? NULL : ctl_value(&args, good[i].option);
		if (!value != !good[i].value || (value && strcmp(value, good[i].value)))
			fail_msg("'%s': value '%s'", good[i].line, value ? value : "(none)");
		ctl_args_free(&args);
	}
}

static const struct {
	const char *line, *message;	/* part of it */
} bad[] = {
	{ "statsu", "did you mean 'status'?" },
	{ "servicez", "did you mean 'services'?" },
	{ "xyzzy", "unknown verb 'xyzzy'" },
	{ "status extra", "too many arguments for status" },
	{ "rm", "rm needs SERVICE" },
	{ "get sessions", "get needs SERVICE KEY" },
	{ "status --jsn", "did you mean '--json'?" },
	{ "ls s --limt 3", "did you mean '--limit'?" },
	{ "status --limit 3", "status has no option '--limit'" },
	{ "--limit 3 status", "status has no option '--limit'" },
	{ "status -w", "status has no option '-w'" },
	{ "status -Z", "unknown option '-Z'" },
	{ "ls s --limit", "--limit needs a value: N" },
	{ "status --json=yes", "--json takes no value" },
	{ "attach v --side hom", "did you mean 'home'?" },
	{ "attach v --side up", "--side is client|home|edge, not 'up'" },
	{ "--limit 5", "unknown option '--limit'" },
	{ "get -rZ s k", "unknown option" },
};

static void test_bad(void **state)
{
	char storage[256];
	struct pd_fault f;

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(bad); i++) {
		struct ctl_args args;

		if (parse(bad[i].line, &args, &f, storage) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i].line);
		if (!strstr(f.message, bad[i].message))
			fail_msg("'%s': %s", bad[i].line, f.message);
		ctl_args_free(&args);
	}
}

/* What lets an option stand before the verb, and what the help and the completion rely on. */
static void test_table(void **state)
{
	(void)state;
	for (int i = 0; i < CTL_OPTIONS; i++) {
		const struct ctl_option *a = &ctl_options[i];

		assert_true(a->name[0] && a->help[0]);
		for (int k = 0; k < i; k++) {
			const struct ctl_option *b = &ctl_options[k];
			bool name = !strcmp(a->name, b->name);
			bool letter = a->letter && a->letter == b->letter;
			bool together = a->verb == b->verb || !a->verb || !b->verb;

			if ((name || letter) && (together || !*a->value != !*b->value))
				fail_msg("--%s and --%s clash", a->name, b->name);
		}
	}
	for (int i = CTL_VERB_any + 1; i < CTL_VERBS; i++)
		assert_true(ctl_verbs[i].help[0] && ctl_verbs[i].text[0]);
}

static void test_values(void **state)
{
	char storage[256];
	const char *all[2];
	struct ctl_args args;
	struct pd_fault f;
	uint64_t ms = 7;
	uint32_t n = 7;

	(void)state;
	parse("stats -i 1500us -c 12", &args, &f, storage);
	assert_int_equal(ctl_duration_ms(&args, CTL_OPT_stats_interval, &ms, &f), 0);
	assert_int_equal(ms, 2);	/* rounded up */
	assert_int_equal(ctl_number(&args, CTL_OPT_stats_count, 100, &n, &f), 0);
	assert_int_equal(n, 12);
	assert_int_equal(ctl_number(&args, CTL_OPT_stats_count, 11, &n, &f), -EINVAL);
	assert_int_equal(ctl_number(&args, CTL_OPT_get_db, 11, &n, &f), 0);
	assert_int_equal(n, 12);
	ctl_args_free(&args);
	parse("stats -i 5 -c -1", &args, &f, storage);
	assert_int_equal(ctl_duration_ms(&args, CTL_OPT_stats_interval, &ms, &f), -EINVAL);
	assert_int_equal(ctl_number(&args, CTL_OPT_stats_count, 100, &n, &f), -EINVAL);
	ctl_args_free(&args);
	parse("stats -i 0s -c 5x", &args, &f, storage);
	assert_int_equal(ctl_duration_ms(&args, CTL_OPT_stats_interval, &ms, &f), -EINVAL);
	assert_int_equal(ctl_number(&args, CTL_OPT_stats_count, 100, &n, &f), -EINVAL);
	ctl_args_free(&args);
	parse("add -a 1:1 -a 2:2 --address=3:3", &args, &f, storage);
	assert_int_equal(ctl_values(&args, CTL_OPT_add_address, all, 2), 3);
	assert_string_equal(all[0], "1:1");
	assert_string_equal(all[1], "2:2");
	ctl_args_free(&args);
}

/* ---- text --------------------------------------------------------------- */

static void test_escape(void **state)
{
	static const char *const wrong[] = { "\\", "a\\", "\\q", "\\x", "\\x1", "\\xg0", "\\x1g" };
	uint8_t all[256];
	char *escaped, *back = NULL;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	escaped = ctl_escape(all, sizeof(all));
	for (const char *p = escaped; *p; p++)
		assert_true(*p >= 0x20 && *p <= 0x7e);
	assert_int_equal(ctl_unescape(escaped, &back, &len), 0);
	assert_int_equal(len, sizeof(all));
	assert_memory_equal(back, all, sizeof(all));
	free(escaped);
	free(back);
	escaped = ctl_escape("a\\b\n\r\t\x01\xff\0z", 10);
	assert_string_equal(escaped, "a\\\\b\\n\\r\\t\\x01\\xff\\x00z");
	free(escaped);
	escaped = ctl_escape(NULL, 0);
	assert_string_equal(escaped, "");
	free(escaped);
	for (size_t i = 0; i < PD_ARRAY_SIZE(wrong); i++)
		assert_int_equal(ctl_unescape(wrong[i], &back, &len), -EINVAL);
}

static void test_numbers(void **state)
{
	static const struct {
		uint64_t n;
		const char *count, *ms;
	} rows[] = {
		{ 0, "0", "0ms" },
		{ 999, "999", "999ms" },
		{ 1000, "1,000", "1.0s" },
		{ 59900, "59,900", "59.9s" },
		{ 61000, "61,000", "1m 1s" },
		{ 3660000, "3,660,000", "1h 1m" },
		{ 90000000, "90,000,000", "1d 1h" },
		{ UINT64_MAX, "18,446,744,073,709,551,615", NULL },
	};
	char buf[CTL_NUM_STRLEN];

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		assert_string_equal(ctl_count(rows[i].n, buf), rows[i].count);
		if (rows[i].ms)
			assert_string_equal(ctl_ms(rows[i].n, buf), rows[i].ms);
	}
}

static void test_value_of(void **state)
{
#define R(s) s, sizeof(s) - 1
	static const struct {
		const char *reply;
		size_t len;
		const char *value;
		size_t value_len;
	} rows[] = {
		{ R("$5\r\nhello\r\n"), R("hello") },
		{ R("$0\r\n\r\n"), R("") },
		{ R("$2\r\n\r\n\r\n"), R("\r\n") },
		{ R("$-1\r\n"), R("$-1\r\n") },
		{ R("$9\r\nhello\r\n"), R("$9\r\nhello\r\n") },		/* cut off */
		{ R("$99999999999999999999\r\nx\r\n"), R("$99999999999999999999\r\nx\r\n") },
		{ R("$"), R("$") },
		{ R("$5"), R("$5") },
		{ R("$\r\n\r\n"), R("$\r\n\r\n") },
		{ R(":12\r\n"), R(":12\r\n") },
		{ R("*1\r\n$1\r\na\r\n"), R("*1\r\n$1\r\na\r\n") },
		{ R("VALUE k 0 3\r\nabc\r\nEND\r\n"), R("abc") },
		{ R("VALUE k 0 3 77\r\nabc\r\nEND\r\n"), R("abc") },
		{ R("VALUE k 0\r\nabc\r\n"), R("VALUE k 0\r\nabc\r\n") },
		{ R("VALUE "), R("VALUE ") },
		{ R(""), R("") },
	};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		/* A copy of the exact size, so that a sanitizer sees a read beyond it. */
		uint8_t *copied = malloc(rows[i].len + !rows[i].len);
		ProtobufCBinaryData reply = { rows[i].len, copied };
		const uint8_t *value;
		size_t len;

		memcpy(copied, rows[i].reply, rows[i].len);
		ctl_value_of(&reply, &value, &len);
		if (len != rows[i].value_len || memcmp(value, rows[i].value, len))
			fail_msg("row %zu: %zu bytes", i, len);
		free(copied);
	}
#undef R
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_value_of),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
