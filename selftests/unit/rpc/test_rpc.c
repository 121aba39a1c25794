// SPDX-License-Identifier: Apache-2.0
/* Server and client of user/rpc against each other. */
#include "selftests/unit/rpc/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "proto/pandit/v1/admin.pb-c.h"
#include "user/lib/clock.h"
#include "user/rpc/rpc.h"

#define ADMIN	(&pandit__v1__admin__descriptor)
#define TIMEOUT	10000

static struct harness harness;
static struct pd_rpc_server_config config;
static struct pd_fault fault;
static atomic_int cancelled, handled, slow_ms;

/* ---- handlers ----------------------------------------------------------- */

static void handle_status(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	Pandit__V1__StatusReply reply = PANDIT__V1__STATUS_REPLY__INIT;

	(void)request;
	assert_ptr_equal(arg, &config);
	handled++;
	if (slow_ms)
		usleep((useconds_t)slow_ms * 1000);
	reply.node = "here";
	pd_rpc_reply(call, &reply.base);
}

/* Fails, and says with what. */
static void handle_remove(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__RemoveServiceRequest *in =
		(const Pandit__V1__RemoveServiceRequest *)request;
	struct pd_fault f = { 0 };
	int err = atoi(in->name);

	(void)arg;
	if (err != -ENOMEM)
		pd_fail(&f, err, "hint of it", "error %s", in->name);
	pd_rpc_fail(call, err, &f);
}

static void on_cancel(struct pd_rpc_call *call, void *arg)
{
	assert_ptr_equal(arg, &cancelled);
	pd_rpc_fail(call, -ECANCELED, NULL);
	cancelled++;
}

/* Never replies. */
static void handle_detach(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	(void)request;
	(void)arg;
	pd_rpc_on_cancel(call, on_cancel, &cancelled);
	handled++;
}

/* `limit` replies of one entry with a key of 1000 bytes. */
static void handle_list(struct pd_rpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Pandit__V1__ListEntriesRequest *in = (const Pandit__V1__ListEntriesRequest *)request;
	Pandit__V1__ListEntriesReply reply = PANDIT__V1__LIST_ENTRIES_REPLY__INIT;
	Pandit__V1__EntryStatus entry = PANDIT__V1__ENTRY_STATUS__INIT, *one = &entry;
	uint8_t key[1000] = { 0 };
	int err = 0;

	(void)arg;
	entry.key = (ProtobufCBinaryData){ sizeof(key), key };
	reply.entries = &one;
	reply.n_entries = 1;
	for (uint32_t i = 0; !err && i < in->limit; i++) {
		entry.realm = i;
		err = pd_rpc_send(call, &reply.base);
	}
	if (err)
		pd_rpc_fail(call, err, NULL);
	else if (!strcmp(in->service, "open"))
		pd_rpc_on_cancel(call, on_cancel, &cancelled);
	else
		pd_rpc_end(call);
	handled++;
}

static const struct pd_rpc_method methods[] = {
	{ ADMIN, "Status", handle_status, false },
	{ ADMIN, "RemoveService", handle_remove, false },
	{ ADMIN, "Detach", handle_detach, false },
	{ ADMIN, "ListEntries", handle_list, true },
};

/* ---- fixture ------------------------------------------------------------ */

static int start(struct harness *h, struct pd_fault *f)
{
	const char *address = h->address;

	config.addresses = &address;
	config.naddresses = 1;
	config.methods = methods;
	config.nmethods = sizeof(methods) / sizeof(methods[0]);
	config.arg = &config;
	config.loop = &h->loop;
	return pd_rpc_server_new(&config, (struct pd_rpc_server **)&h->object, f);
}

static void finish(struct harness *h)
{
	pd_rpc_server_free((struct pd_rpc_server **)&h->object);
}

static void prepare(struct harness *h)
{
	memset(h, 0, sizeof(*h));
	h->start = start;
	h->finish = finish;
	harness_dir(h);
}

static int setup(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	memset(&fault, 0, sizeof(fault));
	cancelled = handled = slow_ms = 0;
	prepare(&harness);
	return 0;
}

static int setup_up(void **state)
{
	setup(state);
	return harness_up(&harness);
}

static int teardown(void **state)
{
	(void)state;
	harness_down(&harness);
	return 0;
}

static struct pd_rpc_client *dial(void)
{
	struct pd_rpc_client *client = NULL;

	assert_int_equal(pd_rpc_dial(harness.address, &client, &fault), 0);
	return client;
}

static int ask_status(struct pd_rpc_client *client, uint64_t timeout_ms)
{
	Pandit__V1__StatusRequest request = PANDIT__V1__STATUS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	struct pd_fault f = { 0 };
	int err = pd_rpc_unary(client, ADMIN, "Status", &request.base, timeout_ms, &reply, &f);

	if (!err) {
		assert_string_equal(((Pandit__V1__StatusReply *)reply)->node, "here");
		protobuf_c_message_free_unpacked(reply, NULL);
	}
	return err;
}

static bool wait_for(atomic_int *value, int wanted)
{
	for (int i = 0; i < 500 && *value < wanted; i++)
		usleep(10000);
	return *value >= wanted;
}

/* ---- calls -------------------------------------------------------------- */

static void test_round_trip(void **state)
{
	struct pd_rpc_client *client = dial();

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask_status(client, TIMEOUT), 0);
	assert_int_equal(handled, 100);
	pd_rpc_client_free(&client);
}

static int ask_remove(struct pd_rpc_client *client, const char *name)
{
	Pandit__V1__RemoveServiceRequest request = PANDIT__V1__REMOVE_SERVICE_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int err;

	request.name = (char *)name;
	memset(&fault, 0, sizeof(fault));
	err = pd_rpc_unary(client, ADMIN, "RemoveService", &request.base, TIMEOUT, &reply, &fault);
	assert_null(reply);
	return err;
}

static void test_errors(void **state)
{
	static const int same[] = { -EINVAL, -ENOENT, -EEXIST, -EPERM, -EBUSY, -ETIMEDOUT,
				    -ECANCELED, -EOPNOTSUPP, -EIO, -ENOSPC };
	struct pd_rpc_client *client = dial();
	char name[16];

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		snprintf(name, sizeof(name), "%d", same[i]);
		assert_int_equal(ask_remove(client, name), same[i]);
		assert_int_equal(strncmp(fault.message, "error -", 7), 0);
		assert_string_equal(fault.message + 6, name);
		assert_string_equal(fault.hint, "hint of it");
	}
	snprintf(name, sizeof(name), "%d", -ERANGE);
	assert_int_equal(ask_remove(client, name), -EINVAL);
	snprintf(name, sizeof(name), "%d", -ENOTTY);
	assert_int_equal(ask_remove(client, name), -EIO);
	snprintf(name, sizeof(name), "%d", -ENOMEM);	/* without words of its own */
	assert_int_equal(ask_remove(client, name), -ENOSPC);
	assert_string_equal(fault.message, strerror(ENOMEM));
	assert_string_equal(fault.hint, "");
	pd_rpc_client_free(&client);
}

static void test_deadline(void **state)
{
	Pandit__V1__DetachRequest request = PANDIT__V1__DETACH_REQUEST__INIT;
	struct pd_rpc_client *client = dial();
	ProtobufCMessage *reply = NULL;
	uint64_t before = pd_monotonic_ns();

	(void)state;
	assert_int_equal(pd_rpc_unary(client, ADMIN, "Detach", &request.base, 200, &reply, &fault),
			 -ETIMEDOUT);
	assert_true(pd_monotonic_ns() - before >= 200 * PD_NS_PER_MS);
	assert_true(pd_monotonic_ns() - before < 3 * PD_NS_PER_S);
	assert_null(reply);
	assert_true(wait_for(&cancelled, 1));
	/* A reply that comes too late is no harm. */
	slow_ms = 300;
	assert_int_equal(ask_status(client, 100), -ETIMEDOUT);
	slow_ms = 0;
	assert_int_equal(ask_status(client, TIMEOUT), 0);
	pd_rpc_client_free(&client);
}

static void open_list(struct pd_rpc_client *client, const char *service, uint32_t limit,
		      struct pd_rpc_stream **ret)
{
	Pandit__V1__ListEntriesRequest request = PANDIT__V1__LIST_ENTRIES_REQUEST__INIT;

	request.service = (char *)service;
	request.limit = limit;
	assert_int_equal(pd_rpc_stream_open(client, ADMIN, "ListEntries", &request.base, TIMEOUT,
					    ret, &fault), 0);
}

static void test_stream(void **state)
{
	struct pd_rpc_client *client = dial();
	struct pd_rpc_stream *stream = NULL;
	Pandit__V1__ListEntriesReply *page;
	ProtobufCMessage *msg = NULL;

	(void)state;
	for (uint32_t limit = 0; limit <= 5000; limit += 2500) {
		open_list(client, "", limit, &stream);
		for (uint32_t i = 0; i < limit; i++) {
			assert_int_equal(pd_rpc_stream_next(stream, &msg, &fault), 1);
			page = (Pandit__V1__ListEntriesReply *)msg;
			assert_int_equal(page->entries[0]->realm, i);
			protobuf_c_message_free_unpacked(msg, NULL);
		}
		assert_int_equal(pd_rpc_stream_next(stream, &msg, &fault), 0);
		pd_rpc_stream_free(&stream);
		assert_null(stream);
	}
	pd_rpc_client_free(&client);
}

/* The client gives up: in the middle of a long answer, and while it waits. */
static void test_cancel(void **state)
{
	struct pd_rpc_client *client = dial();
	struct pd_rpc_stream *stream = NULL;
	ProtobufCMessage *msg = NULL;

	(void)state;
	open_list(client, "open", 3, &stream);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pd_rpc_stream_next(stream, &msg, &fault), 1);
		protobuf_c_message_free_unpacked(msg, NULL);
	}
	pd_rpc_stream_free(&stream);
	assert_true(wait_for(&cancelled, 1));

	open_list(client, "", 10000, &stream);
	assert_int_equal(pd_rpc_stream_next(stream, &msg, &fault), 1);
	protobuf_c_message_free_unpacked(msg, NULL);
	pd_rpc_stream_free(&stream);
	assert_int_equal(ask_status(client, TIMEOUT), 0);
	pd_rpc_client_free(&client);
}

/* More than a stream may hold back, for a client that does not read. */
static void test_backlog(void **state)
{
	struct pd_rpc_client *client;
	struct pd_rpc_stream *stream = NULL;
	ProtobufCMessage *msg = NULL;
	int more, n = 0;

	(void)state;
	config.max_backlog = 100 * 1000;
	assert_int_equal(harness_up(&harness), 0);
	client = dial();
	open_list(client, "", 200000, &stream);
	assert_true(wait_for(&handled, 1));
	while ((more = pd_rpc_stream_next(stream, &msg, &fault)) > 0) {
		protobuf_c_message_free_unpacked(msg, NULL);
		n++;
	}
	assert_int_equal(more, -ENOSPC);
	assert_true(n > 0 && n < 200000);
	pd_rpc_stream_free(&stream);
	pd_rpc_client_free(&client);
}

/* ---- bad requests ------------------------------------------------------- */

/* RemoveServiceRequest.name as raw bytes: a client that does not keep to UTF-8. */
static void test_malformed(void **state)
{
	static uint8_t raw[] = { 2, 0xff, 0xfe };
	ProtobufCMessageUnknownField field = {
		.tag = 1, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 3, .data = raw,
	};
	Pandit__V1__RemoveServiceRequest request = PANDIT__V1__REMOVE_SERVICE_REQUEST__INIT;
	struct pd_rpc_client *client = dial();
	ProtobufCMessage *reply = NULL;

	(void)state;
	request.base.n_unknown_fields = 1;
	request.base.unknown_fields = &field;
	assert_int_equal(pd_rpc_unary(client, ADMIN, "RemoveService", &request.base, TIMEOUT,
				      &reply, &fault), -EINVAL);
	assert_non_null(strstr(fault.message, "not UTF-8"));
	raw[0] = 9;	/* longer than what follows */
	assert_int_equal(pd_rpc_unary(client, ADMIN, "RemoveService", &request.base, TIMEOUT,
				      &reply, &fault), -EINVAL);
	assert_non_null(strstr(fault.message, "cut off"));
	raw[0] = 2;
	assert_int_equal(ask_status(client, TIMEOUT), 0);
	pd_rpc_client_free(&client);
}

static void test_unknown_method(void **state)
{
	Pandit__V1__FlushRequest request = PANDIT__V1__FLUSH_REQUEST__INIT;
	ProtobufCServiceDescriptor other = *ADMIN;
	struct pd_rpc_client *client = dial();
	Pandit__V1__StatusRequest status = PANDIT__V1__STATUS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;

	(void)state;
	assert_int_equal(pd_rpc_unary(client, ADMIN, "Flush", &request.base, TIMEOUT, &reply,
				      &fault), -EOPNOTSUPP);
	assert_string_equal(fault.message, "no such method");
	other.name = "other.Service";
	assert_int_equal(pd_rpc_unary(client, &other, "Status", &status.base, TIMEOUT, &reply,
				      &fault), -EOPNOTSUPP);
	pd_rpc_client_free(&client);
}

static void test_too_large(void **state)
{
	char *name = calloc(1, 1024 * 1024 + 1);
	struct pd_rpc_client *client = dial();

	(void)state;
	memset(name, '1', 1024 * 1024);
	assert_int_equal(ask_remove(client, name), -ENOSPC);
	name[100 * 1000] = '\0';
	assert_int_not_equal(ask_remove(client, name), -ENOSPC);
	assert_int_equal(ask_status(client, TIMEOUT), 0);
	free(name);
	pd_rpc_client_free(&client);
}

static int connect_raw(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, harness.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* Bytes that are no HTTP/2, and connections that say nothing, hurt nobody else. */
static void test_garbage(void **state)
{
	struct pd_rpc_client *client;
	int fds[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		char junk[256];

		fds[i] = connect_raw();
		for (size_t k = 0; k < sizeof(junk); k++)
			junk[k] = (char)rand();
		if (i % 2)
			assert_true(send(fds[i], junk, sizeof(junk), MSG_NOSIGNAL) > 0);
	}
	client = dial();
	assert_int_equal(ask_status(client, TIMEOUT), 0);
	pd_rpc_client_free(&client);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}

/* ---- many --------------------------------------------------------------- */

static atomic_int good, refused, other_errors;

static void *ask_once(void *arg)
{
	struct pd_rpc_client *client = NULL;
	struct pd_fault f;
	int err = pd_rpc_dial(harness.address, &client, &f);

	(void)arg;
	if (!err)
		err = ask_status(client, TIMEOUT);
	pd_rpc_client_free(&client);
	good += !err;
	refused += err == -ENOSPC;
	other_errors += err && err != -ENOSPC;
	return NULL;
}

static void run_threads(void *(*fn)(void *), pthread_t *threads, size_t n)
{
	pthread_attr_t attr;

	good = refused = other_errors = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 512 * 1024);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], &attr, fn, NULL), 0);
	pthread_attr_destroy(&attr);
}

static void join_threads(pthread_t *threads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void test_concurrent(void **state)
{
	pthread_t threads[200];

	(void)state;
	slow_ms = 1;
	run_threads(ask_once, threads, 200);
	join_threads(threads, 200);
	assert_int_equal(good, 200);
	assert_int_equal(handled, 200);
}

static void test_queue_bound(void **state)
{
	pthread_t threads[20];

	(void)state;
	config.max_queue = 2;
	assert_int_equal(harness_up(&harness), 0);
	slow_ms = 300;
	run_threads(ask_once, threads, 20);
	join_threads(threads, 20);
	assert_true(good >= 1);
	assert_true(refused >= 1);
	assert_int_equal(other_errors, 0);
	assert_int_equal(good + refused, 20);
	assert_int_equal(handled, good);
}

/* ---- end ---------------------------------------------------------------- */

static atomic_bool stop_asking;

static void *ask_for_ever(void *arg)
{
	struct pd_rpc_client *client = NULL;
	struct pd_fault f;
	int kind = rand() % 3;

	(void)arg;
	if (pd_rpc_dial(harness.address, &client, &f))
		return NULL;
	while (!stop_asking) {
		Pandit__V1__DetachRequest detach = PANDIT__V1__DETACH_REQUEST__INIT;
		ProtobufCMessage *reply = NULL;
		struct pd_rpc_stream *stream = NULL;
		int err;

		if (kind == 0) {
			err = ask_status(client, TIMEOUT);
		} else if (kind == 1) {
			err = pd_rpc_unary(client, ADMIN, "Detach", &detach.base, 30, &reply, &f);
			err = err == -ETIMEDOUT ? 0 : err;
		} else {
			open_list(client, "", 500, &stream);
			err = pd_rpc_stream_next(stream, &reply, &f);
			if (reply)
				protobuf_c_message_free_unpacked(reply, NULL);
			pd_rpc_stream_free(&stream);
			err = err > 0 ? 0 : err;
		}
		good += !err;
		other_errors += err != 0;
		if (err)
			usleep(1000);
	}
	pd_rpc_client_free(&client);
	return NULL;
}

/* Under sanitizers this finds a call that outlives its server, and a batch on a closed queue. */
static void test_shutdown_under_load(void **state)
{
	pthread_t threads[24];

	(void)state;
	for (int round = 0; round < 6; round++) {
		config.grace_ms = round % 2 ? 1 : 200;
		assert_int_equal(harness_up(&harness), 0);
		stop_asking = false;
		run_threads(ask_for_ever, threads, 24);
		assert_true(wait_for(&good, 100));
		harness_down(&harness);
		stop_asking = true;
		join_threads(threads, 24);
		prepare(&harness);
	}
	assert_int_equal(rmdir(harness.dir), 0);
}

/* A call that nobody will answer is given up after the grace time. */
static void test_shutdown_waiting(void **state)
{
	Pandit__V1__ListEntriesRequest request = PANDIT__V1__LIST_ENTRIES_REQUEST__INIT;
	struct pd_rpc_stream *stream = NULL;
	struct pd_rpc_client *client;
	ProtobufCMessage *msg;
	uint64_t before;

	(void)state;
	config.grace_ms = 100;
	assert_int_equal(harness_up(&harness), 0);
	client = dial();
	request.service = "open";
	assert_int_equal(pd_rpc_stream_open(client, ADMIN, "ListEntries", &request.base, TIMEOUT,
					    &stream, &fault), 0);
	assert_true(wait_for(&handled, 1));
	before = pd_monotonic_ns();
	harness_down(&harness);
	assert_true(pd_monotonic_ns() - before < 3 * PD_NS_PER_S);
	assert_int_equal(cancelled, 1);
	assert_true(pd_rpc_stream_next(stream, &msg, &fault) < 0);
	pd_rpc_stream_free(&stream);
	pd_rpc_client_free(&client);
}

/* ---- sockets ------------------------------------------------------------ */

static void test_socket_file(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct pd_rpc_client *client = NULL;
	struct harness second;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(pd_rpc_dial(harness.address, &client, &fault), -ENOENT);
	assert_non_null(strstr(fault.hint, "start panditd"));

	/* Left behind by a process that died. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(sun.sun_path, harness.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	assert_int_equal(pd_rpc_dial(harness.address, &client, &fault), -ECONNREFUSED);
	assert_int_equal(harness_up(&harness), 0);
	assert_int_equal(stat(harness.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);

	/* Somebody answers: the second one must not take it away. */
	second = harness;
	second.object = NULL;
	second.err = 0;
	assert_int_equal(harness_up(&second), -EADDRINUSE);
	assert_non_null(strstr(second.fault.message, harness.path));
	assert_true(second.fault.hint[0]);
	client = dial();
	assert_int_equal(ask_status(client, TIMEOUT), 0);
	pd_rpc_client_free(&client);
	harness_down(&harness);
}

static void test_socket_refused(void **state)
{
	int fd;

	(void)state;
	fd = open(harness.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(harness_up(&harness), -EEXIST);
	assert_int_equal(access(harness.path, F_OK), 0);
	assert_int_equal(unlink(harness.path), 0);
	snprintf(harness.address, sizeof(harness.address), "unix:/%0120d", 0);
	assert_int_equal(harness_up(&harness), -ENAMETOOLONG);
	strcpy(harness.address, "unix:relative.sock");
	assert_int_equal(harness_up(&harness), -EINVAL);
	strcpy(harness.address, "unix:/proc/nowhere/x.sock");
	assert_true(harness_up(&harness) < 0);
	assert_int_equal(rmdir(harness.dir), 0);
}

/* A TCP port that is taken is an error, not shared in silence. */
static void test_port_taken(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct harness second;

	(void)state;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	snprintf(harness.address, sizeof(harness.address), "127.0.0.1:%d", ntohs(sin.sin_port));
	assert_int_equal(harness_up(&harness), 0);
	second = harness;
	second.object = NULL;
	assert_int_equal(harness_up(&second), -EADDRNOTAVAIL);
	test_round_trip(state);
	harness_down(&harness);
}

/* No signal of the process may be taken by a thread of gRPC. */
static void test_signals_blocked(void **state)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *de;
	int blocked = 0, open = 0;

	(void)state;
	assert_non_null(dir);
	while ((de = readdir(dir))) {
		char path[300], line[128];
		unsigned long long mask = 0;
		FILE *in;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", de->d_name);
		in = de->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (!in)
			continue;
		while (fgets(line, sizeof(line), in))
			sscanf(line, "SigBlk: %llx", &mask);
		fclose(in);
		*(mask >> (SIGTERM - 1) & 1 ? &blocked : &open) += 1;
	}
	closedir(dir);
	assert_true(blocked >= 3);
	assert_int_equal(open, 2);	/* this one, and that of the loop */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_up, teardown)
#define TEST_DOWN(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_signals_blocked),
		TEST(test_round_trip),
		TEST(test_errors),
		TEST(test_deadline),
		TEST(test_stream),
		TEST(test_cancel),
		cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
		TEST(test_malformed),
		TEST(test_unknown_method),
		TEST(test_too_large),
		TEST(test_garbage),
		TEST(test_concurrent),
		cmocka_unit_test_setup_teardown(test_queue_bound, setup, teardown),
		TEST_DOWN(test_shutdown_under_load),
		TEST_DOWN(test_shutdown_waiting),
		TEST_DOWN(test_socket_file),
		TEST_DOWN(test_socket_refused),
		TEST_DOWN(test_port_taken),
	};

	return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
