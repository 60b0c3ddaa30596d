/* Artifacts in the store: content under a name, with containerd's labels, and no layers that would be unpacked. */
#include "image/copy/copy.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

struct artifact_sink {
	struct copy_sink sink; /* first */
	struct image_work w;
	const char *name;
	const char *type; /* of the artifact */
	struct copy_manifest top;
	bool is_working;
};

/* Under the lease before it is looked for: then it stays. */
static int has(struct copy_sink *sink, const struct copy_blob *b, struct err *e)
{
	struct image_work *w = &((struct artifact_sink *)sink)->w;
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	int r;

	if (!str_skip(b->digest, "sha256:"))
		return err_set(e, -EOPNOTSUPP, "digest '%.80s': only sha256 is supported",
			       b->digest);
	r = store_lease_add(w->s, w->ns, w->id, "content", b->digest, e);
	if (r < 0)
		return r;
	return store_content_info(w->s, w->ns, b->digest, &a, &info, NULL) == 0;
}

/* `fd`: what was hashed on its way, or the store's own. */
static int put(struct copy_sink *sink, const struct copy_blob *b, int fd, struct err *e)
{
	struct image_work *w = &((struct artifact_sink *)sink)->w;
	struct ingest *i = NULL;
	int r = store_ingest_open(w->s, w->id, false, &i, e);

	if (r < 0)
		return r;
	r = fd_send_file(i->fd, fd, b->size);
	if (r < 0)
		err_sys(e, r, "keep blob %.19s", b->digest);
	else
		r = store_ingest_commit(i, w->ns, b->digest, b->size, false, NULL, e);
	if (r < 0)
		store_ingest_abort(i);
	return r;
}

static int put_manifest(struct copy_sink *sink, const struct copy_manifest *m, bool is_top,
			struct err *e)
{
	struct artifact_sink *x = (struct artifact_sink *)sink;
	const struct copy_blob b = { m->digest, m->media_type, (int64_t)m->len };
	AUTO_FD fd = image_memory_file(m->text, m->len, e);
	int r = fd < 0 ? fd : has(sink, &b, e);

	if (r == 0)
		r = put(sink, &b, fd, e);
	if (r >= 0)
		r = image_label_children(x->w.s, x->w.ns, m->d, e);
	if (r < 0 || !is_top)
		return r;
	if (!copy_is_artifact(m->d->manifest))
		return err_set(e, -EINVAL, "%.19s is an image, not an artifact", m->digest);
	x->top = *m;
	x->type = copy_artifact_type(m->d->manifest);
	return 0;
}

static int put_name(struct artifact_sink *x, struct err *e)
{
	struct json_pair type = { LABEL_ARTIFACT, x->type };
	const struct image_row row = { .name = x->name,
				       .digest = x->top.digest,
				       .media_type = x->top.media_type,
				       .size = (int64_t)x->top.len,
				       .labels = { &type, 1 } };
	int r = store_begin(x->w.s, e);

	if (r < 0)
		return r;
	r = image_name_put(x->w.s, x->w.ns, &row, e);
	if (r == 0)
		r = image_work_end(&x->w, e);
	if (r == 0)
		return store_commit(x->w.s, e);
	store_rollback(x->w.s);
	return r;
}

/* On disk before the name says so; the name is durable. */
static int finish(struct copy_sink *sink, struct err *e)
{
	struct artifact_sink *x = (struct artifact_sink *)sink;
	int r = store_sync(x->w.s, e);

	if (r == 0)
		r = store_set_durable(x->w.s, true, e);
	if (r < 0)
		return r;
	r = put_name(x, e);
	(void)store_set_durable(x->w.s, false, NULL);
	x->is_working = r < 0;
	return r;
}

static void done(struct copy_sink *sink)
{
	struct artifact_sink *x = (struct artifact_sink *)sink;

	if (x->is_working)
		image_work_abandon(&x->w);
	x->is_working = false;
}

int copy_sink_artifact(struct store *s, const char *ns, const char *name, struct arena *a,
		       struct copy_sink **ret, struct err *e)
{
	struct artifact_sink *x = arena_alloc(a, sizeof(*x));
	int r = x ? store_namespace_ensure(s, ns, e) : err_set(e, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	*x = (struct artifact_sink){ .sink = { .tmp_dirfd = store_root_fd(s),
					       .has = has,
					       .put = put,
					       .put_manifest = put_manifest,
					       .finish = finish,
					       .done = done },
				     .w = { .s = s, .ns = ns },
				     .name = name,
				     .is_working = true };
	*ret = &x->sink;
	return image_work_begin(&x->w, e);
}

int copy_pull_artifact(struct store *s, const char *ns, const struct ref *ref, const char *name,
		       const struct image_pull_options *o, struct arena *a, struct err *e)
{
	const struct copy_options options = { .tmp_dirfd = store_root_fd(s),
					      .progress = o->progress,
					      .data = o->data };
	struct remote *g = arena_alloc(a, sizeof(*g));
	struct copy_source *src;
	struct copy_sink *sink;
	struct copy_result result;
	int r;

	if (!g)
		return err_set(e, -ENOMEM, "out of memory");
	*g = (struct remote){ .access = o->access };
	r = remote_init(g, ref, a, e);
	if (r < 0)
		return r;
	r = copy_source_remote(g, ref, a, &src, e);
	if (r == 0)
		r = copy_sink_artifact(s, ns, name, a, &sink, e);
	if (r == 0) {
		r = image_copy_run(src, sink, &options, a, &result, e);
		sink->done(sink);
	}
	remote_done(g);
	return r;
}
