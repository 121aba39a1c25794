/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Edge hook: XDP on an uplink. Answers datagrams where the packet can grow; everything else goes on
 * to TC. */
#include "ctx_xdp.h"
#include "udp.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct udp_room);
} edge_rooms SEC(".maps");

SEC("xdp")
int edge_client(struct xdp_md *ctx)
{
	__u32 zero = 0, ifindex = ctx->ingress_ifindex, why;
	struct pd_interface *i;
	struct pd_service *svc;
	struct udp_room *r;

	r = bpf_map_lookup_elem(&edge_rooms, &zero);
	if (!r)
		return XDP_PASS;
	if (pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &r->p, true) !=
		    PKT_OK ||
	    r->p.proto != IPPROTO_UDP)
		return XDP_PASS;
	svc = pkt_service(&r->p, PKT_OK);
	i = bpf_map_lookup_elem(&interfaces, &ifindex);
	if (!svc || !i || !i->xdp_room || !(i->flags & PD_SIDE_EDGE))
		return XDP_PASS;
	pd_watch(&r->p, PD_HOOK_EDGE, false);
	why = udp_answer(ctx, r, svc, i);
	if (!why) {
		pd_verdict(svc->id, PD_V_hit);
		return XDP_TX;
	}
	if (why == PD_V_drop_forge) {
		pd_verdict(svc->id, why);
		return XDP_DROP;
	}
	if (!(i->flags & PD_SIDE_CLIENT)) { /* else TC looks at it next, and counts it */
		if (why < PD_V_pass_write && why != PD_V_miss_off)
			pd_count(svc->id, PD_C_misses);
		pd_verdict(svc->id, why);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
