// SPDX-License-Identifier: Apache-2.0
/*
 * pandit.v1.Admin: translates between messages and the host, nothing more.
 * Replies are built as protobuf-c would have decoded them (everything
 * allocated), because what the host hands out is valid only in its callbacks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pandit/v1/admin.pb-c.h"
#include "maps/service.h"
#include "user/lib/clock.h"
#include "user/lib/cleanup.h"
#include "user/lib/log.h"
#include "user/lib/strbuf.h"
#include "user/rpc/rpc.h"
#include "user/service/admin_impl.h"

#define PAGE_ENTRIES	256	/* entries of one ListEntriesReply */
#define GET_MAX		512	/* entries of one GetEntryReply */

/* ---- status ------------------------------------------------------------- */

static void fill_interface(struct build *b, Pandit__V1__InterfaceStatus *to,
			   const struct pd_interface_info *from)
{
	to->name = copy(b, from->name);
	to->side = copy(b, from->side);
	to->mode = copy(b, from->mode);
	to->reason = copy(b, from->reason);
	to->ifindex = from->ifindex;
	to->mtu = from->mtu;
}

static void handle_status(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	_cleanup_build_ struct build b = { 0 };
	struct pd_admin *admin = arg;
	Pandit__V1__StatusReply *reply;
	struct pd_status st;

	(void)request;
	if (!begin(call, &b, &pandit__v1__status_reply__descriptor))
		return;
	reply = (Pandit__V1__StatusReply *)b.msg;
	pd_host_status(admin->host, &st);
	reply->node = copy(&b, st.node);
	reply->version = copy(&b, st.version);
	reply->state = copy(&b, pd_state_name(st.state));
	copy_strings(&b, &reply->problems, &reply->n_problems, st.problems, st.nproblems);
	for (size_t i = 0; i < st.ninterfaces; i++) {
		Pandit__V1__InterfaceStatus *to =
			APPEND(&b, reply->interfaces, reply->n_interfaces,
			       &pandit__v1__interface_status__descriptor);

		if (to)
			fill_interface(&b, to, &st.interfaces[i]);
	}
	reply->entries = st.entries;
	reply->connections = st.connections;
	reply->uptime_ms = st.uptime_ms;
	conclude(call, &b, 0, NULL);
}

/* ---- services ----------------------------------------------------------- */

static void fill_service(struct build *b, Pandit__V1__ServiceStatus *to,
			 const struct pd_service_info *from)
{
	to->name = copy(b, from->name);
	to->protocol = copy(b, from->protocol);
	copy_strings(b, &to->addresses, &to->n_addresses, from->addresses, from->naddresses);
	to->transport = copy(b, from->transport);
	to->home = copy(b, from->home);
	to->consistency = copy(b, from->consistency);
	to->acl = copy(b, from->acl);
	to->max_age_ms = from->max_age_ms;
	to->max_value = from->max_value;
	to->id = from->id;
	to->authority = from->authority;
	to->answers = from->answers;
	to->reason = copy(b, from->reason);
	to->assist = copy(b, from->assist);
	to->assist_reason = copy(b, from->assist_reason);
}

static int add_service_row(void *arg, const struct pd_service_info *info)
{
	struct build *b = arg;
	Pandit__V1__ListServicesReply *reply = (Pandit__V1__ListServicesReply *)b->msg;
	Pandit__V1__ServiceStatus *to = APPEND(b, reply->services, reply->n_services,
					       &pandit__v1__service_status__descriptor);

	if (to)
		fill_service(b, to, info);
	return b->err;
}

static void handle_list_services(struct pd_rpc_call *call, const ProtobufCMessage *request,
				 void *arg)
{
	_cleanup_build_ struct build b = { 0 };
	struct pd_admin *admin = arg;

	(void)request;
	if (begin(call, &b, &pandit__v1__list_services_reply__descriptor))
		conclude(call, &b, pd_host_services(admin->host, add_service_row, &b), NULL);
}

/* One of two words, or the default. */
static int parse_choice(const char *what, const char *word, const char *off, const char *on,
			bool *ret, struct pd_fault *f)
{
	if (*word && strcmp(word, off) && strcmp(word, on))
		return pd_fail(f, -EINVAL, "see `panditctl help add`",
			       "%s is '%s' or '%s', not '%s'", what, off, on, word);
	*ret = !strcmp(word, on);
	return 0;
}

static int parse_transport(const Pandit__V1__AddServiceRequest *request, uint32_t *ret,
			   struct pd_fault *f)
{
	uint32_t transport = 0;

	for (size_t i = 0; i < request->n_transport; i++) {
		const char *word = request->transport[i];

		if (strcmp(word, "tcp") && strcmp(word, "udp"))
			return pd_fail(f, -EINVAL, "see `panditctl help add`",
				       "transport is 'tcp' or 'udp', not '%s'", word);
		transport |= *word == 't' ? PD_TRANSPORT_TCP : PD_TRANSPORT_UDP;
	}
	*ret = transport;
	return 0;
}

static int parse_spec(const Pandit__V1__AddServiceRequest *request, struct pd_service_spec *spec,
		      struct pd_fault *f)
{
	int err;

	spec->name = request->name;
	spec->protocol = request->protocol;
	spec->addresses = (const char *const *)request->addresses;
	spec->naddresses = request->n_addresses;
	spec->max_age_ms = request->max_age_ms;
	spec->max_value = request->max_value;
	err = parse_choice("consistency", request->consistency, "strict", "bounded",
			   &spec->bounded, f);
	if (!err)
		err = parse_choice("acl", request->acl, "per-user", "uniform", &spec->acl_uniform,
				   f);
	if (!err)
		err = parse_choice("home", request->home, "route", "this", &spec->home_this, f);
	return err ? err : parse_transport(request, &spec->transport, f);
}

struct find_service {
	struct build *b;
	const char *name;
};

static int copy_service_named(void *arg, const struct pd_service_info *info)
{
	struct find_service *find = arg;
	Pandit__V1__AddServiceReply *reply = (Pandit__V1__AddServiceReply *)find->b->msg;

	if (strcmp(info->name, find->name))
		return 0;
	reply->service = (Pandit__V1__ServiceStatus *)
		new_msg(find->b, &pandit__v1__service_status__descriptor);
	if (reply->service)
		fill_service(find->b, reply->service, info);
	return 1;
}

static void handle_add_service(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__AddServiceRequest *in = (const Pandit__V1__AddServiceRequest *)request;
	_cleanup_build_ struct build b = { 0 };
	struct find_service find = { &b, in->name };
	struct pd_service_spec spec = { 0 };
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	int err;

	if (!begin(call, &b, &pandit__v1__add_service_reply__descriptor))
		return;
	err = parse_spec(in, &spec, &f);
	if (!err)
		err = pd_host_add_service(admin->host, &spec, &f);
	if (!err)
		pd_host_services(admin->host, copy_service_named, &find);
	conclude(call, &b, err, &f);
}

static void handle_remove_service(struct pd_rpc_call *call, const ProtobufCMessage *request,
				  void *arg)
{
	const Pandit__V1__RemoveServiceRequest *in =
		(const Pandit__V1__RemoveServiceRequest *)request;
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	int err = pd_host_rm_service(admin->host, in->name, &f);

	conclude_empty(call, &pandit__v1__remove_service_reply__descriptor, err, &f);
}

/* ---- counters ----------------------------------------------------------- */

static void copy_counts(struct build *b, Pandit__V1__NamedCount ***to, size_t *ret_n,
			const struct pd_named_count *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		Pandit__V1__NamedCount *count =
			APPEND(b, *to, *ret_n, &pandit__v1__named_count__descriptor);

		if (!count)
			return;
		count->name = copy(b, from[i].name);
		count->text = copy(b, from[i].text);
		count->kind = copy(b, from[i].kind);
		count->count = from[i].count;
	}
}

static int add_stats_row(void *arg, const struct pd_service_stats *stats)
{
	struct build *b = arg;
	Pandit__V1__StatsReply *reply = (Pandit__V1__StatsReply *)b->msg;
	Pandit__V1__ServiceCounts *to = APPEND(b, reply->services, reply->n_services,
					       &pandit__v1__service_counts__descriptor);

	if (!to)
		return b->err;
	to->name = copy(b, stats->name);
	to->hits = stats->hits;
	to->misses = stats->misses;
	to->fills = stats->fills;
	to->invalidations = stats->invalidations;
	copy_counts(b, &to->passes, &to->n_passes, stats->passes, stats->npasses);
	copy_counts(b, &to->counters, &to->n_counters, stats->counters, stats->ncounters);
	copy_counts(b, &to->verdicts, &to->n_verdicts, stats->verdicts, stats->nverdicts);
	return b->err;
}

static int no_service(struct pd_fault *f, const char *name)
{
	return pd_fail(f, -ENOENT, "`panditctl services` lists them", "no service '%s'", name);
}

static void handle_stats(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__StatsRequest *in = (const Pandit__V1__StatsRequest *)request;
	_cleanup_build_ struct build b = { 0 };
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	int err;

	if (!begin(call, &b, &pandit__v1__stats_reply__descriptor))
		return;
	((Pandit__V1__StatsReply *)b.msg)->time_ms = pd_boottime_ns() / PD_NS_PER_MS;
	err = pd_host_stats(admin->host, *in->service ? in->service : NULL, add_stats_row, &b);
	if (err == -ENOENT)
		no_service(&f, in->service);
	conclude(call, &b, err, &f);
}

/* ---- entries ------------------------------------------------------------ */

static void fill_entry(struct build *b, Pandit__V1__EntryStatus *to,
		       const struct pd_entry_info *from, bool with_reply)
{
	to->service = copy(b, from->service);
	copy_bytes(b, &to->key, from->key, from->key_len);
	copy_bytes(b, &to->ident, from->ident, from->ident_len);
	if (with_reply)
		copy_bytes(b, &to->reply, from->reply, from->reply_len);
	to->reply_size = (uint32_t)from->reply_len;
	to->realm = from->realm;
	to->db = from->db;
	to->op = from->op;
	to->size_class = copy(b, from->class_name);
	to->age_ms = from->age_ms;
	to->left_ms = from->left_ms;
	to->usable = from->usable;
	to->why = copy(b, from->usable ? "" : from->why);
}

/* A page of ListEntries that is being filled. */
struct listing {
	struct pd_rpc_call *call;
	struct build b;
};

static int send_page(struct listing *list)
{
	int err = list->b.err;

	if (!err)
		err = pd_rpc_send(list->call, list->b.msg);
	free_msg(&list->b.msg);
	list->b.msg = NULL;
	return err;
}

static int add_listed(void *arg, const struct pd_entry_info *info)
{
	struct listing *list = arg;
	Pandit__V1__ListEntriesReply *reply;
	Pandit__V1__EntryStatus *to;

	if (!list->b.msg)
		list->b.msg = new_msg(&list->b, &pandit__v1__list_entries_reply__descriptor);
	reply = (Pandit__V1__ListEntriesReply *)list->b.msg;
	if (!reply)
		return list->b.err;
	to = APPEND(&list->b, reply->entries, reply->n_entries,
		    &pandit__v1__entry_status__descriptor);
	if (to)
		fill_entry(&list->b, to, info, false);
	if (list->b.err)
		return list->b.err;
	return reply->n_entries < PAGE_ENTRIES ? 0 : send_page(list);
}

static void handle_list_entries(struct pd_rpc_call *call, const ProtobufCMessage *request,
				void *arg)
{
	const Pandit__V1__ListEntriesRequest *in = (const Pandit__V1__ListEntriesRequest *)request;
	struct listing list = { .call = call };
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	int err;

	err = pd_host_entries(admin->host, in->service, in->limit, add_listed, &list, &f);
	if (!err && list.b.msg)
		err = send_page(&list);
	free_msg(&list.b.msg);
	if (err == -ENOBUFS)
		pd_fail(&f, err, "use --limit", "there are more entries than fit into one listing");
	if (err)
		pd_rpc_fail(call, err, &f);
	else
		pd_rpc_end(call);
}

static int add_got(void *arg, const struct pd_entry_info *info)
{
	struct build *b = arg;
	Pandit__V1__GetEntryReply *reply = (Pandit__V1__GetEntryReply *)b->msg;
	Pandit__V1__EntryStatus *to;

	if (reply->n_entries == GET_MAX)
		return 0;
	to = APPEND(b, reply->entries, reply->n_entries, &pandit__v1__entry_status__descriptor);
	if (to)
		fill_entry(b, to, info, true);
	return b->err;
}

static void handle_get_entry(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__GetEntryRequest *in = (const Pandit__V1__GetEntryRequest *)request;
	_cleanup_build_ struct build b = { 0 };
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	int err;

	if (!begin(call, &b, &pandit__v1__get_entry_reply__descriptor))
		return;
	if (in->has_db && in->db > INT32_MAX)
		err = pd_fail(&f, -EINVAL, NULL, "no database has the number %u", in->db);
	else
		err = pd_host_get(admin->host, in->service, in->key.data, in->key.len,
				  in->has_db ? (int)in->db : -1, add_got, &b, &f);
	conclude(call, &b, err, &f);
}

static void handle_flush(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__FlushRequest *in = (const Pandit__V1__FlushRequest *)request;
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	int err;

	/* An empty key has no bytes, and must still not be taken for all of the service. */
	if (in->has_key)
		err = pd_host_flush(admin->host, in->service,
				    in->key.data ? (void *)in->key.data : "", in->key.len, &f);
	else
		err = pd_host_flush(admin->host, in->service, NULL, 0, &f);
	conclude_empty(call, &pandit__v1__flush_reply__descriptor, err, &f);
}

/* ---- interfaces --------------------------------------------------------- */

static int parse_sides(const Pandit__V1__AttachRequest *request, uint32_t *ret, struct pd_fault *f)
{
	static const struct {
		const char *word;
		uint32_t side;
	} words[] = {
		{ "client", PD_SIDE_CLIENT },
		{ "home", PD_SIDE_HOME },
		{ "edge", PD_SIDE_EDGE },
	};
	uint32_t sides = 0;

	for (size_t i = 0; i < request->n_sides; i++) {
		size_t k = 0;

		while (k < PD_ARRAY_SIZE(words) && strcmp(words[k].word, request->sides[i]))
			k++;
		if (k == PD_ARRAY_SIZE(words))
			return pd_fail(f, -EINVAL, "see `panditctl help attach`",
				       "side is 'client', 'home' or 'edge', not '%s'",
				       request->sides[i]);
		sides |= words[k].side;
	}
	*ret = sides;
	return 0;
}

static void handle_attach(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__AttachRequest *in = (const Pandit__V1__AttachRequest *)request;
	_cleanup_build_ struct build b = { 0 };
	Pandit__V1__AttachReply *reply;
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	struct pd_status st;
	uint32_t sides = 0;
	int err;

	if (!begin(call, &b, &pandit__v1__attach_reply__descriptor))
		return;
	reply = (Pandit__V1__AttachReply *)b.msg;
	err = parse_sides(in, &sides, &f);
	if (!err)
		err = pd_host_attach(admin->host, in->interface, sides, &f);
	if (!err) {
		pd_host_status(admin->host, &st);
		for (size_t i = 0; i < st.ninterfaces && !reply->interface; i++) {
			if (strcmp(st.interfaces[i].name, in->interface))
				continue;
			reply->interface = (Pandit__V1__InterfaceStatus *)
				new_msg(&b, &pandit__v1__interface_status__descriptor);
			if (reply->interface)
				fill_interface(&b, reply->interface, &st.interfaces[i]);
		}
	}
	conclude(call, &b, err, &f);
}

/* A detach under way: it drains, so its reply comes later. */
struct detach {
	struct pd_admin *admin;
	struct pd_rpc_call *call;
};

static void on_detached(void *arg, int err, const struct pd_fault *f)
{
	struct detach *detach = arg;

	conclude_empty(detach->call, &pandit__v1__detach_reply__descriptor, err, f);
	free(detach);
}

static void on_detach_cancelled(struct pd_rpc_call *call, void *arg)
{
	struct detach *detach = arg;

	pd_host_detach_forget(detach->admin->host, detach);
	pd_rpc_fail(call, -ECANCELED, NULL);
	free(detach);
}

static void handle_detach(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__DetachRequest *in = (const Pandit__V1__DetachRequest *)request;
	struct pd_admin *admin = arg;
	struct pd_fault f = { 0 };
	struct detach *detach;
	int err;

	if (!*in->interface == !in->all) {
		err = pd_fail(&f, -EINVAL, "see `panditctl help detach`",
			      "name one interface, or all of them");
		pd_rpc_fail(call, err, &f);
		return;
	}
	detach = malloc(sizeof(*detach));
	if (!detach) {
		pd_rpc_fail(call, -ENOMEM, NULL);
		return;
	}
	*detach = (struct detach){ admin, call };
	pd_rpc_on_cancel(call, on_detach_cancelled, detach);
	err = pd_host_detach(admin->host, in->all ? NULL : in->interface, in->force, in->timeout_ms,
			     on_detached, detach, &f);
	if (err) {
		pd_rpc_fail(call, err, &f);
		free(detach);
	}
}

/* ---- doctor ------------------------------------------------------------- */

static int add_check(void *arg, const struct pd_check *check)
{
	struct build *b = arg;
	Pandit__V1__DoctorReply *reply = (Pandit__V1__DoctorReply *)b->msg;
	Pandit__V1__CheckResult *to = APPEND(b, reply->checks, reply->n_checks,
					     &pandit__v1__check_result__descriptor);

	if (!to)
		return b->err;
	to->name = copy(b, check->name);
	to->ok = check->ok;
	to->detail = copy(b, check->detail);
	to->hint = copy(b, check->hint);
	return b->err;
}

static void handle_doctor(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	_cleanup_build_ struct build b = { 0 };
	struct pd_admin *admin = arg;

	(void)request;
	if (begin(call, &b, &pandit__v1__doctor_reply__descriptor))
		conclude(call, &b, pd_host_doctor(admin->host, add_check, &b), NULL);
}

/* ---- life --------------------------------------------------------------- */

#define METHOD(name, handler, ...) { &pandit__v1__admin__descriptor, name, handler, __VA_ARGS__ }

static const struct pd_rpc_method methods[] = {
	METHOD("Status", handle_status, false),
	METHOD("ListServices", handle_list_services, false),
	METHOD("AddService", handle_add_service, false),
	METHOD("RemoveService", handle_remove_service, false),
	METHOD("Stats", handle_stats, false),
	METHOD("ListEntries", handle_list_entries, true),
	METHOD("GetEntry", handle_get_entry, false),
	METHOD("Flush", handle_flush, false),
	METHOD("Attach", handle_attach, false),
	METHOD("Detach", handle_detach, false),
	METHOD("Observe", pd_admin_observe, true),
	METHOD("Why", pd_admin_why, false),
	METHOD("Doctor", handle_doctor, false),
};

static void log_grpc(const char *line)
{
	pd_log_debug("grpc: %s", line);
}

int pd_admin_new(struct pd_host *host, const char *socket, struct uv_loop_s *loop,
		 struct pd_admin **ret, struct pd_fault *f)
{
	_cleanup_free_ struct pd_admin *admin = calloc(1, sizeof(*admin));
	_cleanup_free_ char *address = pd_asprintf("unix:%s", socket);
	struct pd_rpc_server_config config = {
		.naddresses = 1,
		.methods = methods,
		.nmethods = PD_ARRAY_SIZE(methods),
		.arg = admin,
		.loop = loop,
	};
	int err;

	if (!admin || !address)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	admin->host = host;
	config.addresses = (const char *const[]){ address };
	pd_rpc_set_log(log_grpc);
	err = pd_rpc_server_new(&config, &admin->server, f);
	if (err)
		return err;
	*ret = PD_TAKE_PTR(admin);
	return 0;
}

void pd_admin_free(struct pd_admin **admin)
{
	if (!*admin)
		return;
	pd_rpc_server_free(&(*admin)->server);
	free(*admin);
	*admin = NULL;
}
