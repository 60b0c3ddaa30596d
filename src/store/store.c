/*
 * Opening and closing, folders, syncs, namespaces, and the checks of names.
 */
#include "store/store.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/rand.h"
#include "store/snapshotter.h"

#define IDENTIFIER_MAX 76 /* containerd's */

/* ---- open ---- */

/*
 * Waits for another process's transaction: short naps at first, because transactions take well below a
 * millisecond, and a random share so that several waiters do not meet again.
 */
int db_wait_busy(void *data, int count)
{
	struct store *s = data;
	int64_t now = clock_mono_ns();
	int64_t nap_ns = 50000LL << MIN(count, 6);
	struct timespec ts;

	if (count == 0)
		s->busy_since_ns = now;
	if (now - s->busy_since_ns > STORE_BUSY_MS * NSEC_PER_MSEC)
		return 0;
	nap_ns = nap_ns / 2 + (int64_t)(rand_u64() % (uint64_t)(nap_ns / 2));
	ts = (struct timespec){ 0, nap_ns };
	nanosleep(&ts, NULL);
	return 1;
}

static int note_wal_pages(void *data, sqlite3 *db, const char *name, int pages)
{
	struct store *s = data;

	s->wal_pages = pages;
	return SQLITE_OK;
}

static int open_root(struct store *s, const char *root, struct err *e)
{
	int r = dir_make_all(root, 0711);

	if (r < 0)
		return err_sys(e, r, "make the store's root '%s'", root);
	s->root = realpath(root, NULL);
	if (!s->root)
		return err_sys(e, -errno, "store's root '%s'", root);
	/* Overlay's option strings have no reliable escape for these over all kernels. */
	if (strpbrk(s->root, ":,\\"))
		return err_set(
			e, -EINVAL,
			"the store's root '%s' holds ':', ',' or '\\', which overlay mounts cannot take: "
			"choose another --root",
			s->root);
	s->root_fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root_fd < 0)
		return err_sys(e, -errno, "open the store's root '%s'", s->root);
	return 0;
}

/*
 * An empty database where content lies is a damaged one, not a new one. The file is made without opening
 * it: closing a descriptor of it would drop the locks that another handle of this process holds.
 */
static int make_file(struct store *s, const char *snapshotter, struct err *e)
{
	struct stat st;
	int r;

	if (fstatat(s->root_fd, "store.db", &st, 0) == 0) {
		if (st.st_size > 0)
			return 0;
		if (faccessat(s->root_fd, "blobs", F_OK, 0) < 0)
			return snapshotter_choose(s, snapshotter, e);
		/* Another process may have made both between the two looks. */
		if (fstatat(s->root_fd, "store.db", &st, 0) == 0 && st.st_size > 0)
			return 0;
		return err_set_code(
			e, -EUCLEAN, ERR_DATA_LOSS,
			"the store's database '%s/store.db' is damaged (it is empty): restore it from a "
			"backup, or move it away and load the images again",
			s->root);
	}
	r = snapshotter_choose(s, snapshotter, e);
	if (r < 0)
		return r;
	if (mknodat(s->root_fd, "store.db", S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "make '%s/store.db'", s->root);
	return 0;
}

static int open_db(struct store *s, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/store.db", s->root);
	int rc;

	if (!path)
		return err_set(e, -ENOMEM, "open the store: out of memory");
	if (sqlite3_initialize() != SQLITE_OK || vfs_register(s) < 0)
		return err_set(e, -ENOMEM, "open the store: out of memory");
	rc = sqlite3_open_v2(path, &s->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			     s->vfs_name);
	if (rc != SQLITE_OK)
		return db_error(s, rc, e);
	sqlite3_busy_handler(s->db, db_wait_busy, s);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_wal_hook(s->db, note_wal_pages, s);
	return 0;
}

int store_make_folders(struct store *s, struct err *e)
{
	static const char *const names[] = { "blobs",	  "blobs/sha256", "ingest",
					     "snapshots", "logs",	  "trash" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (mkdirat(s->root_fd, names[i], 0700) < 0 && errno != EEXIST)
			return err_sys(e, -errno, "make '%s/%s'", s->root, names[i]);
	return 0;
}

static int open_store(struct store *s, const char *root, const char *snapshotter, struct err *e)
{
	int r = open_root(s, root, e);

	if (r >= 0)
		r = make_file(s, snapshotter, e);
	if (r >= 0)
		r = open_db(s, e);
	if (r >= 0)
		r = schema_ensure(s, e);
	if (r >= 0)
		r = snapshotter_read(s, snapshotter, e);
	if (r < 0)
		return r;
	/* SQLite opens with FULL. */
	s->is_durable = true;
	return store_set_durable(s, false, e);
}

int store_open_as(const char *root, const char *snapshotter, struct store **ret, struct err *e)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "open the store: out of memory");
	s->root_fd = -EBADF;
	r = open_store(s, root, snapshotter, e);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int store_open(const char *root, struct store **ret, struct err *e)
{
	return store_open_as(root, NULL, ret, e);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db)
		store_rollback(s);
	for (size_t i = 0; i < STORE_STMTS_MAX; i++)
		sqlite3_finalize(s->stmts[i].st);
	sqlite3_close(s->db);
	vfs_unregister(s);
	fd_closep(&s->root_fd);
	free(s->drops);
	free(s->root);
	free(s);
}

int store_root_fd(const struct store *s)
{
	return s->root_fd;
}

const char *store_root_path(const struct store *s)
{
	return s->root;
}

int store_dir(struct store *s, const char *name)
{
	return dir_open_make_at(s->root_fd, name, 0700);
}

const char *store_boot(struct store *s)
{
	if (!s->boot_id[0] && proc_boot_id(s->boot_id) < 0)
		snprintf(s->boot_id, sizeof(s->boot_id), "unknown");
	return s->boot_id;
}

/* ---- syncs ---- */

uint64_t store_sync_count(const struct store *s)
{
	return s->syncs;
}

int store_fsync(struct store *s, int fd)
{
	s->syncs++;
	return fsync(fd) < 0 ? -errno : 0;
}

static int mark_content_synced(struct store *s, struct err *e)
{
	static const char any_sql[] = "SELECT 1 FROM content WHERE boot=?1 AND stamp<?2 LIMIT 1";
	static const char mark_sql[] = "UPDATE content SET boot='' WHERE boot=?1 AND stamp<?2";
	const char *boot = store_boot(s);
	int64_t one;
	int r = db_get_i64(s, any_sql, ARGS(T(boot), I(s->synced_at_ns)), &one, e);

	if (r <= 0)
		return r;
	r = store_begin(s, e);
	if (r < 0)
		return r;
	return db_end(s, db_run(s, mark_sql, ARGS(T(boot), I(s->synced_at_ns)), e), e);
}

int store_sync(struct store *s, struct err *e)
{
	int64_t began = clock_mono_ns();
	int r;

	s->syncs++;
	if (syncfs(s->root_fd) < 0)
		return err_sys(e, -errno, "sync the store '%s'", s->root);
	s->synced_at_ns = began;
	r = mark_content_synced(s, e);
	if (r >= 0)
		db_checkpoint(s, WAL_PAGES_SOFT);
	return r;
}

/* ---- names ---- */

int check_identifier(const char *id, struct err *e)
{
	const char *p = id;

	if (!id || !*id)
		return err_set(e, -EINVAL, "identifier must not be empty");
	if (strlen(id) > IDENTIFIER_MAX)
		return err_set(e, -EINVAL,
			       "identifier \"%.100s\" greater than maximum length (76 characters)",
			       id);
	for (;;) {
		if (!isalnum((unsigned char)*p))
			break;
		while (isalnum((unsigned char)*p))
			p++;
		if (!*p)
			return 0;
		if (!strchr("._-", *p))
			break;
		p++;
	}
	return err_set(e, -EINVAL,
		       "identifier \"%s\" must match \"^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$\"",
		       id);
}

int check_key(const char *what, const char *key, struct err *e)
{
	if (!key || !*key)
		return err_set(e, -EINVAL, "%s must not be empty", what);
	if (strlen(key) > STORE_KEY_MAX)
		return err_set(e, -EINVAL, "%s '%.60s...' is longer than %d bytes", what, key,
			       STORE_KEY_MAX);
	return 0;
}

int check_digest(const char *digest, struct err *e)
{
	if (digest && digest_is_valid(digest))
		return 0;
	return err_set(e, -EINVAL, "invalid digest '%.150s'", digest ? digest : "");
}
