/*
 * Files that no row names: what kills and power cuts leave in blobs/, snapshots/ and ingest/.
 *
 * Rows and their files are made under the write lock, so whoever holds it and finds a file without a row
 * has found garbage. The folders are read without the lock first; only suspects are looked at again under it.
 */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FILES_BATCH 64 /* files a transaction */

typedef int (*has_row_fn)(struct store *s, const char *folder, const char *name, struct err *e);

/* 1: a row names it, 0: none, -errno. */
static int has_blob_row(struct store *s, const char *folder, const char *name, struct err *e)
{
	static const char sql[] = "SELECT 1 FROM content WHERE digest=?1";
	char digest[DIGEST_TEXT_MAX];
	int64_t one;
	int n = snprintf(digest, sizeof(digest), "%s:%s", strchr(folder, '/') + 1, name);

	/* Names that are no digests were never ours. */
	if (n < 0 || n >= (int)sizeof(digest) || !digest_is_valid(digest))
		return 0;
	return db_get_i64(s, sql, ARGS(T(digest)), &one, e);
}

static int has_snapshot_row(struct store *s, const char *folder, const char *name, struct err *e)
{
	static const char sql[] = "SELECT 1 FROM snapshots WHERE id=?1";
	int64_t id, one;

	if (str_to_i64(name, 1, INT64_MAX, &id) < 0)
		return 0;
	return db_get_i64(s, sql, ARGS(I(id)), &one, e);
}

static int list_suspects(struct store *s, const char *folder, has_row_fn has_row, char ***ret,
			 struct err *e)
{
	int fd = openat(s->root_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int r = 0;

	if (!d) {
		r = errno == ENOENT ? 0 : err_sys(e, -errno, "open '%s/%s'", s->root, folder);
		fd_closep(&fd);
		return r;
	}
	while (r >= 0 && (de = readdir(d))) {
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		r = has_row(s, folder, de->d_name, e);
		if (r == 0 && strv_add(ret, de->d_name) < 0)
			r = err_set(e, -ENOMEM, "gc: out of memory");
	}
	closedir(d);
	return MIN(r, 0);
}

static int trash_batch(struct store *s, int fd, const char *folder, char **names, size_t n,
		       has_row_fn has_row, struct err *e)
{
	int r = store_begin(s, e);

	for (size_t i = 0; i < n && r >= 0; i++) {
		int known = has_row(s, folder, names[i], e);

		r = known < 0 ? known : 0;
		if (known == 0)
			trash_at(s, fd, names[i]);
	}
	/* Nothing was written: a rollback ends it as well as a commit. */
	store_rollback(s);
	return r;
}

static int clean_folder(struct store *s, const char *folder, has_row_fn has_row, struct err *e)
{
	AUTO_STRV char **names = NULL;
	AUTO_FD fd = -EBADF;
	size_t n;
	int r = list_suspects(s, folder, has_row, &names, e);

	n = names ? strv_len(names) : 0;
	if (r < 0 || n == 0)
		return r;
	fd = openat(s->root_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "open '%s/%s'", s->root, folder);
	for (size_t i = 0; i < n && r >= 0; i += FILES_BATCH)
		r = trash_batch(s, fd, folder, names + i, MIN(n - i, (size_t)FILES_BATCH), has_row,
				e);
	return r;
}

int store_count_orphans(struct store *s, size_t *ret, struct err *e)
{
	static const struct {
		const char *folder;
		has_row_fn has_row;
	} rows[] = {
		{ "blobs/sha256", has_blob_row },
		{ "blobs/sha512", has_blob_row },
		{ "snapshots", has_snapshot_row },
	};
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows) && r >= 0; i++) {
		AUTO_STRV char **names = NULL;

		r = list_suspects(s, rows[i].folder, rows[i].has_row, &names, e);
		n += names ? strv_len(names) : 0;
	}
	if (r < 0)
		return r;
	*ret = n;
	return 0;
}

/* An ingest that somebody has locked is in use, however old. */
static void clean_ingest(struct store *s, int all, const char *name)
{
	AUTO_FD fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int64_t age_ns;
	struct stat st;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (fstatat(fd, "data", &st, AT_SYMLINK_NOFOLLOW) < 0 && fstat(fd, &st) < 0)
		return;
	age_ns = clock_wall_ns() - (st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec);
	if (age_ns > STORE_INGEST_KEEP_NS)
		trash_at(s, all, name);
}

static int clean_ingests(struct store *s, struct err *e)
{
	AUTO_FD fd = store_dir(s, "ingest");
	struct dirent *de;
	DIR *d;

	if (fd < 0)
		return err_sys(e, fd, "open '%s/ingest'", s->root);
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, -errno, "open '%s/ingest'", s->root);
	TAKE_FD(fd);
	while ((de = readdir(d)))
		if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
			clean_ingest(s, dirfd(d), de->d_name);
	closedir(d);
	return 0;
}

int gc_files(struct store *s, struct gc_stats *stats, struct err *e)
{
	int r = clean_folder(s, "blobs/sha256", has_blob_row, e);

	if (r >= 0)
		r = clean_folder(s, "blobs/sha512", has_blob_row, e);
	if (r >= 0)
		r = clean_folder(s, "snapshots", has_snapshot_row, e);
	return r < 0 ? r : clean_ingests(s, e);
}
