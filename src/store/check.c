/*
 * Whether the disk still holds what the rows say: `image check`. Nothing here repairs by itself.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Filesystems count their own blocks of a file now and then: what a layer may seem to have lost. */
#define SLACK_BYTES ((int64_t)64 << 10)

int store_content_verify(struct store *s, const char *digest, int64_t size, struct err *e)
{
	char path[BLOB_PATH_MAX], found[DIGEST_TEXT_MAX];
	AUTO_FD fd = -EBADF;
	struct stat st;
	int r = check_digest(digest, e);

	if (r < 0)
		return r;
	fd = openat(s->root_fd, blob_path(digest, path),
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? err_set(e, -ENOENT, "its file is gone")
				       : err_sys(e, -errno, "open '%s/%s'", s->root, path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "'%s/%s'", s->root, path);
	if (!S_ISREG(st.st_mode) || st.st_size != size)
		return err_set(e, -EBADMSG, "its file has %lld bytes instead of %lld",
			       (long long)st.st_size, (long long)size);
	/* Only sha256 is computed here; of others the size must do. */
	if (!str_skip(digest, "sha256:"))
		return 0;
	r = digest_of_file(fd, found);
	if (r < 0)
		return err_sys(e, r, "read '%s/%s'", s->root, path);
	return streq(found, digest) ? 0
				    : err_set(e, -EBADMSG, "its file has digest %s instead", found);
}

int store_content_drop(struct store *s, const char *digest, struct err *e)
{
	static const char sql[] = "DELETE FROM content WHERE digest=?1";
	int r = check_digest(digest, e);

	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(digest)), e);
	if (r >= 0 && db_drop_blob(s, digest) < 0)
		r = err_set(e, -ENOMEM, "drop content %s: out of memory", digest);
	return db_end(s, r, e);
}

/* Says what differs as well as the numbers can. */
static int compare(const struct snapshot_walked *found, const struct snapshot_walked *wanted,
		   struct err *e)
{
	if (found->inodes != wanted->inodes)
		return err_set(e, -EBADMSG, "it has %lld files and folders instead of %lld",
			       (long long)found->inodes, (long long)wanted->inodes);
	if (found->size + SLACK_BYTES + wanted->size / 100 < wanted->size)
		return err_set(e, -EBADMSG, "its files take %lld bytes instead of %lld",
			       (long long)found->size, (long long)wanted->size);
	if (*wanted->tree && !streq(found->tree, wanted->tree))
		return err_set(e, -EBADMSG, "files or folders of it are not what was unpacked");
	return 0;
}

static int look(struct store *s, int64_t id, enum snapshot_walk_kind kind,
		struct snapshot_walked *ret, struct err *e)
{
	int r = snapshot_walk(s, id, kind, ret);

	if (r == -ENOENT)
		return err_set(e, -ENOENT, "its folder is gone");
	return r < 0 ? err_sys(e, r, "look through it") : 0;
}

int store_snapshot_verify(struct store *s, const char *ns, const char *key, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_walked found = { 0 }, wanted;
	struct snapshot_info info;
	int r = store_snapshot_stat(s, ns, key, &a, &info, e);

	if (r == 0)
		r = look(s, info.id, WALK_TREE, &found, e);
	if (r < 0 || !info.inodes)
		return r;
	wanted = (struct snapshot_walked){ .size = info.size, .inodes = info.inodes };
	snprintf(wanted.tree, sizeof(wanted.tree), "%s", info.tree);
	return compare(&found, &wanted, e);
}

int store_snapshot_compare(struct store *s, const char *ns, const char *key, const char *other,
			   struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_walked found = { 0 }, wanted = { 0 };
	struct snapshot_info info;
	int r = store_snapshot_stat(s, ns, other, &a, &info, e);

	if (r == 0)
		r = look(s, info.id, WALK_CONTENT, &wanted, e);
	if (r == 0)
		r = store_snapshot_stat(s, ns, key, &a, &info, e);
	if (r == 0)
		r = look(s, info.id, WALK_CONTENT, &found, e);
	return r < 0 ? r : compare(&found, &wanted, e);
}

int store_snapshot_distrust(struct store *s, const char *ns, const char *key, struct err *e)
{
	/* No boot has this id. */
	static const char sql[] =
		"UPDATE snapshots SET boot='damaged', size=0, inodes=0, tree='' WHERE ns=?1 AND key=?2 AND kind=?3";
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = check_key("snapshot key", key, e);
	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(ns), T(key), I(SNAPSHOT_COMMITTED)), e);
	return db_end(
		s, r == 0 ? err_set(e, -ENOENT, "snapshot %s does not exist: not found", key) : r,
		e);
}
