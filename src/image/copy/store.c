/* Images of the store: what is there was hashed when it came. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

struct store_source {
	struct copy_source src; /* first */
	struct image_row row;
};

static bool has(struct copy_source *src, const char *digest)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;

	return store_content_info(src->s, src->ns, digest, &a, &info, NULL) == 0;
}

static int read(struct copy_source *src, const char *digest, const char *type, struct arena *a,
		struct copy_manifest *ret, struct err *e)
{
	struct copy_manifest m = { .digest = digest, .media_type = type };
	char found[DIGEST_TEXT_MAX];
	int r;

	if (!has(src, digest))
		return err_set(e, -ENOENT, "manifest %.80s is not there", digest);
	r = store_content_read(src->s, digest, LIMIT_MANIFEST_BYTES, a, &m.text, &m.len, e);
	if (r < 0)
		return r;
	if (!streq(digest_of(m.text, m.len, found), digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "the store's blob %s is damaged",
				    digest);
	*ret = m;
	return 0;
}

static int top(struct copy_source *src, struct copy_reader *x, struct copy_manifest *ret,
	       struct err *e)
{
	const struct image_row *row = &((struct store_source *)src)->row;

	return read(src, row->digest, row->media_type, x->a, ret, e);
}

static int manifest(struct copy_source *src, const struct oci_descriptor *d, struct arena *a,
		    struct copy_manifest *ret, struct err *e)
{
	return read(src, d->digest, d->media_type ? d->media_type : "", a, ret, e);
}

static int open_blob(struct copy_source *src, const struct copy_blob *b, struct err *e)
{
	return store_content_open(src->s, b->digest, e);
}

static void no_done(struct copy_source *src)
{
	(void)src;
}

static int new_source(struct store *s, const char *ns, const struct image_row *row, struct arena *a,
		      struct copy_source **ret, struct err *e)
{
	struct store_source *st = arena_alloc(a, sizeof(*st));

	if (!st)
		return err_set(e, -ENOMEM, "out of memory");
	st->row = *row;
	st->src = (struct copy_source){ .is_hashed = true,
					.s = s,
					.ns = ns,
					.top = top,
					.manifest = manifest,
					.has = has,
					.open = open_blob,
					.done = no_done };
	*ret = &st->src;
	return 0;
}

int copy_source_content(struct store *s, const char *ns, const char *digest, struct arena *a,
			struct copy_source **ret, struct err *e)
{
	const struct image_row row = { .digest = digest, .media_type = "" };

	return new_source(s, ns, &row, a, ret, e);
}

int copy_source_store(struct store *s, const char *ns, const char *what, struct arena *a,
		      struct copy_source **ret, struct err *e)
{
	struct image_record *rec;
	struct image_row row;
	const char *name;
	int r = image_find_any(s, ns, what, a, &rec, &name, e);

	if (r < 0)
		return r;
	if (!name)
		return copy_source_content(s, ns, rec->manifest_digest, a, ret, e);
	r = store_image_get(s, ns, name, a, &row, e);
	return r < 0 ? r : new_source(s, ns, &row, a, ret, e);
}
