// SPDX-License-Identifier: Apache-2.0
/* attach, detach */
#include <errno.h>
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"

#define DRAIN_MS	60000	/* what the daemon waits if not told otherwise */
#define SPARE_MS	10000	/* for everything around the drain */
#define SIDES_MAX	3

int ctl_verb_attach(struct ctl *ctl)
{
	Pandit__V1__AttachRequest request = PANDIT__V1__ATTACH_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__AttachReply *reply = NULL;
	const Pandit__V1__InterfaceStatus *in;
	const char *sides[SIDES_MAX] = { 0 };
	struct pd_fault f;

	request.interface = (char *)ctl->args.pos[0];
	request.n_sides = ctl_values(&ctl->args, CTL_OPT_attach_side, sides, SIDES_MAX);
	request.sides = (char **)sides;
	if (request.n_sides > SIDES_MAX) {
		pd_fail(&f, -EINVAL, NULL, "too many --side");
		return ctl_usage(ctl, &f);
	}
	if (ctl_ask(ctl, "Attach", &request, 0, &reply, &f))
		return ctl_fail(ctl, &f);
	in = reply->interface;
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:{s:s,s:s,s:s,s:s}}", "attached", "name",
						request.interface, "side", in ? in->side : "",
						"mode", in ? in->mode : "", "reason",
						in ? in->reason : ""), CTL_OK);
	fprintf(ctl->out, "attached %s", request.interface);
	if (in)
		fprintf(ctl->out, ": %s, %s (%s)", in->side, in->mode, in->reason);
	fputc('\n', ctl->out);
	return CTL_OK;
}

int ctl_verb_detach(struct ctl *ctl)
{
	Pandit__V1__DetachRequest request = PANDIT__V1__DETACH_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__DetachReply *reply = NULL;
	uint64_t wait_ms = DRAIN_MS;
	struct pd_fault f;
	const char *what;
	int err;

	request.all = ctl_has(&ctl->args, CTL_OPT_detach_all);
	request.force = ctl_has(&ctl->args, CTL_OPT_detach_force);
	if (ctl_duration_ms(&ctl->args, CTL_OPT_detach_timeout, &wait_ms, &f))
		return ctl_usage(ctl, &f);
	if (request.all == (ctl->args.npos > 0)) {
		pd_fail(&f, -EINVAL, "usage: panditctl detach IFACE|--all",
			"detach needs an interface or --all");
		return ctl_usage(ctl, &f);
	}
	if (!request.all)
		request.interface = (char *)ctl->args.pos[0];
	what = request.all ? "everything" : request.interface;
	request.timeout_ms = wait_ms;
	if (ctl->tty && !ctl->json && !request.force)
		fprintf(ctl->err, "draining %s ...\n", what);
	err = ctl_ask(ctl, "Detach", &request, wait_ms + SPARE_MS, &reply, &f);
	if (err && !ctl->client)	/* not even reached */
		pd_fail(&f, err, "only panditd can drain connections: start it (panditd -c FILE), "
			"then detach", "%s", strdupa(f.message));
	if (err)
		return ctl_fail(ctl, &f);
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:s}", "detached",
						request.all ? "all" : request.interface), CTL_OK);
	fprintf(ctl->out, "detached %s\n", what);
	return CTL_OK;
}
