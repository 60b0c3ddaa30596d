/*
 * A whole tree copied by descriptors: content (shared where the filesystem can), holes, owners, modes, times, xattrs,
 * hard links, devices. The source is committed, so nobody writes to it; the copy is private until it is renamed.
 */
#include "store/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* A path has at most 4096 bytes. */
#define DEPTH_MAX 2100
#define XATTR_NAMES_MAX ((size_t)64 << 10)
#define XATTR_VALUE_MAX ((size_t)64 << 10)
/* Files with several names wait in memory for the next one. */
#define LINKS_BUDGET ((size_t)256 << 20)

struct link {
	ino_t ino;
	const char *path; /* of the first name in the copy */
};

struct copy {
	int root; /* of the copy */
	struct strbuf path;
	struct arena a;
	struct link *links; /* open-addressed, path NULL: free */
	size_t links_n, links_cap;
	bool has_no_clone;
	char *names, *value; /* of xattrs */
};

/* One entry on both sides. */
struct place {
	int from, to;
	const char *name;
	struct stat st;
};

/* ---- attributes ---- */

/* `from` and `to` name the same thing by paths through descriptors; links are not followed. */
static int copy_xattrs(struct copy *c, const char *from, const char *to)
{
	ssize_t n = llistxattr(from, c->names, XATTR_NAMES_MAX);

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *p = c->names; p < c->names + n; p += strlen(p) + 1) {
		ssize_t len = lgetxattr(from, p, c->value, XATTR_VALUE_MAX);

		if (len < 0 && errno == ENODATA)
			continue;
		if (len < 0 || (lsetxattr(to, p, c->value, (size_t)len, 0) < 0 && errno != ENOTSUP))
			return -errno;
	}
	return 0;
}

static int copy_xattrs_at(struct copy *c, const struct place *p)
{
	char dir[FD_PATH_MAX];
	AUTO_FREE char *from = str_printf("%s/%s", fd_path(p->from, dir), p->name);
	AUTO_FREE char *to = str_printf("%s/%s", fd_path(p->to, dir), p->name);

	return from && to ? copy_xattrs(c, from, to) : -ENOMEM;
}

/* Owner first, because it takes set-id bits and capabilities away. */
static int copy_attributes(struct copy *c, const struct place *p)
{
	const struct timespec times[2] = { p->st.st_atim, p->st.st_mtim };
	int r;

	if (fchownat(p->to, p->name, p->st.st_uid, p->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = copy_xattrs_at(c, p);
	if (r < 0)
		return r;
	if (!S_ISLNK(p->st.st_mode) && fchmodat(p->to, p->name, p->st.st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(p->to, p->name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* ---- files ---- */

static int copy_range(int from, int to, off_t begin, off_t end)
{
	off_t in = begin, out = begin;

	while (in < end) {
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
	}
	return 0;
}

static int copy_data(struct copy *c, int from, int to, off_t size)
{
	off_t at = 0;

	if (!c->has_no_clone) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		c->has_no_clone = true;
	}
	while (at < size) {
		off_t begin = lseek(from, at, SEEK_DATA), end;
		int r;

		if (begin < 0 && errno == ENXIO)
			break;
		end = begin < 0 ? -1 : lseek(from, begin, SEEK_HOLE);
		if (end < 0)
			return -errno;
		r = copy_range(from, to, begin, end);
		if (r < 0)
			return r;
		at = end;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

static int copy_file(struct copy *c, const struct place *p)
{
	AUTO_FD from = openat(p->from, p->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD to = -EBADF;

	if (from < 0)
		return -errno;
	to = openat(p->to, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return to < 0 ? -errno : p->st.st_size ? copy_data(c, from, to, p->st.st_size) : 0;
}

static int copy_symlink(const struct place *p)
{
	char target[4097];
	ssize_t n = readlinkat(p->from, p->name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, p->to, p->name) < 0 ? -errno : 0;
}

/* ---- hard links ---- */

static struct link *link_slot(struct link *v, size_t cap, ino_t ino)
{
	size_t at = (size_t)((uint64_t)ino * 0x9e3779b97f4a7c15u >> 20) & (cap - 1);

	while (v[at].path && v[at].ino != ino)
		at = (at + 1) & (cap - 1);
	return &v[at];
}

static int links_grow(struct copy *c)
{
	size_t cap = c->links_cap ? c->links_cap * 2 : 64;
	struct link *v = calloc(cap, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < c->links_cap; i++)
		if (c->links[i].path)
			*link_slot(v, cap, c->links[i].ino) = c->links[i];
	free(c->links);
	c->links = v;
	c->links_cap = cap;
	return 0;
}

/* 1: made as a link to the first name, 0: this is the first, -errno. */
static int link_again(struct copy *c, const struct place *p)
{
	struct link *l;

	if ((c->links_n + 1) * 2 > c->links_cap && links_grow(c) < 0)
		return -ENOMEM;
	l = link_slot(c->links, c->links_cap, p->st.st_ino);
	if (l->path)
		return linkat(c->root, l->path, p->to, p->name, 0) < 0 ? -errno : 1;
	l->path = arena_printf(&c->a, "%s%s", c->path.p ? c->path.p : "", p->name);
	if (!l->path)
		return -ENOMEM;
	l->ino = p->st.st_ino;
	c->links_n++;
	return 0;
}

/* ---- the tree ---- */

static int copy_below(struct copy *c, int from, int to, int depth);

static int copy_dir(struct copy *c, const struct place *p, int depth)
{
	size_t len = c->path.len;
	int from, to, r;

	if (mkdirat(p->to, p->name, 0700) < 0)
		return -errno;
	from = openat(p->from, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = openat(p->to, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0) {
		r = -errno;
		close(from);
		return r;
	}
	strbuf_addf(&c->path, "%s/", p->name);
	r = strbuf_ok(&c->path);
	if (r < 0) {
		close(from);
		close(to);
		return r;
	}
	r = copy_below(c, from, to, depth + 1);
	close(to);
	c->path.len = len;
	c->path.p[len] = '\0';
	return r;
}

static int copy_entry(struct copy *c, struct place *p, int depth)
{
	int r;

	if (fstatat(p->from, p->name, &p->st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(p->st.st_mode) && p->st.st_nlink > 1) {
		r = link_again(c, p);
		if (r != 0)
			return MIN(r, 0);
	}
	if (S_ISDIR(p->st.st_mode))
		r = copy_dir(c, p, depth);
	else if (S_ISREG(p->st.st_mode))
		r = copy_file(c, p);
	else if (S_ISLNK(p->st.st_mode))
		r = copy_symlink(p);
	else
		r = mknodat(p->to, p->name, (p->st.st_mode & S_IFMT) | 0600, p->st.st_rdev) < 0
			    ? -errno
			    : 0;
	return r < 0 ? r : copy_attributes(c, p);
}

/* Takes `from`. */
static int copy_below(struct copy *c, int from, int to, int depth)
{
	struct dirent *de;
	int r = 0;
	DIR *d = depth > DEPTH_MAX ? NULL : fdopendir(from);

	if (!d) {
		r = depth > DEPTH_MAX ? -ELOOP : -errno;
		close(from);
		return r;
	}
	while (r >= 0 && (de = readdir(d))) {
		struct place p = { .from = dirfd(d), .to = to, .name = de->d_name };

		if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
			r = copy_entry(c, &p, depth);
	}
	closedir(d);
	return r;
}

int copy_tree(int from_dir, const char *from, int to_dir, const char *to)
{
	struct copy c = { .root = -EBADF, .a = { .budget = LINKS_BUDGET } };
	struct place top = { .from = -EBADF, .to = -EBADF, .name = "." };
	AUTO_FD from_fd = openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD to_fd = -EBADF;
	int below, r;

	if (from_fd < 0 || mkdirat(to_dir, to, 0700) < 0)
		return -errno;
	to_fd = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to_fd < 0 || fstat(from_fd, &top.st) < 0)
		return -errno;
	c.root = top.to = to_fd;
	top.from = from_fd;
	c.names = malloc(XATTR_NAMES_MAX);
	c.value = malloc(XATTR_VALUE_MAX);
	below = c.names && c.value ? openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				   : -ENOMEM;
	r = below == -ENOMEM ? below : below < 0 ? -errno : copy_below(&c, below, to_fd, 0);
	if (r >= 0)
		r = copy_attributes(&c, &top);
	strbuf_done(&c.path);
	arena_done(&c.a);
	free(c.links);
	free(c.names);
	free(c.value);
	return r;
}
