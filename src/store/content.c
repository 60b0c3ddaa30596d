/*
 * Content: rows that say which namespace knows which blob, and the blobs' files.
 *
 * A row whose blob was written in an earlier boot and never synced counts as absent: a power cut may have
 * taken the bytes. The next ingest of the same digest replaces both.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"

static int not_found(struct err *e, const char *digest)
{
	return err_set(e, -ENOENT, "content %s: not found", digest);
}

static int check_names(const char *ns, const char *digest, struct err *e)
{
	int r = check_identifier(ns, e);

	return r < 0 ? r : check_digest(digest, e);
}

const char *blob_path(const char *digest, char buf[BLOB_PATH_MAX])
{
	const char *hex = digest_hex(digest);

	snprintf(buf, BLOB_PATH_MAX, "blobs/%.*s/%s", (int)(hex - digest - 1), digest, hex);
	return buf;
}

static void read_info(struct db_row *row, void *ret)
{
	struct content_info *c = ret;

	c->digest = row_str(row);
	c->size = row_i64(row);
	c->created_ns = row_i64(row);
	c->updated_ns = row_i64(row);
	c->labels = row_labels(row);
}

int store_content_info(struct store *s, const char *ns, const char *digest, struct arena *a,
		       struct content_info *ret, struct err *e)
{
	static const char sql[] = "SELECT digest, size, created_ns, updated_ns, labels FROM content"
				  " WHERE digest=?1 AND ns=?2 AND boot IN ('', ?3)";
	struct content_info info = { 0 };
	int r = check_names(ns, digest, e);

	if (r < 0)
		return r;
	r = db_read(s, sql, ARGS(T(digest), T(ns), T(store_boot(s))), read_info, a, &info, e);
	if (r <= 0)
		return r < 0 ? r : not_found(e, digest);
	*ret = info;
	return 0;
}

int store_content_list(struct store *s, const char *ns, struct arena *a, struct content_info **ret,
		       size_t *ret_n, struct err *e)
{
	static const char sql[] = "SELECT digest, size, created_ns, updated_ns, labels FROM content"
				  " WHERE ns=?1 AND boot IN ('', ?2) ORDER BY digest";
	int r = check_identifier(ns, e);

	if (r < 0)
		return r;
	return db_list(s, sql, ARGS(T(ns), T(store_boot(s))), read_info, sizeof(**ret), a, ret,
		       ret_n, e);
}

static int check_known(struct store *s, const char *digest, struct err *e)
{
	static const char sql[] = "SELECT 1 FROM content WHERE digest=?1 AND boot IN ('', ?2)";
	int64_t one;
	int r = check_digest(digest, e);

	if (r < 0)
		return r;
	r = db_get_i64(s, sql, ARGS(T(digest), T(store_boot(s))), &one, e);
	if (r <= 0)
		return r < 0 ? r : not_found(e, digest);
	return 0;
}

int store_content_open(struct store *s, const char *digest, struct err *e)
{
	char path[BLOB_PATH_MAX];
	int fd, r = check_known(s, digest, e);

	if (r < 0)
		return r;
	fd = openat(s->root_fd, blob_path(digest, path),
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set_code(
			e, -EUCLEAN, ERR_DATA_LOSS,
			"the store lost the file of blob %s: load or pull its image again", digest);
	return fd < 0 ? err_sys(e, -errno, "open '%s/%s'", s->root, path) : fd;
}

int store_content_read(struct store *s, const char *digest, size_t max, struct arena *a,
		       const char **ret, size_t *ret_len, struct err *e)
{
	AUTO_FD fd = store_content_open(s, digest, e);
	AUTO_FREE char *p = NULL;
	const char *copy;
	size_t len;
	int r;

	if (fd < 0)
		return fd;
	r = fd_read_all(fd, max, &p, &len);
	if (r == -EFBIG)
		return err_set(e, r, "blob %s is larger than %zu bytes", digest, max);
	if (r < 0)
		return err_sys(e, r, "read blob %s", digest);
	copy = arena_strndup(a, p, len);
	if (!copy)
		return err_set(e, -ENOMEM, "read blob %s: out of memory", digest);
	*ret = copy;
	*ret_len = len;
	return 0;
}

/* `text` goes to ?3. */
static int change_labels(struct store *s, const char *sql, const char *ns, const char *digest,
			 const char *text, struct err *e)
{
	int r = check_names(ns, digest, e);

	if (r >= 0)
		r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(T(digest), T(ns), T(text), I(clock_wall_ns())), e);
	return db_end(s, r == 0 ? not_found(e, digest) : r, e);
}

int store_content_set_labels(struct store *s, const char *ns, const char *digest,
			     const struct json_map *labels, struct err *e)
{
	static const char sql[] =
		"UPDATE content SET labels=?3, updated_ns=?4 WHERE digest=?1 AND ns=?2";
	AUTO_FREE char *text = NULL;
	int r = labels_text(labels, &text, e);

	return r < 0 ? r : change_labels(s, sql, ns, digest, text, e);
}

int store_content_add_labels(struct store *s, const char *ns, const char *digest,
			     const struct json_map *labels, struct err *e)
{
	static const char sql[] =
		"UPDATE content SET labels=json_patch(coalesce(nullif(labels, ''), '{}'),"
		" coalesce(nullif(?3, ''), '{}')), updated_ns=?4 WHERE digest=?1 AND ns=?2";
	AUTO_FREE char *text = NULL;
	int r = labels_text(labels, &text, e);

	return r < 0 ? r : change_labels(s, sql, ns, digest, text, e);
}

int store_content_drop_label(struct store *s, const char *ns, const char *digest, const char *key,
			     struct err *e)
{
	static const char sql[] =
		"UPDATE content SET labels=coalesce((SELECT nullif(json_group_object(key, value), '{}')"
		" FROM json_each(coalesce(nullif(labels, ''), '{}')) WHERE key<>?3), ''), updated_ns=?4"
		" WHERE digest=?1 AND ns=?2";

	return change_labels(s, sql, ns, digest, key, e);
}

static int update(struct store *s, const char *ns, const char *digest, const struct label_update *u,
		  struct arena *a, struct err *e)
{
	static const char sql[] =
		"UPDATE content SET labels=?3, updated_ns=?4 WHERE digest=?1 AND ns=?2";
	AUTO_FREE char *text = NULL;
	struct content_info info;
	int r = store_content_info(s, ns, digest, a, &info, e);

	if (r >= 0)
		r = labels_change(u, &info.labels, a, &text, e);
	return r < 0 ? r : change_labels(s, sql, ns, digest, text, e);
}

int store_content_update(struct store *s, const char *ns, const char *digest,
			 const struct label_update *u, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	int r = store_begin(s, e);

	return r < 0 ? r : db_end(s, update(s, ns, digest, u, &a, e), e);
}

static int delete_row(struct store *s, const char *ns, const char *digest, struct err *e)
{
	static const char sql[] = "DELETE FROM content WHERE digest=?1 AND ns=?2";
	static const char record_sql[] =
		"DELETE FROM records WHERE digest=?1 AND NOT EXISTS (SELECT 1 FROM content WHERE digest=?1)";
	int r = db_run(s, sql, ARGS(T(digest), T(ns)), e);

	if (r <= 0)
		return r < 0 ? r : not_found(e, digest);
	r = db_run(s, record_sql, ARGS(T(digest)), e);
	if (r < 0)
		return r;
	r = db_drop_blob(s, digest);
	return r < 0 ? err_set(e, r, "delete content %s: out of memory", digest) : 0;
}

int store_content_delete(struct store *s, const char *ns, const char *digest, struct err *e)
{
	int r = check_names(ns, digest, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, delete_row(s, ns, digest, e), e);
}
