#include "worker/applied.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* A path has at most 4096 bytes. */
#define DEPTH_MAX 2100
#define OWN_FIRST 1024

/* ---- the set ---- */

static size_t slot_of(const ino_t *v, size_t cap, ino_t ino)
{
	size_t at = (size_t)((uint64_t)ino * 0x9e3779b97f4a7c15u >> 20) & (cap - 1);

	while (v[at] && v[at] != ino)
		at = (at + 1) & (cap - 1);
	return at;
}

static int grow(struct applied *own)
{
	size_t cap = own->cap ? own->cap * 2 : OWN_FIRST;
	ino_t *v = calloc(cap, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < own->cap; i++)
		if (own->v[i])
			v[slot_of(v, cap, own->v[i])] = own->v[i];
	free(own->v);
	own->v = v;
	own->cap = cap;
	return 0;
}

void applied_done(struct applied *own)
{
	free(own->v);
	*own = (struct applied){ 0 };
}

int applied_add(struct applied *own, ino_t ino)
{
	size_t at;

	if ((own->n + 1) * 2 > own->cap && grow(own) < 0)
		return -ENOMEM;
	at = slot_of(own->v, own->cap, ino);
	own->n += own->v[at] == 0;
	own->v[at] = ino;
	return 0;
}

bool applied_has(const struct applied *own, ino_t ino)
{
	return own->cap > 0 && own->v[slot_of(own->v, own->cap, ino)] != 0;
}

/* ---- hiding ---- */

static int hide(const struct applied *own, int parent, const char *name, int depth);

/* Takes `fd`. What cannot go does not keep the rest; the first failure is told. */
static int hide_below(const struct applied *own, int fd, int depth)
{
	struct dirent *de;
	int r = 0;
	DIR *d = depth > DEPTH_MAX ? NULL : fdopendir(fd);

	if (!d) {
		r = depth > DEPTH_MAX ? -ELOOP : -errno;
		close(fd);
		return r;
	}
	while ((de = readdir(d))) {
		int one;

		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		one = hide(own, dirfd(d), de->d_name, depth);
		if (one < 0 && r == 0)
			r = one;
	}
	closedir(d);
	return r;
}

static int open_dir(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A folder that still has something in it is one of the layer's, though no entry describes it. */
static int hide(const struct applied *own, int parent, const char *name, int depth)
{
	struct stat st;
	int fd, r;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode)) {
		if (applied_has(own, st.st_ino))
			return 0;
		return unlinkat(parent, name, 0) < 0 ? -errno : 0;
	}
	fd = open_dir(parent, name);
	if (fd < 0)
		return fd;
	r = hide_below(own, fd, depth + 1);
	if (r < 0 || applied_has(own, st.st_ino))
		return r;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return 0;
}

int applied_hide(const struct applied *own, int parent, const char *name)
{
	return hide(own, parent, name, 0);
}

int applied_hide_all(const struct applied *own, int dir)
{
	int fd = open_dir(dir, ".");

	return fd < 0 ? fd : hide_below(own, fd, 0);
}
