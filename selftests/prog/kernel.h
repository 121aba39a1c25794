/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of a harness object, run in the kernel by BPF_PROG_TEST_RUN. Needs root. */
#ifndef PD_SELFTESTS_KERNEL_H
#define PD_SELFTESTS_KERNEL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "selftests/unit/wire/native.h"

#define HARNESS_CALL(f)	native_ops.f
#include "harness.h"

static struct {
	struct bpf_object *obj;
	struct harness_job *jobs;	/* mapped: what the kernel sees */
	size_t size;
	int prog, count;
} kernel;

/* Load the harness object at @path. Returns 0 or -errno, said on stderr. */
static inline int kernel_open(const char *path)
{
	struct bpf_program *prog;
	void *p;
	int r;

	kernel.obj = bpf_object__open_file(path, NULL);
	r = kernel.obj ? bpf_object__load(kernel.obj) : -errno;
	if (r) {
		fprintf(stderr, "%s: cannot load: %s\n", path, strerror(-r));
		return r;
	}
	prog = bpf_object__find_program_by_name(kernel.obj, "harness");
	kernel.prog = bpf_program__fd(prog);
	kernel.count = bpf_object__find_map_fd_by_name(kernel.obj, "count");
	kernel.size = HARNESS_JOBS * sizeof(struct harness_job);
	p = mmap(NULL, kernel.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_object__find_map_fd_by_name(kernel.obj, "jobs"), 0);
	if (p == MAP_FAILED) {
		r = -errno;
		perror("mmap of the jobs");
		return r;
	}
	kernel.jobs = p;
	return 0;
}

static inline void kernel_close(void)
{
	if (kernel.jobs)
		munmap(kernel.jobs, kernel.size);
	bpf_object__close(kernel.obj);
}

/* Run the first @n jobs. Returns 0 or -errno. */
static inline int kernel_run(__u32 n)
{
	static const char packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = 1);
	__u32 zero = 0;
	int r = bpf_map_update_elem(kernel.count, &zero, &n, BPF_ANY);

	if (!r)
		r = bpf_prog_test_run_opts(kernel.prog, &opts);
	return r ? -errno : opts.retval ? -EIO : 0;
}

/* One call of one function: a job of one step. Returns -1, as no grammar does, if that fails. */
static inline int kernel_call(__u32 what, const struct wire_win *w, struct pd_parse *st,
			      struct pd_session *ses, struct wire_step *s)
{
	struct harness_job *j = kernel.jobs;

	j->what = what;
	j->limit = 1;
	j->steps = 0;
	j->digest = 0;
	if (w)
		j->win = *w;
	if (st)
		j->st = *st;
	if (ses)
		j->ses = *ses;
	if (s)
		j->step = *s;
	if (kernel_run(1) || j->steps != 1)
		return -1;
	if (st)
		*st = j->st;
	if (ses)
		*ses = j->ses;
	if (s)
		*s = j->step;
	return j->ev;
}

#endif
