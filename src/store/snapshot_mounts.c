/* What a snapshot is mounted from: a bind of one folder, or an overlay of the chain below it. */
#include "store/snapshotter.h"

static void add_opt(struct json_strs *list, const char *text, int *r)
{
	if (!text)
		*r = -ENOMEM;
	list->v[list->n++] = text;
}

static const char *folder(struct store *s, struct arena *a, int64_t id, const char *prefix,
			  const char *name)
{
	return arena_printf(a, "%s%s/snapshots/%lld/%s", prefix, s->root, (long long)id, name);
}

int mount_bind(struct store *s, struct arena *a, int64_t id, bool is_rw,
	       struct snapshot_mounts *ret)
{
	int r = 0;

	ret->type = "bind";
	ret->source = folder(s, a, id, "", "fs");
	ret->options.v = arena_calloc(a, 2, sizeof(char *));
	if (!ret->source || !ret->options.v)
		return -ENOMEM;
	add_opt(&ret->options, is_rw ? "rw" : "ro", &r);
	add_opt(&ret->options, "rbind", &r);
	return r;
}

static const char *join_lowers(struct arena *a, const struct json_strs *lowers)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	strbuf_adds(&out, "lowerdir=");
	for (size_t i = 0; i < lowers->n; i++) {
		if (i > 0)
			strbuf_addc(&out, ':');
		strbuf_adds(&out, lowers->v[i]);
	}
	return strbuf_ok(&out) < 0 ? NULL : arena_strndup(a, out.p, out.len);
}

int mount_overlay(struct store *s, const struct snapshot_place *p, struct arena *a,
		  struct snapshot_mounts *ret)
{
	int r = 0;

	ret->type = "overlay";
	ret->source = "overlay";
	ret->options.v = arena_calloc(a, 4, sizeof(char *));
	if (!ret->options.v)
		return -ENOMEM;
	/* An upper folder may be mounted again after a crash left its old mount somewhere. */
	add_opt(&ret->options, "index=off", &r);
	if (p->kind == SNAPSHOT_ACTIVE) {
		add_opt(&ret->options, folder(s, a, p->id, "workdir=", "work"), &r);
		add_opt(&ret->options, folder(s, a, p->id, "upperdir=", "fs"), &r);
	}
	add_opt(&ret->options, join_lowers(a, &ret->lowers), &r);
	return r;
}

struct chain_row {
	int64_t id;
	const char *boot, *key;
};

static void read_chain(struct db_row *row, void *ret)
{
	struct chain_row *c = ret;

	c->id = row_i64(row);
	c->boot = row_str(row);
	c->key = row_str(row);
}

/* The folders below `parent_id` and itself, topmost first: those that the mount is made of. */
static int read_lowers(struct store *s, int64_t parent_id, struct arena *a, struct json_strs *ret,
		       struct err *e)
{
	static const char sql[] =
		"WITH RECURSIVE c(id, parent, boot, key, n) AS ("
		" SELECT id, parent, boot, key, 0 FROM snapshots WHERE id=?1 UNION ALL"
		" SELECT s.id, s.parent, s.boot, s.key, c.n+1 FROM snapshots s JOIN c ON s.id=c.parent WHERE c.n<?2)"
		" SELECT id, boot, key FROM c ORDER BY n";
	struct chain_row *rows;
	size_t n;
	int r = db_list(s, sql, ARGS(I(parent_id), I(LIMIT_LAYERS)), read_chain, sizeof(*rows), a,
			&rows, &n, e);

	if (r < 0)
		return r;
	if (n > LIMIT_LAYERS)
		return err_set(e, -E2BIG, "a snapshot stands on more than %d layers", LIMIT_LAYERS);
	n = MIN(n, (size_t)s->snapshotter->levels_max);
	ret->v = arena_calloc(a, n, sizeof(char *));
	r = ret->v ? 0 : -ENOMEM;
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (*rows[i].boot && !streq(rows[i].boot, store_boot(s)))
			return err_set_code(
				e, -ESTALE, ERR_FAILED_PRECONDITION,
				"snapshot %s may have lost files in a power cut: unpack its image again",
				rows[i].key);
		add_opt(ret, folder(s, a, rows[i].id, "", "fs"), &r);
	}
	return r < 0 ? err_set(e, r, "snapshot mounts: out of memory") : 0;
}

int snapshot_mounts_make(struct store *s, const struct snapshot_info *info, int64_t parent_id,
			 struct arena *a, struct snapshot_mounts *ret, struct err *e)
{
	const struct snapshot_place p = { info->id, parent_id, info->kind };
	struct snapshot_mounts m = { 0 };
	int r = 0;

	if (info->kind == SNAPSHOT_COMMITTED)
		return err_set_code(
			e, -EINVAL, ERR_FAILED_PRECONDITION,
			"snapshot %s is committed, only active ones and views can be mounted",
			info->key);
	if (parent_id)
		r = read_lowers(s, parent_id, a, &m.lowers, e);
	if (r < 0)
		return r;
	r = parent_id ? s->snapshotter->mount(s, &p, a, &m)
		      : mount_bind(s, a, info->id, info->kind == SNAPSHOT_ACTIVE, &m);
	if (r < 0)
		return err_set(e, r, "snapshot mounts: out of memory");
	*ret = m;
	return 0;
}
