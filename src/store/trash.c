/*
 * The trash: a rename takes a whole tree out of the store at once; deleting takes as long as it takes.
 */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/rand.h"

/* Looked at between two looks at the clock. */
#define TRASH_STEP 50

int trash_at(struct store *s, int dirfd, const char *name)
{
	char path[32] = "trash/";

	rand_hex(path + 6, 16);
	if (renameat(dirfd, name, s->root_fd, path) == 0)
		return 0;
	if (errno == ENOENT) {
		/* Either the thing or the trash itself is missing. */
		if (mkdirat(s->root_fd, "trash", 0700) < 0)
			return -ENOENT;
		if (renameat(dirfd, name, s->root_fd, path) == 0)
			return 0;
	}
	return -errno;
}

/* Relative, without "." and ".." parts. */
static bool is_safe_path(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		if (*path == '/' && !*++path)
			return false;
	}
	return true;
}

int store_trash(struct store *s, const char *relative_path, struct err *e)
{
	int r = check_key("path", relative_path, e);

	if (r < 0)
		return r;
	if (!is_safe_path(relative_path))
		return err_set(e, -EINVAL, "path '%s' does not stay below the store",
			       relative_path);
	r = trash_at(s, s->root_fd, relative_path);
	if (r < 0 && r != -ENOENT)
		return err_sys(e, r, "move '%s/%s' to the trash", s->root, relative_path);
	return 0;
}

/* Several may empty it at once: what another one took first is fine. -EAGAIN when the budget is used up. */
static int empty(struct store *s, size_t *budget, struct err *e)
{
	AUTO_FD fd = store_dir(s, "trash");
	struct dirent *de;
	int first = 0, r = 0;
	DIR *d;

	if (fd < 0)
		return err_sys(e, fd, "open '%s/trash'", s->root);
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, -errno, "open '%s/trash'", s->root);
	TAKE_FD(fd);
	while (r != -EAGAIN && (de = readdir(d))) {
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		r = budget ? dir_remove_some_at(dirfd(d), de->d_name, budget)
			   : dir_remove_at(dirfd(d), de->d_name);
		if (r < 0 && r != -ENOENT && r != -ENOTEMPTY && r != -EAGAIN && first == 0)
			first = err_sys(e, r, "empty the trash: '%s/trash/%s'", s->root,
					de->d_name);
	}
	closedir(d);
	return r == -EAGAIN ? r : first;
}

int store_empty_trash(struct store *s, struct err *e)
{
	int64_t until = clock_mono_ms() + STORE_TRASH_MS;
	int r = -EAGAIN;

	/* What was left to others once is left to them for good: a command removes in one go only. */
	for (size_t n = 0; r == -EAGAIN && !s->has_trash; n += TRASH_STEP) {
		size_t budget = TRASH_STEP;

		if (n >= STORE_TRASH_FILES || clock_mono_ms() > until)
			break;
		r = empty(s, &budget, e);
	}
	s->has_trash = r == -EAGAIN;
	db_checkpoint(s, WAL_PAGES_SOFT);
	return r == -EAGAIN ? 0 : r;
}

bool store_has_trash(const struct store *s)
{
	return s->has_trash;
}

int store_empty_trash_whole(struct store *s, struct err *e)
{
	AUTO_FD lock = store_dir(s, "trash");
	int r;

	if (lock < 0)
		return err_sys(e, lock, "open '%s/trash'", s->root);
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, -errno, "lock '%s/trash'", s->root);
	r = empty(s, NULL, e);
	if (r >= 0)
		s->has_trash = false;
	return r;
}
