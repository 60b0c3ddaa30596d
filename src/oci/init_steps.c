#include "oci/init.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "oci/copyup.h"
#include "oci/sync.h"
#include "sys/calls.h"
#include "sys/privproc.h"
#include "sys/root.h"

/*
 * One close_range ends all of this process's descriptors before the container counts as created, so that
 * low ones are left to it: it halves the calls of a start. High ones are closed, for configs with many mounts.
 */
#define LEAVE_BELOW 200

static void leave_fd(int *fd)
{
	if (*fd >= LEAVE_BELOW)
		close(*fd);
}
#define STEP_FD CLEANUP(leave_fd) int

int init_put(int root, const struct mnt *m, int target, const char *path, struct err *e)
{
	int fd = mnt_put(m, target, e), r;

	if (fd != -ENOLINK)
		return fd;
	/* The old kernel's way: the target's descriptor is below the mount now. */
	fd = root_open(root, path, O_PATH);
	if (fd < 0)
		return err_sys(e, fd, "open '%s' in the container", path);
	r = mnt_finish(m, fd, e);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* A bind's target is what its source is: a folder, or a file. */
static int is_source_dir(const struct mnt *m)
{
	int fd = m->made_fd > 0 ? m->made_fd : m->source_fd;
	struct stat st;

	if (m->kind != MNT_BIND)
		return 1;
	if (fd > 0 ? fstat(fd, &st) < 0 : stat(m->source, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode);
}

/* A new folder in our own /dev, or one that is there; anything else takes the long way. */
static int open_in_dev(struct init_fs *fs, const char *path)
{
	const char *name = str_skip(path, "/dev/");

	if (!name || !*name || strchr(name, '/') || fs->dev < 0)
		return -ENOENT;
	if (mkdirat(fs->dev, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return openat(fs->dev, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
}

static int open_target(struct init_fs *fs, const char *path, bool is_dir, struct err *e)
{
	int fd = is_dir ? open_in_dev(fs, path) : -ENOENT;

	if (fd >= 0)
		return fd;
	fd = root_make(fs->root, path, is_dir);

	return fd < 0 ? err_sys(e, fd, "make mountpoint '%s'", path) : fd;
}

/* Nothing may cover procfs but procfs itself and known files below: masks would be void. */
static int check_proc_target(const struct step *s, struct err *e)
{
	static const char *const fine[] = { "/proc/cpuinfo",
					    "/proc/diskstats",
					    "/proc/meminfo",
					    "/proc/stat",
					    "/proc/swaps",
					    "/proc/uptime",
					    "/proc/loadavg",
					    "/proc/slabinfo",
					    "/proc/net/dev",
					    "/proc/sys/kernel/ns_last_pid",
					    "/proc/sys/crypto/fips_enabled" };
	const char *rest = str_skip(s->path, "/proc");

	if (!rest || (*rest && *rest != '/'))
		return 0;
	if (!*rest && (s->mount.kind == MNT_BIND || streq_null(s->mount.type, "proc")))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		if (streq(fine[i], s->path))
			return 0;
	if (s->mount.kind == MNT_FS && s->mount.type && streq(s->mount.type, "proc"))
		return 0;
	if (str_skip(s->path, "/proc/sys/fs/binfmt_misc"))
		return 0;
	return err_set(e, -EINVAL, "\"%s\" cannot be mounted because it is inside /proc", s->path);
}

/* procfs and sysfs are only put on real folders: through a link they could land anywhere in the image. */
static int open_strict(struct init_fs *fs, const char *path, struct err *e)
{
	char name[256];
	STEP_FD dir = -EBADF;
	int fd = -ENOENT;

	/* Right below the root the root's own descriptor is the parent. */
	if (path[0] == '/' && path[1] && !strchr(path + 1, '/'))
		fd = openat(fs->root, path + 1, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	dir = root_open_parent(fs->root, path, name);
	if (dir < 0)
		return err_sys(e, dir, "open folder of '%s'", path);
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "make mountpoint '%s'", path);
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -ENOTDIR,
			       "filesystem \"%s\" must be mounted on ordinary directory", path);
	return fd;
}

/* What takes no context as a whole takes a label on its root. */
static int label_root(int mounted, const char *label, const char *path, struct err *e)
{
	STEP_FD fd = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return err_sys(e, -errno, "set mountLabel '%s' on '%s'", label, path);
	return 0;
}

#define TMPFS_DATA_MAX 4096

/* A tmpfs without a mode has that of the folder that it covers, if it is the image's: runc. */
static bool takes_mode(const struct init_fs *fs, const struct step *s)
{
	const struct mnt *m = &s->mount;
	int fd;

	if (m->kind != MNT_FS || !streq(m->type, "tmpfs") || (m->data && strstr(m->data, "mode=")))
		return false;
	fd = root_open(fs->root, s->path, O_PATH);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int take_mode(struct mnt *m, int target, char data[TMPFS_DATA_MAX], struct err *e)
{
	struct stat st;

	if (fstat(target, &st) < 0)
		return err_sys(e, -errno, "stat mount point");
	if (snprintf(data, TMPFS_DATA_MAX, "mode=%04o%s%s", st.st_mode & 07777, m->data ? "," : "",
		     m->data ? m->data : "") >= TMPFS_DATA_MAX)
		return err_set(e, -E2BIG, "options of a tmpfs are above %d bytes", TMPFS_DATA_MAX);
	m->data = data;
	return 0;
}

static int do_mount(struct init_fs *fs, const struct step *s, struct err *e)
{
	struct mnt m = s->mount;
	STEP_FD target = -EBADF;
	STEP_FD mounted = -EBADF;
	STEP_FD below = -EBADF;
	char data[TMPFS_DATA_MAX];
	bool has_mode = takes_mode(fs, s);
	bool is_strict = m.kind == MNT_FS && (streq(m.type, "proc") || streq(m.type, "sysfs"));
	int r = check_proc_target(s, e), is_dir;

	if (r < 0)
		return r;
	is_dir = is_source_dir(&m);
	if (is_dir < 0)
		return err_sys(e, is_dir, "failed to fulfil mount request: open %s", m.source);
	target = is_strict ? open_strict(fs, s->path, e) : open_target(fs, s->path, is_dir, e);
	if (target < 0)
		return target;
	r = has_mode ? take_mode(&m, target, data, e) : 0;
	if (r < 0)
		return r;
	/* Its nodes and mount points are still to come: init_fs_finish makes it so. */
	if (m.kind == MNT_FS && streq(s->path, "/dev") && m.attr.set & K_ATTR_RDONLY) {
		m.attr.set &= ~K_ATTR_RDONLY;
		fs->dev_attr = &s->mount.attr;
	}
	if (m.has_tmpcopyup) {
		below = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* The copy needs a writable tmpfs; it is made read-only behind it. */
		m.attr.set &= ~K_ATTR_RDONLY;
	}
	mounted = init_put(fs->root, &m, target, s->path, e);
	if (m.idmap_userns > 0)
		close(m.idmap_userns);
	if (m.made_fd > 0)
		leave_fd(&m.made_fd);
	if (mounted < 0)
		return err_wrap(e, mounted, "error mounting \"%s\" to rootfs at \"%s\"",
				m.source ? m.source
				: m.type ? m.type
					 : "",
				s->path);
	r = s->text ? label_root(mounted, s->text, s->path, e) : 0;
	if (r < 0)
		return r;
	/* What was opened below may be covered now; a fresh /dev is where the nodes go. */
	if (fs->dev >= 0 && !str_skip(s->path, "/dev/"))
		fs->dev = -EBADF;
	if (m.kind == MNT_FS && streq(s->path, "/dev"))
		fs->dev = fcntl(mounted, F_DUPFD_CLOEXEC, 3);
	if (below >= 0) {
		r = copyup(below, mounted, e);
		if (r == 0 && s->mount.attr.set & K_ATTR_RDONLY)
			r = mnt_set_attr(mounted, &s->mount.attr, false, e);
		return r < 0 ? err_wrap(e, r, "copy up '%s'", s->path) : 0;
	}
	return 0;
}

static int put_cgroup_row(struct init_fs *fs, int top, const struct cg_mount *c,
			  const struct step *s, struct err *e)
{
	struct mnt m = { .kind = c->kind == CG_MOUNT_BIND ? MNT_BIND : MNT_FS,
			 .type = c->fstype,
			 .source = c->source ? c->source : c->fstype,
			 .data = c->data,
			 .attr = s->mount.attr };
	char path[PATH_MAX];
	STEP_FD fd = -EBADF;

	if (c->kind == CG_MOUNT_LINK)
		return symlinkat(c->data, top, c->name) < 0
			       ? err_sys(e, -errno, "link '%s'", c->name)
			       : 0;
	if (mkdirat(top, c->name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "make '%s'", c->name);
	fd = mnt_make(&m, e);
	if (fd == -ENOSYS) {
		STEP_FD target = openat(top, c->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", s->path, c->name) >= sizeof(path))
			return err_set(e, -ENAMETOOLONG, "mount '%s'", s->path);
		fd = init_put(fs->root, &m, target, path, e);
		return fd < 0 ? fd : 0;
	}
	return fd < 0 ? fd : mnt_attach_at(fd, top, c->name, e);
}

/* The first row is the destination itself: one cgroup2 mount, or a tmpfs that holds the rest. */
static int do_cgroup_mount(struct init_fs *fs, const struct step *s, struct err *e)
{
	const struct cg_mounts *all = s->is_systemd_v1 ? &cg_mounts_systemd_v1 : fs->in->cgroups;
	STEP_FD target = -EBADF;
	STEP_FD top = -EBADF;
	struct step head = *s;
	int r = 0;

	if (!all || !all->n)
		return err_set(e, -ENODEV, "mount '%s': the host has no cgroups", s->path);
	target = open_target(fs, s->path, true, e);
	if (target < 0)
		return target;
	head.mount = (struct mnt){ .kind = all->v[0].kind == CG_MOUNT_BIND ? MNT_BIND : MNT_FS,
				   .type = all->v[0].fstype,
				   .source = all->v[0].source ? all->v[0].source : all->v[0].fstype,
				   .data = all->v[0].data,
				   .attr = s->mount.attr,
				   .propagation = s->mount.propagation,
				   .is_propagation_rec = s->mount.is_propagation_rec };
	if (all->v[0].kind == CG_MOUNT_TMPFS) {
		head.mount.context = s->mount.context;
		head.mount.context_type = s->mount.context_type;
	}
	if (all->n > 1)
		head.mount.attr.set &= ~K_ATTR_RDONLY;
	top = init_put(fs->root, &head.mount, target, s->path, e);
	if (top < 0)
		return err_wrap(e, top, "mount control groups at '%s'", s->path);
	for (size_t i = 1; i < all->n; i++) {
		r = put_cgroup_row(fs, top, &all->v[i], s, e);
		if (r < 0)
			return err_wrap(e, r, "mount control groups at '%s'", s->path);
	}
	if (all->n > 1 && s->mount.attr.set & K_ATTR_RDONLY)
		r = mnt_set_attr(top, &s->mount.attr, false, e);
	return r;
}

/* The folder that holds `path`, and the last name; /dev itself is opened once. */
static int device_parent(struct init_fs *fs, const char *path, char name[256], struct err *e)
{
	const char *rest = str_skip(path, "/dev/");
	int fd;

	if (!rest || strchr(rest, '/')) {
		fd = root_open_parent(fs->root, path, name);
		return fd < 0 ? err_sys(e, fd, "open folder of '%s'", path) : fd;
	}
	if (fs->dev < 0) {
		fs->dev = root_make(fs->root, "/dev", true);
		if (fs->dev < 0)
			return err_sys(e, fs->dev, "open '/dev' in the container");
	}
	if (strlen(rest) > 255)
		return err_set(e, -ENAMETOOLONG, "device '%s'", path);
	memcpy(name, rest, strlen(rest) + 1);
	return fs->dev;
}

/* Where nodes cannot be made (user namespaces), the host's node is bound, if it is that very device. */
static int bind_device(struct init_fs *fs, int dir, const char *name, const struct step *s,
		       struct err *e)
{
	struct mnt m = { .kind = MNT_BIND, .source = s->path };
	STEP_FD file = -EBADF;
	STEP_FD mounted = -EBADF;
	struct stat st;

	if (stat(s->path, &st) < 0)
		return err_sys(e, -errno, "device '%s' of the host", s->path);
	if ((st.st_mode & S_IFMT) != (s->device.mode & S_IFMT) ||
	    st.st_rdev != makedev(s->device.major, s->device.minor))
		return err_set(e, -ENODEV, "device '%s' of the host has another number", s->path);
	file = openat(dir, name, O_CREAT | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0666);
	if (file < 0)
		return err_sys(e, -errno, "make '%s'", s->path);
	mounted = init_put(fs->root, &m, file, s->path, e);
	return mounted < 0 ? err_wrap(e, mounted, "bind device '%s'", s->path) : 0;
}

static int own_device(int dir, const char *name, const struct plan_device *d)
{
	/* The umask is 0 here, so the mode is what was asked for. */
	if (!d->uid && !d->gid)
		return 0;
	return fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int do_device(struct init_fs *fs, const struct step *s, struct err *e)
{
	const struct plan_device *d = &s->device;
	char name[256];
	int dir = device_parent(fs, s->path, name, e);
	struct stat st;
	int r;

	if (dir < 0)
		return dir;
	if (fs->in->plan->uid_maps_n)
		return bind_device(fs, dir, name, s, e);
	if (mknodat(dir, name, d->mode, makedev(d->major, d->minor)) == 0) {
		r = own_device(dir, name, d);
		return r < 0 ? err_sys(e, r, "set owner of '%s'", s->path) : 0;
	}
	if (errno == EPERM)
		return bind_device(fs, dir, name, s, e);
	if (errno != EEXIST)
		return err_sys(e, -errno, "make device '%s'", s->path);
	/* What the image brought may stay only if it is the same device. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_mode & S_IFMT) == (d->mode & S_IFMT) &&
	    st.st_rdev == makedev(d->major, d->minor))
		return 0;
	if (unlinkat(dir, name, 0) < 0 ||
	    mknodat(dir, name, d->mode, makedev(d->major, d->minor)) < 0)
		return err_sys(e, -errno, "replace device '%s'", s->path);
	r = own_device(dir, name, d);
	return r < 0 ? err_sys(e, r, "set owner of '%s'", s->path) : 0;
}

static int do_symlink(struct init_fs *fs, const struct step *s, struct err *e)
{
	char name[256];
	int dir = device_parent(fs, s->path, name, e);

	if (dir < 0)
		return dir;
	if (symlinkat(s->text, dir, name) == 0)
		return 0;
	if (errno == EEXIST && streq(name, "ptmx")) {
		unlinkat(dir, name, 0);
		if (symlinkat(s->text, dir, name) == 0)
			return 0;
	}
	return errno == EEXIST ? 0 : err_sys(e, -errno, "make link '%s'", s->path);
}

/* The host's null device, checked to be one (CVE-2025-31133). */
static int null_device(struct init_fs *fs, struct err *e)
{
	struct stat st;

	if (fs->null >= 0)
		return 0;
	fs->null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fs->null < 0)
		return err_sys(e, -errno, "open '/dev/null'");
	if (fstat(fs->null, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(e, -ENODEV, "'/dev/null' is not the null device");
	return 0;
}

/*
 * One empty read-only filesystem for all masked folders: each superblock costs the kernel's shrinkers. The
 * first folder gets the filesystem, the others clones of that mount: before 6.15 only an attached one has any.
 */
static int mask_dir(struct init_fs *fs, const struct step *s, int target, struct err *e)
{
	const struct mnt clone = { .kind = MNT_BIND, .source_fd = fs->empty };
	const struct mnt first = {
		.kind = MNT_FS,
		.type = "tmpfs",
		.source = "tmpfs",
		.data = "nr_inodes=1,size=4k,mode=555",
		.context = fs->in->plan->mount_label,
		.context_type = fs->in->plan->mount_label_type,
		.attr.set = K_ATTR_RDONLY | K_ATTR_NOSUID | K_ATTR_NODEV | K_ATTR_NOEXEC,
	};
	bool is_first = fs->empty < 0;
	STEP_FD mounted = init_put(fs->root, is_first ? &first : &clone, target, s->path, e);

	if (mounted < 0)
		return mounted;
	if (is_first)
		fs->empty = TAKE_FD(mounted);
	return 0;
}

static int do_mask(struct init_fs *fs, const struct step *s, struct err *e)
{
	struct mnt m = { .kind = MNT_BIND };
	STEP_FD mounted = -EBADF;
	STEP_FD target = root_open(fs->root, s->path, O_PATH | O_DIRECTORY);
	int r;

	if (target >= 0) {
		r = mask_dir(fs, s, target, e);
		return r < 0 ? err_wrap(e, r, "mask '%s'", s->path) : 0;
	}
	if (target == -ENOENT)
		return 0;
	if (target == -ENOTDIR)
		target = root_open(fs->root, s->path, O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sys(e, target, "mask '%s'", s->path);
	r = null_device(fs, e);
	if (r < 0)
		return r;
	m.source_fd = fs->null;
	mounted = init_put(fs->root, &m, target, s->path, e);
	return mounted < 0 ? err_wrap(e, mounted, "mask '%s'", s->path) : 0;
}

static int do_readonly(struct init_fs *fs, const struct step *s, struct err *e)
{
	struct mnt m = { .kind = MNT_BIND, .is_recursive = true, .rec.set = K_ATTR_RDONLY };
	STEP_FD target = root_open(fs->root, s->path, O_PATH);
	STEP_FD mounted = -EBADF;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sys(e, target, "make '%s' read-only", s->path);
	if (!mnt_has_detached())
		m = (struct mnt){ .kind = MNT_BIND, .attr.set = K_ATTR_RDONLY };
	m.source_fd = target;
	mounted = init_put(fs->root, &m, target, s->path, e);
	return mounted < 0 ? err_wrap(e, mounted, "make '%s' read-only", s->path) : 0;
}

static int do_sysctl(struct init_fs *fs, const struct step *s, struct err *e)
{
	/* The old kernel's way is the container's own, which we mounted and checked to be an ordinary folder. */
	if (fs->proc < 0)
		fs->proc = mnt_has_detached() ? privproc_open(e)
					      : root_open(fs->root, "/proc", O_PATH | O_DIRECTORY);
	return fs->proc < 0 ? fs->proc : privproc_write(fs->proc, s->path, s->text, e);
}

int init_fs_step(struct init_fs *fs, const struct step *s, struct err *e)
{
	static int (*const verbs[])(struct init_fs *, const struct step *, struct err *) = {
		[STEP_MOUNT] = do_mount,   [STEP_CGROUP_MOUNT] = do_cgroup_mount,
		[STEP_DEVICE] = do_device, [STEP_SYMLINK] = do_symlink,
		[STEP_MASK] = do_mask,	   [STEP_READONLY] = do_readonly,
		[STEP_SYSCTL] = do_sysctl,
	};

	return verbs[s->kind](fs, s, e);
}

int init_fs_finish(const struct init_fs *fs, struct err *e)
{
	AUTO_FD dev = fs->dev_attr ? root_open(fs->root, "/dev", O_PATH) : -EBADF;

	if (!fs->dev_attr)
		return 0;
	return dev < 0 ? err_sys(e, dev, "open '/dev' in the container")
		       : mnt_set_attr(dev, fs->dev_attr, false, e);
}
