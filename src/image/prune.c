/* Images that nobody uses go: those without a name, or all (docker's rules for `image prune`). */
#include "image/priv.h"

#include "base/err.h"
#include "base/str.h"

struct prune {
	struct store *s;
	const char *ns;
	const struct image_prune_options *o;
	struct arena *a;
	struct image_pruned out;
	size_t cap_untagged, cap_deleted;
	struct err *e;
};

static bool has_label(const struct json_map *labels, const char *wanted)
{
	size_t key = strcspn(wanted, "=");

	for (size_t i = 0; i < labels->n; i++) {
		const struct json_pair *p = &labels->v[i];

		if (strncmp(p->key, wanted, key) == 0 && !p->key[key] &&
		    (!wanted[key] || streq(p->value, wanted + key + 1)))
			return true;
	}
	return false;
}

static bool is_wanted(struct prune *p, const struct image_use *use)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_record *rec;

	if (use->containers > 0 || (!p->o->is_all && use->name))
		return false;
	if (p->o->until_ns && use->created_ns > p->o->until_ns)
		return false;
	if (!p->o->labels && !p->o->not_labels)
		return true;
	if (image_record_get(p->s, use->manifest_digest, &a, &rec, NULL) < 0)
		return false;
	for (char **l = p->o->labels; l && *l; l++)
		if (!has_label(&rec->labels, *l))
			return false;
	for (char **l = p->o->not_labels; l && *l; l++)
		if (has_label(&rec->labels, *l))
			return false;
	return true;
}

static int keep(struct prune *p, struct json_strs *list, size_t *cap, const struct json_strs *more)
{
	const char **v;

	if (list->n + more->n > *cap) {
		*cap = (list->n + more->n) * 2;
		v = arena_calloc(p->a, *cap, sizeof(*v));
		if (!v)
			return err_set(p->e, -ENOMEM, "out of memory");
		if (list->n)
			memcpy(v, list->v, list->n * sizeof(*v));
		list->v = v;
	}
	for (size_t i = 0; i < more->n; i++)
		list->v[list->n++] = more->v[i];
	return 0;
}

/* By its names one after the other; who begins to use it meanwhile keeps it. */
static int prune_one(struct prune *p, const struct image_use *use, const struct image_listed *rows,
		     size_t n)
{
	bool has_name = false;
	int r = 0;

	for (size_t i = 0; i <= n && r >= 0; i++) {
		struct image_removed removed = { 0 };
		/* Not by its id, which one with a name may have as well. */
		const char *what = i < n ? rows[i].name : use->manifest_digest;

		if (i < n ? !rows[i].name || !streq(rows[i].manifest_digest, use->manifest_digest)
			  : has_name)
			continue;
		has_name = true;
		r = image_remove(p->s, p->ns, what, false, p->a, &removed, p->e);
		if (r == -ENOENT || r == -EBUSY)
			return 0;
		if (r >= 0)
			r = keep(p, &p->out.untagged, &p->cap_untagged, &removed.untagged);
		if (r >= 0)
			r = keep(p, &p->out.deleted, &p->cap_deleted, &removed.deleted);
	}
	return r;
}

int image_prune(struct store *s, const char *ns, const struct image_prune_options *o,
		struct arena *a, struct image_pruned *ret, struct err *e)
{
	struct prune p = { .s = s, .ns = ns, .o = o, .a = a, .e = e };
	struct image_usage before, after;
	struct image_listed *rows;
	size_t n;
	int r = image_usage(s, ns, a, &before, e);

	if (r >= 0)
		r = image_list(s, ns, a, &rows, &n, e);
	for (size_t i = 0; r >= 0 && i < before.n; i++)
		if (is_wanted(&p, &before.v[i]))
			r = prune_one(&p, &before.v[i], rows, n);
	if (r >= 0)
		r = image_usage(s, ns, a, &after, e);
	if (r < 0)
		return r;
	p.out.reclaimed = MAX(before.size - after.size, 0);
	*ret = p.out;
	return 0;
}
