// SPDX-License-Identifier: Apache-2.0
/* Whole command lines against the real admin API on a fake host: exit status, JSON, words. */
#include "selftests/unit/rpc/fakehost.h"

#include "selftests/unit/panditctl/ctl_sources.h"
#include "maps/service.h"

static struct harness harness;
static char *out, *err;		/* of the last command line */

static int setup(void **state)
{
	(void)state;
	fakehost_up(&harness);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(out);
	free(err);
	out = err = NULL;
	harness_down(&harness);
	return 0;
}

/* Run `panditctl -s ADDRESS WORDS...`; the list ends with NULL. */
static int run_words(const char *first, ...)
{
	char *argv[32] = { "panditctl", "-s", harness.address, (char *)first };
	size_t out_len, err_len;
	FILE *to = open_memstream(&out, &out_len), *errors;
	int argc = 3, status;
	va_list ap;

	free(err);
	errors = open_memstream(&err, &err_len);
	va_start(ap, first);
	while (argv[argc])
		argv[++argc] = va_arg(ap, char *);
	va_end(ap);
	status = ctl_main(argc, argv, to, errors);
	fclose(to);
	fclose(errors);
	return status;
}

#define run_ctl(...)					\
	({						\
		free(out);				\
		out = NULL;				\
		run_words(__VA_ARGS__, NULL);		\
	})

/* The object on stdout: exactly one line. */
static json_t *json(void)
{
	json_error_t e;
	json_t *object = json_loads(out, 0, &e);

	if (!object)
		fail_msg("not JSON: %s: '%s'", e.text, out);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	return object;
}

static const char *str(const json_t *object, const char *key)
{
	assert_true(json_is_string(json_object_get(object, key)));
	return json_string_value(json_object_get(object, key));
}

static json_int_t num(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static json_t *at(const json_t *object, const char *key, size_t i)
{
	json_t *array = json_object_get(object, key);

	assert_true(json_is_array(array));
	assert_true(i < json_array_size(array));
	return json_array_get(array, i);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void is_error(int status, int wanted, const char *message)
{
	json_t *o = json();
	json_t *e = json_object_get(o, "error");

	assert_int_equal(status, wanted);
	assert_int_equal(json_object_size(o), 1);
	assert_int_equal(json_object_size(e), 2);
	has(str(e, "message"), message);
	str(e, "hint");
	json_decref(o);
}

/* ---- tests -------------------------------------------------------------- */

static void test_status(void **state)
{
	json_t *o, *in;

	(void)state;
	assert_int_equal(run_ctl("status", "--json"), CTL_DEGRADED);
	o = json();
	assert_string_equal(str(o, "node"), "host-b");
	assert_string_equal(str(o, "version"), "1.2");
	assert_string_equal(str(o, "state"), "degraded");
	assert_string_equal(json_string_value(at(o, "problems", 0)), problems[0]);
	in = at(o, "interfaces", 1);
	assert_string_equal(str(in, "name"), "veths");
	assert_string_equal(str(in, "side"), "home");
	assert_string_equal(str(in, "mode"), "tc");
	assert_true(num(o, "entries") == 12345678901);
	assert_int_equal(num(o, "connections"), 4);
	json_decref(o);

	assert_int_equal(run_ctl("status"), CTL_DEGRADED);
	has(out, "panditd 1.2 on host-b: degraded, up 99ms\n");
	has(out, "entries      12,345,678,901\n");
	has(out, "veths      home    tc       9000  route to 10.1.0.2\n");
	has(out, "  - interface vethx is absent\n");
	host.ready = true;
	assert_int_equal(run_ctl("status"), CTL_OK);
	assert_int_equal(run_ctl("status", "--json"), CTL_OK);
}

static void test_services(void **state)
{
	json_t *o, *s;

	(void)state;
	assert_int_equal(run_ctl("services", "--json"), CTL_OK);
	o = json();
	s = at(o, "services", 0);
	assert_string_equal(str(s, "name"), "sessions");
	assert_string_equal(str(s, "protocol"), "redis");
	assert_string_equal(str(s, "address"), "10.1.0.2:6379");
	assert_string_equal(str(s, "home"), "veths");
	assert_string_equal(str(s, "consistency"), "strict");
	assert_int_equal(num(s, "max_age_ms"), 1500);
	assert_string_equal(str(s, "assist"), "on");
	assert_string_equal(str(s, "assist_reason"), "10.1.0.2:6379");
	json_decref(o);
	assert_int_equal(run_ctl("services"), CTL_OK);
	has(out, "SERVICE   PROTOCOL  ADDRESS                        TRANSPORT  HOME   "
		 "CONSISTENCY  MAX AGE  ASSIST  ANSWERS\n");
	has(out, "sessions  redis     10.1.0.2:6379, [fd00::2]:6379  tcp        veths  "
		 "strict          1.5s  on      yes\n");
}

static void test_add(void **state)
{
	(void)state;
	assert_int_equal(run_ctl("add", "--name", "sessions", "-p", "redis", "-a", "10.1.0.2:6379",
				 "--max-age", "2s", "--max-value", "4KiB"), CTL_OK);
	has(out, "added sessions: redis on 10.1.0.2:6379, [fd00::2]:6379, home veths, answering\n");
	assert_int_equal(host.spec.max_age_ms, 2000);
	assert_int_equal(host.spec.max_value, 4096);
	assert_int_equal(run_ctl("add", "-n", "sessions", "-p", "redis", "-a", "10.1.0.2:6379",
				 "--acl", "uniform", "--home", "this", "--consistency", "bounded",
				 "--json"), CTL_OK);
	assert_true(host.spec.acl_uniform && host.spec.home_this && host.spec.bounded);
	assert_int_equal(host.spec.max_age_ms, 0);
	is_error(run_ctl("add", "--json", "--name", "x"), CTL_USAGE, "add needs --name");
	is_error(run_ctl("add", "--json", "-n", "x", "-p", "y", "-a", "z:1", "--max-age", "soon"),
		 CTL_USAGE, "'soon' is not a duration");
	is_error(run_ctl("add", "--json", "-n", "x", "-p", "y", "-a", "z:1", "--max-value", "5G5"),
		 CTL_USAGE, "is not a size");
	assert_int_equal(run_ctl("add", "-n", "x", "-p", "y", "-a", "z:1", "--max-value", "1"),
			 CTL_FAILED);
	has(err, "panditctl: service 'x' exists\n           pick another name");
	assert_string_equal(out, "");
}

static void write_yaml(char *path, size_t size, const char *yaml)
{
	FILE *to;

	snprintf(path, size, "%s/s.yaml", harness.dir);
	to = fopen(path, "w");
	assert_non_null(to);
	fputs(yaml, to);
	fclose(to);
}

static void test_add_file(void **state)
{
	char path[128];

	(void)state;
	write_yaml(path, sizeof(path),
		   "name: sessions\nprotocol: redis\naddress: [\"10.1.0.2:6379\", \"10.1.0.3:1\"]\n"
		   "transport: udp\nhome: this\ncache: {max_age: 1500us, max_value: 1KiB}\n");
	assert_int_equal(run_ctl("add", "-f", path), CTL_OK);
	assert_int_equal(host.spec.max_age_ms, 2);
	assert_int_equal(host.spec.max_value, 1024);
	assert_int_equal(host.spec.naddresses, 2);
	assert_int_equal(host.spec.transport, PD_TRANSPORT_UDP);
	assert_true(host.spec.home_this && !host.spec.bounded);
	write_yaml(path, sizeof(path),
		   "services:\n- {name: a, protocol: redis, address: \"10.1.0.2:6379\"}\n"
		   "- {name: b, protocol: redis, address: \"10.1.0.2:6380\", acl: uniform}\n");
	assert_int_equal(run_ctl("add", "-f", path, "--json"), CTL_OK);
	assert_true(host.spec.acl_uniform);
	write_yaml(path, sizeof(path), "name: a\nprotocolx: redis\n");
	is_error(run_ctl("add", "--json", "-f", path), CTL_USAGE, "protocolx");
	write_yaml(path, sizeof(path),
		   "name: a\nprotocol: redis\naddress: \"1.1.1.1:1\"\nlease: 2s\n");
	is_error(run_ctl("add", "--json", "-f", path), CTL_USAGE, "'lease' cannot be set by add");
	write_yaml(path, sizeof(path), "name: a\n");
	is_error(run_ctl("add", "--json", "-f", path), CTL_USAGE, "needs name, protocol");
	is_error(run_ctl("add", "--json", "-f", path, "-n", "x"), CTL_USAGE, "exclude each other");
	unlink(path);
	is_error(run_ctl("add", "--json", "-f", path), CTL_USAGE, "cannot read");
}

static void test_rm(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(run_ctl("rm", "sessions", "--json"), CTL_OK);
	o = json();
	assert_string_equal(str(o, "removed"), "sessions");
	json_decref(o);
	is_error(run_ctl("rm", "nobody", "--json"), CTL_FAILED, "no 'nobody'");
	is_error(run_ctl("rm", "\xff\xfe", "--json"), CTL_FAILED, "UTF-8");
}

static void test_stats(void **state)
{
	json_t *o, *s;

	(void)state;
	host.counting = 1;
	assert_int_equal(run_ctl("stats", "--json"), CTL_OK);
	o = json();
	assert_int_equal(json_object_size(o), 1);
	s = at(o, "services", 0);
	assert_int_equal(json_object_size(s), 6);
	assert_string_equal(str(s, "name"), "sessions");
	assert_int_equal(num(s, "hits"), 1000500);
	assert_int_equal(num(s, "misses"), 2);
	assert_int_equal(num(s, "fills"), 3);
	assert_int_equal(num(s, "invalidations"), 4);
	assert_int_equal(num(json_object_get(s, "passes"), "pass_write"), 5);
	json_decref(o);
	assert_int_equal(run_ctl("stats", "sessions", "--json", "-v"), CTL_OK);
	o = json();
	s = at(o, "services", 0);
	assert_int_equal(num(json_object_get(s, "counters"), "replays"), 0);
	assert_int_equal(num(json_object_get(s, "verdicts"), "pass_write"), 5);
	json_decref(o);
	assert_int_equal(run_ctl("stats"), CTL_OK);
	has(out, "SERVICE        HITS  MISSES  HIT %  FILLS  INVALIDATIONS\n");
	has(out, "sessions  1,001,500       2  100.0      3              4\n");
	has(out, "  pass_write                5  a write\n");
	is_error(run_ctl("stats", "nobody", "--json"), CTL_FAILED, "no service 'nobody'");
}

static void test_stats_watch(void **state)
{
	unsigned long long rate = 0;

	(void)state;
	host.counting = 1;
	assert_int_equal(run_ctl("stats", "-w", "-c", "1", "-i", "100ms"), CTL_OK);
	has(out, "HITS/s");
	/* 500 hits in 100 ms and a little more */
	assert_int_equal(sscanf(strstr(out, "sessions") + 8, " %llu,", &rate), 1);
	assert_true(rate >= 1 && rate <= 5);
	assert_null(strstr(out, "pass_write"));	/* did not change */
	assert_int_equal(run_ctl("stats", "-w", "-c", "2", "-i", "10ms", "--json"), CTL_OK);
	assert_non_null(strchr(strchr(out, '\n') + 1, '\n'));
	is_error(run_ctl("stats", "--json", "-i", "x"), CTL_USAGE, "not a duration");
}

static void test_ls(void **state)
{
	json_t *o, *e;

	(void)state;
	host.entries = 700;
	assert_int_equal(run_ctl("ls", "sessions", "--json"), CTL_OK);
	o = json();
	assert_int_equal(json_array_size(json_object_get(o, "entries")), 700);
	e = at(o, "entries", 1);
	has(str(e, "key"), "k1\\x00\\x00");
	has(str(e, "key_base64"), "azEAAAAA");
	assert_int_equal(num(e, "left_ms"), -5);
	assert_true(json_is_false(json_object_get(e, "usable")));
	assert_string_equal(str(e, "why"), "miss_expired");
	assert_null(json_object_get(e, "reply_base64"));
	json_decref(o);
	assert_int_equal(run_ctl("ls", "sessions", "--limit", "2", "--json"), CTL_OK);
	o = json();
	assert_int_equal(json_array_size(json_object_get(o, "entries")), 2);
	json_decref(o);
	assert_int_equal(run_ctl("ls", "sessions", "-l", "1"), CTL_OK);
	has(out, "\nk0\\x00");
	has(out, "  miss_expired\n");
}

static void test_get(void **state)
{
	json_t *o, *e;

	(void)state;
	assert_int_equal(run_ctl("get", "sessions", "a\\x00", "-e", "--db", "3", "--json"), CTL_OK);
	assert_int_equal(host.db, 3);
	o = json();
	e = at(o, "entries", 0);
	assert_string_equal(str(e, "key"), "a\\x00");
	assert_string_equal(str(e, "key_base64"), "YQA=");
	assert_string_equal(str(e, "reply_base64"), "JDENCgANCg==");
	assert_true(json_is_true(json_object_get(e, "usable")));
	json_decref(o);
	assert_int_equal(run_ctl("get", "sessions", "user:1"), CTL_OK);
	assert_int_equal(host.db, -1);
	has(out, "user:1\n  value   1 bytes: \\x00\n  size    7 bytes on the wire, class xl\n");
	has(out, "  usable  yes\n");
	is_error(run_ctl("get", "sessions", "a\\q", "-e", "--json"), CTL_USAGE, "not an escaped");
	is_error(run_ctl("get", "sessions", "", "--json"), CTL_FAILED, "no entry");
	is_error(run_ctl("get", "sessions", "k", "-d", "x", "--json"), CTL_USAGE, "not a number");
}

static void test_get_raw(void **state)
{
	(void)state;
	assert_int_equal(run_ctl("get", "sessions", "k", "-r"), CTL_OK);
	assert_memory_equal(out, "\0", 1);
	assert_int_equal(run_ctl("get", "sessions", "k", "-r", "--wire"), CTL_OK);
	assert_memory_equal(out, "$1\r\n\0\r\n", 7);
	/* The value, not its length, though that entry comes first. */
	assert_int_equal(run_ctl("get", "sessions", "two", "-r", "--wire"), CTL_OK);
	assert_memory_equal(out, "$1\r\n\0\r\n", 7);
	assert_string_equal(err, "");
}

static void test_flush(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(run_ctl("flush", "sessions", "--json"), CTL_OK);
	assert_null(host.flushed_key);
	o = json();
	assert_true(json_is_null(json_object_get(json_object_get(o, "flushed"), "key")));
	json_decref(o);
	assert_int_equal(run_ctl("flush", "sessions", "k\\n", "-e"), CTL_OK);
	assert_non_null(host.flushed_key);
	assert_int_equal(host.flushed_len, 2);
	assert_string_equal(out, "flushed sessions: k\\n\n");
}

static void test_attach_detach(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(run_ctl("attach", "veths", "--side", "home", "--side", "client"), CTL_OK);
	assert_string_equal(out, "attached veths: home, tc (route to 10.1.0.2)\n");
	assert_int_equal(host.sides, PD_SIDE_HOME | PD_SIDE_CLIENT);
	is_error(run_ctl("attach", "vethz", "--json"), CTL_FAILED, "no interface vethz");
	assert_int_equal(run_ctl("detach", "vethc"), CTL_OK);
	assert_string_equal(out, "detached vethc\n");
	assert_int_equal(run_ctl("detach", "vethc", "--json"), CTL_OK);
	o = json();
	assert_string_equal(str(o, "detached"), "vethc");
	json_decref(o);
	is_error(run_ctl("detach", "vethd", "--json"), CTL_FAILED, "2 connections left");
	is_error(run_ctl("detach", "--all", "--json"), CTL_FAILED, "under way");
	is_error(run_ctl("detach", "--json"), CTL_USAGE, "an interface or --all");
	is_error(run_ctl("detach", "vethc", "--all", "--json"), CTL_USAGE, "an interface or --all");
}

static void test_doctor(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(run_ctl("doctor", "--json"), CTL_DEGRADED);
	o = json();
	assert_true(json_is_false(json_object_get(o, "ok")));
	assert_string_equal(str(at(o, "checks", 0), "name"), "daemon");
	assert_true(json_is_true(json_object_get(at(o, "checks", 0), "ok")));
	assert_string_equal(str(at(o, "checks", 1), "name"), "bpffs");
	assert_string_equal(str(at(o, "checks", 1), "hint"), "mount -t bpf bpf /sys/fs/bpf");
	json_decref(o);
}

/* With no daemon: every verb fails in one way, and doctor looks by itself. */
static void test_no_daemon(void **state)
{
	static const char *const verbs[][3] = {
		{ "status" }, { "services" }, { "rm", "x" }, { "stats" }, { "ls", "x" },
		{ "get", "x", "y" }, { "flush", "x" }, { "attach", "x" }, { "detach", "x" },
	};
	json_t *o;

	(void)state;
	snprintf(harness.address, sizeof(harness.address), "unix:%s/nothing", harness.dir);
	for (size_t i = 0; i < PD_ARRAY_SIZE(verbs); i++)
		is_error(run_ctl("--json", verbs[i][0], verbs[i][1], verbs[i][2]), CTL_FAILED,
			 "no daemon answers on unix:/");
	assert_int_equal(run_ctl("detach", "--all"), CTL_FAILED);
	has(err, "start it (panditd -c FILE)");
	assert_int_equal(run_ctl("doctor", "--json", "--bpffs", harness.dir), CTL_DEGRADED);
	o = json();
	assert_true(json_is_false(json_object_get(at(o, "checks", 0), "ok")));
	assert_string_equal(str(at(o, "checks", 1), "name"), "kernel");
	assert_true(json_array_size(json_object_get(o, "checks")) >= 6);
	json_decref(o);
}

static void test_usage(void **state)
{
	(void)state;
	assert_int_equal(run_ctl("statsu"), CTL_USAGE);
	has(err, "panditctl: unknown verb 'statsu'; did you mean 'status'?\n");
	is_error(run_ctl("statsu", "--json"), CTL_USAGE, "did you mean");
	is_error(run_ctl("\xff", "--json"), CTL_USAGE, "\\xff");
	is_error(run_ctl("--json"), CTL_USAGE, "no verb");
	is_error(run_ctl("status", "-s", "nothing", "--json"), CTL_USAGE, "not an address");
	is_error(run_ctl("help", "statsu", "--json"), CTL_USAGE, "did you mean 'status'?");
}

static void test_help(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(run_ctl("help"), CTL_OK);
	for (int i = CTL_VERB_any + 1; i < CTL_VERBS; i++) {
		has(out, ctl_verbs[i].help);
		assert_int_equal(run_ctl("help", ctl_verbs[i].name), CTL_OK);
		has(out, ctl_verbs[i].name);
		for (int k = 0; k < CTL_OPTIONS; k++)
			if (ctl_options[k].verb == (enum ctl_verb_id)i)
				has(out, ctl_options[k].help);
		assert_int_equal(run_ctl("help"), CTL_OK);
	}
	assert_int_equal(run_ctl("get", "-h"), CTL_OK);
	has(out, "usage: panditctl get SERVICE KEY [options]\n");
	assert_int_equal(run_ctl("help", "--json"), CTL_OK);
	o = json();
	assert_int_equal(json_array_size(json_object_get(o, "verbs")), CTL_VERBS - 1);
	json_decref(o);
	assert_int_equal(run_ctl("--version", "--json"), CTL_OK);
	o = json();
	assert_string_equal(str(o, "version"), PD_VERSION);
	json_decref(o);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void test_observe(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(run_ctl("observe", "sessions", "-n", "2", "--keys", "--rate", "9", "-p",
				 "\\x6b", "-e"), CTL_OK);
	has(out, "sessions     miss_cold       k\\x01 ");
	has(out, "tcp 10.0.1.2:40000 > 10.1.0.2:6379  kern/client.bpf.c:7\n");
	has(out, "-- 5 left out: they were more than 9 a second (--rate)\n");
	assert_int_equal(host.rate, 9);
	assert_int_equal(host.prefix_len, 1);
	assert_null(host.observing);
	assert_int_equal(run_ctl("observe", "-n", "1"), CTL_OK);
	has(out, "miss_cold       0000000000000abc ");
	assert_null(strstr(out, "k\\x01"));
	assert_int_equal(run_ctl("observe", "-n", "1", "--json"), CTL_OK);
	*strchr(out, '\n') = '\0';
	o = json_loads(out, 0, NULL);
	assert_non_null(o);
	assert_string_equal(str(o, "time"), "2025-11-25T18:48:41.123456Z");
	assert_string_equal(str(o, "verdict"), "miss_cold");
	assert_string_equal(str(o, "key_hash"), "0000000000000abc");
	assert_string_equal(str(o, "file"), "kern/client.bpf.c");
	assert_int_equal(num(o, "line"), 7);
	assert_null(json_object_get(o, "key"));
	json_decref(o);
	is_error(run_ctl("observe", "other", "--json"), CTL_FAILED, "no service 'other'");
	is_error(run_ctl("observe", "--json", "--rate", "fast"), CTL_USAGE, "is not a number");
}

static void test_why(void **state)
{
	json_t *o, *p;

	(void)state;
	assert_int_equal(run_ctl("why", "sessions", "GET k"), CTL_OK);
	has(out, "packet 1: answered with 11 bytes  sessions tcp 192.0.2.1:50000 > ");
	has(out, "hit (HIT) at kern/client.bpf.c:9\n");
	has(out, "answered from the map\n");
	assert_int_equal(run_ctl("why", "--hex", "00 01:02", "-x", "0304", "--json"), CTL_OK);
	assert_int_equal(host.entries, 2);
	o = json();
	p = at(o, "packets", 0);
	assert_string_equal(str(p, "action"), "answered");
	assert_int_equal(num(p, "reply_size"), 11);
	assert_string_equal(str(at(p, "verdicts", 0), "verdict"), "hit");
	json_decref(o);
	is_error(run_ctl("why", "--json"), CTL_USAGE, "name a capture file");
	is_error(run_ctl("why", "--json", "x", "--hex", "00"), CTL_USAGE, "too many");
	is_error(run_ctl("why", "--json", "--hex", "0"), CTL_FAILED, "wrong at character 1");
	is_error(run_ctl("why", "--json", "/no/such"), CTL_FAILED, "cannot open /no/such");
	is_error(run_ctl("why", "--json", "other", "GET k"), CTL_FAILED, "no service 'other'");
}

static void test_top(void **state)
{
	json_t *o, *s;

	(void)state;
	host.counting = 1;
	assert_int_equal(run_ctl("top", "-i", "20ms", "-n", "1", "--json"), CTL_OK);
	o = json();
	s = at(o, "services", 0);
	assert_string_equal(str(s, "name"), "sessions");
	assert_true(num(s, "hits_per_s") > 1000);
	assert_int_equal(num(s, "misses_per_s"), 0);
	json_decref(o);
	assert_int_equal(run_ctl("top", "-i", "20ms", "-n", "2"), CTL_OK);
	has(out, "hits/s");
	is_error(run_ctl("top", "--json", "-i", "soon"), CTL_USAGE, "is not a duration");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_services),
		TEST(test_add),
		TEST(test_add_file),
		TEST(test_rm),
		TEST(test_stats),
		TEST(test_stats_watch),
		TEST(test_observe),
		TEST(test_why),
		TEST(test_top),
		TEST(test_ls),
		TEST(test_get),
		TEST(test_get_raw),
		TEST(test_flush),
		TEST(test_attach_detach),
		TEST(test_doctor),
		TEST(test_no_daemon),
		TEST(test_usage),
		TEST(test_help),
	};

	return cmocka_run_group_tests_name("panditctl", tests, NULL, NULL);
}
