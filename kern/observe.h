/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watching verdicts (maps/observe.h). While nobody looks, a packet pays for
 * reading pd_observe.on at its start, at each of its keys and at its verdict:
 * a word of constant address that never changes. All that is done for a watcher is in
 * observe.bpf.c, in global functions.
 */
#ifndef PD_KERN_OBSERVE_H
#define PD_KERN_OBSERVE_H

#include "pandit.h"
#include "maps/observe.h"

struct pkt;

#ifdef PD_DEFINE_OBSERVE
struct pd_observe pd_observe;
/*
 * Set by the loader in a load of its own that is never attached, to try
 * packets out (`panditctl why`): then nothing leaves the machine, and the
 * entries that are looked for are told. Constant, so that the verifier takes
 * what depends on it out of the programs that are attached.
 */
const volatile __u32 pd_rehearsal = 0;
#else
extern struct pd_observe pd_observe;
extern const volatile __u32 pd_rehearsal;
#endif

/* A packet of a service has arrived. odd: its ports could not be read. */
int pd_watch_packet(const struct pkt *p, __u32 hook, __u32 odd);
/* It was found to hold this key (len window bytes at off). */
int pd_watch_span(const struct wire_win *w, __u32 off, __u32 len, __u64 seed);
/* A packet without payload came in between, on behalf of the one before. */
int pd_watch_resume(void);
/* It was given a verdict; here: PD_HERE. */
int pd_watch_verdict(__u32 service, __u32 verdict, __u32 here);
/* An entry is looked for. */
int pd_watch_entry(__u64 ehash);

#define pd_watched() __builtin_expect(READ_ONCE(pd_observe.on), 0)

static __always_inline void pd_watch(const struct pkt *p, __u32 hook, bool odd)
{
	if (pd_watched())
		pd_watch_packet(p, hook, odd);
}

static __always_inline void pd_watch_key(const struct wire_win *w, const struct wire_step *s,
					 __u64 seed)
{
	if (pd_watched())
		pd_watch_span(w, s->key_off, s->key_len, seed);
}

static __always_inline void pd_watch_want(__u64 ehash)
{
	if (pd_rehearsal)
		pd_watch_entry(ehash);
}

/* Never defined: a file that gives verdicts has no row in maps/sources.def. */
extern __u32 pd_source_without_row(void)
	__attribute__((error("this file has no row in maps/sources.def")));

static __always_inline __u32 pd_source(const char *file)
{
#define SOURCE(id, name)                    \
	if (!__builtin_strcmp(file, name)) \
		return PD_SOURCE_##id;
#include "maps/sources.def"
#undef SOURCE
	return pd_source_without_row();
}

/* This very place: number of the source file << 16, and the line. */
#define PD_HERE (pd_source(__FILE_NAME__) << 16 | __LINE__)

#endif
