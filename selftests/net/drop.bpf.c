// SPDX-License-Identifier: Apache-2.0
/*
 * Loses packets at random, for tests: a TC classifier that drops `loss[0]`
 * of every thousand packets it sees.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} loss SEC(".maps");

SEC("tc")
int drop(struct __sk_buff *skb)
{
	__u32 zero = 0, *permille = bpf_map_lookup_elem(&loss, &zero);

	(void)skb;
	if (permille && bpf_get_prandom_u32() % 1000 < *permille)
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

/* No GPL-only helper is used. */
char LICENSE[] SEC("license") = "Apache-2.0";
