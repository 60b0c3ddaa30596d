#include "worker/extract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "worker/tarball.h"
#include "worker/tree.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
/* The kernel's own bound of a value. */
#define WRITEBACK_MIN ((int64_t)128 << 10)
#define XATTR_MAX ((size_t)64 << 10)

/* One entry on its way. */
struct item {
	struct tree *t;
	struct tarball *source;
	struct archive_entry *ae;
	const char *path, *name; /* cleaned, and its last part */
	const struct tree_level *parent;
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	struct timespec times[2];
	struct err *e;
};

static int fail(struct item *i, const char *what)
{
	return err_sys(i->e, -errno, "%s", what);
}

/* ---- attributes ---- */

static int read_attributes(struct item *i)
{
	struct archive_entry *ae = i->ae;
	int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(i->e, -ERANGE, "owner %lld:%lld is out of range", (long long)uid,
			       (long long)gid);
	i->uid = (uid_t)uid;
	i->gid = (gid_t)gid;
	i->mode = archive_entry_perm(ae) & 07777;
	i->times[1] = (struct timespec){ archive_entry_mtime(ae), archive_entry_mtime_nsec(ae) };
	i->times[0] = i->times[1];
	if (archive_entry_atime_is_set(ae))
		i->times[0] = (struct timespec){ archive_entry_atime(ae),
						 archive_entry_atime_nsec(ae) };
	return 0;
}

/* What root makes in a plain folder is root's already. */
static bool needs_chown(const struct item *i)
{
	return i->uid != 0 || i->gid != 0 || i->parent->is_sgid;
}

enum xattr_way { XATTR_DROP, XATTR_SET, XATTR_TELL };

/* Who sets an xattr: the worker may not (trusted.*), or nobody should (labels of the machine it was made on). */
static const struct {
	const char *prefix;
	enum xattr_way way;
} xattr_ways[] = {
	{ "user.overlay.", XATTR_DROP },      { "user.", XATTR_SET },
	{ "security.capability", XATTR_SET }, { "security.selinux", XATTR_DROP },
	{ "security.", XATTR_TELL },	      { "trusted.overlay.", XATTR_DROP },
	{ "trusted.", XATTR_TELL },	      { "system.posix_acl_", XATTR_SET },
};

static enum xattr_way xattr_way(const char *name)
{
	for (size_t k = 0; k < ARRAY_LEN(xattr_ways); k++)
		if (str_skip(name, xattr_ways[k].prefix))
			return xattr_ways[k].way;
	return XATTR_DROP;
}

static int tell_xattr(struct item *i, const char *name, const void *value, size_t len)
{
	struct tree_note note = { WORKER_XATTR, i->path, name, value, len, 0 };
	struct stat st;

	if (fstatat(i->parent->fd, i->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(i, "stat");
	note.ino = st.st_ino;
	return tree_note(i->t, &note, i->e);
}

/* `fd` is negative for what cannot be opened (links, devices): there user.* is not allowed anyway. */
static int set_xattrs(struct item *i, int fd)
{
	const char *name;
	const void *value;
	size_t len;
	int r = 0;

	archive_entry_xattr_reset(i->ae);
	while (r == 0 && archive_entry_xattr_next(i->ae, &name, &value, &len) == ARCHIVE_OK) {
		enum xattr_way way = name ? xattr_way(name) : XATTR_DROP;

		if (len > XATTR_MAX)
			return err_set(i->e, -E2BIG, "xattr '%.100s' has %zu bytes",
				       name ? name : "", len);
		if (way == XATTR_TELL)
			r = tell_xattr(i, name, value, len);
		else if (way == XATTR_SET && fd >= 0 && fsetxattr(fd, name, value, len, 0) < 0 &&
			 errno != ENOTSUP && errno != EPERM)
			r = err_sys(i->e, -errno, "set xattr '%.100s'", name);
	}
	return r;
}

/* Owner, xattrs, mode, time, for what stands in its folder and has no descriptor. */
static int set_attributes_at(struct item *i, bool has_mode)
{
	int at = i->parent->fd, r;

	if (needs_chown(i) && fchownat(at, i->name, i->uid, i->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(i, "set the owner");
	r = set_xattrs(i, -EBADF);
	if (r < 0)
		return r;
	if (has_mode && fchmodat(at, i->name, i->mode, 0) < 0)
		return fail(i, "set the mode");
	if (utimensat(at, i->name, i->times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(i, "set the time");
	return 0;
}

/* ---- kinds ---- */

/* Runs `make` again after what was in the way is gone. */
static int make_over(struct item *i, int (*make)(struct item *i))
{
	int r = make(i);

	if (r != -EEXIST)
		return r;
	r = tree_remove(i->t, i->parent, i->name, i->path, i->e);
	return r < 0 ? r : make(i);
}

static int open_new(struct item *i)
{
	/* With the right owner from the begin, the mode can be final too; no set-id bit meets a foreign owner. */
	mode_t mode = needs_chown(i) ? 0600 : i->mode;
	int fd = openat(i->parent->fd, i->name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd;
}

static int write_at(int fd, const char *p, size_t len, int64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

/* Holes stay holes; the last one is made by the length. */
static int write_data(struct item *i, int fd)
{
	int64_t offset, end = 0, size = archive_entry_size(i->ae);
	const void *data;
	size_t len;
	int r;

	while ((r = tarball_data(i->source, &data, &len, &offset, i->e)) > 0) {
		if (offset < 0 || offset > size || (int64_t)len > size - offset)
			return err_set(i->e, -EBADMSG, "has data behind its end");
		r = write_at(fd, data, len, offset);
		if (r < 0)
			return err_sys(i->e, r, "write");
		end = offset + (int64_t)len;
	}
	if (r == 0 && end < size && ftruncate(fd, size) < 0)
		return fail(i, "set the length");
	/* Large files go to the disk while the rest is unpacked, and not all in the syncfs at the end. */
	if (r == 0 && end >= WRITEBACK_MIN)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return r;
}

static int put_file(struct item *i)
{
	AUTO_FD fd = make_over(i, open_new);
	int r;

	if (fd < 0)
		return err_sys(i->e, fd, "create");
	r = write_data(i, fd);
	if (r < 0)
		return r;
	if (needs_chown(i) && fchown(fd, i->uid, i->gid) < 0)
		return fail(i, "set the owner");
	r = set_xattrs(i, fd);
	if (r < 0)
		return r;
	if (needs_chown(i) && fchmod(fd, i->mode) < 0)
		return fail(i, "set the mode");
	return futimens(fd, i->times) < 0 ? fail(i, "set the time") : 0;
}

static int note_opaque(struct item *i, const char *path, ino_t ino)
{
	struct tree_note note = { .kind = WORKER_OPAQUE, .path = path, .ino = ino };

	return i->t->has_lower ? tree_note(i->t, &note, i->e) : 0;
}

static int make_dir(struct item *i)
{
	return mkdirat(i->parent->fd, i->name, i->mode) < 0 ? -errno : 0;
}

/* A folder over a folder keeps what is in it; over anything else of this layer, which hid those below, it is a new one. */
static int make_or_merge_dir(struct item *i, bool *ret_is_opaque)
{
	struct stat st;

	*ret_is_opaque = false;
	if (make_dir(i) == 0)
		return 0;
	if (errno != EEXIST || fstatat(i->parent->fd, i->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(i, "make the folder");
	if (S_ISDIR(st.st_mode))
		return 0;
	*ret_is_opaque = true;
	return make_over(i, make_dir);
}

static int put_dir(struct item *i)
{
	bool is_opaque;
	AUTO_FD fd = -EBADF;
	struct stat st;
	int r = make_or_merge_dir(i, &is_opaque);

	if (r < 0)
		return err_sys(i->e, r, "make the folder");
	fd = openat(i->parent->fd, i->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(i, "open the folder");
	if ((st.st_uid != i->uid || st.st_gid != i->gid) && fchown(fd, i->uid, i->gid) < 0)
		return fail(i, "set the owner");
	r = set_xattrs(i, fd);
	if (r < 0)
		return r;
	if ((st.st_mode & 07777) != i->mode && fchmod(fd, i->mode) < 0)
		return fail(i, "set the mode");
	if (is_opaque)
		r = note_opaque(i, i->path, st.st_ino);
	return r < 0 ? r : tree_note_dir(i->t, i->path, &i->times[1], st.st_ino, i->e);
}

static int make_symlink(struct item *i)
{
	return symlinkat(archive_entry_symlink(i->ae), i->parent->fd, i->name) < 0 ? -errno : 0;
}

static int put_symlink(struct item *i)
{
	int r;

	if (!archive_entry_symlink(i->ae))
		return err_set(i->e, -EBADMSG, "link without a usable target");
	r = make_over(i, make_symlink);
	return r < 0 ? err_sys(i->e, r, "make the link") : set_attributes_at(i, false);
}

static int make_node(struct item *i)
{
	dev_t dev = makedev(archive_entry_rdevmajor(i->ae), archive_entry_rdevminor(i->ae));
	mode_t mode = archive_entry_filetype(i->ae) | (needs_chown(i) ? 0600 : i->mode);

	return mknodat(i->parent->fd, i->name, mode, S_ISFIFO(mode) ? 0 : dev) < 0 ? -errno : 0;
}

static int put_node(struct item *i)
{
	int r = make_over(i, make_node);

	return r < 0 ? err_sys(i->e, r, "make the device") : set_attributes_at(i, true);
}

/* In a copy of the layers below their files stand too; beside them only the layer's own do. One rule for both. */
static int link_own(struct item *i, int from_fd, const char *name)
{
	struct stat st;

	if (i->t->is_applied && (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
				 !applied_has(&i->t->own, st.st_ino)))
		return -ENOENT;
	return linkat(from_fd, name, i->parent->fd, i->name, 0) < 0 ? -errno : 0;
}

/*
 * The target must be of this layer. Its folder is found first, because finding the link's own folder ends
 * the use of the other: a copy of its descriptor bridges that. 1: a link to itself, which puts nothing there, and
 * does not make what is below the layer's own.
 */
static int put_hardlink(struct item *i, const char *link)
{
	char target[NAME_PATH_MAX];
	const struct tree_level *from;
	AUTO_FD from_fd = -EBADF;
	const char *name;
	size_t len;
	int r = name_clean(link, target, i->e);

	if (r < 0)
		return r;
	if (streq(target, i->path))
		return 1;
	name = name_base(target, &len);
	if (!*name)
		return err_set(i->e, -EINVAL, "hard link to the root");
	r = tree_parent(i->t, target, len, &from, i->e);
	if (r < 0)
		return r;
	from_fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
	if (from_fd < 0)
		return fail(i, "hard link");
	name_base(i->path, &len);
	r = tree_parent(i->t, i->path, len, &i->parent, i->e);
	if (r < 0)
		return r;
	r = link_own(i, from_fd, name);
	if (r == -EEXIST) {
		r = tree_remove(i->t, i->parent, i->name, i->path, i->e);
		if (r < 0)
			return r;
		r = link_own(i, from_fd, name);
	}
	if (r == -ENOENT)
		return err_set(i->e, -EBADMSG, "hard link to '%.200s', which is not in this layer",
			       target);
	return r < 0 ? err_sys(i->e, r, "hard link to '%.200s'", target) : 0;
}

/* ---- whiteouts ---- */

static int hidden_now(struct item *i, int r)
{
	return r < 0 ? err_sys(i->e, r, "remove what the layer hides") : 0;
}

/* It hides what is below; what this layer itself has under the name stays, wherever in the layer it stands. */
static int put_whiteout(struct item *i, const char *hidden)
{
	char path[NAME_PATH_MAX];
	size_t len;
	struct stat st;

	if (!*hidden || streq(hidden, ".") || streq(hidden, ".."))
		return err_set(i->e, -EINVAL, "whiteout without a name");
	if (i->t->is_applied)
		return hidden_now(i, applied_hide(&i->t->own, i->parent->fd, hidden));
	if (!i->t->has_lower)
		return 0;
	if (mknodat(i->parent->fd, hidden, S_IFCHR, 0) == 0)
		return 0;
	if (errno != EEXIST || fstatat(i->parent->fd, hidden, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(i, "make the whiteout");
	if (!S_ISDIR(st.st_mode))
		return 0;
	name_base(i->path, &len);
	memcpy(path, i->path, len);
	if (len > 0)
		path[len++] = '/';
	memcpy(path + len, hidden, strlen(hidden) + 1);
	return note_opaque(i, path, st.st_ino);
}

static int put_opaque(struct item *i)
{
	char path[NAME_PATH_MAX];
	size_t len;
	struct stat st;

	name_base(i->path, &len);
	if (len == 0)
		return err_set_code(i->e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "a layer whose root is opaque is not supported");
	if (i->t->is_applied)
		return hidden_now(i, applied_hide_all(&i->t->own, i->parent->fd));
	memcpy(path, i->path, len);
	path[len] = '\0';
	if (fstat(i->parent->fd, &st) < 0)
		return fail(i, "stat");
	return note_opaque(i, path, st.st_ino);
}

/* aufs' own files lie below names of this kind. */
static bool is_below_whiteout_meta(const char *path)
{
	for (const char *p = path; (p = strstr(p, WHITEOUT_META)); p++)
		if ((p == path || p[-1] == '/') && strchr(p, '/'))
			return true;
	return false;
}

/* ---- dispatch ---- */

static int put_thing(struct item *i)
{
	const char *link = archive_entry_hardlink(i->ae);

	if (link)
		return put_hardlink(i, link);
	switch (archive_entry_filetype(i->ae)) {
	case AE_IFREG:
		return put_file(i);
	case AE_IFDIR:
		return put_dir(i);
	case AE_IFLNK:
		return put_symlink(i);
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
		return put_node(i);
	default:
		return 0;
	}
}

static int remember(struct item *i)
{
	struct stat st;

	/* What is neither file nor folder nor known was passed over. */
	if (fstatat(i->parent->fd, i->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(i, "stat");
	if (applied_add(&i->t->own, st.st_ino) < 0)
		return err_set(i->e, -ENOMEM,
			       "the layer has too many files for the worker's memory");
	return 0;
}

static int put_item(struct item *i)
{
	const char *hidden = str_skip(i->name, WHITEOUT);
	int r;

	if (streq(i->name, WHITEOUT_OPAQUE))
		return put_opaque(i);
	if (str_skip(i->name, WHITEOUT_META))
		return 0;
	if (hidden)
		return put_whiteout(i, hidden);
	r = put_thing(i);
	return r != 0 || !i->t->is_applied ? r : remember(i);
}

int extract_entry(struct tree *t, struct tarball *source, struct archive_entry *ae, struct err *e)
{
	char path[NAME_PATH_MAX];
	struct item i = { .t = t, .source = source, .ae = ae, .path = path, .e = e };
	bool is_whiteout;
	size_t len;
	int r = name_clean(archive_entry_pathname(ae), path, e);

	/* The root's own entry says nothing: what a snapshot's root looks like is the store's business. */
	if (r < 0 || !*path || is_below_whiteout_meta(path))
		return r;
	i.name = name_base(path, &len);
	is_whiteout = str_skip(i.name, WHITEOUT) != NULL;
	r = read_attributes(&i);
	if (r < 0)
		return err_wrap(e, r, "'%.200s'", path);
	t->is_plain = is_whiteout;
	r = tree_parent(t, path, len, &i.parent, e);
	t->is_plain = false;
	/* Below a folder that this layer replaced by something else everything is hidden anyway. */
	if (r == -ENOTDIR && is_whiteout)
		return 0;
	if (r == 0)
		r = put_item(&i);
	return r < 0 ? err_wrap(e, r, "'%.200s'", path) : 0;
}
