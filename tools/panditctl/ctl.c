// SPDX-License-Identifier: Apache-2.0
/* From a command line to a verb, and from a verb to the daemon. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"

#define ASK_MS 10000

static int (*const run[CTL_VERBS])(struct ctl *ctl) = {
#define VERB(id, ...) [CTL_VERB_##id] = ctl_verb_##id,
#define OPTION(...)
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION
};

int ctl_dial(struct ctl *ctl, struct pd_fault *f)
{
	return ctl->client ? 0 : pd_rpc_dial(ctl->address, &ctl->client, f);
}

int ctl_ask(struct ctl *ctl, const char *method, const void *request, uint64_t timeout_ms,
	    void *ret, struct pd_fault *f)
{
	int err = ctl_dial(ctl, f);

	return err ? err : pd_rpc_unary(ctl->client, &pandit__v1__admin__descriptor, method,
					request, timeout_ms ? timeout_ms : ASK_MS, ret, f);
}

void ctl_free(void *msgp)
{
	ProtobufCMessage **msg = msgp;

	if (*msg)
		protobuf_c_message_free_unpacked(*msg, NULL);
	*msg = NULL;
}

static int show_version(struct ctl *ctl)
{
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:s}", "version", PD_VERSION), CTL_OK);
	fprintf(ctl->out, "panditctl %s\n", PD_VERSION);
	return CTL_OK;
}

static int run_verb(struct ctl *ctl)
{
	struct pd_fault f = { "no verb was given", "`panditctl help` lists the verbs" };
	enum ctl_verb_id verb = ctl->args.verb;

	if (ctl_has(&ctl->args, CTL_OPT_any_version))
		return show_version(ctl);
	if (ctl_has(&ctl->args, CTL_OPT_any_help)) {
		ctl_help(ctl->out, verb);
		return CTL_OK;
	}
	if (verb != CTL_VERB_any)
		return run[verb](ctl);
	if (ctl->json)
		return ctl_usage(ctl, &f);
	ctl_help(ctl->err, verb);
	return CTL_USAGE;
}

/* Also when the rest of the line is wrong: then the error is to be JSON. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int find_address(struct ctl *ctl, struct pd_fault *f)
{
	ctl->address = ctl_value(&ctl->args, CTL_OPT_any_socket);
	if (!ctl->address)
		ctl->address = CTL_DEFAULT_SOCKET;
	if (strchr(ctl->address, ':'))
		return 0;
	return pd_fail(f, -EINVAL, "write unix:/run/pandit/pandit.sock or host:port",
		       "--socket: '%s' is not an address", ctl->address);
}

int ctl_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct ctl ctl = { .out = out, .err = err, .json = wants_json(argc, argv) };
	struct pd_fault f = { 0 };
	int status;

	ctl.tty = isatty(fileno(out));
	if (ctl_args_parse(argc, argv, &ctl.args, &f) || find_address(&ctl, &f)) {
		status = ctl_usage(&ctl, &f);
	} else {
		ctl.verbose = ctl_has(&ctl.args, CTL_OPT_any_verbose);
		status = run_verb(&ctl);
	}
	pd_rpc_client_free(&ctl.client);
	ctl_args_free(&ctl.args);
	if (fflush(out) && status == CTL_OK)
		status = CTL_FAILED;
	return status;
}
