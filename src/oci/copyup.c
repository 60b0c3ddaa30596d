#include "oci/copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define DEPTH_MAX 64

static int copy_dir(int from, int to, int depth, struct err *e);

static int copy_file(int dir, const char *name, int to, const struct stat *st)
{
	AUTO_FD in = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FD out = openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 ||
	    fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_link(int dir, const char *name, int to, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_sub(int dir, const char *name, int to, const struct stat *st, int depth,
		    struct err *e)
{
	AUTO_FD from = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD sub = -EBADF;

	if (from < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	sub = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0 || fchown(sub, st->st_uid, st->st_gid) < 0 ||
	    fchmod(sub, st->st_mode & 07777) < 0)
		return -errno;
	return copy_dir(from, sub, depth + 1, e);
}

static int copy_entry(int dir, const char *name, int to, int depth, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_sub(dir, name, to, &st, depth, e);
	if (S_ISLNK(st.st_mode))
		return copy_link(dir, name, to, &st);
	return S_ISREG(st.st_mode) ? copy_file(dir, name, to, &st) : 0;
}

static int copy_dir(int from, int to, int depth, struct err *e)
{
	int fd = depth < DEPTH_MAX ? fcntl(from, F_DUPFD_CLOEXEC, 3) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;
	int r = 0;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return depth < DEPTH_MAX ? err_sys(e, -errno, "read folder")
					 : err_set(e, -ELOOP, "folders deeper than %d", DEPTH_MAX);
	}
	while (r == 0 && (de = readdir(d))) {
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		r = copy_entry(from, de->d_name, to, depth, e);
		if (r < 0)
			err_wrap(e, r, "'%s'", de->d_name);
	}
	closedir(d);
	return r;
}

int copyup(int from, int to, struct err *e)
{
	AUTO_FD out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (out < 0 || fstat(from, &st) < 0)
		return err_sys(e, -errno, "open folder");
	if (fchown(out, st.st_uid, st.st_gid) < 0 || fchmod(out, st.st_mode & 07777) < 0)
		return err_sys(e, -errno, "set owner and mode");
	return copy_dir(from, out, 0, e);
}
