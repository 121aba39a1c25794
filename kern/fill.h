/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeping replies (home hook). A read that may be kept carries the words it
 * saw on its way to the server; its reply becomes an entry only if they are
 * still the same and nothing was or is in flight (rules 3 and 11).
 */
#ifndef PD_KERN_FILL_H
#define PD_KERN_FILL_H

#include "count.h"
#include "feed.h"
#include "words.h"

#ifdef PD_DEFINE_FILL
#define PD_FILL_LINKAGE
#else
#define PD_FILL_LINKAGE extern
#endif

/* Room to build an entry of the largest class. */
struct fill_room {
	struct pd_entry_xl e;
	__u8 slack[PD_DATA_XL];
};

/* One row, per CPU. A map of its own: 6.1 takes no map value from memory behind a pointer argument.
 */
PD_FILL_LINKAGE struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fill_room);
} fill_rooms SEC(".maps");

static __always_inline struct fill_room *fill_room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&fill_rooms, &zero);
}

/*
 * Make the entry. fill_room()->e.data holds the reply from `off` on, `len`
 * bytes (0..PD_REPLY_MAX); `off` is the padded length of the identity, which
 * is copied here from fi, as is everything else. now: boottime ns. Returns 1
 * if the reply was kept.
 */
int pd_fill_store(const struct pd_fill *fi, const struct pd_service *svc, __u32 off, __u32 len,
		  __u64 now);

#define TTL_SLACK \
	2000000000ULL /* ns by which a server may expire a key later than the hook computes */

/* Remember the read whose key and identity f->step reports. False: it may not be kept. */
static __always_inline bool fill_arm(struct pd_fill *fi, struct feed *f,
				     const struct pd_service *svc, __u64 realm, __u64 khash,
				     __u64 seed)
{
	struct pd_slot *s = pd_slot_of(svc->authority, khash & (PD_SLOTS - 1));
	struct pd_authority *a = pd_authority_of(svc->authority);
	__u32 len = f->step.ident_len;
	__u64 ih = khash;

	if (!s || !a || !f->step.op || !len || len > PD_IDENT_MAX ||
	    READ_ONCE(fi->armed) != PD_FILL_OFF)
		return false;
	pd_flush_due(a, f->now);
	fi->word = READ_ONCE(s->word);
	fi->epoch = READ_ONCE(a->word);
	if (((fi->word | fi->epoch) & PD_WORD_FLIGHT) || pd_held(s->until, f->now) ||
	    pd_held(a->until, f->now))
		return false;
	if (len != f->step.key_len)
		ih = pd_hash(&f->win, f->step.ident_off, len, seed);
	realm = pd_realm(svc, realm);
	fi->ehash = pd_mix(pd_mix(ih, realm), (__u64)svc->id << 8 | f->step.op);
	if (a->churn && s->tag != (__u16)(fi->ehash >> 48)) {
		s->tag = fi->ehash >> 48;
		return false;
	}
	fi->khash = khash;
	fi->born = f->now;
	fi->realm = realm;
	fi->slot = khash & (PD_SLOTS - 1);
	fi->op = f->step.op;
	fi->ident_len = len;
	fi->key_len = f->step.key_len;
	fi->reply_len = 0;
	pd_ident_copy(&f->win, f->step.ident_off, len, (struct pd_ident *)fi->ident);
	fi->armed = PD_FILL_WAIT;
	return true;
}

/* Note the bytes of the key that f->step reports, behind those of the n keys before it. False:
 * there is no room. */
static __always_inline bool fill_name(struct pd_flow *fl, struct pd_fill_key *k, __u32 n,
				      const struct feed *f)
{
	__u32 at = 0, len = f->step.key_len;

	if (n) {
		struct pd_fill_key *last = &fl->fill.many[WIRE_HIDE(n - 1) & (PD_FILL_KEYS - 1)];

		at = last->at + last->len;
	}
	k->at = at; /* also if there is no room: then there is none for the next one either */
	k->len = len;
	asm volatile("" : "+r"(at));
	if (at > PD_FILL_NAMES)
		return false;
	LIM(len, WIRE_KEY_MAX, return false);
	return !bpf_probe_read_kernel(fl->names + at, len,
				      f->win.b + (WIRE_HIDE(f->step.key_off) & (WIRE_WIN - 1)));
}

/* A key of a read that may have several: note the word of its slot. n: keys before it. */
static __always_inline void fill_note(struct pd_flow *fl, __u32 n, const struct pd_service *svc,
				      const struct feed *f, __u64 khash)
{
	__u64 now = f->now;
	struct pd_slot *s = pd_slot_of(svc->authority, khash & (PD_SLOTS - 1));
	struct pd_fill_key *k = &fl->fill.many[WIRE_HIDE(n) & (PD_FILL_KEYS - 1)];
	__u64 word;

	if (!s || n >= PD_FILL_KEYS)
		return;
	word = READ_ONCE(s->word);
	k->word = word;
	k->khash = (word & PD_WORD_FLIGHT) || pd_held(s->until, now) ? 0 : khash;
	if ((proto_flags(svc->protocol) & WIRE_F_HEAD) && f->step.parts && !fill_name(fl, k, n, f))
		k->khash = 0;
}

/* The read of several keys that fill_note() took down is on its way. */
static __always_inline bool fill_arm_many(struct pd_fill *fi, const struct feed *f,
					  const struct pd_service *svc, __u64 realm, __u32 nkeys)
{
	struct pd_authority *a = pd_authority_of(svc->authority);

	if (!a || !f->step.op || nkeys > PD_FILL_KEYS || !pd_joins(svc, realm) ||
	    READ_ONCE(fi->armed) != PD_FILL_OFF)
		return false;
	pd_flush_due(a, f->now);
	fi->epoch = READ_ONCE(a->word);
	if ((fi->epoch & PD_WORD_FLIGHT) || pd_held(a->until, f->now) || a->churn)
		return false;
	fi->born = f->now;
	fi->realm = pd_realm(svc, realm);
	fi->op = f->step.op;
	fi->left = nkeys;
	fi->armed = PD_FILL_MANY;
	return true;
}

/* The key at place f->step.key_off of the request: its name becomes the identity. Returns its index
 * in `many`, or PD_FILL_KEYS. */
static __always_inline __u32 fill_place(struct pd_flow *fl, const struct feed *f, __u32 *n)
{
	struct pd_fill *fi = &fl->fill;
	__u32 i = f->step.key_off, at, len;
	struct pd_fill_key *k = &fi->many[WIRE_HIDE(i) & (PD_FILL_KEYS - 1)];

	if (i >= PD_FILL_KEYS || !k->khash)
		return PD_FILL_KEYS;
	at = k->at;
	len = k->len;
	*n = len;
	asm volatile("" : "+r"(at));
	if (at > PD_FILL_NAMES || len > WIRE_KEY_MAX)
		return PD_FILL_KEYS;
	*(__u64 *)(fi->ident + (WIRE_HIDE(len) & (PD_IDENT_MAX - 8))) = 0;
	LIM(len, WIRE_KEY_MAX, return PD_FILL_KEYS);
	if (bpf_probe_read_kernel(fi->ident, len, fl->names + at))
		return PD_FILL_KEYS;
	return i;
}

/* The key that f->step names: the same. */
static __always_inline __u32 fill_named(struct pd_fill *fi, const struct feed *f, __u64 seed)
{
	__u32 n = f->step.key_len, i;
	__u64 h;

	if (n > WIRE_KEY_MAX)
		return PD_FILL_KEYS;
	h = pd_hash(&f->win, f->step.key_off, n, seed);
	for (i = 0; i < PD_FILL_KEYS; i++)
		if (fi->many[i].khash == h)
			break;
	if (i < PD_FILL_KEYS)
		pd_ident_copy(&f->win, f->step.key_off, n, (struct pd_ident *)fi->ident);
	return i;
}

/* The key in f->step heads a part of the reply: make fi the fill of that key. False: it may not be
 * kept. */
static __noinline __attribute__((unused)) bool fill_choose(struct pd_flow *fl, const struct feed *f,
							   const struct pd_service *svc, __u64 seed)
{
	struct pd_fill *fi = &fl->fill;
	__u32 n = f->step.key_len;
	__u32 i = n ? fill_named(fi, f, seed) : fill_place(fl, f, &n);
	__u64 h;

	if (i >= PD_FILL_KEYS || i >= fi->left)
		return false;
	h = fi->many[i].khash;
	fi->word = fi->many[i].word;
	fi->khash = h;
	fi->ehash = pd_mix(pd_mix(h, fi->realm), (__u64)svc->id << 8 | fi->op);
	fi->slot = h & (PD_SLOTS - 1);
	fi->ident_len = n;
	fi->key_len = n;
	fi->kind = WIRE_KIND_VALUE;
	return true;
}

/* The moment (boottime ns) that a step's ttl means. */
static __always_inline __u64 fill_moment(const struct wire_step *s, const struct pd_settings *set,
					 __u64 now)
{
	__u64 at = s->ttl * 1000000;

	if (s->ttl_unit == WIRE_TTL_MS)
		return now + at;
	return at > set->wall_offset ? at - set->wall_offset : 0;
}

/* A flush to come, by a delay or at a time of day: remember it. */
static __always_inline void fill_flush(__u32 authority, const struct wire_step *s, __u64 now)
{
	const struct pd_settings *set = pd_settings();

	if (s->ttl_unit != WIRE_TTL_NONE && set)
		pd_flush_at(authority, fill_moment(s, set, now));
}

/* A write set a time to live: remember the earliest and the latest moment the key may expire. */
static __always_inline void fill_ttl(__u64 khash, const struct wire_step *s, __u64 now)
{
	const struct pd_settings *set = pd_settings();
	struct pd_ttl n, *t;
	__u64 at;

	if (s->ttl_unit == WIRE_TTL_NONE || !set)
		return;
	at = fill_moment(s, set, now);
	n.first = at;
	n.last = at;
	t = bpf_map_lookup_elem(&ttls, &khash);
	if (t && now < t->last) {
		if (now < t->first && t->first < at)
			n.first = t->first;
		if (t->last > at)
			n.last = t->last;
	}
	bpf_map_update_elem(&ttls, &khash, &n, BPF_ANY);
}

/* Give up on the reply, or be done with it. */
static __always_inline void fill_off(struct pd_fill *fi, __u64 id)
{
	if (fi->armed == PD_FILL_PART || fi->armed == PD_FILL_TAIL) {
		__u32 index = fi->assembly; /* 6.1 takes no key from an argument */
		struct pd_assembly *a = bpf_map_lookup_elem(&assemblies, &index);

		if (a)
			__sync_val_compare_and_swap(&a->owner, id, 0);
	}
	barrier();
	WRITE_ONCE(fi->armed, PD_FILL_OFF); /* last: the request direction may arm it again */
}

#define ASSEMBLY_GIVE_UP 30000000000ULL

/* Claim a buffer for a reply that spans segments. */
static __always_inline bool fill_claim(struct pd_fill *fi, __u64 id, const struct pd_service *svc,
				       __u64 now)
{
	struct pd_assembly *a;
	__u64 owner;

	fi->assembly = pd_mix(id, PD_HASH_LENGTH) & (PD_ASSEMBLIES - 1);
	a = bpf_map_lookup_elem(&assemblies, &fi->assembly);
	if (!a)
		return false;
	owner = READ_ONCE(a->owner);
	if ((owner && now - READ_ONCE(a->since) < 2 * ASSEMBLY_GIVE_UP) ||
	    __sync_val_compare_and_swap(&a->owner, owner, id) != owner) {
		pd_count(svc->id, PD_C_fills_busy);
		return false;
	}
	WRITE_ONCE(a->since, now);
	fi->armed = PD_FILL_PART;
	fi->reply_len = 0;
	return true;
}

/* Append the segment's bytes from `from` to `end` to the reply under assembly; false: give up. */
static __always_inline bool fill_append(pd_ctx *ctx, struct pd_fill *fi, __u64 id,
					const struct pd_service *svc, const struct feed *f,
					__u32 from, __u32 end)
{
	struct pd_assembly *a;
	__u32 at, len = end - from, n = len;

	if ((__s32)from < 0 || (__s32)len < 0)
		return false;
	if (len > PD_REPLY_MAX || fi->reply_len > PD_REPLY_MAX - len) {
		pd_count(svc->id, PD_C_fills_large);
		return false;
	}
	if (fi->armed == PD_FILL_WAIT && !fill_claim(fi, id, svc, f->now))
		return false;
	a = bpf_map_lookup_elem(&assemblies, &fi->assembly);
	if (!a || a->owner != id || f->now - a->since > ASSEMBLY_GIVE_UP)
		return false;
	if (!n)
		return true;
	at = fi->reply_len;
	asm volatile("" : "+r"(at));
	if (at > PD_REPLY_MAX)
		return false;
	LIM(n, PD_REPLY_MAX, return false);
	if (pd_load(ctx, f->poff + from, a->data + at, n))
		return false;
	fi->reply_len += len;
	return true;
}

#endif
