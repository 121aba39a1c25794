/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into panditd: lets the Nth allocation or system call fail that
 * panditd itself, libbpf, libnl or libuv makes. Those of gRPC are left alone:
 * it ends the process by itself when it gets no memory.
 *
 * The file named by PD_FAILING holds a struct control, shared with the test.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum what {
	MEMORY = 1, /* malloc, calloc, realloc, strdup */
	BPF = 2,    /* bpf(2) */
	SYSTEM = 4, /* open, socket, mmap, mkdir, unlink, rename */
};

/* Which kinds are counted; the call that fails (1 = the next, 0 = none); calls counted; calls that
 * failed. */
struct control {
	uint32_t kinds, at, count, failed;
};

static struct control nothing, *control = &nothing;
static struct {
	uintptr_t from, to;
} ours[8];
static unsigned int nours;

static int note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	static const char *const names[] = {"libbpf", "libnl", "libuv"};
	int wanted = !info->dlpi_name[0]; /* the program itself */

	(void)size;
	(void)arg;
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		wanted |= strstr(info->dlpi_name, names[i]) != NULL;
	for (int i = 0; wanted && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || nours == 8)
			continue;
		ours[nours].from = info->dlpi_addr + p->p_vaddr;
		ours[nours].to = ours[nours].from + p->p_memsz;
		nours++;
	}
	return 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PD_FAILING");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED :
		      mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	dl_iterate_phdr(note_object, NULL);
	if (p != MAP_FAILED)
		control = p;
}

/* Does this call fail? */
static int fails(enum what what, const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	int counted = 0;

	if (!(control->kinds & what))
		return 0;
	for (unsigned int i = 0; i < nours; i++)
		counted |= at >= ours[i].from && at < ours[i].to;
	if (!counted || __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST) != control->at)
		return 0;
	control->failed++;
	return 1;
}

#define REAL(type, name, ...)                                                     \
	static type (*real)(__VA_ARGS__);                                         \
	if (!real)                                                                \
	real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define FAIL(what, error, result)                                                 \
	do {                                                                      \
		if (fails(what, __builtin_return_address(0))) {                   \
			errno = error;                                            \
			return result;                                            \
		}                                                                 \
	} while (0)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	FAIL(MEMORY, ENOMEM, NULL);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	FAIL(MEMORY, ENOMEM, NULL);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	FAIL(MEMORY, ENOMEM, NULL);
	return __libc_realloc(p, size);
}

char *strdup(const char *s)
{
	size_t len = strlen(s) + 1;
	char *copy;

	FAIL(MEMORY, ENOMEM, NULL);
	copy = __libc_malloc(len);
	return copy ? memcpy(copy, s, len) : NULL;
}

long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	REAL(long, syscall, long, ...);
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf)
		FAIL(BPF, ENOMEM, -1);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	REAL(int, open, const char *, int, ...);
	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	FAIL(SYSTEM, EMFILE, -1);
	return real(path, flags, mode);
}

int socket(int domain, int type, int protocol)
{
	REAL(int, socket, int, int, int);
	FAIL(SYSTEM, EMFILE, -1);
	return real(domain, type, protocol);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	REAL(void *, mmap, void *, size_t, int, int, int, off_t);
	FAIL(SYSTEM, ENOMEM, MAP_FAILED);
	return real(addr, len, prot, flags, fd, off);
}

int mkdir(const char *path, mode_t mode)
{
	REAL(int, mkdir, const char *, mode_t);
	FAIL(SYSTEM, EACCES, -1);
	return real(path, mode);
}

int unlink(const char *path)
{
	REAL(int, unlink, const char *);
	FAIL(SYSTEM, EACCES, -1);
	return real(path);
}

int rename(const char *from, const char *to)
{
	REAL(int, rename, const char *, const char *);
	FAIL(SYSTEM, EACCES, -1);
	return real(from, to);
}
