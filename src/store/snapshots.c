/*
 * Snapshots: a row, and a folder <root>/snapshots/<id>/ whose number is never used again. What lies in it is the
 * snapshotter's business (snapshotter.h).
 *
 * `boot` of a committed row: '' once a later syncfs made it durable. With another boot's id there the
 * snapshot is suspect, because a power cut may have taken its files: nothing mounts it or stands on it, and the
 * commit of a fresh one under the same name takes its place (design, decision 4).
 */
#include "store/snapshotter.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define ROW_COLUMNS                                                                               \
	"s.id, s.kind, s.key, coalesce(p.key, ''), s.boot, s.labels, s.created_ns, s.updated_ns," \
	" s.inodes, s.size, s.tree, s.parent FROM snapshots s LEFT JOIN snapshots p ON p.id=s.parent"

struct snapshot_row {
	struct snapshot_info info;
	const char *boot;
	int64_t parent_id;
};

static int check_names(const char *ns, const char *key, struct err *e)
{
	int r = check_identifier(ns, e);

	return r < 0 ? r : check_key("snapshot key", key, e);
}

static int not_found(struct err *e, const char *key)
{
	return err_set(e, -ENOENT, "snapshot %s does not exist: not found", key);
}

static void read_row(struct db_row *row, void *ret)
{
	struct snapshot_row *s = ret;

	s->info.id = row_i64(row);
	s->info.kind = (enum snapshot_kind)row_i64(row);
	s->info.key = row_str(row);
	s->info.parent = row_str(row);
	s->boot = row_str(row);
	s->info.labels = row_labels(row);
	s->info.created_ns = row_i64(row);
	s->info.updated_ns = row_i64(row);
	s->info.inodes = row_i64(row);
	s->info.size = row_i64(row);
	s->info.tree = row_str(row);
	s->parent_id = row_i64(row);
	s->info.is_clean = !*s->boot;
}

static bool is_suspect(struct store *s, const struct snapshot_row *row)
{
	return row->info.kind == SNAPSHOT_COMMITTED && *row->boot &&
	       !streq(row->boot, store_boot(s));
}

/* 1: found, 0: none, -errno. */
static int find(struct store *s, const char *ns, const char *key, struct arena *a,
		struct snapshot_row *ret, struct err *e)
{
	static const char sql[] = "SELECT " ROW_COLUMNS " WHERE s.ns=?1 AND s.key=?2";
	int r = db_read(s, sql, ARGS(T(ns), T(key)), read_row, a, ret, e);

	if (r > 0)
		ret->info.is_suspect = is_suspect(s, ret);
	return r;
}

static int get(struct store *s, const char *ns, const char *key, struct arena *a,
	       struct snapshot_row *ret, struct err *e)
{
	int r = check_names(ns, key, e);

	if (r < 0)
		return r;
	r = find(s, ns, key, a, ret, e);
	return r == 0 ? not_found(e, key) : MIN(r, 0);
}

int store_snapshot_stat(struct store *s, const char *ns, const char *key, struct arena *a,
			struct snapshot_info *ret, struct err *e)
{
	struct snapshot_row row = { 0 };
	int r = get(s, ns, key, a, &row, e);

	if (r < 0)
		return r;
	*ret = row.info;
	return 0;
}

int store_snapshot_list(struct store *s, const char *ns, struct arena *a,
			struct snapshot_info **ret, size_t *ret_n, struct err *e)
{
	static const char sql[] = "SELECT " ROW_COLUMNS " WHERE s.ns=?1 ORDER BY s.key";
	struct snapshot_row *rows;
	struct snapshot_info *infos;
	size_t n;
	int r = check_identifier(ns, e);

	if (r >= 0)
		r = db_list(s, sql, ARGS(T(ns)), read_row, sizeof(*rows), a, &rows, &n, e);
	if (r < 0)
		return r;
	infos = arena_calloc(a, n, sizeof(*infos));
	if (!infos)
		return err_set(e, -ENOMEM, "list snapshots: out of memory");
	for (size_t i = 0; i < n; i++) {
		infos[i] = rows[i].info;
		infos[i].is_suspect = is_suspect(s, &rows[i]);
	}
	*ret = infos;
	*ret_n = n;
	return 0;
}

/* ---- folders ---- */

/*
 * A folder of that number without a row is what a kill or a power cut left; under the write lock nobody
 * else can be making it.
 */
static int make_folder(struct store *s, const struct snapshot_place *p)
{
	AUTO_FD all = store_dir(s, "snapshots");
	AUTO_FD dir = -EBADF;
	char name[32];
	int r;

	if (all < 0)
		return all;
	snprintf(name, sizeof(name), "%lld", (long long)p->id);
	r = snapshot_make_dir(all, name, 0700);
	if (r == -EEXIST) {
		r = trash_at(s, all, name);
		if (r >= 0)
			r = snapshot_make_dir(all, name, 0700);
	}
	if (r < 0)
		return r;
	dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir < 0 ? -errno : s->snapshotter->make(dir, p);
}

static struct snapshot_place place_of(const struct snapshot_row *row)
{
	return (struct snapshot_place){ row->info.id, row->parent_id, row->info.kind };
}

/* O_RDONLY, or -errno. */
static int open_folder(struct store *s, int64_t id)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "snapshots/%lld", (long long)id);
	fd = openat(s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_again(struct store *s, const struct snapshot_row *row, struct err *e)
{
	const struct snapshot_place p = place_of(row);
	int r = store_begin(s, e);

	if (r < 0)
		return r;
	r = make_folder(s, &p);
	if (r < 0)
		err_sys(e, r, "make the folder of snapshot %s again", row->info.key);
	return db_end(s, r, e);
}

/*
 * The folder with all that belongs into it, for a snapshot that is not committed. After a power cut the row of an active
 * one may be there without its folder.
 */
static int use_folder(struct store *s, const struct snapshot_row *row, struct err *e)
{
	const struct snapshot_place p = place_of(row);
	AUTO_FD dir = open_folder(s, row->info.id);
	int r;

	if (dir < 0 || s->snapshotter->is_lost(dir, &p)) {
		if (streq(row->boot, store_boot(s)))
			return err_set_code(e, -EUCLEAN, ERR_DATA_LOSS,
					    "the folder '%s/snapshots/%lld' of snapshot %s is gone",
					    s->root, (long long)row->info.id, row->info.key);
		r = make_again(s, row, e);
		if (r < 0)
			return r;
		fd_closep(&dir);
		dir = open_folder(s, row->info.id);
	}
	r = dir < 0 ? dir : s->snapshotter->fill(dir, &p);
	return r < 0 ? err_sys(e, r, "fill the folder of snapshot %s", row->info.key) : 0;
}

int store_snapshot_mounts(struct store *s, const char *ns, const char *key, struct arena *a,
			  struct snapshot_mounts *ret, struct err *e)
{
	struct snapshot_row row = { 0 };
	struct snapshot_mounts m;
	int r = get(s, ns, key, a, &row, e);

	/* The chain is looked at before anything is copied from it. */
	if (r >= 0)
		r = snapshot_mounts_make(s, &row.info, row.parent_id, a, &m, e);
	if (r >= 0)
		r = use_folder(s, &row, e);
	if (r < 0)
		return r;
	*ret = m;
	return 0;
}

int store_snapshot_open_fs(struct store *s, const char *ns, const char *key, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_row row = { 0 };
	char path[64];
	int fd, r = get(s, ns, key, &a, &row, e);

	if (r < 0)
		return r;
	if (row.info.kind != SNAPSHOT_ACTIVE)
		return err_set_code(e, -EINVAL, ERR_FAILED_PRECONDITION,
				    "snapshot %s is not active", key);
	r = use_folder(s, &row, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "snapshots/%lld/fs", (long long)row.info.id);
	fd = openat(s->root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "open '%s/%s'", s->root, path) : fd;
}

/* ---- prepare ---- */

static int find_parent(struct store *s, const char *ns, const char *parent, struct arena *a,
		       struct snapshot_row *ret, struct err *e)
{
	int r = find(s, ns, parent, a, ret, e);

	if (r < 0)
		return r;
	if (r == 0 || ret->info.is_suspect)
		return err_set(e, -ENOENT, "parent snapshot %s does not exist%s: not found", parent,
			       r ? " whole since a power cut" : "");
	if (ret->info.kind != SNAPSHOT_COMMITTED)
		return err_set(e, -EINVAL,
			       "parent \"%s\" is not committed snapshot: invalid argument", parent);
	return 0;
}

static int insert_row(struct store *s, const char *ns, struct snapshot_row *row, const char *labels,
		      struct err *e)
{
	static const char sql[] =
		"INSERT INTO snapshots(ns, key, parent, kind, boot, stamp, created_ns, updated_ns, labels)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)";
	int r = db_run(s, sql,
		       ARGS(T(ns), T(row->info.key), I(row->parent_id), I(row->info.kind),
			    T(store_boot(s)), I(clock_mono_ns()), I(clock_wall_ns()), T(labels)),
		       e);

	if (r == -EEXIST)
		return err_set(e, r, "snapshot %s: already exists", row->info.key);
	row->info.id = sqlite3_last_insert_rowid(s->db);
	return r;
}

static int prepare(struct store *s, const char *ns, struct snapshot_row *row, const char *labels,
		   struct arena *a, struct snapshot_mounts *ret, struct err *e)
{
	struct snapshot_row parent = { 0 };
	struct snapshot_place p;
	int r = *row->info.parent ? find_parent(s, ns, row->info.parent, a, &parent, e) : 0;

	if (r < 0)
		return r;
	row->parent_id = parent.info.id;
	r = insert_row(s, ns, row, labels, e);
	if (r < 0)
		return r;
	p = place_of(row);
	r = make_folder(s, &p);
	if (r < 0)
		return err_sys(e, r, "make the folder of snapshot %s", row->info.key);
	return snapshot_mounts_make(s, &row->info, row->parent_id, a, ret, e);
}

int store_snapshot_prepare(struct store *s, const char *ns, const char *key, const char *parent,
			   enum snapshot_kind kind, const struct json_map *labels, struct arena *a,
			   struct snapshot_mounts *ret, struct err *e)
{
	struct snapshot_row row = {
		.info = { .key = key, .parent = parent ? parent : "", .kind = kind }
	};
	AUTO_FREE char *text = NULL;
	int r = check_names(ns, key, e);

	ASSERT(kind == SNAPSHOT_ACTIVE || kind == SNAPSHOT_VIEW);
	if (r >= 0)
		r = labels_text(labels, &text, e);
	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, prepare(s, ns, &row, text, a, ret, e), e);
}

static int stack(struct store *s, const char *ns, const char *key, const char *parent,
		 struct arena *a, struct err *e)
{
	static const char sql[] = "UPDATE snapshots SET parent=?2 WHERE id=?1";
	struct snapshot_row row = { 0 }, below = { 0 };
	AUTO_FD dir = -EBADF;
	int r = get(s, ns, key, a, &row, e);

	if (r >= 0)
		r = find_parent(s, ns, parent, a, &below, e);
	if (r < 0)
		return r;
	if (!s->snapshotter->can_stack)
		return err_set(e, -EOPNOTSUPP,
			       "snapshot %s: layers of the %s snapshotter are not stacked", key,
			       s->snapshotter->name);
	if (row.info.kind != SNAPSHOT_ACTIVE || row.parent_id)
		return err_set_code(e, -EINVAL, ERR_FAILED_PRECONDITION,
				    "snapshot %s is not active or has a parent", key);
	dir = open_folder(s, row.info.id);
	if (dir < 0)
		return err_sys(e, dir, "open '%s/snapshots/%lld'", s->root, (long long)row.info.id);
	r = snapshot_copy_owner(dir, below.info.id);
	if (r < 0)
		return err_sys(e, r, "copy the root's owner to snapshot %s", key);
	return db_run(s, sql, ARGS(I(row.info.id), I(below.info.id)), e);
}

int store_snapshot_stack(struct store *s, const char *ns, const char *key, const char *parent,
			 struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	int r = check_names(ns, key, e);

	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, stack(s, ns, key, parent, &a, e), e);
}

/* ---- commit and remove ---- */

static int delete_row(struct store *s, int64_t id, struct err *e)
{
	static const char sql[] = "DELETE FROM snapshots WHERE id=?1";
	int r = db_run(s, sql, ARGS(I(id)), e);

	if (r < 0)
		return r;
	r = db_drop_snapshot(s, id);
	return r < 0 ? err_set(e, r, "remove snapshot: out of memory") : 0;
}

/* A suspect `name` gives way: what stands on it stands on the fresh one from now on. */
static int replace_suspect(struct store *s, int64_t old_id, int64_t new_id, struct err *e)
{
	static const char sql[] = "UPDATE snapshots SET parent=?2 WHERE parent=?1 AND id<>?2";
	int r = db_run(s, sql, ARGS(I(old_id), I(new_id)), e);

	return r < 0 ? r : delete_row(s, old_id, e);
}

static int commit(struct store *s, const char *ns, const char *name, const char *key,
		  const char *labels, struct arena *a, struct err *e)
{
	static const char sql[] =
		"UPDATE snapshots SET key=?2, kind=?3, boot=?4, stamp=?5, updated_ns=?6, labels=?7 WHERE id=?1";
	struct snapshot_row row = { 0 }, old = { 0 };
	int is_there, r = get(s, ns, key, a, &row, e);

	if (r < 0)
		return r;
	if (row.info.kind != SNAPSHOT_ACTIVE)
		return err_set_code(e, -EINVAL, ERR_FAILED_PRECONDITION,
				    "snapshot %s is not active", key);
	is_there = find(s, ns, name, a, &old, e);
	if (is_there < 0)
		return is_there;
	if (is_there && !old.info.is_suspect)
		return err_set(e, -EEXIST, "snapshot %s: already exists", name);
	if (is_there)
		r = replace_suspect(s, old.info.id, row.info.id, e);
	if (r < 0)
		return r;
	return db_run(s, sql,
		      ARGS(I(row.info.id), T(name), I(SNAPSHOT_COMMITTED), T(store_boot(s)),
			   I(clock_mono_ns()), I(clock_wall_ns()), T(labels)),
		      e);
}

int store_snapshot_commit(struct store *s, const char *ns, const char *name, const char *key,
			  const struct json_map *labels, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FREE char *text = NULL;
	struct snapshot_row row = { 0 };
	int r = check_names(ns, name, e);

	if (r >= 0)
		r = labels_text(labels, &text, e);
	if (r >= 0)
		r = get(s, ns, key, &a, &row, e);
	/* One that nobody wrote to may not have been filled yet. */
	if (r >= 0 && row.info.kind == SNAPSHOT_ACTIVE)
		r = use_folder(s, &row, e);
	if (r >= 0)
		r = store_begin(s, e);
	return r < 0 ? r : db_end(s, commit(s, ns, name, key, text, &a, e), e);
}

static int remove_row(struct store *s, const char *ns, const char *key, struct arena *a,
		      struct err *e)
{
	static const char children_sql[] = "SELECT 1 FROM snapshots WHERE parent=?1 LIMIT 1";
	struct snapshot_row row = { 0 };
	int64_t one;
	int r = get(s, ns, key, a, &row, e);

	if (r < 0)
		return r;
	r = db_get_i64(s, children_sql, ARGS(I(row.info.id)), &one, e);
	if (r != 0)
		return r < 0 ? r : err_set(e, -EBUSY, "cannot remove snapshot %s with child", key);
	return delete_row(s, row.info.id, e);
}

int store_snapshot_remove(struct store *s, const char *ns, const char *key, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	int r = store_begin(s, e);

	return r < 0 ? r : db_end(s, remove_row(s, ns, key, &a, e), e);
}

static int update(struct store *s, const char *ns, const char *key, const struct label_update *u,
		  struct arena *a, struct err *e)
{
	static const char sql[] = "UPDATE snapshots SET labels=?2, updated_ns=?3 WHERE id=?1";
	AUTO_FREE char *text = NULL;
	struct snapshot_row row = { 0 };
	int r = get(s, ns, key, a, &row, e);

	if (r >= 0)
		r = labels_change(u, &row.info.labels, a, &text, e);
	if (r < 0)
		return r;
	return db_run(s, sql, ARGS(I(row.info.id), T(text), I(clock_wall_ns())), e);
}

int store_snapshot_update(struct store *s, const char *ns, const char *key,
			  const struct label_update *u, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	int r = store_begin(s, e);

	return r < 0 ? r : db_end(s, update(s, ns, key, u, &a, e), e);
}

int store_snapshots_mark_clean(struct store *s, struct err *e)
{
	static const char sql[] =
		"UPDATE snapshots SET boot='' WHERE kind=?1 AND boot=?2 AND stamp<?3";
	int r;

	if (!s->synced_at_ns)
		return err_set(e, -EINVAL, "snapshots are clean only after a sync");
	r = store_begin(s, e);
	if (r < 0)
		return r;
	r = db_run(s, sql, ARGS(I(SNAPSHOT_COMMITTED), T(store_boot(s)), I(s->synced_at_ns)), e);
	return db_end(s, r, e);
}
