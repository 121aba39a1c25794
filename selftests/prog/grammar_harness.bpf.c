/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the jobs of harness.h over one grammar in the kernel. Compiled for each
 * row of protocols.def like kern/grammar.bpf.c, and joined with its object.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "proto/wire/wire.h"

#define JOIN_(a, b, c)	a##b##c
#define JOIN(a, b, c)	JOIN_(a, b, c)
#define HARNESS_CALL(f)	JOIN(pd_, PROTO, _##f)

extern int HARNESS_CALL(request)(const struct wire_win *w, struct pd_parse *st,
				 const struct pd_session *ses, struct wire_step *s);
extern int HARNESS_CALL(reply)(const struct wire_win *w, struct pd_parse *st,
			       const struct pd_session *ses, struct wire_step *s);
extern int HARNESS_CALL(settle)(struct pd_session *ses, struct wire_step *s);
extern int HARNESS_CALL(emit)(struct wire_emit *e);
extern int HARNESS_CALL(datagram)(const struct wire_win *w, struct wire_step *s);

#include "harness.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HARNESS_JOBS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct harness_job);
} jobs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} count SEC(".maps");

static long step_job(__u32 i, __u32 *at)
{
	struct harness_job *j = bpf_map_lookup_elem(&jobs, at);

	(void)i;
	return j ? harness_step(j) : 1;
}

static long run_job(__u32 i, void *ctx)
{
	__u32 at = i;

	(void)ctx;
	bpf_loop(HARNESS_STEPS, step_job, &at, 0);
	return 0;
}

SEC("tc")
int harness(struct __sk_buff *skb)
{
	__u32 zero = 0, *n = bpf_map_lookup_elem(&count, &zero);

	(void)skb;
	if (!n)
		return 1;
	bpf_loop(*n, run_job, (void *)0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
