/* What an image in a registry is, without its layers: its documents, read by the describe role. */
#include "image/registry/copy.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

struct inspection {
	struct remote *g;
	struct copy_source *src;
	struct worker *describer;
	const char *platform;
	struct arena *a;
};

static int describe(struct inspection *x, const struct copy_manifest *m,
		    struct image_described *ret, struct err *e)
{
	return image_describe(x->describer, x->platform, m->digest, m->media_type, m->text, m->len,
			      x->a, ret, e);
}

/* From an index to the manifest for the platform; indexes in indexes too. */
static int choose(struct inspection *x, struct copy_manifest *m, struct image_described *d,
		  struct err *e)
{
	int r = describe(x, m, d, e);

	for (int depth = 0; r == 0 && d->is_index; depth++) {
		const struct oci_descriptor chosen = { .digest = d->chosen };

		if (depth >= LIMIT_INDEX_NESTING)
			return err_set(e, -E2BIG, "indexes nest deeper than %d",
				       LIMIT_INDEX_NESTING);
		if (!d->chosen)
			return err_set_code(e, -ENOENT, ERR_NOT_FOUND,
					    "no matching manifest for %s in the index",
					    x->platform);
		r = x->src->manifest(x->src, &chosen, x->a, m, e);
		if (r == 0)
			r = describe(x, m, d, e);
	}
	if (r == 0 && (!d->manifest || !d->manifest->config))
		r = err_set(e, -EBADMSG, "%.19s is not the manifest of an image", m->digest);
	return r;
}

static int read_config(struct inspection *x, const struct oci_descriptor *want,
		       struct image_remote *ret, struct err *e)
{
	const char *path = arena_printf(x->a, "blobs/%s", want->digest);
	struct remote_document doc = { 0 };
	struct copy_manifest m;
	struct image_described d = { 0 };
	int r = path ? remote_document(x->g, path, x->a, &doc, e)
		     : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && !streq(doc.digest, want->digest))
		r = err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "the registry sends %s in place of %s",
				 doc.digest, want->digest);
	if (r < 0)
		return r;
	m = (struct copy_manifest){ .digest = want->digest,
				    .media_type = want->media_type ? want->media_type : "",
				    .text = doc.text,
				    .len = doc.len };
	r = describe(x, &m, &d, e);
	if (r == 0 && !d.config)
		r = err_set(e, -EBADMSG, "%.19s is not the config of an image", m.digest);
	ret->config_text = doc.text;
	ret->config_len = doc.len;
	ret->config = d.config;
	return r;
}

static int inspect(struct inspection *x, bool is_top_only, struct image_remote *ret, struct err *e)
{
	struct copy_manifest m = { 0 };
	struct image_described d = { 0 };
	int r = x->src->top(x->src, x->a, &m, e);

	if (r < 0)
		return r;
	*ret = (struct image_remote){ .digest = m.digest, .text = m.text, .len = m.len };
	if (is_top_only)
		return 0;
	r = choose(x, &m, &d, e);
	if (r < 0)
		return r;
	ret->manifest = d.manifest;
	return read_config(x, d.manifest->config, ret, e);
}

int image_remote_inspect(const char *what, const char *platform, bool is_top_only,
			 const struct image_remote_options *o, struct arena *a,
			 struct image_remote *ret, struct err *e)
{
	char buf[PLATFORM_TEXT_MAX];
	struct remote g = { .warned = o->warned, .data = o->data };
	struct worker describer = { .control = -EBADF };
	struct inspection x = { .g = &g,
				.describer = &describer,
				.platform = platform ? platform : image_host_platform(buf),
				.a = a };
	struct ref ref;
	int r = ref_parse(what, &ref, e);

	if (r == 0)
		r = remote_init(&g, &ref, a, e);
	if (r < 0)
		return r;
	r = copy_source_remote(&g, &ref, a, &x.src, e);
	if (r == 0)
		r = inspect(&x, is_top_only, ret, e);
	worker_stop(&describer);
	remote_done(&g);
	return r;
}
