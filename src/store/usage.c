/* Disk usage of a tree, blocks and inodes as `du` counts them with hard links once, and what the tree is (tree.c). */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* One open folder per level; a layer's paths are at most 4096 bytes long. */
#define DEPTH_MAX 2100

struct walk {
	int64_t size, inodes;
	enum snapshot_walk_kind kind;
	struct tree_sum tree;
	struct strbuf path; /* of what is looked at, from the top */
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

static int count(struct walk *w, int dir, const char *name, const struct stat *st)
{
	int r = !S_ISDIR(st->st_mode) && st->st_nlink > 1 ? is_seen(w, st->st_ino) : 0;
	bool is_first = r == 0;

	if (r >= 0 && w->kind != WALK_USAGE)
		r = tree_sum_add(&w->tree, dir, name, w->path.p, st, is_first);
	if (r < 0 || !is_first)
		return r;
	w->size += st->st_blocks * 512;
	w->inodes++;
	return 0;
}

static int walk_below(struct walk *w, int fd, int depth);

/* `name` in `dir`, and all below it. */
static int walk_at(struct walk *w, int dir, const char *name, int depth)
{
	size_t len = w->path.len;
	struct stat st;
	int fd, r;

	/* A running container may remove what readdir just named. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	strbuf_addf(&w->path, "/%s", name);
	r = strbuf_ok(&w->path);
	if (r >= 0)
		r = count(w, dir, name, &st);
	if (r == -ENOENT)
		r = 0;
	if (r >= 0 && S_ISDIR(st.st_mode) && st.st_dev == w->dev) {
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? 0 : walk_below(w, fd, depth + 1);
	}
	if (strbuf_ok(&w->path) >= 0)
		w->path.p[w->path.len = len] = '\0';
	return r;
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
	while (r >= 0 && (de = readdir(d)))
		if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
			r = walk_at(w, dirfd(d), de->d_name, depth);
	closedir(d);
	return r;
}

static int walk_top(struct walk *w, int fd)
{
	struct stat st;
	int own, r;

	if (fstat(fd, &st) < 0)
		return -errno;
	w->dev = st.st_dev;
	strbuf_add(&w->path, "", 0);
	r = strbuf_ok(&w->path);
	if (r >= 0)
		r = count(w, fd, ".", &st);
	if (r < 0)
		return r;
	own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return own < 0 ? -errno : walk_below(w, own, 0);
}

static int walk(int fd, enum snapshot_walk_kind kind, struct snapshot_walked *ret)
{
	struct walk w = { .kind = kind };
	int r = tree_sum_begin(&w.tree, kind == WALK_CONTENT);

	if (r >= 0)
		r = walk_top(&w, fd);
	ret->size = w.size;
	ret->inodes = w.inodes;
	tree_sum_end(&w.tree, ret->tree);
	if (kind == WALK_USAGE)
		ret->tree[0] = '\0';
	strbuf_done(&w.path);
	free(w.links);
	return r;
}

int snapshot_walk(struct store *s, int64_t id, enum snapshot_walk_kind kind,
		  struct snapshot_walked *ret)
{
	AUTO_FD fd = -EBADF;
	char path[64];

	snprintf(path, sizeof(path), "snapshots/%lld/fs", (long long)id);
	fd = openat(s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : walk(fd, kind, ret);
}

/* What a committed one takes never changes, so it is walked once. */
int store_snapshot_usage(struct store *s, const char *ns, const char *key, int64_t *ret_size,
			 int64_t *ret_inodes, struct err *e)
{
	static const char sql[] = "UPDATE snapshots SET size=?2, inodes=?3, tree=?4 WHERE id=?1";
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_walked found = { 0 };
	struct snapshot_info info;
	int r = store_snapshot_stat(s, ns, key, &a, &info, e);

	if (r < 0)
		return r;
	if (info.kind == SNAPSHOT_COMMITTED && info.inodes > 0) {
		*ret_size = info.size;
		*ret_inodes = info.inodes;
		return 0;
	}
	r = snapshot_walk(s, info.id, info.kind == SNAPSHOT_COMMITTED ? WALK_TREE : WALK_USAGE,
			  &found);
	/* A native one that was not used yet has nothing. */
	if (r < 0 && !(r == -ENOENT && info.kind == SNAPSHOT_ACTIVE))
		return err_sys(e, r, "usage of snapshot %s", key);
	*ret_size = found.size;
	*ret_inodes = found.inodes;
	if (info.kind != SNAPSHOT_COMMITTED)
		return 0;
	r = store_begin(s, e);
	if (r < 0)
		return r;
	return db_end(s,
		      db_run(s, sql,
			     ARGS(I(info.id), I(found.size), I(found.inodes), T(found.tree)), e),
		      e);
}
