#include "store/snapshotter.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/rand.h"
#include "store/copy.h"
#include "sys/calls.h"

#define CHOICE_FILE "snapshotter"
#define CHOICE_MAX 64

int snapshot_make_dir(int dir, const char *name, mode_t mode)
{
	if (mkdirat(dir, name, mode) < 0 || fchmodat(dir, name, mode, 0) < 0)
		return -errno;
	return 0;
}

int snapshot_copy_owner(int dir, int64_t parent_id)
{
	char parent[48];
	struct stat st;

	snprintf(parent, sizeof(parent), "../%lld/fs", (long long)parent_id);
	if (fstatat(dir, parent, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if ((st.st_uid != geteuid() || st.st_gid != getegid()) &&
	    fchownat(dir, "fs", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return fchmodat(dir, "fs", st.st_mode & 07777, 0) < 0 ? -errno : 0;
}

static bool has_fs(int dir)
{
	return faccessat(dir, "fs", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- overlayfs ---- */

static int overlay_make(int dir, const struct snapshot_place *p)
{
	int r = snapshot_make_dir(dir, "fs", 0755);

	if (r >= 0 && p->kind == SNAPSHOT_ACTIVE)
		r = snapshot_make_dir(dir, "work", 0711);
	return r < 0 || !p->parent_id ? r : snapshot_copy_owner(dir, p->parent_id);
}

static int overlay_fill(int dir, const struct snapshot_place *p)
{
	return 0;
}

static bool overlay_is_lost(int dir, const struct snapshot_place *p)
{
	return !has_fs(dir);
}

static int overlay_mount(struct store *s, const struct snapshot_place *p, struct arena *a,
			 struct snapshot_mounts *m)
{
	if (p->kind == SNAPSHOT_VIEW && m->lowers.n == 1)
		return mount_bind(s, a, p->parent_id, false, m);
	return mount_overlay(s, p, a, m);
}

const struct snapshotter snapshotter_overlay = {
	.name = "overlayfs",
	.can_stack = true,
	.make = overlay_make,
	.fill = overlay_fill,
	.is_lost = overlay_is_lost,
	.mount = overlay_mount,
	.levels_max = LIMIT_LAYERS,
};

/* ---- native ---- */

/* A copy takes its time, so it is made at the first use and not under the write lock: `fs` is there or not yet. */
static bool is_copy(const struct snapshot_place *p)
{
	return p->parent_id && p->kind != SNAPSHOT_VIEW;
}

static int native_make(int dir, const struct snapshot_place *p)
{
	return is_copy(p) ? 0 : snapshot_make_dir(dir, "fs", 0755);
}

/* One at a time; what a killed one left is made anew. */
static int native_fill(int dir, const struct snapshot_place *p)
{
	char parent[48];
	int r;

	if (!is_copy(p) || has_fs(dir))
		return 0;
	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	if (has_fs(dir))
		return 0;
	r = dir_remove_at(dir, "part");
	snprintf(parent, sizeof(parent), "../%lld/fs", (long long)p->parent_id);
	if (r >= 0)
		r = copy_tree(dir, parent, dir, "part");
	if (r >= 0 && renameat(dir, "part", dir, "fs") < 0)
		r = -errno;
	if (r < 0)
		(void)dir_remove_at(dir, "part");
	return r;
}

static bool native_is_lost(int dir, const struct snapshot_place *p)
{
	return !is_copy(p) && !has_fs(dir);
}

static int native_mount(struct store *s, const struct snapshot_place *p, struct arena *a,
			struct snapshot_mounts *m)
{
	bool is_view = p->kind == SNAPSHOT_VIEW;

	return mount_bind(s, a, is_view ? p->parent_id : p->id, !is_view, m);
}

const struct snapshotter snapshotter_native = {
	.name = "native",
	.make = native_make,
	.fill = native_fill,
	.is_lost = native_is_lost,
	.mount = native_mount,
	.levels_max = 1,
};

/* ---- which one ---- */

static const struct {
	const char *name;
	const struct snapshotter *kind;
} kinds[] = {
	{ "overlayfs", &snapshotter_overlay }, { "overlay2", &snapshotter_overlay },
	{ "overlay", &snapshotter_overlay },   { "native", &snapshotter_native },
	{ "vfs", &snapshotter_native },
};

const struct snapshotter *snapshotter_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (streq(kinds[i].name, name))
			return kinds[i].kind;
	return NULL;
}

static int find_wanted(const char *wanted, const struct snapshotter **ret, struct err *e)
{
	*ret = snapshotter_find(wanted);
	if (*ret)
		return 0;
	return err_set(e, -EINVAL, "snapshotter '%.60s' is not known: overlayfs and native are",
		       wanted);
}

static int set_folder(int fs, int dir, const char *key, const char *name)
{
	char path[FD_PATH_MAX];
	AUTO_FD fd = dir_open_make_at(dir, name, 0700);

	if (fd < 0)
		return fd;
	/* Removed again with the folder that it is in. */
	return k_fsconfig(fs, K_FSCONFIG_STRING, key, fd_path(fd, path));
}

/* A detached overlay of three folders in `dir`. */
static int try_overlay(int dir)
{
	AUTO_FD fs = k_fsopen("overlay");
	int r = fs;

	if (r >= 0)
		r = set_folder(fs, dir, "lowerdir", "lower");
	if (r >= 0)
		r = set_folder(fs, dir, "workdir", "work");
	if (r >= 0)
		r = set_folder(fs, dir, "upperdir", "fs");
	return r < 0 ? r : k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL);
}

/* Only a clear no of the kernel is one: without privileges or on old kernels the usual kind is taken. */
static bool refuses_overlay(struct store *s)
{
	char name[32] = "probe-";
	AUTO_FD dir = -EBADF;
	int r;

	rand_hex(name + 6, 16);
	dir = dir_open_make_at(s->root_fd, name, 0700);
	r = dir < 0 ? 0 : try_overlay(dir);
	(void)dir_remove_at(s->root_fd, name);
	return r == -EINVAL || r == -ENODEV || r == -EOPNOTSUPP;
}

int snapshotter_choose(struct store *s, const char *wanted, struct err *e)
{
	const struct snapshotter *kind = &snapshotter_overlay;
	int r = wanted ? find_wanted(wanted, &kind, e) : 0;

	if (r < 0)
		return r;
	if (!wanted && refuses_overlay(s))
		kind = &snapshotter_native;
	if (kind == &snapshotter_overlay)
		return 0;
	r = file_replace_at(s->root_fd, CHOICE_FILE, kind->name, strlen(kind->name), 0600,
			    FILE_SYNC);
	return r < 0 ? err_sys(e, r, "write '%s/" CHOICE_FILE "'", s->root) : 0;
}

int snapshotter_read(struct store *s, const char *wanted, struct err *e)
{
	const struct snapshotter *kind = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = wanted ? find_wanted(wanted, &kind, e) : 0;

	if (r < 0)
		return r;
	r = file_read_at(s->root_fd, CHOICE_FILE, CHOICE_MAX, &text, &len);
	if (r < 0 && r != -ENOENT)
		return err_sys(e, r, "read '%s/" CHOICE_FILE "'", s->root);
	s->snapshotter = r < 0 ? &snapshotter_overlay : snapshotter_find(text);
	if (!s->snapshotter)
		return err_set_code(e, -EPROTONOSUPPORT, ERR_FAILED_PRECONDITION,
				    "the store '%s' was made with the snapshotter '%.60s', which "
				    "this version does not know",
				    s->root, text);
	if (kind && kind != s->snapshotter)
		return err_set_code(
			e, -EINVAL, ERR_FAILED_PRECONDITION,
			"the store '%s' was made with the snapshotter '%s', not '%s': choose another --root",
			s->root, s->snapshotter->name, kind->name);
	return 0;
}

const char *store_snapshotter(const struct store *s)
{
	return s->snapshotter->name;
}

const char *store_snapshot_type(const struct store *s)
{
	return s->snapshotter == &snapshotter_native ? "snapshots/native" : "snapshots/overlayfs";
}

bool store_snapshot_can_stack(const struct store *s)
{
	return s->snapshotter->can_stack;
}
