/* New images: of a container's changes, of an archive of a root filesystem; and new names of old ones. */
#include <poll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/forms/priv.h"

#define POLL_MS 1000

/* ---- around every new image ---- */

struct making {
	struct image_work w;
	const struct image_new_options *o;
	struct compose_setup setup;
	struct compose_layer layer;
	struct arena *a;
};

static int begin(struct making *m, struct store *s, const char *ns, struct err *e)
{
	int r = compose_fill(&m->setup, m->o, m->a, e);

	m->w = (struct image_work){ .s = s, .ns = ns, .progress = m->o->progress };
	m->w.progress_data = m->o->progress_data;
	if (r == 0)
		r = store_namespace_ensure(s, ns, e);
	return r < 0 ? r : image_work_begin(&m->w, e);
}

/* A layer's blob is whole: it becomes content and, unless nothing is in it, a layer. */
static int add_layer(struct making *m, struct ingest **ingest, const struct packed *packed,
		     struct err *e)
{
	int r;

	if (streq(packed->diff_id, EMPTY_DIFF_ID))
		return 0;
	r = forms_keep_blob(&m->w, ingest, packed->digest, packed->size, e);
	if (r < 0)
		return r;
	m->layer = (struct compose_layer){ .digest = arena_strdup(m->a, packed->digest),
					   .diff_id = arena_strdup(m->a, packed->diff_id),
					   .size = packed->size,
					   .compression = m->o->compression };
	m->setup.layer = &m->layer;
	return m->layer.digest && m->layer.diff_id ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int set_base(struct making *m, const struct image_record *base, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	int r = store_content_info(m->w.s, m->w.ns, base->manifest_digest, &a, &info, e);

	m->setup.base = base->manifest_digest;
	if (r == 0)
		m->setup.base_size = info.size;
	/* What the new manifest will name must not go while it is made. */
	for (size_t i = 0; i < base->layers.n && r == 0; i++)
		r = store_lease_add(m->w.s, m->w.ns, m->w.id, "content", base->layers.v[i].digest,
				    e);
	if (r == 0)
		r = store_lease_add(m->w.s, m->w.ns, m->w.id, "content", base->manifest_digest, e);
	if (r == 0)
		r = store_lease_add(m->w.s, m->w.ns, m->w.id, "content", base->config_digest, e);
	return r;
}

/* ---- a layer from a folder ---- */

static int pack_layer(struct making *m, struct pack_job *j, struct packed *ret, struct err *e)
{
	struct ingest *ingest = NULL;
	int r = store_ingest_open(m->w.s, m->w.id, false, &ingest, e);

	if (r < 0)
		return r;
	j->setup.has_archive = j->setup.is_hashed = j->setup.is_layer = true;
	j->setup.compression = m->o->compression;
	j->setup.time_max_s = forms_epoch();
	j->archive = ingest->fd;
	j->progress = m->o->progress;
	j->progress_data = m->o->progress_data;
	j->what = "layer";
	r = pack(j, ret, e);
	if (r == 0)
		r = add_layer(m, &ingest, ret, e);
	store_ingest_abort(ingest);
	return r;
}

int forms_image_of_folder(struct store *s, const char *ns, const struct image_record *base,
			  struct pack_job *j, const struct image_new_options *o, struct arena *a,
			  const char **ret_id, struct err *e)
{
	struct making m = { .o = o, .a = a };
	struct packed packed;
	int r = begin(&m, s, ns, e);

	if (r < 0)
		return r;
	r = set_base(&m, base, e);
	if (r == 0)
		r = pack_layer(&m, j, &packed, e);
	if (r == 0)
		r = compose(&m.w, &m.setup, base, false, a, ret_id, e);
	if (r < 0)
		image_work_abandon(&m.w);
	return r;
}

int image_commit(struct store *s, const char *ns, const struct image_record *base,
		 const char *snapshot_key, const struct image_new_options *o, struct arena *a,
		 const char **ret_id, struct err *e)
{
	AUTO_VIEW v = { 0 };
	struct pack_job j = { .setup = { .kind = PACK_OVERLAY } };
	struct snapshot_info info;
	int r = store_snapshot_stat(s, ns, snapshot_key, a, &info, e);

	if (r == 0)
		r = view_open_active(s, ns, snapshot_key, false, false, &v, e);
	if (r < 0)
		return r;
	pack_skip_mount_points(&j.setup);
	j.folder = v.upper;
	if (v.is_overlay) {
		r = forms_image_of_folder(s, ns, base, &j, o, a, ret_id, e);
		if (r != -EXDEV)
			return r;
	}
	/* The folder does not say alone what changed: everything is held against what is below. */
	view_close(&v);
	r = view_open_active(s, ns, snapshot_key, true, true, &v, e);
	if (r < 0)
		return r;
	j.setup = (struct pack_setup){ .kind = PACK_TREE, .has_base = true };
	pack_skip_mount_points(&j.setup);
	j.folder = v.whole;
	j.base = v.below;
	return forms_image_of_folder(s, ns, base, &j, o, a, ret_id, e);
}

/* ---- import ---- */

static int read_import(struct making *m, struct worker *w, bool is_file, struct packed *ret,
		       struct err *e)
{
	const struct pack_job j = { .setup = { .is_hashed = true },
				    .is_patient = !is_file,
				    .progress = m->o->progress,
				    .progress_data = m->o->progress_data,
				    .what = "archive" };

	return pack_finish(&j, w, ret, e);
}

static int import_layer(struct making *m, int fd, struct err *e)
{
	struct worker w = { .control = -EBADF };
	struct ingest *ingest = NULL;
	struct spawn_fd fds[2];
	struct packed packed;
	int r = store_ingest_open(m->w.s, m->w.id, false, &ingest, e);

	if (r < 0)
		return r;
	fds[0] = (struct spawn_fd){ fd, 0 };
	fds[1] = (struct spawn_fd){ ingest->fd, WORKER_ARCHIVE_FD };
	r = worker_start("import", fds, 2, &w, e);
	if (r == 0)
		r = worker_send(&w, WORKER_START, (uint64_t)m->o->compression, NULL, 0, -EBADF, e);
	if (r == 0)
		r = read_import(m, &w, lseek(fd, 0, SEEK_CUR) >= 0, &packed, e);
	worker_stop(&w);
	if (r == 0)
		r = add_layer(m, &ingest, &packed, e);
	store_ingest_abort(ingest);
	return r;
}

int image_import(struct store *s, const char *ns, int fd, const struct image_new_options *o,
		 struct arena *a, const char **ret_id, struct err *e)
{
	struct making m = { .o = o, .a = a };
	char buf[PLATFORM_TEXT_MAX];
	int r = begin(&m, s, ns, e);

	if (r < 0)
		return r;
	m.setup.platform = o->platform ? o->platform : image_host_platform(buf);
	r = import_layer(&m, fd, e);
	if (r == 0)
		r = compose(&m.w, &m.setup, NULL, true, a, ret_id, e);
	if (r < 0)
		image_work_abandon(&m.w);
	return r;
}

/* ---- tag ---- */

/* What a name stands for; of an image that was found by its id, its manifest. */
static int find_row(struct store *s, const char *ns, const struct image_record *rec,
		    const char *name, struct arena *a, struct image_row *ret, struct err *e)
{
	if (name)
		return store_image_get(s, ns, name, a, ret, e);
	*ret = (struct image_row){ .digest = rec->manifest_digest };
	return forms_manifest_type(s, rec, a, &ret->media_type, &ret->size, e);
}

int image_tag(struct store *s, const char *ns, const char *what, const char *name, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct image_record *rec;
	struct image_row row;
	const char *found;
	struct ref ref;
	int r = ref_parse(name, &ref, e);

	if (r == 0 && ref.digest[0])
		r = err_set(e, -EINVAL,
			    "refusing to create a tag with a digest reference: '%.200s'", name);
	if (r == 0)
		r = image_find_any(s, ns, what, &a, &rec, &found, e);
	if (r == 0)
		r = find_row(s, ns, rec, found, &a, &row, e);
	if (r < 0)
		return r;
	row.name = ref_full(&ref, full);
	row.created_ns = row.updated_ns = 0;
	r = store_set_durable(s, true, e);
	if (r == 0)
		r = image_name_put(s, ns, &row, e);
	(void)store_set_durable(s, false, NULL);
	return r;
}
