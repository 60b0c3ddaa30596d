/* Registries as places that images come from and go to. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

struct remote_source {
	struct copy_source src; /* first */
	const struct ref *ref;
};

static bool is_manifest_type(const char *type)
{
	return streq(type, MT_OCI_INDEX) || streq(type, MT_OCI_MANIFEST) ||
	       streq(type, MT_DOCKER_INDEX) || streq(type, MT_DOCKER_MANIFEST);
}

static int get(struct copy_source *src, const char *what, const char *digest, const char *type,
	       struct arena *a, struct copy_manifest *ret, struct err *e)
{
	const char *path = arena_printf(a, "manifests/%s", what);
	struct remote_document d = { 0 };
	int r = path ? remote_document(src->remote, path, a, &d, e)
		     : err_set(e, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	if (digest && !streq(digest, d.digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the registry sends %s in place of %s", d.digest, digest);
	if (!type)
		type = is_manifest_type(d.media_type) ? d.media_type : "";
	*ret = (struct copy_manifest){ .digest = arena_strdup(a, d.digest),
				       .media_type = type,
				       .text = d.text,
				       .len = d.len };
	return ret->digest ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int top(struct copy_source *src, struct copy_reader *x, struct copy_manifest *ret,
	       struct err *e)
{
	const struct ref *ref = ((struct remote_source *)src)->ref;
	const char *digest = ref->digest[0] ? ref->digest : NULL;

	if (digest && !str_skip(digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported", digest);
	return get(src, digest ? digest : ref->tag, digest, NULL, x->a, ret, e);
}

static int manifest(struct copy_source *src, const struct oci_descriptor *d, struct arena *a,
		    struct copy_manifest *ret, struct err *e)
{
	if (!str_skip(d->digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported",
			       d->digest);
	return get(src, d->digest, d->digest, d->media_type ? d->media_type : "", a, ret, e);
}

static void no_done(struct copy_source *src)
{
	(void)src;
}

int copy_source_remote(struct remote *g, const struct ref *ref, struct arena *a,
		       struct copy_source **ret, struct err *e)
{
	struct remote_source *r = arena_alloc(a, sizeof(*r));

	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	r->src = (struct copy_source){ .remote = g,
				       .host = ref->host,
				       .repository = ref->path,
				       .top = top,
				       .manifest = manifest,
				       .done = no_done };
	r->ref = ref;
	*ret = &r->src;
	return 0;
}

static void no_sink_done(struct copy_sink *sink)
{
	(void)sink;
}

int copy_sink_remote(struct remote *g, const struct ref *ref, struct arena *a,
		     struct copy_sink **ret, struct err *e)
{
	struct copy_sink *sink = arena_alloc(a, sizeof(*sink));

	if (!sink)
		return err_set(e, -ENOMEM, "out of memory");
	*sink = (struct copy_sink){ .remote = g,
				    .host = ref->host,
				    .tag = ref->digest[0] ? ref->digest : ref->tag,
				    .done = no_sink_done };
	*ret = sink;
	return 0;
}
