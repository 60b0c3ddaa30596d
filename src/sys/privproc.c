#include "sys/privproc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "base/err.h"
#include "base/fd.h"
#include "sys/calls.h"
#include "sys/mnt.h"

#define PROC_MAGIC 0x9fa0

int privproc_open(struct err *e)
{
	struct mnt m = { .kind = MNT_FS,
			 .type = "proc",
			 .source = "proc",
			 .attr.set = K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC };
	AUTO_FD fd = mnt_make(&m, e);
	struct statfs fs;

	if (fd < 0)
		return err_wrap(e, fd, "make private procfs");
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC)
		return err_set(e, -EBADF, "private procfs is no procfs");
	return TAKE_FD(fd);
}

int privproc_write(int proc, const char *path, const char *text, struct err *e)
{
	struct k_open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS | K_RESOLVE_NO_XDEV,
	};
	AUTO_FD fd = k_openat2(proc, path, &how);
	struct statfs fs;
	int r;

	if (fd == -ENOSYS || fd == -EPERM) {
		fd = openat(proc, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd < 0)
		return err_sys(e, fd, "open /proc/%s", path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC)
		return err_set(e, -EBADF, "/proc/%s is not in a procfs", path);
	r = fd_write_full(fd, text, strlen(text));
	return r < 0 ? err_sys(e, r, "write /proc/%s", path) : 0;
}

int privproc_reopen(int proc, int fd, int flags)
{
	char path[FD_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	r = openat(proc, path, flags | O_CLOEXEC);
	return r < 0 ? -errno : r;
}
