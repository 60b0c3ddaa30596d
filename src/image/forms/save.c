/* Images of the store as an archive: blobs as they are stored. */
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/forms/archive.h"
#include "image/forms/priv.h"

#define IMAGES_MAX 1024

struct saving {
	struct store *s;
	const char *ns;
	struct arena *a;
	struct archive_image *v;
	size_t n;
	struct json_strs blobs; /* digests, each once, sorted */
	int fd;
	struct err *e;
};

static int out_of_memory(struct saving *x)
{
	return err_set(x->e, -ENOMEM, "out of memory");
}

/* ---- what is saved ---- */

static int fill(struct saving *x, const struct image_record *rec, const char *name)
{
	struct archive_image *i = &x->v[x->n];
	struct oci_platform *pf = arena_alloc(x->a, sizeof(*pf));
	int r;

	*i = (struct archive_image){ .digest = rec->manifest_digest,
				     .config_digest = rec->config_digest,
				     .name = name };
	i->layers.v = arena_calloc(x->a, rec->layers.n + 1, sizeof(char *));
	if (!pf || !i->layers.v)
		return out_of_memory(x);
	*pf = (struct oci_platform){ .architecture = rec->architecture,
				     .os = rec->os,
				     .variant = rec->variant };
	i->platform = pf->os && *pf->os ? pf : NULL;
	for (size_t k = 0; k < rec->layers.n; k++)
		i->layers.v[i->layers.n++] = rec->layers.v[k].digest;
	r = forms_manifest_type(x->s, rec, x->a, &i->media_type, &i->size, x->e);
	if (r == 0)
		x->n++;
	return r;
}

static int find(struct saving *x, const char *what)
{
	struct image_record *rec;
	const char *name;
	int r = image_find(x->s, x->ns, what, x->a, &rec, &name, x->e);

	return r < 0 ? r : fill(x, rec, name);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_blobs(struct saving *x)
{
	size_t max = 0, n = 0;

	for (size_t i = 0; i < x->n; i++)
		max += x->v[i].layers.n + 2;
	x->blobs.v = arena_calloc(x->a, max + 1, sizeof(char *));
	if (!x->blobs.v)
		return out_of_memory(x);
	for (size_t i = 0; i < x->n; i++) {
		const struct archive_image *v = &x->v[i];

		x->blobs.v[n++] = v->digest;
		x->blobs.v[n++] = v->config_digest;
		for (size_t k = 0; k < v->layers.n; k++)
			x->blobs.v[n++] = v->layers.v[k];
	}
	qsort(x->blobs.v, n, sizeof(char *), compare);
	for (size_t i = 0; i < n; i++)
		if (x->blobs.n == 0 || !streq(x->blobs.v[x->blobs.n - 1], x->blobs.v[i]))
			x->blobs.v[x->blobs.n++] = x->blobs.v[i];
	return 0;
}

/* ---- all ---- */

static int put_blob(struct saving *x, struct archive *to, const char *digest)
{
	AUTO_FD fd = store_content_open(x->s, digest, x->e);

	return fd < 0 ? fd : archive_put_blob(to, digest, fd, x->e);
}

static int put_all(struct saving *x)
{
	struct archive to = { .fd = x->fd, .a = x->a };
	int r = archive_begin(&to, x->e);

	for (size_t i = 0; i < x->blobs.n && r == 0; i++)
		r = put_blob(x, &to, x->blobs.v[i]);
	return r < 0 ? r : archive_end(&to, x->v, x->n, x->e);
}

/* Nothing of it is collected while it is written. */
static int hold(struct saving *x, struct image_work *w)
{
	int r = 0;

	for (size_t i = 0; i < x->blobs.n && r == 0; i++)
		r = store_lease_add(x->s, x->ns, w->id, "content", x->blobs.v[i], x->e);
	return r;
}

int image_save(struct store *s, const char *ns, char *const *images, int fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct saving x = { .s = s, .ns = ns, .a = &a, .fd = fd, .e = e };
	struct image_work w = { .s = s, .ns = ns };
	size_t n = strv_len(images);
	int r = image_work_begin(&w, e), q;

	if (r < 0)
		return r;
	x.v = arena_calloc(&a, n + 1, sizeof(*x.v));
	if (!x.v)
		r = out_of_memory(&x);
	if (n > IMAGES_MAX)
		r = err_set(e, -E2BIG, "more than %d images", IMAGES_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = find(&x, images[i]);
	if (r == 0)
		r = list_blobs(&x);
	if (r == 0)
		r = hold(&x, &w);
	if (r == 0)
		r = put_all(&x);
	q = image_work_end(&w, r == 0 ? e : NULL);
	return r < 0 ? r : q;
}
