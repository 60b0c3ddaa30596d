/* Snapshots as read-only mounts without a place: nobody sees them, and they go with their descriptors. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "image/forms/priv.h"
#include "sys/calls.h"

#define VIEW_ATTRS (K_ATTR_RDONLY | K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC | K_ATTR_NOATIME)
/* The kernel takes values of at most 255 bytes in fsconfig. */
#define VALUE_MAX 255

/* ---- mounts ---- */

static int clone_one(const char *path, struct err *e)
{
	const struct k_mount_attr attr = { .set = VIEW_ATTRS, .clr = K_ATTR_ATIME_MASK };
	AUTO_FD fd = k_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(e, fd, "open layer '%s'", path);
	r = k_mount_setattr(fd, "", AT_EMPTY_PATH, &attr);
	return r < 0 ? err_sys(e, r, "open layer '%s'", path) : TAKE_FD(fd);
}

static int make_empty(struct err *e)
{
	AUTO_FD fs = k_fsopen("tmpfs");
	int r = fs < 0 ? fs : k_fsconfig(fs, K_FSCONFIG_STRING, "mode", "755");

	if (r >= 0)
		r = k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL);
	if (r >= 0)
		r = k_fsmount(fs, VIEW_ATTRS);
	return r < 0 ? err_sys(e, r, "make an empty folder") : r;
}

/* The folders by descriptors, so that the length of their names does not matter. */
static int open_all(const struct json_strs *folders, int *fds, size_t *n, struct err *e)
{
	for (*n = 0; *n < folders->n; ++*n) {
		fds[*n] = open(folders->v[*n], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[*n] < 0)
			return err_sys(e, -errno, "open layer '%s'", folders->v[*n]);
	}
	return 0;
}

/* Linux 6.7 takes folder by folder. -EINVAL: this one does not. */
static int add_lowers(int fs, const int *fds, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		char path[FD_PATH_MAX];

		r = k_fsconfig(fs, K_FSCONFIG_STRING, "lowerdir+", fd_path(fds[i], path));
	}
	return r;
}

static int add_lowers_at_once(int fs, const int *fds, size_t n, struct err *e)
{
	AUTO_STRBUF struct strbuf list = { 0 };
	int r;

	for (size_t i = 0; i < n; i++) {
		char path[FD_PATH_MAX];

		strbuf_addf(&list, "%s%s", i ? ":" : "", fd_path(fds[i], path));
	}
	if (strbuf_ok(&list) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (list.len > VALUE_MAX)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "%zu layers cannot be looked at together before Linux 6.7", n);
	r = k_fsconfig(fs, K_FSCONFIG_STRING, "lowerdir", list.p);
	return r < 0 ? err_sys(e, r, "overlay of %zu layers", n) : 0;
}

static int mount_overlay(const int *fds, size_t n, struct err *e)
{
	AUTO_FD fs = k_fsopen("overlay");
	int r = fs < 0 ? fs : add_lowers(fs, fds, n);

	if (r == -EINVAL) {
		fd_closep(&fs);
		fs = k_fsopen("overlay");
		r = fs < 0 ? fs : add_lowers_at_once(fs, fds, n, e);
		if (r < 0)
			return r;
	}
	if (r >= 0)
		r = k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL);
	if (r >= 0)
		r = k_fsmount(fs, VIEW_ATTRS);
	return r < 0 ? err_sys(e, r, "overlay of %zu layers", n) : r;
}

int view_open(const struct json_strs *folders, struct err *e)
{
	int fds[LIMIT_LAYERS + 1], r;
	size_t n = 0;

	if (folders->n == 0)
		return make_empty(e);
	if (folders->n == 1)
		return clone_one(folders->v[0], e);
	if (folders->n > ARRAY_LEN(fds))
		return err_set(e, -E2BIG, "more than %d layers", LIMIT_LAYERS);
	r = open_all(folders, fds, &n, e);
	if (r == 0)
		r = mount_overlay(fds, n, e);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return r;
}

/* ---- snapshots ---- */

/* A view snapshot says which folders make a committed one; it is needed for that moment only. */
int view_open_committed(struct store *s, const char *ns, const char *key, struct err *e)
{
	static const struct json_strs none = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_mounts m = { 0 };
	char name[32], hex[17];
	int r, fd;

	if (!*key)
		return view_open(&none, e);
	rand_hex(hex, 16);
	snprintf(name, sizeof(name), "view-%s", hex);
	r = store_snapshot_prepare(s, ns, name, key, SNAPSHOT_VIEW, NULL, &a, &m, e);
	if (r < 0)
		return r;
	if (streq(m.type, "bind"))
		fd = clone_one(m.source, e);
	else
		fd = view_open(&m.lowers, e);
	(void)store_snapshot_remove(s, ns, name, NULL);
	return fd;
}

static const char *option(const struct snapshot_mounts *m, const char *key)
{
	for (size_t i = 0; i < m->options.n; i++) {
		const char *value = str_skip(m->options.v[i], key);

		if (value)
			return value;
	}
	return NULL;
}

/* The upper folder stands on the lower ones as one more of them: read-only, its whiteouts count. */
static int open_whole(const struct snapshot_mounts *m, const char *upper, struct arena *a,
		      struct err *e)
{
	struct json_strs all = { arena_calloc(a, m->lowers.n + 1, sizeof(char *)), 1 };

	if (!all.v)
		return err_set(e, -ENOMEM, "out of memory");
	all.v[0] = upper;
	for (size_t i = 0; i < m->lowers.n; i++)
		all.v[all.n++] = m->lowers.v[i];
	return view_open(&all, e);
}

static int open_overlay(const struct snapshot_mounts *m, bool with_below, bool with_whole,
			struct arena *a, struct snapshot_view *v, struct err *e)
{
	const char *upper = option(m, "upperdir=");

	v->is_overlay = true;
	if (!upper)
		return err_set(e, -EINVAL, "the snapshot has no folder of its own");
	v->upper = open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->upper < 0)
		return err_sys(e, -errno, "open '%s'", upper);
	if (with_below)
		v->below = view_open(&m->lowers, e);
	if (with_below && v->below < 0)
		return v->below;
	if (with_whole)
		v->whole = open_whole(m, upper, a, e);
	return with_whole && v->whole < 0 ? v->whole : 0;
}

/* A folder that has everything. */
static int open_plain(struct store *s, const char *ns, const struct snapshot_mounts *m,
		      const struct snapshot_info *info, bool with_below, struct snapshot_view *v,
		      struct err *e)
{
	v->upper = clone_one(m->source, e);
	if (v->upper < 0)
		return v->upper;
	v->whole = fcntl(v->upper, F_DUPFD_CLOEXEC, 3);
	if (v->whole < 0)
		return err_sys(e, -errno, "open the snapshot");
	if (with_below)
		v->below = view_open_committed(s, ns, info->parent, e);
	return with_below && v->below < 0 ? v->below : 0;
}

int view_open_active(struct store *s, const char *ns, const char *key, bool with_below,
		     bool with_whole, struct snapshot_view *ret, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_mounts m = { 0 };
	struct snapshot_info info;
	AUTO_VIEW v = { .upper = -EBADF, .below = -EBADF, .whole = -EBADF };
	int r = store_snapshot_stat(s, ns, key, &a, &info, e);

	if (r == 0)
		r = store_snapshot_mounts(s, ns, key, &a, &m, e);
	if (r == 0)
		r = streq(m.type, "overlay") ? open_overlay(&m, with_below, with_whole, &a, &v, e)
					     : open_plain(s, ns, &m, &info, with_below, &v, e);
	if (r < 0)
		return r;
	*ret = v;
	v = (struct snapshot_view){ .upper = -EBADF, .below = -EBADF, .whole = -EBADF };
	return 0;
}

/* Accepts one that is zeroed: 0 is nobody's folder. */
void view_close(struct snapshot_view *v)
{
	int *const fds[] = { &v->upper, &v->below, &v->whole };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (*fds[i] > 0)
			close(*fds[i]);
		*fds[i] = -EBADF;
	}
}
