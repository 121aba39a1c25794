/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls into the grammars: global functions of the grammar objects, chosen by the service's
 * protocol id. */
#ifndef PD_KERN_PROTO_H
#define PD_KERN_PROTO_H

#include "pandit.h"

#define PROTOCOL(id, name, label, port, flags)                                      \
	int pd_##name##_request(const struct wire_win *w, struct pd_parse *st,      \
				const struct pd_session *ses, struct wire_step *s); \
	int pd_##name##_reply(const struct wire_win *w, struct pd_parse *st,        \
			      const struct pd_session *ses, struct wire_step *s);   \
	int pd_##name##_settle(struct pd_session *ses, struct wire_step *s);        \
	int pd_##name##_emit(struct wire_emit *e);                                  \
	int pd_##name##_datagram(const struct wire_win *w, struct wire_step *s);
#include "protocols.def"
#undef PROTOCOL

static __always_inline __u32 proto_flags(__u32 protocol)
{
	switch (protocol) {
#define PROTOCOL(id, name, label, port, flags) \
	case id:                               \
		return flags;
#include "protocols.def"
#undef PROTOCOL
	}
	return 0;
}

static __always_inline int proto_request(__u32 protocol, const struct wire_win *w,
					 struct pd_parse *st, const struct pd_session *ses,
					 struct wire_step *s)
{
	switch (protocol) {
#define PROTOCOL(id, name, label, port, flags) \
	case id:                               \
		return pd_##name##_request(w, st, ses, s);
#include "protocols.def"
#undef PROTOCOL
	}
	return WIRE_EV_BAD;
}

static __always_inline int proto_reply(__u32 protocol, const struct wire_win *w,
				       struct pd_parse *st, const struct pd_session *ses,
				       struct wire_step *s)
{
	switch (protocol) {
#define PROTOCOL(id, name, label, port, flags) \
	case id:                               \
		return pd_##name##_reply(w, st, ses, s);
#include "protocols.def"
#undef PROTOCOL
	}
	return WIRE_EV_BAD;
}

static __always_inline void proto_settle(__u32 protocol, struct pd_session *ses,
					 struct wire_step *s)
{
	switch (protocol) {
#define PROTOCOL(id, name, label, port, flags) \
	case id:                               \
		pd_##name##_settle(ses, s);    \
		break;
#include "protocols.def"
#undef PROTOCOL
	}
}

static __always_inline void proto_emit(__u32 protocol, struct wire_emit *e)
{
	switch (protocol) {
#define PROTOCOL(id, name, label, port, flags) \
	case id:                               \
		if ((flags) & (WIRE_F_EMIT | WIRE_F_HEAD)) \
			pd_##name##_emit(e);   \
		break;
#include "protocols.def"
#undef PROTOCOL
	}
}

static __always_inline int proto_datagram(__u32 protocol, const struct wire_win *w,
					  struct wire_step *s)
{
	switch (protocol) {
#define PROTOCOL(id, name, label, port, flags)             \
	case id:                                           \
		if ((flags)&WIRE_F_DATAGRAM)               \
			return pd_##name##_datagram(w, s); \
		break;
#include "protocols.def"
#undef PROTOCOL
	}
	return WIRE_EV_BAD;
}

#endif
