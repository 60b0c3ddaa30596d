/* Disk usage of a tree: blocks and inodes as `du` counts them, hard links once. */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* One open folder per level; a layer's paths are at most 4096 bytes long. */
#define DEPTH_MAX 2100

struct walk {
	int64_t size, inodes;
	dev_t dev;
	ino_t *links; /* open-addressed set of inodes with several names; 0: free */
	size_t links_n, links_cap;
};

static bool set_has_or_add(ino_t *set, size_t cap, ino_t ino)
{
	size_t at = (size_t)(ino * 0x9e3779b97f4a7c15u);

	for (;; at++) {
		ino_t *slot = &set[at & (cap - 1)];

		if (*slot == ino)
			return true;
		if (*slot == 0) {
			*slot = ino;
			return false;
		}
	}
}

/* 1: seen before, 0: new, -ENOMEM. */
static int is_seen(struct walk *w, ino_t ino)
{
	if ((w->links_n + 1) * 2 > w->links_cap) {
		size_t cap = w->links_cap ? w->links_cap * 2 : 64;
		ino_t *set = calloc(cap, sizeof(*set));

		if (!set)
			return -ENOMEM;
		for (size_t i = 0; i < w->links_cap; i++)
			if (w->links[i])
				set_has_or_add(set, cap, w->links[i]);
		free(w->links);
		w->links = set;
		w->links_cap = cap;
	}
	if (set_has_or_add(w->links, w->links_cap, ino))
		return 1;
	w->links_n++;
	return 0;
}

static int count(struct walk *w, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		int r = is_seen(w, st->st_ino);

		if (r != 0)
			return MIN(r, 0);
	}
	w->size += st->st_blocks * 512;
	w->inodes++;
	return 0;
}

/* Takes `fd`. */
static int walk_below(struct walk *w, int fd, int depth)
{
	struct dirent *de;
	int r = 0;
	DIR *d = depth > DEPTH_MAX ? NULL : fdopendir(fd);

	if (!d) {
		r = depth > DEPTH_MAX ? -ELOOP : -errno;
		close(fd);
		return r;
	}
	while (r >= 0 && (de = readdir(d))) {
		struct stat st;
		int sub;

		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		/* A running container may remove what readdir just named. */
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		r = count(w, &st);
		if (r < 0 || !S_ISDIR(st.st_mode) || st.st_dev != w->dev)
			continue;
		sub = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = walk_below(w, sub, depth + 1);
	}
	closedir(d);
	return r;
}

/* Adds up blocks and inodes below `fd`. */
static int usage_walk(int fd, int64_t *ret_size, int64_t *ret_inodes)
{
	struct walk w = { 0 };
	struct stat st;
	int own, r;

	if (fstat(fd, &st) < 0)
		return -errno;
	w.dev = st.st_dev;
	own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	r = count(&w, &st);
	if (r >= 0)
		r = walk_below(&w, TAKE_FD(own), 0);
	fd_closep(&own);
	free(w.links);
	if (r < 0)
		return r;
	*ret_size = w.size;
	*ret_inodes = w.inodes;
	return 0;
}

int snapshot_walk(struct store *s, int64_t id, int64_t *ret_size, int64_t *ret_inodes)
{
	AUTO_FD fd = -EBADF;
	char path[64];

	snprintf(path, sizeof(path), "snapshots/%lld/fs", (long long)id);
	fd = openat(s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : usage_walk(fd, ret_size, ret_inodes);
}

/* What a committed one takes never changes, so it is walked once. */
int store_snapshot_usage(struct store *s, const char *ns, const char *key, int64_t *ret_size,
			 int64_t *ret_inodes, struct err *e)
{
	static const char sql[] = "UPDATE snapshots SET size=?2, inodes=?3 WHERE id=?1";
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_info info;
	int r = store_snapshot_stat(s, ns, key, &a, &info, e);

	if (r < 0)
		return r;
	if (info.kind == SNAPSHOT_COMMITTED && info.inodes > 0) {
		*ret_size = info.size;
		*ret_inodes = info.inodes;
		return 0;
	}
	r = snapshot_walk(s, info.id, ret_size, ret_inodes);
	if (r == -ENOENT && info.kind == SNAPSHOT_ACTIVE) {
		/* A native one that was not used yet. */
		*ret_size = *ret_inodes = 0;
		return 0;
	}
	if (r < 0)
		return err_sys(e, r, "usage of snapshot %s", key);
	if (info.kind != SNAPSHOT_COMMITTED)
		return 0;
	r = store_begin(s, e);
	if (r < 0)
		return r;
	return db_end(s, db_run(s, sql, ARGS(I(info.id), I(*ret_size), I(*ret_inodes)), e), e);
}
