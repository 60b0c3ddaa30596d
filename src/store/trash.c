/*
 * The trash: a rename takes a whole tree out of the store at once; deleting takes as long as it takes.
 */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/rand.h"

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

/* Several may empty it at once: what another one took first is fine. */
int store_empty_trash(struct store *s, struct err *e)
{
	AUTO_FD fd = store_dir(s, "trash");
	struct dirent *de;
	int first = 0;
	DIR *d;

	if (fd < 0)
		return err_sys(e, fd, "open '%s/trash'", s->root);
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, -errno, "open '%s/trash'", s->root);
	TAKE_FD(fd);
	while ((de = readdir(d))) {
		int r;

		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		r = dir_remove_at(dirfd(d), de->d_name);
		if (r < 0 && r != -ENOENT && r != -ENOTEMPTY && first == 0)
			first = err_sys(e, r, "empty the trash: '%s/trash/%s'", s->root,
					de->d_name);
	}
	closedir(d);
	db_checkpoint(s, WAL_PAGES_SOFT);
	return first;
}
