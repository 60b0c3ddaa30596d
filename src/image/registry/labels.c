/* containerd's labels on content (core/images/mediatypes.go ChildGCLabels, core/remotes/docker/handler.go). */
#include "image/registry/registry.h"

#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

#define REF_PREFIX "containerd.io/gc.ref.content."
#define SOURCE_PREFIX "containerd.io/distribution.source."
/* Repositories in one label; containerd cuts where the label has 4 KiB. */
#define SOURCES_BYTES 4000

static int add_child(struct json_map *m, const char *key, const struct oci_descriptor *d)
{
	if (!d)
		return 0;
	m->v[m->n] = (struct json_pair){ key, d->digest };
	return m->v[m->n++].key ? 0 : -ENOMEM;
}

int image_label_children(struct store *s, const char *ns, const struct image_described *d,
			 struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const struct oci_manifest *doc = d->manifest;
	struct json_map m = { 0 };
	int r;

	if (!doc)
		return 0;
	m.v = arena_calloc(&a, doc->layers.n + doc->manifests.n + 1, sizeof(*m.v));
	r = m.v ? add_child(&m, REF_PREFIX "config", doc->config) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < doc->layers.n; i++)
		r = add_child(&m, arena_printf(&a, REF_PREFIX "l.%zu", i), &doc->layers.v[i]);
	for (size_t i = 0; r == 0 && i < doc->manifests.n; i++)
		r = add_child(&m, arena_printf(&a, REF_PREFIX "m.%zu", i), &doc->manifests.v[i]);
	if (r < 0)
		return err_set(e, r, "out of memory");
	return m.n ? store_content_add_labels(s, ns, d->digest, &m, e) : 0;
}

/* ---- where it came from ---- */

static const char *source_key(const char *host, struct arena *a)
{
	return arena_printf(a, SOURCE_PREFIX "%s", host);
}

static const char *find_label(const struct json_map *labels, const char *key)
{
	for (size_t i = 0; i < labels->n; i++)
		if (streq(labels->v[i].key, key))
			return labels->v[i].value;
	return NULL;
}

static bool has_item(const char *list, const char *item)
{
	size_t n = strlen(item);

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");

		if (len == n && strncmp(p, item, n) == 0)
			return true;
		p += len + (p[len] == ',');
	}
	return false;
}

int image_label_source(struct store *s, const char *ns, const char *host, const char *repository,
		       const char *digest, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	struct json_pair pair;
	const char *have;
	int r = store_content_info(s, ns, digest, &a, &info, e);

	if (r < 0)
		return r;
	pair.key = source_key(host, &a);
	if (!pair.key)
		return err_set(e, -ENOMEM, "out of memory");
	have = find_label(&info.labels, pair.key);
	if (have &&
	    (has_item(have, repository) || strlen(have) + strlen(repository) > SOURCES_BYTES))
		return 0;
	pair.value = have ? arena_printf(&a, "%s,%s", have, repository) : repository;
	if (!pair.value)
		return err_set(e, -ENOMEM, "out of memory");
	return store_content_add_labels(s, ns, digest, &(struct json_map){ &pair, 1 }, e);
}

int image_label_sources(struct store *s, const char *ns, const struct ref *ref, const char *top,
			const struct image_record *rec, struct err *e)
{
	int r = store_begin(s, e);

	if (r < 0)
		return r;
	r = image_label_source(s, ns, ref->host, ref->path, rec->manifest_digest, e);
	if (r == 0 && !streq(top, rec->manifest_digest))
		r = image_label_source(s, ns, ref->host, ref->path, top, e);
	if (r == 0)
		r = image_label_source(s, ns, ref->host, ref->path, rec->config_digest, e);
	for (size_t i = 0; r == 0 && i < rec->layers.n; i++)
		r = image_label_source(s, ns, ref->host, ref->path, rec->layers.v[i].digest, e);
	if (r == 0)
		return store_commit(s, e);
	store_rollback(s);
	return r;
}

int image_sources(struct store *s, const char *ns, const char *host, const char *digest,
		  struct arena *a, struct json_strs *ret)
{
	struct content_info info;
	const char *key = source_key(host, a), *have = NULL;
	size_t max = 1;
	char *list;

	*ret = (struct json_strs){ 0 };
	if (key && store_content_info(s, ns, digest, a, &info, NULL) == 0)
		have = find_label(&info.labels, key);
	list = have ? arena_strdup(a, have) : NULL;
	if (!list)
		return 0;
	for (const char *p = list; *p; p++)
		max += *p == ',';
	ret->v = arena_calloc(a, max, sizeof(char *));
	for (char *p = list; ret->v && *p;) {
		size_t len = strcspn(p, ",");
		bool is_last = p[len] == '\0';

		p[len] = '\0';
		if (*p)
			ret->v[ret->n++] = p;
		p += len + !is_last;
	}
	return 0;
}
