/* skopeo's "dir:": one image in one folder (containers-transports(5), "dir:path"; version 1.1). */
#include "image/copy/copy.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define VERSION_BEGIN "Directory Transport Version: "
#define VERSION_TEXT VERSION_BEGIN "1.1\n"
#define HEX_LEN 64

struct dir {
	const char *path;
	int dirfd;
};
struct dir_source {
	struct copy_source src; /* first */
	struct dir d;
};
struct dir_sink {
	struct copy_sink sink; /* first */
	struct dir d;
	struct arena *a;
	struct copy_manifest top;
	/* Names of this image's files, sorted at the end. */
	const char **kept;
	size_t kept_n, kept_cap;
};

#define NAME_LEN (16 + DIGEST_TEXT_MAX)
static int file_name(const char *digest, bool is_manifest, char buf[NAME_LEN], struct err *e)
{
	if (!str_skip(digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported", digest);
	snprintf(buf, NAME_LEN, "%s%s", digest_hex(digest), is_manifest ? ".manifest.json" : "");
	return 0;
}

static int check_version(const struct dir *d, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(d->dirfd, "version", 256, &text, &len);
	const char *version = r == 0 ? str_skip(text, VERSION_BEGIN) : NULL;

	if (r < 0)
		return r;
	if (!version)
		return err_set(e, -EBADMSG, "'%s/version' is not an image folder's", d->path);
	return str_skip(version, "1.")
		       ? 0
		       : err_set(e, -EOPNOTSUPP,
				 "'%s': version %.10s of image folders is not supported", d->path,
				 version);
}

/* ---- as a source ---- */

static int top(struct copy_source *src, struct copy_reader *x, struct copy_manifest *ret,
	       struct err *e)
{
	const struct dir *d = &((struct dir_source *)src)->d;
	int r = folder_read(d->dirfd, "manifest.json", x->a, ret, e);

	return r < 0 ? err_wrap(e, r, "image folder '%s'", d->path) : 0;
}

static int read_manifest(struct copy_source *src, const struct oci_descriptor *want,
			 struct arena *a, struct copy_manifest *ret, struct err *e)
{
	const struct dir *d = &((struct dir_source *)src)->d;
	char name[NAME_LEN];
	int r = file_name(want->digest, true, name, e);

	if (r == 0)
		r = folder_read(d->dirfd, name, a, ret, e);
	if (r < 0)
		return err_wrap(e, r, "image folder '%s'", d->path);
	if (!streq(ret->digest, want->digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS, "'%s/%s' is damaged", d->path,
				    name);
	ret->media_type = want->media_type ? want->media_type : "";
	return 0;
}

static int open_blob(struct copy_source *src, const struct copy_blob *b, struct err *e)
{
	char name[NAME_LEN];
	int r = file_name(b->digest, false, name, e);

	return r < 0 ? r : folder_open_file(((struct dir_source *)src)->d.dirfd, name, b->size, e);
}

static void source_done(struct copy_source *src)
{
	fd_closep(&((struct dir_source *)src)->d.dirfd);
}

int copy_source_dir(const char *path, struct arena *a, struct copy_source **ret, struct err *e)
{
	struct dir_source *s = arena_alloc(a, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	*s = (struct dir_source){ .src = { .top = top,
					   .manifest = read_manifest,
					   .open = open_blob,
					   .done = source_done },
				  .d = { path, folder_open(path, false, e) } };
	if (s->d.dirfd < 0)
		return s->d.dirfd;
	/* The oldest ones have no version. */
	r = check_version(&s->d, e);
	if (r < 0 && r != -ENOENT) {
		fd_closep(&s->d.dirfd);
		return r;
	}
	*ret = &s->src;
	return 0;
}

/* ---- as a sink ---- */

static int keep(struct dir_sink *x, const char *name, struct err *e)
{
	const char *copy = arena_strdup(x->a, name);

	if (!copy || mem_grow(&x->kept, &x->kept_cap, x->kept_n + 1, sizeof(*x->kept)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	x->kept[x->kept_n++] = copy;
	return 0;
}

static int has(struct copy_sink *sink, const struct copy_blob *b, struct err *e)
{
	struct dir_sink *x = (struct dir_sink *)sink;
	char name[NAME_LEN];
	int r = file_name(b->digest, false, name, e);

	if (r == 0)
		r = keep(x, name, e);
	return r < 0 ? r : folder_has(x->d.dirfd, name, b);
}

static int put(struct copy_sink *sink, const struct copy_blob *b, int fd, struct err *e)
{
	char name[NAME_LEN];
	int r = file_name(b->digest, false, name, e);

	return r < 0 ? r : folder_put(((struct dir_sink *)sink)->d.dirfd, name, fd, b->size, e);
}

static int put_manifest(struct copy_sink *sink, const struct copy_manifest *m, bool is_top,
			struct err *e)
{
	struct dir_sink *x = (struct dir_sink *)sink;
	char name[NAME_LEN];
	int r;

	if (is_top) {
		x->top = *m;
		return 0;
	}
	r = file_name(m->digest, true, name, e);
	if (r == 0)
		r = keep(x, name, e);
	return r < 0 ? r : folder_put_text(x->d.dirfd, name, m->text, m->len, e);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* HEX, HEX.manifest.json and signature-N: whatever else lies there is not ours to remove. */
static bool is_image_file(const char *name)
{
	const char *end = str_skip(name, "signature-");
	size_t n = strspn(name, "0123456789abcdef");

	if (end)
		return *end && end[strspn(end, "0123456789")] == '\0';
	return n == HEX_LEN && (!name[n] || streq(name + n, ".manifest.json"));
}

/* What is left of the image that was there before. */
static void remove_others(struct dir_sink *x)
{
	int fd = openat(x->d.dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		fd_closep(&fd);
		return;
	}
	if (x->kept_n)
		qsort(x->kept, x->kept_n, sizeof(*x->kept), compare);
	while ((entry = readdir(d))) {
		const char *name = entry->d_name;

		if (is_image_file(name) &&
		    !(x->kept_n && bsearch(&name, x->kept, x->kept_n, sizeof(*x->kept), compare)))
			unlinkat(x->d.dirfd, name, 0);
	}
	closedir(d);
}

/* The files are on disk before the manifest names them. */
static int finish(struct copy_sink *sink, struct err *e)
{
	struct dir_sink *x = (struct dir_sink *)sink;
	int r;

	if (syncfs(x->d.dirfd) < 0)
		return err_sys(e, -errno, "'%s'", x->d.path);
	r = folder_put_text(x->d.dirfd, "version", VERSION_TEXT, strlen(VERSION_TEXT), e);
	if (r == 0)
		r = folder_put_text(x->d.dirfd, "manifest.json", x->top.text, x->top.len, e);
	if (r == 0)
		remove_others(x);
	return r;
}

static void sink_done(struct copy_sink *sink)
{
	struct dir_sink *x = (struct dir_sink *)sink;

	fd_closep(&x->d.dirfd);
	free(x->kept);
	x->kept = NULL;
}

/* Empty, or an image folder. */
static int check_target(const struct dir *d, struct err *e)
{
	int r = check_version(d, e), fd;
	struct dirent *entry;
	DIR *dir;

	if (r != -ENOENT)
		return r;
	fd = openat(d->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = -errno;
		fd_closep(&fd);
		return err_sys(e, r, "open folder '%s'", d->path);
	}
	r = 0;
	while (r == 0 && (entry = readdir(dir)))
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			r = err_set(e, -EEXIST, "'%s' is neither empty nor an image folder",
				    d->path);
	closedir(dir);
	return r;
}

int copy_sink_dir(const char *path, struct arena *a, struct copy_sink **ret, struct err *e)
{
	struct dir_sink *s = arena_alloc(a, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	*s = (struct dir_sink){ .sink = { .has = has,
					  .put = put,
					  .put_manifest = put_manifest,
					  .finish = finish,
					  .done = sink_done },
				.d = { path, folder_open(path, true, e) },
				.a = a };
	if (s->d.dirfd < 0)
		return s->d.dirfd;
	r = check_target(&s->d, e);
	if (r == 0) {
		s->sink.tmp_dirfd = s->d.dirfd;
		*ret = &s->sink;
	} else {
		fd_closep(&s->d.dirfd);
	}
	return r;
}
