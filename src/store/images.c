/*
 * Images: names that point at content, and the normalised records of manifests.
 */
#include "store/internal.h"

static int not_found(struct err *e, const char *name)
{
	return err_set(e, -ENOENT, "image \"%s\": not found", name);
}

static int check_names(const char *ns, const char *name, struct err *e)
{
	int r = check_identifier(ns, e);

	return r < 0 ? r : check_key("image name", name, e);
}

static void read_image(struct db_row *row, void *ret)
{
	struct image_row *i = ret;

	i->name = row_str(row);
	i->digest = row_str(row);
	i->media_type = row_str(row);
	i->size = row_i64(row);
	i->created_ns = row_i64(row);
	i->updated_ns = row_i64(row);
	i->labels = row_labels(row);
}

int store_image_get(struct store *s, const char *ns, const char *name, struct arena *a,
		    struct image_row *ret, struct err *e)
{
	static const char sql[] =
		"SELECT name, digest, media_type, size, created_ns, updated_ns, labels"
		" FROM images WHERE ns=?1 AND name=?2";
	struct image_row row = { 0 };
	int r = check_names(ns, name, e);

	if (r < 0)
		return r;
	r = db_read(s, sql, ARGS(T(ns), T(name)), read_image, a, &row, e);
	if (r <= 0)
		return r < 0 ? r : not_found(e, name);
	*ret = row;
	return 0;
}

int store_image_list(struct store *s, const char *ns, struct arena *a, struct image_row **ret,
		     size_t *ret_n, struct err *e)
{
	static const char sql[] =
		"SELECT name, digest, media_type, size, created_ns, updated_ns, labels"
		" FROM images WHERE ns=?1 ORDER BY name";
	int r = check_identifier(ns, e);

	return r < 0 ? r
		     : db_list(s, sql, ARGS(T(ns)), read_image, sizeof(**ret), a, ret, ret_n, e);
}

/* containerd.events.ImageCreate, ImageUpdate, ImageDelete: name, and labels where there are any. */
static int add_event(struct store *s, const char *ns, const char *topic, const char *name,
		     const char *labels, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out };

	json_begin_object(&w, NULL);
	json_put_str(&w, "name", name);
	if (labels && *labels)
		json_put_raw(&w, "labels", labels, strlen(labels));
	json_end_object(&w);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "image \"%s\": out of memory", name);
	return store_event_add(s, ns, topic, out.p, e);
}

static int put_image(struct store *s, const char *ns, const struct image_row *row,
		     const char *labels, struct err *e)
{
	static const char get_sql[] = "SELECT 1 FROM images WHERE ns=?1 AND name=?2";
	static const char put_sql[] =
		"INSERT INTO images(ns, name, digest, media_type, size, created_ns, updated_ns, labels)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT(ns, name) DO UPDATE SET digest=excluded.digest, media_type=excluded.media_type,"
		" size=excluded.size, updated_ns=excluded.updated_ns, labels=excluded.labels";
	int64_t now = clock_wall_ns(), one;
	int r, is_there = db_get_i64(s, get_sql, ARGS(T(ns), T(row->name)), &one, e);

	if (is_there < 0)
		return is_there;
	r = db_run(s, put_sql,
		   ARGS(T(ns), T(row->name), T(row->digest),
			T(row->media_type ? row->media_type : ""), I(row->size),
			I(row->created_ns ? row->created_ns : now), I(now), T(labels)),
		   e);
	if (r < 0)
		return r;
	return add_event(s, ns, is_there ? "/images/update" : "/images/create", row->name, labels,
			 e);
}

int store_image_put(struct store *s, const char *ns, const struct image_row *row, struct err *e)
{
	AUTO_FREE char *labels = NULL;
	int r = check_names(ns, row->name, e);

	if (r >= 0)
		r = check_digest(row->digest, e);
	if (r >= 0)
		r = labels_text(&row->labels, &labels, e);
	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, put_image(s, ns, row, labels, e), e);
}

static int delete_image(struct store *s, const char *ns, const char *name, struct err *e)
{
	static const char sql[] = "DELETE FROM images WHERE ns=?1 AND name=?2";
	int r = db_run(s, sql, ARGS(T(ns), T(name)), e);

	if (r <= 0)
		return r < 0 ? r : not_found(e, name);
	return add_event(s, ns, "/images/delete", name, NULL, e);
}

int store_image_delete(struct store *s, const char *ns, const char *name, struct err *e)
{
	int r = check_names(ns, name, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, delete_image(s, ns, name, e), e);
}

/* ---- records ---- */

int store_record_put(struct store *s, const char *manifest_digest, const char *json, size_t len,
		     struct err *e)
{
	static const char sql[] = "INSERT INTO records(digest, json) VALUES(?1, ?2)"
				  " ON CONFLICT(digest) DO UPDATE SET json=excluded.json";
	int r = check_digest(manifest_digest, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, db_run(s, sql, ARGS(T(manifest_digest), B(json, len)), e), e);
}

static void read_record(struct db_row *row, void *ret)
{
	struct json_raw *raw = ret;

	raw->p = row_bytes(row, &raw->len);
}

int store_record_get(struct store *s, const char *manifest_digest, struct arena *a,
		     const char **ret_json, size_t *ret_len, struct err *e)
{
	static const char sql[] = "SELECT json FROM records WHERE digest=?1";
	struct json_raw raw = { 0 };
	int r = check_digest(manifest_digest, e);

	if (r < 0)
		return r;
	r = db_read(s, sql, ARGS(T(manifest_digest)), read_record, a, &raw, e);
	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, -ENOENT, "record of manifest %s: not found",
				       manifest_digest);
	*ret_json = raw.p;
	*ret_len = raw.len;
	return 0;
}
