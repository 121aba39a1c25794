/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/lib/check.h"
#include "user/lib/cleanup.h"
#include "user/lib/strbuf.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

static const struct {
	unsigned int bit;
	const char *name;
} capabilities[] = {
	{CAP_BPF, "CAP_BPF"},
	{CAP_PERFMON, "CAP_PERFMON"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
};

struct run {
	pd_check_fn fn;
	void *arg;
	const char *bpffs;
};

static int say(struct run *r, const char *name, bool ok, const char *detail, const char *hint)
{
	struct pd_check c = {.name = name, .ok = ok, .detail = detail, .hint = ok ? "" : hint};

	return r->fn(r->arg, &c);
}

/* The first line of a small file without its newline; false if it cannot be read. */
static bool read_line(const char *path, char *buf, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, (int)size, f))
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

static uint64_t effective_capabilities(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t caps = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	return caps;
}

int pd_check_capabilities(struct pd_fault *f)
{
	uint64_t have = effective_capabilities();
	_cleanup_strbuf_ struct pd_strbuf missing = {0};

	for (size_t i = 0; i < PD_ARRAY_SIZE(capabilities); i++)
		if (!(have >> capabilities[i].bit & 1))
			pd_strbuf_addf(&missing, "%s%s", missing.len ? ", " : "",
				       capabilities[i].name);
	if (!missing.len)
		return 0;
	return pd_fail(f, -EPERM, "run panditd as root, or give it these as ambient capabilities",
		       "missing capabilities: %s", missing.s ? missing.s : "");
}

int pd_check_kernel(struct pd_fault *f)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return pd_fail(f, -ENOSYS, NULL, "cannot tell the version of this kernel");
	if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		return pd_fail(f, -ENOSYS, "use Linux 6.1 or later",
			       "this kernel is %s; %d.%d is needed", u.release, KERNEL_MAJOR,
			       KERNEL_MINOR);
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return pd_fail(f, -ENOSYS, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
			       "this kernel has no type information: /sys/kernel/btf/vmlinux: %s",
			       strerror(errno));
	return 0;
}

static int check_kernel(struct run *r)
{
	struct pd_fault f = {0};
	struct utsname u;
	int err;

	uname(&u);
	err = pd_check_kernel(&f);
	return say(r, "kernel", !err, err ? f.message : u.release, f.hint);
}

static int check_jit(struct run *r)
{
	char value[16] = "";
	bool known = read_line("/proc/sys/net/core/bpf_jit_enable", value, sizeof(value));
	bool off = known && !strcmp(value, "0");

	/* The switch is shown in the first network namespace only. */
	return say(r, "jit", !off,
		   off	   ? "the BPF compiler is off"
		   : known ? "the BPF compiler is on"
			   : "cannot be seen in this network namespace",
		   "sysctl -w net.core.bpf_jit_enable=1");
}

static int check_bpffs(struct run *r)
{
	_cleanup_free_ char *path = strdup(r->bpffs ? r->bpffs : "/sys/fs/bpf/pandit");
	struct statfs fs = {0};
	char detail[256];
	bool ok;

	while (path && statfs(path, &fs) < 0) {
		char *cut = strrchr(path, '/');

		if (!cut || cut == path)
			break;
		*cut = '\0';
	}
	ok = (unsigned long)fs.f_type == BPF_FS_MAGIC;
	snprintf(detail, sizeof(detail), "%s is %sa bpf file system", path ? path : "",
		 ok ? "" : "not ");
	return say(r, "bpffs", ok, detail, "mount -t bpf bpf /sys/fs/bpf");
}

static int check_capabilities(struct run *r)
{
	struct pd_fault f = {0};
	int err = pd_check_capabilities(&f);

	return say(r, "capabilities", !err, err ? f.message : "all that is needed", f.hint);
}

static int check_memlock(struct run *r)
{
	struct rlimit rl = {0};
	char detail[96];

	/* From 5.11 on maps are charged to the memory cgroup, and this limit does not count. */
	getrlimit(RLIMIT_MEMLOCK, &rl);
	if (rl.rlim_cur == RLIM_INFINITY)
		snprintf(detail, sizeof(detail), "unlimited");
	else
		snprintf(detail, sizeof(detail),
			 "%" PRIu64 " bytes; maps are charged to the cgroup",
			 (uint64_t)rl.rlim_cur);
	return say(r, "memlock", true, detail, "");
}

/* Is there a line of @path whose third word (kallsyms) or any part (modules.dep) is @word? */
static bool find_word(const char *path, const char *word, bool symbol)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t cap = 0;
	bool found = false;
	char sym[128];

	while (f && !found && getline(&text, &cap, f) > 0) {
		if (!symbol)
			found = strstr(text, word);
		else
			found = sscanf(text, "%*s %*s %127s", sym) == 1 && !strcmp(sym, word);
	}
	return found;
}

/* Something the kernel has built in or loaded (a symbol), or can load (a module, or NULL). */
static int check_feature(struct run *r, const char *name, const char *symbol, const char *module,
			 const char *hint)
{
	_cleanup_free_ char *deps = NULL;
	struct utsname u;
	bool found = find_word("/proc/kallsyms", symbol, true);

	if (found)
		return say(r, name, true, "in this kernel", hint);
	uname(&u);
	deps = pd_asprintf("/lib/modules/%s/modules.dep", u.release);
	if (module && deps)
		found = find_word(deps, module, false);
	return say(r, name, found, found ? "a module of this kernel" : "not in this kernel", hint);
}

/* Forwarded packets must leave the firewall alone: nothing here depends on conntrack. Only said. */
static int check_forwarding(struct run *r)
{
	char value[16] = "";
	bool known = read_line("/proc/sys/net/ipv4/ip_forward", value, sizeof(value));

	return say(r, "forwarding", true,
		   known && !strcmp(value, "1")
			   ? "IPv4 forwarding is on"
			   : "IPv4 forwarding is off: only containers on one link reach each other",
		   "");
}

int pd_checks_run(const char *bpffs, pd_check_fn fn, void *arg)
{
	struct run r = {.fn = fn, .arg = arg, .bpffs = bpffs};
	int err = check_kernel(&r);

	if (!err)
		err = check_jit(&r);
	if (!err)
		err = check_bpffs(&r);
	if (!err)
		err = check_capabilities(&r);
	if (!err)
		err = check_memlock(&r);
	if (!err)
		err = check_feature(&r, "clsact", "clsact_init", "/sch_ingress.ko",
				    "use a kernel with CONFIG_NET_SCH_INGRESS");
	if (!err)
		err = check_feature(&r, "cls_bpf", "cls_bpf_classify", "/cls_bpf.ko",
				    "use a kernel with CONFIG_NET_CLS_BPF");
	if (!err)
		err = check_feature(&r, "redirect_peer", "bpf_redirect_peer", NULL,
				    "use Linux 6.1 or later");
	if (!err)
		err = check_forwarding(&r);
	return err;
}
