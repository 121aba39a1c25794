/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maps/entry.h"
#include "proto/pandit/v1/config.pb-c.h"
#include "proto/wire/resp/resp_settle.h"
#include "proto/wire/wire.h"
#include "user/lib/cleanup.h"
#include "user/lib/similar.h"
#include "user/lib/strbuf.h"
#include "user/lib/yaml.h"
#include "user/service/config.h"

#define DEFAULT_CONNECTIONS 100000
#define CONNECTIONS_MAX	    10000000
#define DEFAULT_MEMORY	    (256ULL << 20)
#define MEMORY_MIN	    (1ULL << 20)
#define AGE_MAX_NS	    (24ULL * 3600 * 1000000000ULL)
#define NAME_LEN_MAX	    63

static const struct pd_protocol protocols[] = {
#define PROTOCOL(i, n, l, p, f) {.id = (i), .label = #l, .port = (p), .flags = (f)},
#include "protocols.def"
#undef PROTOCOL
};

int32_t pd_realm_db(const struct pd_protocol *p, uint64_t realm)
{
	if (strcmp(p->label, "redis"))
		return -1;
	return (int32_t)(realm >> RESP_REALM_DB & 0xffff);
}

struct builder {
	struct pd_config *config;
	const struct pd_marks *marks;
	struct pd_fault *f;
	char path[64]; /* of the service being checked */
};

const struct pd_protocol *pd_protocol_find(const char *label)
{
	for (size_t i = 0; i < PD_ARRAY_SIZE(protocols); i++)
		if (!strcmp(protocols[i].label, label))
			return &protocols[i];
	return NULL;
}

const struct pd_protocol *pd_protocol_by_id(uint8_t id)
{
	for (size_t i = 0; i < PD_ARRAY_SIZE(protocols); i++)
		if (protocols[i].id == id)
			return &protocols[i];
	return NULL;
}

static const char *at(struct builder *b, const char *field, char buf[128])
{
	snprintf(buf, 128, "%s%s%s", b->path, *b->path && *field ? "." : "", field);
	return buf;
}

/* fail(b, "address[0]", hint, fmt, ...): with the place in the file. */
#define fail(b, field, hint, ...)                                                              \
	({                                                                                     \
		char at_[128];                                                                 \
		pd_marks_fail((b)->marks, (b)->f, at((b), (field), at_), (hint), __VA_ARGS__); \
	})

__attribute__((format(printf, 2, 3))) static int notice(struct pd_config *c, const char *fmt, ...)
{
	char text[256], **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	grown = realloc(c->notices, (c->nnotices + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->notices = grown;
	grown[c->nnotices] = strdup(text);
	if (!grown[c->nnotices])
		return -ENOMEM;
	c->nnotices++;
	return 0;
}

int pd_sides_parse(const char *s, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t side;
	} names[] = {{"client", PD_SIDE_CLIENT}, {"home", PD_SIDE_HOME}, {"edge", PD_SIDE_EDGE}};
	uint32_t sides = 0;

	while (*s) {
		size_t len = strcspn(s, "+"), i;

		for (i = 0; i < PD_ARRAY_SIZE(names); i++)
			if (strlen(names[i].name) == len && !strncmp(names[i].name, s, len))
				break;
		if (i == PD_ARRAY_SIZE(names))
			return -EINVAL;
		sides |= names[i].side;
		s += len;
		if (*s == '+' && !*++s)
			return -EINVAL;
	}
	if (!sides)
		return -EINVAL;
	*ret = sides;
	return 0;
}

char *pd_sides_format(uint32_t sides, char buf[32])
{
	snprintf(buf, 32, "%s%s%s%s%s", sides & PD_SIDE_CLIENT ? "client" : "",
		 sides & PD_SIDE_CLIENT && sides & (PD_SIDE_HOME | PD_SIDE_EDGE) ? "+" : "",
		 sides & PD_SIDE_HOME ? "home" : "",
		 sides & PD_SIDE_HOME && sides & PD_SIDE_EDGE ? "+" : "",
		 sides & PD_SIDE_EDGE ? "edge" : "");
	return buf;
}

/* ---- services -------------------------------------------------------------- */

static int check_name(struct builder *b, const char *name)
{
	if (!*name)
		return fail(b, "", NULL, "a service needs a 'name'");
	if (strlen(name) > NAME_LEN_MAX)
		return fail(b, "name", NULL, "the name is longer than %d characters", NAME_LEN_MAX);
	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9') && !strchr("._-", *p))
			return fail(b, "name", "letters, digits, '.', '_' and '-'",
				    "the name '%s' holds a character that is not allowed", name);
	return 0;
}

static int check_protocol(struct builder *b, const char *label, const struct pd_protocol **ret)
{
	struct pd_similar similar = {.word = label};
	_cleanup_strbuf_ struct pd_strbuf all = {0};

	*ret = pd_protocol_find(label);
	if (*ret)
		return 0;
	for (size_t i = 0; i < PD_ARRAY_SIZE(protocols); i++) {
		pd_similar_try(&similar, protocols[i].label);
		pd_strbuf_addf(&all, "%s%s", i ? ", " : "", protocols[i].label);
	}
	if (!*label)
		return fail(b, "", NULL, "the service needs a 'protocol' (one of: %s)", all.s);
	if (similar.best)
		return fail(b, "protocol", NULL, "unknown protocol '%s' (did you mean '%s'?)",
			    label, similar.best);
	return fail(b, "protocol", NULL, "unknown protocol '%s' (one of: %s)", label, all.s);
}

static int add_address(struct builder *b, struct pd_config_service *s, size_t i, const char *text)
{
	const char *why = "";
	char field[32];

	snprintf(field, sizeof(field), "address[%zu]", i);
	if (pd_addr_parse(text, s->protocol->port, &s->addrs[i], &why))
		return fail(b, field, "write it like 10.1.0.2:6379 or [fd00::2]:6379",
			    "bad address '%s': %s", text, why);
	if (pd_ip_is_unusable(&s->addrs[i].ip))
		return fail(b, field, "write the address that clients connect to",
			    "bad address '%s': not an address of one host", text);
	for (size_t j = 0; j < i; j++)
		if (!memcmp(&s->addrs[j].ip, &s->addrs[i].ip, sizeof(struct pd_ip)) &&
		    s->addrs[j].port == s->addrs[i].port)
			return fail(b, field, NULL, "the address '%s' stands here twice", text);
	s->naddrs = i + 1;
	return 0;
}

static uint32_t protocol_transport(const struct pd_protocol *p)
{
	return (p->flags & WIRE_F_TCP ? PD_TRANSPORT_TCP : 0) |
	       (p->flags & WIRE_F_DATAGRAM ? PD_TRANSPORT_UDP : 0);
}

static int check_transport(struct builder *b, struct pd_config_service *s)
{
	uint32_t can = protocol_transport(s->protocol);

	if (!s->transport)
		s->transport = can;
	if (s->transport & ~can)
		return fail(b, "transport", NULL, "%s is not spoken over %s", s->protocol->label,
			    s->transport & ~can & PD_TRANSPORT_UDP ? "udp" : "tcp");
	return 0;
}

static int check_limits(struct builder *b, struct pd_config_service *s, uint64_t max_value,
			uint64_t udp_budget)
{
	if (!s->max_age_ns || s->max_age_ns > AGE_MAX_NS)
		return fail(b, "cache.max_age", NULL,
			    "max_age must be more than 0 and at most 24h");
	if (!s->idle_ns || s->idle_ns > AGE_MAX_NS)
		return fail(b, "idle", NULL, "idle must be more than 0 and at most 24h");
	if (!max_value || max_value > PD_REPLY_MAX)
		return fail(b, "cache.max_value", NULL, "max_value must be from 1 to %d bytes",
			    PD_REPLY_MAX);
	if (!udp_budget || udp_budget > UINT32_MAX)
		return fail(b, "udp_budget", NULL, "udp_budget must be from 1 byte to 4 GiB");
	s->max_value = (uint32_t)max_value;
	s->udp_budget = (uint32_t)udp_budget;
	return 0;
}

/* What is accepted but not active: said once per service, never left out silently. */
static int note_inactive(struct builder *b, const Pandit__V1__Service *in)
{
	struct pd_config *c = b->config;
	int err = 0;

	if (*in->credentials && in->assist == PANDIT__V1__ASSIST__ASSIST_OFF)
		err = notice(c, "service %s: 'credentials' has no effect with 'assist: off'",
			     in->name);
	if (!err && in->lease)
		err = notice(c, "service %s: 'lease' has no effect without a cluster", in->name);
	if (!err && in->consistency == PANDIT__V1__CONSISTENCY__CONSISTENCY_BOUNDED)
		err = notice(
			c,
			"service %s: 'consistency: bounded' is not active yet; it is kept strict",
			in->name);
	if (!err && in->scripts == PANDIT__V1__SCRIPTS__SCRIPTS_DECLARED_KEYS)
		err = notice(c,
			     "service %s: 'scripts: declared-keys' is not active yet; a script "
			     "writes everything",
			     in->name);
	return err;
}

/* A file is meant relative to the one that names it. */
static int fill_credentials(struct builder *b, const Pandit__V1__Service *in,
			    struct pd_config_service *s)
{
	const char *file = b->config->file, *slash = file ? strrchr(file, '/') : NULL;

	s->assist_off = in->assist == PANDIT__V1__ASSIST__ASSIST_OFF;
	if (!*in->credentials)
		return 0;
	if (*in->credentials == '/' || !slash)
		s->credentials = strdup(in->credentials);
	else
		s->credentials = pd_asprintf("%.*s/%s", (int)(slash - file), file, in->credentials);
	return s->credentials ? 0 : -ENOMEM;
}

static int fill_service(struct builder *b, const Pandit__V1__Service *in,
			struct pd_config_service *s)
{
	const Pandit__V1__Cache *cache = in->cache;
	int err = check_name(b, in->name);

	if (!err)
		err = check_protocol(b, in->protocol, &s->protocol);
	if (err)
		return err;
	s->name = strdup(in->name);
	s->addrs = calloc(in->n_address ? in->n_address : 1, sizeof(*s->addrs));
	if (!s->name || !s->addrs)
		return -ENOMEM;
	if (!in->n_address)
		return fail(b, "", "write it like 10.1.0.2:6379",
			    "the service '%s' needs an 'address'", s->name);
	for (size_t i = 0; !err && i < in->n_address; i++)
		err = add_address(b, s, i, in->address[i]);
	for (size_t i = 0; i < in->n_transport; i++)
		s->transport |= in->transport[i] == PANDIT__V1__TRANSPORT__TRANSPORT_UDP
					? PD_TRANSPORT_UDP
					: PD_TRANSPORT_TCP;
	s->acl_uniform = in->acl == PANDIT__V1__ACL__ACL_UNIFORM;
	s->home_this = in->home == PANDIT__V1__HOME__HOME_THIS;
	s->bounded = in->consistency == PANDIT__V1__CONSISTENCY__CONSISTENCY_BOUNDED;
	s->udp_any = in->udp_sources == PANDIT__V1__UDP_SOURCES__UDP_SOURCES_ANY;
	s->max_age_ns = cache && cache->max_age ? cache->max_age->ns : PD_DEFAULT_MAX_AGE_NS;
	s->idle_ns = in->idle ? in->idle->ns : PD_DEFAULT_IDLE_NS;
	s->max_entries = cache && cache->max_entries ? cache->max_entries : PD_DEFAULT_MAX_ENTRIES;
	if (!err)
		err = fill_credentials(b, in, s);
	if (!err)
		err = check_transport(b, s);
	if (!err)
		err = check_limits(b, s,
				   cache && cache->max_value ? cache->max_value->bytes
							     : PD_DEFAULT_MAX_VALUE,
				   in->udp_budget ? in->udp_budget->bytes : PD_DEFAULT_UDP_BUDGET);
	return err ? err : note_inactive(b, in);
}

static bool endpoint_taken(const struct pd_config_service *a, const struct pd_config_service *b,
			   size_t *ret_i)
{
	for (size_t i = 0; i < b->naddrs; i++)
		for (size_t j = 0; j < a->naddrs; j++)
			if ((a->transport & b->transport) && a->addrs[j].port == b->addrs[i].port &&
			    !memcmp(&a->addrs[j].ip, &b->addrs[i].ip, sizeof(struct pd_ip))) {
				*ret_i = i;
				return true;
			}
	return false;
}

static int check_unique(struct builder *b, const struct pd_config_service *s)
{
	char field[32], addr[PD_ADDR_STRLEN];
	size_t i;

	for (size_t k = 0; k < b->config->nservices; k++) {
		const struct pd_config_service *other = &b->config->services[k];

		if (!strcmp(other->name, s->name))
			return fail(b, "name", NULL, "the service '%s' stands here twice", s->name);
		if (!endpoint_taken(other, s, &i))
			continue;
		snprintf(field, sizeof(field), "address[%zu]", i);
		return fail(b, field, NULL, "the address %s belongs to the service '%s' already",
			    pd_addr_format(&s->addrs[i].ip, s->addrs[i].port, addr), other->name);
	}
	return 0;
}

static void clear_service(struct pd_config_service *s)
{
	free(s->name);
	free(s->addrs);
	free(s->credentials);
}

static int add_service(struct builder *b, size_t i, const Pandit__V1__Service *in)
{
	struct pd_config_service *s = &b->config->services[b->config->nservices];
	int err;

	snprintf(b->path, sizeof(b->path), "services[%zu]", i);
	if (in->definition && *in->definition)
		return notice(b->config,
			      "definition %s: typed services are not active yet; it is left out",
			      in->definition);
	if (b->config->nservices >= PD_SERVICES_MAX)
		return fail(b, "", NULL, "more than %d services", PD_SERVICES_MAX);
	memset(s, 0, sizeof(*s));
	err = fill_service(b, in, s);
	if (!err)
		err = check_unique(b, s);
	if (err)
		clear_service(s);
	else
		b->config->nservices++;
	b->path[0] = '\0';
	return err;
}

int pd_config_service_new(const struct pd_service_spec *spec, struct pd_config_service **ret,
			  struct pd_fault *f)
{
	static const struct pd_marks nowhere;
	struct pd_config config = {0};
	struct builder b = {.config = &config, .marks = &nowhere, .f = f};
	Pandit__V1__Service in = PANDIT__V1__SERVICE__INIT;
	Pandit__V1__Cache cache = PANDIT__V1__CACHE__INIT;
	Pandit__V1__Duration age = PANDIT__V1__DURATION__INIT;
	Pandit__V1__Size value = PANDIT__V1__SIZE__INIT;
	struct pd_config_service *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	in.name = (char *)(spec->name ? spec->name : "");
	in.protocol = (char *)(spec->protocol ? spec->protocol : "");
	in.n_address = spec->naddresses;
	in.address = (char **)spec->addresses;
	in.acl = spec->acl_uniform ? PANDIT__V1__ACL__ACL_UNIFORM : PANDIT__V1__ACL__ACL_PER_USER;
	in.home = spec->home_this ? PANDIT__V1__HOME__HOME_THIS : PANDIT__V1__HOME__HOME_ROUTE;
	s->transport = spec->transport;
	age.ns = spec->max_age_ms > AGE_MAX_NS / 1000000 ? UINT64_MAX : spec->max_age_ms * 1000000;
	value.bytes = spec->max_value;
	cache.max_age = spec->max_age_ms ? &age : NULL;
	cache.max_value = spec->max_value ? &value : NULL;
	in.cache = &cache;
	err = fill_service(&b, &in, s);
	s->bounded = spec->bounded;
	for (size_t i = 0; i < config.nnotices; i++)
		free(config.notices[i]);
	free(config.notices);
	if (err)
		pd_config_service_free(&s);
	else
		*ret = s;
	return err;
}

void pd_config_service_free(struct pd_config_service **service)
{
	if (*service)
		clear_service(*service);
	free(*service);
	*service = NULL;
}

bool pd_config_service_same(const struct pd_config_service *a, const struct pd_config_service *b)
{
	return !strcmp(a->name, b->name) && a->protocol == b->protocol && a->naddrs == b->naddrs &&
	       !memcmp(a->addrs, b->addrs, a->naddrs * sizeof(*a->addrs)) &&
	       a->transport == b->transport && a->max_age_ns == b->max_age_ns &&
	       a->idle_ns == b->idle_ns && a->max_value == b->max_value &&
	       a->udp_budget == b->udp_budget && a->acl_uniform == b->acl_uniform &&
	       a->home_this == b->home_this && a->bounded == b->bounded &&
	       a->udp_any == b->udp_any && a->assist_off == b->assist_off &&
	       !strcmp(a->credentials ? a->credentials : "", b->credentials ? b->credentials : "");
}

/* ---- the rest of the file ----------------------------------------------------- */

static int add_attach(struct builder *b, size_t i, const char *text)
{
	struct pd_config *c = b->config;
	struct pd_config_attach *a = &c->attach[c->nattach];
	size_t len = strcspn(text, ":");
	char field[32];

	snprintf(field, sizeof(field), "attach[%zu]", i);
	if (!strcmp(text, "auto")) {
		c->attach_auto = true;
		return 0;
	}
	if (!len || len >= sizeof(a->name) || strchr(text, '/') || strchr(text, ' '))
		return fail(b, field, NULL, "'%s' is not an interface name", text);
	memcpy(a->name, text, len);
	a->name[len] = '\0';
	if (text[len] && pd_sides_parse(text + len + 1, &a->sides))
		return fail(b, field,
			    "NAME, or NAME:SIDE with client, home, edge, or several joined by '+'",
			    "'%s' is not a side", text + len + 1);
	for (size_t k = 0; k < c->nattach; k++)
		if (!strcmp(c->attach[k].name, a->name))
			return fail(b, field, NULL, "the interface '%s' stands here twice",
				    a->name);
	c->nattach++;
	return 0;
}

static int fill_limits(struct builder *b, const Pandit__V1__Limits *l)
{
	struct pd_config *c = b->config;

	c->connections = l && l->connections ? l->connections : DEFAULT_CONNECTIONS;
	c->memory = l && l->memory ? l->memory->bytes : DEFAULT_MEMORY;
	if (c->connections > CONNECTIONS_MAX)
		return fail(b, "limits.connections", NULL, "connections must be at most %d",
			    CONNECTIONS_MAX);
	if (c->memory < MEMORY_MIN)
		return fail(b, "limits.memory", NULL, "memory must be at least 1MiB");
	return 0;
}

static int fill_listen(struct builder *b, const Pandit__V1__Listen *l)
{
	struct pd_config *c = b->config;
	const char *why = "";

	if (l && l->n_grpc &&
	    notice(c, "listen.grpc: typed services are not active yet; the port is not opened"))
		return -ENOMEM;
	if (!l || !*l->metrics)
		return 0;
	if (pd_addr_parse(l->metrics, 0, &c->metrics, &why))
		return fail(b, "listen.metrics", "write it like 127.0.0.1:50123",
			    "bad address '%s': %s", l->metrics, why);
	c->metrics_on = true;
	return 0;
}

static int set_path(struct builder *b, const char *field, const char *value, const char *dflt,
		    char **ret)
{
	if (!*value)
		value = dflt;
	if (*value != '/')
		return fail(b, field, NULL, "'%s' must be an absolute path, not '%s'", field,
			    value);
	if (strlen(value) > 90)
		return fail(b, field, NULL, "the path '%s' is too long", value);
	*ret = strdup(value);
	if (!*ret)
		return -ENOMEM;
	for (size_t n = strlen(*ret); n > 1 && (*ret)[n - 1] == '/'; n--)
		(*ret)[n - 1] = '\0';
	return 0;
}

static int fill_node(struct builder *b, const Pandit__V1__Config *in)
{
	char host[64] = "localhost";

	gethostname(host, sizeof(host) - 1);
	b->config->node = strdup(*in->node ? in->node : host);
	return b->config->node ? 0 : -ENOMEM;
}

static int build(struct builder *b, const Pandit__V1__Config *in)
{
	struct pd_config *c = b->config;
	int err = fill_node(b, in);

	if (!err)
		err = set_path(b, "runtime_dir", in->runtime_dir, "/run/pandit", &c->runtime_dir);
	if (!err)
		err = set_path(b, "state_dir", in->state_dir, "/var/lib/pandit", &c->state_dir);
	if (!err)
		err = set_path(b, "bpffs", in->bpffs, "/sys/fs/bpf/pandit", &c->bpffs);
	if (!err && !(c->socket = pd_asprintf("%s/pandit.sock", c->runtime_dir)))
		err = -ENOMEM;
	if (!err)
		err = fill_limits(b, in->limits);
	if (!err)
		err = fill_listen(b, in->listen);
	if (!err && in->cluster)
		err = notice(c, "cluster: not active yet; this host works alone");
	c->attach = calloc(in->n_attach + 1, sizeof(*c->attach));
	c->services = calloc(in->n_services + 1, sizeof(*c->services));
	if (!err && (!c->attach || !c->services))
		err = -ENOMEM;
	for (size_t i = 0; !err && i < in->n_attach; i++)
		err = add_attach(b, i, in->attach[i]);
	for (size_t i = 0; !err && i < in->n_services; i++)
		err = add_service(b, i, in->services[i]);
	return err;
}

static int from_message(const char *file, const Pandit__V1__Config *in,
			const struct pd_marks *marks, struct pd_config **ret, struct pd_fault *f)
{
	struct pd_config *c = calloc(1, sizeof(*c));
	struct builder b = {.config = c, .marks = marks, .f = f};
	int err = -ENOMEM;

	pd_fail(f, 0, NULL, "out of memory");
	if (c && (!file || (c->file = strdup(file))))
		err = build(&b, in);
	if (err)
		pd_config_free(&c);
	else
		*ret = c;
	return err;
}

int pd_config_parse(const char *file, const char *text, size_t len, struct pd_config **ret,
		    struct pd_fault *f)
{
	struct pd_marks marks = {0};
	ProtobufCMessage *msg = NULL;
	int err = pd_yaml_parse(file, text, len, &pandit__v1__config__descriptor, &msg, &marks, f);

	if (err)
		return err;
	err = from_message(file, (Pandit__V1__Config *)msg, &marks, ret, f);
	protobuf_c_message_free_unpacked(msg, NULL);
	pd_marks_free(&marks);
	return err;
}

int pd_config_read(const char *file, struct pd_config **ret, struct pd_fault *f)
{
	Pandit__V1__Config none = PANDIT__V1__CONFIG__INIT;
	struct pd_marks marks = {0};
	ProtobufCMessage *msg = NULL;
	int err;

	if (!file)
		return from_message(NULL, &none, &marks, ret, f);
	err = pd_yaml_read(file, &pandit__v1__config__descriptor, &msg, &marks, f);
	if (err)
		return err;
	err = from_message(file, (Pandit__V1__Config *)msg, &marks, ret, f);
	protobuf_c_message_free_unpacked(msg, NULL);
	pd_marks_free(&marks);
	return err;
}

void pd_config_free(struct pd_config **config)
{
	struct pd_config *c = *config;

	if (!c)
		return;
	for (size_t i = 0; c->services && i < c->nservices; i++)
		clear_service(&c->services[i]);
	for (size_t i = 0; i < c->nnotices; i++)
		free(c->notices[i]);
	free(c->notices);
	free(c->services);
	free(c->attach);
	free(c->file);
	free(c->node);
	free(c->runtime_dir);
	free(c->state_dir);
	free(c->socket);
	free(c->bpffs);
	free(c);
	*config = NULL;
}
