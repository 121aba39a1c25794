/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting: every exit after a service match names a verdict; rare events also go to the ring. */
#ifndef PD_KERN_COUNT_H
#define PD_KERN_COUNT_H

#include "pandit.h"
#include "observe.h"

static __always_inline void pd_verdict_at(__u32 service, __u32 verdict, __u32 here)
{
	__u32 i = (service & (PD_SERVICES_MAX - 1)) * PD_VERDICTS_MAX +
		  (verdict & (PD_VERDICTS_MAX - 1));
	struct pd_verdict *v = bpf_map_lookup_elem(&verdicts, &i);

	if (pd_watched())
		pd_watch_verdict(service, verdict, here);
	if (!v)
		return;
	v->count++;
	v->line = here & 0xffff;
}

/* Count one packet under a reason, with the source line that decided it. */
#define pd_verdict(service, verdict) pd_verdict_at(service, verdict, PD_HERE)

static __always_inline void pd_count_by(__u32 service, __u32 counter, __u64 n)
{
	__u32 i = (service & (PD_SERVICES_MAX - 1)) * PD_COUNTERS_MAX + counter;
	__u64 *v = bpf_map_lookup_elem(&counters, &i);

	if (v)
		*v += n;
}

/* n requests were answered in the kernel. Returns the count of this processor before. */
static __always_inline __u64 pd_count_hits(__u32 service, __u64 n)
{
	__u32 i = (service & (PD_SERVICES_MAX - 1)) * PD_COUNTERS_MAX + PD_C_hits;
	__u64 *v = bpf_map_lookup_elem(&counters, &i), old;

	if (!v)
		return 0;
	old = *v;
	*v = old + n;
	return old;
}

static __always_inline void pd_count(__u32 service, __u32 counter)
{
	pd_count_by(service, counter, 1);
}

/* Tell the daemon of something rare. A full ring is counted, never waited for. */
static __always_inline void pd_event_at(__u32 service, __u32 type, const struct pd_tuple *flow,
					__u32 line)
{
	struct pd_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		pd_count(service, PD_C_ring_full);
		return;
	}
	e->when = bpf_ktime_get_boot_ns();
	e->type = type;
	e->line = line;
	e->service = service;
	e->verdict = 0;
	__builtin_memcpy(&e->flow, flow, sizeof(e->flow));
	bpf_ringbuf_submit(e, 0);
}

#define pd_event(service, type, flow) pd_event_at(service, type, flow, __LINE__)

#endif
