/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: the documented file, defaults, and one exact line for each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/lib/cleanup.h"
#include "user/service/config.h"

static const char documented[] =
	"# pandit.yaml\n"
	"node: host-b                                   # default: the hostname\n"
	"runtime_dir: /run/pandit                       # admin socket pandit.sock\n"
	"state_dir: /var/lib/pandit                     # definitions, journal\n"
	"bpffs: /sys/fs/bpf/pandit                      # pins\n"
	"attach: [vethc, veths]\n"
	"listen: {grpc: [\"127.0.0.1:50121\", \"unix:/run/pandit/grpc.sock\"], metrics: "
	"\"127.0.0.1:50123\"}\n"
	"limits: {connections: 100000, memory: 256MiB}\n"
	"cluster: {etcd: [\"http://10.0.0.9:2379\"], peers: [], advertise: \"10.0.0.2:50122\",\n"
	"  tls: {ca: ca.pem, cert: b.pem, key: b.key}}\n"
	"services:\n"
	"  - {name: sessions, protocol: redis, address: \"10.1.0.2:6379\", transport: [tcp],\n"
	"     consistency: strict, lease: 2s, assist: auto, acl: per-user,\n"
	"     credentials: redis.pass, cache: {max_age: 1s, max_value: 4096, max_entries: "
	"100000}}\n"
	"  - {definition: users.proto, address: \"10.1.0.2:6379\"}\n";

static struct pd_config *good(const char *text)
{
	struct pd_config *c = NULL;
	struct pd_fault f = {0};

	if (pd_config_parse("f.yaml", text, strlen(text), &c, &f))
		fail_msg("%s", f.message);
	return c;
}

static void the_documented_file(void **state)
{
	struct pd_config *c = good(documented);
	const struct pd_config_service *s = &c->services[0];
	char addr[PD_ADDR_STRLEN];

	(void)state;
	assert_string_equal(c->node, "host-b");
	assert_string_equal(c->socket, "/run/pandit/pandit.sock");
	assert_string_equal(c->bpffs, "/sys/fs/bpf/pandit");
	assert_int_equal(c->nattach, 2);
	assert_string_equal(c->attach[1].name, "veths");
	assert_true(c->metrics_on);
	assert_string_equal(pd_addr_format(&c->metrics.ip, c->metrics.port, addr),
			    "127.0.0.1:50123");
	assert_int_equal(c->connections, 100000);
	assert_int_equal(c->memory, 256 << 20);
	assert_int_equal(c->nservices, 1);
	assert_string_equal(s->name, "sessions");
	assert_int_equal(s->transport, PD_TRANSPORT_TCP);
	assert_int_equal(s->max_age_ns, 1000000000);
	assert_int_equal(s->max_value, 4096);
	assert_int_equal(s->max_entries, 100000);
	assert_false(s->assist_off);
	assert_string_equal(s->credentials, "redis.pass");
	/* Each thing that is not active says so: grpc, cluster, lease, definition. */
	assert_int_equal(c->nnotices, 4);
	pd_config_free(&c);
	assert_null(c);
}

static void defaults(void **state)
{
	struct pd_config *c =
		good("services:\n - {name: m, protocol: memcached, address: fd00::2}\n");
	const struct pd_config_service *s = &c->services[0];
	char host[64] = "";

	(void)state;
	gethostname(host, sizeof(host) - 1);
	assert_string_equal(c->node, host);
	assert_string_equal(c->runtime_dir, "/run/pandit");
	assert_string_equal(c->state_dir, "/var/lib/pandit");
	assert_int_equal(c->nattach, 0);
	assert_false(c->attach_auto);
	assert_false(c->metrics_on);
	assert_int_equal(c->connections, 100000);
	assert_int_equal(s->addrs[0].port, 11211);
	assert_int_equal(s->transport, PD_TRANSPORT_TCP | PD_TRANSPORT_UDP);
	assert_int_equal(s->max_age_ns, 1000000000);
	assert_int_equal(s->idle_ns, 30000000000);
	assert_false(s->acl_uniform);
	assert_false(s->home_this);
	assert_false(s->udp_any);
	assert_int_equal(c->nnotices, 0);
	pd_config_free(&c);
}

static void assist(void **state)
{
	static const char text[] =
		"services:\n"
		" - {name: a, protocol: redis, address: 10.0.0.1, credentials: r.pass}\n"
		" - {name: b, protocol: redis, address: 10.0.0.2, credentials: /etc/r.pass}\n"
		" - {name: c, protocol: redis, address: 10.0.0.3, assist: off, credentials: x}\n";
	struct pd_config_service other;
	struct pd_config *c = NULL;
	struct pd_fault f = {0};

	(void)state;
	assert_int_equal(pd_config_parse("/etc/pandit/p.yaml", text, strlen(text), &c, &f), 0);
	assert_false(c->services[0].assist_off);
	assert_string_equal(c->services[0].credentials, "/etc/pandit/r.pass");
	assert_string_equal(c->services[1].credentials, "/etc/r.pass");
	assert_true(c->services[2].assist_off);
	assert_int_equal(c->nnotices, 1);
	assert_non_null(strstr(c->notices[0], "'credentials' has no effect"));
	/* Either decides what the daemon does: a reload must see it. */
	other = c->services[0];
	assert_true(pd_config_service_same(&c->services[0], &other));
	other.credentials = NULL;
	assert_false(pd_config_service_same(&c->services[0], &other));
	other = c->services[0];
	other.assist_off = true;
	assert_false(pd_config_service_same(&c->services[0], &other));
	pd_config_free(&c);
}

static void an_empty_file_is_all_defaults(void **state)
{
	static const char *const rows[] = {"", "# nothing\n", "---\n", "{}\n"};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		struct pd_config *c = good(rows[i]);

		assert_int_equal(c->nservices, 0);
		pd_config_free(&c);
	}
}

static void spellings(void **state)
{
	struct pd_config *c = good("attach: auto\n"
				   "services:\n"
				   "- name: a\n"
				   "  protocol: memcached\n"
				   "  address: [10.0.0.1, \"10.0.0.2:99\"]\n"
				   "  transport: udp\n"
				   "  acl: uniform\n"
				   "  home: this\n"
				   "  udp_sources: any\n"
				   "  udp_budget: 64KiB\n"
				   "  idle: 1.5s\n");
	const struct pd_config_service *s = &c->services[0];

	(void)state;
	assert_true(c->attach_auto);
	assert_int_equal(c->nattach, 0);
	assert_int_equal(s->naddrs, 2);
	assert_int_equal(s->addrs[1].port, 99);
	assert_int_equal(s->transport, PD_TRANSPORT_UDP);
	assert_true(s->acl_uniform && s->home_this && s->udp_any);
	assert_int_equal(s->udp_budget, 65536);
	assert_int_equal(s->idle_ns, 1500000000);
	pd_config_free(&c);
	c = good("attach: [a, 'b:home', c:client+home, \"veth*\"]\n");
	assert_int_equal(c->nattach, 4);
	assert_int_equal(c->attach[0].sides, 0);
	assert_int_equal(c->attach[1].sides, PD_SIDE_HOME);
	assert_string_equal(c->attach[1].name, "b");
	assert_int_equal(c->attach[2].sides, PD_SIDE_CLIENT | PD_SIDE_HOME);
	pd_config_free(&c);
}

#define SVC "services:\n  - {name: a, protocol: redis, address: 10.0.0.1"

static const struct {
	const char *text, *message;
} mistakes[] = {
	{"servces: []\n", "f.yaml:1:1: unknown key 'servces' (did you mean 'services'?)"},
	{"node: a\n\nlimits:\n    conections: 5\n",
	 "f.yaml:4:5: unknown key 'conections' (did you mean 'connections'?)"},
	{"zzz: 1\n",
	 "f.yaml:1:1: unknown key 'zzz' (known here: node, runtime_dir, state_dir, bpffs, "
	 "attach, listen, limits, cluster, services)"},
	{"limits: 3\n", "f.yaml:1:9: 'limits' must be a mapping, not a single value"},
	{"limits: {connections: many}\n",
	 "f.yaml:1:23: 'connections' must be a number, not 'many'"},
	{"limits: {connections: -1}\n", "f.yaml:1:23: 'connections' must be a number, not '-1'"},
	{"limits: {connections: 99999999999999999999}\n",
	 "f.yaml:1:23: 'connections': 99999999999999999999 is too large"},
	{"limits: {connections: 99999999}\n", "f.yaml:1:23: connections must be at most 10000000"},
	{"limits: {memory: lots}\n",
	 "f.yaml:1:18: 'memory' must be a size like 4096 or 256MiB, not 'lots'"},
	{"limits: {memory: 4}\n", "f.yaml:1:18: memory must be at least 1MiB"},
	{"limits: {memory: [1, 2]}\n", "f.yaml:1:18: 'memory' must be a single value, not a list"},
	{"node: [a]\n", "f.yaml:1:7: 'node' must be a single value, not a list"},
	{"node:\n", "f.yaml:1:6: 'node' has no value"},
	{"node: a\nnode: b\n", "f.yaml:2:1: the key 'node' stands here twice"},
	{"bpffs: relative\n", "f.yaml:1:8: 'bpffs' must be an absolute path, not 'relative'"},
	{"- a\n- b\n", "f.yaml:1:1: expected 'key: value' lines, not a list"},
	{"just text\n", "f.yaml:1:1: expected 'key: value' lines, not a single value"},
	{"node: [\n", "f.yaml:2:1: not valid YAML: did not find expected node content"},
	{"a: b: c\n", "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context"},
	{"node: a\n---\nnode: b\n", "f.yaml:3:1: a second document in one file"},
	{"? [x]\n: y\n", "f.yaml:1:3: a key must be a word, not a list"},
	{"attach: [a, b, a]\n", "f.yaml:1:16: the interface 'a' stands here twice"},
	{"attach: [much-too-long-for-a-name]\n",
	 "f.yaml:1:10: 'much-too-long-for-a-name' is not an interface name"},
	{"attach: [\"a:house\"]\n", "f.yaml:1:10: 'house' is not a side"},
	{"listen: {metrics: localhost}\n",
	 "f.yaml:1:19: bad address 'localhost': not an IPv4 or IPv6 address"},
	{"listen: {metrics: 127.0.0.1}\n",
	 "f.yaml:1:19: bad address '127.0.0.1': the port is missing"},
	{"services: {name: a}\n",
	 "f.yaml:1:11: the service needs a 'protocol' (one of: redis, memcached)"},
	{"services:\n  - {protocol: redis}\n", "f.yaml:2:5: a service needs a 'name'"},
	{"services:\n  - {name: \"a b\", protocol: redis, address: 10.0.0.1}\n",
	 "f.yaml:2:12: the name 'a b' holds a character that is not allowed"},
	{"services:\n  - {name: a, protocol: redis}\n",
	 "f.yaml:2:5: the service 'a' needs an 'address'"},
	{"services:\n  - {name: a, protocol: rediss, address: 10.0.0.1}\n",
	 "f.yaml:2:25: unknown protocol 'rediss' (did you mean 'redis'?)"},
	{"services:\n  - {name: a, protocol: gopher, address: 10.0.0.1}\n",
	 "f.yaml:2:25: unknown protocol 'gopher' (one of: redis, memcached)"},
	{"services:\n  - {name: a, protocol: redis, address: 10.0.0.300}\n",
	 "f.yaml:2:41: bad address '10.0.0.300': not an IPv4 or IPv6 address"},
	{"services:\n  - {name: a, protocol: redis, address: [10.0.0.1, 0.0.0.0]}\n",
	 "f.yaml:2:52: bad address '0.0.0.0': not an address of one host"},
	{SVC "}\n  - {name: a, protocol: redis, address: 10.0.0.2}\n",
	 "f.yaml:3:12: the service 'a' stands here twice"},
	{SVC "}\n  - {name: b, protocol: redis, address: \"10.0.0.1:6379\"}\n",
	 "f.yaml:3:41: the address 10.0.0.1:6379 belongs to the service 'a' already"},
	{SVC ", transport: udp}\n", "f.yaml:2:62: redis is not spoken over udp"},
	{SVC ", transport: [tcp, sctp]}\n",
	 "f.yaml:2:68: 'sctp' is not a value of 'transport' (one of: tcp, udp)"},
	{SVC ", acl: per_user}\n",
	 "f.yaml:2:56: 'per_user' is not a value of 'acl' (one of: per-user, uniform)"},
	{SVC ", cache: {max_age: 1}}\n",
	 "f.yaml:2:68: 'max_age' must be a duration like 1s or 500ms, not '1'"},
	{SVC ", cache: {max_age: 0s}}\n",
	 "f.yaml:2:68: max_age must be more than 0 and at most 24h"},
	{SVC ", cache: {max_value: 5000}}\n",
	 "f.yaml:2:70: max_value must be from 1 to 4416 bytes"},
	{SVC ", cache: {maxage: 1s}}\n",
	 "f.yaml:2:59: unknown key 'maxage' (did you mean 'max_age'?)"},
};

static void one_line_for_each_mistake(void **state)
{
	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(mistakes); i++) {
		struct pd_config *c = (void *)1;
		struct pd_fault f = {0};

		assert_int_equal(pd_config_parse("f.yaml", mistakes[i].text,
						 strlen(mistakes[i].text), &c, &f),
				 -22);
		assert_string_equal(f.message, mistakes[i].message);
		assert_null(strchr(f.message, '\n'));
		assert_ptr_equal(c, (void *)1);
	}
}

static void bytes_that_are_no_text(void **state)
{
	static const char *const rows[] = {"\xff\x41\n", "a: \x01\n", "node: \"a\\0b\"\n",
					   "a: &x [*x]\n", "node: !!int 5\n&"};

	(void)state;
	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++) {
		struct pd_config *c = NULL;
		struct pd_fault f = {0};

		assert_true(pd_config_parse("f.yaml", rows[i], strlen(rows[i]), &c, &f) < 0);
		assert_memory_equal(f.message, "f.yaml:", 7);
		assert_null(c);
	}
}

/* Every prefix of a good file is good or refused with a place; nothing leaks or crashes. */
static void every_prefix(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(documented); n++) {
		struct pd_config *c = NULL;
		struct pd_fault f = {0};

		if (!pd_config_parse("f.yaml", documented, n, &c, &f))
			pd_config_free(&c);
		else
			assert_memory_equal(f.message, "f.yaml:", 7);
	}
}

static void a_file_that_is_not_there(void **state)
{
	struct pd_config *c = NULL;
	struct pd_fault f;

	(void)state;
	assert_int_equal(pd_config_read("/nonexistent.yaml", &c, &f), -2);
	assert_string_equal(f.message, "/nonexistent.yaml: cannot open: No such file or directory");
	assert_int_equal(pd_config_read("/", &c, &f), -EISDIR);
	assert_int_equal(pd_config_read("/dev/zero", &c, &f), -EFBIG);
	assert_null(c);
}

static void services_of_their_own(void **state)
{
	const char *addr[] = {"10.0.0.1", "[fd00::1]:7000"};
	struct pd_service_spec spec = {.name = "x",
				       .protocol = "redis",
				       .addresses = addr,
				       .naddresses = 2,
				       .max_age_ms = 250,
				       .acl_uniform = true};
	struct pd_config_service *s = NULL, *t = NULL;
	struct pd_fault f;

	(void)state;
	assert_int_equal(pd_config_service_new(&spec, &s, &f), 0);
	assert_int_equal(s->max_age_ns, 250000000);
	assert_int_equal(s->max_value, PD_DEFAULT_MAX_VALUE);
	assert_int_equal(s->naddrs, 2);
	assert_true(s->acl_uniform);
	assert_int_equal(pd_config_service_new(&spec, &t, &f), 0);
	assert_true(pd_config_service_same(s, t));
	t->max_value = 5;
	assert_false(pd_config_service_same(s, t));
	pd_config_service_free(&s);
	pd_config_service_free(&t);
	pd_config_service_free(&t);
	spec.transport = PD_TRANSPORT_UDP;
	assert_int_equal(pd_config_service_new(&spec, &s, &f), -22);
	assert_string_equal(f.message, "redis is not spoken over udp");
	spec = (struct pd_service_spec){0};
	assert_int_equal(pd_config_service_new(&spec, &s, &f), -22);
	assert_string_equal(f.message, "a service needs a 'name'");
	spec.name = "x";
	spec.protocol = "redis";
	assert_int_equal(pd_config_service_new(&spec, &s, &f), -22);
	assert_null(s);
}

static void sides(void **state)
{
	uint32_t v = 9;
	char buf[32];

	(void)state;
	assert_int_equal(pd_sides_parse("client", &v), 0);
	assert_int_equal(v, PD_SIDE_CLIENT);
	assert_int_equal(pd_sides_parse("edge+client+home", &v), 0);
	assert_string_equal(pd_sides_format(v, buf), "client+home+edge");
	assert_string_equal(pd_sides_format(PD_SIDE_CLIENT | PD_SIDE_EDGE, buf), "client+edge");
	assert_string_equal(pd_sides_format(PD_SIDE_HOME | PD_SIDE_EDGE, buf), "home+edge");
	assert_string_equal(pd_sides_format(0, buf), "");
	assert_int_equal(pd_sides_parse("", &v), -22);
	assert_int_equal(pd_sides_parse("client+", &v), -22);
	assert_int_equal(pd_sides_parse("clients", &v), -22);
	assert_int_equal(pd_sides_parse("+home", &v), -22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documented_file),
		cmocka_unit_test(defaults),
		cmocka_unit_test(assist),
		cmocka_unit_test(an_empty_file_is_all_defaults),
		cmocka_unit_test(spellings),
		cmocka_unit_test(one_line_for_each_mistake),
		cmocka_unit_test(bytes_that_are_no_text),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(a_file_that_is_not_there),
		cmocka_unit_test(services_of_their_own),
		cmocka_unit_test(sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
