#include "oci/run.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

int run_pid_file_open(const char *path, struct pid_file *ret, struct err *e)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char dir[PATH_MAX] = ".";

	*ret = (struct pid_file){ .dir = -EBADF, .name = slash ? slash + 1 : path };
	if (!path || !*path)
		return 0;
	if (slash && slash - path >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "pid file '%s'", path);
	if (slash) {
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
	}
	ret->dir = open(slash == path ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->dir < 0 ? err_sys(e, -errno, "open folder of pid file '%s'", path) : 0;
}

int run_pid_file_write(const struct pid_file *f, pid_t pid, struct err *e)
{
	char text[16], tmp[NAME_MAX + 2];
	int len = snprintf(text, sizeof(text), "%d", pid), r;
	AUTO_FD fd = -EBADF;

	if (f->dir < 0)
		return 0;
	if ((size_t)snprintf(tmp, sizeof(tmp), ".%s", f->name) >= sizeof(tmp))
		return err_set(e, -ENAMETOOLONG, "pid file '%s'", f->name);
	fd = openat(f->dir, tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(e, -errno, "write pid file '%s'", f->name);
	r = fd_write_full(fd, text, (size_t)len);
	if (r == 0 && renameat(f->dir, tmp, f->dir, f->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(f->dir, tmp, 0);
	return r < 0 ? err_sys(e, r, "write pid file '%s'", f->name) : 0;
}
