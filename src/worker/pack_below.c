/* What is below: a folder by descriptors, or a listing; and whether a thing differs from it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "worker/pack.h"

int pack_below_find(struct pack *p, const struct pack_level *l, const char *name,
		    struct pack_below *ret, struct err *e)
{
	*ret = (struct pack_below){ 0 };
	if (l->listed != SIZE_MAX) {
		size_t at = pack_listing_find(&p->below, p->path);
		const struct pack_listed *x = at == SIZE_MAX ? NULL : &p->below.v[at];

		if (!x)
			return 0;
		ret->listed = x;
		ret->is_there = true;
		ret->st = (struct stat){ .st_mode = x->mode,
					 .st_uid = x->uid,
					 .st_gid = x->gid,
					 .st_size = x->size,
					 .st_mtim = x->mtime,
					 .st_rdev = x->rdev };
		return 0;
	}
	if (l->base_fd < 0)
		return 0;
	if (fstatat(l->base_fd, name, &ret->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : err_sys(e, -errno, "'%.200s' in the folder below", p->path);
	ret->is_there = true;
	return 0;
}

/* ---- same or not ---- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_attributes(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return false;
	/* A folder's time and size change with what is in it. */
	if (S_ISDIR(a->st_mode))
		return true;
	if (!same_time(&a->st_mtim, &b->st_mtim))
		return false;
	if (S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode))
		return a->st_rdev == b->st_rdev;
	return !S_ISREG(a->st_mode) || a->st_size == b->st_size;
}

static int same_target(struct pack *p, const struct pack_level *l, const char *name,
		       const struct pack_below *below)
{
	char a[NAME_PATH_MAX], b[NAME_PATH_MAX];
	ssize_t n = readlinkat(l->fd, name, a, sizeof(a) - 1), m;

	if (n < 0)
		return 0;
	a[n] = '\0';
	if (below->listed)
		return streq(a, below->listed->link);
	m = readlinkat(l->base_fd, name, b, sizeof(b) - 1);
	if (m < 0)
		return 0;
	b[m] = '\0';
	return streq(a, b);
}

/* xattrs by their digest. trusted.* of a folder below were not collected: they count on neither side. */
static int same_xattrs(struct pack *p, const struct pack_level *l, const char *name,
		       const struct pack_below *below, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 4 * PACK_XATTR_BYTES };
	uint8_t mine[SHA256_LEN], theirs[SHA256_LEN];
	struct tar_xattr *v;
	size_t n, m = 0;
	int r = pack_xattrs(p, (size_t)(l - p->levels), name, &a, &v, &n, e);

	if (r < 0)
		return r;
	if (below->listed) {
		pack_xattrs_digest(v, n, mine);
		return memcmp(mine, below->listed->xattrs, SHA256_LEN) == 0;
	}
	for (size_t i = 0; i < n; i++)
		if (!str_skip(v[i].name, "trusted."))
			v[m++] = v[i];
	pack_xattrs_digest(v, m, mine);
	if (fchdir(l->base_fd) < 0)
		return err_sys(e, -errno, "enter the folder below");
	p->cwd = SIZE_MAX;
	r = pack_xattrs(p, SIZE_MAX, name, &a, &v, &n, e);
	if (r < 0)
		return r;
	pack_xattrs_digest(v, n, theirs);
	return memcmp(mine, theirs, SHA256_LEN) == 0;
}

static int hash_file(struct pack *p, int fd, uint8_t ret[SHA256_LEN])
{
	struct sha256 h;
	ssize_t n;

	sha256_init(&h);
	while ((n = read(fd, p->buf, PACK_BUF)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		sha256_update(&h, p->buf, (size_t)n);
		pack_beat(p);
	}
	sha256_final(&h, ret);
	return 0;
}

/*
 * A time with a fraction that is the same on both sides says enough; a whole second (an archive's, or `touch -d`) may have
 * been set by hand, so the bytes decide. With a listing they always do.
 */
static int same_content(struct pack *p, const struct pack_level *l, const char *name,
			const struct stat *st, const struct pack_below *below, struct err *e)
{
	uint8_t mine[SHA256_LEN], theirs[SHA256_LEN];
	AUTO_FD a = -EBADF;
	AUTO_FD b = -EBADF;
	struct stat now;
	int r;

	if (st->st_size == 0 || (!below->listed && st->st_mtim.tv_nsec != 0))
		return 1;
	a = pack_open_file(l->fd, name, &now, NULL);
	if (a < 0)
		return 0;
	r = hash_file(p, a, mine);
	if (r == 0 && below->listed)
		return below->listed->has_digest &&
		       memcmp(mine, below->listed->digest, SHA256_LEN) == 0;
	b = r == 0 ? pack_open_file(l->base_fd, name, &now, e) : -EBADF;
	if (r == 0)
		r = b < 0 ? b : hash_file(p, b, theirs);
	if (r < 0)
		return err_sys(e, r, "read '%.200s'", p->path);
	return memcmp(mine, theirs, SHA256_LEN) == 0;
}

int pack_below_same(struct pack *p, const struct pack_level *l, const char *name,
		    const struct stat *st, const struct pack_below *below, struct err *e)
{
	int r;

	if (!same_attributes(st, &below->st))
		return 0;
	r = S_ISLNK(st->st_mode) ? same_target(p, l, name, below) : 1;
	if (r == 1)
		r = same_xattrs(p, l, name, below, e);
	if (r == 1 && S_ISREG(st->st_mode))
		r = same_content(p, l, name, st, below, e);
	return r;
}

/* ---- gone ---- */

static int gone_listed(struct pack *p, struct pack_level *l,
		       int (*gone)(struct pack *p, struct pack_level *l, const char *name,
				   struct err *e),
		       struct err *e)
{
	bool is_root = l == p->levels;
	size_t i = is_root ? 0 : l->listed + 1,
	       end = is_root ? p->below.n : p->below.v[l->listed].end;
	int r = 0;

	for (; i < end && r == 0; i = p->below.v[i].end) {
		size_t len;
		const char *name = name_base(p->below.v[i].path, &len);

		if (!pack_names_have(&l->names, name))
			r = gone(p, l, name, e);
	}
	return r;
}

int pack_below_gone(struct pack *p, struct pack_level *l,
		    int (*gone)(struct pack *p, struct pack_level *l, const char *name,
				struct err *e),
		    struct err *e)
{
	struct pack_names names = { .a = { .budget = PACK_BUDGET } };
	int r = 0;

	if (l->listed != SIZE_MAX)
		return gone_listed(p, l, gone, e);
	if (l->base_fd >= 0)
		r = pack_names_read(l->base_fd, &names, e);
	for (size_t i = 0; i < names.n && r == 0; i++)
		if (!pack_names_have(&l->names, names.v[i]))
			r = gone(p, l, names.v[i], e);
	arena_done(&names.a);
	free(names.v);
	return r;
}
