/*
 * Containers: containerd's record, and beside it our own document. Ids and names are unique in their
 * namespace by the database's own constraints, so that of many processes exactly one wins.
 */
#include "store/internal.h"

#include <ctype.h>

#define BRIEF_COLUMNS \
	"id, name, image, runtime, snapshotter, snapshot_key, created_ns, updated_ns, labels, doc"
/* Behind every character that an id can have. */
#define AFTER_IDS "~"

static int not_found(struct err *e, const char *id)
{
	return err_set(e, -ENOENT, "container \"%s\": not found", id);
}

static int check_id(const char *ns, const char *id, struct err *e)
{
	int r = check_identifier(ns, e);

	return r < 0 ? r : check_identifier(id, e);
}

/* docker's names: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static int check_name(const char *name, struct err *e)
{
	size_t n = strlen(name);
	bool is_ok = n >= 2 && n <= LIMIT_NAME && isalnum((unsigned char)name[0]);

	for (size_t i = 1; i < n && is_ok; i++)
		is_ok = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
	if (is_ok)
		return 0;
	return err_set(
		e, -EINVAL,
		"Invalid container name (%.300s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
		name);
}

static void read_brief(struct db_row *row, void *ret)
{
	struct container_row *c = ret;

	c->id = row_str(row);
	c->name = row_str_null(row);
	c->image = row_str(row);
	c->runtime = row_str(row);
	c->snapshotter = row_str(row);
	c->snapshot_key = row_str(row);
	c->created_ns = row_i64(row);
	c->updated_ns = row_i64(row);
	c->labels = row_labels(row);
	c->doc = row_bytes(row, &c->doc_len);
}

static void read_whole(struct db_row *row, void *ret)
{
	struct container_row *c = ret;

	read_brief(row, ret);
	c->spec = row_bytes(row, &c->spec_len);
}

/* ---- create and update ---- */

static const char *text(const char *s)
{
	return s ? s : "";
}

/* Which of the two unique things was taken decides the words. */
static int conflict(struct store *s, const char *ns, const struct container_row *row, struct err *e)
{
	static const char sql[] = "SELECT id FROM containers WHERE ns=?1 AND name=?2 AND id<>?3";
	AUTO_STMT *st = NULL;

	if (row->name && db_query(s, sql, ARGS(T(ns), T(row->name), T(row->id)), &st, NULL) >= 0 &&
	    db_step(s, st, NULL) > 0)
		return err_set(
			e, -EEXIST,
			"Conflict. The container name \"/%s\" is already in use by container \"%s\". You have "
			"to remove (or rename) that container to be able to reuse that name.",
			row->name, (const char *)sqlite3_column_text(st, 0));
	return err_set(e, -EEXIST, "container \"%s\": already exists", row->id);
}

static int write_row(struct store *s, const char *sql, const char *ns,
		     const struct container_row *row, const char *labels, struct err *e)
{
	int64_t now = clock_wall_ns();
	int r = db_run(s, sql,
		       ARGS(T(ns), T(row->id), T(row->name), T(text(row->image)),
			    T(text(row->runtime)), T(text(row->snapshotter)),
			    T(text(row->snapshot_key)), I(row->created_ns ? row->created_ns : now),
			    I(now), T(labels), B(row->doc, row->doc_len),
			    B(row->spec, row->spec_len)),
		       e);

	if (r == -EEXIST)
		return conflict(s, ns, row, e);
	return r == 0 ? not_found(e, row->id) : r;
}

static int put(struct store *s, const char *sql, const char *ns, const struct container_row *row,
	       struct err *e)
{
	AUTO_FREE char *labels = NULL;
	int r = check_id(ns, row->id, e);

	if (r >= 0 && row->name)
		r = check_name(row->name, e);
	if (r >= 0)
		r = labels_text(&row->labels, &labels, e);
	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, write_row(s, sql, ns, row, labels, e), e);
}

int store_container_create(struct store *s, const char *ns, const struct container_row *row,
			   struct err *e)
{
	static const char sql[] =
		"INSERT INTO containers(ns, id, name, image, runtime, snapshotter, snapshot_key, created_ns,"
		" updated_ns, labels, doc, spec) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

	return put(s, sql, ns, row, e);
}

int store_container_update(struct store *s, const char *ns, const struct container_row *row,
			   struct err *e)
{
	/* ?8, the creation's time, stays what it is. */
	static const char sql[] =
		"UPDATE containers SET name=?3, image=?4, runtime=?5, snapshotter=?6, snapshot_key=?7,"
		" updated_ns=?9, labels=?10, doc=?11, spec=?12 WHERE ns=?1 AND id=?2 AND ?8=?8";

	return put(s, sql, ns, row, e);
}

/* ---- read ---- */

int store_container_get(struct store *s, const char *ns, const char *id, struct arena *a,
			struct container_row *ret, struct err *e)
{
	static const char sql[] = "SELECT " BRIEF_COLUMNS
				  ", spec FROM containers WHERE ns=?1 AND id=?2";
	struct container_row row = { 0 };
	int r = check_id(ns, id, e);

	if (r < 0)
		return r;
	r = db_read(s, sql, ARGS(T(ns), T(id)), read_whole, a, &row, e);
	if (r <= 0)
		return r < 0 ? r : not_found(e, id);
	*ret = row;
	return 0;
}

static int find_by_prefix(struct store *s, const char *ns, const char *what, struct arena *a,
			  struct container_row **ret, size_t *ret_n, struct err *e)
{
	static const char sql[] = "SELECT " BRIEF_COLUMNS ", spec FROM containers"
				  " WHERE ns=?1 AND id>=?2 AND id<?2||'" AFTER_IDS "' LIMIT 2";

	return db_list(s, sql, ARGS(T(ns), T(what)), read_whole, sizeof(**ret), a, ret, ret_n, e);
}

/* docker's order: the full id, then the name, then the start of an id. */
int store_container_find(struct store *s, const char *ns, const char *what, struct arena *a,
			 struct container_row *ret, struct err *e)
{
	static const char id_sql[] = "SELECT " BRIEF_COLUMNS
				     ", spec FROM containers WHERE ns=?1 AND id=?2";
	static const char name_sql[] = "SELECT " BRIEF_COLUMNS
				       ", spec FROM containers WHERE ns=?1 AND name=?2";
	const char *name = what && *what == '/' ? what + 1 : what;
	struct container_row row = { 0 }, *rows;
	size_t n = 0;
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = check_key("container", name, e);
	if (r < 0)
		return r;
	r = db_read(s, id_sql, ARGS(T(ns), T(what)), read_whole, a, &row, e);
	if (r == 0)
		r = db_read(s, name_sql, ARGS(T(ns), T(name)), read_whole, a, &row, e);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret = row;
		return 0;
	}
	r = find_by_prefix(s, ns, what, a, &rows, &n, e);
	if (r < 0)
		return r;
	if (n == 0)
		return err_set(e, -ENOENT, "No such container: %s", what);
	if (n > 1)
		return err_set(e, -EINVAL, "multiple IDs found with provided prefix: %s", what);
	*ret = rows[0];
	return 0;
}

int store_container_list(struct store *s, const char *ns, struct arena *a,
			 struct container_row **ret, size_t *ret_n, struct err *e)
{
	static const char sql[] =
		"SELECT " BRIEF_COLUMNS
		", CASE WHEN doc IS NULL THEN spec END FROM containers WHERE ns=?1 ORDER BY created_ns, id";
	int r = check_identifier(ns, e);

	return r < 0 ? r
		     : db_list(s, sql, ARGS(T(ns)), read_whole, sizeof(**ret), a, ret, ret_n, e);
}

int store_container_delete(struct store *s, const char *ns, const char *id, struct err *e)
{
	static const char sql[] = "DELETE FROM containers WHERE ns=?1 AND id=?2";
	int r = check_id(ns, id, e);

	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(ns), T(id)), e);
	return db_end(s, r == 0 ? not_found(e, id) : r, e);
}
