/*
 * What a tree is, in one number: a sum of hashes, one for each name, each extended attribute and, where contents count,
 * each file. The order in which a folder is read does not matter, so the same layer gives the same on every filesystem.
 *
 * Times of folders and of whiteouts are left out: an archive need not have them. So are attributes that a system gives by
 * itself.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Both are the kernel's bounds. */
#define XATTR_NAMES_MAX ((size_t)64 << 10)
#define XATTR_VALUE_MAX ((size_t)64 << 10)

static void add_hash(struct tree_sum *t, struct sha256 *h)
{
	uint8_t hash[SHA256_LEN];
	uint64_t lane;

	sha256_final(h, hash);
	for (size_t i = 0; i < ARRAY_LEN(t->lanes); i++) {
		memcpy(&lane, hash + i * sizeof(lane), sizeof(lane));
		t->lanes[i] += lane;
	}
}

static bool is_counted_xattr(const char *name)
{
	static const char *const prefixes[] = { "user.", "trusted.", "security.capability",
						"system.posix_acl" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_skip(name, prefixes[i]))
			return true;
	return false;
}

static int add_xattr(struct tree_sum *t, const char *at, const char *path, const char *name)
{
	struct sha256 h;
	ssize_t n = lgetxattr(at, name, t->buf, XATTR_VALUE_MAX);

	if (n < 0)
		return -errno;
	sha256_init(&h);
	sha256_update(&h, path, strlen(path) + 1);
	sha256_update(&h, name, strlen(name) + 1);
	sha256_update(&h, t->buf, (size_t)n);
	add_hash(t, &h);
	return 0;
}

static int add_xattrs(struct tree_sum *t, int dir, const char *name, const char *path)
{
	AUTO_FREE char *at = str_printf("/proc/self/fd/%d/%s", dir, name);
	char *names = (char *)t->buf + XATTR_VALUE_MAX;
	ssize_t n = at ? llistxattr(at, names, XATTR_NAMES_MAX) : -1;
	int r = 0;

	if (n < 0)
		return !at ? -ENOMEM : errno == ENOTSUP ? 0 : -errno;
	for (char *p = names; p < names + n && r == 0; p += strlen(p) + 1)
		if (is_counted_xattr(p))
			r = add_xattr(t, at, path, p);
	return r;
}

/* A file with several names is added at the first of them, whichever that is. */
static int add_content(struct tree_sum *t, int dir, const char *name, const char *path,
		       const struct stat *st)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char digest[DIGEST_TEXT_MAX];
	struct sha256 h;
	int r = fd < 0 ? -errno : digest_of_file(fd, digest);

	if (r < 0)
		return r;
	sha256_init(&h);
	if (st->st_nlink == 1)
		sha256_update(&h, path, strlen(path) + 1);
	sha256_update(&h, digest, strlen(digest));
	add_hash(t, &h);
	return 0;
}

static int add_target(int dir, const char *name, struct sha256 *h)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	sha256_update(h, target, (size_t)n);
	return 0;
}

int tree_sum_begin(struct tree_sum *t, bool has_content)
{
	*t = (struct tree_sum){ .has_content = has_content,
				.buf = malloc(XATTR_VALUE_MAX + XATTR_NAMES_MAX) };
	return t->buf ? 0 : -ENOMEM;
}

int tree_sum_add(struct tree_sum *t, int dir, const char *name, const char *path,
		 const struct stat *st, bool is_first)
{
	/* An overlay's whiteout is a device 0:0; the kernel makes one of them a link of another. */
	bool is_name_only = S_ISDIR(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == 0);
	const int64_t facts[] = {
		(int64_t)st->st_mode,
		(int64_t)st->st_uid,
		(int64_t)st->st_gid,
		(int64_t)st->st_rdev,
		is_name_only ? 0 : (int64_t)st->st_nlink,
		is_name_only ? 0 : (int64_t)st->st_size,
		is_name_only ? 0 : (int64_t)st->st_mtim.tv_sec,
		is_name_only ? 0 : (int64_t)st->st_mtim.tv_nsec,
	};
	struct sha256 h;
	int r = 0;

	sha256_init(&h);
	sha256_update(&h, path, strlen(path) + 1);
	sha256_update(&h, facts, sizeof(facts));
	if (S_ISLNK(st->st_mode))
		r = add_target(dir, name, &h);
	if (r < 0)
		return r;
	add_hash(t, &h);
	r = add_xattrs(t, dir, name, path);
	if (r == 0 && t->has_content && S_ISREG(st->st_mode) && st->st_size > 0 && is_first)
		r = add_content(t, dir, name, path, st);
	return r;
}

void tree_sum_end(struct tree_sum *t, char ret[TREE_TEXT_MAX])
{
	for (size_t i = 0; i < ARRAY_LEN(t->lanes); i++)
		snprintf(ret + 16 * i, 17, "%016llx", (unsigned long long)t->lanes[i]);
	free(TAKE_PTR(t->buf));
}
