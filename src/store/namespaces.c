/* Namespaces: containerd's, with labels. The command line's own is made by whoever comes first. */
#include "store/internal.h"

#include <stdio.h>

static void read_name(struct db_row *row, void *ret)
{
	*(const char **)ret = row_str(row);
}

static void read_labels(struct db_row *row, void *ret)
{
	*(struct json_map *)ret = row_labels(row);
}

static int not_found(struct err *e, const char *ns)
{
	return err_set(e, -ENOENT, "namespace \"%s\": not found", ns);
}

int store_namespace_ensure(struct store *s, const char *ns, struct err *e)
{
	static const char get_sql[] = "SELECT 1 FROM namespaces WHERE name=?1";
	static const char add_sql[] = "INSERT OR IGNORE INTO namespaces(name) VALUES(?1)";
	int64_t one;
	int r = check_identifier(ns, e);

	if (r < 0)
		return r;
	r = db_get_i64(s, get_sql, ARGS(T(ns)), &one, e);
	if (r != 0)
		return r < 0 ? r : 0;
	r = store_begin(s, e);
	if (r < 0)
		return r;
	return db_end(s, db_run(s, add_sql, ARGS(T(ns)), e), e);
}

int store_namespace_list(struct store *s, struct arena *a, struct json_strs *ret, struct err *e)
{
	static const char sql[] = "SELECT name FROM namespaces ORDER BY name";

	return db_list(s, sql, ARGS(), read_name, sizeof(char *), a, &ret->v, &ret->n, e);
}

int store_namespace_create(struct store *s, const char *ns, const struct json_map *labels,
			   struct err *e)
{
	static const char sql[] = "INSERT INTO namespaces(name, labels) VALUES(?1, ?2)";
	AUTO_FREE char *text = NULL;
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = labels_text(labels, &text, e);
	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(ns), T(text)), e);
	if (r == -EEXIST)
		err_set(e, r, "namespace \"%s\": already exists", ns);
	return db_end(s, r, e);
}

int store_namespace_labels(struct store *s, const char *ns, struct arena *a, struct json_map *ret,
			   struct err *e)
{
	static const char sql[] = "SELECT labels FROM namespaces WHERE name=?1";
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = db_read(s, sql, ARGS(T(ns)), read_labels, a, ret, e);
	return r == 0 ? not_found(e, ns) : MIN(r, 0);
}

static int update(struct store *s, const char *ns, const struct label_update *u, struct arena *a,
		  struct err *e)
{
	static const char sql[] = "UPDATE namespaces SET labels=?2 WHERE name=?1";
	AUTO_FREE char *text = NULL;
	struct json_map old;
	int r = store_namespace_labels(s, ns, a, &old, e);

	if (r >= 0)
		r = labels_change(u, &old, a, &text, e);
	return r < 0 ? r : db_run(s, sql, ARGS(T(ns), T(text)), e);
}

int store_namespace_update(struct store *s, const char *ns, const struct label_update *u,
			   struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	int r = store_begin(s, e);

	return r < 0 ? r : db_end(s, update(s, ns, u, &a, e), e);
}

/* containerd's words, and its order of kinds. */
static int check_empty(struct store *s, const char *ns, struct err *e)
{
	static const char images_sql[] = "SELECT 1 FROM images WHERE ns=?1 LIMIT 1";
	static const char blobs_sql[] = "SELECT 1 FROM content WHERE ns=?1 LIMIT 1";
	static const char containers_sql[] = "SELECT 1 FROM containers WHERE ns=?1 LIMIT 1";
	static const char snapshots_sql[] = "SELECT 1 FROM snapshots WHERE ns=?1 LIMIT 1";
	const struct {
		const char *sql, *what;
	} rows[] = {
		{ images_sql, "images" },
		{ blobs_sql, "blobs" },
		{ containers_sql, "containers" },
		{ snapshots_sql, "snapshots" },
	};
	char found[64] = "";
	int64_t one;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = db_get_i64(s, rows[i].sql, ARGS(T(ns)), &one, e);

		if (r < 0)
			return r;
		if (r > 0) {
			size_t len = strlen(found);

			snprintf(found + len, sizeof(found) - len, "%s%s", len ? ", " : "",
				 rows[i].what);
		}
	}
	if (!*found)
		return 0;
	return err_set_code(
		e, -EBUSY, ERR_FAILED_PRECONDITION,
		"namespace \"%s\" must be empty, but it still has %s: failed precondition", ns,
		found);
}

static int delete_row(struct store *s, const char *ns, struct err *e)
{
	static const char sql[] = "DELETE FROM namespaces WHERE name=?1";
	static const char leases_sql[] = "DELETE FROM leases WHERE ns=?1";
	static const char items_sql[] = "DELETE FROM lease_items WHERE ns=?1";
	int r = check_empty(s, ns, e);

	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(ns)), e);
	if (r <= 0)
		return r < 0 ? r : not_found(e, ns);
	r = db_run(s, leases_sql, ARGS(T(ns)), e);
	return r < 0 ? r : db_run(s, items_sql, ARGS(T(ns)), e);
}

int store_namespace_delete(struct store *s, const char *ns, struct err *e)
{
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, delete_row(s, ns, e), e);
}
