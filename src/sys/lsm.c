#include "sys/lsm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/calls.h"

#define PROC_MAGIC 0x9fa0
/* The kernel takes at most a page, and "exec " comes before a profile. */
#define LABEL_MAX 4000

/* AppArmor has files of its own since 5.8; before, and with no other module, it owns the common ones. */
static const struct {
	char name[14], files[2][14], prefix[6];
} rows[] = {
	[LSM_APPARMOR_EXEC] = { "AppArmor", { "apparmor/exec", "exec" }, "exec " },
	[LSM_SELINUX_EXEC] = { "SELinux", { "exec", "" }, "" },
	[LSM_SELINUX_KEY] = { "SELinux key", { "keycreate", "" }, "" },
};

bool lsm_is_known(const char *module)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (streq(rows[i].name, module))
			return true;
	return false;
}

bool lsm_label_is_valid(const char *label)
{
	size_t n = 0;

	for (; label[n]; n++)
		if ((unsigned char)label[n] < ' ' || label[n] == 0x7f || n == LABEL_MAX)
			return false;
	return n > 0;
}

int lsm_attr_open(int proc, struct err *e)
{
	char path[32];
	/* The link tells this process's number in that very procfs, whose pid namespace may be another one. */
	ssize_t n = readlinkat(proc, "self", path, 16);
	AUTO_FD fd = -EBADF;
	struct statfs fs;

	if (n <= 0 || n >= 16)
		return err_sys(e, n < 0 ? -errno : -EIO, "read /proc/self");
	snprintf(path + n, sizeof(path) - (size_t)n, "/attr");
	fd = openat(proc, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "open /proc/%s", path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC)
		return err_set(e, -EBADF, "/proc/%s is not in a procfs", path);
	return TAKE_FD(fd);
}

/* Kernels before 5.6: component by component, none of them a link. */
static int open_by_steps(int attr, const char *file)
{
	const char *slash = strchr(file, '/');
	AUTO_FD dir = -EBADF;
	char name[16];
	int fd;

	if (slash) {
		snprintf(name, sizeof(name), "%.*s", (int)(slash - file), file);
		dir = openat(attr, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			return -errno;
	}
	fd = openat(slash ? dir : attr, slash ? slash + 1 : file,
		    O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_attr(int attr, const char *file)
{
	struct k_open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS | K_RESOLVE_NO_XDEV,
	};
	AUTO_FD fd = k_openat2(attr, file, &how);
	struct stat a, b;

	if (fd == -ENOSYS || fd == -EPERM)
		fd = open_by_steps(attr, file);
	if (fd < 0)
		return fd;
	if (fstat(attr, &a) < 0 || fstat(fd, &b) < 0 || a.st_dev != b.st_dev)
		return -EXDEV;
	return TAKE_FD(fd);
}

int lsm_set(int attr, enum lsm_label kind, const char *label, struct err *e)
{
	char text[LABEL_MAX + 16];
	AUTO_FD fd = -ENOENT;
	ssize_t n;
	int len;

	if (!lsm_label_is_valid(label))
		return err_set(e, -EINVAL, "%s label is empty, too long or not one line",
			       rows[kind].name);
	for (size_t i = 0; fd == -ENOENT && i < 2 && rows[kind].files[i][0]; i++)
		fd = open_attr(attr, rows[kind].files[i]);
	if (fd < 0)
		return err_sys(e, fd, "set %s label '%s'", rows[kind].name, label);
	len = snprintf(text, sizeof(text), "%s%s", rows[kind].prefix, label);
	/* One write: a second one would be another label. */
	n = write(fd, text, (size_t)len);
	if (n != len)
		return err_sys(e, n < 0 ? -errno : -EIO, "set %s label '%s'", rows[kind].name,
			       label);
	return 0;
}
