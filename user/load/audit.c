/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adoption looks at the values too: could the programs have written them?
 * Checked is only what every program keeps to at any moment, because the old
 * ones go on while this reads: single fields and their bounds, the sum that an
 * entry carries over its reply, and that an entry lies under the hash of what
 * it says it answers. A row that looks wrong is read again: it may have been
 * copied while it was written.
 *
 * Numbers of services and authorities are copies of what a row of `services`
 * said, and bounded wherever they are used: those are looked at there alone.
 *
 * What cannot be told from chance, because every value is a possible one, is
 * not looked at: counters, verdicts, and the versions of words. None of them
 * can make a wrong answer: a word that is not what an entry carries is a miss.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "maps/hash.h"
#include "user/lib/clock.h"
#include "user/load/impl.h"

#define BAD_ENOUGH  8			 /* rows: no need to look further */
#define AGAIN	    5			 /* looks at a row that seems wrong */
#define AGAIN_US    200			 /* between them */
#define AHEAD_NS    (60 * PD_NS_PER_S)	 /* a moment may lie so far ahead of the look */
#define AGE_NS	    (86400 * PD_NS_PER_S) /* above any max_age */
#define HOLD_MAX    8192		 /* moments of `until`; as in kern/words.h */
#define FLIGHT_MAX  (1U << 20)		 /* writes of one word in flight */
#define SEGMENT_MAX (1U << 20)		 /* bytes of one segment */
#define MTU_MAX	    (1U << 20)

static bool past(const struct pd_audit *a, uint64_t moment)
{
	return moment <= a->now + AHEAD_NS;
}

static bool sane_until(const struct pd_audit *a, uint32_t until)
{
	uint64_t moment = a->now >> 20;

	/* after 2^32 moments they wrap, and any value may be an old one */
	return moment > UINT32_MAX - HOLD_MAX || until <= moment + HOLD_MAX + (AHEAD_NS >> 20);
}

static bool sane_service(const struct pd_endpoint *key, const struct pd_service *s)
{
	const uint8_t flags = PD_SVC_ANSWER | PD_SVC_ACL_UNIFORM | PD_SVC_HOME | PD_SVC_OPEN_UDP;

	if (key->pad || s->id >= PD_SERVICES_MAX || s->authority != s->id % PD_AUTHORITIES_MAX)
		return false;
	if (s->flags & ~flags || s->max_age > AGE_NS)
		return false;
	return !(s->authorities >> PD_AUTHORITIES_MAX);
}

static bool sane_interface(const struct pd_interface *i)
{
	const uint32_t flags = PD_SIDE_CLIENT | PD_SIDE_HOME | PD_SIDE_EDGE | PD_IF_PEER;

	return !(i->flags & ~flags) && i->mtu <= MTU_MAX && i->xdp_room <= MTU_MAX && !i->pad;
}

static bool sane_slot(const struct pd_audit *a, const struct pd_slot *s)
{
	return !s->pad && !(s->classes >> PD_CLASSES) && sane_until(a, s->until) &&
	       (s->word & PD_WORD_FLIGHT) < FLIGHT_MAX;
}

static bool sane_authority(const struct pd_audit *a, const struct pd_authority *s)
{
	return s->churn <= 1 && sane_until(a, s->until) &&
	       (s->word & PD_WORD_FLIGHT) < FLIGHT_MAX && s->incarnation && s->word >> 24;
}

static bool sane_stream(const struct pd_stream *s)
{
	if (s->tail - s->head > PD_RING || s->req_busy > 1 || s->rep_busy > 1)
		return false;
	if (s->carry_len > PD_TOKEN_MAX || s->rep_carry_len > PD_TOKEN_MAX || s->nheld > PD_HELD)
		return false;
	if (s->ses.proven & ~(PD_PROVEN_READ | PD_PROVEN_PARTS | PD_PROVEN_WHOLE))
		return false;
	return s->held_all <= 1 && s->ses.known <= 1 && s->ses.opaque <= 1;
}

static bool sane_conn(const struct pd_audit *a, const struct pd_conn *c)
{
	if (!c->state || c->state > PD_CONN_DEAD || c->fins & ~(PD_FIN_CLIENT | PD_FIN_SERVER))
		return false;
	if (c->unconf > 1 || c->probe > 1 || c->local > 1)
		return false;
	if (c->pad1 || c->pad[0] || c->pad[1] || c->replay >= PD_REPLAYS)
		return false;
	if (c->m > PD_ANSWER_MAX || c->n > SEGMENT_MAX || !past(a, c->server_data))
		return false;
	return past(a, c->forwarded) && past(a, c->closed) && past(a, c->seen) &&
	       sane_stream(&c->stream);
}

static bool sane_fill(const struct pd_audit *a, const struct pd_fill *f)
{
	return f->armed <= PD_FILL_MANY && f->ident_len <= PD_IDENT_MAX &&
	       f->key_len <= PD_IDENT_MAX && past(a, f->born);
}

static bool sane_flow(const struct pd_audit *a, const struct pd_flow *f)
{
	if (!f->state || f->state > PD_CONN_DEAD || f->fins & ~(PD_FIN_CLIENT | PD_FIN_SERVER))
		return false;
	if (f->unknown > PD_FRAMING_TRIAL || f->due > 1)
		return false;
	return past(a, f->seen) && past(a, f->closed) && sane_stream(&f->stream) &&
	       sane_fill(a, &f->fill);
}

static bool sane_datagram(const struct pd_audit *a, const struct pd_dgram *d)
{
	return d->cls < PD_CLASS_MAX && !d->pad && past(a, d->seen) && sane_fill(a, &d->fill);
}

static uint32_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : (uint32_t)sum;
}

/* Ones' complement sum of 16-bit words in host order; an odd last byte is followed by a zero. */
static uint32_t sum_of(const uint8_t *data, size_t len)
{
	uint64_t sum = 0;
	uint16_t word;

	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, data, len);
	return fold(sum + word);
}

static bool sane_entry(const struct pd_audit *a, uint64_t key, const struct pd_entry *e,
		       size_t room)
{
	const uint8_t *data = (const uint8_t *)(e + 1);
	size_t off = ((size_t)e->ident_len + 7) & ~(size_t)7;
	uint64_t hash;

	if (!e->key_len || e->key_len > e->ident_len || e->ident_len > PD_IDENT_MAX ||
	    off + e->reply_len > room || e->service >= PD_SERVICES_MAX)
		return false;
	if (!past(a, e->born) || e->expires > e->born + AGE_NS)
		return false;
	if (fold(e->csum) != sum_of(data + off, e->reply_len))
		return false;
	if (!a->seeded)
		return true;
	hash = pd_hash_seeded(a->seed, data, e->ident_len);
	return key == pd_mix(pd_mix(hash, e->realm), (uint64_t)e->service << 8 | e->op);
}

static bool sane(const struct pd_audit *a, enum pd_map_id id, const void *key, const void *v)
{
	const struct pd_replay *replay = v;
	const struct pd_assembly *assembly = v;
	const struct pd_source *source = v;
	const struct pd_ttl *ttl = v;
	uint64_t hash;

	switch (id) {
	case PD_MAP_services:
		return sane_service(key, v);
	case PD_MAP_interfaces:
		return sane_interface(v);
	case PD_MAP_slots:
		return sane_slot(a, v);
	case PD_MAP_authorities:
		return sane_authority(a, v);
	case PD_MAP_connections:
		return sane_conn(a, v);
	case PD_MAP_flows:
		return sane_flow(a, v);
	case PD_MAP_datagrams:
		return sane_datagram(a, v);
	case PD_MAP_replays:
		return replay->len <= PD_ANSWER_MAX;
	case PD_MAP_assemblies:
		return past(a, assembly->since);
	case PD_MAP_sources:
		return past(a, source->seen) && past(a, source->window);
	case PD_MAP_ttls:
		return ttl->first <= ttl->last;
	case PD_MAP_entries_s:
	case PD_MAP_entries_m:
	case PD_MAP_entries_l:
	case PD_MAP_entries_xl:
		memcpy(&hash, key, sizeof(hash));
		return sane_entry(a, hash, v, pd_map_rows[id].value_size - sizeof(struct pd_entry));
	default:
		return true;
	}
}

struct look {
	struct pd_audit *a;
	enum pd_map_id id;
	int fd;
	void *room; /* for one value */
};

/* It may have been copied while it was written, or be gone by now. */
static bool still_bad(const struct look *l, const void *key)
{
	for (int i = 0; i < AGAIN; i++) {
		usleep(AGAIN_US);
		if (bpf_map_lookup_elem(l->fd, key, l->room) < 0 ||
		    sane(l->a, l->id, key, l->room))
			return false;
	}
	return true;
}

static int on_row(void *arg, const void *key, const void *value)
{
	const struct look *l = arg;

	l->a->rows++;
	if (!sane(l->a, l->id, key, value) && still_bad(l, key))
		l->a->bad++;
	return l->a->bad >= BAD_ENOUGH;
}

/* Arrays of words are read where they are. */
static int audit_words(const struct look *l, uint32_t max_entries)
{
	uint32_t size = (pd_map_rows[l->id].value_size + 7) & ~7U;
	size_t len = (size_t)size * max_entries;
	uint8_t *p = mmap(NULL, len, PROT_READ, MAP_SHARED, l->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < max_entries; i++)
		if (on_row((void *)l, &i, p + (size_t)i * size))
			break;
	munmap(p, len);
	return 0;
}

int pd_audit_map(enum pd_map_id id, int fd, uint32_t max_entries, struct pd_audit *a)
{
	const struct pd_map_row *row = &pd_map_rows[id];
	_cleanup_free_ void *room = malloc(row->value_size);
	struct look l = {.a = a, .id = id, .fd = fd, .room = room};
	int err;

	a->now = pd_boottime_ns();
	a->bad = a->rows = 0;
	if (!room)
		return -ENOMEM;
	if (row->type == BPF_MAP_TYPE_PERCPU_ARRAY || id == PD_MAP_settings)
		return 0;
	if (row->flags & BPF_F_MMAPABLE)
		return audit_words(&l, max_entries);
	err = pd_walk_rows(fd, row->key_size, row->value_size, on_row, &l);
	return err < 0 ? err : 0;
}
