// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"

static json_t *strings(char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_string(list[i]));
	return array;
}

static json_t *status_object(const Pandit__V1__StatusReply *st)
{
	json_t *interfaces = json_array();

	for (size_t i = 0; i < st->n_interfaces; i++) {
		const Pandit__V1__InterfaceStatus *in = st->interfaces[i];

		json_array_append_new(interfaces, json_pack(
			"{s:s,s:s,s:s,s:s,s:I,s:I}", "name", in->name, "side", in->side, "mode",
			in->mode, "reason", in->reason, "ifindex", (json_int_t)in->ifindex, "mtu",
			(json_int_t)in->mtu));
	}
	return json_pack("{s:s,s:s,s:s,s:o,s:o,s:I,s:I,s:I}", "node", st->node, "version",
			 st->version, "state", st->state, "problems",
			 strings(st->problems, st->n_problems), "interfaces", interfaces,
			 "entries", (json_int_t)st->entries, "connections",
			 (json_int_t)st->connections, "uptime_ms", (json_int_t)st->uptime_ms);
}

static void print_interfaces(struct ctl *ctl, const Pandit__V1__StatusReply *st)
{
	static const char *const headers[] = { "INTERFACE", "SIDE", "MODE", ">MTU", "WHY" };
	_cleanup_(ctl_table_free) struct ctl_table *table =
		ctl_table_new(headers, PD_ARRAY_SIZE(headers));

	for (size_t i = 0; i < st->n_interfaces; i++) {
		const Pandit__V1__InterfaceStatus *in = st->interfaces[i];

		ctl_cell(table, "%s", in->name);
		ctl_cell(table, "%s", in->side);
		ctl_cell(table, "%s", in->mode);
		if (in->mtu)
			ctl_cell(table, "%u", in->mtu);
		else
			ctl_cell(table, "-");
		ctl_cell(table, "%s", in->reason);
	}
	if (st->n_interfaces)
		ctl_table_print(ctl, table);
	else
		fprintf(ctl->out, "No interface is attached: see `panditctl help attach`.\n");
}

static void print_status(struct ctl *ctl, const Pandit__V1__StatusReply *st)
{
	char a[CTL_NUM_STRLEN];
	bool ready = !strcmp(st->state, "ready");

	fprintf(ctl->out, "panditd %s on %s: ", st->version, st->node);
	ctl_colour(ctl, ready ? 'g' : 'y', st->state);
	fprintf(ctl->out, ", up %s\n", ctl_ms(st->uptime_ms, a));
	fprintf(ctl->out, "entries      %s\n", ctl_count(st->entries, a));
	fprintf(ctl->out, "connections  %s\n\n", ctl_count(st->connections, a));
	print_interfaces(ctl, st);
	if (!st->n_problems)
		return;
	fprintf(ctl->out, "\n");
	ctl_colour(ctl, 'b', st->n_problems == 1 ? "1 problem" : "Problems");
	fprintf(ctl->out, ":\n");
	for (size_t i = 0; i < st->n_problems; i++)
		fprintf(ctl->out, "  - %s\n", st->problems[i]);
}

int ctl_verb_status(struct ctl *ctl)
{
	Pandit__V1__StatusRequest request = PANDIT__V1__STATUS_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__StatusReply *st = NULL;
	struct pd_fault f;
	int status;

	if (ctl_ask(ctl, "Status", &request, 0, &st, &f))
		return ctl_fail(ctl, &f);
	status = strcmp(st->state, "ready") || st->n_problems ? CTL_DEGRADED : CTL_OK;
	if (ctl->json)
		return ctl_print(ctl, status_object(st), status);
	print_status(ctl, st);
	return status;
}
