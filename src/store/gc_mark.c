/*
 * Marking: the graph of what refers to what.
 *
 * Roots: images that have not expired, leases that have not, containers' snapshots and labels, gc.root,
 * and whatever was written after the oldest intent of a live process began.
 * References: labels gc.ref.*, gc.bref.* (the other way round), an image's target, a snapshot's parent,
 * and every digest that the record of a manifest names (its blobs, and its chain ids as snapshot keys).
 */
#include "store/gc.h"

#define LABEL_PREFIX "containerd.io/gc."

/* ---- nodes ---- */

static size_t hash(enum node_kind kind, const char *ns, const char *name)
{
	uint64_t h = 0xcbf29ce484222325u + (uint64_t)kind;

	for (; *ns; ns++)
		h = (h ^ (unsigned char)*ns) * 0x100000001b3u;
	for (h *= 31; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return (size_t)(h ^ (h >> 29));
}

static struct node *find(struct gc *g, enum node_kind kind, const char *ns, const char *name)
{
	struct node *n = g->buckets[hash(kind, ns, name) & (g->buckets_n - 1)];

	while (n && (n->kind != kind || !streq(n->name, name) || !streq(n->ns, ns)))
		n = n->next_in_bucket;
	return n;
}

static int index_nodes(struct gc *g)
{
	size_t total = g->lists[0].n + g->lists[1].n + g->lists[2].n;

	g->buckets_n = 64;
	while (g->buckets_n < total)
		g->buckets_n *= 2;
	g->buckets = arena_calloc(&g->a, g->buckets_n, sizeof(*g->buckets));
	if (!g->buckets)
		return err_set(g->e, -ENOMEM, "gc: out of memory");
	for (int k = 0; k < 3; k++) {
		for (size_t i = 0; i < g->lists[k].n; i++) {
			struct node *n = &g->lists[k].v[i];
			struct node **bucket =
				&g->buckets[hash(n->kind, n->ns, n->name) & (g->buckets_n - 1)];

			n->next_in_bucket = *bucket;
			*bucket = n;
		}
	}
	return 0;
}

static void read_node(struct db_row *row, void *ret)
{
	struct node *n = ret;

	n->kind = (enum node_kind)row_i64(row);
	n->ns = row_str(row);
	n->name = row_str(row);
	n->target = row_str(row);
	n->id = row_i64(row);
	n->size = row_i64(row);
	n->stamp = row_i64(row);
	n->labels = row_labels(row);
}

static int load_nodes(struct gc *g)
{
	static const char content_sql[] =
		"SELECT 0, ns, digest, '', 0, size, stamp, labels FROM content";
	static const char snapshots_sql[] =
		"SELECT 1, s.ns, s.key, p.key, s.id, 0, s.stamp, s.labels"
		" FROM snapshots s LEFT JOIN snapshots p ON p.id=s.parent";
	static const char images_sql[] = "SELECT 2, ns, name, digest, 0, 0, 0, labels FROM images";
	static const char *const sql[] = { content_sql, snapshots_sql, images_sql };
	int r = 0;

	for (int k = 0; k < 3 && r >= 0; k++)
		r = db_list(g->s, sql[k], ARGS(), read_node, sizeof(struct node), &g->a,
			    &g->lists[k].v, &g->lists[k].n, g->e);
	return r < 0 ? r : index_nodes(g);
}

/* ---- references ---- */

static void mark(struct gc *g, struct node *n)
{
	if (!n || n->is_marked)
		return;
	n->is_marked = true;
	n->next_to_follow = g->to_follow;
	g->to_follow = n;
}

/*
 * The node that a label "containerd.io/gc.<what>" names: content[.x], image[.x], snapshot.<snapshotter>[/x].
 * NULL when it names something that is not here.
 */
static struct node *label_node(struct gc *g, const char *ns, const char *what, const char *value)
{
	static const struct {
		const char *prefix;
		enum node_kind kind;
	} rows[] = {
		{ "content", NODE_CONTENT },
		{ "image", NODE_IMAGE },
		{ "snapshot.", NODE_SNAPSHOT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *rest = str_skip(what, rows[i].prefix);

		/* Of another snapshotter: not here. */
		if (rest && rows[i].kind == NODE_SNAPSHOT)
			rest = str_skip(rest, store_snapshotter(g->s));
		if (rest && (!*rest || *rest == '.' || *rest == '/'))
			return find(g, rows[i].kind, ns, value);
	}
	return NULL;
}

static void mark_labels(struct gc *g, const char *ns, const struct json_map *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		const char *what = str_skip(labels->v[i].key, LABEL_PREFIX "ref.");

		if (what)
			mark(g, label_node(g, ns, what, labels->v[i].value));
	}
}

static int add_back_edges(struct gc *g, struct node *from)
{
	for (size_t i = 0; i < from->labels.n; i++) {
		const char *what = str_skip(from->labels.v[i].key, LABEL_PREFIX "bref.");
		struct node *at = what ? label_node(g, from->ns, what, from->labels.v[i].value)
				       : NULL;
		struct edge *edge = at ? arena_alloc(&g->a, sizeof(*edge)) : NULL;

		if (!at)
			continue;
		if (!edge)
			return err_set(g->e, -ENOMEM, "gc: out of memory");
		*edge = (struct edge){ from, at->back };
		at->back = edge;
	}
	return 0;
}

/* Whatever digest stands in the record is taken as a reference, so its keys are the image room's business. */
static void mark_record(struct gc *g, const struct node *n)
{
	static const char sql[] = "SELECT json FROM records WHERE digest=?1";
	AUTO_ARENA struct arena a = { 0 };
	struct json_reader rd;
	AUTO_STMT *st = NULL;
	enum json_token token;
	int r = db_query(g->s, sql, ARGS(T(n->name)), &st, g->e);

	if (r >= 0)
		r = db_step(g->s, st, g->e);
	if (r <= 0) {
		g->r = g->r < 0 ? g->r : r;
		return;
	}
	json_reader_init(&rd, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), NULL,
			 &a, g->e);
	while ((token = json_next(&rd)) > JSON_T_END) {
		if (token != JSON_T_STRING || !digest_is_valid(rd.text))
			continue;
		mark(g, find(g, NODE_CONTENT, n->ns, rd.text));
		mark(g, find(g, NODE_SNAPSHOT, n->ns, rd.text));
	}
	/* Better to keep everything than to lose what an unreadable record meant. */
	if (token == JSON_T_ERROR && g->r >= 0)
		g->r = err_wrap(g->e, rd.r, "gc: record of manifest %s", n->name);
}

static void follow(struct gc *g, const struct node *n)
{
	mark_labels(g, n->ns, &n->labels);
	for (struct edge *edge = n->back; edge; edge = edge->next)
		mark(g, edge->to);
	switch (n->kind) {
	case NODE_CONTENT:
		mark_record(g, n);
		break;
	case NODE_SNAPSHOT:
		if (*n->target)
			mark(g, find(g, NODE_SNAPSHOT, n->ns, n->target));
		break;
	case NODE_IMAGE:
		mark(g, find(g, NODE_CONTENT, n->ns, n->target));
		break;
	}
}

/* ---- roots ---- */

static const char *label(const struct json_map *labels, const char *key)
{
	for (size_t i = 0; i < labels->n; i++)
		if (streq(labels->v[i].key, key))
			return labels->v[i].value;
	return NULL;
}

/* An expiry that cannot be read protects, as no expiry does. */
static bool is_expired(struct gc *g, const struct json_map *labels)
{
	const char *text = label(labels, LABEL_PREFIX "expire");
	int64_t at;

	return text && clock_parse_rfc3339(text, &at) == 0 && at <= g->now_ns;
}

static int mark_node_roots(struct gc *g, int64_t kept_from)
{
	int r = 0;

	for (int k = 0; k < 3 && r >= 0; k++) {
		for (size_t i = 0; i < g->lists[k].n && r >= 0; i++) {
			struct node *n = &g->lists[k].v[i];

			n->is_expired = n->kind == NODE_IMAGE && is_expired(g, &n->labels);
			if (n->kind == NODE_IMAGE ? !n->is_expired
						  : n->stamp >= kept_from ||
							    label(&n->labels, LABEL_PREFIX "root"))
				mark(g, n);
			r = add_back_edges(g, n);
		}
	}
	return r;
}

struct container_root {
	const char *ns, *snapshotter, *key;
	struct json_map labels;
};

static void read_container(struct db_row *row, void *ret)
{
	struct container_root *c = ret;

	c->ns = row_str(row);
	c->snapshotter = row_str(row);
	c->key = row_str(row);
	c->labels = row_labels(row);
}

static int mark_containers(struct gc *g)
{
	static const char sql[] = "SELECT ns, snapshotter, snapshot_key, labels FROM containers";
	struct container_root *v;
	size_t n = 0;
	int r = db_list(g->s, sql, ARGS(), read_container, sizeof(*v), &g->a, &v, &n, g->e);

	for (size_t i = 0; i < n && r >= 0; i++) {
		if (!*v[i].snapshotter || streq(v[i].snapshotter, store_snapshotter(g->s)))
			mark(g, find(g, NODE_SNAPSHOT, v[i].ns, v[i].key));
		mark_labels(g, v[i].ns, &v[i].labels);
	}
	return r;
}

struct lease_root {
	const char *ns, *type, *resource;
	struct json_map labels;
};

static void read_lease(struct db_row *row, void *ret)
{
	struct lease_root *l = ret;

	l->ns = row_str(row);
	l->type = row_str(row);
	l->resource = row_str(row);
	l->labels = row_labels(row);
}

static const char lease_items_sql[] =
	"SELECT i.ns, i.type, i.resource, l.labels FROM lease_items i JOIN leases l ON l.ns=i.ns AND l.id=i.lease"
	" WHERE l.expires_ns=0 OR l.expires_ns>?1";

/*
 * Flat leases keep their resources but not what those refer to, so they are looked at last, after
 * everything else was followed.
 */
static int mark_leases(struct gc *g, bool is_flat)
{
	struct lease_root *v;
	size_t n = 0;
	int r = db_list(g->s, lease_items_sql, ARGS(I(g->now_ns)), read_lease, sizeof(*v), &g->a,
			&v, &n, g->e);

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct node *node = find(g,
					 streq(v[i].type, "content") ? NODE_CONTENT : NODE_SNAPSHOT,
					 v[i].ns, v[i].resource);

		if (is_expired(g, &v[i].labels) ||
		    is_flat != (label(&v[i].labels, LABEL_PREFIX "flat") != NULL))
			continue;
		if (is_flat && node)
			node->is_marked = true;
		else if (!is_flat)
			mark(g, node);
	}
	return r;
}

static void follow_all(struct gc *g)
{
	while (g->to_follow) {
		struct node *n = g->to_follow;

		g->to_follow = n->next_to_follow;
		follow(g, n);
	}
}

int gc_read_version(struct gc *g, int64_t *ret)
{
	static const char sql[] = "PRAGMA data_version";

	return db_get_i64(g->s, sql, ARGS(), ret, g->e);
}

int gc_mark(struct gc *g)
{
	int64_t kept_from;
	int r = gc_read_version(g, &g->version);

	g->r = 0;
	g->to_follow = NULL;
	if (r >= 0)
		r = intents_oldest_live(g->s, &kept_from, g->e);
	if (r >= 0)
		r = load_nodes(g);
	if (r >= 0)
		r = mark_node_roots(g, kept_from);
	if (r >= 0)
		r = mark_containers(g);
	if (r >= 0)
		r = mark_leases(g, false);
	if (r < 0)
		return r;
	follow_all(g);
	r = mark_leases(g, true);
	return r < 0 ? r : g->r;
}
