/* What the describe role says of documents that are in the store: types, and the history. */
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "image/forms/priv.h"
#include "image/registry/registry.h"

static int describe(struct store *s, const char *digest, const char *type, struct arena *a,
		    struct image_described *ret, int64_t *ret_size, struct err *e)
{
	struct worker w = { .control = -EBADF };
	char platform[PLATFORM_TEXT_MAX];
	const char *text;
	size_t len;
	int r = store_content_read(s, digest, LIMIT_MANIFEST_BYTES, a, &text, &len, e);

	if (r == 0)
		r = image_describe(&w, image_host_platform(platform), digest, type, text, len, a,
				   ret, e);
	worker_stop(&w);
	*ret_size = r == 0 ? (int64_t)len : 0;
	return r;
}

int forms_manifest_type(struct store *s, const struct image_record *rec, struct arena *a,
			const char **ret_type, int64_t *ret_size, struct err *e)
{
	struct image_described d;
	int r = describe(s, rec->manifest_digest, "", a, &d, ret_size, e);

	if (r == 0 && (!d.manifest || d.is_index))
		r = err_set(e, -EBADMSG, "the worker described something else");
	if (r == 0)
		*ret_type = d.media_type;
	return r;
}

/* The newest first. A line has a layer's size when it made one; lines and layers come in the same order. */
static int fill(const struct image_record *rec, const struct oci_image_config *c, struct arena *a,
		struct image_history **ret, size_t *ret_n, struct err *e)
{
	size_t n = c->history.n, layer = 0;
	struct image_history *v = arena_calloc(a, n + 1, sizeof(*v));

	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct oci_history *h = &c->history.v[i];
		struct image_history *out = &v[n - 1 - i];

		*out = (struct image_history){ .created_by = h->created_by ? h->created_by : "",
					       .comment = h->comment ? h->comment : "" };
		if (h->created)
			(void)clock_parse_rfc3339(h->created, &out->created_ns);
		if (!h->empty_layer && layer < rec->layers.n)
			out->size = rec->layers.v[layer++].size;
	}
	if (n > 0)
		v[0].id = rec->config_digest;
	*ret = v;
	*ret_n = n;
	return 0;
}

int image_history(struct store *s, const char *ns, const char *what, struct arena *a,
		  struct image_history **ret, size_t *ret_n, struct err *e)
{
	struct image_described d = { 0 };
	struct image_record *rec;
	const char *name;
	int64_t size;
	int r = image_find(s, ns, what, a, &rec, &name, e);

	if (r == 0)
		r = describe(s, rec->config_digest, MT_OCI_CONFIG, a, &d, &size, e);
	if (r == 0 && !d.config)
		r = err_set(e, -EBADMSG, "the worker described something else");
	return r < 0 ? r : fill(rec, d.config, a, ret, ret_n, e);
}
