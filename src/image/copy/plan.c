/* What has to go over: documents are walked from the top, each described by a worker. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/str.h"

/* Media types of layers that are not to be spread (image-spec, "non-distributable"; docker's "foreign"). */
static bool is_foreign(const char *type)
{
	return type && (str_skip(type, "application/vnd.oci.image.layer.nondistributable.") ||
			str_skip(type, "application/vnd.docker.image.rootfs.foreign."));
}

bool copy_is_artifact(const struct oci_manifest *m)
{
	const char *type = m->config ? m->config->media_type : NULL;

	return m->artifact_type ||
	       (type && !streq(type, MT_OCI_CONFIG) && !streq(type, MT_DOCKER_CONFIG));
}

const char *copy_artifact_type(const struct oci_manifest *m)
{
	const char *type = m->config ? m->config->media_type : NULL;

	return m->artifact_type ? m->artifact_type : type ? type : "";
}

static int add_blob(struct copy_plan *p, const struct oci_descriptor *d, struct err *e)
{
	if (p->reader.src->has && !is_foreign(d->media_type) &&
	    !p->reader.src->has(p->reader.src, d->digest))
		return err_set(e, -ENOENT, "blob %.80s is not there", d->digest);
	for (size_t i = 0; i < p->blobs_n; i++)
		if (streq(p->blobs[i].digest, d->digest))
			return 0;
	if (p->blobs_n >= COPY_BLOBS_MAX)
		return err_set(e, -E2BIG, "the image has more than %d blobs", COPY_BLOBS_MAX);
	if (is_foreign(d->media_type)) {
		if (p->o->told)
			p->o->told(p->o->data, d->digest, "Skipped foreign layer");
		return 0;
	}
	if (mem_grow(&p->blobs, &p->blobs_cap, p->blobs_n + 1, sizeof(*p->blobs)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	p->blobs[p->blobs_n++] = (struct copy_blob){ d->digest, d->media_type ? d->media_type : "",
						     d->size };
	return 0;
}

static int check_kind(const struct copy_plan *p, const struct copy_manifest *m, struct err *e)
{
	bool is_docker = str_skip(m->media_type, "application/vnd.docker.");

	if (p->o->kind == IMAGE_MANIFEST_ANY || is_docker == (p->o->kind == IMAGE_MANIFEST_DOCKER))
		return 0;
	return err_set(
		e, -EOPNOTSUPP,
		"manifest %.19s is '%.100s': a copy does not convert it, which would change its digest",
		m->digest, m->media_type);
}

static int add_manifest(struct copy_plan *p, const struct copy_manifest *m, struct err *e)
{
	int r = check_kind(p, m, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->manifests_n; i++)
		if (streq(p->manifests[i].digest, m->digest))
			return 0;
	if (p->manifests_n >= COPY_MANIFESTS_MAX)
		return err_set(e, -E2BIG, "the image has more than %d manifests",
			       COPY_MANIFESTS_MAX);
	if (mem_grow(&p->manifests, &p->manifests_cap, p->manifests_n + 1, sizeof(*p->manifests)) <
	    0)
		return err_set(e, -ENOMEM, "out of memory");
	p->manifests[p->manifests_n++] = *m;
	return 0;
}

int copy_describe(struct copy_reader *x, struct copy_manifest *m, struct err *e)
{
	struct image_described *d = arena_alloc(x->a, sizeof(*d));
	int r = d ? image_describe(&x->describer, x->platform, m->digest, m->media_type, m->text,
				   m->len, x->a, d, e)
		  : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && !d->manifest)
		r = err_set(e, -EBADMSG, "%.19s is neither a manifest nor an index", m->digest);
	m->d = d;
	if (r == 0)
		m->media_type = d->media_type;
	return r;
}

static const struct oci_descriptor *chosen(const struct image_described *d)
{
	for (size_t i = 0; d->chosen && i < d->manifest->manifests.n; i++)
		if (streq(d->manifest->manifests.v[i].digest, d->chosen))
			return &d->manifest->manifests.v[i];
	return NULL;
}

int copy_choose(struct copy_reader *x, struct copy_manifest *m, struct err *e)
{
	for (int depth = 0; m->d->is_index; depth++) {
		const struct oci_descriptor *d = chosen(m->d);
		int r;

		if (depth >= LIMIT_INDEX_NESTING)
			return err_set(e, -E2BIG, "indexes nest deeper than %d",
				       LIMIT_INDEX_NESTING);
		if (!d)
			return err_set_code(
				e, -ENOENT, ERR_NOT_FOUND,
				"no matching manifest for %s in the manifest list entries",
				x->platform);
		r = x->src->manifest(x->src, d, x->a, m, e);
		if (r == 0)
			r = copy_describe(x, m, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int walk(struct copy_plan *p, struct copy_manifest *m, int depth, struct err *e);

static int walk_child(struct copy_plan *p, const struct oci_descriptor *d, int depth, struct err *e)
{
	struct copy_manifest child = { 0 };
	int r = p->reader.src->manifest(p->reader.src, d, p->reader.a, &child, e);

	if (r == 0)
		r = copy_describe(&p->reader, &child, e);
	return r < 0 ? r : walk(p, &child, depth + 1, e);
}

static int walk(struct copy_plan *p, struct copy_manifest *m, int depth, struct err *e)
{
	const struct oci_manifest *doc = m->d->manifest;
	int r = 0;

	if (depth >= LIMIT_INDEX_NESTING)
		return err_set(e, -E2BIG, "indexes nest deeper than %d", LIMIT_INDEX_NESTING);
	for (size_t i = 0; r == 0 && i < doc->manifests.n && !p->o->is_index_only; i++)
		r = walk_child(p, &doc->manifests.v[i], depth, e);
	/* Layers are much larger than the config: they begin first. */
	for (size_t i = 0; r == 0 && i < doc->layers.n; i++)
		r = add_blob(p, &doc->layers.v[i], e);
	if (r == 0 && doc->config)
		r = add_blob(p, doc->config, e);
	return r < 0 ? r : add_manifest(p, m, e);
}

static int walk_chosen(struct copy_plan *p, struct copy_manifest *m, struct err *e)
{
	int r = copy_choose(&p->reader, m, e);

	return r < 0 ? r : walk(p, m, 0, e);
}

int copy_plan_make(struct copy_plan *p, struct err *e)
{
	struct copy_manifest top = { 0 };
	struct err why = ERR_INIT;
	int r;

	p->reader.describer.control = -EBADF;
	r = p->reader.src->top(p->reader.src, &p->reader, &top, e);
	if (r == 0)
		r = copy_describe(&p->reader, &top, e);
	if (r < 0 || !top.d->is_index || p->o->is_all || p->o->is_index_only)
		return r < 0 ? r : walk(p, &top, 0, e);
	if (!p->o->is_whole_or_one)
		return walk_chosen(p, &top, e);
	r = walk(p, &top, 0, &why);
	if (r != -ENOENT) {
		if (r < 0 && e)
			*e = why;
		return r;
	}
	p->index = top.digest;
	p->blobs_n = p->manifests_n = 0;
	return walk_chosen(p, &top, e);
}

void copy_plan_done(struct copy_plan *p)
{
	worker_stop(&p->reader.describer);
	free(p->blobs);
	free(p->manifests);
}
