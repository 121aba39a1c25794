// SPDX-License-Identifier: Apache-2.0
/* ls, get, flush */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/panditctl/ctl.h"
#include "user/lib/cleanup.h"

#define LIST_MS		60000
#define PREVIEW_BYTES	64

static const char *verdict_text(const char *name)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
#define VERDICT(name, kind, text) { #name, text },
#include "maps/verdicts.def"
#undef VERDICT
	};

	for (size_t i = 0; i < PD_ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].text;
	return name;
}

/* The key in bytes, as given or from its escaped form. 0 or -EINVAL. */
static int key_of(const struct ctl *ctl, enum ctl_option_id escaped, char **ret, size_t *ret_len,
		  struct pd_fault *f)
{
	const char *arg = ctl->args.pos[1];

	if (ctl_has(&ctl->args, escaped)) {
		if (!ctl_unescape(arg, ret, ret_len))
			return 0;
		return pd_fail(f, -EINVAL, "known escapes: \\\\ \\n \\r \\t \\xNN",
			       "'%s' is not an escaped key", arg);
	}
	*ret = strdup(arg);
	*ret_len = strlen(arg);
	return *ret ? 0 : pd_fail(f, -ENOMEM, NULL, "out of memory");
}

static json_t *entry_object(const Pandit__V1__EntryStatus *e, bool with_reply)
{
	_cleanup_free_ char *key = ctl_escape(e->key.data, e->key.len);
	char realm[24];
	json_t *object;

	snprintf(realm, sizeof(realm), "%016" PRIx64, e->realm);
	object = json_pack("{s:s,s:s,s:o,s:I,s:I,s:I,s:b,s:s,s:i,s:i,s:s,s:s}", "service",
			   e->service, "key", key,
			   "key_base64", ctl_base64(e->key.data, e->key.len), "size",
			   (json_int_t)e->reply_size, "age_ms", (json_int_t)e->age_ms, "left_ms",
			   (json_int_t)e->left_ms, "usable", e->usable, "why", e->why, "db",
			   (int)e->db, "op", (int)e->op, "size_class", e->size_class, "realm",
			   realm);
	if (object && with_reply)
		json_object_set_new(object, "reply_base64",
				    ctl_base64(e->reply.data, e->reply.len));
	return object;
}

/* ---- ls ----------------------------------------------------------------- */

static void add_row(struct ctl_table *table, const Pandit__V1__EntryStatus *e)
{
	_cleanup_free_ char *key = ctl_escape(e->key.data, e->key.len);
	char a[CTL_NUM_STRLEN];

	ctl_cell(table, "%s", key);
	ctl_cell(table, "%s", ctl_count(e->reply_size, a));
	ctl_cell(table, "%s", ctl_ms(e->age_ms, a));
	ctl_cell(table, "%s", e->left_ms > 0 ? ctl_ms((uint64_t)e->left_ms, a) : "-");
	if (e->db >= 0)
		ctl_cell(table, "%d", e->db);
	else
		ctl_cell(table, "-");
	ctl_cell(table, "%s", e->size_class);
	ctl_cell(table, "%s", e->usable ? "usable" : e->why);
}

static int read_list(struct ctl *ctl, struct pd_rpc_stream *stream, struct ctl_table *table,
		     json_t *list, struct pd_fault *f)
{
	for (;;) {
		_cleanup_msg_ Pandit__V1__ListEntriesReply *page = NULL;
		ProtobufCMessage *msg = NULL;
		int more = pd_rpc_stream_next(stream, &msg, f);

		if (more <= 0)
			return more;
		page = (Pandit__V1__ListEntriesReply *)msg;
		for (size_t i = 0; i < page->n_entries; i++) {
			if (ctl->json)
				json_array_append_new(list, entry_object(page->entries[i], false));
			else
				add_row(table, page->entries[i]);
		}
	}
}

int ctl_verb_ls(struct ctl *ctl)
{
	static const char *const headers[] = { "KEY", ">SIZE", ">AGE", ">LEFT", ">DB", "CLASS",
					       "STATE" };
	Pandit__V1__ListEntriesRequest request = PANDIT__V1__LIST_ENTRIES_REQUEST__INIT;
	_cleanup_(ctl_table_free) struct ctl_table *table =
		ctl_table_new(headers, PD_ARRAY_SIZE(headers));
	_cleanup_(pd_rpc_stream_free) struct pd_rpc_stream *stream = NULL;
	json_t *list;
	struct pd_fault f;

	request.service = (char *)ctl->args.pos[0];
	if (ctl_number(&ctl->args, CTL_OPT_ls_limit, UINT32_MAX, &request.limit, &f))
		return ctl_usage(ctl, &f);
	if (ctl_dial(ctl, &f) ||
	    pd_rpc_stream_open(ctl->client, &pandit__v1__admin__descriptor, "ListEntries",
			       &request.base, LIST_MS, &stream, &f))
		return ctl_fail(ctl, &f);
	list = json_array();
	if (read_list(ctl, stream, table, list, &f)) {
		json_decref(list);
		return ctl_fail(ctl, &f);
	}
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:o}", "entries", list), CTL_OK);
	json_decref(list);
	ctl_table_print(ctl, table);
	return CTL_OK;
}

/* ---- get ---------------------------------------------------------------- */

/* The bytes after the first line of @reply, if its length word at @at says how many there are. */
static bool sized_payload(const ProtobufCBinaryData *reply, size_t at, const uint8_t **ret,
			  size_t *ret_len)
{
	const uint8_t *line_end = memmem(reply->data, reply->len, "\r\n", 2);
	char digits[16] = { 0 };
	unsigned long long n;
	size_t start;
	char *end;

	if (!line_end || (size_t)(line_end - reply->data) <= at)
		return false;
	start = (size_t)(line_end - reply->data) + 2;
	if (start - 2 - at >= sizeof(digits))
		return false;
	memcpy(digits, reply->data + at, start - 2 - at);
	n = strtoull(digits, &end, 10);
	if (end == digits || (*end && *end != ' ') || n > reply->len - start)
		return false;
	*ret = reply->data + start;
	*ret_len = (size_t)n;
	return true;
}

void ctl_value_of(const ProtobufCBinaryData *reply, const uint8_t **ret, size_t *ret_len)
{
	static const char value[] = "VALUE ";
	size_t at = sizeof(value) - 1;

	*ret = reply->data;
	*ret_len = reply->len;
	if (reply->len > 1 && reply->data[0] == '$') {
		sized_payload(reply, 1, ret, ret_len);
	} else if (reply->len > at && !memcmp(reply->data, value, at)) {
		/* VALUE key flags bytes [cas] */
		for (int words = 0; words < 2 && at < reply->len; at++)
			words += reply->data[at] == ' ';
		sized_payload(reply, at, ret, ret_len);
	}
}

static void print_entry(struct ctl *ctl, const Pandit__V1__EntryStatus *e)
{
	_cleanup_free_ char *key = ctl_escape(e->key.data, e->key.len);
	_cleanup_free_ char *preview = NULL;
	char a[CTL_NUM_STRLEN];
	const uint8_t *value;
	size_t len;

	ctl_value_of(&e->reply, &value, &len);
	preview = ctl_escape(value, len < PREVIEW_BYTES ? len : PREVIEW_BYTES);
	ctl_colour(ctl, 'b', key);
	fprintf(ctl->out, "\n  value   %s bytes: %s%s\n", ctl_count(len, a), preview,
		len > PREVIEW_BYTES ? "..." : "");
	fprintf(ctl->out, "  size    %s bytes on the wire, class %s\n", ctl_count(e->reply_size, a),
		e->size_class);
	fprintf(ctl->out, "  age     %s\n", ctl_ms(e->age_ms, a));
	fprintf(ctl->out, "  left    %s\n", e->left_ms > 0 ? ctl_ms((uint64_t)e->left_ms, a) : "-");
	if (e->db >= 0)
		fprintf(ctl->out, "  db      %d\n", e->db);
	if (ctl->verbose)
		fprintf(ctl->out, "  realm   %016" PRIx64 "\n  command %u\n", e->realm, e->op);
	fprintf(ctl->out, "  usable  ");
	ctl_colour(ctl, e->usable ? 'g' : 'y', e->usable ? "yes" : "no");
	if (!e->usable)
		fprintf(ctl->out, ": %s (%s)", verdict_text(e->why), e->why);
	fputc('\n', ctl->out);
}

/* Entries that hold a value come before those that tell about it (a length), usable ones first. */
static unsigned int rank(const Pandit__V1__EntryStatus *e)
{
	const uint8_t *value;
	size_t len;

	ctl_value_of(&e->reply, &value, &len);
	return (value != e->reply.data) * 2 + !!e->usable;
}

static int print_raw(struct ctl *ctl, const Pandit__V1__GetEntryReply *reply)
{
	const Pandit__V1__EntryStatus *e = reply->entries[0];
	size_t len, same = 1;
	const uint8_t *value;

	for (size_t i = 1; i < reply->n_entries; i++) {
		unsigned int r = rank(reply->entries[i]);

		same = r > rank(e) ? 1 : same + (r == rank(e));
		e = r > rank(e) ? reply->entries[i] : e;
	}
	ctl_value_of(&e->reply, &value, &len);
	if (ctl_has(&ctl->args, CTL_OPT_get_wire)) {
		value = e->reply.data;
		len = e->reply.len;
	}
	if (same > 1)
		fprintf(ctl->err, "panditctl: 1 of %zu entries; all are shown without --raw\n",
			same);
	return fwrite(value, 1, len, ctl->out) == len ? CTL_OK : CTL_FAILED;
}

int ctl_verb_get(struct ctl *ctl)
{
	Pandit__V1__GetEntryRequest request = PANDIT__V1__GET_ENTRY_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__GetEntryReply *reply = NULL;
	_cleanup_free_ char *key = NULL;
	json_t *list;
	struct pd_fault f;

	request.service = (char *)ctl->args.pos[0];
	request.has_db = ctl_has(&ctl->args, CTL_OPT_get_db);
	if (ctl_number(&ctl->args, CTL_OPT_get_db, INT32_MAX, &request.db, &f) ||
	    key_of(ctl, CTL_OPT_get_escaped, &key, &request.key.len, &f))
		return ctl_usage(ctl, &f);
	request.key.data = (uint8_t *)key;
	if (ctl_ask(ctl, "GetEntry", &request, 0, &reply, &f))
		return ctl_fail(ctl, &f);
	if (!reply->n_entries) {
		pd_fail(&f, -ENOENT, NULL, "nothing is kept for this key");
		return ctl_fail(ctl, &f);
	}
	if (ctl->json) {
		list = json_array();
		for (size_t i = 0; i < reply->n_entries; i++)
			json_array_append_new(list, entry_object(reply->entries[i], true));
		return ctl_print(ctl, json_pack("{s:o}", "entries", list), CTL_OK);
	}
	if (ctl_has(&ctl->args, CTL_OPT_get_raw))
		return print_raw(ctl, reply);
	for (size_t i = 0; i < reply->n_entries; i++)
		print_entry(ctl, reply->entries[i]);
	return CTL_OK;
}

/* ---- flush -------------------------------------------------------------- */

int ctl_verb_flush(struct ctl *ctl)
{
	Pandit__V1__FlushRequest request = PANDIT__V1__FLUSH_REQUEST__INIT;
	_cleanup_msg_ Pandit__V1__FlushReply *reply = NULL;
	_cleanup_free_ char *key = NULL, *shown = NULL;
	struct pd_fault f;

	request.service = (char *)ctl->args.pos[0];
	request.has_key = ctl->args.npos > 1;
	if (request.has_key && key_of(ctl, CTL_OPT_flush_escaped, &key, &request.key.len, &f))
		return ctl_usage(ctl, &f);
	request.key.data = (uint8_t *)key;
	if (ctl_ask(ctl, "Flush", &request, 0, &reply, &f))
		return ctl_fail(ctl, &f);
	shown = ctl_escape(key, request.key.len);
	if (ctl->json)
		return ctl_print(ctl, json_pack("{s:{s:s,s:o}}", "flushed", "service",
						request.service, "key",
						request.has_key ? json_string(shown) : json_null()),
				 CTL_OK);
	fprintf(ctl->out, "flushed %s%s%s\n", request.service, request.has_key ? ": " : "", shown);
	return CTL_OK;
}
