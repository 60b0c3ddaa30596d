/* Archives, written: headers and bytes, then three small texts of ours about them. */
#include "image/forms/archive.h"

#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/digest.h"
#include "codec/ref.h"
#include "codec/tar.h"
#include "image/forms/priv.h"
#include "spec/image.h"

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* ---- tar ---- */

static int put(struct archive *x, const void *data, size_t len, struct err *e)
{
	int r = fd_write_full(x->fd, data, len);

	return r < 0 ? err_sys(e, r, "write the archive") : 0;
}

static int put_header(struct archive *x, const char *path, enum tar_type type, int64_t size,
		      struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };

	tar_add_header(&out, &(struct tar_entry){ .path = path,
						  .type = type,
						  .mode = type == TAR_FOLDER ? 0755 : 0644,
						  .size = size,
						  .mtime = { .tv_sec = forms_epoch() } });
	return strbuf_ok(&out) < 0 ? out_of_memory(e) : put(x, out.p, out.len, e);
}

static int put_padding(struct archive *x, int64_t size, struct err *e)
{
	static const char zeros[TAR_BLOCK];

	return put(x, zeros, tar_padding(size), e);
}

static int put_text(struct archive *x, const char *path, const char *text, size_t len,
		    struct err *e)
{
	int r = put_header(x, path, TAR_FILE, (int64_t)len, e);

	if (r == 0)
		r = put(x, text, len, e);
	return r < 0 ? r : put_padding(x, (int64_t)len, e);
}

static int put_strbuf(struct archive *x, const char *path, const struct strbuf *text, struct err *e)
{
	return strbuf_ok(text) < 0 ? out_of_memory(e) : put_text(x, path, text->p, text->len, e);
}

#define BLOB_PATH_MAX (32 + DIGEST_TEXT_MAX)
static const char *blob_path(const char *digest, char buf[BLOB_PATH_MAX])
{
	snprintf(buf, BLOB_PATH_MAX, "blobs/sha256/%s", digest_hex(digest));
	return buf;
}

int archive_begin(struct archive *x, struct err *e)
{
	int r = put_header(x, "blobs", TAR_FOLDER, 0, e);

	return r < 0 ? r : put_header(x, "blobs/sha256", TAR_FOLDER, 0, e);
}

int archive_put_blob(struct archive *x, const char *digest, int fd, struct err *e)
{
	char path[BLOB_PATH_MAX];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "blob %s", digest);
	r = put_header(x, blob_path(digest, path), TAR_FILE, st.st_size, e);
	if (r < 0)
		return r;
	r = fd_send_file(x->fd, fd, st.st_size);
	if (r < 0)
		return r == -ENODATA ? err_set(e, -EIO, "a blob became shorter")
				     : err_sys(e, r, "write the archive");
	return put_padding(x, st.st_size, e);
}

int archive_put_document(struct archive *x, const char *digest, const char *text, size_t len,
			 struct err *e)
{
	char path[BLOB_PATH_MAX];

	return put_text(x, blob_path(digest, path), text, len, e);
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

static int fill_descriptor(const struct archive_image *i, struct arena *a,
			   struct oci_descriptor *ret, struct err *e)
{
	struct json_pair *notes = arena_calloc(a, 2, sizeof(*notes));
	const struct ref *ref;

	if (!notes)
		return out_of_memory(e);
	*ret = (struct oci_descriptor){ .media_type = i->media_type,
					.digest = i->digest,
					.size = i->size,
					.platform = (struct oci_platform *)i->platform };
	if (i->name && familiar(i->name, a, &ref)) {
		notes[0] = (struct json_pair){ "io.containerd.image.name", i->name };
		notes[1] = (struct json_pair){ OCI_REF_NAME, ref->tag };
		ret->annotations = (struct json_map){ notes, 2 };
	} else if (i->tag) {
		notes[0] = (struct json_pair){ OCI_REF_NAME, i->tag };
		ret->annotations = (struct json_map){ notes, 1 };
	}
	return 0;
}

static int put_index(struct archive *x, const struct archive_image *v, size_t n, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct oci_manifest index = { .schema_version = 2, .media_type = MT_OCI_INDEX };

	index.manifests.v = arena_calloc(x->a, n + 1, sizeof(*index.manifests.v));
	if (!index.manifests.v)
		return out_of_memory(e);
	for (size_t i = 0; i < n; i++) {
		int r = fill_descriptor(&v[i], x->a, &index.manifests.v[index.manifests.n++], e);

		if (r < 0)
			return r;
	}
	json_write(&oci_manifest_table, &index, 0, &out);
	return put_strbuf(x, "index.json", &out, e);
}

static bool is_same_image(const struct archive_image *one, const struct archive_image *other)
{
	return one->config_digest && other->config_digest &&
	       streq(one->config_digest, other->config_digest);
}

/* docker's: an element for each image, with all its names. */
static int put_docker_image(struct archive *x, const struct archive_image *v, size_t n, size_t i,
			    struct json_writer *w, struct err *e)
{
	struct docker_archive_image d = { 0 };
	char path[BLOB_PATH_MAX];
	const struct ref *ref;

	for (size_t k = 0; k < i; k++)
		if (is_same_image(&v[i], &v[k]))
			return 0;
	d.config = arena_strdup(x->a, blob_path(v[i].config_digest, path));
	d.layers.v = arena_calloc(x->a, v[i].layers.n + 1, sizeof(char *));
	d.repo_tags.v = arena_calloc(x->a, n + 1, sizeof(char *));
	if (!d.config || !d.layers.v || !d.repo_tags.v)
		return out_of_memory(e);
	for (size_t k = 0; k < v[i].layers.n; k++) {
		d.layers.v[k] = arena_strdup(x->a, blob_path(v[i].layers.v[k], path));
		if (!d.layers.v[d.layers.n++])
			return out_of_memory(e);
	}
	for (size_t k = i; k < n; k++) {
		const char *text = is_same_image(&v[i], &v[k]) && v[k].name
					   ? familiar(v[k].name, x->a, &ref)
					   : NULL;

		if (text)
			d.repo_tags.v[d.repo_tags.n++] = text;
	}
	json_put_obj(w, NULL, &docker_archive_image_table, &d);
	return 0;
}

static int put_docker_manifest(struct archive *x, const struct archive_image *v, size_t n,
			       struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out };
	size_t images = 0;
	int r = 0;

	json_begin_array(&w, NULL);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!v[i].config_digest)
			continue;
		images++;
		r = put_docker_image(x, v, n, i, &w, e);
	}
	json_end_array(&w);
	return r < 0 || images == 0 ? r : put_strbuf(x, "manifest.json", &out, e);
}

/* The order is docker's. */
int archive_end(struct archive *x, const struct archive_image *v, size_t n, struct err *e)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	AUTO_STRBUF struct strbuf end = { 0 };
	int r = put_index(x, v, n, e);

	if (r == 0)
		r = put_docker_manifest(x, v, n, e);
	if (r == 0)
		r = put_text(x, "oci-layout", layout, strlen(layout), e);
	tar_add_end(&end);
	if (r == 0)
		r = strbuf_ok(&end) < 0 ? out_of_memory(e) : put(x, end.p, end.len, e);
	return r;
}
