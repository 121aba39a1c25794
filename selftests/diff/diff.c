/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel and user space must say the same about the same bytes: random
 * and mutated vectors of one grammar (-DPROTO, -DPROTO_HDR, -DPROTO_FLAGS), a
 * few thousand for each run of the program, every call of the grammar and all
 * that it leaves behind compared.
 *
 * usage: diff HARNESS_OBJECT [inputs [seed]]
 */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include "selftests/prog/kernel.h"
#include "selftests/unit/wire/vectors.h"

#define INPUTS	1000000

static struct harness_job *native;
static struct vectors vs;
static __u64 rng;
static struct {
	__u64 inputs, steps, key, done, more, bad, cls[PD_CLASS_MAX], kind[WIRE_KIND_PART + 1];
} seen;

static __u32 random_u32(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng >> 24;
}

static __u32 below(__u32 n)
{
	return n ? random_u32() % n : 0;
}

/* Bytes of a vector that are sent in the direction of @what, from somewhere on; up to @room. */
static __u32 sample(__u32 what, __u8 *to, __u32 room)
{
	for (int tries = 0; tries < 64; tries++) {
		const struct vector *v = &vs.v[below(vs.n)];
		const struct vector_step *st;
		size_t from = 0;

		if (!v->nsteps)
			continue;
		st = &v->steps[below(v->nsteps)];
		if (!st->len || strchr(what == HARNESS_REPLY ? "<" : ">u", st->what) == NULL)
			continue;
		if (!below(8))
			from = below(st->len);
		if (st->len - from < room)
			room = st->len - from;
		memcpy(to, v->bytes + st->off + from, room);
		return room;
	}
	return 0;
}

static void mutate(__u8 *b, __u32 *len)
{
	static const char odd[] = "\r\n\r\n\0 *$:-+0123456789_%>|~\"\xff";
	__u32 n = *len, at = below(n), m;

	if (!n)
		return;
	switch (below(6)) {
	case 0:
		b[at] ^= 1 << below(8);
		break;
	case 1:
		b[at] = random_u32();
		break;
	case 2:
		b[at] = odd[below(sizeof(odd) - 1)];
		break;
	case 3:		/* lose a few bytes */
		m = 1 + below(n - at < 8 ? n - at : 8);
		m = m > n - at ? n - at : m;
		memmove(b + at, b + at + m, n - at - m);
		*len = n - m;
		break;
	case 4:		/* say them again elsewhere */
		m = below(n - at < 32 ? n - at : 32);
		memmove(b + below(n - m), b + at, m);
		break;
	default:	/* stop early */
		*len = 1 + at;
	}
}

/* Vectors one behind the other, more or less as they are; or noise. */
static __u32 bytes(__u32 what, __u8 *b, __u32 room)
{
	__u32 n = 0, parts = 1 + below(4), changes;

	if (!below(16)) {
		n = 1 + below(64);
		for (__u32 i = 0; i < n; i++)
			b[i] = random_u32();
		return n;
	}
	while (parts-- && n < room)
		n += sample(what, b + n, room - n);
	changes = below(2) ? below(4) : 0;
	while (changes--)
		mutate(b, &n);
	return n;
}

static void session(struct pd_session *ses)
{
	memset(ses, 0, sizeof(*ses));
	if (below(4))
		return;
	ses->realm = (__u64)random_u32() << below(33);
	ses->next = below(2) ? (__u64)random_u32() << 32 | random_u32() : 0;
	ses->bits = below(8);
	ses->block = below(2);
	ses->known = below(2);
	ses->proven = below(2);
}

/* A job for the next run. It may go on where the one before it in its place ended. */
static void prepare(struct harness_job *j)
{
	__u32 what = below(16), lead = below(64), n;

	what = what < 8 ? HARNESS_REQUEST : what < 13 ? HARNESS_REPLY : what - 11;
	if (what == HARNESS_EMIT && !native_ops.emit)
		what = HARNESS_SETTLE;
	if (what == HARNESS_DATAGRAM && !native_ops.datagram)
		what = HARNESS_SETTLE;
	if (what != j->what || (j->ev & (WIRE_EV_BAD | WIRE_EV_MORE)) || j->st.skip || below(2))
		memset(&j->st, 0, sizeof(j->st));
	session(&j->ses);
	n = bytes(what, j->win.b + lead, (below(4) ? 256 : WIRE_WIN) - lead);
	memset(&j->step, 0, sizeof(j->step));
	j->step.pos = lead;
	j->step.len = lead + n;
	j->step.item_cls = below(PD_CLASS_MAX);
	j->step.item_flags = random_u32();
	j->step.item_code = below(2) ? random_u32() : below(16) << 12;
	j->step.kind = below(WIRE_KIND_PART + 1);
	j->emit = (struct wire_emit){ .op = below(16), .nkeys = below(100) };
	j->what = what;
	j->limit = HARNESS_STEPS;
	j->steps = 0;
	j->ev = 0;
	j->digest = 0;
}

static void count(const struct harness_job *j)
{
	seen.steps++;
	seen.key += !!(j->ev & WIRE_EV_KEY);
	seen.more += !!(j->ev & WIRE_EV_MORE);
	seen.bad += !!(j->ev & WIRE_EV_BAD);
	if (!(j->ev & WIRE_EV_DONE))
		return;
	seen.done++;
	if (j->what == HARNESS_REQUEST && j->step.cls < PD_CLASS_MAX)
		seen.cls[j->step.cls]++;
	if (j->what == HARNESS_REPLY && j->step.kind <= WIRE_KIND_PART)
		seen.kind[j->step.kind]++;
}

static void dump(const struct harness_job *before, const struct harness_job *k)
{
	fprintf(stderr, "what %u: user space ev %d steps %u pos %u, kernel ev %d steps %u pos %u\n",
		before->what, before->ev, before->steps, before->step.pos, k->ev, k->steps,
		k->step.pos);
	fprintf(stderr, "bytes (from 0, length %u): ", k->step.len);
	for (__u32 i = 0; i < k->step.len && i < WIRE_WIN; i++)
		fprintf(stderr, "%02x", k->win.b[i]);
	fprintf(stderr, "\n");
}

/* One run of the program over @n jobs. Returns how many differ, or -1. */
static int batch(__u32 n)
{
	int differ = 0;

	for (__u32 i = 0; i < n; i++)
		prepare(&kernel.jobs[i]);
	memcpy(native, kernel.jobs, n * sizeof(*native));
	for (__u32 i = 0; i < n; i++) {
		int stop = 0;

		for (__u32 step = 0; step < HARNESS_STEPS && !stop; step++) {
			stop = harness_step(&native[i]);
			count(&native[i]);
		}
	}
	if (kernel_run(n)) {
		perror("BPF_PROG_TEST_RUN");
		return -1;
	}
	for (__u32 i = 0; i < n; i++) {
		if (!memcmp(&native[i], &kernel.jobs[i], sizeof(*native)))
			continue;
		if (!differ++)
			dump(&native[i], &kernel.jobs[i]);
	}
	seen.inputs += n;
	return differ;
}

/* What was never seen was not compared: the kinds and classes that every protocol has. */
static int covered(void)
{
	static const int classes[] = { PD_CLASS_READ, PD_CLASS_PEEK, PD_CLASS_WRITE,
				       PD_CLASS_WRITE_ALL };

	for (unsigned int i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (!seen.cls[classes[i]])
			return 0;
	return seen.key && seen.more && seen.bad && seen.kind[WIRE_KIND_VALUE] &&
	       seen.kind[WIRE_KIND_ERROR] && seen.done > seen.inputs / 8;
}

int main(int argc, char **argv)
{
	__u64 inputs = argc > 2 ? strtoull(argv[2], NULL, 0) : INPUTS, seed = 0;
	struct timespec a, b;
	int differ = 0, r;
	__u64 left;

	if (argc < 2) {
		fprintf(stderr, "usage: %s HARNESS_OBJECT [inputs [seed]]\n", argv[0]);
		return 2;
	}
	if (argc > 3)
		seed = strtoull(argv[3], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = time(NULL);
	rng = seed | 1;
	native = malloc(HARNESS_JOBS * sizeof(*native));
	if (!native || vectors_load(&vs, native_vectors())) {
		fprintf(stderr, "%s\n", vs.error);
		return 1;
	}
	if (kernel_open(argv[1]))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (seen.inputs < inputs && !differ) {
		left = inputs - seen.inputs;
		r = batch(left < HARNESS_JOBS ? left : HARNESS_JOBS);
		if (r < 0)
			return 1;
		differ += r;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%s: %llu inputs, %llu calls: %llu messages, %llu keys, %llu incomplete, %llu bad; ",
	       native_ops.name, seen.inputs, seen.steps, seen.done, seen.key, seen.more, seen.bad);
	printf("%d differ, %.1f s, seed 0x%llx\n", differ,
	       (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9, seed);
	if (!covered())
		printf("%s: too little was seen\n", native_ops.name);
	kernel_close();
	vectors_free(&vs);
	free(native);
	return differ || !covered();
}
