/* SPDX-License-Identifier: Apache-2.0 */
/* The directory below the bpf file system: lock, layout, pinning, removal. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "user/lib/strbuf.h"
#include "user/load/impl.h"

char *pd_pin_path(const struct pd_load *load, const char *dir, const char *name)
{
	if (!name)
		return pd_asprintf("%s/v1/%s", load->bpffs, dir);
	return pd_asprintf("%s/v1/%s/%s", load->bpffs, dir, name);
}

static int check_bpffs(const char *path, struct pd_fault *f)
{
	_cleanup_free_ char *parent = strdup(path);
	struct statfs fs;
	char *cut;

	if (!parent)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	while (statfs(parent, &fs) < 0) {
		if (errno != ENOENT)
			return pd_fail(f, -errno, NULL, "bpffs: cannot look at %s: %s", parent,
				       strerror(errno));
		cut = strrchr(parent, '/');
		if (!cut || cut == parent)
			break;
		*cut = '\0';
	}
	if ((unsigned long)fs.f_type == BPF_FS_MAGIC)
		return 0;
	return pd_fail(f, -ENODEV, "mount -t bpf bpf /sys/fs/bpf",
		       "bpffs: %s is not below a bpf file system", path);
}

static int make_dir(const char *path, struct pd_fault *f)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	if (errno == EPERM && strchr(strrchr(path, '/'), '.'))
		return pd_fail(f, -EINVAL, "choose another `bpffs`",
			       "bpffs: %s: a bpf file system allows no '.' in names", path);
	if (errno == EACCES || errno == EPERM)
		return pd_fail(f, -errno, "run panditd as root", "bpffs: cannot make %s: %s", path,
			       strerror(errno));
	return pd_fail(f, -errno, NULL, "bpffs: cannot make %s: %s", path, strerror(errno));
}

static int take_lock(struct pd_load *load, struct pd_fault *f)
{
	load->lock_fd = open(load->bpffs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (load->lock_fd < 0)
		return pd_fail(f, -errno, NULL, "bpffs: cannot open %s: %s", load->bpffs,
			       strerror(errno));
	if (!flock(load->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return pd_fail(f, -errno, NULL, "bpffs: cannot lock %s: %s", load->bpffs,
			       strerror(errno));
	return pd_fail(f, -EBUSY,
		       "stop it first, or give this one its own `bpffs` and `runtime_dir`",
		       "another panditd uses the pins in %s", load->bpffs);
}

int pd_pins_prepare(struct pd_load *load, struct pd_fault *f)
{
	static const char *const dirs[] = {"maps", "progs", "clsact"};
	_cleanup_free_ char *v1 = pd_asprintf("%s/v1", load->bpffs);
	int err = check_bpffs(load->bpffs, f);

	if (!err)
		err = make_dir(load->bpffs, f);
	if (!err)
		err = take_lock(load, f);
	if (!err && !v1)
		err = pd_fail(f, -ENOMEM, NULL, "out of memory");
	if (!err)
		err = make_dir(v1, f);
	for (size_t i = 0; !err && i < PD_ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *dir = pd_pin_path(load, dirs[i], NULL);

		err = dir ? make_dir(dir, f) : pd_fail(f, -ENOMEM, NULL, "out of memory");
	}
	return err;
}

/* Pin under a side name and rename: there is never a moment without a pin. */
static int pin(const struct pd_load *load, const char *dir, const char *name, int fd,
	       struct pd_fault *f)
{
	_cleanup_free_ char *path = pd_pin_path(load, dir, name);
	_cleanup_free_ char *next = path ? pd_asprintf("%s_next", path) : NULL;
	int err = 0;

	if (!next)
		return pd_fail(f, -ENOMEM, NULL, "out of memory");
	unlink(next);
	if (bpf_obj_pin(fd, next) < 0 || rename(next, path) < 0)
		err = -errno;
	if (!err)
		return 0;
	unlink(next);
	return pd_fail(f, err, NULL, "cannot pin %s: %s", path, strerror(-err));
}

/* Programs of an earlier build that this one does not have; hooks still hold them until replaced.
 */
static void unpin_old_programs(const struct pd_load *load)
{
	_cleanup_free_ char *path = pd_pin_path(load, "progs", NULL);
	_cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		struct bpf_program *p = bpf_object__find_program_by_name(load->obj, e->d_name);
		_cleanup_free_ char *old = NULL;

		if (e->d_name[0] == '.' || (p && bpf_program__fd(p) >= 0))
			continue;
		old = pd_asprintf("%s/%s", path, e->d_name);
		if (old)
			unlink(old);
	}
}

int pd_pins_write(struct pd_load *load, struct pd_fault *f)
{
	struct bpf_program *p;
	int err = 0;

	/* What a first start leaves when it dies half-way is known by settings without a seal. */
	if (load->fresh)
		err = pin(load, "maps", "settings", load->map_fds[PD_MAP_settings], f);
	for (int i = 0; !err && i < PD_MAP_MAX; i++)
		if (i != PD_MAP_settings && !load->adopted_map[i] &&
		    pd_map_rows[i].life != PD_LIFE_SCRATCH)
			err = pin(load, "maps", pd_map_rows[i].name, load->map_fds[i], f);
	bpf_object__for_each_program(p, load->obj) {
		if (!err && bpf_program__fd(p) >= 0)
			err = pin(load, "progs", bpf_program__name(p), bpf_program__fd(p), f);
	}
	if (!err)
		unpin_old_programs(load);
	/* Its unit says which others belong to it: they are all there now. */
	if (!err && !load->fresh && !load->adopted_map[PD_MAP_settings])
		err = pin(load, "maps", "settings", load->map_fds[PD_MAP_settings], f);
	return err;
}

static int remove_dir(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *e;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (e = readdir(dir))) {
		_cleanup_free_ char *sub = NULL;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		sub = pd_asprintf("%s/%s", path, e->d_name);
		if (!sub)
			return -ENOMEM;
		if (e->d_type == DT_DIR)
			err = remove_dir(sub);
		else if (unlink(sub) < 0 && errno != ENOENT)
			err = -errno;
	}
	if (!err && rmdir(path) < 0 && errno != ENOENT)
		err = -errno;
	return err;
}

int pd_load_purge(struct pd_load *load, struct pd_fault *f)
{
	_cleanup_free_ char *v1 = pd_asprintf("%s/v1", load->bpffs);
	int err = v1 ? remove_dir(v1) : -ENOMEM;

	/* The directory itself may be a mount point or shared: only if it is empty. */
	if (!err && rmdir(load->bpffs) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
	    errno != EBUSY)
		err = -errno;
	if (err)
		return pd_fail(f, err, NULL, "cannot remove the pins in %s: %s", load->bpffs,
			       strerror(-err));
	return 0;
}
