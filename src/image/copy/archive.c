/* Archives as targets: blobs are written as they come, the texts about them at the end. */
#include "image/copy/copy.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/forms/archive.h"

struct archive_sink {
	struct copy_sink sink; /* first */
	const char *path;
	bool is_ours; /* the file is removed when the copy fails */
	bool is_docker;
	struct archive out;
	struct archive_image image;
};

static int has(struct copy_sink *sink, const struct copy_blob *b, struct err *e)
{
	(void)sink;
	if (!str_skip(b->digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported",
			       b->digest);
	return 0;
}

static int put(struct copy_sink *sink, const struct copy_blob *b, int fd, struct err *e)
{
	return archive_put_blob(&((struct archive_sink *)sink)->out, b->digest, fd, e);
}

static int take_top(struct archive_sink *x, const struct copy_manifest *m, struct err *e)
{
	const struct oci_manifest *doc = m->d->manifest;
	struct archive_image *i = &x->image;
	struct arena *a = x->out.a;

	i->media_type = m->media_type;
	i->digest = m->digest;
	i->size = (int64_t)m->len;
	if (x->is_docker && (m->d->is_index || !doc->config))
		return err_set(e, -EOPNOTSUPP,
			       "docker-archive: takes an image, not an index or an artifact");
	if (m->d->is_index || !doc->config || copy_is_artifact(doc))
		return 0;
	i->layers.v = arena_calloc(a, doc->layers.n + 1, sizeof(char *));
	if (!i->layers.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t k = 0; k < doc->layers.n; k++)
		i->layers.v[i->layers.n++] = doc->layers.v[k].digest;
	i->config_digest = doc->config->digest;
	return 0;
}

static int put_manifest(struct copy_sink *sink, const struct copy_manifest *m, bool is_top,
			struct err *e)
{
	struct archive_sink *x = (struct archive_sink *)sink;
	int r = is_top ? take_top(x, m, e) : 0;

	return r < 0 ? r : archive_put_document(&x->out, m->digest, m->text, m->len, e);
}

static int finish(struct copy_sink *sink, struct err *e)
{
	struct archive_sink *x = (struct archive_sink *)sink;
	int r = archive_end(&x->out, &x->image, 1, e);

	x->is_ours &= r < 0;
	return r;
}

static void done(struct copy_sink *sink)
{
	struct archive_sink *x = (struct archive_sink *)sink;

	if (x->is_ours)
		unlink(x->path);
	fd_closep(&x->out.fd);
}

/* A new file, or a pipe or terminal that is there. */
static int open_target(struct archive_sink *x, struct err *e)
{
	struct stat st;

	x->out.fd = open(x->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	x->is_ours = x->out.fd >= 0;
	if (x->is_ours)
		return 0;
	if (errno == EEXIST && stat(x->path, &st) == 0 && !S_ISREG(st.st_mode))
		x->out.fd = open(x->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return x->out.fd < 0 ? err_sys(e, -errno, "create %s", x->path) : 0;
}

static struct archive_sink *new_sink(int fd, const char *tag, struct arena *a)
{
	struct archive_sink *x = arena_alloc(a, sizeof(*x));

	if (x)
		*x = (struct archive_sink){ .sink = { .tmp_dirfd = -EBADF,
						      .has = has,
						      .put = put,
						      .put_manifest = put_manifest,
						      .finish = finish,
						      .done = done },
					    .out = { fd, a },
					    .image = { .tag = tag } };
	return x;
}

static int begin(struct archive_sink *x, struct copy_sink **ret, struct err *e)
{
	int r = archive_begin(&x->out, e);

	if (r < 0)
		done(&x->sink);
	*ret = &x->sink;
	return r;
}

int copy_sink_archive_fd(int fd, const char *tag, struct arena *a, struct copy_sink **ret,
			 struct err *e)
{
	struct archive_sink *x = new_sink(fd, tag, a);

	if (!x)
		close(fd);
	return x ? begin(x, ret, e) : err_set(e, -ENOMEM, "out of memory");
}

int copy_sink_archive(const char *path, const char *tag, const char *name, bool is_docker,
		      struct arena *a, struct copy_sink **ret, struct err *e)
{
	struct archive_sink *x = new_sink(-EBADF, tag, a);
	int r;

	if (!x)
		return err_set(e, -ENOMEM, "out of memory");
	x->path = path;
	x->is_docker = is_docker;
	x->image.name = name;
	r = open_target(x, e);
	return r < 0 ? r : begin(x, ret, e);
}
