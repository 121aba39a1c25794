// SPDX-License-Identifier: Apache-2.0
/* `add`: services from options or from a YAML file, as requests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pandit/v1/config.pb-c.h"
#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"
#include "user/lib/clock.h"
#include "user/lib/units.h"
#include "user/lib/yaml.h"

#define FILE_MAX_BYTES	(1024 * 1024)
#define RELOAD_HINT	"write it into pandit.yaml and run `systemctl reload panditd`"

/* ---- options ------------------------------------------------------------ */

static int from_options(const struct ctl *ctl, struct ctl_specs *ret, struct pd_fault *f)
{
	const struct ctl_args *args = &ctl->args;
	Pandit__V1__AddServiceRequest *r = ret->requests;
	const char *size = ctl_value(args, CTL_OPT_add_max_value);
	uint64_t bytes = 0;

	r->n_addresses = ctl_values(args, CTL_OPT_add_address, ret->addresses,
				    PD_ARRAY_SIZE(ret->addresses));
	r->n_transport = ctl_values(args, CTL_OPT_add_transport, ret->transport,
				    PD_ARRAY_SIZE(ret->transport));
	if (!ctl_has(args, CTL_OPT_add_name) || !ctl_has(args, CTL_OPT_add_protocol) ||
	    !r->n_addresses)
		return pd_fail(f, -EINVAL,
			       "panditctl add --name s --protocol redis --address 10.1.0.2:6379",
			       "add needs --name, --protocol and --address, or --file");
	if (r->n_addresses > PD_ARRAY_SIZE(ret->addresses) ||
	    r->n_transport > PD_ARRAY_SIZE(ret->transport))
		return pd_fail(f, -EINVAL, NULL, "too many --address or --transport");
	if (size && (pd_size_parse(size, &bytes) || !bytes || bytes > UINT32_MAX))
		return pd_fail(f, -EINVAL, "write it like 4096 or 4KiB",
			       "--max-value: '%s' is not a size", size);
	r->name = (char *)ctl_value(args, CTL_OPT_add_name);
	r->protocol = (char *)ctl_value(args, CTL_OPT_add_protocol);
	r->addresses = (char **)ret->addresses;
	r->transport = (char **)ret->transport;
	r->max_value = (uint32_t)bytes;
	if (ctl_has(args, CTL_OPT_add_consistency))
		r->consistency = (char *)ctl_value(args, CTL_OPT_add_consistency);
	if (ctl_has(args, CTL_OPT_add_acl))
		r->acl = (char *)ctl_value(args, CTL_OPT_add_acl);
	if (ctl_has(args, CTL_OPT_add_home))
		r->home = (char *)ctl_value(args, CTL_OPT_add_home);
	return ctl_duration_ms(args, CTL_OPT_add_max_age, &r->max_age_ms, f);
}

/* ---- file --------------------------------------------------------------- */

/* Keys of pandit.yaml that the admin API does not take. */
static const char *unsupported_key(const Pandit__V1__Service *s)
{
	return s->lease ? "lease" : s->assist ? "assist" : *s->credentials ? "credentials" :
	       *s->definition ? "definition" : s->scripts ? "scripts" : s->idle ? "idle" :
	       s->udp_sources ? "udp_sources" : s->udp_budget ? "udp_budget" :
	       s->cache && s->cache->max_entries ? "cache.max_entries" : NULL;
}

static int from_message(const Pandit__V1__Service *s, Pandit__V1__AddServiceRequest *r,
			struct pd_fault *f)
{
	static const char *const words[] = { "tcp", "udp" };
	const char *key = unsupported_key(s);

	if (key)
		return pd_fail(f, -EINVAL, RELOAD_HINT, "%s: '%s' cannot be set by add", s->name,
			       key);
	if (!*s->name || !*s->protocol || !s->n_address)
		return pd_fail(f, -EINVAL, NULL, "a service needs name, protocol and address");
	r->name = s->name;
	r->protocol = s->protocol;
	r->addresses = s->address;
	r->n_addresses = s->n_address;
	r->transport = calloc(s->n_transport + 1, sizeof(*r->transport));
	if (!r->transport)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	for (size_t i = 0; i < s->n_transport; i++)
		r->transport[r->n_transport++] =
			(char *)words[s->transport[i] == PANDIT__V1__TRANSPORT__TRANSPORT_UDP];
	if (s->consistency == PANDIT__V1__CONSISTENCY__CONSISTENCY_BOUNDED)
		r->consistency = "bounded";
	if (s->acl == PANDIT__V1__ACL__ACL_UNIFORM)
		r->acl = "uniform";
	if (s->home == PANDIT__V1__HOME__HOME_THIS)
		r->home = "this";
	if (s->cache && s->cache->max_age)
		r->max_age_ms = (s->cache->max_age->ns + PD_NS_PER_MS - 1) / PD_NS_PER_MS;
	if (s->cache && s->cache->max_value)
		r->max_value = (uint32_t)s->cache->max_value->bytes;
	return 0;
}

static int read_file(const char *file, char **ret, size_t *ret_len, struct pd_fault *f)
{
	_cleanup_fclose_ FILE *opened = NULL;
	_cleanup_free_ char *text = malloc(FILE_MAX_BYTES + 1);
	FILE *in = stdin;
	size_t len;

	if (!text)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (strcmp(file, "-"))
		in = opened = fopen(file, "re");
	if (!in)
		return pd_fail(f, -errno, NULL, "cannot read %s: %s", file, strerror(errno));
	len = fread(text, 1, FILE_MAX_BYTES + 1, in);
	if (ferror(in) || len > FILE_MAX_BYTES)
		return pd_fail(f, -EINVAL, NULL, "cannot read %s: %s", file,
			       ferror(in) ? strerror(errno) : "longer than 1 MiB");
	text[len] = '\0';
	*ret = PD_TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* Whether a line begins with "services:", as in pandit.yaml. */
static bool has_services(const char *text)
{
	static const char key[] = "services:";

	for (const char *p = text; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (!strncmp(p, key, sizeof(key) - 1))
			return true;
	return false;
}

static int from_file(const char *file, struct ctl_specs *ret, struct pd_fault *f)
{
	_cleanup_free_ char *text = NULL;
	Pandit__V1__Service *one, **services = &one;
	size_t len = 0, n = 1;
	bool list;
	int err = read_file(file, &text, &len, f);

	if (err)
		return err;
	list = has_services(text);
	err = pd_yaml_parse(strcmp(file, "-") ? file : "stdin", text, len,
			    list ? &pandit__v1__config__descriptor
				 : &pandit__v1__service__descriptor,
			    &ret->file, NULL, f);
	if (err)
		return err;
	if (list) {
		services = ((Pandit__V1__Config *)ret->file)->services;
		n = ((Pandit__V1__Config *)ret->file)->n_services;
	} else {
		one = (Pandit__V1__Service *)ret->file;
	}
	free(ret->requests);
	ret->requests = calloc(n + 1, sizeof(*ret->requests));
	if (!ret->requests)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	for (ret->n = 0; !err && ret->n < n; ret->n++) {
		pandit__v1__add_service_request__init(&ret->requests[ret->n]);
		err = from_message(services[ret->n], &ret->requests[ret->n], f);
	}
	return err;
}

int ctl_specs_parse(const struct ctl *ctl, struct ctl_specs *ret, struct pd_fault *f)
{
	const char *file = ctl_value(&ctl->args, CTL_OPT_add_file);

	for (size_t i = 0; file && i < ctl->args.ngiven; i++) {
		const struct ctl_option *o = &ctl_options[ctl->args.given[i].id];

		if (o->verb == CTL_VERB_add && o != &ctl_options[CTL_OPT_add_file])
			return pd_fail(f, -EINVAL, NULL, "--file and --%s exclude each other",
				       o->name);
	}
	if (file)
		return from_file(file, ret, f);
	ret->requests = calloc(1, sizeof(*ret->requests));
	if (!ret->requests)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	pandit__v1__add_service_request__init(ret->requests);
	ret->n = 1;
	return from_options(ctl, ret, f);
}

void ctl_specs_free(struct ctl_specs *specs)
{
	for (size_t i = 0; specs->file && i < specs->n; i++)
		free(specs->requests[i].transport);
	free(specs->requests);
	ctl_free(&specs->file);
}
