/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: their rows in the kernel, ids and flags. Rows outlive the daemon.
 * At the start all rows found are orphans; a service that is configured takes
 * its own back with id and generation, and what is left over is answered no
 * more and deleted when no translated connection needs it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/service/host_impl.h"

#define FLAGS_FIXED (PD_SVC_ACL_UNIFORM | PD_SVC_OPEN_UDP)

struct pd_svc *pd_svc_find(struct pd_host *h, const char *name)
{
	for (size_t i = 0; i < h->nsvcs; i++)
		if (!strcmp(h->svcs[i]->cfg->name, name))
			return h->svcs[i];
	return NULL;
}

/* ---- endpoints ----------------------------------------------------------------- */

typedef int (*endpoint_fn)(struct pd_host *h, struct pd_svc *s, const struct pd_endpoint *e);

/* Each (address, transport) of a service. */
static int each_endpoint(struct pd_host *h, struct pd_svc *s, endpoint_fn fn)
{
	const struct pd_config_service *c = s->cfg;
	int err = 0;

	for (size_t i = 0; !err && i < c->naddrs; i++) {
		struct pd_endpoint e = {.ip = c->addrs[i].ip, .port = htons(c->addrs[i].port)};

		if (c->transport & PD_TRANSPORT_TCP) {
			e.proto = IPPROTO_TCP;
			err = fn(h, s, &e);
		}
		if (!err && c->transport & PD_TRANSPORT_UDP) {
			e.proto = IPPROTO_UDP;
			err = fn(h, s, &e);
		}
	}
	return err;
}

/* One row of the address itself included. */
static size_t count_endpoints(const struct pd_config_service *c)
{
	return c->naddrs * (1 + (size_t)__builtin_popcount(c->transport));
}

static struct pd_orphan *find_orphan(struct pd_host *h, const struct pd_endpoint *e)
{
	for (size_t i = 0; i < h->norphans; i++)
		if (!memcmp(&h->orphans[i].key, e, sizeof(*e)))
			return &h->orphans[i];
	return NULL;
}

static void forget_orphan(struct pd_host *h, struct pd_orphan *o)
{
	*o = h->orphans[--h->norphans];
}

static int push_orphan(struct pd_host *h, const struct pd_endpoint *key,
		       const struct pd_service *row)
{
	struct pd_orphan *grown = realloc(h->orphans, (h->norphans + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	h->orphans = grown;
	grown[h->norphans].key = *key;
	grown[h->norphans++].row = *row;
	return 0;
}

/* ---- rows of addresses, for packets whose ports cannot be read ---------------------- */

static int note_address(struct pd_host *h, const struct pd_ip *ip)
{
	struct pd_ip *grown;

	for (size_t i = 0; i < h->naddr_rows; i++)
		if (!memcmp(&h->addr_rows[i], ip, sizeof(*ip)))
			return 0;
	grown = realloc(h->addr_rows, (h->naddr_rows + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	h->addr_rows = grown;
	grown[h->naddr_rows++] = *ip;
	return 0;
}

/* The authorities that live at an address, and the row of any service there. */
static uint32_t authorities_at(struct pd_host *h, const struct pd_ip *ip, struct pd_service *ret)
{
	uint32_t mask = 0;

	for (size_t k = 0; k < h->norphans; k++)
		if (!memcmp(&h->orphans[k].key.ip, ip, sizeof(*ip))) {
			mask |= 1U << h->orphans[k].row.authority % PD_AUTHORITIES_MAX;
			*ret = h->orphans[k].row;
		}
	for (size_t k = 0; k < h->nsvcs; k++) {
		const struct pd_svc *s = h->svcs[k];

		for (size_t i = 0; s->placed && i < s->cfg->naddrs; i++)
			if (!memcmp(&s->cfg->addrs[i].ip, ip, sizeof(*ip))) {
				mask |= 1U << s->row.authority;
				*ret = s->row;
			}
	}
	return mask;
}

static int write_address_rows(struct pd_host *h)
{
	int err = 0;

	for (size_t k = 0; !err && k < h->norphans; k++)
		err = note_address(h, &h->orphans[k].key.ip);
	for (size_t k = 0; !err && k < h->nsvcs; k++)
		for (size_t i = 0; !err && i < h->svcs[k]->cfg->naddrs; i++)
			err = note_address(h, &h->svcs[k]->cfg->addrs[i].ip);
	for (size_t k = 0; !err && k < h->naddr_rows;) {
		struct pd_endpoint key = {.ip = h->addr_rows[k]};
		struct pd_service row = {0};
		uint32_t mask = authorities_at(h, &key.ip, &row);

		row.authorities = mask;
		if (mask) {
			err = pd_load_set_service(h->load, &key, &row);
			k++;
		} else {
			err = pd_load_del_service(h->load, &key);
			h->addr_rows[k] = h->addr_rows[--h->naddr_rows];
		}
	}
	return err;
}

static int add_orphan(void *arg, const struct pd_endpoint *key, const struct pd_service *row)
{
	struct pd_host *h = arg;

	if (!key->proto)
		return note_address(h, &key->ip);
	return push_orphan(h, key, row);
}

/* ---- ids ------------------------------------------------------------------------- */

static uint64_t used_ids(const struct pd_host *h)
{
	uint64_t used = 0;

	for (size_t i = 0; i < h->nsvcs; i++)
		if (h->svcs[i]->placed)
			used |= 1ULL << h->svcs[i]->row.id;
	for (size_t i = 0; i < h->norphans; i++)
		used |= 1ULL << (h->orphans[i].row.id % PD_SERVICES_MAX);
	return used;
}

static int take_row(struct pd_host *h, struct pd_svc *s, const struct pd_endpoint *e)
{
	struct pd_orphan *o = find_orphan(h, e);

	if (o && !s->placed && o->row.protocol == s->cfg->protocol->id) {
		s->row = o->row;
		s->placed = true;
	}
	return 0;
}

static int release_row(struct pd_host *h, struct pd_svc *s, const struct pd_endpoint *e)
{
	struct pd_orphan *o = find_orphan(h, e);

	(void)s;
	if (o)
		forget_orphan(h, o);
	return 0;
}

static bool id_taken(const struct pd_host *h, const struct pd_svc *me, uint32_t id)
{
	for (size_t i = 0; i < h->nsvcs; i++)
		if (h->svcs[i] != me && h->svcs[i]->placed && h->svcs[i]->row.id == id)
			return true;
	return false;
}

/*
 * A new id: the one after the highest in use, so that late packets of a
 * removed service do not meet its successor. Its authority forgets
 * everything: entries name a service by its id.
 */
static int new_id(struct pd_host *h, struct pd_svc *s, struct pd_fault *f)
{
	uint64_t used = used_ids(h);
	uint32_t first = used ? 64 - (uint32_t)__builtin_clzll(used) : 0, id = 0, i;

	for (i = 0; i < PD_SERVICES_MAX; i++) {
		id = (first + i) % PD_SERVICES_MAX;
		if (!(used >> id & 1))
			break;
	}
	if (i == PD_SERVICES_MAX)
		return pd_fail(f, -ENOSPC, "wait until removed services are drained",
			       "there are %d services already", PD_SERVICES_MAX);
	s->row = (struct pd_service){.id = id, .authority = id % PD_AUTHORITIES_MAX};
	s->placed = true;
	pd_load_reset_counts(h->load, id);
	pd_load_renew(h->load, s->row.authority);
	return 0;
}

static int place(struct pd_host *h, struct pd_svc *s, struct pd_fault *f)
{
	int err = 0;

	if (s->placed || !h->load)
		return 0;
	each_endpoint(h, s, take_row);
	if (s->placed && (s->row.id >= PD_SERVICES_MAX || s->row.authority >= PD_AUTHORITIES_MAX ||
			  id_taken(h, s, s->row.id)))
		s->placed = false;
	if (!s->placed)
		err = new_id(h, s, f);
	if (!err)
		err = pd_svc_write(h, s, s->row.flags & (PD_SVC_HOME | PD_SVC_ANSWER), f);
	if (!err)
		each_endpoint(h, s, release_row);
	if (!err && write_address_rows(h))
		err = pd_fail(f, -EIO, NULL, "service %s: cannot write the rows of its addresses",
			      s->cfg->name);
	return err;
}

/* ---- rows -------------------------------------------------------------------------- */

static int put_row(struct pd_host *h, struct pd_svc *s, const struct pd_endpoint *e)
{
	return pd_load_set_service(h->load, e, &s->row);
}

int pd_svc_write(struct pd_host *h, struct pd_svc *s, uint8_t flags, struct pd_fault *f)
{
	const struct pd_config_service *c = s->cfg;
	struct pd_service row = s->row;
	bool opens, closes, shares;
	int err;

	if (!h->load || !s->placed)
		return 0;
	row.flags = flags & ~FLAGS_FIXED;
	row.flags |= (c->acl_uniform ? PD_SVC_ACL_UNIFORM : 0) | (c->udp_any ? PD_SVC_OPEN_UDP : 0);
	row.max_age = c->max_age_ns;
	row.idle_limit = c->idle_ns;
	row.max_value = c->max_value;
	row.udp_budget = c->udp_budget;
	row.protocol = c->protocol->id;
	opens = (row.flags & ~s->row.flags) & PD_SVC_ANSWER;
	closes = (s->row.flags & ~row.flags) & PD_SVC_ANSWER;
	shares = (row.flags ^ s->row.flags) & PD_SVC_ACL_UNIFORM;
	if (memcmp(&row, &s->row, sizeof(row)))
		row.generation++;
	else if (s->written)
		return 0;
	/* A closed service may have been written to unseen: it opens under a new epoch. */
	if (opens)
		pd_load_bump_authority(h->load, row.authority);
	s->row = row;
	err = each_endpoint(h, s, put_row);
	s->written = !err;
	if (closes || shares)
		pd_load_bump_authority(h->load, row.authority);
	if (err)
		return pd_fail(f, err, NULL, "service %s: cannot write its row: %s", c->name,
			       strerror(-err));
	return 0;
}

static int orphan_row(struct pd_host *h, struct pd_svc *s, const struct pd_endpoint *e)
{
	return push_orphan(h, e, &s->row);
}

int pd_svcs_adopt(struct pd_host *h, struct pd_fault *f)
{
	int err = pd_load_services(h->load, add_orphan, h);

	if (err)
		return pd_fail(f, err, NULL, "cannot read the services in the kernel: %s",
			       strerror(-err));
	for (size_t i = 0; !err && i < h->nsvcs; i++)
		err = place(h, h->svcs[i], f);
	for (size_t i = 0; !err && i < h->norphans; i++) {
		struct pd_orphan *o = &h->orphans[i];

		o->row.flags &= ~PD_SVC_ANSWER;
		pd_load_set_service(h->load, &o->key, &o->row);
		pd_load_bump_authority(h->load, o->row.authority);
	}
	return err;
}

void pd_orphans_sweep(struct pd_host *h)
{
	bool changed = false;

	for (size_t i = 0; h->load && i < h->norphans;) {
		struct pd_orphan *o = &h->orphans[i];

		if (pd_translated(h, 0, o->row.id)) {
			i++;
			continue;
		}
		pd_load_del_service(h->load, &o->key);
		forget_orphan(h, o);
		changed = true;
	}
	if (changed)
		write_address_rows(h);
}

/* ---- the list ------------------------------------------------------------------------ */

static void svc_free(struct pd_svc *s)
{
	pd_assist_free(&s->assist);
	for (size_t i = 0; s->addr_text && i < s->cfg->naddrs; i++)
		free(s->addr_text[i]);
	free(s->addr_text);
	pd_config_service_free(&s->cfg);
	free(s);
}

static int write_addresses(struct pd_svc *s)
{
	char text[PD_ADDR_STRLEN];

	s->addr_text = calloc(s->cfg->naddrs, sizeof(*s->addr_text));
	for (size_t i = 0; s->addr_text && i < s->cfg->naddrs; i++) {
		s->addr_text[i] =
			strdup(pd_addr_format(&s->cfg->addrs[i].ip, s->cfg->addrs[i].port, text));
		if (!s->addr_text[i])
			return -ENOMEM;
	}
	return s->addr_text ? 0 : -ENOMEM;
}

static int check_room(struct pd_host *h, const struct pd_config_service *cfg, struct pd_fault *f)
{
	size_t endpoints = count_endpoints(cfg);

	for (size_t i = 0; i < h->nsvcs; i++)
		endpoints += count_endpoints(h->svcs[i]->cfg);
	if (endpoints > PD_ENDPOINTS_MAX)
		return pd_fail(f, -ENOSPC, "give services fewer addresses",
			       "more than %d rows of endpoints and addresses", PD_ENDPOINTS_MAX);
	return 0;
}

/* -EEXIST if the name or an endpoint belongs to another service. */
static int check_conflict(struct pd_host *h, const struct pd_config_service *cfg,
			  struct pd_fault *f)
{
	char text[PD_ADDR_STRLEN];

	for (size_t k = 0; k < h->nsvcs; k++) {
		const struct pd_config_service *o = h->svcs[k]->cfg;

		if (!strcmp(o->name, cfg->name))
			return pd_fail(f, -EEXIST, "remove it first, or choose another name",
				       "there is a service '%s' already", cfg->name);
		for (size_t i = 0; i < cfg->naddrs; i++)
			for (size_t j = 0; j < o->naddrs; j++)
				if (o->transport & cfg->transport &&
				    o->addrs[j].port == cfg->addrs[i].port &&
				    !memcmp(&o->addrs[j].ip, &cfg->addrs[i].ip,
					    sizeof(struct pd_ip)))
					return pd_fail(f, -EEXIST, NULL,
						       "the address %s belongs to the service '%s' "
						       "already",
						       pd_addr_format(&cfg->addrs[i].ip,
								      cfg->addrs[i].port, text),
						       o->name);
	}
	return 0;
}

int pd_svc_new(struct pd_host *h, struct pd_config_service *cfg, bool added, struct pd_fault *f)
{
	struct pd_svc *s, **grown;
	int err = check_conflict(h, cfg, f);

	if (!err)
		err = check_room(h, cfg, f);
	if (err) {
		pd_config_service_free(&cfg);
		return err;
	}
	s = calloc(1, sizeof(*s));
	grown = realloc(h->svcs, (h->nsvcs + 1) * sizeof(*grown));
	if (grown)
		h->svcs = grown;
	if (!s || !grown) {
		free(s);
		pd_config_service_free(&cfg);
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	}
	s->cfg = cfg;
	s->host = h;
	s->added = added;
	err = write_addresses(s);
	if (err) {
		svc_free(s);
		return pd_fail(f, err, NULL, "out of memory");
	}
	h->svcs[h->nsvcs++] = s;
	err = place(h, s, f);
	if (err)
		pd_svc_drop(h, h->nsvcs - 1);
	return err;
}

void pd_svc_drop(struct pd_host *h, size_t i)
{
	struct pd_svc *s = h->svcs[i];

	if (h->load && s->placed) {
		pd_svc_write(h, s, s->row.flags & ~PD_SVC_ANSWER, NULL);
		pd_load_bump_authority(h->load, s->row.authority);
		each_endpoint(h, s, orphan_row);
	}
	h->nsvcs--;
	memmove(&h->svcs[i], &h->svcs[i + 1], (h->nsvcs - i) * sizeof(*h->svcs));
	svc_free(s);
	pd_orphans_sweep(h);
}

void pd_svcs_unplace(struct pd_host *h)
{
	for (size_t i = 0; i < h->nsvcs; i++) {
		pd_assist_free(&h->svcs[i]->assist);
		h->svcs[i]->placed = h->svcs[i]->written = false;
		h->svcs[i]->row = (struct pd_service){0};
	}
	free(h->orphans);
	free(h->addr_rows);
	h->orphans = NULL;
	h->addr_rows = NULL;
	h->norphans = h->naddr_rows = 0;
}

void pd_svc_free_all(struct pd_host *h)
{
	while (h->nsvcs)
		svc_free(h->svcs[--h->nsvcs]);
	free(h->svcs);
	h->svcs = NULL;
	pd_svcs_unplace(h);
}

/* ---- a new configuration ---------------------------------------------------------------- */

static const struct pd_config_service *find_cfg(const struct pd_config *c, const char *name)
{
	for (size_t i = 0; i < c->nservices; i++)
		if (!strcmp(c->services[i].name, name))
			return &c->services[i];
	return NULL;
}

static struct pd_config_service *copy_cfg(const struct pd_config_service *c)
{
	struct pd_config_service *n = malloc(sizeof(*n));

	if (!n)
		return NULL;
	*n = *c;
	n->name = strdup(c->name);
	n->addrs = malloc(c->naddrs * sizeof(*n->addrs));
	n->credentials = c->credentials ? strdup(c->credentials) : NULL;
	if (!n->name || !n->addrs || (c->credentials && !n->credentials)) {
		pd_config_service_free(&n);
		return NULL;
	}
	memcpy(n->addrs, c->addrs, c->naddrs * sizeof(*n->addrs));
	return n;
}

/* Nothing of the new services may collide with those added at run time. */
static int check_added(struct pd_host *h, const struct pd_config *config, struct pd_fault *f)
{
	struct pd_svc **all = h->svcs, *added[PD_SERVICES_MAX];
	size_t n = h->nsvcs, k = 0;
	int err = 0;

	for (size_t i = 0; i < n && k < PD_SERVICES_MAX; i++)
		if (all[i]->added)
			added[k++] = all[i];
	h->svcs = added;
	h->nsvcs = k;
	for (size_t i = 0; !err && i < config->nservices; i++)
		err = check_conflict(h, &config->services[i], f);
	h->svcs = all;
	h->nsvcs = n;
	return err;
}

static int replace(struct pd_host *h, struct pd_svc *s, const struct pd_config_service *c,
		   struct pd_fault *f)
{
	struct pd_config_service *copy = copy_cfg(c), *old = s->cfg;
	bool same_place = old->protocol == c->protocol && old->transport == c->transport &&
			  old->naddrs == c->naddrs &&
			  !memcmp(old->addrs, c->addrs, c->naddrs * sizeof(*c->addrs));

	if (!copy)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (!same_place) {
		for (size_t i = 0; i < h->nsvcs; i++)
			if (h->svcs[i] == s)
				pd_svc_drop(h, i);
		return pd_svc_new(h, copy, false, f);
	}
	s->cfg = copy;
	if (!pd_svc_assist_same(copy, old))
		pd_assist_free(&s->assist);
	pd_config_service_free(&old);
	return pd_svc_write(h, s, s->row.flags, f);
}

int pd_svcs_apply(struct pd_host *h, struct pd_config *config, struct pd_fault *f)
{
	int err = check_added(h, config, f);

	if (err)
		return err;
	for (size_t i = 0; i < h->nsvcs;) {
		if (!h->svcs[i]->added && !find_cfg(config, h->svcs[i]->cfg->name))
			pd_svc_drop(h, i);
		else
			i++;
	}
	for (size_t i = 0; !err && i < config->nservices; i++) {
		const struct pd_config_service *c = &config->services[i];
		struct pd_svc *s = pd_svc_find(h, c->name);

		if (s && !pd_config_service_same(s->cfg, c))
			err = replace(h, s, c, f);
		else if (!s) {
			struct pd_config_service *copy = copy_cfg(c);

			err = copy ? pd_svc_new(h, copy, false, f)
				   : pd_fail(f, -ENOMEM, NULL, "out of memory");
		}
	}
	return err;
}
