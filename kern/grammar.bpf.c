/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One grammar as global functions, which the verifier checks once and on
 * their own. Compiled for each row of protocols.def with
 *	-DPROTO=name -DPROTO_HDR='"proto/wire/name/name.h"' -DPROTO_FLAGS='flags'
 * and joined with the other objects by bpftool gen object.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include PROTO_HDR

#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c)  JOIN_(a, b, c)
#define EXPORT(what)   JOIN(pd_, PROTO, _##what)
#define GRAMMAR(what)  JOIN(PROTO, _, what)

/* Linux 6.1 takes any pointer argument of a global function for one that may be NULL. */
__attribute__((noinline)) int EXPORT(request)(const struct wire_win *w, struct pd_parse *st,
					      const struct pd_session *ses, struct wire_step *s)
{
	if (!w || !st || !ses || !s)
		return WIRE_EV_BAD;
	return GRAMMAR(request)(w, st, ses, s);
}

__attribute__((noinline)) int EXPORT(reply)(const struct wire_win *w, struct pd_parse *st,
					    const struct pd_session *ses, struct wire_step *s)
{
	if (!w || !st || !ses || !s)
		return WIRE_EV_BAD;
	return GRAMMAR(reply)(w, st, ses, s);
}

__attribute__((noinline)) int EXPORT(settle)(struct pd_session *ses, struct wire_step *s)
{
	if (!ses || !s)
		return 0;
	return GRAMMAR(settle)(ses, s);
}

#if (PROTO_FLAGS) & (WIRE_F_EMIT | WIRE_F_HEAD)
__attribute__((noinline)) int EXPORT(emit)(struct wire_emit *e)
{
	if (!e)
		return 0;
	return GRAMMAR(emit)(e);
}
#endif

#if (PROTO_FLAGS) & WIRE_F_DATAGRAM
__attribute__((noinline)) int EXPORT(datagram)(const struct wire_win *w, struct wire_step *s)
{
	if (!w || !s)
		return WIRE_EV_BAD;
	return GRAMMAR(datagram)(w, s);
}
#endif

char LICENSE[] SEC("license") = "GPL";
