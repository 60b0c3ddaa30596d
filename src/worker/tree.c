#include "worker/tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/root.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Paths and notes of one layer; four million entries do not fit, nor do they exist. */
#define TREE_BUDGET ((size_t)160 << 20)

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "the layer has too many folders for the worker's memory");
}

static void pop_to(struct tree *t, size_t n)
{
	while (t->n > n)
		fd_closep(&t->levels[--t->n].fd);
	t->path[t->n ? t->levels[t->n - 1].path_len : 0] = '\0';
}

static int read_level(struct tree_level *l, ino_t *ret_ino)
{
	struct stat st;

	if (fstat(l->fd, &st) < 0)
		return -errno;
	l->is_sgid = st.st_mode & S_ISGID;
	*ret_ino = st.st_ino;
	return 0;
}

void tree_init(struct tree *t, int root_fd, uint64_t flags)
{
	ino_t ino;

	*t = (struct tree){ .root = { .fd = root_fd },
			    .has_lower = flags & WORKER_HAS_LOWER,
			    .is_applied = flags & WORKER_APPLY,
			    .a = { .budget = TREE_BUDGET } };
	(void)read_level(&t->root, &ino);
}

void tree_done(struct tree *t)
{
	pop_to(t, 0);
	arena_done(&t->a);
	applied_done(&t->own);
	free(t->notes);
	free(t->dirs);
}

bool tree_is_whiteout(mode_t mode, dev_t rdev)
{
	return S_ISCHR(mode) && major(rdev) == 0 && minor(rdev) == 0;
}

/* ---- notes ---- */

int tree_note(struct tree *t, const struct tree_note *note, struct err *e)
{
	struct tree_note *n;

	if (mem_grow(&t->notes, &t->notes_cap, t->notes_n + 1, sizeof(*t->notes)) < 0)
		return out_of_memory(e);
	n = &t->notes[t->notes_n];
	*n = *note;
	n->path = arena_strdup(&t->a, note->path);
	if (note->name) {
		n->name = arena_strdup(&t->a, note->name);
		n->value = arena_strndup(&t->a, note->value, note->value_len);
	}
	if (!n->path || (note->name && (!n->name || !n->value)))
		return out_of_memory(e);
	t->notes_n++;
	return 0;
}

int tree_note_dir(struct tree *t, const char *path, const struct timespec *mtime, ino_t ino,
		  struct err *e)
{
	struct tree_dir d = { arena_strdup(&t->a, path), *mtime, ino };

	if (!d.path || mem_grow(&t->dirs, &t->dirs_cap, t->dirs_n + 1, sizeof(*t->dirs)) < 0)
		return out_of_memory(e);
	t->dirs[t->dirs_n++] = d;
	return 0;
}

/* ---- parents ---- */

/* A folder no entry described so far. */
static int make_implied(struct tree *t, const struct tree_level *at, const char *name,
			const char *path, bool is_opaque, struct tree_level *ret, struct err *e)
{
	struct tree_note note = { .kind = is_opaque ? WORKER_OPAQUE : WORKER_IMPLIED,
				  .path = path };
	int r;

	if (mkdirat(at->fd, name, 0755) < 0)
		return err_sys(e, -errno, "make folder '%.200s'", path);
	ret->fd = openat(at->fd, name, DIR_FLAGS);
	if (ret->fd < 0)
		return err_sys(e, -errno, "open folder '%.200s'", path);
	r = read_level(ret, &note.ino);
	if (r < 0)
		return err_sys(e, r, "open folder '%.200s'", path);
	return t->has_lower ? tree_note(t, &note, e) : 0;
}

/* Through a link: resolved as if the layer were the root; what it points to is made when missing. */
static int follow_link(struct tree *t, const char *path, struct tree_level *ret, struct err *e)
{
	ino_t ino;
	int r = root_open(t->root.fd, path, O_RDONLY | O_DIRECTORY);

	if (r == -ENOENT && !t->is_ended) {
		r = root_make(t->root.fd, path, true);
		if (r >= 0) {
			close(r);
			r = root_open(t->root.fd, path, O_RDONLY | O_DIRECTORY);
		}
	}
	if (r < 0)
		return err_sys(e, r, "folder '%.200s', a link", path);
	ret->fd = r;
	t->is_linked = true;
	r = read_level(ret, &ino);
	return r < 0 ? err_sys(e, r, "folder '%.200s'", path) : 0;
}

static int open_odd(struct tree *t, const struct tree_level *at, const char *name, const char *path,
		    struct tree_level *ret, struct err *e)
{
	struct stat st;

	if (fstatat(at->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, -errno, "folder '%.200s'", path);
	if (S_ISLNK(st.st_mode) && !t->is_plain)
		return follow_link(t, path, ret, e);
	if (t->is_ended || !tree_is_whiteout(st.st_mode, st.st_rdev))
		return err_set(e, -ENOTDIR, "'%.200s' is no folder", path);
	/* Removed and made anew in one layer: nothing of the old one shows. */
	if (unlinkat(at->fd, name, 0) < 0)
		return err_sys(e, -errno, "remove '%.200s'", path);
	return make_implied(t, at, name, path, true, ret, e);
}

static int open_level(struct tree *t, const struct tree_level *at, const char *name,
		      const char *path, struct tree_level *ret, struct err *e)
{
	ino_t ino;
	int r;

	ret->fd = openat(at->fd, name, DIR_FLAGS);
	if (ret->fd < 0)
		r = -errno;
	else
		r = read_level(ret, &ino);
	if (r == -ENOENT && !t->is_ended)
		return make_implied(t, at, name, path, false, ret, e);
	if (r == -ENOTDIR || r == -ELOOP)
		return open_odd(t, at, name, path, ret, e);
	return r < 0 ? err_sys(e, r, "folder '%.200s'", path) : 0;
}

/* How many of the open levels lead to the first `len` bytes of `path`. */
static size_t common_levels(const struct tree *t, const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		size_t n = t->levels[i].path_len;

		if (n > len || memcmp(path, t->path, n) != 0 || (n < len && path[n] != '/'))
			break;
	}
	return i;
}

static void push(struct tree *t, const struct tree_level *l, const char *path)
{
	if (t->n == TREE_LEVELS)
		fd_closep(&t->levels[--t->n].fd);
	t->levels[t->n++] = *l;
	memcpy(t->path, path, l->path_len);
	t->path[l->path_len] = '\0';
}

int tree_parent(struct tree *t, const char *path, size_t len, const struct tree_level **ret,
		struct err *e)
{
	char part[NAME_PATH_MAX];
	size_t done;

	if (t->is_linked)
		pop_to(t, 0);
	t->is_linked = false;
	pop_to(t, common_levels(t, path, len));
	done = t->n ? t->levels[t->n - 1].path_len : 0;
	while (done < len) {
		size_t begin = done ? done + 1 : 0, n = strcspn(path + begin, "/");
		struct tree_level l = { .fd = -EBADF, .path_len = begin + n };
		int r;

		memcpy(part, path, begin + n);
		part[begin + n] = '\0';
		r = open_level(t, t->n ? &t->levels[t->n - 1] : &t->root, part + begin, part, &l,
			       e);
		if (r < 0) {
			fd_closep(&l.fd);
			return r;
		}
		push(t, &l, part);
		done = begin + n;
	}
	*ret = t->n ? &t->levels[t->n - 1] : &t->root;
	return 0;
}

int tree_remove(struct tree *t, const struct tree_level *parent, const char *name, const char *path,
		struct err *e)
{
	int r = unlinkat(parent->fd, name, 0) < 0 ? -errno : 0;

	/* Open levels are at most the parent: nothing below `path` is kept. */
	if (r == -EISDIR)
		r = dir_remove_at(parent->fd, name);
	return r < 0 ? err_sys(e, r, "replace '%.200s'", path) : 0;
}

/* ---- the end ---- */

/* Whether the thing at `path` is still the one that was noted. */
static int is_same(struct tree *t, const char *path, ino_t ino,
		   const struct tree_level **ret_parent, const char **ret_name, struct stat *st,
		   struct err *e)
{
	size_t len;
	int r;

	*ret_name = name_base(path, &len);
	r = tree_parent(t, path, len, ret_parent, e);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return r;
	if (fstatat((*ret_parent)->fd, *ret_name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st->st_ino == ino;
}

static int set_times(struct tree *t, const struct tree_dir *d, struct err *e)
{
	const struct timespec times[2] = { d->mtime, d->mtime };
	const struct tree_level *parent;
	const char *name;
	struct stat st;
	int r = is_same(t, d->path, d->ino, &parent, &name, &st, e);

	if (r <= 0)
		return r;
	if (S_ISDIR(st.st_mode) && utimensat(parent->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, -errno, "set the time of '%.200s'", d->path);
	return 0;
}

static int compare_inos(const void *a, const void *b)
{
	const struct tree_dir *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int send_note(int control, const struct tree_note *n)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	strbuf_adds(&out, n->path);
	if (n->name) {
		strbuf_addc(&out, '\0');
		strbuf_adds(&out, n->name);
		strbuf_addc(&out, '\0');
		strbuf_add(&out, n->value, n->value_len);
	}
	if (strbuf_ok(&out) < 0)
		return -ENOMEM;
	return worker_msg_send(control, n->kind, 0, 0, out.p, out.len, -EBADF);
}

static int tell(struct tree *t, int control, const struct tree_note *n, struct err *e)
{
	const struct tree_level *parent;
	const char *name;
	struct stat st;
	int r = is_same(t, n->path, n->ino, &parent, &name, &st, e);

	if (r <= 0)
		return r;
	/* An entry that came later described it after all. */
	if (n->kind == WORKER_IMPLIED && t->dirs_n > 0 &&
	    bsearch(&(struct tree_dir){ .ino = n->ino }, t->dirs, t->dirs_n, sizeof(*t->dirs),
		    compare_inos))
		return 0;
	r = send_note(control, n);
	return r < 0 ? err_sys(e, r, "report '%.200s'", n->path) : 0;
}

int tree_finish(struct tree *t, int control, struct err *e)
{
	int r = 0;

	/* Nothing new may appear now: what stood in folders that were replaced has nothing to set either. */
	t->is_ended = true;
	for (size_t i = 0; i < t->dirs_n && r >= 0; i++)
		r = set_times(t, &t->dirs[i], e);
	if (t->dirs_n > 0)
		qsort(t->dirs, t->dirs_n, sizeof(*t->dirs), compare_inos);
	for (size_t i = 0; i < t->notes_n && r >= 0; i++)
		r = tell(t, control, &t->notes[i], e);
	return MIN(r, 0);
}
