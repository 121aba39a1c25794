/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/lib/log.h"
#include "user/lib/strbuf.h"
#include "user/load/impl.h"
#include "pandit.skel.h"

const struct pd_map_row pd_map_rows[PD_MAP_MAX] = {
#define MAP(n, t, k, v, max, fl, lf)              \
	[PD_MAP_##n] = {.name = #n,               \
			.type = BPF_MAP_TYPE_##t, \
			.key_size = sizeof(k),    \
			.value_size = sizeof(v),  \
			.max_entries = (max),     \
			.flags = (fl),            \
			.life = PD_LIFE_##lf},
#include "maps/maps.def"
#undef MAP
};

const char *const pd_prog_names[PD_PROG_MAX] = {
	[PD_PROG_CLIENT_REQUEST] = "client_request", [PD_PROG_CLIENT_REPLY] = "client_reply",
	[PD_PROG_HOME_REQUEST] = "home_request",     [PD_PROG_HOME_REPLY] = "home_reply",
	[PD_PROG_EDGE_CLIENT] = "edge_client",
};

/* The last lines of libbpf; the verifier's verdict is among them. Programs may be loaded by several
 * threads. */
static __thread struct {
	char reason[256];
	char last[256];
} libbpf_log;

static void note_line(const char *line, size_t len)
{
	char buf[sizeof(libbpf_log.last)];

	while (len && (*line == ' ' || *line == ';' || *line == '\t')) {
		line++;
		len--;
	}
	if (!len)
		return;
	snprintf(buf, sizeof(buf), "%.*s", (int)len, line);
	if (!strncmp(buf, "processed ", 10) && libbpf_log.last[0])
		snprintf(libbpf_log.reason, sizeof(libbpf_log.reason), "%s", libbpf_log.last);
	if (!strncmp(buf, "libbpf: ", 8)) {
		if (!libbpf_log.reason[0] && !strstr(buf, "BEGIN PROG LOAD LOG"))
			snprintf(libbpf_log.reason, sizeof(libbpf_log.reason), "%s", buf + 8);
		return;
	}
	memcpy(libbpf_log.last, buf, sizeof(buf));
}

static int on_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text = NULL, *line;
	va_list copy;
	int n;

	if (level == LIBBPF_DEBUG || !fmt)
		return 0;
	va_copy(copy, ap);
	n = vsnprintf(NULL, 0, fmt, copy);
	va_end(copy);
	if (n > 0)
		text = malloc((size_t)n + 1);
	if (!text)
		return 0;
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	for (line = text; line && *line;) {
		size_t len = strcspn(line, "\n");

		note_line(line, len);
		/* Library messages are one level less important here. */
		pd_log(PD_LOG_DEBUG, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
	free(text);
	return 0;
}

void pd_libbpf_log_start(void)
{
	memset(&libbpf_log, 0, sizeof(libbpf_log));
	libbpf_set_print(on_libbpf);
}

const char *pd_libbpf_log_reason(void)
{
	return libbpf_log.reason[0] ? libbpf_log.reason : libbpf_log.last;
}

int pd_load_problem(struct pd_load *load, const char *fmt, ...)
{
	char text[384], **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	grown = realloc(load->problems, (load->nproblems + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	load->problems = grown;
	grown[load->nproblems] = strdup(text);
	if (!grown[load->nproblems])
		return -ENOMEM;
	load->nproblems++;
	return 0;
}

const char *const *pd_load_problems(const struct pd_load *load, size_t *ret_n)
{
	*ret_n = load->nproblems;
	return (const char *const *)load->problems;
}

bool pd_load_was_cold(const struct pd_load *load)
{
	return load->cold;
}

bool pd_load_was_fresh(const struct pd_load *load)
{
	return load->fresh;
}

bool pd_load_adopted(const struct pd_load *load)
{
	return load->adopted;
}

bool pd_load_lost_interfaces(const struct pd_load *load)
{
	return !load->fresh && !load->adopted_map[PD_MAP_interfaces];
}

bool pd_load_has(const struct pd_load *load, const char *program)
{
	struct bpf_program *p = bpf_object__find_program_by_name(load->obj, program);

	return p && bpf_program__fd(p) >= 0;
}

static int set_sizes(struct pd_load *load, const struct pd_load_options *o, struct pd_fault *f)
{
	static const enum pd_map_id entries[PD_CLASSES] = {
		PD_MAP_entries_s,
		PD_MAP_entries_m,
		PD_MAP_entries_l,
		PD_MAP_entries_xl,
	};
	static const enum pd_map_id tables[] = {PD_MAP_connections, PD_MAP_flows};
	uint32_t rows[PD_CLASSES];
	struct bpf_map *map;
	int err = 0;

	pd_load_sizes(o->memory, o->max_entries, rows);
	for (unsigned int i = 0; !err && i < PD_CLASSES; i++) {
		map = bpf_object__find_map_by_name(load->obj, pd_map_rows[entries[i]].name);
		err = map ? bpf_map__set_max_entries(map, rows[i]) : -ENOENT;
	}
	for (unsigned int i = 0; !err && i < PD_ARRAY_SIZE(tables); i++) {
		map = bpf_object__find_map_by_name(load->obj, pd_map_rows[tables[i]].name);
		err = map ? bpf_map__set_max_entries(map, (uint32_t)o->connections) : -ENOENT;
	}
	if (err)
		return pd_fail(f, err, NULL, "cannot size the maps: %s", strerror(-err));
	return 0;
}

int pd_skeleton_open(bool rehearsal, struct pandit **ret, struct pd_fault *f)
{
	struct pandit *skel = pandit__open();

	if (!skel)
		return pd_fail(f, -errno, NULL, "cannot open the kernel programs: %s",
			       strerror(errno));
	/* constant for the programs, but only once they are loaded */
	*(uint32_t *)&skel->rodata->pd_rehearsal = rehearsal;
	*ret = skel;
	return 0;
}

int pd_skeleton_load(struct pandit *skel)
{
	return pandit__load(skel);
}

struct bpf_object *pd_skeleton_object(struct pandit *skel)
{
	return skel->obj;
}

struct pd_observe *pd_skeleton_observe(struct pandit *skel)
{
	return &skel->bss->pd_observe;
}

void pd_skeleton_free(struct pandit **skel)
{
	pandit__destroy(*skel);
	*skel = NULL;
}

static int open_skeleton(struct pd_load *load, struct pd_fault *f)
{
	int err = pd_skeleton_open(false, &load->skel, f);

	if (err)
		return err;
	load->obj = load->skel->obj;
	for (int i = 0; i < PD_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(load->obj, pd_map_rows[i].name);

		if (!map)
			return pd_fail(f, -ENOENT, "rebuild panditd",
				       "the kernel programs have no map '%s'", pd_map_rows[i].name);
		if (bpf_map__key_size(map) != pd_map_rows[i].key_size ||
		    bpf_map__value_size(map) != pd_map_rows[i].value_size ||
		    bpf_map__map_flags(map) != pd_map_rows[i].flags)
			return pd_fail(f, -EINVAL, "rebuild panditd",
				       "map '%s' is not the one panditd was built with",
				       pd_map_rows[i].name);
	}
	return 0;
}

/*
 * An object is loaded as a whole. If the kernel refuses it, try again without
 * what the hosts can do without; adoption has to be repeated on the new object.
 */
static int load_object(struct pd_load *load, bool optional, struct pd_fault *f)
{
	struct bpf_program *edge = bpf_object__find_program_by_name(load->obj, "edge_client");
	int err;

	if (edge && !optional)
		bpf_program__set_autoload(edge, false);
	pd_libbpf_log_start();
	err = pandit__load(load->skel); /* not bpf_object__load(): it would leave `bss` unmapped */
	if (!err)
		return 0;
	if (err == -EPERM)
		return pd_fail(f, err,
			       "run panditd as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN "
			       "and CAP_SYS_ADMIN",
			       "the kernel does not allow loading programs: %s", strerror(-err));
	return pd_fail(f, err, "run `panditctl doctor`, and panditd with -v for the whole message",
		       "the kernel refused the programs: %s", pd_libbpf_log_reason());
}

static void collect_fds(struct pd_load *load)
{
	for (int i = 0; i < PD_MAP_MAX; i++)
		load->map_fds[i] =
			bpf_map__fd(bpf_object__find_map_by_name(load->obj, pd_map_rows[i].name));
	for (int i = 0; i < PD_PROG_MAX; i++) {
		struct bpf_program *p =
			bpf_object__find_program_by_name(load->obj, pd_prog_names[i]);
		int fd = p ? bpf_program__fd(p) : -1;

		load->prog_fds[i] = fd < 0 ? -1 : fd;
	}
	load->observe = &load->skel->bss->pd_observe;
}

static int load_once(struct pd_load *load, const struct pd_load_options *o, bool optional,
		     struct pd_fault *f)
{
	int err = open_skeleton(load, f);

	if (!err)
		err = set_sizes(load, o, f);
	if (!err)
		err = pd_adopt(load, f);
	if (!err)
		err = load_object(load, optional, f);
	return err;
}

static void drop_skeleton(struct pd_load *load)
{
	pandit__destroy(load->skel);
	load->skel = NULL;
	load->obj = NULL;
}

static void drop_problems(struct pd_load *load)
{
	for (size_t i = 0; i < load->nproblems; i++)
		free(load->problems[i]);
	free(load->problems);
	load->problems = NULL;
	load->nproblems = 0;
}

static int load_programs(struct pd_load *load, const struct pd_load_options *o, struct pd_fault *f)
{
	struct pd_fault first;
	int err = load_once(load, o, true, f);

	if (!err || err == -EPERM || !load->obj ||
	    !bpf_object__find_program_by_name(load->obj, "edge_client"))
		return err;
	first = f ? *f : (struct pd_fault){0};
	drop_skeleton(load);
	drop_problems(load);
	err = load_once(load, o, false, f);
	if (!err)
		pd_load_problem(load, "no XDP answers: the kernel refused edge_client: %s",
				first.message);
	return err;
}

int pd_load_open(const struct pd_load_options *options, struct pd_load **ret, struct pd_fault *f)
{
	_cleanup_load_ struct pd_load *load = calloc(1, sizeof(*load));
	int err;

	if (!load)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	load->lock_fd = -1;
	load->bpffs = strdup(options->bpffs);
	if (!load->bpffs)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	pd_libbpf_log_start();
	err = pd_pins_prepare(load, f);
	if (!err)
		err = load_programs(load, options, f);
	if (err)
		return err;
	collect_fds(load);
	err = pd_words_map(load, f);
	if (!err)
		err = pd_words_init(load, f);
	if (!err && load->kept)
		err = pd_load_forget(load, f);
	if (!err)
		err = pd_pins_write(load, f);
	if (!err && load->fresh)
		err = pd_words_seal(load, f);
	if (err)
		return err;
	*ret = PD_TAKE_PTR(load);
	return 0;
}

void pd_load_close(struct pd_load **load)
{
	struct pd_load *l = *load;

	if (!l)
		return;
	if (l->observe)
		__atomic_store_n(&l->observe->on, 0, __ATOMIC_SEQ_CST);
	ring_buffer__free(l->ring);
	if (l->authorities)
		munmap(l->authorities, l->authorities_len);
	if (l->slots)
		munmap(l->slots, l->slots_len);
	drop_skeleton(l);
	drop_problems(l);
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l->bpffs);
	free(l);
	*load = NULL;
}
