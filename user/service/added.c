/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services added by panditctl survive a restart: they are written to
 * <state_dir>/added.yaml in the form of the configuration file, with the
 * values in force. A service of the configuration file wins over one there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "user/service/host_impl.h"

static char *path_of(const struct pd_host *h, const char *suffix)
{
	return pd_asprintf("%s/added.yaml%s", h->config->state_dir, suffix);
}

static void render(struct pd_strbuf *sb, const struct pd_svc *s)
{
	const struct pd_config_service *c = s->cfg;

	pd_strbuf_addf(sb, "  - name: \"%s\"\n    protocol: %s\n    address: [", c->name,
		       c->protocol->label);
	for (size_t i = 0; i < c->naddrs; i++)
		pd_strbuf_addf(sb, "%s\"%s\"", i ? ", " : "", s->addr_text[i]);
	pd_strbuf_addf(sb, "]\n    transport: [%s%s%s]\n",
		       c->transport & PD_TRANSPORT_TCP ? "tcp" : "",
		       c->transport == (PD_TRANSPORT_TCP | PD_TRANSPORT_UDP) ? ", " : "",
		       c->transport & PD_TRANSPORT_UDP ? "udp" : "");
	pd_strbuf_addf(sb, "    acl: %s\n    home: %s\n    udp_sources: %s\n    udp_budget: %u\n",
		       c->acl_uniform ? "uniform" : "per-user", c->home_this ? "this" : "route",
		       c->udp_any ? "any" : "answered", c->udp_budget);
	pd_strbuf_addf(sb, "    idle: %" PRIu64 "ns\n", c->idle_ns);
	pd_strbuf_addf(sb,
		       "    cache: {max_age: %" PRIu64 "ns, max_value: %u, max_entries: %" PRIu64
		       "}\n",
		       c->max_age_ns, c->max_value, c->max_entries);
}

static int write_file(const char *path, const struct pd_strbuf *sb)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < sb->len) {
		ssize_t n = write(fd, sb->s + done, sb->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int pd_added_write(struct pd_host *h, struct pd_fault *f)
{
	_cleanup_free_ char *path = path_of(h, ""), *next = path_of(h, ".next");
	_cleanup_strbuf_ struct pd_strbuf sb = {0};
	size_t n = 0;
	int err = 0;

	if (!path || !next)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	pd_strbuf_adds(&sb,
		       "# Written by panditd: services added by `panditctl add`.\nservices:\n");
	for (size_t i = 0; i < h->nsvcs; i++)
		if (h->svcs[i]->added) {
			render(&sb, h->svcs[i]);
			n++;
		}
	if (!n) {
		if (unlink(path) < 0 && errno != ENOENT)
			err = -errno;
	} else {
		if (mkdir(h->config->state_dir, 0755) < 0 && errno != EEXIST)
			err = -errno;
		if (!err && !sb.failed)
			err = write_file(next, &sb);
		if (!err && rename(next, path) < 0)
			err = -errno;
	}
	if (!err)
		return 0;
	return pd_fail(f, err, "check `state_dir`",
		       "%s cannot be written: added services are lost at a restart: %s", path,
		       strerror(-err));
}

static int add_one(struct pd_host *h, const struct pd_config_service *c)
{
	const char *addresses[PD_ENDPOINTS_MAX];
	char text[PD_ENDPOINTS_MAX][PD_ADDR_STRLEN];
	struct pd_service_spec spec = {
		.name = c->name,
		.protocol = c->protocol->label,
		.addresses = addresses,
		.transport = c->transport,
		.max_age_ms = c->max_age_ns / PD_NS_PER_MS,
		.max_value = c->max_value,
		.acl_uniform = c->acl_uniform,
		.home_this = c->home_this,
	};
	struct pd_config_service *copy;
	struct pd_fault f = {0};
	int err;

	for (size_t i = 0; i < c->naddrs && i < PD_ENDPOINTS_MAX; i++)
		addresses[spec.naddresses++] =
			pd_addr_format(&c->addrs[i].ip, c->addrs[i].port, text[i]);
	err = pd_config_service_new(&spec, &copy, &f);
	if (!err)
		err = pd_svc_new(h, copy, true, &f);
	if (err)
		pd_host_lasting(h, "added service %s is left out: %s", c->name, f.message);
	return err == -ENOMEM ? err : 0;
}

int pd_added_read(struct pd_host *h, struct pd_fault *f)
{
	_cleanup_free_ char *path = path_of(h, "");
	struct pd_config *c = NULL;
	int err;

	if (!path)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (access(path, F_OK) < 0)
		return 0;
	err = pd_config_read(path, &c, f);
	if (err == -ENOMEM)
		return err;
	if (err) {
		/* The configuration file is good: a bad copy of run-time changes must not stop the
		 * host. */
		pd_host_lasting(h, "added services are left out: %s", f->message);
		return 0;
	}
	for (size_t i = 0; !err && i < c->nservices; i++)
		err = add_one(h, &c->services[i]);
	pd_config_free(&c);
	return err;
}
