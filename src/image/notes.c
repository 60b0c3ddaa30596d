/* What the unpack role may not do itself: set by descriptor, below the layer's folder. */
#include "image/priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/root.h"

#define PATH_TEXT_MAX 4096
#define XATTRS_MAX ((size_t)64 << 10)

static bool is_settable(const char *name)
{
	return (str_skip(name, "trusted.") && !str_skip(name, "trusted.overlay.")) ||
	       (str_skip(name, "security.") && !str_skip(name, "security.selinux"));
}

static int read_xattr(const struct worker_msg *m, const char *payload, struct layer_note *ret,
		      struct err *e)
{
	size_t at = strlen(payload) + 1;

	if (at >= m->len)
		return err_set(e, -EPROTO, "the worker sent an xattr without a name");
	ret->name = payload + at;
	at += strlen(ret->name) + 1;
	if (at > m->len || m->len - at > XATTRS_MAX || strlen(ret->name) > LIMIT_NAME ||
	    !is_settable(ret->name))
		return err_set(e, -EPROTO, "the worker sent an xattr that is not for us");
	ret->value = payload + at;
	ret->value_len = m->len - at;
	return 0;
}

int layer_note_read(const struct worker_msg *m, const char *payload, struct arena *a,
		    struct layer_note *ret, struct err *e)
{
	struct layer_note n = { .kind = m->type, .path = payload };
	int r = 0;

	if (!*payload || strlen(payload) >= PATH_TEXT_MAX)
		return err_set(e, -EPROTO, "the worker sent a wrong path");
	if (m->type == WORKER_XATTR)
		r = read_xattr(m, payload, &n, e);
	if (r < 0)
		return r;
	n.path = arena_strdup(a, n.path);
	if (n.name) {
		n.name = arena_strdup(a, n.name);
		n.value = arena_strndup(a, n.value, n.value_len);
	}
	if (!n.path || (m->type == WORKER_XATTR && (!n.name || !n.value)))
		return err_set(e, -E2BIG, "the layer has too many odd folders and xattrs");
	*ret = n;
	return 0;
}

static int apply_opaque(const struct layer_note *n, int fs)
{
	AUTO_FD fd = root_open(fs, n->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return fd;
	return fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0 ? -errno : 0;
}

/* The last part may be a link or a device, which cannot be opened: by its folder and name, not followed. */
static int apply_xattr(const struct layer_note *n, int fs)
{
	AUTO_FD parent = -EBADF;
	char name[256], path[FD_PATH_MAX + 260];
	char dir[FD_PATH_MAX];

	parent = root_open_parent(fs, n->path, name);
	if (parent < 0)
		return parent;
	snprintf(path, sizeof(path), "%s/%s", fd_path(parent, dir), name);
	if (lsetxattr(path, n->name, n->value, n->value_len, 0) < 0 && errno != ENOTSUP)
		return -errno;
	return 0;
}

static int copy_xattrs(int from, int to)
{
	char names[4096];
	ssize_t n = flistxattr(from, names, sizeof(names));

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *p = names; p < names + n; p += strlen(p) + 1) {
		AUTO_FREE char *value = NULL;
		ssize_t len;

		if (!is_settable(p) && !(str_skip(p, "user.") && !str_skip(p, "user.overlay.")))
			continue;
		value = malloc(XATTRS_MAX);
		if (!value)
			return -ENOMEM;
		len = fgetxattr(from, p, value, XATTRS_MAX);
		if (len >= 0 && fsetxattr(to, p, value, (size_t)len, 0) < 0 && errno != ENOTSUP)
			return -errno;
	}
	return 0;
}

static int copy_folder(int from, int to)
{
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	r = copy_xattrs(from, to);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return r < 0 ? r : futimens(to, times) < 0 ? -errno : 0;
}

/*
 * A folder that the layer does not describe looks as the one below it. As in containerd, a link below is
 * followed inside its layer for the attributes, and the folder hides the link.
 */
static int apply_implied(const struct layer_note *n, int fs, const struct json_strs *lowers)
{
	AUTO_FD fd = root_open(fs, n->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < lowers->n; i++) {
		AUTO_FD lower = open(lowers->v[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		AUTO_FD from = -EBADF;

		if (lower < 0)
			return -errno;
		from = root_open(lower, n->path, O_RDONLY | O_DIRECTORY);
		if (from >= 0)
			return copy_folder(from, fd);
		/* Something else stands there, a whiteout too: replaced, so nothing to copy. */
		if (from != -ENOENT)
			return 0;
	}
	return 0;
}

int layer_note_apply(const struct layer_note *n, int fs, const struct json_strs *lowers,
		     struct err *e)
{
	int r;

	switch (n->kind) {
	case WORKER_OPAQUE:
		r = apply_opaque(n, fs);
		break;
	case WORKER_XATTR:
		r = apply_xattr(n, fs);
		break;
	default:
		r = apply_implied(n, fs, lowers);
		break;
	}
	return r < 0 ? err_sys(e, r, "finish '%.200s'", n->path) : 0;
}
