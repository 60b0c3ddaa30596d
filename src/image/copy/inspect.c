/* What an image in any place is, without its layers: its documents, read by the describe role. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* A small blob, whole, with the digest that it should have. */
static int read_blob(struct copy_reader *x, const struct oci_descriptor *d, const char **ret,
		     size_t *ret_len, struct err *e)
{
	const struct copy_blob blob = { d->digest, d->media_type ? d->media_type : "", d->size };
	struct remote_document doc = { 0 };
	AUTO_FREE char *text = NULL;
	AUTO_FD fd = -EBADF;
	const char *path;
	int r;

	if (x->src->remote) {
		path = arena_printf(x->a, "blobs/%s", d->digest);
		r = path ? remote_document(x->src->remote, path, x->a, &doc, e)
			 : err_set(e, -ENOMEM, "out of memory");
	} else {
		fd = x->src->open(x->src, &blob, e);
		if (fd < 0)
			return fd;
		r = fd_read_all(fd, LIMIT_MANIFEST_BYTES, &text, &doc.len);
		if (r < 0)
			return err_sys(e, r, "read blob %.19s", d->digest);
		digest_of(text, doc.len, doc.digest);
		doc.text = arena_strndup(x->a, text, doc.len);
		r = doc.text ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	if (r == 0 && !streq(doc.digest, d->digest))
		r = err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "%s is there in place of %s",
				 doc.digest, d->digest);
	*ret = doc.text;
	*ret_len = doc.len;
	return r;
}

static int read_config(struct copy_reader *x, const struct oci_manifest *m,
		       struct image_remote *ret, struct err *e)
{
	struct image_described d = { 0 };
	int r = read_blob(x, m->config, &ret->config_text, &ret->config_len, e);

	if (r < 0 || copy_is_artifact(m))
		return r;
	r = image_describe(&x->describer, x->platform, m->config->digest,
			   m->config->media_type ? m->config->media_type : MT_OCI_CONFIG,
			   ret->config_text, ret->config_len, x->a, &d, e);
	if (r == 0 && !d.config)
		r = err_set(e, -EBADMSG, "%.19s is not the config of an image", m->config->digest);
	ret->config = d.config;
	return r;
}

static int inspect(struct copy_reader *x, bool is_top_only, struct image_remote *ret, struct err *e)
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
	if (r < 0)
		return r;
	ret->manifest = m.d->manifest;
	if (copy_is_artifact(ret->manifest))
		ret->artifact_type = copy_artifact_type(ret->manifest);
	return ret->manifest->config ? read_config(x, ret->manifest, ret, e) : 0;
}

bool image_place_is_local(const char *place)
{
	return !str_skip(place, "docker://") && !str_skip(place, "oci:") &&
	       !str_skip(place, "dir:");
}

int image_inspect(struct store *s, const char *ns, const char *place, const char *platform,
		  bool is_top_only, const struct image_remote_options *o, struct arena *a,
		  struct image_remote *ret, struct err *e)
{
	char buf[PLATFORM_TEXT_MAX];
	const struct copy_room room = { .s = s,
					.ns = ns,
					.a = a,
					.from = o->access,
					.platform = platform,
					.warned = o->warned,
					.data = o->data };
	struct copy_reader x = { .describer = { .control = -EBADF },
				 .platform = platform ? platform : image_host_platform(buf),
				 .a = a };
	struct copy_place *p = arena_alloc(a, sizeof(*p));
	int r = p ? copy_place_parse(place, a, p, e) : err_set(e, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	r = copy_place_open_source(&room, p, e);
	x.src = p->src;
	if (r == 0)
		r = inspect(&x, is_top_only, ret, e);
	worker_stop(&x.describer);
	copy_place_close(p);
	return r;
}
