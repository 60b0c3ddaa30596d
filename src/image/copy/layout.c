/* OCI layouts in folders (image-spec image-layout.md), as skopeo reads and writes them. */
#include "image/copy/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define LAYOUT_TEXT "{\"imageLayoutVersion\": \"1.0.0\"}"
#define CONTAINERD_NAME "io.containerd.image.name"

struct layout {
	const char *path, *tag;
	int dirfd;
};
struct layout_source {
	struct copy_source src; /* first */
	struct layout l;
};
struct layout_sink {
	struct copy_sink sink; /* first */
	struct layout l;
	struct copy_manifest top;
};

#define PATH_LEN (16 + DIGEST_TEXT_MAX)
static int blob_path(const char *digest, char buf[PATH_LEN], struct err *e)
{
	if (!str_skip(digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported", digest);
	snprintf(buf, PATH_LEN, "blobs/sha256/%s", digest_hex(digest));
	return 0;
}

/* ---- index.json ---- */

static const char *note(const struct oci_descriptor *d, const char *key)
{
	for (size_t i = 0; i < d->annotations.n; i++)
		if (streq(d->annotations.v[i].key, key))
			return d->annotations.v[i].value;
	return NULL;
}

static int read_index(const struct layout *l, struct copy_reader *x, struct oci_manifest **ret,
		      struct err *e)
{
	struct copy_manifest m;
	int r = folder_read(l->dirfd, "index.json", x->a, &m, e);

	if (r < 0)
		return r;
	m.media_type = MT_OCI_INDEX;
	r = copy_describe(x, &m, e);
	if (r < 0)
		return err_wrap(e, r, "'%s/index.json'", l->path);
	*ret = m.d->manifest;
	return 0;
}

static int find(const struct layout *l, const struct oci_manifest *index,
		const struct oci_descriptor **ret, struct err *e)
{
	if (!l->tag && index->manifests.n == 1) {
		*ret = &index->manifests.v[0];
		return 0;
	}
	for (size_t i = 0; l->tag && i < index->manifests.n; i++) {
		const struct oci_descriptor *d = &index->manifests.v[i];
		const char *tag = note(d, OCI_REF_NAME), *name = note(d, CONTAINERD_NAME);

		if ((tag && streq(tag, l->tag)) || (name && streq(name, l->tag))) {
			*ret = d;
			return 0;
		}
	}
	if (l->tag)
		return err_set(e, -ENOENT, "the layout '%s' has no image '%s'", l->path, l->tag);
	return err_set(e, index->manifests.n ? -EINVAL : -ENOENT,
		       "the layout '%s' has %zu images%s", l->path, index->manifests.n,
		       index->manifests.n ? ": say which by its tag" : "");
}

/* ---- as a source ---- */

static int read_manifest(struct copy_source *src, const struct oci_descriptor *d, struct arena *a,
			 struct copy_manifest *ret, struct err *e)
{
	const struct layout *l = &((struct layout_source *)src)->l;
	char path[PATH_LEN];
	int r = blob_path(d->digest, path, e);

	if (r == 0)
		r = folder_read(l->dirfd, path, a, ret, e);
	if (r < 0)
		return err_wrap(e, r, "layout '%s'", l->path);
	if (!streq(ret->digest, d->digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "'%s/%s' is damaged", l->path,
				    path);
	ret->media_type = d->media_type ? d->media_type : "";
	return 0;
}

static int top(struct copy_source *src, struct copy_reader *x, struct copy_manifest *ret,
	       struct err *e)
{
	const struct layout *l = &((struct layout_source *)src)->l;
	const struct oci_descriptor *d = NULL;
	struct oci_manifest *index;
	int r = read_index(l, x, &index, e);

	if (r == 0)
		r = find(l, index, &d, e);
	return r < 0 ? r : read_manifest(src, d, x->a, ret, e);
}

static int open_blob(struct copy_source *src, const struct copy_blob *b, struct err *e)
{
	char path[PATH_LEN];
	int r = blob_path(b->digest, path, e);

	return r < 0 ? r
		     : folder_open_file(((struct layout_source *)src)->l.dirfd, path, b->size, e);
}

static void source_done(struct copy_source *src)
{
	fd_closep(&((struct layout_source *)src)->l.dirfd);
}

static int check_layout(const struct layout *l, struct err *e)
{
	if (faccessat(l->dirfd, "index.json", F_OK, 0) == 0)
		return 0;
	return err_set(e, -EBADMSG, "'%s' is not an image layout: it has no 'index.json'", l->path);
}

int copy_source_layout(const char *path, const char *tag, struct arena *a, struct copy_source **ret,
		       struct err *e)
{
	struct layout_source *s = arena_alloc(a, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	*s = (struct layout_source){ .src = { .top = top,
					      .manifest = read_manifest,
					      .open = open_blob,
					      .done = source_done },
				     .l = { path, tag, folder_open(path, false, e) } };
	if (s->l.dirfd < 0)
		return s->l.dirfd;
	r = check_layout(&s->l, e);
	if (r < 0)
		fd_closep(&s->l.dirfd);
	*ret = &s->src;
	return r;
}

/* ---- as a sink ---- */

static int has(struct copy_sink *sink, const struct copy_blob *b, struct err *e)
{
	char path[PATH_LEN];
	int r = blob_path(b->digest, path, e);

	return r < 0 ? r : folder_has(((struct layout_sink *)sink)->l.dirfd, path, b);
}

static int put(struct copy_sink *sink, const struct copy_blob *b, int fd, struct err *e)
{
	char path[PATH_LEN];
	int r = blob_path(b->digest, path, e);

	return r < 0 ? r : folder_put(((struct layout_sink *)sink)->l.dirfd, path, fd, b->size, e);
}

static int put_manifest(struct copy_sink *sink, const struct copy_manifest *m, bool is_top,
			struct err *e)
{
	struct layout_sink *x = (struct layout_sink *)sink;
	char path[PATH_LEN];
	int r = blob_path(m->digest, path, e);

	if (is_top)
		x->top = *m;
	return r < 0 ? r : folder_put_text(x->l.dirfd, path, m->text, m->len, e);
}

static void drop_tag(struct oci_descriptor *d, const char *tag)
{
	struct json_map *m = &d->annotations;
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++)
		if (!streq(m->v[i].key, OCI_REF_NAME) || !streq(m->v[i].value, tag))
			m->v[kept++] = m->v[i];
	m->n = kept;
}

/* As skopeo: a tag leaves whatever had it, and the manifest's own entry without a tag takes it. */
static int add_to_index(const struct layout_sink *x, struct oci_manifest *index, struct arena *a,
			struct err *e)
{
	struct oci_descriptor *v = arena_calloc(a, index->manifests.n + 1, sizeof(*v));
	struct json_pair *tag = arena_alloc(a, sizeof(*tag));
	size_t at = index->manifests.n;

	if (!v || !tag)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < index->manifests.n; i++) {
		v[i] = index->manifests.v[i];
		if (x->l.tag)
			drop_tag(&v[i], x->l.tag);
		if (at == index->manifests.n && streq(v[i].digest, x->top.digest) &&
		    !note(&v[i], OCI_REF_NAME))
			at = i;
	}
	index->manifests.n += at == index->manifests.n;
	v[at] = (struct oci_descriptor){ .media_type = x->top.media_type,
					 .digest = x->top.digest,
					 .size = (int64_t)x->top.len,
					 .artifact_type = x->top.d->manifest->artifact_type };
	if (x->l.tag) {
		*tag = (struct json_pair){ OCI_REF_NAME, x->l.tag };
		v[at].annotations = (struct json_map){ tag, 1 };
	}
	index->manifests.v = v;
	return 0;
}

static int write_index(struct layout_sink *x, struct copy_reader *reader, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct oci_manifest fresh = { .schema_version = 2 }, *index = &fresh;
	int r = 0;

	if (faccessat(x->l.dirfd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = read_index(&x->l, reader, &index, e);
	if (r == 0)
		r = add_to_index(x, index, reader->a, e);
	if (r < 0)
		return r;
	json_write(&oci_manifest_table, index, 0, &out);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (out.len > LIMIT_MANIFEST_BYTES)
		return err_set(e, -E2BIG, "'%s/index.json' would be larger than %zu MiB", x->l.path,
			       LIMIT_MANIFEST_BYTES >> 20);
	return folder_put_text(x->l.dirfd, "index.json", out.p, out.len, e);
}

/* The blobs are on disk before the index names them. */
static int finish(struct copy_sink *sink, struct err *e)
{
	struct layout_sink *x = (struct layout_sink *)sink;
	AUTO_ARENA struct arena a = { 0 };
	char platform[PLATFORM_TEXT_MAX];
	struct copy_reader reader = { .describer = { .control = -EBADF },
				      .platform = image_host_platform(platform),
				      .a = &a };
	int r = 0;

	if (syncfs(x->l.dirfd) < 0 || flock(x->l.dirfd, LOCK_EX) < 0)
		return err_sys(e, -errno, "'%s'", x->l.path);
	if (faccessat(x->l.dirfd, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = folder_put_text(x->l.dirfd, "oci-layout", LAYOUT_TEXT, strlen(LAYOUT_TEXT), e);
	if (r == 0)
		r = write_index(x, &reader, e);
	worker_stop(&reader.describer);
	flock(x->l.dirfd, LOCK_UN);
	return r;
}

static void sink_done(struct copy_sink *sink)
{
	fd_closep(&((struct layout_sink *)sink)->l.dirfd);
}

int copy_sink_layout(const char *path, const char *tag, struct arena *a, struct copy_sink **ret,
		     struct err *e)
{
	struct layout_sink *s = arena_alloc(a, sizeof(*s));
	const char *blobs = arena_printf(a, "%s/blobs/sha256", path);
	int r = s && blobs ? dir_make_all(blobs, 0755) : -ENOMEM;

	if (r < 0)
		return err_sys(e, r, "create folder '%s'", path);
	*s = (struct layout_sink){ .sink = { .has = has,
					     .put = put,
					     .put_manifest = put_manifest,
					     .finish = finish,
					     .done = sink_done },
				   .l = { path, tag, folder_open(path, false, e) } };
	s->sink.tmp_dirfd = s->l.dirfd;
	*ret = &s->sink;
	return MIN(s->l.dirfd, 0);
}
