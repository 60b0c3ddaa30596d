/* What an image in a registry is, without its layers: its documents, read by the describe role. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

static int read_config(struct copy_reader *x, struct remote *g, const struct oci_descriptor *want,
		       struct image_remote *ret, struct err *e)
{
	const char *path = arena_printf(x->a, "blobs/%s", want->digest);
	struct remote_document doc = { 0 };
	struct image_described d = { 0 };
	int r = path ? remote_document(g, path, x->a, &doc, e)
		     : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && !streq(doc.digest, want->digest))
		r = err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "the registry sends %s in place of %s",
				 doc.digest, want->digest);
	if (r < 0)
		return r;
	r = image_describe(&x->describer, x->platform, want->digest,
			   want->media_type ? want->media_type : "", doc.text, doc.len, x->a, &d,
			   e);
	if (r == 0 && !d.config)
		r = err_set(e, -EBADMSG, "%.19s is not the config of an image", want->digest);
	ret->config_text = doc.text;
	ret->config_len = doc.len;
	ret->config = d.config;
	return r;
}

static int inspect(struct copy_reader *x, struct remote *g, bool is_top_only,
		   struct image_remote *ret, struct err *e)
{
	struct copy_manifest m = { 0 };
	int r = x->src->top(x->src, x, &m, e);

	if (r < 0)
		return r;
	*ret = (struct image_remote){ .digest = m.digest, .text = m.text, .len = m.len };
	if (is_top_only)
		return 0;
	r = copy_describe(x, &m, e);
	if (r == 0)
		r = copy_choose(x, &m, e);
	if (r == 0 && !m.d->manifest->config)
		r = err_set(e, -EBADMSG, "%.19s is not the manifest of an image", m.digest);
	if (r < 0)
		return r;
	ret->manifest = m.d->manifest;
	return read_config(x, g, m.d->manifest->config, ret, e);
}

int image_remote_inspect(const char *what, const char *platform, bool is_top_only,
			 const struct image_remote_options *o, struct arena *a,
			 struct image_remote *ret, struct err *e)
{
	char buf[PLATFORM_TEXT_MAX];
	struct remote g = { .access = o->access, .warned = o->warned, .data = o->data };
	struct copy_reader x = { .describer = { .control = -EBADF },
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
		r = inspect(&x, &g, is_top_only, ret, e);
	worker_stop(&x.describer);
	remote_done(&g);
	return r;
}
