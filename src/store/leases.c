/*
 * Leases: roots of the collection with an end. An expired lease protects nothing; gc removes it.
 */
#include "store/internal.h"

static int check_names(const char *ns, const char *id, struct err *e)
{
	int r = check_identifier(ns, e);

	return r < 0 ? r : check_key("lease id", id, e);
}

static int not_found(struct err *e, const char *id)
{
	return err_set(e, -ENOENT, "lease \"%s\": not found", id);
}

int store_lease_create(struct store *s, const char *ns, const char *id, int64_t expires_ns,
		       struct err *e)
{
	return store_lease_create_labelled(s, ns, id, expires_ns, NULL, e);
}

int store_lease_create_labelled(struct store *s, const char *ns, const char *id, int64_t expires_ns,
				const struct json_map *labels, struct err *e)
{
	static const char sql[] =
		"INSERT INTO leases(ns, id, created_ns, expires_ns, labels) VALUES(?1, ?2, ?3, ?4, ?5)";
	AUTO_FREE char *text = NULL;
	int r = check_names(ns, id, e);

	if (r >= 0)
		r = labels_text(labels, &text, e);
	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(ns), T(id), I(clock_wall_ns()), I(expires_ns), T(text)), e);
	if (r == -EEXIST)
		err_set(e, r, "lease \"%s\": already exists", id);
	return db_end(s, r, e);
}

static int check_there(struct store *s, const char *ns, const char *id, struct err *e)
{
	static const char sql[] = "SELECT 1 FROM leases WHERE ns=?1 AND id=?2";
	int64_t one;
	int r = db_get_i64(s, sql, ARGS(T(ns), T(id)), &one, e);

	return r == 0 ? not_found(e, id) : MIN(r, 0);
}

static void read_lease(struct db_row *row, void *ret)
{
	struct lease_row *l = ret;

	l->id = row_str(row);
	l->created_ns = row_i64(row);
	l->expires_ns = row_i64(row);
	l->labels = row_labels(row);
}

int store_lease_list(struct store *s, const char *ns, struct arena *a, struct lease_row **ret,
		     size_t *ret_n, struct err *e)
{
	static const char sql[] =
		"SELECT id, created_ns, expires_ns, labels FROM leases WHERE ns=?1 ORDER BY id";
	int r = check_identifier(ns, e);

	return r < 0 ? r
		     : db_list(s, sql, ARGS(T(ns)), read_lease, sizeof(**ret), a, ret, ret_n, e);
}

static void read_item(struct db_row *row, void *ret)
{
	struct lease_item *i = ret;

	i->type = row_str(row);
	i->resource = row_str(row);
}

int store_lease_items(struct store *s, const char *ns, const char *id, struct arena *a,
		      struct lease_item **ret, size_t *ret_n, struct err *e)
{
	static const char sql[] = "SELECT type, resource FROM lease_items WHERE ns=?1 AND lease=?2"
				  " ORDER BY type, resource";
	int r = check_names(ns, id, e);

	if (r >= 0)
		r = check_there(s, ns, id, e);
	if (r < 0)
		return r;
	return db_list(s, sql, ARGS(T(ns), T(id)), read_item, sizeof(**ret), a, ret, ret_n, e);
}

static int add(struct store *s, const char *ns, const char *id, const char *type,
	       const char *resource, struct err *e)
{
	static const char add_sql[] = "INSERT OR IGNORE INTO lease_items(ns, lease, type, resource)"
				      " VALUES(?1, ?2, ?3, ?4)";
	int r = check_there(s, ns, id, e);

	return r < 0 ? r : db_run(s, add_sql, ARGS(T(ns), T(id), T(type), T(resource)), e);
}

int store_lease_add(struct store *s, const char *ns, const char *id, const char *type,
		    const char *resource, struct err *e)
{
	int r = check_names(ns, id, e);

	if (r >= 0)
		r = check_key("lease resource", resource, e);
	if (r >= 0 && !streq(type, "content") && !streq(type, store_snapshot_type(s)))
		r = err_set(e, -EOPNOTSUPP, "lease resource type \"%s\" is not supported", type);
	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, add(s, ns, id, type, resource, e), e);
}

static int remove_item(struct store *s, const char *ns, const char *id, const char *type,
		       const char *resource, struct err *e)
{
	static const char sql[] =
		"DELETE FROM lease_items WHERE ns=?1 AND lease=?2 AND type=?3 AND resource=?4";
	int r = check_there(s, ns, id, e);

	return r < 0 ? r : db_run(s, sql, ARGS(T(ns), T(id), T(type), T(resource)), e);
}

int store_lease_remove(struct store *s, const char *ns, const char *id, const char *type,
		       const char *resource, struct err *e)
{
	int r = check_names(ns, id, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, remove_item(s, ns, id, type, resource, e), e);
}

static int delete (struct store *s, const char *ns, const char *id, struct err *e)
{
	static const char items_sql[] = "DELETE FROM lease_items WHERE ns=?1 AND lease=?2";
	static const char lease_sql[] = "DELETE FROM leases WHERE ns=?1 AND id=?2";
	int r = db_run(s, lease_sql, ARGS(T(ns), T(id)), e);

	if (r <= 0)
		return r < 0 ? r : not_found(e, id);
	return db_run(s, items_sql, ARGS(T(ns), T(id)), e);
}

int store_lease_delete(struct store *s, const char *ns, const char *id, struct err *e)
{
	int r = check_names(ns, id, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, delete (s, ns, id, e), e);
}
