/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of panditctl share. One process, one thread, one verb. */
#ifndef PD_TOOLS_PANDITCTL_CTL_H
#define PD_TOOLS_PANDITCTL_CTL_H

#include <stdio.h>

#include <jansson.h>

#include "proto/pandit/v1/admin.pb-c.h"
#include "tools/panditctl/args.h"
#include "user/rpc/rpc.h"

#define CTL_DEFAULT_SOCKET	"unix:/run/pandit/pandit.sock"
#define CTL_DEFAULT_BPFFS	"/sys/fs/bpf/pandit"

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_DEGRADED = 3,	/* or not ready yet */
};

struct ctl {
	struct ctl_args args;
	const char *address;
	bool json, verbose;
	bool tty;		/* out is a terminal */
	FILE *out, *err;
	struct pd_rpc_client *client;	/* once something was asked */
};

/* Everything but the process: the exit status of one command line. */
int ctl_main(int argc, char **argv, FILE *out, FILE *err);

/* ---- asking (main.c) ---------------------------------------------------- */

/*
 * One call of pandit.v1.Admin. @request: a message of the generated code.
 * @timeout_ms: 0 = 10 s. *ret is freed with ctl_free(). 0 or -errno.
 */
int ctl_ask(struct ctl *ctl, const char *method, const void *request, uint64_t timeout_ms,
	    void *ret, struct pd_fault *f);
int ctl_dial(struct ctl *ctl, struct pd_fault *f);
void ctl_free(void *msgp);	/* pointer to the pointer; for _cleanup_() */

#define _cleanup_msg_ _cleanup_(ctl_free)

/* ---- telling (out.c) ---------------------------------------------------- */

/* Show an error, in words or in JSON. Return CTL_FAILED and CTL_USAGE. */
int ctl_fail(struct ctl *ctl, const struct pd_fault *f);
int ctl_usage(struct ctl *ctl, const struct pd_fault *f);

/* Print an object and a newline; takes over @object. Returns @status, CTL_FAILED if it is NULL. */
int ctl_print(struct ctl *ctl, json_t *object, int status);

/* @word in a colour of the terminal: 'r'ed, 'g'reen, 'y'ellow, 'b'old. Plain elsewhere. */
void ctl_colour(struct ctl *ctl, char colour, const char *word);

/*
 * Columns under headers. A header with a leading '>' is right-aligned. Cells
 * are copied. Out of memory ends the process, as nothing could be shown.
 */
struct ctl_table;
struct ctl_table *ctl_table_new(const char *const *headers, size_t n);
__attribute__((format(printf, 2, 3)))
void ctl_cell(struct ctl_table *table, const char *fmt, ...);
void ctl_table_print(struct ctl *ctl, const struct ctl_table *table);
void ctl_table_free(struct ctl_table **table);

/* Bytes as printable ASCII: "\\", "\n", "\r", "\t", "\xNN". Freed by the caller; never NULL. */
char *ctl_escape(const void *data, size_t len);

/* The reverse. -EINVAL: not such a text. */
int ctl_unescape(const char *s, char **ret, size_t *ret_len);

/* "12,345"; "1h 2m", "1.5s", "20ms". Return @buf. */
#define CTL_NUM_STRLEN 32
char *ctl_count(uint64_t n, char buf[CTL_NUM_STRLEN]);
char *ctl_ms(uint64_t ms, char buf[CTL_NUM_STRLEN]);

json_t *ctl_base64(const void *data, size_t len);

/* ---- verbs and their parts ---------------------------------------------- */

#define VERB(id, ...) int ctl_verb_##id(struct ctl *ctl);
#define OPTION(...)
#include "tools/panditctl/verbs.def"
#undef VERB
#undef OPTION

/* The help of one verb, or of all (CTL_VERB_any). */
void ctl_help(FILE *out, enum ctl_verb_id verb);

/* A verdict as JSON, and the colour of its kind; observe.c. */
json_t *ctl_seen_object(const Pandit__V1__VerdictSeen *seen);
char ctl_kind_colour(const char *kind);

/* Fill @request from options, or add every service of a YAML file; spec.c. */
struct ctl_specs {
	Pandit__V1__AddServiceRequest *requests;
	size_t n;
	ProtobufCMessage *file;		/* what they point into, or NULL */
	const char *addresses[16];	/* of options */
	const char *transport[2];
};
int ctl_specs_parse(const struct ctl *ctl, struct ctl_specs *ret, struct pd_fault *f);
void ctl_specs_free(struct ctl_specs *specs);

/* The value inside a reply of the wire: a RESP bulk string, a memcached item; else all of it. */
void ctl_value_of(const ProtobufCBinaryData *reply, const uint8_t **ret, size_t *ret_len);

#endif
