#pragma once
/*
 * File descriptors and files: closing, whole reads and writes, atomic replacement, folders.
 *
 * Every descriptor made here is O_CLOEXEC; an empty one is -EBADF. Paths below a container's root are
 * not this module's business (sys/root opens those). Safe after fork: yes.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/mem.h"

struct err;

static inline void fd_closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
		*fd = -EBADF;
	}
}
#define AUTO_FD CLEANUP(fd_closep) int
#define TAKE_FD(fd)             \
	({                      \
		int fd_ = (fd); \
		(fd) = -EBADF;  \
		fd_;            \
	})

/* Reads until `len` bytes or the end, over EINTR. Returns the count, or -errno. */
ssize_t fd_read_full(int fd, void *buf, size_t len);
/* Writes all, over EINTR; on a non-blocking descriptor it waits with poll. 0 or -errno. */
int fd_write_full(int fd, const void *buf, size_t len);
/* Reads to the end into malloc'ed, NUL-terminated memory. -EFBIG beyond `max` bytes. */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_len);
/*
 * The first `size` bytes of a file to any descriptor, in the kernel where it can. -ENODATA: it has less. The file's offset is
 * neither used nor moved.
 */
int fd_send_file(int to, int from, int64_t size);
/* Sets or clears O_NONBLOCK. */
int fd_set_nonblock(int fd, bool is_on);
int fd_set_cloexec(int fd, bool is_on);
/* "/proc/self/fd/N" in a buffer on the caller's stack. */
#define FD_PATH_MAX 32
const char *fd_path(int fd, char buf[FD_PATH_MAX]);

/* Opens relative to `dirfd` (AT_FDCWD allowed) and reads a regular file of at most `max` bytes. */
int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);
/* Writes into an existing file in one write call (cgroup and proc files). 0 or -errno. */
int file_write_at(int dirfd, const char *path, const char *text);

enum file_flags {
	FILE_SYNC = 1 << 0, /* fsync the file and, after the rename, its folder */
	FILE_EXCL = 1 << 1, /* -EEXIST instead of replacing */
};
/* Replaces `name` below `dirfd` whole or not at all: write to a temporary name, rename. */
int file_replace_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    unsigned int flags);

/* Makes `path` and the parents that miss (mode `mode` each). Existing folders are fine. */
int dir_make_all(const char *path, mode_t mode);
/* As mkdirat for one level, fine when it exists, and opens it O_DIRECTORY. Returns the fd or -errno. */
int dir_open_make_at(int dirfd, const char *name, mode_t mode);
/*
 * Removes `name` below `dirfd` with all below it, without following links or crossing into other
 * filesystems (mount points give -EXDEV and stay). Missing is fine. Not bounded in time: never on a
 * loop thread.
 */
int dir_remove_at(int dirfd, const char *name);
/* The same, but -EAGAIN after `*budget` entries were looked at; counts it down. What is left can be gone on with. */
int dir_remove_some_at(int dirfd, const char *name, size_t *budget);
