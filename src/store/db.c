/*
 * Statements, rows and transactions over SQLite, and its errors in our words.
 */
#include "store/internal.h"

#include <stdio.h>

#include "base/clock.h"

static const struct {
	int rc;
	int errnum;
	const char *words; /* NULL: SQLite's own are fine */
} sqlite_errors[] = {
	{ SQLITE_BUSY, EAGAIN, "another process has held it for more than 10 s" },
	{ SQLITE_LOCKED, EAGAIN, NULL },
	{ SQLITE_NOMEM, ENOMEM, NULL },
	{ SQLITE_FULL, ENOSPC, "the disk is full" },
	{ SQLITE_IOERR, EIO, NULL },
	{ SQLITE_READONLY, EROFS, NULL },
	{ SQLITE_PERM, EACCES, NULL },
	{ SQLITE_CANTOPEN, EACCES, NULL },
	{ SQLITE_TOOBIG, EFBIG, NULL },
	{ SQLITE_CONSTRAINT, EEXIST, NULL },
	{ SQLITE_INTERRUPT, ECANCELED, NULL },
};

static int damaged(struct store *s, int rc, struct err *e)
{
	return err_set_code(
		e, -EUCLEAN, ERR_DATA_LOSS,
		"the store's database '%s/store.db' is damaged (%s): restore it from a backup, or move "
		"it and store.db-wal away and load the images again",
		s->root, sqlite3_errstr(rc));
}

int db_error(struct store *s, int rc, struct err *e)
{
	int primary = rc & 0xff, sys = s->db ? sqlite3_system_errno(s->db) : 0;

	if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
		return damaged(s, rc, e);
	for (size_t i = 0; i < ARRAY_LEN(sqlite_errors); i++) {
		int r = -sqlite_errors[i].errnum;

		if (sqlite_errors[i].rc != primary)
			continue;
		/* The system's own errno says more than "I/O error" or "unable to open". */
		if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && sys > 0)
			return err_sys(e, -sys, "store '%s/store.db': %s", s->root,
				       sqlite3_errstr(rc));
		return err_set(e, r, "store '%s/store.db': %s", s->root,
			       sqlite_errors[i].words
				       ? sqlite_errors[i].words
				       : (s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc)));
	}
	return err_set_code(e, -EIO, ERR_INTERNAL, "store '%s/store.db': %s", s->root,
			    s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
}

/* ---- statements ---- */

static struct store_stmt *find_slot(struct store *s, const char *sql)
{
	size_t at = ((uintptr_t)sql >> 4) * 0x9e3779b1u;

	for (size_t i = 0; i < STORE_STMTS_MAX; i++) {
		struct store_stmt *slot = &s->stmts[(at + i) % STORE_STMTS_MAX];

		if (!slot->sql || slot->sql == sql)
			return slot;
	}
	ASSERT(!"the statement cache is full");
	return NULL;
}

static int bind(sqlite3_stmt *st, int at, const struct db_arg *arg)
{
	switch (arg->kind) {
	case DB_TEXT:
		return arg->p ? sqlite3_bind_text(st, at, arg->p, -1, SQLITE_STATIC)
			      : sqlite3_bind_null(st, at);
	case DB_BLOB:
		return arg->p ? sqlite3_bind_blob64(st, at, arg->p, (sqlite3_uint64)arg->i,
						    SQLITE_STATIC)
			      : sqlite3_bind_null(st, at);
	case DB_INT:
		break;
	}
	return sqlite3_bind_int64(st, at, arg->i);
}

int db_query(struct store *s, const char *sql, struct db_args args, sqlite3_stmt **ret,
	     struct err *e)
{
	struct store_stmt *slot = find_slot(s, sql);
	int rc;

	if (!slot->st) {
		rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->st, NULL);
		if (rc != SQLITE_OK)
			return db_error(s, rc, e);
		slot->sql = sql;
	}
	ASSERT(!sqlite3_stmt_busy(slot->st));
	for (size_t i = 0; i < args.n; i++) {
		rc = bind(slot->st, (int)i + 1, &args.v[i]);
		if (rc != SQLITE_OK) {
			sqlite3_clear_bindings(slot->st);
			return db_error(s, rc, e);
		}
	}
	*ret = slot->st;
	return 0;
}

int db_step(struct store *s, sqlite3_stmt *st, struct err *e)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_error(s, rc, e);
}

int db_run(struct store *s, const char *sql, struct db_args args, struct err *e)
{
	AUTO_STMT *st = NULL;
	int r = db_query(s, sql, args, &st, e);

	while (r >= 0) {
		r = db_step(s, st, e);
		if (r == 0)
			return sqlite3_changes(s->db);
	}
	return r;
}

int db_get_i64(struct store *s, const char *sql, struct db_args args, int64_t *ret, struct err *e)
{
	AUTO_STMT *st = NULL;
	int r = db_query(s, sql, args, &st, e);

	if (r < 0)
		return r;
	r = db_step(s, st, e);
	if (r > 0)
		*ret = sqlite3_column_int64(st, 0);
	return r;
}

/* ---- rows ---- */

const char *row_bytes(struct db_row *row, size_t *ret_len)
{
	int col = row->col++;
	const void *p = sqlite3_column_blob(row->st, col);
	int len = sqlite3_column_bytes(row->st, col);
	char *copy;

	if (ret_len)
		*ret_len = (size_t)len;
	if (!p && sqlite3_column_type(row->st, col) == SQLITE_NULL)
		return NULL;
	copy = arena_strndup(row->a, p ? p : "", (size_t)len);
	if (!copy && row->r == 0)
		row->r = err_set(row->e, -ENOMEM, "the store's answer does not fit into memory");
	return copy;
}

const char *row_str_null(struct db_row *row)
{
	return row_bytes(row, NULL);
}

const char *row_str(struct db_row *row)
{
	const char *p = row_bytes(row, NULL);

	return p ? p : "";
}

int64_t row_i64(struct db_row *row)
{
	return sqlite3_column_int64(row->st, row->col++);
}

struct json_map row_labels(struct db_row *row)
{
	int col = row->col++;
	const char *p = sqlite3_column_blob(row->st, col);
	int len = sqlite3_column_bytes(row->st, col);
	struct json_map map = { NULL, 0 };
	int r;

	if (len == 0 || row->r < 0)
		return map;
	r = p ? json_read_map(p, (size_t)len, NULL, row->a, &map, row->e) : -ENOMEM;
	if (r < 0)
		row->r = err_wrap(row->e, r, "labels in the store");
	return map;
}

int db_read(struct store *s, const char *sql, struct db_args args, db_read_fn read, struct arena *a,
	    void *ret, struct err *e)
{
	AUTO_STMT *st = NULL;
	struct db_row row = { .a = a, .e = e };
	int r = db_query(s, sql, args, &st, e);

	if (r < 0)
		return r;
	r = db_step(s, st, e);
	if (r <= 0)
		return r;
	row.st = st;
	read(&row, ret);
	return row.r < 0 ? row.r : 1;
}

int db_list(struct store *s, const char *sql, struct db_args args, db_read_fn read, size_t size,
	    struct arena *a, void *ret, size_t *ret_n, struct err *e)
{
	AUTO_STMT *st = NULL;
	AUTO_FREE char *v = NULL;
	size_t n = 0, cap = 0;
	void *copy;
	int r = db_query(s, sql, args, &st, e);

	while (r >= 0 && (r = db_step(s, st, e)) > 0) {
		struct db_row row = { .st = st, .a = a, .e = e };

		r = mem_grow(&v, &cap, n + 1, size);
		if (r < 0)
			return err_set(e, r, "the store's answer does not fit into memory");
		memset(v + n * size, 0, size);
		read(&row, v + n * size);
		r = row.r;
		n++;
	}
	if (r < 0)
		return r;
	copy = arena_calloc(a, n, size);
	if (!copy)
		return err_set(e, -ENOMEM, "the store's answer does not fit into memory");
	if (n > 0)
		memcpy(copy, v, n * size);
	*(void **)ret = copy;
	*ret_n = n;
	return 0;
}

/* ---- transactions ---- */

static int run_plain(struct store *s, const char *sql, struct err *e)
{
	int r = db_run(s, sql, (struct db_args){ NULL, 0 }, e);

	return r < 0 ? r : 0;
}

static const char begin_sql[] = "BEGIN IMMEDIATE";
static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";

int store_begin(struct store *s, struct err *e)
{
	ASSERT(s->depth < STORE_DEPTH_MAX);
	if (s->depth == 0) {
		int r = run_plain(s, begin_sql, e);

		if (r < 0)
			return r;
		s->is_doomed = false;
	}
	s->changes[s->depth++] = sqlite3_total_changes64(s->db);
	return 0;
}

static void forget_drops(struct store *s)
{
	for (size_t i = 0; i < s->drops_n; i++)
		free(s->drops[i].digest);
	s->drops_n = 0;
}

/* Ends the outermost level without effect. SQLite may have ended it itself (disk full, I/O error). */
static void take_back(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		run_plain(s, rollback_sql, NULL);
	s->depth = 0;
	s->is_doomed = false;
	forget_drops(s);
}

void store_rollback(struct store *s)
{
	if (s->depth == 0)
		return;
	if (s->depth == 1) {
		take_back(s);
		return;
	}
	s->depth--;
	if (sqlite3_total_changes64(s->db) != s->changes[s->depth])
		s->is_doomed = true;
}

static void run_drops(struct store *s);

int store_commit(struct store *s, struct err *e)
{
	int r;

	ASSERT(s->depth > 0);
	if (s->depth > 1) {
		s->depth--;
		return 0;
	}
	if (s->is_doomed || sqlite3_get_autocommit(s->db)) {
		take_back(s);
		return err_set(e, -ECANCELED,
			       "store: a part of the transaction failed, nothing of it was kept");
	}
	r = run_plain(s, commit_sql, e);
	if (r < 0) {
		take_back(s);
		return r;
	}
	s->depth = 0;
	run_drops(s);
	db_checkpoint(s, WAL_PAGES_HARD);
	return 0;
}

int db_end(struct store *s, int r, struct err *e)
{
	if (r >= 0)
		return store_commit(s, e);
	store_rollback(s);
	return r;
}

void db_checkpoint(struct store *s, int pages)
{
	if (s->depth > 0 || s->wal_pages < pages)
		return;
	/*
	 * TRUNCATE, because the next open without other users reads the WAL whole, copied or not. Without a busy
	 * handler it does what it can at once. A failure loses nothing: the next one who comes does it.
	 */
	sqlite3_busy_handler(s->db, NULL, NULL);
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_handler(s->db, db_wait_busy, s);
	s->wal_pages = 0;
}

int store_set_durable(struct store *s, bool is_on, struct err *e)
{
	static const char full_sql[] = "PRAGMA synchronous=FULL";
	static const char normal_sql[] = "PRAGMA synchronous=NORMAL";
	int r;

	if (s->is_durable == is_on)
		return 0;
	if (s->depth > 0)
		return err_set(e, -EBUSY, "store: durability cannot change inside a transaction");
	r = run_plain(s, is_on ? full_sql : normal_sql, e);
	if (r < 0)
		return r;
	s->is_durable = is_on;
	return 0;
}

/* ---- files that go after the commit ---- */

static int add_drop(struct store *s, char *digest, int64_t id)
{
	int r = mem_grow(&s->drops, &s->drops_cap, s->drops_n + 1, sizeof(*s->drops));

	if (r < 0) {
		free(digest);
		return r;
	}
	s->drops[s->drops_n++] = (struct store_drop){ digest, id };
	return 0;
}

int db_drop_blob(struct store *s, const char *digest)
{
	char *copy = strdup(digest);

	return copy ? add_drop(s, copy, 0) : -ENOMEM;
}

int db_drop_snapshot(struct store *s, int64_t id)
{
	return add_drop(s, NULL, id);
}

static void drop_snapshot(struct store *s, int64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), "snapshots/%lld", (long long)id);
	trash_at(s, s->root_fd, path);
}

/* Under the write lock: another process may have written a row for the same blob meanwhile. */
static void drop_blob(struct store *s, const char *digest)
{
	static const char sql[] = "SELECT 1 FROM content WHERE digest=?1";
	char path[BLOB_PATH_MAX];
	int64_t one;

	if (db_get_i64(s, sql, ARGS(T(digest)), &one, NULL) == 0)
		trash_at(s, s->root_fd, blob_path(digest, path));
}

/*
 * Rows first, then files: a kill in between leaves files without rows, which gc_files finds; the other
 * order would leave rows without files. Failures are left to gc_files too.
 */
static void run_drops(struct store *s)
{
	bool has_lock = false;

	for (size_t i = 0; i < s->drops_n; i++) {
		if (!s->drops[i].digest) {
			drop_snapshot(s, s->drops[i].id);
			continue;
		}
		if (!has_lock && run_plain(s, begin_sql, NULL) < 0)
			break;
		has_lock = true;
		drop_blob(s, s->drops[i].digest);
	}
	if (has_lock)
		run_plain(s, rollback_sql, NULL);
	forget_drops(s);
}
