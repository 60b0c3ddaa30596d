#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/rand.h"
#include "base/str.h"

/* Deep trees are removed with one open folder per level; a layer's paths are at most 4096 bytes long. */
#define DIR_DEPTH_MAX 2100
#define SEND_BUF ((size_t)256 << 10)

ssize_t fd_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_write_full(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_len)
{
	AUTO_FREE char *p = NULL;
	size_t len = 0, cap = 0;

	for (;;) {
		ssize_t n;
		int r = mem_grow(&p, &cap, len + 4096, 1);

		if (r < 0)
			return r;
		n = fd_read_full(fd, p + len, cap - len - 1);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	p[len] = '\0';
	*ret = TAKE_PTR(p);
	if (ret_len)
		*ret_len = len;
	return 0;
}

static int set_flag(int fd, int get, int set, int flag, bool is_on)
{
	int old = fcntl(fd, get);
	int want = is_on ? old | flag : old & ~flag;

	if (old < 0)
		return -errno;
	if (want != old && fcntl(fd, set, want) < 0)
		return -errno;
	return 0;
}

/* A terminal or an odd file wants read and write. */
static int send_by_hand(int to, int from, off_t at, int64_t size)
{
	AUTO_FREE char *buf = malloc(SEND_BUF);

	if (!buf)
		return -ENOMEM;
	while (at < size) {
		ssize_t n = pread(from, buf, (size_t)MIN(size - at, (int64_t)SEND_BUF), at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		r = fd_write_full(to, buf, (size_t)n);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

int fd_send_file(int to, int from, int64_t size)
{
	off_t at = 0;

	while (at < size) {
		ssize_t n = sendfile(to, from, &at, (size_t)MIN(size - at, (int64_t)1 << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EINVAL || errno == ENOSYS || errno == EAGAIN))
			return send_by_hand(to, from, at, size);
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
	}
	return 0;
}

int fd_set_nonblock(int fd, bool is_on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, is_on);
}

int fd_set_cloexec(int fd, bool is_on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, is_on);
}

const char *fd_path(int fd, char buf[FD_PATH_MAX])
{
	snprintf(buf, FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	/* O_NONBLOCK: a FIFO in the file's place must not hold us. */
	AUTO_FD fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return fd_read_all(fd, max, ret, ret_len);
}

int file_write_at(int dirfd, const char *path, const char *text)
{
	AUTO_FD fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int link_into_place(int dirfd, const char *tmp, const char *name, unsigned int flags)
{
	if (flags & FILE_EXCL) {
		if (linkat(dirfd, tmp, dirfd, name, 0) < 0)
			return -errno;
		unlinkat(dirfd, tmp, 0);
		return 0;
	}
	return renameat(dirfd, tmp, dirfd, name) < 0 ? -errno : 0;
}

static int sync_parent(int dirfd, const char *name)
{
	AUTO_FREE char *copy = strdup(name);
	char *slash = copy ? strrchr(copy, '/') : NULL;
	AUTO_FD fd = -EBADF;

	if (!copy)
		return -ENOMEM;
	if (slash)
		*slash = '\0';
	fd = openat(dirfd, slash ? (slash == copy ? "/" : copy) : ".",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int file_replace_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    unsigned int flags)
{
	AUTO_FREE char *tmp = str_printf("%s.%016llx.tmp", name, (unsigned long long)rand_u64());
	AUTO_FD fd = -EBADF;
	int r;

	if (!tmp)
		return -ENOMEM;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, data, len);
	if (r == 0 && (flags & FILE_SYNC) && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = link_into_place(dirfd, tmp, name, flags);
	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return r;
	}
	return flags & FILE_SYNC ? sync_parent(dirfd, name) : 0;
}

int dir_make_all(const char *path, mode_t mode)
{
	AUTO_FREE char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int dir_open_make_at(int dirfd, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int remove_below(int fd, dev_t dev, int depth, size_t *budget);

/* Removes one entry; *takes* nothing, `name` is below `dirfd`. */
static int remove_entry(int dirfd, const char *name, dev_t dev, int depth, size_t *budget)
{
	AUTO_FD fd = -EBADF;
	struct stat st;
	int r;

	if (budget && (*budget == 0 || --*budget == 0))
		return -EAGAIN;
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (depth > 0 && st.st_dev != dev)
		return -EXDEV;
	r = remove_below(TAKE_FD(fd), st.st_dev, depth + 1, budget);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Takes `fd`. */
static int remove_below(int fd, dev_t dev, int depth, size_t *budget)
{
	struct dirent *de;
	int r = 0;
	DIR *d;

	if (depth > DIR_DEPTH_MAX) {
		close(fd);
		return -ELOOP;
	}
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r != -EAGAIN && (de = readdir(d))) {
		int one;

		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		one = remove_entry(dirfd(d), de->d_name, dev, depth, budget);
		if (one == -EAGAIN || (one < 0 && r == 0))
			r = one;
	}
	closedir(d);
	return r;
}

int dir_remove_at(int dirfd, const char *name)
{
	return remove_entry(dirfd, name, 0, 0, NULL);
}

int dir_remove_some_at(int dirfd, const char *name, size_t *budget)
{
	return remove_entry(dirfd, name, 0, 0, budget);
}
