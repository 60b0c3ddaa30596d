/*
 * Ingest: a folder ingest/<hex of the reference's hash>/ with `data` and `ref`, locked by flock while
 * someone writes. The kernel drops the lock with its process; what was written stays for a resume.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"

/* A reference may hold anything; its hash is what becomes a path. */
const char *ingest_path(const char *ref, char buf[INGEST_PATH_MAX])
{
	char digest[DIGEST_TEXT_MAX];

	snprintf(buf, INGEST_PATH_MAX, "ingest/%.64s",
		 digest_hex(digest_of(ref, strlen(ref), digest)));
	return buf;
}

static bool is_same_folder(struct store *s, int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(s->root_fd, path, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Opens and locks the folder; when its last owner removed it meanwhile, once more. */
static int lock_folder(struct store *s, const char *path, const char *ref, struct err *e)
{
	AUTO_FD parent = store_dir(s, "ingest");

	if (parent < 0)
		return err_sys(e, parent, "open '%s/ingest'", s->root);
	for (;;) {
		AUTO_FD fd = dir_open_make_at(s->root_fd, path, 0700);

		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return err_sys(e, fd, "ingest '%s'", ref);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK)
				return err_sys(e, -errno, "lock ingest '%s'", ref);
			return err_set_code(e, -EBUSY, ERR_UNAVAILABLE,
					    "ref %s locked: another process is writing it", ref);
		}
		if (is_same_folder(s, fd, path))
			return TAKE_FD(fd);
	}
}

static int open_data(struct ingest *i, bool resume)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (resume ? 0 : O_TRUNC);

	i->fd = openat(i->dirfd, "data", flags, 0600);
	if (i->fd < 0)
		return -errno;
	if (lseek(i->fd, 0, SEEK_END) < 0)
		return -errno;
	return file_replace_at(i->dirfd, "ref", i->ref, strlen(i->ref), 0600, 0);
}

int store_ingest_open(struct store *s, const char *ref, bool resume, struct ingest **ret,
		      struct err *e)
{
	char path[INGEST_PATH_MAX];
	struct ingest *i;
	int r = check_key("ingest reference", ref, e);

	if (r < 0)
		return r;
	i = calloc(1, sizeof(*i));
	if (!i)
		return err_set(e, -ENOMEM, "ingest '%s': out of memory", ref);
	*i = (struct ingest){ .store = s, .fd = -EBADF, .dirfd = -EBADF, .ref = strdup(ref) };
	ingest_path(ref, path);
	if (!i->ref)
		r = err_set(e, -ENOMEM, "ingest '%s': out of memory", ref);
	if (r >= 0)
		r = i->dirfd = lock_folder(s, path, ref, e);
	if (r >= 0) {
		r = open_data(i, resume);
		if (r < 0)
			err_sys(e, r, "ingest '%s'", ref);
	}
	if (r < 0) {
		store_ingest_close(i);
		return r;
	}
	*ret = i;
	return 0;
}

void store_ingest_close(struct ingest *i)
{
	if (!i)
		return;
	fd_closep(&i->fd);
	fd_closep(&i->dirfd);
	free(i->ref);
	free(i);
}

void store_ingest_abort(struct ingest *i)
{
	char path[INGEST_PATH_MAX];

	if (!i)
		return;
	/* Whole, not by the names that are known: one that was killed may have left a temporary file. */
	ingest_path(i->ref, path);
	(void)dir_remove_at(i->store->root_fd, path);
	store_ingest_close(i);
}

/* ---- seal ---- */

/* The descriptor's position is shared with the hand that wrote, which can only make the digest wrong. */
static int read_checked(struct ingest *i, const char *digest, int64_t size, char **ret,
			struct err *e)
{
	char found[DIGEST_TEXT_MAX];
	size_t len = 0;
	int r = lseek(i->fd, 0, SEEK_SET) < 0 ? -errno
					      : fd_read_all(i->fd, (size_t)size, ret, &len);

	if (r == -EFBIG || (r >= 0 && len != (size_t)size))
		return err_set(e, -EBADMSG, "not the commit size, expected %lld: ingest '%s'",
			       (long long)size, i->ref);
	if (r < 0)
		return err_sys(e, r, "ingest '%s'", i->ref);
	if (!streq(digest_of(*ret, len, found), digest))
		return err_set(e, -EBADMSG, "unexpected commit digest %s, expected %s: ingest '%s'",
			       found, digest, i->ref);
	return 0;
}

int store_ingest_seal(struct ingest *i, const char *digest, int64_t size, struct err *e)
{
	AUTO_FREE char *p = NULL;
	AUTO_FD fd = -EBADF;
	int r = size < 0 ? err_set(e, -EINVAL, "ingest '%s': negative size", i->ref)
			 : read_checked(i, digest, size, &p, e);

	if (r < 0)
		return r;
	r = file_replace_at(i->dirfd, "data", p, (size_t)size, 0600, 0);
	if (r < 0)
		return err_sys(e, r, "ingest '%s'", i->ref);
	fd = openat(i->dirfd, "data", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, -errno, "ingest '%s'", i->ref);
	fd_closep(&i->fd);
	i->fd = TAKE_FD(fd);
	return 0;
}

/* ---- commit ---- */

struct blob {
	const char *ns, *digest;
	int64_t size;
	const char *labels;
};

static int check_size(struct ingest *i, const struct blob *b, struct err *e)
{
	struct stat st;

	if (fstat(i->fd, &st) < 0)
		return err_sys(e, -errno, "ingest '%s'", i->ref);
	if (st.st_size != b->size)
		return err_set(e, -EBADMSG,
			       "unexpected commit size %lld, expected %lld: ingest '%s'",
			       (long long)st.st_size, (long long)b->size, i->ref);
	return 0;
}

/* Whether some namespace has the blob whole, with its file. */
static int is_present(struct store *s, const struct blob *b, struct err *e)
{
	static const char sql[] = "SELECT size FROM content WHERE digest=?1 AND boot IN ('', ?2)";
	char path[BLOB_PATH_MAX];
	struct stat st;
	int64_t size;
	int r = db_get_i64(s, sql, ARGS(T(b->digest), T(store_boot(s))), &size, e);

	if (r <= 0)
		return r;
	return fstatat(s->root_fd, blob_path(b->digest, path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size == size && size == b->size;
}

static int place_file(struct ingest *i, const struct blob *b, struct err *e)
{
	struct store *s = i->store;
	char path[BLOB_PATH_MAX];
	int dir;

	/* The folder of an algorithm is made with its first blob. */
	*strrchr(blob_path(b->digest, path), '/') = '\0';
	dir = store_dir(s, path);
	if (dir < 0)
		return err_sys(e, dir, "open '%s/%s'", s->root, path);
	close(dir);
	if (fchmod(i->fd, 0400) < 0 ||
	    renameat(i->dirfd, "data", s->root_fd, blob_path(b->digest, path)) < 0)
		return err_sys(e, -errno, "put blob %s in place", b->digest);
	return 0;
}

/*
 * The bytes are shared by namespaces, so a freshly placed file is news for all rows of the digest.
 * A row that is there keeps its labels; given ones are added. Its stamp is new: the collector spares it as
 * long as an intent that began before lives.
 */
static int write_rows(struct store *s, const struct blob *b, bool is_placed, struct err *e)
{
	static const char refresh_sql[] =
		"UPDATE content SET boot=?2, stamp=?3, size=?4 WHERE digest=?1";
	static const char add_sql[] =
		"INSERT INTO content(digest, ns, size, created_ns, updated_ns, boot, stamp, labels)"
		" VALUES(?1, ?2, ?3, ?4, ?4,"
		" coalesce(?5, (SELECT boot FROM content WHERE digest=?1 AND boot IN ('', ?8)), ''), ?6, ?7)"
		" ON CONFLICT(digest, ns) DO UPDATE SET updated_ns=excluded.updated_ns, stamp=excluded.stamp,"
		" labels=CASE WHEN excluded.labels='' THEN labels"
		" ELSE json_patch(coalesce(nullif(labels, ''), '{}'), excluded.labels) END";
	const char *boot = is_placed ? store_boot(s) : NULL;
	int64_t stamp = clock_mono_ns();
	int r = 0;

	if (is_placed)
		r = db_run(s, refresh_sql, ARGS(T(b->digest), T(boot), I(stamp), I(b->size)), e);
	if (r < 0)
		return r;
	return db_run(s, add_sql,
		      ARGS(T(b->digest), T(b->ns), I(b->size), I(clock_wall_ns()), T(boot),
			   I(stamp), T(b->labels), T(store_boot(s))),
		      e);
}

/*
 * The file is placed under the write lock, so that gc_files cannot meet it without its row; a kill before
 * the commit leaves a file without a row, which the next ingest replaces or gc_files removes.
 */
static int commit_blob(struct ingest *i, const struct blob *b, struct err *e)
{
	struct store *s = i->store;
	int r = store_begin(s, e), is_there;

	if (r < 0)
		return r;
	is_there = is_present(s, b, e);
	r = is_there;
	if (r == 0)
		r = place_file(i, b, e);
	if (r >= 0)
		r = write_rows(s, b, !is_there, e);
	return db_end(s, r, e);
}

/*
 * Syncs the file in its place, whoever wrote it, then the folder that names it, and only then calls the
 * rows clean.
 */
static int sync_files(struct store *s, const char *digest)
{
	AUTO_FD fd = -EBADF, dir = -EBADF;
	char path[BLOB_PATH_MAX];
	int r;

	fd = openat(s->root_fd, blob_path(digest, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*strrchr(path, '/') = '\0';
	dir = store_dir(s, path);
	if (dir < 0)
		return dir;
	r = store_fsync(s, fd);
	return r < 0 ? r : store_fsync(s, dir);
}

static int sync_blob(struct store *s, const char *digest, struct err *e)
{
	static const char get_sql[] = "SELECT 1 FROM content WHERE digest=?1 AND boot<>''";
	static const char mark_sql[] = "UPDATE content SET boot='' WHERE digest=?1 AND boot=?2";
	int64_t one;
	int r = db_get_i64(s, get_sql, ARGS(T(digest)), &one, e);

	if (r <= 0)
		return r;
	r = sync_files(s, digest);
	if (r < 0)
		return err_sys(e, r, "sync blob %s", digest);
	r = store_begin(s, e);
	if (r < 0)
		return r;
	return db_end(s, db_run(s, mark_sql, ARGS(T(digest), T(store_boot(s))), e), e);
}

int store_ingest_commit(struct ingest *i, const char *ns, const char *digest, int64_t size,
			bool is_synced, const struct json_map *labels, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct blob b = { ns, digest, size, NULL };
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = check_digest(digest, e);
	if (r >= 0)
		r = labels_text(labels, &text, e);
	if (r >= 0)
		r = check_size(i, &b, e);
	if (r >= 0)
		b.labels = text;
	if (r >= 0)
		r = commit_blob(i, &b, e);
	if (r >= 0 && is_synced)
		r = sync_blob(i->store, digest, e);
	if (r < 0)
		return r;
	store_ingest_abort(i);
	return 0;
}

/* ---- reservations ---- */

/* A byte of one file, by the name's hash: two names on one byte only wait for each other. */
int store_reserve(struct store *s, const char *name, struct err *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char digest[DIGEST_TEXT_MAX], text[16];
	AUTO_FD fd = openat(s->root_fd, "reservations", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			    0600);

	if (fd < 0)
		return err_sys(e, -errno, "open '%s/reservations'", s->root);
	snprintf(text, sizeof(text), "%.12s", digest_hex(digest_of(name, strlen(name), digest)));
	lock.l_start = (off_t)strtoll(text, NULL, 16);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES
			       ? -EAGAIN
			       : err_sys(e, -errno, "reserve '%s'", name);
	return TAKE_FD(fd);
}
