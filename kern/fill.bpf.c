/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making entries; a global function, so that it is verified once. */
#define PD_DEFINE_FILL
#include "ctx_skb.h"
#include "fill.h"

/* The moment until which a reply to a request of `born` may be used; 0 = it may not be kept. */
static __always_inline __u64 fill_expiry(const struct pd_fill *fi, const struct pd_service *svc,
					 __u64 now)
{
	__u64 end = fi->born + svc->max_age;
	__u64 key = fi->khash; /* 6.1 takes no key from memory behind a pointer argument */
	struct pd_ttl *t = bpf_map_lookup_elem(&ttls, &key);

	if (!t)
		return end;
	if (now < t->first)
		return end < t->first ? end : t->first;
	/* the server's own moment comes a little later than ours: until it has surely passed,
	 * nothing is certain */
	if (now < t->last + TTL_SLACK)
		return 0;
	return end;
}

struct fill_sum {
	__u8 *from;
	__u64 sum;
	__u32 len;
	__u32 pad;
};

static long fill_sum_loop(__u32 i, void *ctx)
{
	struct fill_sum *s = ctx;
	__u32 left = s->len - i * 256;
	__s64 r;

	if (i * 256 >= s->len)
		return 1;
	if (left > 256)
		left = 256;
	left = (left + 3) & ~3U;
	asm volatile("" : "+r"(left));
	if (left > 256)
		return 1;
	r = bpf_csum_diff(0, 0, (void *)(s->from + (WIRE_HIDE(i * 256) & 8191)), left, 0);
	s->sum += (__u32)r;
	return 0;
}

/* The head of the entry. */
static __always_inline void fill_head(struct pd_entry *h, const struct pd_fill *fi,
				      const struct pd_service *svc, __u32 len, __u32 csum,
				      __u64 expires)
{
	h->seq = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
	h->word = fi->word;
	h->epoch = fi->epoch;
	h->born = fi->born;
	h->expires = expires;
	h->realm = fi->realm;
	h->csum = csum;
	h->service = svc->id;
	h->reply_len = len;
	h->ident_len = fi->ident_len;
	h->key_len = fi->key_len;
	h->op = fi->op;
	h->kind = fi->kind;
	h->part = fi->armed == PD_FILL_MANY && (proto_flags(svc->protocol) & WIRE_F_HEAD);
	h->pad = 0;
}

/* Put it into the map of its size class and note the class at the slot. */
static __always_inline void fill_put(struct fill_room *room, const struct pd_fill *fi,
				     struct pd_slot *s, __u32 total)
{
	__u64 key = fi->ehash;
	__u32 cls;

	cls = total <= PD_DATA_S ? 0 : total <= PD_DATA_M ? 1 : total <= PD_DATA_L ? 2 : 3;
	if (cls == 0)
		bpf_map_update_elem(&entries_s, &key, &room->e, BPF_ANY);
	else if (cls == 1)
		bpf_map_update_elem(&entries_m, &key, &room->e, BPF_ANY);
	else if (cls == 2)
		bpf_map_update_elem(&entries_l, &key, &room->e, BPF_ANY);
	else
		bpf_map_update_elem(&entries_xl, &key, &room->e, BPF_ANY);
	if (!(s->classes & (1 << cls)))
		s->classes |= 1 << cls;
}

int pd_fill_store(const struct pd_fill *fi, const struct pd_service *svc, __u32 off, __u32 len,
		  __u64 now)
{
	struct fill_sum sum = {};
	struct pd_authority *a;
	__u32 pad = off;
	__u64 expires;
	struct pd_slot *s;
	struct fill_room *room = fill_room();

	if (!room || !fi || !svc)
		return 0;
	s = pd_slot_of(svc->authority, fi->slot);
	a = pd_authority_of(svc->authority);
	if (!s || !a)
		return 0;
	expires = fill_expiry(fi, svc, now);
	if (!expires || READ_ONCE(s->word) != fi->word || READ_ONCE(a->word) != fi->epoch ||
	    pd_held(s->until, now) || pd_held(a->until, now)) {
		pd_count(svc->id, PD_C_fills_refused);
		return 0;
	}
	/* the sum takes whole words: zero what follows the reply */
	*(__u32 *)(room->e.data + (WIRE_HIDE(off + len) & 8191)) = 0;
	sum.from = room->e.data + (WIRE_HIDE(off) & 511);
	sum.len = len;
	bpf_loop(PD_DATA_XL / 256 + 1, fill_sum_loop, &sum, 0);
	LIM(pad, PD_IDENT_MAX, return 0);
	if (bpf_probe_read_kernel(room->e.data, pad, fi->ident))
		return 0;
	fill_head(&room->e.h, fi, svc, len, csum_fold32(sum.sum), expires);
	fill_put(room, fi, s, off + len);
	pd_count(svc->id, PD_C_fills);
	pd_fills_add(a);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
