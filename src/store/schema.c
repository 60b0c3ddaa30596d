/*
 * The schema and its versions. PRAGMA user_version is major * 1000 + minor: it lies in the database's
 * first page, is read without parsing the schema, and changes in the transaction that changes the tables.
 *
 * A minor step only adds (tables, columns with defaults, indexes), so that older programs of the same
 * major go on working with the database; a new major is refused by them.
 */
#include "store/internal.h"

#include <stdio.h>

/* "CRTN": tells `file` and us whose database it is. */
#define APPLICATION_ID 0x4352544e

/*
 * Tables without rowid where rows are small and the key is the way in: one b-tree instead of two, and
 * less to write per transaction. `boot` is the boot in which a blob or snapshot was written and not yet
 * synced, '' once it was; `stamp` the monotonic time of that writing.
 */
static const char schema_1_0[] =
	"CREATE TABLE namespaces(name TEXT PRIMARY KEY, labels TEXT NOT NULL DEFAULT '') WITHOUT ROWID;"
	"CREATE TABLE content(digest TEXT NOT NULL, ns TEXT NOT NULL, size INTEGER NOT NULL,"
	" created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, boot TEXT NOT NULL, stamp INTEGER NOT NULL,"
	" labels TEXT NOT NULL, PRIMARY KEY(digest, ns)) WITHOUT ROWID;"
	"CREATE TABLE images(ns TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,"
	" size INTEGER NOT NULL, created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, labels TEXT NOT NULL,"
	" PRIMARY KEY(ns, name)) WITHOUT ROWID;"
	"CREATE TABLE records(digest TEXT PRIMARY KEY, json TEXT NOT NULL);"
	"CREATE TABLE snapshots(id INTEGER PRIMARY KEY AUTOINCREMENT, ns TEXT NOT NULL, key TEXT NOT NULL,"
	" parent INTEGER NOT NULL, kind INTEGER NOT NULL, boot TEXT NOT NULL, stamp INTEGER NOT NULL,"
	" created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, size INTEGER NOT NULL DEFAULT 0,"
	" inodes INTEGER NOT NULL DEFAULT 0, labels TEXT NOT NULL, UNIQUE(ns, key));"
	"CREATE INDEX snapshots_parent ON snapshots(parent);"
	"CREATE TABLE containers(ns TEXT NOT NULL, id TEXT NOT NULL, name TEXT, image TEXT NOT NULL,"
	" runtime TEXT NOT NULL, snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL,"
	" created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, labels TEXT NOT NULL, doc BLOB, spec BLOB,"
	" UNIQUE(ns, id), UNIQUE(ns, name));"
	"CREATE TABLE intents(id INTEGER PRIMARY KEY, ns TEXT NOT NULL, object TEXT NOT NULL, verb TEXT NOT NULL,"
	" owner_pid INTEGER NOT NULL, owner_start INTEGER NOT NULL, boot TEXT NOT NULL, stamp INTEGER NOT NULL,"
	" data TEXT NOT NULL);"
	"CREATE TABLE events(seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, ns TEXT NOT NULL,"
	" topic TEXT NOT NULL, json TEXT NOT NULL);"
	"CREATE TABLE leases(ns TEXT NOT NULL, id TEXT NOT NULL, created_ns INTEGER NOT NULL,"
	" expires_ns INTEGER NOT NULL, labels TEXT NOT NULL DEFAULT '', PRIMARY KEY(ns, id)) WITHOUT ROWID;"
	"CREATE TABLE lease_items(ns TEXT NOT NULL, lease TEXT NOT NULL, type TEXT NOT NULL,"
	" resource TEXT NOT NULL, PRIMARY KEY(ns, lease, type, resource)) WITHOUT ROWID;";

/* What a committed snapshot's folder is (tree.c), '' where nobody looked. */
static const char schema_1_1[] = "ALTER TABLE snapshots ADD COLUMN tree TEXT NOT NULL DEFAULT ''";

static const struct schema_step steps_known[] = {
	{ 1, 0, schema_1_0 },
	{ 1, 1, schema_1_1 },
};

static int exec(struct store *s, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(s, rc, e);
}

static int read_version(struct store *s, int64_t *ret, struct err *e)
{
	static const char sql[] = "PRAGMA user_version";

	*ret = 0;
	return db_get_i64(s, sql, ARGS(), ret, e);
}

static int check_version(struct store *s, int64_t version, const struct schema_step *newest,
			 struct err *e)
{
	if (version / 1000 <= newest->major)
		return 0;
	return err_set_code(
		e, -EPROTONOSUPPORT, ERR_FAILED_PRECONDITION,
		"the store '%s' was written by a newer corten (schema %lld.%lld, this one knows %d.x): "
		"use that version, or another --root",
		s->root, (long long)(version / 1000), (long long)(version % 1000), newest->major);
}

static int apply_steps(struct store *s, const struct schema_step *steps, size_t n, struct err *e)
{
	char sql[96];
	int64_t version;
	int r = read_version(s, &version, e);

	/* Read again under the lock: another process may have been faster. */
	if (r >= 0)
		r = check_version(s, version, &steps[n - 1], e);
	for (size_t i = 0; i < n && r >= 0; i++)
		if (steps[i].major * 1000 + steps[i].minor > version)
			r = exec(s, steps[i].sql, e);
	if (r < 0)
		return r;
	if (steps[n - 1].major * 1000 + steps[n - 1].minor <= version)
		return 0;
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d; PRAGMA application_id=%d",
		 steps[n - 1].major * 1000 + steps[n - 1].minor, APPLICATION_ID);
	return exec(s, sql, e);
}

int schema_upgrade(struct store *s, const struct schema_step *steps, size_t n, struct err *e)
{
	int r = store_begin(s, e);

	if (r < 0)
		return r;
	r = db_end(s, apply_steps(s, steps, n, e), e);
	return r < 0 ? err_wrap(e, r, "schema") : 0;
}

/*
 * The switch to WAL is remembered in the file. It needs the file alone for a moment and does not wait by
 * itself, so processes that make the same new store at once take turns here.
 * Small pages: a transaction writes whole pages to the WAL, and an open without other users reads it whole.
 */
static int switch_to_wal(struct store *s, struct err *e)
{
	int r, tries = 0;

	do {
		sqlite3_exec(s->db, "PRAGMA page_size=1024", NULL, NULL, NULL);
		r = exec(s, "PRAGMA journal_mode=WAL", e);
		if (r == -EAGAIN)
			sqlite3_sleep(2);
	} while (r == -EAGAIN && ++tries < STORE_BUSY_MS / 2);
	return r;
}

/*
 * The folders come after the file stopped being empty and before its first version: killed anywhere here,
 * the next open finds version 0 and does it all again.
 */
int schema_ensure(struct store *s, struct err *e)
{
	const struct schema_step *newest = &steps_known[ARRAY_LEN(steps_known) - 1];
	int64_t version;
	int r = read_version(s, &version, e);

	if (r < 0)
		return r;
	if (version >= newest->major * 1000 + newest->minor)
		return check_version(s, version, newest, e);
	if (version == 0) {
		r = switch_to_wal(s, e);
		if (r >= 0)
			r = store_make_folders(s, e);
		if (r < 0)
			return r;
	}
	return schema_upgrade(s, steps_known, ARRAY_LEN(steps_known), e);
}
