/* Names of images. One that is taken from an image leaves it without a name, as docker does, and not without itself. */
#include "image/priv.h"

#include "base/err.h"
#include "base/str.h"

static const char no_name[] = "image without a name";

int image_keep_nameless(struct store *s, const char *ns, const char *manifest, struct err *e)
{
	struct json_pair root = { LABEL_GC_ROOT, no_name };
	const struct json_map labels = { &root, 1 };

	return store_content_add_labels(s, ns, manifest, &labels, e);
}

/* By its id: two manifests may be of one image, packed in different ways. */
static int is_named(struct store *s, const char *ns, const struct image_record *rec, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_row *rows;
	size_t n;
	int r = store_image_list(s, ns, &a, &rows, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (streq(image_row_manifest(&rows[i]), rec->manifest_digest))
			return 1;
	for (size_t i = 0; r == 0 && i < n; i++) {
		AUTO_ARENA struct arena scratch = { 0 };
		struct image_record *other;

		if (image_record_get(s, image_row_manifest(&rows[i]), &scratch, &other, NULL) ==
			    0 &&
		    streq(other->config_digest, rec->config_digest))
			return 1;
	}
	return r;
}

/* What others put there without a record of ours is nothing that we could show or run: it goes with its name. */
static int keep_left(struct store *s, const char *ns, const char *manifest, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_record *rec;
	int r = image_record_get(s, manifest, &a, &rec, NULL);

	if (r < 0)
		return r == -ENOMEM ? err_set(e, r, "out of memory") : 0;
	r = is_named(s, ns, rec, e);
	return r == 0 ? image_keep_nameless(s, ns, manifest, e) : MIN(r, 0);
}

static int put(struct store *s, const char *ns, const struct image_row *row, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const char *old = NULL;
	struct image_row before;
	int r = store_image_get(s, ns, row->name, &a, &before, NULL);

	if (r == 0)
		old = image_row_manifest(&before);
	if (r < 0 && r != -ENOENT)
		return err_sys(e, r, "find image '%s'", row->name);
	r = store_image_put(s, ns, row, e);
	if (r == 0 && old && !streq(old, image_row_manifest(row)))
		r = keep_left(s, ns, old, e);
	return r;
}

int image_name_put(struct store *s, const char *ns, const struct image_row *row, struct err *e)
{
	int r = store_begin(s, e);

	if (r < 0)
		return r;
	r = put(s, ns, row, e);
	if (r == 0)
		return store_commit(s, e);
	store_rollback(s);
	return r;
}
