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

int store_snapshot_verify(struct store *s, const char *ns, const char *key, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_info info;
	int64_t size, inodes;
	int r = store_snapshot_stat(s, ns, key, &a, &info, e);

	if (r < 0)
		return r;
	r = snapshot_walk(s, info.id, &size, &inodes);
	if (r == -ENOENT)
		return err_set(e, -ENOENT, "its folder is gone");
	if (r < 0)
		return err_sys(e, r, "look through it");
	if (!info.inodes)
		return 0;
	if (inodes != info.inodes)
		return err_set(e, -EBADMSG, "it has %lld files and folders instead of %lld",
			       (long long)inodes, (long long)info.inodes);
	if (size + SLACK_BYTES + info.size / 100 < info.size)
		return err_set(e, -EBADMSG, "its files take %lld bytes instead of %lld",
			       (long long)size, (long long)info.size);
	return 0;
}

int store_snapshot_distrust(struct store *s, const char *ns, const char *key, struct err *e)
{
	/* No boot has this id. */
	static const char sql[] =
		"UPDATE snapshots SET boot='damaged', size=0, inodes=0 WHERE ns=?1 AND key=?2 AND kind=?3";
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
