/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound release for user/ and tools/. A variable declared with one of
 * these is released when its scope is left; PD_TAKE_PTR / PD_TAKE_FD hand the
 * ownership on.
 *
 *	_cleanup_free_ char *path = NULL;
 *	_cleanup_close_ int fd = -1;
 */
#ifndef PD_USER_LIB_CLEANUP_H
#define PD_USER_LIB_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void pd_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void pd_cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void pd_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void pd_cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_free_	   _cleanup_(pd_cleanup_free)
#define _cleanup_close_	   _cleanup_(pd_cleanup_close)
#define _cleanup_fclose_   _cleanup_(pd_cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(pd_cleanup_closedir)

#define PD_TAKE_PTR(p)                      \
	({                                  \
		__auto_type pd_take_ = (p); \
		(p) = NULL;                 \
		pd_take_;                   \
	})

#define PD_TAKE_FD(fd)               \
	({                           \
		int pd_take_ = (fd); \
		(fd) = -1;           \
		pd_take_;            \
	})

#define PD_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
