/* Files of a folder that may be anybody's: regular ones, whole or not there. */
#include "image/copy/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

int folder_open(const char *path, bool is_made, struct err *e)
{
	int r = is_made ? dir_make_all(path, 0755) : 0, fd;

	if (r < 0)
		return err_sys(e, r, "create folder '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "open folder '%s'", path) : fd;
}

static int open_file(int dirfd, const char *name, struct stat *st, struct err *e)
{
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, -errno, "open '%s'", name);
	if (fstat(fd, st) < 0)
		return err_sys(e, -errno, "'%s'", name);
	if (!S_ISREG(st->st_mode))
		return err_set(e, -EBADMSG, "'%s' is not a regular file", name);
	return TAKE_FD(fd);
}

int folder_open_file(int dirfd, const char *name, int64_t size, struct err *e)
{
	struct stat st;
	AUTO_FD fd = open_file(dirfd, name, &st, e);

	if (fd < 0)
		return fd;
	if (st.st_size != size)
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "'%s' has %lld bytes, not %lld",
				    name, (long long)st.st_size, (long long)size);
	return TAKE_FD(fd);
}

int folder_read(int dirfd, const char *name, struct arena *a, struct copy_manifest *ret,
		struct err *e)
{
	AUTO_FREE char *text = NULL;
	char digest[DIGEST_TEXT_MAX];
	struct stat st;
	AUTO_FD fd = open_file(dirfd, name, &st, e);
	size_t len;
	int r;

	if (fd < 0)
		return fd;
	r = fd_read_all(fd, LIMIT_MANIFEST_BYTES, &text, &len);
	if (r < 0)
		return err_sys(e, r, "read '%s'", name);
	*ret = (struct copy_manifest){ .digest = arena_strdup(a, digest_of(text, len, digest)),
				       .media_type = "",
				       .text = arena_strndup(a, text, len),
				       .len = len };
	return ret->digest && ret->text ? 0 : err_set(e, -ENOMEM, "out of memory");
}

bool folder_has(int dirfd, const char *name, const struct copy_blob *b)
{
	AUTO_FD fd = folder_open_file(dirfd, name, b->size, NULL);
	char digest[DIGEST_TEXT_MAX];

	return fd >= 0 && digest_of_file(fd, digest) == 0 && streq(digest, b->digest);
}

/* Into a new file with this name: nobody else has it. */
static int fill_part(int dirfd, const char *part, int fd, int64_t size)
{
	char path[FD_PATH_MAX];
	AUTO_FD to = -EBADF;
	struct stat st;

	/* One without a name is ours alone. */
	if (fstat(fd, &st) == 0 && st.st_nlink == 0 &&
	    linkat(AT_FDCWD, fd_path(fd, path), dirfd, part, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	to = openat(dirfd, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	return to < 0 ? -errno : fd_send_file(to, fd, size);
}

int folder_put(int dirfd, const char *name, int fd, int64_t size, struct err *e)
{
	AUTO_FREE char *part = NULL;
	char hex[17];
	int r;

	rand_hex(hex, 16);
	part = str_printf("%s.%s.tmp", name, hex);
	if (!part)
		return err_set(e, -ENOMEM, "out of memory");
	r = fill_part(dirfd, part, fd, size);
	if (r == 0 && renameat(dirfd, part, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, part, 0);
	return r < 0 ? err_sys(e, r, "write '%s'", name) : 0;
}

int folder_put_text(int dirfd, const char *name, const char *text, size_t len, struct err *e)
{
	int r = file_replace_at(dirfd, name, text, len, 0644, 0);

	return r < 0 ? err_sys(e, r, "write '%s'", name) : 0;
}
