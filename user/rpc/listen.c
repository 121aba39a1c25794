// SPDX-License-Identifier: Apache-2.0
/* Binding addresses, and the rules of unix socket files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "user/lib/cleanup.h"
#include "user/rpc/internal.h"

#define SOCKET_MODE	0660
#define CONNECT_WAIT_S	1

int pd_rpc_probe_unix(const char *path)
{
	/* A listener with a full backlog is alive: do not wait for it forever. */
	struct timeval wait = { .tv_sec = CONNECT_WAIT_S };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) && errno != EAGAIN)
		return -errno;
	return 0;
}

/* Open the directory of @path, made if it is missing, and lock it against another start. */
static int lock_directory(const char *path, int *ret_fd, struct pd_fault *f)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int fd = -1;

	if (path[0] != '/')
		return pd_fail(f, -EINVAL, "write it as unix:/run/pandit/pandit.sock",
			       "socket path '%s' is not absolute", path);
	dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!dir)
		return -ENOMEM;
	if (mkdir(dir, 0755) && errno != EEXIST)
		return pd_fail(f, -errno, "make the directory, or set runtime_dir",
			       "cannot make %s: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX))
		return pd_fail(f, -errno, "check its permissions, or set runtime_dir",
			       "cannot use %s: %s", dir, strerror(errno));
	*ret_fd = PD_TAKE_FD(fd);
	return 0;
}

/* gRPC removes whatever is at @path before it binds: look first. */
static int clear_stale(const char *path, struct pd_fault *f)
{
	struct stat st;
	int err;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : pd_fail(f, -errno, NULL, "cannot look at %s: %s",
						     path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return pd_fail(f, -EEXIST, "remove it, or set runtime_dir",
			       "%s exists and is not a socket", path);
	err = pd_rpc_probe_unix(path);
	if (!err)
		return pd_fail(f, -EADDRINUSE,
			       "stop the other panditd, or set runtime_dir and bpffs",
			       "another daemon answers on %s", path);
	if (err != -ECONNREFUSED && err != -ENOENT)
		return pd_fail(f, err, "check its permissions", "cannot try %s: %s", path,
			       strerror(-err));
	if (unlink(path) && errno != ENOENT)
		return pd_fail(f, -errno, "check the permissions of its directory",
			       "cannot remove the stale socket %s: %s", path, strerror(errno));
	return 0;
}

static int bind_address(grpc_server *server, const char *address)
{
	grpc_server_credentials *creds = grpc_insecure_server_credentials_create();
	int port = grpc_server_add_http2_port(server, address, creds);

	grpc_server_credentials_release(creds);
	return port ? 0 : -EADDRNOTAVAIL;
}

static int listen_unix(grpc_server *server, const char *address, struct pd_fault *f)
{
	const char *path = address + strlen(PD_RPC_UNIX);
	_cleanup_close_ int lock = -1;
	mode_t mask;
	int err;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return pd_fail(f, -ENAMETOOLONG, "set a shorter runtime_dir",
			       "socket path '%s' is too long", path);
	err = lock_directory(path, &lock, f);
	if (err)
		return err;
	err = clear_stale(path, f);
	if (err)
		return err;
	/* The file must never exist with a wider mode, so chmod() alone would come too late. */
	mask = umask(0777 & ~SOCKET_MODE);
	err = bind_address(server, address);
	umask(mask);
	if (err)
		return pd_fail(f, err, "check the directory and its permissions",
			       "cannot listen on %s", address);
	return 0;
}

int pd_rpc_listen(grpc_server *server, const char *address, struct pd_fault *f)
{
	int err;

	if (!strncmp(address, PD_RPC_UNIX, strlen(PD_RPC_UNIX)))
		return listen_unix(server, address, f);
	err = bind_address(server, address);
	if (err)
		return pd_fail(f, err, "is the address one of this machine, and the port free?",
			       "cannot listen on %s", address);
	return 0;
}
