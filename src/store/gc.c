/*
 * Mark and sweep.
 *
 * Marking reads one consistent state in a read transaction, which holds nobody up. Sweeping deletes in
 * small write transactions, each of which first looks whether any other process has committed since the
 * marking; if so, the marks are made anew, so that nothing that was just referenced again is lost. On a
 * store that never rests the last try marks inside its write transaction.
 */
#include "store/gc.h"

#define GC_BATCH 64 /* rows a transaction: far below 20 ms */
#define GC_TRIES 8
#define GC_MEMORY ((size_t)512 << 20)

static int sweep_content(struct gc *g, const struct node *n)
{
	static const char sql[] = "DELETE FROM content WHERE digest=?1 AND ns=?2";
	static const char left_sql[] = "SELECT 1 FROM content WHERE digest=?1";
	static const char record_sql[] = "DELETE FROM records WHERE digest=?1";
	int64_t one;
	int r = db_run(g->s, sql, ARGS(T(n->name), T(n->ns)), g->e);

	if (r <= 0)
		return r;
	r = db_get_i64(g->s, left_sql, ARGS(T(n->name)), &one, g->e);
	if (r != 0)
		return MIN(r, 0);
	r = db_run(g->s, record_sql, ARGS(T(n->name)), g->e);
	return r < 0 ? r : db_drop_blob(g->s, n->name) < 0 ? -ENOMEM : 1;
}

/* Those with children wait for a later round: children are garbage too, or they would have marked it. */
static int sweep_snapshot(struct gc *g, const struct node *n)
{
	static const char sql[] =
		"DELETE FROM snapshots WHERE id=?1 AND NOT EXISTS (SELECT 1 FROM snapshots WHERE parent=?1)";
	int r = db_run(g->s, sql, ARGS(I(n->id)), g->e);

	if (r <= 0)
		return r;
	return db_drop_snapshot(g->s, n->id) < 0 ? -ENOMEM : 1;
}

static int sweep_image(struct gc *g, const struct node *n)
{
	int r = n->is_expired ? store_image_delete(g->s, n->ns, n->name, g->e) : -ENOENT;

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int sweep_node(struct gc *g, const struct node *n, struct gc_stats *stats)
{
	static int (*const sweeps[])(
		struct gc *, const struct node *) = { sweep_content, sweep_snapshot, sweep_image };
	int r = sweeps[n->kind](g, n);

	if (r <= 0)
		return r;
	stats->blobs += n->kind == NODE_CONTENT;
	stats->blob_bytes += n->kind == NODE_CONTENT ? n->size : 0;
	stats->snapshots += n->kind == NODE_SNAPSHOT;
	return 1;
}

struct sweep {
	/* What is not marked: images first, then content, then snapshots, newest first. */
	struct node **v;
	size_t n, at, removed;
};

static int list_garbage(struct gc *g, struct sweep *w)
{
	static const enum node_kind order[] = { NODE_IMAGE, NODE_CONTENT, NODE_SNAPSHOT };
	size_t total = g->lists[0].n + g->lists[1].n + g->lists[2].n;

	*w = (struct sweep){ .v = arena_calloc(&g->a, total, sizeof(*w->v)) };
	if (!w->v)
		return err_set(g->e, -ENOMEM, "gc: out of memory");
	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		struct node_list *list = &g->lists[order[k]];

		for (size_t i = list->n; i-- > 0;)
			if (!list->v[i].is_marked)
				w->v[w->n++] = &list->v[i];
	}
	return 0;
}

/* One batch in the open transaction. What could not go yet (snapshots with children) stays in the list. */
static int sweep_some(struct gc *g, struct sweep *w, struct gc_stats *stats)
{
	size_t end = MIN(w->n, w->at + GC_BATCH);

	for (; w->at < end; w->at++) {
		int r = w->v[w->at] ? sweep_node(g, w->v[w->at], stats) : 0;

		if (r < 0)
			return r;
		if (r > 0) {
			w->v[w->at] = NULL;
			w->removed++;
		}
	}
	return 0;
}

/* 1: done, 0: more to do, -ESTALE: somebody committed since the marking. */
static int sweep_batch(struct gc *g, struct sweep *w, struct gc_stats *stats)
{
	struct gc_stats next = *stats;
	int64_t version;
	int r = store_begin(g->s, g->e);

	if (r < 0)
		return r;
	r = gc_read_version(g, &version);
	if (r >= 0 && version != g->version)
		r = -ESTALE;
	if (r >= 0)
		r = sweep_some(g, w, &next);
	r = db_end(g->s, r, g->e);
	if (r < 0)
		return r;
	*stats = next;
	if (w->at < w->n)
		return 0;
	if (w->removed == 0)
		return 1;
	w->at = w->removed = 0;
	return 0;
}

static int mark_in_read(struct gc *g)
{
	static const char begin_sql[] = "BEGIN";
	static const char end_sql[] = "ROLLBACK";
	int r = db_run(g->s, begin_sql, ARGS(), g->e), end;

	if (r < 0)
		return r;
	r = gc_mark(g);
	end = db_run(g->s, end_sql, ARGS(), r < 0 ? NULL : g->e);
	return r < 0 ? r : MIN(end, 0);
}

/*
 * A power cut must not bring a row back whose file is gone: its blob or snapshot would count as whole. Files go
 * after the commit, so it is the commit that has to be on disk.
 */
static int be_durable(struct gc *g, const struct sweep *w)
{
	return w->n > 0 ? store_set_durable(g->s, true, g->e) : 0;
}

static int collect(struct gc *g, struct gc_stats *stats)
{
	struct sweep w;
	int r = mark_in_read(g);

	if (r >= 0)
		r = list_garbage(g, &w);
	if (r >= 0)
		r = be_durable(g, &w);
	while (r == 0)
		r = sweep_batch(g, &w, stats);
	return r;
}

/* Everything under one lock: only for a store that others write to all the time. */
static int collect_locked(struct gc *g, struct gc_stats *stats)
{
	struct sweep w;
	int r = store_set_durable(g->s, true, g->e);

	if (r >= 0)
		r = store_begin(g->s, g->e);
	if (r < 0)
		return r;
	r = gc_mark(g);
	if (r >= 0)
		r = list_garbage(g, &w);
	if (r >= 0)
		r = sweep_some(g, &w, stats);
	return db_end(g->s, r, g->e);
}

static int remove_expired_leases(struct gc *g)
{
	static const char any_sql[] =
		"SELECT 1 FROM leases WHERE expires_ns<>0 AND expires_ns<=?1 LIMIT 1";
	static const char leases_sql[] =
		"DELETE FROM leases WHERE expires_ns<>0 AND expires_ns<=?1";
	static const char items_sql[] =
		"DELETE FROM lease_items WHERE NOT EXISTS"
		" (SELECT 1 FROM leases l WHERE l.ns=lease_items.ns AND l.id=lease_items.lease)";
	int64_t one;
	int r = db_get_i64(g->s, any_sql, ARGS(I(g->now_ns)), &one, g->e);

	if (r <= 0)
		return r;
	r = store_begin(g->s, g->e);
	if (r < 0)
		return r;
	r = db_run(g->s, leases_sql, ARGS(I(g->now_ns)), g->e);
	if (r >= 0)
		r = db_run(g->s, items_sql, ARGS(), g->e);
	return db_end(g->s, r, g->e);
}

static int one_try(struct store *s, bool is_last, struct gc_stats *stats, struct err *e)
{
	struct gc g = { .s = s, .a = { .budget = GC_MEMORY }, .e = e, .now_ns = clock_wall_ns() };
	int r = remove_expired_leases(&g);

	if (r >= 0)
		r = is_last ? collect_locked(&g, stats) : collect(&g, stats);
	arena_done(&g.a);
	return r;
}

int store_gc(struct store *s, struct gc_stats *ret, struct err *e)
{
	bool was_durable = s->is_durable;
	struct gc_stats stats = { 0 };
	int r = -ESTALE;

	if (s->depth > 0)
		return err_set(e, -EBUSY, "gc cannot run inside a transaction");
	for (int i = 1; i <= GC_TRIES && r == -ESTALE; i++)
		r = one_try(s, i == GC_TRIES, &stats, e);
	(void)store_set_durable(s, was_durable, NULL);
	if (r >= 0)
		r = gc_files(s, &stats, e);
	if (r < 0)
		return err_wrap(e, r, "gc");
	db_checkpoint(s, WAL_PAGES_SOFT);
	if (ret)
		*ret = stats;
	return 0;
}
