#include "shim/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "shim/client.h"
#include "sys/calls.h"
#include "sys/ns.h"

/* The kernel takes values of at most 255 bytes in fsconfig. */
#define VALUE_MAX 255

struct root {
	int fs;			  /* of fsopen */
	int lowers[LIMIT_LAYERS]; /* folders that the kernel gets by descriptor */
	size_t lowers_len;
	int userns; /* owners on disk are its inside, owners in the root its outside; or -EBADF */
	int upper;  /* the snapshot's folder, id-mapped: upper and work must be of one mount */
	struct ns_id_map uid, gid;
	const char *upper_folder;
	size_t upper_folder_len;
	uint64_t attr_set;
	bool is_readonly, is_recursive, has_no_lower_plus;
};

struct attr_row {
	const char *name;
	uint64_t attr;
};

static const struct attr_row attr_rows[] = {
	{ "ro", K_ATTR_RDONLY },
	{ "rw", 0 },
	{ "nosuid", K_ATTR_NOSUID },
	{ "suid", 0 },
	{ "nodev", K_ATTR_NODEV },
	{ "dev", 0 },
	{ "noexec", K_ATTR_NOEXEC },
	{ "exec", 0 },
	{ "noatime", K_ATTR_NOATIME },
	{ "relatime", 0 },
	{ "bind", 0 },
	{ "rbind", 0 },
	{ "nodiratime", K_ATTR_NODIRATIME },
};

/* Whether the word is an attribute of the mount and not of the filesystem. */
static bool take_attr(struct root *root, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(attr_rows); i++) {
		if (!streq(word, attr_rows[i].name))
			continue;
		root->attr_set |= attr_rows[i].attr;
		root->is_recursive |= streq(word, "rbind");
		return true;
	}
	return false;
}

static int set_string(struct root *root, const char *key, const char *value, struct err *e)
{
	int r = k_fsconfig(root->fs, K_FSCONFIG_STRING, key, value);

	return r < 0 ? err_sys(e, r, "option '%s=%s'", key, value) : 0;
}

/* ---- id maps ---- */

/* "CONTAINER:HOST:COUNT", containerd's form. */
static int parse_map(const char *text, struct ns_id_map *ret, struct err *e)
{
	uint32_t *const fields[] = { &ret->inside, &ret->outside, &ret->count };
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *part = strsep(&rest, ":");
		int64_t n;

		if (!part || str_to_i64(part, 0, UINT32_MAX - 1, &n) < 0)
			return err_set(e, -EINVAL, "id map '%.60s' is not CONTAINER:HOST:COUNT",
				       text);
		*fields[i] = (uint32_t)n;
	}
	if (rest || !ret->count || ret->outside > UINT32_MAX - ret->count)
		return err_set(e, -EINVAL, "id map '%.60s' is not CONTAINER:HOST:COUNT", text);
	return 0;
}

/* Both maps or none. */
static int find_maps(struct root *root, char *const *options, struct err *e)
{
	int r = 0;

	for (size_t i = 0; options && options[i] && r == 0; i++) {
		const char *u = str_skip(options[i], "uidmap="),
			   *g = str_skip(options[i], "gidmap=");

		if (u)
			r = parse_map(u, &root->uid, e);
		else if (g)
			r = parse_map(g, &root->gid, e);
	}
	if (r < 0 || (!root->uid.count && !root->gid.count))
		return r;
	if (!root->uid.count || !root->gid.count)
		return err_set(e, -EINVAL, "id maps need uidmap= and gidmap=");
	root->userns = ns_make_user(&root->uid, 1, &root->gid, 1, e);
	return MIN(root->userns, 0);
}

static bool is_map(const char *option)
{
	return str_skip(option, "uidmap=") || str_skip(option, "gidmap=");
}

static int map_tree(const struct root *root, int tree, const char *what, struct err *e)
{
	struct k_mount_attr attr = { .set = K_ATTR_IDMAP, .userns_fd = (uint64_t)root->userns };
	int r = root->userns < 0 ? 0 : k_mount_setattr(tree, "", AT_EMPTY_PATH, &attr);

	if (r == -EINVAL)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "the filesystem of '%s' takes no id maps", what);
	return r < 0 ? err_sys(e, r, "id map '%s'", what) : 0;
}

/* A detached, id-mapped clone of a folder. */
static int clone_mapped(const struct root *root, const char *folder, struct err *e)
{
	AUTO_FD tree = k_open_tree(AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = tree < 0 ? err_sys(e, tree, "open layer '%s'", folder)
			 : map_tree(root, tree, folder, e);

	return r < 0 ? r : TAKE_FD(tree);
}

/* upperdir and workdir: by the folder that holds both. */
static int set_mapped_upper(struct root *root, const char *key, const char *folder, struct err *e)
{
	const char *slash = strrchr(folder, '/');
	size_t len = slash ? (size_t)(slash - folder) : 0;
	AUTO_FREE char *parent = strndup(folder, len), *path = NULL;
	char buf[FD_PATH_MAX];

	if (!parent)
		return err_set(e, -ENOMEM, "out of memory");
	if (!len || (root->upper >= 0 && (len != root->upper_folder_len ||
					  strncmp(folder, root->upper_folder, len) != 0)))
		return err_set(e, -EINVAL, "id maps need upperdir and workdir in one folder");
	if (root->upper < 0) {
		root->upper = clone_mapped(root, parent, e);
		if (root->upper < 0)
			return root->upper;
		root->upper_folder = folder;
		root->upper_folder_len = len;
	}
	path = str_printf("%s%s", fd_path(root->upper, buf), slash);
	return path ? set_string(root, key, path, e) : err_set(e, -ENOMEM, "out of memory");
}

/* A name that fits: the folder's own, or one through a descriptor that stays open until the mount is made. */
static int set_folder(struct root *root, const char *key, const char *folder, struct err *e)
{
	char path[FD_PATH_MAX];
	int fd;

	if (root->userns < 0 && strlen(folder) <= VALUE_MAX)
		return set_string(root, key, folder, e);
	if (root->userns >= 0 && !streq(key, "lowerdir+"))
		return set_mapped_upper(root, key, folder, e);
	if (root->lowers_len == ARRAY_LEN(root->lowers))
		return err_set(e, -E2BIG, "more than %d layers", LIMIT_LAYERS);
	if (root->userns >= 0)
		fd = clone_mapped(root, folder, e);
	else
		fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return root->userns >= 0 ? fd : err_sys(e, -errno, "open layer '%s'", folder);
	root->lowers[root->lowers_len++] = fd;
	return set_string(root, key, fd_path(fd, path), e);
}

/* Whether this kernel takes "lowerdir+" (6.7); asked once with a folder that is there. */
static int set_lowers(struct root *root, const char *list, struct err *e)
{
	AUTO_FREE char *copy = strdup(list);
	char *save = NULL;
	size_t n = 0;
	int r = 0;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	for (char *p = strtok_r(copy, ":", &save); p && r == 0; p = strtok_r(NULL, ":", &save)) {
		r = n++ < LIMIT_LAYERS ? set_folder(root, "lowerdir+", p, e)
				       : err_set(e, -E2BIG, "more than %d layers", LIMIT_LAYERS);
		if (r == -EINVAL && n == 1) {
			root->has_no_lower_plus = true;
			return r;
		}
	}
	return r;
}

static int set_option(struct root *root, const char *option, struct err *e)
{
	const char *equals = strchr(option, '=');
	const char *lowers = str_skip(option, "lowerdir=");
	AUTO_FREE char *key = NULL;
	int r;

	if (take_attr(root, option) || is_map(option))
		return 0;
	if (lowers)
		return set_lowers(root, lowers, e);
	if (!equals) {
		r = k_fsconfig(root->fs, K_FSCONFIG_FLAG, option, NULL);
		return r < 0 ? err_sys(e, r, "option '%s'", option) : 0;
	}
	key = strndup(option, (size_t)(equals - option));
	if (!key)
		return err_set(e, -ENOMEM, "out of memory");
	if (streq(key, "upperdir") || streq(key, "workdir"))
		return set_folder(root, key, equals + 1, e);
	return set_string(root, key, equals + 1, e);
}

/*
 * An overlay copies up and makes its own folders as whoever mounted it, and host root has no id below the map: so it is
 * mounted as the first id of the map, with the capabilities kept.
 */
static int create(struct root *root)
{
	int bits, r;

	if (root->userns < 0)
		return k_fsconfig(root->fs, K_FSCONFIG_CREATE, NULL, NULL);
	bits = prctl(PR_GET_SECUREBITS);
	if (bits < 0 || prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return -errno;
	setfsgid(root->gid.outside);
	setfsuid(root->uid.outside);
	r = k_fsconfig(root->fs, K_FSCONFIG_CREATE, NULL, NULL);
	setfsuid(geteuid());
	setfsgid(getegid());
	return prctl(PR_SET_SECUREBITS, bits) < 0 ? -errno : r;
}

static int make_fs(struct root *root, const struct shim_mount *m, struct err *e)
{
	AUTO_FD mount = -EBADF;
	int r = 0;

	root->fs = k_fsopen(m->type);
	if (root->fs < 0)
		return err_sys(e, root->fs, "filesystem '%s'", m->type);
	if (m->source && m->source[0])
		r = set_string(root, "source", m->source, e);
	for (size_t i = 0; r == 0 && m->options && m->options[i]; i++)
		r = set_option(root, m->options[i], e);
	if (r == -EINVAL && streq(m->type, "overlay"))
		return err_wrap(
			e, r,
			"mount the root: the filesystem of the store cannot hold overlay folders "
			"(an overlay itself?); choose another with --root");
	if (r < 0)
		return err_wrap(e, r, "mount the root");
	r = create(root);
	if (r < 0)
		return err_sys(e, r, "mount %s", m->type);
	mount = k_fsmount(root->fs, root->attr_set);
	if (mount < 0)
		return err_sys(e, mount, "mount %s", m->type);
	return TAKE_FD(mount);
}

static int clone_tree(struct root *root, const char *path, struct err *e)
{
	AUTO_FD tree = -EBADF;
	struct k_mount_attr attr = { .set = root->attr_set };
	unsigned int recursive = root->is_recursive ? AT_RECURSIVE : 0;
	int r;

	tree = k_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	if (tree < 0)
		return err_sys(e, tree, "bind '%s'", path);
	r = map_tree(root, tree, path, e);
	if (r < 0)
		return r;
	if (attr.set) {
		r = k_mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr);
		if (r < 0)
			return err_sys(e, r, "bind '%s'", path);
	}
	return TAKE_FD(tree);
}

/* mount(2) with one page of options, for kernels without "lowerdir+": mounted, cloned, unmounted. */
static int make_old(const struct shim_mount *m, struct err *e)
{
	AUTO_STRBUF struct strbuf data = { 0 };
	struct root root = { .fs = -EBADF, .userns = -EBADF, .upper = -EBADF };
	int fd;

	for (size_t i = 0; m->options && m->options[i]; i++)
		if (!take_attr(&root, m->options[i]))
			strbuf_addf(&data, "%s%s", data.len ? "," : "", m->options[i]);
	if (strbuf_ok(&data) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (mount(m->source, "rootfs", m->type, 0, data.p) < 0)
		return err_sys(e, -errno, "mount %s", m->type);
	fd = clone_tree(&root, "rootfs", e);
	umount2("rootfs", MNT_DETACH);
	return fd;
}

static int open_bind(struct root *root, const struct shim_mount *m, struct err *e)
{
	root->is_recursive = streq(m->type, "rbind");
	for (size_t i = 0; m->options && m->options[i]; i++)
		if (!take_attr(root, m->options[i]) && !is_map(m->options[i]))
			return err_set(e, -EINVAL, "bind '%s': unknown option '%s'", m->source,
				       m->options[i]);
	return clone_tree(root, m->source, e);
}

static int open_fs(struct root *root, const struct shim_mount *m, struct err *e)
{
	int fd = make_fs(root, m, e);

	if (fd >= 0 || (!root->has_no_lower_plus && fd != -ENOSYS))
		return fd;
	if (root->userns >= 0)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "id-mapped layers need Linux 6.15 or newer");
	return make_old(m, e);
}

int shim_root_open(const struct shim_mount *mounts, size_t n, struct err *e)
{
	struct root root = { .fs = -EBADF, .userns = -EBADF, .upper = -EBADF };
	const struct shim_mount *m = mounts;
	int fd;

	if (n != 1 || (m->target && m->target[0]))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "a root made of %zu mounts is not supported, only of one", n);
	fd = find_maps(&root, m->options, e);
	if (fd >= 0)
		fd = streq(m->type, "bind") || streq(m->type, "rbind") ? open_bind(&root, m, e)
								       : open_fs(&root, m, e);
	fd_closep(&root.fs);
	fd_closep(&root.userns);
	fd_closep(&root.upper);
	for (size_t i = 0; i < root.lowers_len; i++)
		close(root.lowers[i]);
	return fd;
}

int shim_root_attach(int mount, int task_fd, struct err *e)
{
	int r = mkdirat(task_fd, "rootfs", 0755);

	r = k_move_mount(mount, "", task_fd, "rootfs", K_MOVE_F_EMPTY);
	return r < 0 ? err_sys(e, r, "mount the root on rootfs/") : 0;
}

int shim_root_detach(int task_fd)
{
	char path[FD_PATH_MAX + 16];
	AUTO_FD fd = openat(task_fd, "rootfs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/rootfs", task_fd);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}
