/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "user/lib/cleanup.h"
#include "user/lib/similar.h"
#include "user/lib/strbuf.h"
#include "user/lib/units.h"
#include "user/lib/yaml.h"

#define FILE_MAX  (1U << 20)
#define DEPTH_MAX 16
#define PATH_LEN  256

struct reader {
	yaml_document_t *doc;
	struct pd_marks *marks;
	struct pd_fault *f;
	unsigned int depth;
	size_t values; /* aliases may multiply nodes; bounded */
};

static int read_message(struct reader *r, yaml_node_t *node, ProtobufCMessage *msg,
			const char *path);

__attribute__((format(printf, 4, 5))) static int fail_at(struct reader *r, const yaml_mark_t *mark,
							 const char *hint, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return pd_fail(r->f, -EINVAL, hint, "%s:%zu:%zu: %s", r->marks->file, mark->line + 1,
		       mark->column + 1, text);
}

static int add_mark(struct reader *r, const char *path, const yaml_mark_t *mark)
{
	struct pd_marks *m = r->marks;
	struct pd_mark *grown;

	if (m->n == m->cap) {
		grown = realloc(m->marks, (m->cap + 32) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		m->marks = grown;
		m->cap += 32;
	}
	m->marks[m->n].path = strdup(path);
	if (!m->marks[m->n].path)
		return -ENOMEM;
	m->marks[m->n].line = (unsigned int)mark->line + 1;
	m->marks[m->n].column = (unsigned int)mark->column + 1;
	m->n++;
	return 0;
}

static const char *node_kind(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return "a mapping";
	case YAML_SEQUENCE_NODE:
		return "a list";
	default:
		return "a single value";
	}
}

char *pd_enum_spelling(const ProtobufCEnumDescriptor *e, const ProtobufCEnumValue *v, char *buf,
		       size_t size)
{
	const char *name = v->name, *t = e->short_name;
	size_t i = 0;

	/* The prefix of the values is the enum's name in upper case: UdpSources -> UDP_SOURCES_. */
	for (const char *n = name;; n++) {
		if (!*t) {
			if (*n == '_')
				name = n + 1;
			break;
		}
		if (*n == '_' && isupper((unsigned char)*t))
			continue;
		if (*n != toupper((unsigned char)*t))
			break;
		t++;
	}
	for (; name[i] && i + 1 < size; i++)
		buf[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
	buf[i] = '\0';
	return buf;
}

static int read_enum(struct reader *r, yaml_node_t *node, const ProtobufCEnumDescriptor *e,
		     const char *key, int *dst)
{
	const char *s = (const char *)node->data.scalar.value;
	char spelling[64];
	_cleanup_strbuf_ struct pd_strbuf all = {0};

	for (unsigned int i = 0; i < e->n_values; i++) {
		pd_enum_spelling(e, &e->values[i], spelling, sizeof(spelling));
		if (!strcmp(s, spelling)) {
			*dst = e->values[i].value;
			return 0;
		}
		pd_strbuf_addf(&all, "%s%s", i ? ", " : "", spelling);
	}
	return fail_at(r, &node->start_mark, NULL, "'%s' is not a value of '%s' (one of: %s)", s,
		       key, all.s ? all.s : "");
}

static int read_number(struct reader *r, yaml_node_t *node, const char *key, uint64_t max,
		       uint64_t *dst)
{
	const char *s = (const char *)node->data.scalar.value;
	uint64_t v = 0;

	if (!*s)
		return fail_at(r, &node->start_mark, NULL, "'%s' must be a number", key);
	for (const char *p = s; *p; p++) {
		if (*p < '0' || *p > '9')
			return fail_at(r, &node->start_mark, NULL,
				       "'%s' must be a number, not '%s'", key, s);
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v) || v > max)
			return fail_at(r, &node->start_mark, NULL, "'%s': %s is too large", key, s);
	}
	*dst = v;
	return 0;
}

static int read_bool(struct reader *r, yaml_node_t *node, const char *key, protobuf_c_boolean *dst)
{
	const char *s = (const char *)node->data.scalar.value;

	if (strcmp(s, "true") && strcmp(s, "false"))
		return fail_at(r, &node->start_mark, NULL, "'%s' must be true or false, not '%s'",
			       key, s);
	*dst = !strcmp(s, "true");
	return 0;
}

/* Duration and Size are messages of one field that are written as a scalar with a unit. */
static int read_unit(struct reader *r, yaml_node_t *node, const ProtobufCMessageDescriptor *d,
		     const char *key, ProtobufCMessage *msg)
{
	bool duration = !strcmp(d->short_name, "Duration");
	const char *s = (const char *)node->data.scalar.value;
	uint64_t *dst = (uint64_t *)((char *)msg + d->fields[0].offset);
	int err = duration ? pd_duration_parse(s, dst) : pd_size_parse(s, dst);

	if (!err)
		return 0;
	if (err == -ERANGE)
		return fail_at(r, &node->start_mark, NULL, "'%s': %s is too large", key, s);
	return fail_at(r, &node->start_mark, NULL, "'%s' must be a %s like %s, not '%s'", key,
		       duration ? "duration" : "size", duration ? "1s or 500ms" : "4096 or 256MiB",
		       s);
}

static bool is_unit(const ProtobufCFieldDescriptor *fd)
{
	const ProtobufCMessageDescriptor *d = fd->descriptor;

	return fd->type == PROTOBUF_C_TYPE_MESSAGE && d->n_fields == 1 &&
	       (!strcmp(d->short_name, "Duration") || !strcmp(d->short_name, "Size"));
}

static int read_submessage(struct reader *r, yaml_node_t *node, const ProtobufCFieldDescriptor *fd,
			   const char *path, ProtobufCMessage **dst)
{
	const ProtobufCMessageDescriptor *d = fd->descriptor;
	ProtobufCMessage *msg = calloc(1, d->sizeof_message);
	int err;

	if (!msg)
		return -ENOMEM;
	protobuf_c_message_init(d, msg);
	if (is_unit(fd))
		err = read_unit(r, node, d, fd->name, msg);
	else
		err = read_message(r, node, msg, path);
	if (err) {
		protobuf_c_message_free_unpacked(msg, NULL);
		return err;
	}
	*dst = msg;
	return 0;
}

static int read_string(struct reader *r, yaml_node_t *node, const char *key, char **dst)
{
	const char *s = (const char *)node->data.scalar.value;
	char *copy;

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (!*s || !strcmp(s, "~") || !strcmp(s, "null")))
		return fail_at(r, &node->start_mark, NULL, "'%s' has no value", key);
	if (strlen(s) != node->data.scalar.length)
		return fail_at(r, &node->start_mark, NULL, "'%s' holds a NUL character", key);
	copy = strdup(s);
	if (!copy)
		return -ENOMEM;
	*dst = copy;
	return 0;
}

/* One value (of a repeated field: one element) into @dst. */
static int read_value(struct reader *r, yaml_node_t *node, const ProtobufCFieldDescriptor *fd,
		      const char *path, void *dst)
{
	bool scalar = fd->type != PROTOBUF_C_TYPE_MESSAGE || is_unit(fd);
	uint64_t number;
	int err;

	if (++r->values > 100000)
		return fail_at(r, &node->start_mark, NULL, "too many values");
	if (scalar != (node->type == YAML_SCALAR_NODE))
		return fail_at(r, &node->start_mark, NULL, "'%s' must be %s, not %s", fd->name,
			       scalar ? "a single value" : "a mapping", node_kind(node));
	err = add_mark(r, path, &node->start_mark);
	if (err)
		return err;
	switch (fd->type) {
	case PROTOBUF_C_TYPE_STRING:
		return read_string(r, node, fd->name, dst);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(r, node, fd->descriptor, fd->name, dst);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(r, node, fd->name, dst);
	case PROTOBUF_C_TYPE_UINT32:
		err = read_number(r, node, fd->name, UINT32_MAX, &number);
		if (!err)
			*(uint32_t *)dst = (uint32_t)number;
		return err;
	case PROTOBUF_C_TYPE_UINT64:
		return read_number(r, node, fd->name, UINT64_MAX, dst);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_submessage(r, node, fd, path, dst);
	default:
		return fail_at(r, &node->start_mark, NULL, "'%s' cannot be set from a file",
			       fd->name);
	}
}

static size_t element_size(const ProtobufCFieldDescriptor *fd)
{
	switch (fd->type) {
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_UINT64:
		return sizeof(uint64_t);
	default:
		return sizeof(void *);
	}
}

static int read_repeated(struct reader *r, yaml_node_t *node, const ProtobufCFieldDescriptor *fd,
			 const char *path, ProtobufCMessage *msg)
{
	bool list = node->type == YAML_SEQUENCE_NODE;
	yaml_node_item_t *first = list ? node->data.sequence.items.start : NULL;
	size_t n = list ? (size_t)(node->data.sequence.items.top - first) : 1;
	size_t *count = (size_t *)((char *)msg + fd->quantifier_offset);
	void **array = (void **)((char *)msg + fd->offset);
	size_t size = element_size(fd);
	char sub[PATH_LEN + 32];
	int err;

	err = add_mark(r, path, &node->start_mark);
	if (err || !n)
		return err;
	*array = calloc(n, size);
	if (!*array)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		yaml_node_t *item = list ? yaml_document_get_node(r->doc, first[i]) : node;

		snprintf(sub, sizeof(sub), "%s[%zu]", path, i);
		err = read_value(r, item, fd, sub, (char *)*array + i * size);
		if (err)
			return err;
		*count = i + 1;
	}
	return 0;
}

static int unknown_key(struct reader *r, const yaml_node_t *key,
		       const ProtobufCMessageDescriptor *d)
{
	const char *s = (const char *)key->data.scalar.value;
	struct pd_similar similar = {.word = s};
	_cleanup_strbuf_ struct pd_strbuf all = {0};

	for (unsigned int i = 0; i < d->n_fields; i++) {
		pd_similar_try(&similar, d->fields[i].name);
		pd_strbuf_addf(&all, "%s%s", i ? ", " : "", d->fields[i].name);
	}
	if (similar.best)
		return fail_at(r, &key->start_mark, NULL, "unknown key '%s' (did you mean '%s'?)",
			       s, similar.best);
	return fail_at(r, &key->start_mark, NULL, "unknown key '%s' (known here: %s)", s,
		       all.s ? all.s : "");
}

static int read_pair(struct reader *r, yaml_node_pair_t *pair, ProtobufCMessage *msg,
		     const char *path, bool *seen)
{
	yaml_node_t *key = yaml_document_get_node(r->doc, pair->key);
	yaml_node_t *value = yaml_document_get_node(r->doc, pair->value);
	const ProtobufCFieldDescriptor *fd = NULL;
	char sub[PATH_LEN];

	if (key->type != YAML_SCALAR_NODE)
		return fail_at(r, &key->start_mark, NULL, "a key must be a word, not %s",
			       node_kind(key));
	fd = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor,
							     (char *)key->data.scalar.value);
	if (!fd)
		return unknown_key(r, key, msg->descriptor);
	if (seen[fd - msg->descriptor->fields])
		return fail_at(r, &key->start_mark, NULL, "the key '%s' stands here twice",
			       fd->name);
	seen[fd - msg->descriptor->fields] = true;
	if (snprintf(sub, sizeof(sub), "%s%s%s", path, *path ? "." : "", fd->name) >= PATH_LEN)
		return fail_at(r, &key->start_mark, NULL, "nested too deeply");
	if (fd->label == PROTOBUF_C_LABEL_REPEATED)
		return read_repeated(r, value, fd, sub, msg);
	return read_value(r, value, fd, sub, (char *)msg + fd->offset);
}

static int read_message(struct reader *r, yaml_node_t *node, ProtobufCMessage *msg,
			const char *path)
{
	_cleanup_free_ bool *seen = NULL;
	int err = 0;

	if (node->type != YAML_MAPPING_NODE)
		return fail_at(r, &node->start_mark, NULL, "expected 'key: value' lines, not %s",
			       node_kind(node));
	if (r->depth >= DEPTH_MAX)
		return fail_at(r, &node->start_mark, NULL, "nested too deeply");
	seen = calloc(msg->descriptor->n_fields + 1, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	r->depth++;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     !err && p < node->data.mapping.pairs.top; p++)
		err = read_pair(r, p, msg, path, seen);
	r->depth--;
	return err;
}

static int parser_fault(struct reader *r, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		return pd_fail(r->f, -EINVAL, NULL, "%s:1:1: not a text file: %s", r->marks->file,
			       parser->problem ? parser->problem : "unreadable");
	return fail_at(r, &parser->problem_mark, NULL, "not valid YAML: %s",
		       parser->problem ? parser->problem : "syntax error");
}

static int read_document(struct reader *r, yaml_parser_t *parser, yaml_document_t *doc,
			 ProtobufCMessage *msg)
{
	yaml_node_t *root;
	int err = 0;

	if (!yaml_parser_load(parser, doc))
		return parser_fault(r, parser);
	r->doc = doc;
	root = yaml_document_get_root_node(doc);
	/* "---" alone is a document that says nothing. */
	if (root && !(root->type == YAML_SCALAR_NODE && !root->data.scalar.length))
		err = read_message(r, root, msg, "");
	yaml_document_delete(doc);
	if (err || !root)
		return err;
	/* A second document would be ignored silently. */
	if (!yaml_parser_load(parser, doc))
		return parser_fault(r, parser);
	root = yaml_document_get_root_node(doc);
	if (root)
		err = fail_at(r, &root->start_mark, NULL, "a second document in one file");
	yaml_document_delete(doc);
	return err;
}

int pd_yaml_parse(const char *file, const char *text, size_t len,
		  const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret,
		  struct pd_marks *ret_marks, struct pd_fault *f)
{
	struct pd_marks marks = {.file = strdup(file)};
	struct reader r = {.marks = &marks, .f = f};
	ProtobufCMessage *msg = calloc(1, desc->sizeof_message);
	yaml_document_t doc;
	yaml_parser_t parser;
	int err = -ENOMEM;

	if (f)
		pd_fail(f, 0, NULL, "%s: out of memory", file);
	if (msg)
		protobuf_c_message_init(desc, msg);
	if (msg && marks.file && yaml_parser_initialize(&parser)) {
		yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
		err = read_document(&r, &parser, &doc, msg);
		yaml_parser_delete(&parser);
	}
	if (err) {
		protobuf_c_message_free_unpacked(msg, NULL);
		pd_marks_free(&marks);
		return err;
	}
	*ret = msg;
	if (ret_marks)
		*ret_marks = marks;
	else
		pd_marks_free(&marks);
	return 0;
}

int pd_yaml_read(const char *file, const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret,
		 struct pd_marks *ret_marks, struct pd_fault *f)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = malloc(FILE_MAX + 1);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return pd_fail(f, -errno, NULL, "%s: cannot open: %s", file, strerror(errno));
	if (!text)
		return pd_fail(f, -ENOMEM, NULL, "%s: out of memory", file);
	while (len <= FILE_MAX && (n = read(fd, text + len, FILE_MAX + 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pd_fail(f, -errno, NULL, "%s: cannot read: %s", file,
				       strerror(errno));
		len += (size_t)n;
	}
	if (len > FILE_MAX)
		return pd_fail(f, -EFBIG, NULL, "%s: larger than 1 MiB", file);
	return pd_yaml_parse(file, text, len, desc, ret, ret_marks, f);
}

/* The mark of @path, or of what encloses it. */
static const struct pd_mark *find_mark(const struct pd_marks *marks, const char *path)
{
	char buf[PATH_LEN + 32];
	char *cut;

	snprintf(buf, sizeof(buf), "%s", path);
	for (;;) {
		for (size_t i = 0; i < marks->n; i++)
			if (!strcmp(marks->marks[i].path, buf))
				return &marks->marks[i];
		cut = strrchr(buf, '.');
		if (strrchr(buf, '[') > cut)
			cut = strrchr(buf, '[');
		if (!cut)
			return NULL;
		*cut = '\0';
	}
}

int pd_marks_fail(const struct pd_marks *marks, struct pd_fault *f, const char *path,
		  const char *hint, const char *fmt, ...)
{
	const struct pd_mark *m = find_mark(marks, path);
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!marks->file)
		return pd_fail(f, -EINVAL, hint, "%s", text);
	return pd_fail(f, -EINVAL, hint, "%s:%u:%u: %s", marks->file, m ? m->line : 1,
		       m ? m->column : 1, text);
}

void pd_marks_free(struct pd_marks *marks)
{
	for (size_t i = 0; i < marks->n; i++)
		free(marks->marks[i].path);
	free(marks->marks);
	free(marks->file);
	*marks = (struct pd_marks){0};
}
