// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"
#include "user/lib/strbuf.h"

static json_t *service_object(const Pandit__V1__ServiceStatus *s)
{
	json_t *addresses = json_array();

	for (size_t i = 0; i < s->n_addresses; i++)
		json_array_append_new(addresses, json_string(s->addresses[i]));
	return json_pack("{s:s,s:s,s:s,s:o,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:b,s:s,s:s,s:s}",
			 "name", s->name, "protocol", s->protocol,
			 "address", s->n_addresses ? s->addresses[0] : "",
			 "addresses", addresses, "transport", s->transport, "home", s->home,
			 "consistency", s->consistency, "acl", s->acl, "max_age_ms",
			 (json_int_t)s->max_age_ms, "max_value", (json_int_t)s->max_value, "id",
			 (json_int_t)s->id, "authority", (json_int_t)s->authority, "answers",
			 s->answers, "reason", s->reason, "assist", s->assist, "assist_reason",
			 s->assist_reason);
}

/* "10.1.0.2:6379, [fd00::2]:6379" */
static char *address_list(const Pandit__V1__ServiceStatus *s)
{
	struct pd_strbuf sb = { 0 };

	for (size_t i = 0; i < s->n_addresses; i++)
		pd_strbuf_addf(&sb, "%s%s", i ? ", " : "", s->addresses[i]);
	return pd_strbuf_take(&sb);
}

static void print_services(struct ctl *ctl, const Pandit__V1__ListServicesReply *reply)
{
	static const char *const headers[] = { "SERVICE", "PROTOCOL", "ADDRESS", "TRANSPORT",
					       "HOME", "CONSISTENCY", ">MAX AGE", "ASSIST",
					       "ANSWERS" };
	_cleanup_(ctl_table_free) struct ctl_table *table =
		ctl_table_new(headers, PD_ARRAY_SIZE(headers));
	char age[CTL_NUM_STRLEN];

	for (size_t i = 0; i < reply->n_services; i++) {
		const Pandit__V1__ServiceStatus *s = reply->services[i];
		_cleanup_free_ char *addresses = address_list(s);

		ctl_cell(table, "%s", s->name);
		ctl_cell(table, "%s", s->protocol);
		ctl_cell(table, "%s", addresses ? addresses : "");
		ctl_cell(table, "%s", s->transport);
		ctl_cell(table, "%s", *s->home ? s->home : "-");
		ctl_cell(table, "%s", s->consistency);
		ctl_cell(table, "%s", ctl_ms(s->max_age_ms, age));
		ctl_cell(table, "%s", s->assist);
		ctl_cell(table, "%s%s", s->answers ? "yes" : "no: ", s->answers ? "" : s->reason);
	}
	if (reply->n_services)
		ctl_table_print(ctl, table);
	else
		fprintf(ctl->out, "No service: see `panditctl help add`.\n");
}

int ctl_verb_services(struct ctl *ctl)
{
	Pandit__V1__ListServicesRequest request = PANDIT__V1__LIST_SERVICES_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__ListServicesReply *reply = NULL;
	json_t *list;
	struct pd_fault f;

	if (ctl_ask(ctl, "ListServices", &request, 0, &reply, &f))
		return ctl_fail(ctl, &f);
	if (!ctl->json) {
		print_services(ctl, reply);
		return CTL_OK;
	}
	list = json_array();
	for (size_t i = 0; i < reply->n_services; i++)
		json_array_append_new(list, service_object(reply->services[i]));
	return ctl_print(ctl, json_pack("{s:o}", "services", list), CTL_OK);
}

/* In words at once; for JSON into @list. */
static void show_added(struct ctl *ctl, const Pandit__V1__AddServiceReply *reply, json_t *list)
{
	const Pandit__V1__ServiceStatus *s = reply->service;
	_cleanup_free_ char *addresses = s ? address_list(s) : NULL;

	if (ctl->json) {
		json_array_append_new(list, s ? service_object(s) : json_object());
		return;
	}
	if (!s) {
		fprintf(ctl->out, "added\n");
		return;
	}
	fprintf(ctl->out, "added %s: %s on %s, ", s->name, s->protocol, addresses ? addresses : "");
	if (s->answers)
		fprintf(ctl->out, "home %s, answering\n", *s->home ? s->home : "elsewhere");
	else
		fprintf(ctl->out, "not answering: %s\n", s->reason);
}

int ctl_verb_add(struct ctl *ctl)
{
	_cleanup_(ctl_specs_free) struct ctl_specs specs = { 0 };
	json_t *list = json_array();
	struct pd_fault f = { 0 };

	if (ctl_specs_parse(ctl, &specs, &f)) {
		json_decref(list);
		return ctl_usage(ctl, &f);
	}
	for (size_t i = 0; i < specs.n; i++) {
		_cleanup_msg_ Pandit__V1__AddServiceReply *reply = NULL;

		if (ctl_ask(ctl, "AddService", &specs.requests[i], 0, &reply, &f)) {
			json_decref(list);
			return ctl_fail(ctl, &f);
		}
		show_added(ctl, reply, list);
	}
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:o}", "added", list), CTL_OK);
	json_decref(list);
	return CTL_OK;
}

int ctl_verb_rm(struct ctl *ctl)
{
	Pandit__V1__RemoveServiceRequest request = PANDIT__V1__REMOVE_SERVICE_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__RemoveServiceReply *reply = NULL;
	struct pd_fault f;

	request.name = (char *)ctl->args.pos[0];
	if (ctl_ask(ctl, "RemoveService", &request, 0, &reply, &f))
		return ctl_fail(ctl, &f);
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:s}", "removed", request.name), CTL_OK);
	fprintf(ctl->out, "removed %s\n", request.name);
	return CTL_OK;
}
