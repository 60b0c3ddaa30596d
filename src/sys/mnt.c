#include "sys/mnt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/calls.h"

#define DATA_MAX 4096
#define ATIME K_ATTR_ATIME_MASK

enum option_what {
	OPT_SET,  /* attribute on */
	OPT_CLR,  /* attribute off */
	OPT_RSET, /* the same, all mounts below too */
	OPT_RCLR,
	OPT_SB, /* superblock flag on */
	OPT_SB_OFF,
	OPT_PROP,
	OPT_RPROP,
	OPT_BIND,
	OPT_RBIND,
	OPT_IDMAP,
	OPT_RIDMAP,
	OPT_COPYUP,
	OPT_NOTHING, /* the kernel's default, or a remount that has no meaning here */
};

struct option_row {
	char name[15];
	uint8_t what;
	uint64_t bits;
};

/* runtime-spec 1.3 config.md, "Linux mount options". */
static const struct option_row options[] = {
	{ "async", OPT_SB_OFF, MS_SYNCHRONOUS },
	{ "atime", OPT_CLR, K_ATTR_NOATIME },
	{ "bind", OPT_BIND, 0 },
	{ "defaults", OPT_NOTHING, 0 },
	{ "dev", OPT_CLR, K_ATTR_NODEV },
	{ "diratime", OPT_CLR, K_ATTR_NODIRATIME },
	{ "dirsync", OPT_SB, MS_DIRSYNC },
	{ "exec", OPT_CLR, K_ATTR_NOEXEC },
	{ "idmap", OPT_IDMAP, 0 },
	{ "iversion", OPT_SB, MS_I_VERSION },
	{ "lazytime", OPT_SB, MS_LAZYTIME },
	{ "loud", OPT_SB_OFF, MS_SILENT },
	{ "mand", OPT_SB, MS_MANDLOCK },
	{ "noatime", OPT_SET, K_ATTR_NOATIME },
	{ "nodev", OPT_SET, K_ATTR_NODEV },
	{ "nodiratime", OPT_SET, K_ATTR_NODIRATIME },
	{ "noexec", OPT_SET, K_ATTR_NOEXEC },
	{ "noiversion", OPT_SB_OFF, MS_I_VERSION },
	{ "nolazytime", OPT_SB_OFF, MS_LAZYTIME },
	{ "nomand", OPT_SB_OFF, MS_MANDLOCK },
	{ "norelatime", OPT_NOTHING, 0 },
	{ "nostrictatime", OPT_CLR, K_ATTR_STRICTATIME },
	{ "nosuid", OPT_SET, K_ATTR_NOSUID },
	{ "nosymfollow", OPT_SET, K_ATTR_NOSYMFOLLOW },
	{ "private", OPT_PROP, MS_PRIVATE },
	{ "ratime", OPT_RCLR, K_ATTR_NOATIME },
	{ "rbind", OPT_RBIND, 0 },
	{ "rdev", OPT_RCLR, K_ATTR_NODEV },
	{ "rdiratime", OPT_RCLR, K_ATTR_NODIRATIME },
	{ "relatime", OPT_CLR, K_ATTR_NOATIME | K_ATTR_STRICTATIME },
	{ "remount", OPT_NOTHING, 0 },
	{ "rexec", OPT_RCLR, K_ATTR_NOEXEC },
	{ "ridmap", OPT_RIDMAP, 0 },
	{ "rnoatime", OPT_RSET, K_ATTR_NOATIME },
	{ "rnodev", OPT_RSET, K_ATTR_NODEV },
	{ "rnodiratime", OPT_RSET, K_ATTR_NODIRATIME },
	{ "rnoexec", OPT_RSET, K_ATTR_NOEXEC },
	{ "rnorelatime", OPT_NOTHING, 0 },
	{ "rnostrictatime", OPT_RCLR, K_ATTR_STRICTATIME },
	{ "rnosuid", OPT_RSET, K_ATTR_NOSUID },
	{ "rnosymfollow", OPT_RSET, K_ATTR_NOSYMFOLLOW },
	{ "ro", OPT_SET, K_ATTR_RDONLY },
	{ "rprivate", OPT_RPROP, MS_PRIVATE },
	{ "rrelatime", OPT_RCLR, K_ATTR_NOATIME | K_ATTR_STRICTATIME },
	{ "rro", OPT_RSET, K_ATTR_RDONLY },
	{ "rrw", OPT_RCLR, K_ATTR_RDONLY },
	{ "rshared", OPT_RPROP, MS_SHARED },
	{ "rslave", OPT_RPROP, MS_SLAVE },
	{ "rstrictatime", OPT_RSET, K_ATTR_STRICTATIME },
	{ "rsuid", OPT_RCLR, K_ATTR_NOSUID },
	{ "rsymfollow", OPT_RCLR, K_ATTR_NOSYMFOLLOW },
	{ "runbindable", OPT_RPROP, MS_UNBINDABLE },
	{ "rw", OPT_CLR, K_ATTR_RDONLY },
	{ "shared", OPT_PROP, MS_SHARED },
	{ "silent", OPT_SB, MS_SILENT },
	{ "slave", OPT_PROP, MS_SLAVE },
	{ "strictatime", OPT_SET, K_ATTR_STRICTATIME },
	{ "suid", OPT_CLR, K_ATTR_NOSUID },
	{ "symfollow", OPT_CLR, K_ATTR_NOSYMFOLLOW },
	{ "sync", OPT_SB, MS_SYNCHRONOUS },
	{ "tmpcopyup", OPT_COPYUP, 0 },
	{ "unbindable", OPT_PROP, MS_UNBINDABLE },
};

const char *mnt_option_name(size_t i)
{
	return i < ARRAY_LEN(options) ? options[i].name : NULL;
}

/* The access time modes are one field of the kernel's: setting one clears the others. */
static void attr_on(struct mnt_attr *a, uint64_t bits)
{
	if (bits & ATIME) {
		a->set &= ~ATIME;
		a->clr |= ATIME;
	} else {
		a->clr &= ~bits;
	}
	a->set |= bits;
}

static void attr_off(struct mnt_attr *a, uint64_t bits)
{
	a->set &= ~bits;
	a->clr |= bits & ATIME ? ATIME | (bits & ~ATIME) : bits;
}

static void apply_row(struct mnt *m, const struct option_row *o, bool *is_idmap, bool *is_ridmap)
{
	switch ((enum option_what)o->what) {
	case OPT_SET:
		attr_on(&m->attr, o->bits);
		break;
	case OPT_CLR:
		attr_off(&m->attr, o->bits);
		break;
	case OPT_RSET:
		attr_on(&m->rec, o->bits);
		break;
	case OPT_RCLR:
		attr_off(&m->rec, o->bits);
		break;
	case OPT_SB:
		m->sb_flags |= o->bits;
		break;
	case OPT_SB_OFF:
		m->sb_flags &= ~o->bits;
		break;
	case OPT_PROP:
	case OPT_RPROP:
		m->propagation = o->bits;
		m->is_propagation_rec = o->what == OPT_RPROP;
		break;
	case OPT_BIND:
	case OPT_RBIND:
		m->kind = MNT_BIND;
		m->is_recursive |= o->what == OPT_RBIND;
		break;
	case OPT_IDMAP:
		*is_idmap = true;
		break;
	case OPT_RIDMAP:
		*is_ridmap = true;
		break;
	case OPT_COPYUP:
		m->has_tmpcopyup = true;
		break;
	case OPT_NOTHING:
		break;
	}
}

int mnt_option_apply(struct mnt *m, const char *word, bool *ret_is_idmap, bool *ret_is_ridmap)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!streq(options[i].name, word))
			continue;
		apply_row(m, &options[i], ret_is_idmap, ret_is_ridmap);
		return 1;
	}
	return 0;
}

static const struct {
	uint64_t attr;
	unsigned long flag;
} legacy_flags[] = {
	{ K_ATTR_RDONLY, MS_RDONLY },	      { K_ATTR_NOSUID, MS_NOSUID },
	{ K_ATTR_NODEV, MS_NODEV },	      { K_ATTR_NOEXEC, MS_NOEXEC },
	{ K_ATTR_NOATIME, MS_NOATIME },	      { K_ATTR_STRICTATIME, MS_STRICTATIME },
	{ K_ATTR_NODIRATIME, MS_NODIRATIME }, { K_ATTR_NOSYMFOLLOW, 256 /* MS_NOSYMFOLLOW */ },
};

static unsigned long legacy_of(uint64_t attr)
{
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(legacy_flags); i++)
		if (attr & legacy_flags[i].attr)
			flags |= legacy_flags[i].flag;
	return flags;
}

static int detached_state = -1;

bool mnt_has_detached(void)
{
	int fd;

	if (detached_state >= 0)
		return detached_state;
	/* A call that must fail tells more cheaply than one that works: no such call, or a bad argument. */
	fd = k_mount_setattr(-1, "", AT_EMPTY_PATH, &(struct k_mount_attr){ 0 });
	detached_state = fd != -ENOSYS && fd != -EPERM;
	return detached_state;
}

void mnt_force_legacy(bool is_forced)
{
	detached_state = is_forced ? 0 : -1;
}

/* The filesystem's own words about a failed fsconfig, when it left any. */
static int fs_failed(int fs, int r, struct err *e, const char *what, const char *type)
{
	char buf[256];
	ssize_t n = read(fs, buf, sizeof(buf) - 1);

	if (n > 2 && buf[1] == ' ') {
		buf[n] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
		return err_set(e, r, "%s '%s': %s (%s)", what, type, err_words(-r), buf + 2);
	}
	return err_sys(e, r, "%s '%s'", what, type);
}

/* "mode=755,ro" one by one; the words are cut in a copy. */
static int configure(int fs, const char *type, const char *data, struct err *e)
{
	char copy[DATA_MAX], *p = copy, *word;
	size_t len = strlen(data);

	if (len >= sizeof(copy))
		return err_set(e, -E2BIG, "mount options of '%s' are longer than %d bytes", type,
			       DATA_MAX);
	memcpy(copy, data, len + 1);
	while ((word = strsep(&p, ","))) {
		char *value = strchr(word, '=');
		int r;

		if (!*word)
			continue;
		if (value)
			*value++ = '\0';
		r = value ? k_fsconfig(fs, K_FSCONFIG_STRING, word, value)
			  : k_fsconfig(fs, K_FSCONFIG_FLAG, word, NULL);
		if (r < 0)
			return fs_failed(fs, r, e, "set mount option", word);
	}
	return 0;
}

static const struct {
	unsigned long flag;
	const char *name;
} sb_words[] = {
	{ MS_RDONLY, "ro" },	 { MS_SYNCHRONOUS, "sync" },  { MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" }, { MS_LAZYTIME, "lazytime" }, { MS_I_VERSION, "iversion" },
};

static int configure_sb(int fs, unsigned long flags, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(sb_words); i++) {
		int r = flags & sb_words[i].flag
				? k_fsconfig(fs, K_FSCONFIG_FLAG, sb_words[i].name, NULL)
				: 0;

		if (r < 0)
			return fs_failed(fs, r, e, "set mount option", sb_words[i].name);
	}
	return 0;
}

static const char *context_type(const struct mnt *m)
{
	return m->context_type ? m->context_type : "context";
}

static int make_fs(const struct mnt *m, struct err *e)
{
	AUTO_FD fs = k_fsopen(m->type);
	int r = 0;

	if (fs < 0)
		return err_sys(e, fs, "open filesystem '%s'", m->type);
	if (m->source && *m->source)
		r = k_fsconfig(fs, K_FSCONFIG_STRING, "source", m->source);
	if (r < 0)
		return fs_failed(fs, r, e, "set source of", m->type);
	r = configure_sb(fs, m->sb_flags, e);
	if (r == 0 && m->data)
		r = configure(fs, m->type, m->data, e);
	if (r < 0)
		return r;
	/* Apart from the data: a context may hold commas. */
	r = m->context ? k_fsconfig(fs, K_FSCONFIG_STRING, context_type(m), m->context) : 0;
	if (r < 0)
		return fs_failed(fs, r, e, "set the SELinux context of", m->type);
	r = k_fsconfig(fs, K_FSCONFIG_CREATE, NULL, NULL);
	if (r < 0)
		return fs_failed(fs, r, e, "create filesystem", m->type);
	r = k_fsmount(fs, m->attr.set);
	return r < 0 ? fs_failed(fs, r, e, "mount", m->type) : r;
}

static int make_bind(const struct mnt *m, struct err *e)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			     (m->is_recursive ? AT_RECURSIVE : 0);
	AUTO_FD fd = m->source_fd > 0 ? k_open_tree(m->source_fd, "", flags | AT_EMPTY_PATH)
				      : k_open_tree(AT_FDCWD, m->source, flags);
	int r = 0;

	if (fd < 0)
		return err_sys(e, fd, "clone '%s'", m->source ? m->source : "descriptor");
	if (m->attr.set || m->attr.clr)
		r = mnt_set_attr(fd, &m->attr, false, e);
	return r < 0 ? r : TAKE_FD(fd);
}

int mnt_set_attr(int fd, const struct mnt_attr *a, bool is_recursive, struct err *e)
{
	struct k_mount_attr ka = { .set = a->set, .clr = a->clr };
	char path[FD_PATH_MAX];
	int r;

	if (!mnt_has_detached())
		r = mount(NULL, fd_path(fd, path), NULL, MS_REMOUNT | MS_BIND | legacy_of(a->set),
			  NULL) < 0
			    ? -errno
			    : 0;
	else
		r = k_mount_setattr(fd, "", AT_EMPTY_PATH | (is_recursive ? AT_RECURSIVE : 0), &ka);
	return r < 0 ? err_sys(e, r, "set mount attributes") : 0;
}

int mnt_set_propagation(int fd, unsigned long propagation, bool is_recursive, struct err *e)
{
	struct k_mount_attr ka = { .propagation = propagation };
	char path[FD_PATH_MAX];
	int r = k_mount_setattr(fd, "", AT_EMPTY_PATH | (is_recursive ? AT_RECURSIVE : 0), &ka);

	if (r == -ENOSYS)
		r = mount(NULL, fd_path(fd, path), NULL, propagation | (is_recursive ? MS_REC : 0),
			  NULL) < 0
			    ? -errno
			    : 0;
	return r < 0 ? err_sys(e, r, "set mount propagation") : 0;
}

int mnt_make(const struct mnt *m, struct err *e)
{
	AUTO_FD fd = -EBADF;
	int r = 0;

	if (!mnt_has_detached())
		return -ENOSYS;
	if (m->made_fd > 0) {
		fd = fcntl(m->made_fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, -errno, "take mount") : TAKE_FD(fd);
	}
	fd = m->kind == MNT_BIND ? make_bind(m, e) : make_fs(m, e);
	if (fd < 0)
		return fd;
	if (m->rec.set || m->rec.clr)
		r = mnt_set_attr(fd, &m->rec, true, e);
	if (r == 0 && m->idmap_userns > 0) {
		struct k_mount_attr ka = { .set = K_ATTR_IDMAP,
					   .userns_fd = (uint64_t)m->idmap_userns };

		r = k_mount_setattr(fd, "", AT_EMPTY_PATH | (m->is_idmap_rec ? AT_RECURSIVE : 0),
				    &ka);
		if (r < 0)
			err_sys(e, r, "map ids of the mount");
	}
	return r < 0 ? r : TAKE_FD(fd);
}

int mnt_attach(int mount, int target, struct err *e)
{
	int r = k_move_mount(mount, "", target, "", K_MOVE_F_EMPTY | K_MOVE_T_EMPTY);

	return r < 0 ? err_sys(e, r, "attach mount") : 0;
}

int mnt_attach_at(int mount, int dir, const char *name, struct err *e)
{
	int r = k_move_mount(mount, "", dir, name, K_MOVE_F_EMPTY);

	return r < 0 ? err_sys(e, r, "attach mount at '%s'", name) : 0;
}

/*
 * mount(2) through the magic link of an O_PATH descriptor: the kernel goes to exactly that inode, and not to
 * a mount on top of it, so that what follows the mount needs the new top opened again (mnt_finish).
 */
static int put_legacy(const struct mnt *m, int target, struct err *e)
{
	char path[FD_PATH_MAX], from[FD_PATH_MAX];
	const char *source = m->source_fd > 0 ? fd_path(m->source_fd, from) : m->source;
	AUTO_FREE char *with_context = NULL;
	const char *data = m->data;
	bool is_bind = m->kind == MNT_BIND;
	unsigned long flags = is_bind ? MS_BIND | (m->is_recursive ? MS_REC : 0)
				      : legacy_of(m->attr.set) | m->sb_flags;

	if (m->rec.set || m->rec.clr || m->idmap_userns > 0)
		return err_set_code(e, -ENOSYS, ERR_UNIMPLEMENTED,
				    "recursive attributes and id-mapped mounts need Linux 5.12");
	if (m->context) {
		data = with_context = str_printf("%s%s%s=\"%s\"", data ? data : "", data ? "," : "",
						 context_type(m), m->context);
		if (!data)
			return err_sys(e, -ENOMEM, "mount '%s'", source ? source : m->type);
	}
	if (mount(source, fd_path(target, path), m->type, flags, is_bind ? NULL : data) < 0)
		return err_sys(e, -errno, "mount '%s'", source ? source : m->type);
	return -ENOLINK;
}

int mnt_finish(const struct mnt *m, int top, struct err *e)
{
	unsigned long flags = legacy_of(m->attr.set);
	char path[FD_PATH_MAX];

	fd_path(top, path);
	if (m->kind == MNT_BIND && flags &&
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		return err_sys(e, -errno, "set mount attributes");
	if (m->propagation &&
	    mount(NULL, path, NULL, m->propagation | (m->is_propagation_rec ? MS_REC : 0), NULL) <
		    0)
		return err_sys(e, -errno, "set mount propagation");
	return 0;
}

int mnt_put(const struct mnt *m, int target, struct err *e)
{
	AUTO_FD fd = mnt_make(m, e);
	int r;

	if (fd == -ENOSYS)
		return put_legacy(m, target, e);
	if (fd < 0)
		return fd;
	r = mnt_attach(fd, target, e);
	if (r == 0 && m->propagation)
		r = mnt_set_propagation(fd, m->propagation, m->is_propagation_rec, e);
	return r < 0 ? r : TAKE_FD(fd);
}
