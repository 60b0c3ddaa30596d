/* The walk: folder by folder, names in order, each held against what is below if there is something. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "worker/pack.h"
#include "worker/tree.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_all(DIR *d, struct pack_names *ret, struct err *e)
{
	struct dirent *de;

	for (errno = 0; (de = readdir(d)); errno = 0) {
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		if (ret->n >= PACK_ENTRIES_MAX ||
		    mem_grow(&ret->v, &ret->cap, ret->n + 1, sizeof(*ret->v)) < 0)
			return err_set(e, -ENOMEM, "a folder has too many names");
		ret->v[ret->n] = arena_strdup(&ret->a, de->d_name);
		if (!ret->v[ret->n++])
			return err_set(e, -ENOMEM, "a folder has too many names");
	}
	return errno ? err_sys(e, -errno, "read a folder") : 0;
}

int pack_names_read(int dirfd, struct pack_names *ret, struct err *e)
{
	AUTO_FD fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r;

	if (!d)
		return err_sys(e, -errno, "open a folder");
	fd = -EBADF;
	r = read_all(d, ret, e);
	closedir(d);
	if (r == 0 && ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_names);
	return r;
}

bool pack_names_have(const struct pack_names *names, const char *name)
{
	return names->n > 0 &&
	       bsearch(&name, names->v, names->n, sizeof(*names->v), compare_names) != NULL;
}

/* ---- folders ---- */

static void pop(struct pack *p)
{
	struct pack_level *l = &p->levels[--p->n];

	fd_closep(&l->fd);
	fd_closep(&l->base_fd);
	arena_done(&l->names.a);
	free(l->names.v);
	if (p->cwd == p->n)
		p->cwd = SIZE_MAX;
}

/* The folders on the way to what differs come before it. */
static int write_parents(struct pack *p, struct err *e)
{
	int r = 0;

	for (size_t i = 1; i < p->n && r == 0; i++) {
		struct pack_level *l = &p->levels[i];
		char *rest = p->path + l->path_len, saved = *rest;

		if (l->is_written)
			continue;
		l->is_written = true;
		*rest = '\0';
		r = pack_tell(p, 'C', e);
		*rest = saved;
		if (r == 0)
			r = pack_put_folder(p, l, e);
	}
	return r;
}

/* Appends a name to `p->path` as it is in the level; -ENAMETOOLONG. */
static int set_path(struct pack *p, const struct pack_level *l, const char *name, struct err *e)
{
	size_t len = l->path_len, n = strlen(name);

	p->path[len] = '\0';
	if (len + n + 2 > NAME_PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "the path '%.60s…' is too long", p->path);
	if (len > 0)
		p->path[len++] = '/';
	memcpy(p->path + len, name, n + 1);
	return 0;
}

static int put_gone(struct pack *p, struct pack_level *l, const char *name, struct err *e)
{
	int r = set_path(p, l, name, e);

	if (r == 0)
		r = write_parents(p, e);
	if (r == 0)
		r = pack_tell(p, 'D', e);
	if (r == 0)
		r = pack_put_whiteout(p, l->path_len, WHITEOUT, name, e);
	p->path[l->path_len] = '\0';
	return r;
}

/* Below an opaque folder nothing is left to hide by name. */
static int tell_gone(struct pack *p, struct pack_level *l, const char *name, struct err *e)
{
	int r = set_path(p, l, name, e);

	if (r == 0)
		r = pack_tell(p, 'D', e);
	p->path[l->path_len] = '\0';
	return r;
}

static bool is_whiteout(const struct pack *p, int at, const char *name)
{
	struct stat st;

	return p->setup->kind == PACK_OVERLAY && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       tree_is_whiteout(st.st_mode, st.st_rdev);
}

static int put_whiteouts(struct pack *p, struct pack_level *l, struct err *e)
{
	int r = 0;

	if (l->is_opaque) {
		r = write_parents(p, e);
		if (r == 0)
			r = pack_put_whiteout(p, l->path_len, OPAQUE, "", e);
		return r == 0 ? pack_below_gone(p, l, tell_gone, e) : r;
	}
	if (p->setup->kind != PACK_OVERLAY)
		return pack_below_gone(p, l, put_gone, e);
	for (size_t i = 0; i < l->names.n && r == 0; i++) {
		struct pack_below below = { .is_there = true };

		if (!is_whiteout(p, l->fd, l->names.v[i]))
			continue;
		r = set_path(p, l, l->names.v[i], e);
		if (r == 0 && p->setup->has_base)
			r = pack_below_find(p, l, l->names.v[i], &below, e);
		if (r == 0 && below.is_there)
			r = put_gone(p, l, l->names.v[i], e);
	}
	p->path[l->path_len] = '\0';
	return r;
}

/* Takes `fd`. `below` is what stands at the folder's place, or NULL. */
static int push(struct pack *p, int fd, const struct stat *st, const struct pack_below *below,
		const char *name, bool is_written, struct err *e)
{
	const struct pack_level *up = p->n ? &p->levels[p->n - 1] : NULL;
	struct pack_level *l = &p->levels[p->n];
	bool has_below = below && below->is_there && S_ISDIR(below->st.st_mode);
	int r;

	if (p->n == PACK_LEVELS) {
		close(fd);
		return err_set(e, -E2BIG, "folders nest deeper than %d", PACK_LEVELS);
	}
	*l = (struct pack_level){ .fd = fd,
				  .base_fd = -EBADF,
				  .listed = SIZE_MAX,
				  .path_len = strlen(p->path),
				  .st = *st,
				  .names = { .a = { .budget = PACK_BUDGET } },
				  .is_written = is_written };
	p->n++;
	l->is_opaque = p->setup->kind == PACK_OVERLAY && up && pack_is_opaque(p, p->path);
	if (has_below && below->listed)
		l->listed = (size_t)(below->listed - p->below.v);
	else if (has_below)
		l->base_fd = openat(up->base_fd, name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (has_below && !below->listed && l->base_fd < 0)
		return err_sys(e, -errno, "open '%.200s' in the folder below", p->path);
	r = pack_names_read(fd, &l->names, e);
	if (r == 0)
		r = put_whiteouts(p, l, e);
	/* What shines through an opaque folder is nothing: all in it is new. */
	if (l->is_opaque) {
		fd_closep(&l->base_fd);
		l->listed = SIZE_MAX;
	}
	return r < 0 ? err_wrap(e, r, "'/%.200s'", p->path) : 0;
}

/* ---- one thing ---- */

static int visit_folder(struct pack *p, struct pack_level *l, const char *name,
			const struct stat *st, const struct pack_below *below, int is_same,
			struct err *e)
{
	int fd = openat(l->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : err_sys(e, -errno, "open '/%.200s'", p->path);
	if (!is_same) {
		r = write_parents(p, e);
		if (r == 0)
			r = pack_tell(p, below->is_there ? 'C' : 'A', e);
		if (r == 0)
			r = pack_put(p, l, name, st, e);
		if (r < 0) {
			close(fd);
			return r;
		}
	}
	return push(p, fd, st, below, name, !is_same, e);
}

static int visit_other(struct pack *p, struct pack_level *l, const char *name,
		       const struct stat *st, const struct pack_below *below, int is_same,
		       struct err *e)
{
	int r;

	if (is_same) {
		r = S_ISREG(st->st_mode) && st->st_nlink > 1 && p->out
			    ? pack_links_same(p, st, p->path)
			    : 0;
		/* Its inode is written: the name must be that one's too. */
		if (r <= 0)
			return r < 0 ? err_set(e, r, "out of memory") : 0;
	}
	r = write_parents(p, e);
	if (r == 0 && !is_same)
		r = pack_tell(p, below->is_there ? 'C' : 'A', e);
	return r < 0 ? r : pack_put(p, l, name, st, e);
}

static int check_name(const struct pack *p, const char *name, struct err *e)
{
	if (!p->setup->is_layer || !str_skip(name, WHITEOUT))
		return 0;
	return err_set(e, -EINVAL,
		       "'/%.200s': names that begin with '.wh.' mean removed files in a layer",
		       p->path);
}

static bool is_skipped(const struct pack *p)
{
	for (size_t i = 0; i < p->setup->skipped.n; i++)
		if (streq(p->setup->skipped.v[i], p->path))
			return true;
	return false;
}

static int visit(struct pack *p, struct pack_level *l, const char *name, struct err *e)
{
	struct pack_below below = { 0 };
	int is_same = 0, r = set_path(p, l, name, e);
	struct stat st;

	if (r < 0)
		return r;
	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "'/%.200s'", p->path);
	if (S_ISSOCK(st.st_mode) ||
	    (p->setup->kind == PACK_OVERLAY && tree_is_whiteout(st.st_mode, st.st_rdev)))
		return 0;
	if (++p->entries > PACK_ENTRIES_MAX)
		return err_set(e, -E2BIG, "the folder has more than %llu things in it",
			       (unsigned long long)PACK_ENTRIES_MAX);
	pack_beat(p);
	r = check_name(p, name, e);
	if (r == 0 && p->setup->has_base)
		r = pack_below_find(p, l, name, &below, e);
	if (r == 0 && !below.is_there && is_skipped(p))
		return 0;
	if (r == 0 && below.is_there)
		is_same = r = pack_below_same(p, l, name, &st, &below, e);
	if (r < 0)
		return r;
	r = S_ISDIR(st.st_mode) ? visit_folder(p, l, name, &st, &below, is_same, e)
				: visit_other(p, l, name, &st, &below, is_same, e);
	/* It went or changed its kind while it was looked at; a container that runs may do that. */
	return r == -ESTALE || r == -ENOENT ? 0 : r;
}

static int push_root(struct pack *p, int root, struct err *e)
{
	struct pack_level *l = &p->levels[0];
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "open the folder");
	*l = (struct pack_level){ .fd = fd,
				  .base_fd = -EBADF,
				  .listed = SIZE_MAX,
				  .st = st,
				  .names = { .a = { .budget = PACK_BUDGET } },
				  .is_written = true };
	p->n = 1;
	p->path[0] = '\0';
	/* The root of a listing has no line: any place says that there is one. */
	if (p->below.v)
		l->listed = 0;
	else if (p->base_fd >= 0)
		l->base_fd = openat(p->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->base_fd >= 0 && !p->below.v && l->base_fd < 0)
		return err_sys(e, -errno, "open the folder below");
	r = pack_names_read(fd, &l->names, e);
	return r < 0 ? r : put_whiteouts(p, l, e);
}

int pack_walk(struct pack *p, int root, struct err *e)
{
	int r = push_root(p, root, e);

	while (r == 0 && p->n > 0) {
		struct pack_level *l = &p->levels[p->n - 1];

		if (l->next == l->names.n)
			pop(p);
		else
			r = visit(p, l, l->names.v[l->next++], e);
	}
	while (p->n > 0)
		pop(p);
	return r;
}
