// SPDX-License-Identifier: Apache-2.0
/* pandit.v1.Admin over a unix socket. */
#include "selftests/unit/rpc/fakehost.h"

#include <sys/stat.h>

#include "maps/service.h"
#include "proto/pandit/v1/admin.pb-c.h"
#include "user/rpc/rpc.h"

#define ADMIN	(&pandit__v1__admin__descriptor)
#define TIMEOUT	5000

/* ---- fixture ------------------------------------------------------------ */

static struct harness harness;
static struct pd_rpc_client *client;
static struct pd_fault fault;

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	fakehost_up(&harness);
	assert_int_equal(pd_rpc_dial(harness.address, &client, &fault), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pd_rpc_client_free(&client);
	harness_down(&harness);
	return 0;
}

/* The reply, or NULL and *ret_err. */
static void *ask(const char *method, const void *request, int *ret_err)
{
	ProtobufCMessage *reply = NULL;

	memset(&fault, 0, sizeof(fault));
	*ret_err = pd_rpc_unary(client, ADMIN, method, request, TIMEOUT, &reply, &fault);
	return reply;
}

#define FREE(reply) protobuf_c_message_free_unpacked(&(reply)->base, NULL)

/* ---- tests -------------------------------------------------------------- */

static void test_status(void **state)
{
	Pandit__V1__StatusRequest request = PANDIT__V1__STATUS_REQUEST__INIT;
	Pandit__V1__StatusReply *reply;
	struct stat st;
	int err;

	(void)state;
	reply = ask("Status", &request, &err);
	assert_int_equal(err, 0);
	assert_string_equal(reply->node, "host-b");
	assert_string_equal(reply->version, "1.2");
	assert_string_equal(reply->state, "degraded");
	assert_int_equal(reply->n_problems, 1);
	assert_string_equal(reply->problems[0], problems[0]);
	assert_int_equal(reply->n_interfaces, 2);
	assert_string_equal(reply->interfaces[1]->name, "veths");
	assert_string_equal(reply->interfaces[1]->mode, "tc");
	assert_int_equal(reply->interfaces[1]->mtu, 9000);
	assert_true(reply->entries == 12345678901);
	FREE(reply);
	assert_int_equal(stat(harness.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void test_services(void **state)
{
	Pandit__V1__ListServicesRequest request = PANDIT__V1__LIST_SERVICES_REQUEST__INIT;
	Pandit__V1__ListServicesReply *reply;
	int err;

	(void)state;
	reply = ask("ListServices", &request, &err);
	assert_int_equal(err, 0);
	assert_int_equal(reply->n_services, 1);
	assert_string_equal(reply->services[0]->name, "sessions");
	assert_int_equal(reply->services[0]->n_addresses, 2);
	assert_string_equal(reply->services[0]->addresses[1], "[fd00::2]:6379");
	assert_int_equal(reply->services[0]->max_age_ms, 1500);
	assert_true(reply->services[0]->answers);
	FREE(reply);
}

static void test_add(void **state)
{
	Pandit__V1__AddServiceRequest request = PANDIT__V1__ADD_SERVICE_REQUEST__INIT;
	char *transport[] = { "udp", "tcp" };
	Pandit__V1__AddServiceReply *reply;
	int err;

	(void)state;
	request.name = "sessions";
	request.protocol = "redis";
	request.acl = "uniform";
	request.home = "this";
	request.max_age_ms = 77;
	request.transport = transport;
	request.n_transport = 2;
	reply = ask("AddService", &request, &err);
	assert_int_equal(err, 0);
	assert_string_equal(reply->service->home, "veths");
	FREE(reply);
	assert_true(host.spec.acl_uniform && host.spec.home_this && !host.spec.bounded);
	assert_int_equal(host.spec.max_age_ms, 77);
	assert_int_equal(host.spec.transport, PD_TRANSPORT_TCP | PD_TRANSPORT_UDP);

	request.consistency = "eventual";
	assert_null(ask("AddService", &request, &err));
	assert_int_equal(err, -EINVAL);
	assert_non_null(strstr(fault.message, "'eventual'"));
}

static void test_error_and_hint(void **state)
{
	Pandit__V1__AddServiceRequest add = PANDIT__V1__ADD_SERVICE_REQUEST__INIT;
	Pandit__V1__RemoveServiceRequest rm = PANDIT__V1__REMOVE_SERVICE_REQUEST__INIT;
	Pandit__V1__StatsRequest stats = PANDIT__V1__STATS_REQUEST__INIT;
	Pandit__V1__AttachRequest attach = PANDIT__V1__ATTACH_REQUEST__INIT;
	char *sides[] = { "home", "upstairs" };
	int err;

	(void)state;
	add.name = "x";
	add.max_value = 1;
	assert_null(ask("AddService", &add, &err));
	assert_int_equal(err, -EEXIST);
	assert_string_equal(fault.message, "service 'x' exists");
	assert_string_equal(fault.hint, "pick another name,?or r??m it");
	rm.name = "nobody";
	assert_null(ask("RemoveService", &rm, &err));
	assert_int_equal(err, -ENOENT);
	stats.service = "nobody";
	assert_null(ask("Stats", &stats, &err));
	assert_int_equal(err, -ENOENT);
	assert_string_equal(fault.message, "no service 'nobody'");
	attach.interface = "veths";
	attach.sides = sides;
	attach.n_sides = 2;
	assert_null(ask("Attach", &attach, &err));
	assert_int_equal(err, -EINVAL);
	assert_non_null(strstr(fault.message, "upstairs"));
}

static void test_stats(void **state)
{
	Pandit__V1__StatsRequest request = PANDIT__V1__STATS_REQUEST__INIT;
	Pandit__V1__StatsReply *reply;
	int err;

	(void)state;
	reply = ask("Stats", &request, &err);
	assert_int_equal(err, 0);
	assert_true(reply->services[0]->hits == UINT64_MAX);
	assert_int_equal(reply->services[0]->n_passes, 1);
	assert_string_equal(reply->services[0]->passes[0]->name, "pass_write");
	assert_int_equal(reply->services[0]->passes[0]->count, 5);
	assert_true(reply->time_ms > 0);
	FREE(reply);
}

/* @lazy: read nothing before the server has said everything it wants to. */
static size_t list(uint32_t limit, bool lazy, size_t *ret_pages, int *ret_err)
{
	Pandit__V1__ListEntriesRequest request = PANDIT__V1__LIST_ENTRIES_REQUEST__INIT;
	struct pd_rpc_stream *stream = NULL;
	ProtobufCMessage *msg;
	size_t n = 0;

	request.service = "sessions";
	request.limit = limit;
	*ret_pages = 0;
	host.list_end = 0;
	assert_int_equal(pd_rpc_stream_open(client, ADMIN, "ListEntries", &request.base, TIMEOUT,
					    &stream, &fault), 0);
	while (lazy && !__atomic_load_n(&host.list_end, __ATOMIC_SEQ_CST))
		usleep(1000);
	while ((*ret_err = pd_rpc_stream_next(stream, &msg, &fault)) > 0) {
		Pandit__V1__ListEntriesReply *page = (Pandit__V1__ListEntriesReply *)msg;

		for (size_t i = 0; i < page->n_entries; i++, n++) {
			char key[24] = { 0 };

			snprintf(key, sizeof(key), "k%zu", n);
			assert_int_equal(page->entries[i]->key.len, 24);
			assert_memory_equal(page->entries[i]->key.data, key, 24);
			assert_int_equal(page->entries[i]->db, -1);
			assert_int_equal(page->entries[i]->left_ms, -5);
			assert_string_equal(page->entries[i]->why, "miss_expired");
			assert_int_equal(page->entries[i]->reply.len, 0);
		}
		(*ret_pages)++;
		protobuf_c_message_free_unpacked(msg, NULL);
	}
	pd_rpc_stream_free(&stream);
	return n;
}

static void test_list(void **state)
{
	size_t pages;
	int err;

	(void)state;
	assert_int_equal(list(0, false, &pages, &err), 0);
	assert_int_equal(err, 0);
	host.entries = 1000;
	assert_int_equal(list(0, false, &pages, &err), 1000);
	assert_int_equal(err, 0);
	assert_int_equal(pages, 4);
	assert_int_equal(list(256, false, &pages, &err), 256);
	assert_int_equal(pages, 1);
	host.entries = 100000;
	assert_int_equal(list(0, false, &pages, &err), 100000);
	assert_int_equal(err, 0);
	assert_int_equal(list(0, true, &pages, &err), 100000);
	assert_int_equal(err, 0);
	host.entries = 1000000;	/* more than a stream may hold back */
	assert_true(list(0, true, &pages, &err) < 1000000);
	assert_int_equal(host.list_end, -ENOBUFS);
	assert_int_equal(err, -ENOSPC);
	assert_string_equal(fault.hint, "use --limit");
}

static void test_get_and_flush(void **state)
{
	Pandit__V1__GetEntryRequest get = PANDIT__V1__GET_ENTRY_REQUEST__INIT;
	Pandit__V1__FlushRequest flush = PANDIT__V1__FLUSH_REQUEST__INIT;
	uint8_t key[] = { 'a', 0, 0xff };
	Pandit__V1__GetEntryReply *reply;
	Pandit__V1__FlushReply *flushed;
	int err;

	(void)state;
	get.service = "sessions";
	get.key = (ProtobufCBinaryData){ sizeof(key), key };
	reply = ask("GetEntry", &get, &err);
	assert_int_equal(err, 0);
	assert_int_equal(host.db, -1);
	assert_memory_equal(reply->entries[0]->key.data, key, sizeof(key));
	assert_memory_equal(reply->entries[0]->reply.data, "$1\r\n\0\r\n", 7);
	assert_string_equal(reply->entries[0]->why, "");
	FREE(reply);
	get.has_db = true;
	get.db = 4;
	reply = ask("GetEntry", &get, &err);
	assert_int_equal(reply->entries[0]->db, 4);
	FREE(reply);
	flush.service = "sessions";
	flushed = ask("Flush", &flush, &err);
	FREE(flushed);
	assert_null(host.flushed_key);
	flush.has_key = true;
	flushed = ask("Flush", &flush, &err);
	FREE(flushed);
	assert_non_null(host.flushed_key);
	assert_int_equal(host.flushed_len, 0);
}

static void test_attach_detach(void **state)
{
	Pandit__V1__AttachRequest attach = PANDIT__V1__ATTACH_REQUEST__INIT;
	Pandit__V1__DetachRequest detach = PANDIT__V1__DETACH_REQUEST__INIT;
	char *sides[] = { "home", "client" };
	Pandit__V1__AttachReply *attached;
	Pandit__V1__DetachReply *detached;
	int err;

	(void)state;
	attach.interface = "veths";
	attach.sides = sides;
	attach.n_sides = 2;
	attached = ask("Attach", &attach, &err);
	assert_int_equal(err, 0);
	assert_int_equal(host.sides, PD_SIDE_HOME | PD_SIDE_CLIENT);
	assert_string_equal(attached->interface->reason, "route to 10.1.0.2");
	FREE(attached);
	assert_null(ask("Detach", &detach, &err));
	assert_int_equal(err, -EINVAL);
	detach.interface = "vethc";
	detached = ask("Detach", &detach, &err);
	assert_int_equal(err, 0);
	FREE(detached);
	detach.interface = "vethd";
	assert_null(ask("Detach", &detach, &err));
	assert_int_equal(err, -ETIMEDOUT);
	assert_string_equal(fault.hint, "use --force");
	detach.interface = "";
	detach.all = true;
	assert_null(ask("Detach", &detach, &err));
	assert_int_equal(err, -EBUSY);
}

/* The client gives up on a detach that drains: the host is told to forget the caller. */
static void test_detach_cancelled(void **state)
{
	Pandit__V1__DetachRequest detach = PANDIT__V1__DETACH_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int err;

	(void)state;
	detach.interface = "veths";
	err = pd_rpc_unary(client, ADMIN, "Detach", &detach.base, 100, &reply, &fault);
	assert_int_equal(err, -ETIMEDOUT);
	assert_null(reply);
	for (int i = 0; i < 200 && !__atomic_load_n(&host.forgotten, __ATOMIC_SEQ_CST); i++)
		usleep(10000);
	assert_true(__atomic_load_n(&host.forgotten, __ATOMIC_SEQ_CST));
}

static void test_doctor(void **state)
{
	Pandit__V1__DoctorRequest request = PANDIT__V1__DOCTOR_REQUEST__INIT;
	Pandit__V1__DoctorReply *reply;
	int err;

	(void)state;
	reply = ask("Doctor", &request, &err);
	assert_int_equal(err, 0);
	assert_int_equal(reply->n_checks, 1);
	assert_false(reply->checks[0]->ok);
	assert_string_equal(reply->checks[0]->hint, "mount -t bpf bpf /sys/fs/bpf");
	FREE(reply);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_services),
		TEST(test_add),
		TEST(test_error_and_hint),
		TEST(test_stats),
		TEST(test_list),
		TEST(test_get_and_flush),
		TEST(test_attach_detach),
		TEST(test_detach_cancelled),
		TEST(test_doctor),
	};

	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
