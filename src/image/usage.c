/*
 * What images take on disk: blobs and unpacked layers, each counted once however many images have it.
 */
#include "image/priv.h"

#include "base/err.h"
#include "base/str.h"

struct piece {
	const char *name; /* digest, or chain id with is_snapshot */
	bool is_snapshot;
	int64_t size;
	size_t users;	/* images */
	bool is_active; /* one of them has a container */
};

struct pieces {
	struct piece *v;
	size_t n, cap;
};

static struct piece *find_piece(struct pieces *p, const char *name, bool is_snapshot)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].is_snapshot == is_snapshot && streq(p->v[i].name, name))
			return &p->v[i];
	return NULL;
}

struct count {
	struct store *s;
	const char *ns;
	struct arena *a;
	struct pieces pieces;
	struct err *e;
};

/* What is not there takes nothing. */
static int piece_size(struct count *c, const char *name, bool is_snapshot, int64_t *ret)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	int64_t inodes;
	int r;

	*ret = 0;
	if (is_snapshot)
		r = store_snapshot_usage(c->s, c->ns, name, ret, &inodes, c->e);
	else
		r = store_content_info(c->s, c->ns, name, &a, &info, c->e);
	if (r >= 0 && !is_snapshot)
		*ret = info.size;
	return r == -ENOENT ? 0 : r;
}

static int add_piece(struct count *c, const char *name, bool is_snapshot, bool is_active)
{
	struct piece *p = find_piece(&c->pieces, name, is_snapshot);
	int r;

	if (!p) {
		if (mem_grow(&c->pieces.v, &c->pieces.cap, c->pieces.n + 1, sizeof(*p)) < 0)
			return err_set(c->e, -ENOMEM, "out of memory");
		p = &c->pieces.v[c->pieces.n++];
		*p = (struct piece){ .name = arena_strdup(c->a, name), .is_snapshot = is_snapshot };
		if (!p->name)
			return err_set(c->e, -ENOMEM, "out of memory");
		r = piece_size(c, name, is_snapshot, &p->size);
		if (r < 0)
			return r;
	}
	p->users++;
	p->is_active |= is_active;
	return 0;
}

typedef int (*piece_fn)(struct count *c, const char *name, bool is_snapshot, void *data);

static bool is_earlier(const struct image_record *rec, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (streq(rec->layers.v[k].digest, rec->layers.v[i].digest))
			return true;
	return false;
}

/* Each piece of an image once; the same layer may stand in it twice. */
static int each_piece(struct count *c, const struct image_record *rec, piece_fn fn,
		      struct image_use *data)
{
	int r = fn(c, rec->manifest_digest, false, data);

	if (r >= 0 && !streq(data->digest, rec->manifest_digest))
		r = fn(c, data->digest, false, data);
	if (r >= 0)
		r = fn(c, rec->config_digest, false, data);
	for (size_t i = 0; i < rec->layers.n && r >= 0; i++) {
		if (!is_earlier(rec, i))
			r = fn(c, rec->layers.v[i].digest, false, data);
		if (r >= 0)
			r = fn(c, rec->layers.v[i].chain_id, true, data);
	}
	return MIN(r, 0);
}

static int on_add(struct count *c, const char *name, bool is_snapshot, void *data)
{
	const struct image_use *use = data;

	return add_piece(c, name, is_snapshot, use->containers > 0);
}

static int on_sum(struct count *c, const char *name, bool is_snapshot, void *data)
{
	const struct piece *p = find_piece(&c->pieces, name, is_snapshot);
	struct image_use *use = data;

	use->size += p->size;
	use->shared += p->users > 1 ? p->size : 0;
	return 0;
}

static size_t count_users(const struct json_strs *ids, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < ids->n; i++)
		n += streq(ids->v[i], id);
	return n;
}

/* One row for each image; its first name stands for it. */
static int list_images(struct count *c, struct image_use **ret, size_t *ret_n)
{
	struct image_listed *list;
	struct json_strs ids;
	struct image_use *v;
	size_t n, count = 0;
	int r = image_list(c->s, c->ns, c->a, &list, &n, c->e);

	if (r >= 0)
		r = image_used_ids(c->s, c->ns, c->a, &ids, c->e);
	if (r < 0)
		return r;
	v = arena_calloc(c->a, n + 1, sizeof(*v));
	if (!v)
		return err_set(c->e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < count && !streq(v[k].manifest_digest, list[i].manifest_digest))
			k++;
		if (k == count)
			v[count++] =
				(struct image_use){ .name = list[i].name,
						    .id = list[i].id,
						    .manifest_digest = list[i].manifest_digest,
						    .digest = list[i].digest,
						    .created_ns = list[i].created_ns,
						    .containers = count_users(&ids, list[i].id) };
	}
	*ret = v;
	*ret_n = count;
	return 0;
}

static int count_all(struct count *c, struct image_use *v, size_t n)
{
	struct image_record **records = arena_calloc(c->a, n + 1, sizeof(*records));
	int r = records ? 0 : err_set(c->e, -ENOMEM, "out of memory");

	for (size_t i = 0; i < n && r >= 0; i++) {
		r = image_record_get(c->s, v[i].manifest_digest, c->a, &records[i], NULL);
		if (r == -ENOMEM)
			return err_set(c->e, r, "out of memory");
		if (r < 0)
			records[i] = NULL;
		r = records[i] ? each_piece(c, records[i], on_add, &v[i]) : 0;
	}
	for (size_t i = 0; i < n && r >= 0; i++)
		if (records[i])
			r = each_piece(c, records[i], on_sum, &v[i]);
	return r;
}

/* Without sizes, which would want the folders to be whole. */
int image_usage_list(struct store *s, const char *ns, struct arena *a, struct image_usage *ret,
		     struct err *e)
{
	struct count c = { .s = s, .ns = ns, .a = a, .e = e };

	*ret = (struct image_usage){ 0 };
	return list_images(&c, &ret->v, &ret->n);
}

int image_usage(struct store *s, const char *ns, struct arena *a, struct image_usage *ret,
		struct err *e)
{
	struct count c = { .s = s, .ns = ns, .a = a, .e = e };
	struct image_usage out = { 0 };
	int r = list_images(&c, &out.v, &out.n);

	if (r >= 0)
		r = count_all(&c, out.v, out.n);
	for (size_t i = 0; i < out.n; i++)
		out.active += out.v[i].containers > 0;
	for (size_t i = 0; i < c.pieces.n; i++) {
		out.size += c.pieces.v[i].size;
		out.reclaimable += c.pieces.v[i].is_active ? 0 : c.pieces.v[i].size;
	}
	free(c.pieces.v);
	if (r < 0)
		return r;
	*ret = out;
	return 0;
}
