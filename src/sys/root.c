#include "sys/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sys/calls.h"

#define LINKS_MAX 40
/* openat2 answers -EAGAIN when a rename elsewhere races with ".."; the kernel's advice is to try again. */
#define RETRIES_MAX 128
#define DEPTH_MAX 256
#define PROC_MAGIC 0x9fa0

static bool is_walk_forced;

void root_force_walk(bool is_forced)
{
	is_walk_forced = is_forced;
}

/*
 * The walk keeps the descriptor of each folder on the way, so that ".." goes back to a folder that was
 * opened from its parent and never above the root.
 */
struct walk {
	int fds[DEPTH_MAX];
	int n; /* fds[0] is the root, borrowed */
	int links;
	char rest[PATH_MAX];
};

static void walk_done(struct walk *w)
{
	while (w->n > 1)
		close(w->fds[--w->n]);
}

/* Cuts the first component off `w->rest` into `name`. False at the end. */
static bool walk_next(struct walk *w, char name[256], bool *ret_is_last, int *r)
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(p, "/");

	*r = 0;
	if (len == 0)
		return false;
	if (len > 255) {
		*r = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, p, len);
	name[len] = '\0';
	p += len;
	*ret_is_last = p[strspn(p, "/")] == '\0';
	memmove(w->rest, p, strlen(p) + 1);
	return true;
}

/* Puts a link's target before what is left. */
static int walk_follow(struct walk *w, int link)
{
	char target[PATH_MAX];
	struct statfs fs;
	ssize_t n;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	/* Below procfs a link can be a magic one, whose text does not say where it leads. */
	if (fstatfs(link, &fs) < 0)
		return -errno;
	if (fs.f_type == PROC_MAGIC)
		return -ELOOP;
	n = readlinkat(link, "", target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if ((size_t)n + 1 + strlen(w->rest) >= sizeof(w->rest))
		return -ENAMETOOLONG;
	memmove(w->rest + n + 1, w->rest, strlen(w->rest) + 1);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = '/';
	if (target[0] == '/')
		walk_done(w);
	return 0;
}

static int walk_step(struct walk *w, const char *name, bool is_last, int flags, int *ret)
{
	AUTO_FD fd = -EBADF;
	struct stat st;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		if (w->n > 1)
			close(w->fds[--w->n]);
		return 0;
	}
	fd = openat(w->fds[w->n - 1], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && !(is_last && flags & O_NOFOLLOW))
		return walk_follow(w, fd);
	if (is_last && !S_ISDIR(st.st_mode)) {
		if (flags & O_DIRECTORY)
			return -ENOTDIR;
		/* The name is opened again without following; a swap in between can only fail. */
		*ret = flags & O_PATH
			       ? TAKE_FD(fd)
			       : openat(w->fds[w->n - 1], name, flags | O_NOFOLLOW | O_CLOEXEC);
		return *ret < 0 ? -errno : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (w->n == DEPTH_MAX)
		return -ELOOP;
	w->fds[w->n++] = TAKE_FD(fd);
	return 0;
}

static int open_by_walk(int root, const char *path, int flags)
{
	struct walk w = { .fds = { root }, .n = 1 };
	char name[256];
	int r = 0, ret = -EBADF;
	size_t len = strlen(path);
	bool is_last = false;

	if (len >= sizeof(w.rest))
		return -ENAMETOOLONG;
	memcpy(w.rest, path, len + 1);
	while (r == 0 && ret < 0 && walk_next(&w, name, &is_last, &r))
		r = walk_step(&w, name, is_last, flags, &ret);
	if (r == 0 && ret < 0) {
		ret = openat(w.fds[w.n - 1], ".", flags | O_CLOEXEC);
		r = ret < 0 ? -errno : 0;
	}
	walk_done(&w);
	return r < 0 ? r : ret;
}

int root_open(int root, const char *path, int flags)
{
	struct k_open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS,
	};

	ASSERT(!(flags & O_CREAT));
	for (int i = 0; !is_walk_forced && i < RETRIES_MAX; i++) {
		int fd = k_openat2(root, path, &how);

		if (fd == -ENOSYS || fd == -EPERM)
			break;
		if (fd != -EAGAIN && fd != -EINTR)
			return fd;
	}
	return open_by_walk(root, path, flags);
}

/* `path` without its last component in `head`, and that component in `name`. */
static int split(const char *path, char head[PATH_MAX], char name[256])
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (end == start)
		return -EINVAL;
	if (end - start > 255 || start >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(name, path + start, end - start);
	name[end - start] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	memcpy(head, path, start);
	head[start] = '\0';
	if (start == 0)
		memcpy(head, "/", sizeof("/"));
	return 0;
}

/* The path that the dangling link `name` in the folder `head` stands for. */
static int expand_link(int dir, const char *head, const char *name, char out[PATH_MAX])
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return errno == EINVAL ? -EEXIST : -errno;
	target[n] = '\0';
	len = target[0] == '/' ? snprintf(out, PATH_MAX, "%s", target)
			       : snprintf(out, PATH_MAX, "%s/%s", head, target);
	return len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int make_last(int dir, const char *name, bool is_dir)
{
	int fd;

	if (is_dir)
		return mkdirat(dir, name, 0755) < 0 ? -errno : 0;
	fd = openat(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Depth is bounded by the components of a path of PATH_MAX and by LINKS_MAX links. */
static int make_at_depth(int root, const char *path, bool is_dir, int links, int depth)
{
	int flags = O_PATH | (is_dir ? O_DIRECTORY : 0);
	char head[PATH_MAX], name[256], real[PATH_MAX];
	AUTO_FD dir = -EBADF;
	int r, fd = root_open(root, path, flags);

	if (fd != -ENOENT)
		return fd;
	if (links > LINKS_MAX || depth > DEPTH_MAX)
		return -ELOOP;
	r = split(path, head, name);
	if (r < 0)
		return r;
	dir = make_at_depth(root, head, true, links, depth + 1);
	if (dir < 0)
		return dir;
	r = make_last(dir, name, is_dir);
	if (r == 0) {
		/* From the folder that was made in, not from the root again: nobody can be in between. */
		fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (r != -EEXIST)
		return r;
	fd = root_open(root, path, flags);
	if (fd != -ENOENT)
		return fd;
	r = expand_link(dir, head, name, real);
	return r < 0 ? r : make_at_depth(root, real, is_dir, links + 1, depth + 1);
}

int root_make(int root, const char *path, bool is_dir)
{
	return make_at_depth(root, path, is_dir, 0, 0);
}

int root_open_parent(int root, const char *path, char name[256])
{
	char head[PATH_MAX];
	int r = split(path, head, name);

	return r < 0 ? r : root_make(root, head, true);
}
