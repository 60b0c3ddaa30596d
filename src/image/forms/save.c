/* Images as an archive: blobs as they are stored, and three small texts of ours about them. */
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"
#include "codec/tar.h"
#include "image/forms/priv.h"

#define IMAGES_MAX 1024
#define BUF ((size_t)256 << 10)

struct saved {
	struct image_record *rec;
	const char *media_type; /* of the manifest */
	int64_t size;
	const char *name; /* full, or NULL */
	const char *tag;  /* in place of a name, as it is; or NULL */
};

struct saving {
	struct store *s;
	const char *ns;
	struct arena *a;
	struct saved *v;
	size_t n;
	struct json_strs blobs; /* digests, each once, sorted */
	int fd;
	const struct image_save_name *as; /* for all; NULL: as they are called here */
	struct err *e;
};

static int out_of_memory(struct saving *x)
{
	return err_set(x->e, -ENOMEM, "out of memory");
}

/* ---- what is saved ---- */

static int find(struct saving *x, const char *what)
{
	struct saved *i = &x->v[x->n];
	int r = image_find(x->s, x->ns, what, x->a, &i->rec, &i->name, x->e);

	if (r == 0)
		r = forms_manifest_type(x->s, i->rec, x->a, &i->media_type, &i->size, x->e);
	if (r < 0)
		return r;
	if (x->as) {
		i->name = x->as->name;
		i->tag = x->as->tag;
	}
	x->n++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_blobs(struct saving *x)
{
	size_t max = 0, n = 0;

	for (size_t i = 0; i < x->n; i++)
		max += x->v[i].rec->layers.n + 2;
	x->blobs.v = arena_calloc(x->a, max + 1, sizeof(char *));
	if (!x->blobs.v)
		return out_of_memory(x);
	for (size_t i = 0; i < x->n; i++) {
		const struct image_record *rec = x->v[i].rec;

		x->blobs.v[n++] = rec->manifest_digest;
		x->blobs.v[n++] = rec->config_digest;
		for (size_t k = 0; k < rec->layers.n; k++)
			x->blobs.v[n++] = rec->layers.v[k].digest;
	}
	qsort(x->blobs.v, n, sizeof(char *), compare);
	for (size_t i = 0; i < n; i++)
		if (x->blobs.n == 0 || !streq(x->blobs.v[x->blobs.n - 1], x->blobs.v[i]))
			x->blobs.v[x->blobs.n++] = x->blobs.v[i];
	return 0;
}

/* ---- tar ---- */

static int put(struct saving *x, const void *data, size_t len)
{
	int r = fd_write_full(x->fd, data, len);

	return r < 0 ? err_sys(x->e, r, "write the archive") : 0;
}

static int put_header(struct saving *x, const char *path, enum tar_type type, int64_t size)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	tar_add_header(&out, &(struct tar_entry){ .path = path,
						  .type = type,
						  .mode = type == TAR_FOLDER ? 0755 : 0644,
						  .size = size,
						  .mtime = { .tv_sec = forms_epoch() } });
	return strbuf_ok(&out) < 0 ? out_of_memory(x) : put(x, out.p, out.len);
}

static int put_padding(struct saving *x, int64_t size)
{
	static const char zeros[TAR_BLOCK];

	return put(x, zeros, tar_padding(size));
}

static int put_text(struct saving *x, const char *path, const struct strbuf *text)
{
	int r;

	if (strbuf_ok(text) < 0)
		return out_of_memory(x);
	r = put_header(x, path, TAR_FILE, (int64_t)text->len);
	if (r == 0)
		r = put(x, text->p, text->len);
	return r < 0 ? r : put_padding(x, (int64_t)text->len);
}

/* In the kernel where it can; a terminal or an odd file wants read and write. */
static int copy_bytes(struct saving *x, int from, int64_t size)
{
	AUTO_FREE char *buf = NULL;

	while (size > 0) {
		ssize_t n = buf ? read(from, buf, (size_t)MIN(size, (int64_t)BUF))
				: sendfile(x->fd, from, NULL, (size_t)MIN(size, 1 << 30));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !buf && (errno == EINVAL || errno == ENOSYS)) {
			buf = malloc(BUF);
			if (!buf)
				return out_of_memory(x);
			continue;
		}
		if (n < 0)
			return err_sys(x->e, -errno, "write the archive");
		if (n == 0)
			return err_set(x->e, -EIO, "a blob became shorter");
		r = buf ? put(x, buf, (size_t)n) : 0;
		if (r < 0)
			return r;
		size -= n;
	}
	return 0;
}

static int put_blob(struct saving *x, const char *digest)
{
	AUTO_FD fd = store_content_open(x->s, digest, x->e);
	char path[32 + DIGEST_TEXT_MAX];
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(x->e, -errno, "blob %s", digest);
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest_hex(digest));
	r = put_header(x, path, TAR_FILE, st.st_size);
	if (r == 0)
		r = copy_bytes(x, fd, st.st_size);
	return r < 0 ? r : put_padding(x, st.st_size);
}

/* ---- our texts ---- */

/* As docker shows it: "busybox:latest"; NULL for a name that is a digest. */
static const char *familiar(const char *name, struct arena *a, const struct ref **ret_ref)
{
	struct ref *ref = arena_alloc(a, sizeof(*ref));
	char text[REF_TEXT_MAX];

	*ret_ref = ref;
	if (!ref || ref_parse(name, ref, NULL) < 0 || !ref->tag[0])
		return NULL;
	return arena_printf(a, "%s:%s", ref_familiar_name(ref, text), ref->tag);
}

static int put_index(struct saving *x)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct oci_manifest index = { .schema_version = 2, .media_type = MT_OCI_INDEX };

	index.manifests.v = arena_calloc(x->a, x->n + 1, sizeof(*index.manifests.v));
	if (!index.manifests.v)
		return out_of_memory(x);
	for (size_t i = 0; i < x->n; i++) {
		const struct saved *s = &x->v[i];
		struct oci_descriptor *d = &index.manifests.v[index.manifests.n++];
		struct oci_platform *pf = arena_alloc(x->a, sizeof(*pf));
		struct json_pair *notes = arena_calloc(x->a, 2, sizeof(*notes));
		const struct ref *ref;

		if (!pf || !notes)
			return out_of_memory(x);
		*pf = (struct oci_platform){ .architecture = s->rec->architecture,
					     .os = s->rec->os,
					     .variant = s->rec->variant };
		*d = (struct oci_descriptor){ .media_type = s->media_type,
					      .digest = s->rec->manifest_digest,
					      .size = s->size,
					      .platform = pf->os && *pf->os ? pf : NULL };
		if (s->name && familiar(s->name, x->a, &ref)) {
			notes[0] = (struct json_pair){ "io.containerd.image.name", s->name };
			notes[1] = (struct json_pair){ "org.opencontainers.image.ref.name",
						       ref->tag };
			d->annotations = (struct json_map){ notes, 2 };
		} else if (s->tag) {
			notes[0] = (struct json_pair){ "org.opencontainers.image.ref.name",
						       s->tag };
			d->annotations = (struct json_map){ notes, 1 };
		}
	}
	json_write(&oci_manifest_table, &index, 0, &out);
	return put_text(x, "index.json", &out);
}

static bool is_same_image(const struct saving *x, size_t i, size_t k)
{
	return streq(x->v[i].rec->config_digest, x->v[k].rec->config_digest);
}

/* docker's: an element for each image, with all its names. */
static int put_docker_image(struct saving *x, size_t i, struct json_writer *w)
{
	const struct image_record *rec = x->v[i].rec;
	struct docker_archive_image d = { 0 };
	const struct ref *ref;

	for (size_t k = 0; k < i; k++)
		if (is_same_image(x, i, k))
			return 0;
	d.config = arena_printf(x->a, "blobs/sha256/%s", digest_hex(rec->config_digest));
	d.layers.v = arena_calloc(x->a, rec->layers.n + 1, sizeof(char *));
	d.repo_tags.v = arena_calloc(x->a, x->n + 1, sizeof(char *));
	if (!d.config || !d.layers.v || !d.repo_tags.v)
		return out_of_memory(x);
	for (size_t k = 0; k < rec->layers.n; k++) {
		d.layers.v[k] = arena_printf(x->a, "blobs/sha256/%s",
					     digest_hex(rec->layers.v[k].digest));
		if (!d.layers.v[d.layers.n++])
			return out_of_memory(x);
	}
	for (size_t k = i; k < x->n; k++) {
		const char *text = is_same_image(x, i, k) && x->v[k].name
					   ? familiar(x->v[k].name, x->a, &ref)
					   : NULL;

		if (text)
			d.repo_tags.v[d.repo_tags.n++] = text;
	}
	json_put_obj(w, NULL, &docker_archive_image_table, &d);
	return 0;
}

static int put_docker_manifest(struct saving *x)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out };
	int r = 0;

	json_begin_array(&w, NULL);
	for (size_t i = 0; i < x->n && r == 0; i++)
		r = put_docker_image(x, i, &w);
	json_end_array(&w);
	return r < 0 ? r : put_text(x, "manifest.json", &out);
}

static int put_layout(struct saving *x)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	strbuf_adds(&out, "{\"imageLayoutVersion\":\"1.0.0\"}");
	return put_text(x, "oci-layout", &out);
}

/* The order is docker's. */
static int put_all(struct saving *x)
{
	AUTO_STRBUF struct strbuf end = { 0 };
	int r = put_header(x, "blobs", TAR_FOLDER, 0);

	if (r == 0)
		r = put_header(x, "blobs/sha256", TAR_FOLDER, 0);
	for (size_t i = 0; i < x->blobs.n && r == 0; i++)
		r = put_blob(x, x->blobs.v[i]);
	if (r == 0)
		r = put_index(x);
	if (r == 0)
		r = put_docker_manifest(x);
	if (r == 0)
		r = put_layout(x);
	tar_add_end(&end);
	if (r == 0)
		r = strbuf_ok(&end) < 0 ? out_of_memory(x) : put(x, end.p, end.len);
	return r;
}

/* ---- all ---- */

/* Nothing of it is collected while it is written. */
static int hold(struct saving *x, struct image_work *w)
{
	int r = 0;

	for (size_t i = 0; i < x->blobs.n && r == 0; i++)
		r = store_lease_add(x->s, x->ns, w->id, "content", x->blobs.v[i], x->e);
	return r;
}

static int save(struct store *s, const char *ns, char *const *images,
		const struct image_save_name *as, int fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct saving x = { .s = s, .ns = ns, .a = &a, .fd = fd, .as = as, .e = e };
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

int image_save(struct store *s, const char *ns, char *const *images, int fd, struct err *e)
{
	return save(s, ns, images, NULL, fd, e);
}

int image_save_as(struct store *s, const char *ns, const char *image,
		  const struct image_save_name *as, int fd, struct err *e)
{
	char *const one[] = { (char *)image, NULL };

	return save(s, ns, one, as, fd, e);
}
