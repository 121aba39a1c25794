/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at kept replies, and making them unusable. */
#include <errno.h>
#include <string.h>

#include "user/service/host_impl.h"

struct walk {
	struct pd_host *h;
	struct pd_svc *s;
	const void *key; /* NULL = every key */
	size_t key_len;
	int db; /* -1 = any */
	size_t limit, n;
	uint64_t now;
	struct pd_authority authority;
	pd_entry_fn fn;
	void *arg;
};

/* Why a hit would not be given from this entry now; NULL if it would. */
static const char *unusable(struct walk *w, const struct pd_entry *e, const void *key)
{
	struct pd_slot slot;
	uint32_t moment = (uint32_t)(w->now >> 20);
	uint64_t hash = pd_load_hash(w->h->load, key, e->key_len);

	pd_load_slot(w->h->load, w->s->row.authority, (uint32_t)(hash & (PD_SLOTS - 1)), &slot);
	if (!(w->s->row.flags & PD_SVC_ANSWER))
		return "miss_off";
	if ((slot.word | w->authority.word) & PD_WORD_FLIGHT ||
	    (int32_t)(slot.until - moment) > 0 || (int32_t)(w->authority.until - moment) > 0)
		return "miss_inflight";
	if (slot.word != e->word || w->authority.word != e->epoch)
		return "miss_changed";
	return w->now >= e->expires ? "miss_expired" : NULL;
}

static int on_entry(void *arg, unsigned int cls, uint64_t hash, const struct pd_entry *e)
{
	static const size_t room[PD_CLASSES] = {PD_DATA_S, PD_DATA_M, PD_DATA_L, PD_DATA_XL};
	struct walk *w = arg;
	const uint8_t *data = (const uint8_t *)(e + 1);
	size_t off = ((size_t)e->ident_len + 7) & ~(size_t)7;
	const char *why;
	struct pd_entry_info info;

	(void)hash;
	/* A row may be rewritten while it is copied: nothing in it is trusted. */
	if (e->service != w->s->row.id || off + e->reply_len > room[cls] ||
	    e->key_len > e->ident_len)
		return 0;
	if (w->key && (e->key_len != w->key_len || memcmp(data, w->key, w->key_len)))
		return 0;
	info = (struct pd_entry_info){
		.service = w->s->cfg->name,
		.key = data,
		.key_len = e->key_len,
		.ident = data,
		.ident_len = e->ident_len,
		.reply = data + off,
		.reply_len = e->reply_len,
		.realm = e->realm,
		.db = pd_realm_db(w->s->cfg->protocol, e->realm),
		.op = e->op,
		.class_name = pd_load_class_names[cls],
		.age_ms = w->now > e->born ? (w->now - e->born) / PD_NS_PER_MS : 0,
		.left_ms = ((int64_t)e->expires - (int64_t)w->now) / (int64_t)PD_NS_PER_MS,
	};
	if (w->db >= 0 && info.db != w->db)
		return 0;
	why = unusable(w, e, data);
	info.usable = !why;
	info.why = why ? why : "";
	w->n++;
	if (w->fn(w->arg, &info))
		return 1;
	return w->limit && w->n >= w->limit ? 1 : 0;
}

static int find_service(struct pd_host *h, const char *name, struct pd_svc **ret,
			struct pd_fault *f)
{
	*ret = pd_svc_find(h, name);
	if (!*ret)
		return pd_fail(f, -ENOENT, "`panditctl services` lists them",
			       "there is no service '%s'", name);
	return 0;
}

static int walk_entries(struct walk *w, struct pd_fault *f)
{
	int err;

	w->now = pd_boottime_ns();
	if (!w->h->load || !w->s->placed)
		return 0;
	pd_load_authority(w->h->load, w->s->row.authority, &w->authority);
	err = pd_load_entries(w->h->load, on_entry, w);
	if (err < 0)
		return pd_fail(f, err, NULL, "cannot read the entries: %s", strerror(-err));
	return 0;
}

int pd_host_entries(struct pd_host *h, const char *service, size_t limit, pd_entry_fn fn, void *arg,
		    struct pd_fault *f)
{
	struct walk w = {.h = h, .db = -1, .limit = limit, .fn = fn, .arg = arg};
	int err = find_service(h, service, &w.s, f);

	return err ? err : walk_entries(&w, f);
}

int pd_host_get(struct pd_host *h, const char *service, const void *key, size_t key_len, int db,
		pd_entry_fn fn, void *arg, struct pd_fault *f)
{
	struct walk w = {.h = h, .key = key, .key_len = key_len, .db = db, .fn = fn, .arg = arg};
	int err = find_service(h, service, &w.s, f);

	if (!err)
		err = walk_entries(&w, f);
	if (!err && !w.n)
		err = pd_fail(f, -ENOENT, "it is kept after the next read that misses",
			      "service %s has no entry for this key", service);
	return err;
}

int pd_host_flush(struct pd_host *h, const char *service, const void *key, size_t key_len,
		  struct pd_fault *f)
{
	struct pd_svc *s;
	int err = find_service(h, service, &s, f);

	if (err || !h->load || !s->placed)
		return err;
	if (key)
		pd_load_bump_slot(h->load, s->row.authority,
				  (uint32_t)(pd_load_hash(h->load, key, key_len) & (PD_SLOTS - 1)));
	else
		pd_load_bump_authority(h->load, s->row.authority);
	return 0;
}
