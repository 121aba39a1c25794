/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of a running host: status, services, attach, reload, doctor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/service/host_impl.h"
#include "user/service/version.h"

#define COUNT_NS (1 * PD_NS_PER_S)

const char *pd_host_socket(const struct pd_host *h)
{
	return h->config->socket;
}

const char *pd_state_name(enum pd_state state)
{
	static const char *const names[] = {"starting", "ready", "degraded"};

	return names[state];
}

/* ---- status ------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void problem(struct pd_host *h, const char *fmt, ...)
{
	char text[512], **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	grown = realloc(h->problems, (h->nproblems + 1) * sizeof(*grown));
	if (!grown)
		return;
	h->problems = grown;
	grown[h->nproblems] = strdup(text);
	if (grown[h->nproblems])
		h->nproblems++;
}

static void service_problems(struct pd_host *h, const struct pd_svc *s)
{
	struct pd_authority a;

	if (!(s->row.flags & PD_SVC_ANSWER) && h->nifaces)
		problem(h, "service %s: not answering: %s", s->cfg->name, s->reason);
	if (!h->load || !s->placed)
		return;
	pd_load_authority(h->load, s->row.authority, &a);
	if (a.unknown)
		problem(h,
			"service %s: %llu stretches of traffic could not be classified; each made "
			"every entry unusable",
			s->cfg->name, (unsigned long long)a.unknown);
}

/* What is as configured, but has to be said. Not a reason to be degraded. */
static void add_advice(struct pd_host *h)
{
	for (size_t i = 0; i < h->nsvcs; i++) {
		const struct pd_svc *s = h->svcs[i];

		if (s->cfg->home_this)
			problem(h,
				"service %s: `home: this`: against writers that do not pass this "
				"host only max_age holds",
				s->cfg->name);
		if (s->assist && pd_assist_state(s->assist) == PD_ASSIST_WAITING)
			problem(h,
				"service %s: assist: %s; for changes that pandit cannot see only "
				"max_age holds",
				s->cfg->name, pd_assist_reason(s->assist));
		if (!s->cfg->assist_off && s->cfg->transport == PD_TRANSPORT_UDP &&
		    pd_assist_has(s->cfg->protocol->label))
			problem(h, "service %s: assist: it needs TCP, and the service is UDP only",
				s->cfg->name);
	}
}

static void collect_problems(struct pd_host *h)
{
	const char *const *loading = NULL;
	size_t n = 0;

	for (size_t i = 0; i < h->nproblems; i++)
		free(h->problems[i]);
	h->nproblems = 0;
	if (h->load)
		loading = pd_load_problems(h->load, &n);
	for (size_t i = 0; i < n; i++)
		problem(h, "%s", loading[i]);
	for (size_t i = 0; i < h->nlasting; i++)
		problem(h, "%s", h->lasting[i]);
	if (h->detached)
		problem(h, "detached: nothing is answered until an interface is attached");
	for (size_t i = 0; i < h->nifaces; i++) {
		const struct pd_iface *f = h->ifaces[i];

		if (f->fault.message[0])
			problem(h, "%s", f->fault.message);
		else if (!f->ifindex && !f->excluded)
			problem(h, "%s: there is no such interface now", f->name);
		if (f->draining)
			problem(h, "%s: draining", f->name);
	}
	for (size_t i = 0; i < h->nsvcs; i++)
		service_problems(h, h->svcs[i]);
}

static size_t fill_interfaces(struct pd_host *h)
{
	size_t n = 0;

	free(h->iface_infos);
	free(h->iface_sides);
	h->iface_infos = calloc(h->nifaces + 1, sizeof(*h->iface_infos));
	h->iface_sides = calloc(h->nifaces + 1, sizeof(*h->iface_sides));
	if (!h->iface_infos || !h->iface_sides)
		return 0;
	for (size_t i = 0; i < h->nifaces; i++) {
		const struct pd_iface *f = h->ifaces[i];
		uint32_t sides = f->sides ? f->sides : f->forced;

		if (f->excluded)
			continue;
		h->iface_infos[n] = (struct pd_interface_info){
			.name = f->name,
			.side = pd_sides_format(sides, h->iface_sides[n]),
			.mode = f->draining ? "draining" : f->mode,
			.reason = f->reason,
			.ifindex = f->ifindex,
			.mtu = f->mtu,
		};
		n++;
	}
	return n;
}

void pd_host_status(struct pd_host *h, struct pd_status *st)
{
	uint64_t now = pd_monotonic_ns();
	size_t problems;

	collect_problems(h);
	problems = h->nproblems;
	add_advice(h);
	if (h->load && (!h->counted || now - h->counted > COUNT_NS)) {
		h->entries = pd_load_count_entries(h->load);
		h->connections = pd_load_count_connections(h->load);
		h->counted = now;
	}
	*st = (struct pd_status){
		.node = h->config->node,
		.version = PD_VERSION,
		.state = !h->ready  ? PD_STATE_STARTING
			 : problems ? PD_STATE_DEGRADED
				    : PD_STATE_READY,
		.problems = (const char *const *)h->problems,
		.nproblems = h->nproblems,
		.ninterfaces = fill_interfaces(h),
		.entries = h->load ? h->entries : 0,
		.connections = h->load ? h->connections : 0,
		.uptime_ms = (now - h->started) / PD_NS_PER_MS,
	};
	st->interfaces = h->iface_infos;
}

/* ---- services ------------------------------------------------------------------------- */

static const char *transport_name(uint32_t transport)
{
	switch (transport) {
	case PD_TRANSPORT_TCP:
		return "tcp";
	case PD_TRANSPORT_UDP:
		return "udp";
	default:
		return "tcp+udp";
	}
}

int pd_host_services(struct pd_host *h, pd_service_fn fn, void *arg)
{
	int err = 0;

	for (size_t i = 0; !err && i < h->nsvcs; i++) {
		const struct pd_svc *s = h->svcs[i];
		const struct pd_config_service *c = s->cfg;
		struct pd_service_info info = {
			.name = c->name,
			.protocol = c->protocol->label,
			.addresses = (const char *const *)s->addr_text,
			.naddresses = c->naddrs,
			.transport = transport_name(c->transport),
			.home = s->home,
			/* What is in force: bounded needs a cluster. */
			.consistency = "strict",
			.acl = c->acl_uniform ? "uniform" : "per-user",
			.max_age_ms = c->max_age_ns / PD_NS_PER_MS,
			.max_value = c->max_value,
			.id = s->row.id,
			.authority = s->row.authority,
			.answers = s->row.flags & PD_SVC_ANSWER,
			.reason = s->reason,
		};

		info.assist = pd_svc_assist(s, &info.assist_reason);
		err = fn(arg, &info);
	}
	return err;
}

int pd_host_add_service(struct pd_host *h, const struct pd_service_spec *spec, struct pd_fault *f)
{
	struct pd_config_service *cfg;
	struct pd_fault later = {0};
	int err = pd_config_service_new(spec, &cfg, f);

	if (!err)
		err = pd_svc_new(h, cfg, true, f);
	if (err)
		return err;
	if (pd_added_write(h, &later))
		pd_host_lasting(h, "%s", later.message);
	pd_reconcile(h);
	pd_log_info("service %s: added", spec->name);
	return 0;
}

int pd_host_rm_service(struct pd_host *h, const char *name, struct pd_fault *f)
{
	struct pd_fault later = {0};

	for (size_t i = 0; i < h->nsvcs; i++) {
		if (strcmp(h->svcs[i]->cfg->name, name))
			continue;
		if (!h->svcs[i]->added)
			pd_log_warn("service %s: removed until the next start; it is still in the "
				    "configuration file",
				    name);
		pd_svc_drop(h, i);
		if (pd_added_write(h, &later))
			pd_host_lasting(h, "%s", later.message);
		pd_reconcile(h);
		return 0;
	}
	return pd_fail(f, -ENOENT, "`panditctl services` lists them", "there is no service '%s'",
		       name);
}

/* ---- interfaces -------------------------------------------------------------------------- */

static int check_attach(struct pd_host *h, const char *ifname, struct pd_fault *f)
{
	struct pd_link link;
	int err;

	if (h->detach)
		return pd_fail(f, -EBUSY, "wait for it to end", "a detach is under way");
	err = pd_net_link(h->net, ifname, &link);
	if (err == -ENODEV)
		return pd_fail(f, err, "`ip link` lists those there are",
			       "there is no interface '%s'", ifname);
	if (err)
		return pd_fail(f, err, NULL, "cannot look at '%s': %s", ifname, strerror(-err));
	if (link.loopback)
		return pd_fail(f, -EINVAL, "name the host's side of a container's veth",
			       "'%s' is the loopback interface", ifname);
	return 0;
}

int pd_host_attach(struct pd_host *h, const char *ifname, uint32_t sides, struct pd_fault *f)
{
	struct pd_iface *i = pd_iface_find(h, ifname);
	bool fresh = !i;
	int err = check_attach(h, ifname, f);

	if (err)
		return err;
	err = pd_host_load(h, f);
	if (!err && !i && pd_iface_add(h, ifname, sides, false, &i))
		err = pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (err)
		return err;
	i->excluded = false;
	if (sides)
		i->forced = i->sides | sides;
	pd_reconcile(h);
	i = pd_iface_find(h, ifname);
	if (!i)
		return pd_fail(f, -ENODEV, NULL, "'%s' has gone", ifname);
	if (i->fault.message[0]) {
		if (f)
			*f = i->fault;
		if (fresh)
			pd_iface_drop(h, i);
		return -EIO;
	}
	h->detached = false;
	return 0;
}

/* ---- reload -------------------------------------------------------------------------------- */

static int check_fixed(const struct pd_config *old, const struct pd_config *new, struct pd_fault *f)
{
	if (strcmp(old->bpffs, new->bpffs) || strcmp(old->runtime_dir, new->runtime_dir))
		return pd_fail(f, -EINVAL, "restart panditd",
			       "`bpffs` and `runtime_dir` cannot change while panditd runs");
	return 0;
}

static bool names_iface(const struct pd_config *c, const char *name)
{
	for (size_t i = 0; i < c->nattach; i++)
		if (!strcmp(c->attach[i].name, name))
			return true;
	return false;
}

int pd_host_reload(struct pd_host *h, struct pd_config *config, struct pd_fault *f)
{
	int err = check_fixed(h->config, config, f);

	if (!err)
		err = pd_ifaces_check(h, config, f);
	if (!err && (config->nattach || config->attach_auto || config->nservices))
		err = pd_host_load(h, f);
	if (!err)
		err = pd_svcs_apply(h, config, f);
	if (err) {
		pd_config_free(&config);
		return err;
	}
	for (size_t i = 0; i < h->nifaces; i++)
		if (names_iface(h->config, h->ifaces[i]->name) &&
		    !names_iface(config, h->ifaces[i]->name))
			pd_log_warn("%s: no longer in the configuration; it stays attached until "
				    "`panditctl detach %s`",
				    h->ifaces[i]->name, h->ifaces[i]->name);
	if (h->config->connections != config->connections || h->config->memory != config->memory)
		pd_log_warn("limits: the new values take effect after `panditctl detach --all`");
	pd_config_free(&h->config);
	h->config = config;
	h->detached = false;
	for (size_t i = 0; i < config->nnotices; i++)
		pd_host_lasting(h, "%s", config->notices[i]);
	if (pd_ifaces_apply(h, config) || pd_reconcile(h))
		return pd_fail(f, -EIO, NULL, "cannot look at the interfaces");
	return 0;
}

/* ---- doctor -----------------------------------------------------------------------------------
 */

static int check_loaded(struct pd_host *h, pd_check_fn fn, void *arg)
{
	struct pd_check c = {.name = "programs", .ok = true, .hint = ""};

	c.detail = !h->load				 ? "not loaded: nothing is attached"
		   : pd_load_has(h->load, "edge_client") ? "loaded"
							 : "loaded, without edge_client (XDP)";
	return fn(arg, &c);
}

static int check_pins(struct pd_host *h, pd_check_fn fn, void *arg)
{
	char detail[256];
	struct pd_check c = {.name = "pins", .ok = true, .detail = detail, .hint = ""};

	if (!h->load)
		snprintf(detail, sizeof(detail), "none in %s", h->config->bpffs);
	else
		snprintf(detail, sizeof(detail), "%s/v1, ABI %d, %s", h->config->bpffs, PD_ABI,
			 pd_load_adopted(h->load) ? "adopted" : "made by this daemon");
	if (h->load && pd_load_was_cold(h->load)) {
		c.ok = false;
		c.hint = "the log of the start says which map did not fit";
	}
	return fn(arg, &c);
}

static int check_interfaces(struct pd_host *h, pd_check_fn fn, void *arg)
{
	int err = 0;

	for (size_t i = 0; !err && i < h->nifaces; i++) {
		const struct pd_iface *f = h->ifaces[i];
		char name[40], detail[PD_REASON_LEN + 64];
		struct pd_check c = {.name = name, .detail = detail};

		if (f->excluded)
			continue;
		snprintf(name, sizeof(name), "interface %s", f->name);
		c.ok = f->ifindex && f->current && !f->fault.message[0];
		snprintf(detail, sizeof(detail), "%s: %s", f->mode, f->reason);
		c.hint = c.ok ? "" : "`ip link show`, and the log of panditd";
		err = fn(arg, &c);
	}
	return err;
}

int pd_host_doctor(struct pd_host *h, pd_check_fn fn, void *arg)
{
	int err = pd_checks_run(h->config->bpffs, fn, arg);

	if (!err)
		err = check_loaded(h, fn, arg);
	if (!err)
		err = check_pins(h, fn, arg);
	if (!err)
		err = check_interfaces(h, fn, arg);
	for (size_t i = 0; !err && i < h->nsvcs; i++) {
		const struct pd_svc *s = h->svcs[i];
		char name[80], detail[PD_REASON_LEN + 64];
		struct pd_check c = {.name = name, .detail = detail};

		snprintf(name, sizeof(name), "service %s", s->cfg->name);
		c.ok = s->row.flags & PD_SVC_ANSWER;
		snprintf(detail, sizeof(detail), "%s%s", c.ok ? "answering, home " : s->reason,
			 c.ok ? s->home : "");
		c.hint = c.ok ? "" : "attach the interface that leads to its address";
		err = fn(arg, &c);
	}
	return err;
}
