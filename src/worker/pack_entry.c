/* Entries into the archive and lines into the listing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "worker/deflate.h"
#include "worker/pack.h"

/* ---- xattrs ---- */

/*
 * Which of them an archive holds: not the labels of the machine it is made on, not the marks of the overlay; of those that
 * only the first pass saw, its copies.
 */
static const struct {
	const char *prefix;
	bool is_held;
} held[] = {
	{ "user.overlay.", false },    { "user.", true },
	{ "security.selinux", false }, { "security.", true },
	{ "system.posix_acl_", true },
};

static bool is_held(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		if (str_skip(name, held[i].prefix))
			return held[i].is_held;
	return false;
}

static int compare_xattrs(const void *a, const void *b)
{
	const struct tar_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Of the folder itself, or of a name in it that need not be one that can be opened. */
static ssize_t list_names(int fd, const char *name, char *buf, size_t size)
{
	return name ? llistxattr(name, buf, size) : flistxattr(fd, buf, size);
}

static ssize_t get_value(int fd, const char *name, const char *x, char *buf, size_t size)
{
	return name ? lgetxattr(name, x, buf, size) : fgetxattr(fd, x, buf, size);
}

static int add_xattr(struct pack *p, struct tar_xattr *v, size_t *n, const char *name,
		     const void *value, size_t len, struct arena *a, struct err *e)
{
	if (strchr(name, '='))
		return err_set(e, -EINVAL,
			       "'%.200s': xattr '%.100s': an archive cannot hold a name with '='",
			       p->path, name);
	if (*n == PACK_XATTRS_MAX)
		return err_set(e, -E2BIG, "'%.200s' has more than %d xattrs", p->path,
			       PACK_XATTRS_MAX);
	v[*n] = (struct tar_xattr){ arena_strdup(a, name), arena_strndup(a, value, len), len };
	return v[*n].name && v[(*n)++].value
		       ? 0
		       : err_set(e, -E2BIG, "'%.200s': its xattrs are too large", p->path);
}

static int enter_level(struct pack *p, size_t level)
{
	if (p->cwd == level || level == SIZE_MAX)
		return 0;
	p->cwd = level;
	return fchdir(p->levels[level].fd) < 0 ? -errno : 0;
}

int pack_xattrs(struct pack *p, size_t level, const char *name, struct arena *a,
		struct tar_xattr **ret, size_t *ret_n, struct err *e)
{
	struct tar_xattr *v = arena_calloc(a, PACK_XATTRS_MAX, sizeof(*v));
	char names[PACK_XATTR_BYTES], value[PACK_XATTR_BYTES];
	int fd = level == SIZE_MAX ? -EBADF : p->levels[level].fd;
	size_t n = 0, trusted_n = 0;
	const struct pack_trusted *t;
	ssize_t len;
	int r = v ? enter_level(p, level) : -ENOMEM;

	if (r < 0)
		return err_sys(e, r, "'%.200s'", p->path);
	len = list_names(fd, name, names, sizeof(names));
	if (len < 0 && errno == ERANGE)
		return err_set(e, -E2BIG, "'%.200s': its xattrs' names are too many", p->path);
	for (const char *x = names; len > 0 && x < names + len && r == 0; x += strlen(x) + 1) {
		ssize_t size = is_held(x) ? get_value(fd, name, x, value, sizeof(value)) : -1;

		if (size >= 0)
			r = add_xattr(p, v, &n, x, value, (size_t)size, a, e);
	}
	t = level == SIZE_MAX ? NULL : pack_trusted_of(p, p->path, &trusted_n);
	for (size_t i = 0; i < trusted_n && r == 0; i++)
		if (str_skip(t[i].name, "trusted.") && !str_skip(t[i].name, "trusted.overlay."))
			r = add_xattr(p, v, &n, t[i].name, t[i].value, t[i].len, a, e);
	if (r < 0)
		return r;
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_xattrs);
	*ret = v;
	*ret_n = n;
	return 0;
}

void pack_xattrs_digest(const struct tar_xattr *v, size_t n, uint8_t ret[SHA256_LEN])
{
	struct sha256 h;

	sha256_init(&h);
	for (size_t i = 0; i < n; i++) {
		uint64_t len = v[i].len;

		sha256_update(&h, v[i].name, strlen(v[i].name) + 1);
		sha256_update(&h, &len, sizeof(len));
		sha256_update(&h, v[i].value, v[i].len);
	}
	sha256_final(&h, ret);
}

/* ---- output ---- */

static void clamp_time(const struct pack *p, struct timespec *t)
{
	if (p->setup->time_max_s > 0 && t->tv_sec >= p->setup->time_max_s)
		*t = (struct timespec){ .tv_sec = p->setup->time_max_s };
}

static int put_header(struct pack *p, struct tar_entry *entry, struct err *e)
{
	if (!p->out)
		return 0;
	clamp_time(p, &entry->mtime);
	strbuf_reset(&p->head);
	tar_add_header(&p->head, entry);
	if (strbuf_ok(&p->head) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return deflate_write(p->out, p->head.p, p->head.len, e);
}

/* ---- listing ---- */

#define LINES_FLUSH ((size_t)64 << 10)

static int flush_lines(struct pack *p, size_t at_least, struct err *e)
{
	int r;

	if (strbuf_ok(&p->lines) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (p->list_fd < 0 || p->lines.len < at_least)
		return 0;
	r = fd_write_full(p->list_fd, p->lines.p, p->lines.len);
	strbuf_reset(&p->lines);
	return r < 0 ? err_sys(e, r, "write the listing") : 0;
}

static int list(struct pack *p, const struct tar_entry *t, const struct stat *st,
		const uint8_t *digest, struct err *e)
{
	struct pack_listed l = { .path = p->path,
				 .link = S_ISLNK(st->st_mode) ? t->link : NULL,
				 .mode = st->st_mode,
				 .uid = st->st_uid,
				 .gid = st->st_gid,
				 .size = st->st_size,
				 .mtime = t->mtime,
				 .rdev = st->st_rdev };

	if (p->list_fd < 0)
		return 0;
	if (digest) {
		l.has_digest = true;
		memcpy(l.digest, digest, SHA256_LEN);
	}
	pack_xattrs_digest(t->xattrs, t->xattrs_n, l.xattrs);
	pack_listing_add(&p->lines, &l);
	return flush_lines(p, LINES_FLUSH, e);
}

/* ---- files ---- */

int pack_open_file(int dirfd, const char *name, struct stat *ret, struct err *e)
{
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret) < 0)
		return err_sys(e, -errno, "open '%.200s'", name);
	return S_ISREG(ret->st_mode) ? TAKE_FD(fd)
				     : err_set(e, -ESTALE, "'%.200s' is no file any more", name);
}

/* Exactly `size` bytes: of a file that grows the first, of one that shrinks zeros at the end, as GNU tar does. */
static int put_data(struct pack *p, int fd, int64_t size, struct sha256 *h, struct err *e)
{
	int64_t left = size;
	bool is_short = false;
	size_t pad = tar_padding(size);

	while (left > 0) {
		size_t want = (size_t)MIN(left, (int64_t)PACK_BUF);
		ssize_t n = is_short ? 0 : read(fd, p->buf, want);
		int r = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, -errno, "read '%.200s'", p->path);
		if (n == 0) {
			is_short = true;
			memset(p->buf, 0, want);
			n = (ssize_t)want;
		}
		sha256_update(h, p->buf, (size_t)n);
		if (p->out)
			r = deflate_write(p->out, p->buf, (size_t)n, e);
		if (r < 0)
			return r;
		left -= n;
		p->bytes += (uint64_t)n;
		pack_beat(p);
	}
	memset(p->buf, 0, TAR_BLOCK);
	return p->out && pad ? deflate_write(p->out, p->buf, pad, e) : 0;
}

static int put_file(struct pack *p, struct pack_level *l, const char *name, struct tar_entry *t,
		    struct err *e)
{
	uint8_t digest[SHA256_LEN];
	struct sha256 h;
	struct stat st;
	AUTO_FD fd = pack_open_file(l->fd, name, &st, e);
	int r = fd;

	if (r < 0)
		return r;
	t->size = st.st_size;
	t->mtime = st.st_mtim;
	sha256_init(&h);
	r = put_header(p, t, e);
	if (r == 0)
		r = put_data(p, fd, st.st_size, &h, e);
	if (r < 0)
		return r;
	sha256_final(&h, digest);
	return list(p, t, &st, digest, e);
}

/* ---- hard links ---- */

static int put_hardlink(struct pack *p, const char *path, const char *target, const struct stat *st,
			struct err *e)
{
	struct tar_entry t = { .path = path,
			       .link = target,
			       .type = TAR_HARDLINK,
			       .mode = st->st_mode & 07777,
			       .uid = st->st_uid,
			       .gid = st->st_gid,
			       .mtime = st->st_mtim };

	return put_header(p, &t, e);
}

/* Names that did not change, but must be names of the inode that is written now. */
static int put_waiting(struct pack *p, const struct stat *st, struct err *e)
{
	const char *path;
	int r = 0;

	while (r == 0 && (path = pack_links_take(p, st)))
		r = put_hardlink(p, path, p->path, st, e);
	return r;
}

/* ---- one thing ---- */

static enum tar_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return TAR_FOLDER;
	case S_IFLNK:
		return TAR_SYMLINK;
	case S_IFCHR:
		return TAR_CHAR;
	case S_IFBLK:
		return TAR_BLOCKDEV;
	case S_IFIFO:
		return TAR_FIFO;
	default:
		return TAR_FILE;
	}
}

static void fill(struct tar_entry *t, const char *path, const struct stat *st)
{
	*t = (struct tar_entry){ .path = path,
				 .type = type_of(st->st_mode),
				 .mode = st->st_mode & 07777,
				 .uid = st->st_uid,
				 .gid = st->st_gid,
				 .mtime = st->st_mtim };
	if (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV) {
		t->major = major(st->st_rdev);
		t->minor = minor(st->st_rdev);
	}
}

static int put_new(struct pack *p, struct pack_level *l, const char *name, const struct stat *st,
		   struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 4 * PACK_XATTR_BYTES };
	char target[NAME_PATH_MAX];
	struct tar_xattr *xattrs;
	struct tar_entry t;
	ssize_t n;
	int r;

	fill(&t, p->path, st);
	r = pack_xattrs(p, (size_t)(l - p->levels), name, &a, &xattrs, &t.xattrs_n, e);
	if (r < 0)
		return r;
	t.xattrs = xattrs;
	if (t.type == TAR_SYMLINK) {
		n = readlinkat(l->fd, name, target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(e, -errno, "read link '%.200s'", p->path);
		target[n] = '\0';
		t.link = target;
	}
	if (t.type == TAR_FILE)
		return put_file(p, l, name, &t, e);
	r = put_header(p, &t, e);
	return r < 0 ? r : list(p, &t, st, NULL, e);
}

int pack_put(struct pack *p, struct pack_level *l, const char *name, const struct stat *st,
	     struct err *e)
{
	const char *first = NULL;
	int r = 0;

	if (st->st_nlink > 1)
		first = pack_links_first(p, st, p->path, &r);
	if (r < 0)
		return err_set(e, r, "out of memory");
	/* A listing has no links between files: each is a line with its own digest. */
	if (first && p->list_fd < 0)
		return put_hardlink(p, p->path, first, st, e);
	if (first) {
		struct deflate *out = p->out;

		r = put_hardlink(p, p->path, first, st, e);
		p->out = NULL;
		if (r == 0)
			r = put_new(p, l, name, st, e);
		p->out = out;
		return r;
	}
	r = put_new(p, l, name, st, e);
	return r == 0 && st->st_nlink > 1 ? put_waiting(p, st, e) : r;
}

int pack_put_folder(struct pack *p, struct pack_level *l, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 4 * PACK_XATTR_BYTES };
	size_t level = (size_t)(l - p->levels);
	struct tar_xattr *xattrs;
	struct tar_entry t;
	char *rest = p->path + l->path_len, saved = *rest;
	int r;

	*rest = '\0';
	fill(&t, p->path, &l->st);
	r = pack_xattrs(p, level, NULL, &a, &xattrs, &t.xattrs_n, e);
	t.xattrs = xattrs;
	if (r == 0)
		r = put_header(p, &t, e);
	if (r == 0)
		r = list(p, &t, &l->st, NULL, e);
	*rest = saved;
	return r;
}

int pack_put_whiteout(struct pack *p, size_t len, const char *prefix, const char *name,
		      struct err *e)
{
	AUTO_STRBUF struct strbuf path = { 0 };
	struct tar_entry t = { .type = TAR_FILE };

	strbuf_add(&path, p->path, len);
	strbuf_addf(&path, "%s%s%s", len ? "/" : "", prefix, name);
	if (strbuf_ok(&path) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	t.path = path.p;
	return put_header(p, &t, e);
}

int pack_put_end(struct pack *p, struct err *e)
{
	int r = flush_lines(p, 1, e);

	if (r < 0 || !p->out)
		return r;
	strbuf_reset(&p->head);
	tar_add_end(&p->head);
	if (strbuf_ok(&p->head) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = deflate_write(p->out, p->head.p, p->head.len, e);
	return r < 0 ? r : deflate_finish(p->out, e);
}
