/*
 * Labels: their column, and updates by containerd's field paths: "labels" replaces all, "labels.<key>" sets one, and no
 * path at all is "labels". An empty value removes the label, as in containerd's metadata/boltutil.
 */
#include "store/internal.h"

#define FIELD "labels"

int labels_text(const struct json_map *labels, char **ret, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out };

	if (labels && labels->n > 0) {
		json_begin_object(&w, NULL);
		for (size_t i = 0; i < labels->n; i++) {
			const struct json_pair *p = &labels->v[i];
			size_t len = strlen(p->key) + strlen(p->value);

			if (len > STORE_LABEL_MAX)
				return err_set(
					e, -EINVAL,
					"label key and value length (%zu bytes) greater than maximum size "
					"(%d bytes), key: %.10s",
					len, STORE_LABEL_MAX, p->key);
			json_put_str(&w, p->key, p->value);
		}
		json_end_object(&w);
	} else {
		strbuf_adds(&out, "");
	}
	if (strbuf_take(&out, ret) < 0)
		return err_set(e, -ENOMEM, "labels: out of memory");
	return 0;
}

static const char *value_of(const struct json_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (streq(m->v[i].key, key))
			return m->v[i].value;
	return "";
}

static void set(struct json_map *m, const char *key, const char *value)
{
	size_t i = 0;

	while (i < m->n && !streq(m->v[i].key, key))
		i++;
	if (*value) {
		m->v[i] = (struct json_pair){ key, value };
		m->n = MAX(m->n, i + 1);
	} else if (i < m->n) {
		m->v[i] = m->v[--m->n];
	}
}

/* Applies the update to `now`, which has room for all labels of both. */
static int apply(const struct label_update *u, struct json_map *now, struct err *e)
{
	static const struct json_map none = { 0 };
	const struct json_map *labels = u->labels ? u->labels : &none;
	bool is_all = u->fields.n == 0;

	for (size_t i = 0; i < u->fields.n; i++) {
		const char *key = str_skip(u->fields.v[i], FIELD ".");

		if (streq(u->fields.v[i], FIELD))
			is_all = true;
		else if (key && *key)
			set(now, key, value_of(labels, key));
		else
			return err_set(e, -EINVAL,
				       "cannot update \"%.100s\" field: invalid argument",
				       u->fields.v[i]);
	}
	if (!is_all)
		return 0;
	now->n = 0;
	for (size_t i = 0; i < labels->n; i++)
		set(now, labels->v[i].key, labels->v[i].value);
	return 0;
}

int labels_change(const struct label_update *u, const struct json_map *old, struct arena *a,
		  char **ret, struct err *e)
{
	size_t room = old->n + u->fields.n + (u->labels ? u->labels->n : 0);
	struct json_map now = { .v = arena_calloc(a, room + 1, sizeof(*now.v)), .n = old->n };
	int r;

	if (!now.v)
		return err_set(e, -ENOMEM, "labels: out of memory");
	if (old->n)
		memcpy(now.v, old->v, old->n * sizeof(*now.v));
	r = apply(u, &now, e);
	return r < 0 ? r : labels_text(&now, ret, e);
}
