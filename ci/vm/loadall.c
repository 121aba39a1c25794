// SPDX-License-Identifier: Apache-2.0
/*
 * loadall OBJECT: offers every program of a linked BPF object to the running
 * kernel's verifier and prints, tab-separated, one line each:
 *
 *	name, verified instructions, stack bytes of the deepest frame, microseconds, status
 *
 * status is `ok` or the error's name; the end of the verifier's log of a
 * refused program goes to stderr. Nothing is attached and nothing is kept.
 * Exit: 0 all loaded, 1 some were refused, 2 the object could not be used.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_STATS	4		/* BPF_LOG_STATS: totals only */
#define LOG_TRACE	(1 | LOG_STATS)	/* every instruction, to see why a program was refused */
#define STATS_SIZE	(64 << 10)
#define TRACE_SIZE	(128 << 20)	/* 6.1 fails when too small; unused pages are free */
#define TAIL_LINES	30
#define HASH_ENTRIES	64

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/*
 * Makes hash tables small: the verifier does not look at their size, and a
 * guest without hardware virtualisation fills preallocated ones slowly. Array
 * sizes stay, because the verifier of newer kernels does use them.
 */
static void shrink_hashes(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		switch (bpf_map__type(map)) {
		case BPF_MAP_TYPE_HASH:
		case BPF_MAP_TYPE_LRU_HASH:
		case BPF_MAP_TYPE_PERCPU_HASH:
		case BPF_MAP_TYPE_LRU_PERCPU_HASH:
			if (bpf_map__max_entries(map) > HASH_ENTRIES)
				bpf_map__set_max_entries(map, HASH_ENTRIES);
			break;
		default:
			break;
		}
	}
}

/* What follows the last `label` in the log, or NULL. The last: a trace quotes source lines. */
static const char *after_label(const char *log, const char *label)
{
	const char *at = NULL, *next = log;

	while ((next = strstr(next, label))) {
		next += strlen(label);
		at = next;
	}
	return at;
}

/* The largest number in the log's "stack depth 96+0+32" line: bytes. 0 without such a line. */
static unsigned int deepest_frame(const char *log)
{
	const char *at = after_label(log, "stack depth ");
	unsigned int deepest = 0;

	if (!at)
		return 0;
	for (;;) {
		char *end;
		unsigned long depth = strtoul(at, &end, 10);

		if (depth > deepest)
			deepest = (unsigned int)depth;
		if (*end != '+')
			return deepest;
		at = end + 1;
	}
}

static unsigned long verify_time(const char *log)
{
	const char *at = after_label(log, "verification time ");

	return at ? strtoul(at, NULL, 10) : 0;
}

/* Prints the row of a program that was accepted. log: its verifier statistics. */
static int print_accepted(const struct bpf_program *program, const char *log)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		return -errno;
	printf("%s\t%u\t%u\t%lu\tok\n", bpf_program__name(program), info.verified_insns,
	       deepest_frame(log), verify_time(log));
	return 0;
}

/* error: a positive errno or a code of libbpf's own. */
static void complain(const char *what, int error)
{
	char text[128];

	libbpf_strerror(error, text, sizeof(text));
	fprintf(stderr, "loadall: %s: %s\n", what, text);
}

static void print_tail(const char *name, const char *log)
{
	const char *at = log + strlen(log);
	int lines = 0;

	while (at > log && lines <= TAIL_LINES)
		if (*--at == '\n')
			lines++;
	fprintf(stderr, "--- %s: end of the verifier's log\n%s\n", name, at > log ? at + 1 : at);
}

/*
 * Loads the whole object at once, as the daemon does.
 *
 * Returns: 0 after printing every row, -EAGAIN when something was refused
 * (nothing printed), another -errno when the object could not be opened.
 */
static int load_whole(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	char *logs, *log;
	size_t count = 0;
	int r = 0;

	if (!object)
		return -errno;
	shrink_hashes(object);
	bpf_object__for_each_program(program, object)
		count++;
	logs = calloc(count ? count : 1, STATS_SIZE);
	if (!logs) {
		bpf_object__close(object);
		return -ENOMEM;
	}
	log = logs;
	bpf_object__for_each_program(program, object) {
		bpf_program__set_log_level(program, LOG_STATS);
		bpf_program__set_log_buf(program, log, STATS_SIZE);
		log += STATS_SIZE;
	}
	if (!count)
		r = -ENOENT;
	else
		r = bpf_object__load(object);
	if (r && count) {
		complain("whole", -r);
		r = -EAGAIN;
	}
	log = logs;
	if (!r)
		bpf_object__for_each_program(program, object) {
			r = print_accepted(program, log);
			if (r)
				break;
			log += STATS_SIZE;
		}
	free(logs);
	bpf_object__close(object);
	return r;
}

/*
 * Loads one program alone. Returns: 0 accepted, 1 refused (log tail printed),
 * -errno when it could not be tried.
 */
static int load_one(const char *path, const char *name, char *log)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program, *wanted = NULL;
	int r;

	if (!object)
		return -errno;
	shrink_hashes(object);
	bpf_object__for_each_program(program, object) {
		bool same = !strcmp(bpf_program__name(program), name);

		bpf_program__set_autoload(program, same);
		if (same)
			wanted = program;
	}
	if (!wanted) {
		bpf_object__close(object);
		return -ENOENT;
	}
	log[0] = '\0';
	bpf_program__set_log_level(wanted, LOG_TRACE);
	bpf_program__set_log_buf(wanted, log, TRACE_SIZE);
	r = bpf_object__load(object);
	if (!r) {
		r = print_accepted(wanted, log);
	} else {
		printf("%s\t0\t0\t0\t%s\n", name, strerrorname_np(-r) ?: "refused");
		fflush(stdout);
		print_tail(name, log);
		r = 1;
	}
	bpf_object__close(object);
	return r;
}

/* Finds out which programs were refused, one by one. Returns as load_one(). */
static int load_apart(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int refused = 0;
	char *log;

	if (!object)
		return -errno;
	log = malloc(TRACE_SIZE);
	if (!log) {
		bpf_object__close(object);
		return -ENOMEM;
	}
	bpf_object__for_each_program(program, object) {
		int r = load_one(path, bpf_program__name(program), log);

		if (r < 0)
			complain(bpf_program__name(program), -r);
		refused |= r != 0;
	}
	free(log);
	bpf_object__close(object);
	/* Refused whole and accepted apart: maps or memory; say so rather than pass. */
	if (!refused)
		fprintf(stderr, "loadall: %s: each program loads, all together do not\n", path);
	return 1;
}

int main(int argc, char **argv)
{
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: loadall OBJECT\n");
		return 2;
	}
	libbpf_set_print(print_nothing);
	r = load_whole(argv[1]);
	if (r == -EAGAIN) {
		libbpf_set_print(print_warnings);
		r = load_apart(argv[1]);
	}
	if (r < 0)
		complain(argv[1], -r);
	return r < 0 ? 2 : r;
}
