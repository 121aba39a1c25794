/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of one grammar, with every call of the grammar made in the
 * kernel. Compiled for each row of protocols.def like test_vectors.c. After a
 * call the bytes behind the window are the test's, as they are in user space.
 *
 * usage: test_grammar HARNESS_OBJECT [vectors.txt]
 */
#include "selftests/unit/wire/check.h"
#include "kernel.h"

/* The session is read, not written, by these. */
static int kernel_message(__u32 what, const struct wire_win *w, struct pd_parse *st,
			  const struct pd_session *ses, struct wire_step *s)
{
	struct pd_session copy = *ses;
	int ev = kernel_call(what, w, st, &copy, s);

	return memcmp(&copy, ses, sizeof(copy)) ? -1 : ev;
}

static int kernel_request(const struct wire_win *w, struct pd_parse *st,
			  const struct pd_session *ses, struct wire_step *s)
{
	return kernel_message(HARNESS_REQUEST, w, st, ses, s);
}

static int kernel_reply(const struct wire_win *w, struct pd_parse *st,
			const struct pd_session *ses, struct wire_step *s)
{
	return kernel_message(HARNESS_REPLY, w, st, ses, s);
}

static int kernel_settle(struct pd_session *ses, struct wire_step *s)
{
	return kernel_call(HARNESS_SETTLE, NULL, NULL, ses, s);
}

static int kernel_emit(struct wire_emit *e)
{
	int ev;

	kernel.jobs->emit = *e;
	ev = kernel_call(HARNESS_EMIT, NULL, NULL, NULL, NULL);
	*e = kernel.jobs->emit;
	return ev;
}

static int kernel_datagram(const struct wire_win *w, struct wire_step *s)
{
	return kernel_call(HARNESS_DATAGRAM, w, NULL, NULL, s);
}

int main(int argc, char **argv)
{
	const char *path = argc > 2 ? argv[2] : native_vectors();
	struct wire_ops ops = {
		.name = native_ops.name,
		.flags = native_ops.flags,
		.request = kernel_request,
		.reply = kernel_reply,
		.settle = kernel_settle,
		.emit = native_ops.emit ? kernel_emit : NULL,
		.datagram = native_ops.datagram ? kernel_datagram : NULL,
	};
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: %s HARNESS_OBJECT [vectors.txt]\n", argv[0]);
		return 2;
	}
	if (kernel_open(argv[1]))
		return 1;
	r = check_run(&ops, path, "vectors of " OPS_STR(PROTO) " in the kernel", CHECK_CUTS / 16);
	kernel_close();
	return r ? 1 : 0;
}
