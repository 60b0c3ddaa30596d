/*
 * What is kept of a verification, as labels on the image's manifest: the signatures' documents, which the collection then leaves,
 * and a verdict with the hash of all that it depends on. With them an image that is here already is
 * judged again without a network when the policy has changed, and without any work when it has not.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "image/priv.h"
#include "image/trust/verify.h"
#include "spec/image.h"

#define LABEL_DOCUMENT "containerd.io/gc.ref.content.signature."
#define LABEL_VERDICT "corten/verdict."
/* Hex digits that tell repositories, or names, apart: what they say is checked, they are only places. */
#define ID_LEN 12
#define LABEL_MAX 320

struct ids {
	char repository[ID_LEN + 1], name[ID_LEN + 1];
};

static void short_hash(const char *s, char buf[ID_LEN + 1])
{
	char digest[DIGEST_TEXT_MAX];

	snprintf(buf, ID_LEN + 1, "%s", digest_hex(digest_of(s, strlen(s), digest)));
}

static void make_ids(const struct ref *ref, struct ids *ret)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX] = "", repository[REF_TEXT_MAX] = "";

	if (ref) {
		ref_full(ref, full);
		snprintf(repository, sizeof(repository), "%s/%s", ref->host, ref->path);
	}
	short_hash(repository, ret->repository);
	short_hash(full, ret->name);
}

static const char *label(const struct json_map *labels, const char *prefix, const char *id,
			 const char *rest)
{
	char key[LABEL_MAX];

	snprintf(key, sizeof(key), "%s%s%s", prefix, id, rest);
	for (size_t i = 0; i < labels->n; i++)
		if (streq(labels->v[i].key, key))
			return labels->v[i].value;
	return NULL;
}

/* ---- writing ---- */

static bool is_ours(const char *key, const struct ids *ids)
{
	const char *documents = str_skip(key, LABEL_DOCUMENT),
		   *verdict = str_skip(key, LABEL_VERDICT);

	return (documents && str_skip(documents, ids->repository)) ||
	       (verdict && streq(verdict, ids->name));
}

static void add(struct json_map *m, const char *key, const char *value)
{
	m->v[m->n++] = (struct json_pair){ key, value };
}

/* The labels that others put there stay; those of this repository and name are made anew. */
static int make_labels(struct trust *t, const struct json_map *old, const char *verdict,
		       struct json_map *ret, struct err *e)
{
	struct json_map m = { .v = arena_calloc(t->a, old->n + t->kept.n + 1, sizeof(*m.v)) };
	struct ids ids;

	if (!m.v)
		return err_set(e, -ENOMEM, "out of memory");
	make_ids(t->ref, &ids);
	for (size_t i = 0; i < old->n; i++)
		if (!is_ours(old->v[i].key, &ids))
			m.v[m.n++] = old->v[i];
	for (size_t i = 0; i < t->kept.n; i++)
		add(&m,
		    arena_printf(t->a, LABEL_DOCUMENT "%s.%s", ids.repository, t->kept.v[i].key),
		    t->kept.v[i].value);
	add(&m, arena_printf(t->a, LABEL_VERDICT "%s", ids.name), arena_strdup(t->a, verdict));
	for (size_t i = 0; i < m.n; i++)
		if (!m.v[i].key || !m.v[i].value)
			return err_set(e, -ENOMEM, "out of memory");
	*ret = m;
	return 0;
}

int trust_keep(struct trust *t, struct store *s, const char *ns, const char *manifest_digest,
	       struct err *e)
{
	char verdict[DIGEST_TEXT_MAX];
	struct content_info info;
	struct json_map labels;
	int r = trust_is_open(t) ? 1 : trust_hash(t, verdict, e);

	if (r != 0)
		return MIN(r, 0);
	r = store_content_info(s, ns, manifest_digest, t->a, &info, e);
	if (r == 0)
		r = make_labels(t, &info.labels, verdict, &labels, e);
	return r < 0 ? r : store_content_set_labels(s, ns, manifest_digest, &labels, e);
}

/* ---- reading ---- */

struct kept_source {
	struct trust_source source; /* first */
	struct store *s;
	const char *ns;
	const struct json_map *labels;
	struct ids ids;
	struct arena *a;
};

static int get_kept(struct trust_source *source, const char *path, const char *digest, size_t max,
		    struct trust_document *ret, struct err *e)
{
	struct kept_source *k = (struct kept_source *)source;
	char rest[LABEL_MAX];
	struct content_info info;
	const char *text;
	int r;

	snprintf(rest, sizeof(rest), ".%s", path);
	if (!digest)
		digest = label(k->labels, LABEL_DOCUMENT, k->ids.repository, rest);
	if (!digest || !digest_is_valid(digest))
		return err_set(e, -ENOENT, "no signature is kept");
	r = store_content_info(k->s, k->ns, digest, k->a, &info, e);
	if (r == 0)
		r = store_content_read(k->s, digest, max, k->a, &text, &ret->len, e);
	if (r < 0)
		return r;
	if (!streq(digest_of(text, ret->len, ret->digest), digest))
		return err_set(e, -EBADMSG, "%s is damaged", digest);
	ret->text = malloc(ret->len + 1);
	if (!ret->text)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(ret->text, text, ret->len);
	return 0;
}

struct present {
	struct store *s;
	const char *ns;
	const struct image_record *record;
	struct image_row
		row; /* what the name stands for, an index as a rule; none: an image without a name */
	struct content_info info;
	bool is_fresh; /* an earlier verdict does not count */
};

/*
 * What the name stands for, else the image's manifest, as in a pull. That the one names the other was said by a process
 * that had read the first: when that is accepted it is the signer's, and so is what it says.
 */
static int check_kept(struct trust *t, struct present *p, struct err *e)
{
	struct kept_source source = {
		.source = { get_kept }, .s = p->s, .ns = p->ns, .labels = &p->info.labels, .a = t->a
	};
	const struct trust_target named = { p->row.digest, p->row.media_type, p->row.size };
	struct trust_target own = { p->record->manifest_digest, MT_OCI_MANIFEST, p->info.size };
	struct err why = ERR_INIT;
	int r;

	make_ids(t->ref, &source.ids);
	if (!named.digest)
		return trust_check(t, &source.source, &own, e);
	r = trust_check(t, &source.source, &named, &why);
	if (r == -EACCES && t->is_unsigned && !streq(named.digest, own.digest) &&
	    trust_check(t, &source.source, &own, NULL) == 0)
		return 0;
	if (r < 0 && e)
		*e = why;
	return r;
}

static int check_name(struct trust *t, struct present *p, const struct ref *ref, struct arena *a,
		      struct err *e)
{
	char verdict[DIGEST_TEXT_MAX];
	const char *had;
	struct ids ids;
	int r = trust_begin(t, ref, a, e);

	if (r < 0 || (trust_is_open(t) && !p->is_fresh))
		return r;
	make_ids(ref, &ids);
	r = store_content_info(p->s, p->ns, p->record->manifest_digest, a, &p->info, e);
	if (r == 0)
		r = trust_hash(t, verdict, e);
	if (r < 0)
		return r;
	had = label(&p->info.labels, LABEL_VERDICT, ids.name, "");
	if (!p->is_fresh && had && streq(had, verdict))
		return 0;
	r = check_kept(t, p, e);
	return r < 0 ? r : trust_keep(t, p->s, p->ns, p->record->manifest_digest, e);
}

static int check_text(struct trust *t, struct present *p, struct arena *a, struct err *e)
{
	struct ref *ref = arena_alloc(a, sizeof(*ref));
	int r = ref ? ref_parse(p->row.name, ref, e) : err_set(e, -ENOMEM, "out of memory");

	return r < 0 ? r : check_name(t, p, ref, a, e);
}

/* An image that was asked for by its id may have several names: one that the policy accepts is enough. */
static int check_all_names(struct trust *t, struct present *p, struct arena *a,
			   const char **ret_name, struct err *e)
{
	struct image_row *rows;
	bool has_name = false;
	size_t n;
	int r = store_image_list(p->s, p->ns, a, &rows, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct err why = ERR_INIT;
		int q;

		if (!streq(image_row_manifest(&rows[i]), p->record->manifest_digest))
			continue;
		p->row = rows[i];
		q = check_text(t, p, a, &why);
		if (q == 0) {
			*ret_name = rows[i].name;
			return 0;
		}
		has_name = true;
		if (e)
			*e = why;
		if (q != -EACCES)
			return q;
	}
	p->row = (struct image_row){ 0 };
	return r < 0 ? r : has_name ? -EACCES : check_name(t, p, NULL, a, e);
}

static int check_present(struct trust *t, struct present *p, const char *name, struct arena *a,
			 const char **ret_name, struct err *e)
{
	int r;

	*ret_name = name;
	if (!name)
		return check_all_names(t, p, a, ret_name, e);
	r = store_image_get(p->s, p->ns, name, a, &p->row, e);
	if (r == 0)
		r = check_text(t, p, a, e);
	return r == -EACCES ? err_wrap(e, r, "image '%s'", name) : r;
}

int image_policy_check(struct store *s, const char *ns, const char *name,
		       const struct image_record *record, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct present p = { .s = s, .ns = ns, .record = record };
	AUTO_FREE struct trust *t = malloc(sizeof(*t));

	return t ? check_present(t, &p, name, &a, &name, e) : err_set(e, -ENOMEM, "out of memory");
}

/* Rows that are not there yet: the archive has no index, so a name stands for its manifest. */
int image_policy_check_offer(struct store *s, const char *ns, const struct image_offer *o,
			     struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct present p = { .s = s, .ns = ns, .record = o->record };
	AUTO_FREE struct trust *t = malloc(sizeof(*t));
	int r = 0;

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	if (o->names.n == 0)
		return check_name(t, &p, NULL, &a, e);
	for (size_t i = 0; i < o->names.n && r == 0; i++) {
		p.row = (struct image_row){ .name = o->names.v[i],
					    .digest = o->record->manifest_digest,
					    .media_type = o->media_type,
					    .size = o->manifest_size };
		r = check_text(t, &p, &a, e);
		if (r == -EACCES)
			err_wrap(e, r, "image '%s'", o->names.v[i]);
	}
	return r;
}

int image_verify(struct store *s, const char *ns, const char *what, struct arena *a,
		 struct image_verified *ret, struct err *e)
{
	struct present p = { .s = s, .ns = ns, .is_fresh = true };
	struct trust *t = arena_alloc(a, sizeof(*t));
	struct image_record *record;
	const char *name;
	int r = t ? image_find(s, ns, what, a, &record, &name, e)
		  : err_set(e, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	p.record = record;
	r = check_present(t, &p, name, a, &name, e);
	if (r < 0)
		return r;
	*ret = (struct image_verified){ .name = name,
					.manifest_digest = record->manifest_digest,
					.digest = t->target.digest,
					.rule = trust_rule_name(t, a),
					.words = t->words };
	return ret->rule ? 0 : err_set(e, -ENOMEM, "out of memory");
}
