/* An archive into the store: one worker reads it, this side keeps what it says honest. */
#include "image/forms/priv.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define IMAGES_MAX 1024
/* Files that one worker may hand over: an archive's (PARSE_ENTRIES_MAX), and two that it makes of each image. */
#define ENTRIES_MAX 20000
/* Offers together: many images may share one large config, and all of them wait in memory. */
#define OFFERS_BYTES ((size_t)64 << 20)

struct load {
	struct image_work w;
	const struct image_load_options *o;
	struct arena *a; /* the caller's */
	struct worker worker;
	struct ingest *ingest; /* of entry `next_index`, or NULL */
	uint64_t next_index;
	int64_t total; /* of the archive; 0: unknown */
	bool is_file;
	struct image_offer *offers;
	size_t n, cap;
	size_t offers_bytes;
	bool is_done;
};

/* ---- content ---- */

static int on_need_fd(struct load *l, const struct worker_msg *m, struct err *e)
{
	int r;

	if (l->ingest || m->a != l->next_index)
		return err_set(e, -EPROTO, "the worker asks for a file out of order");
	if (l->next_index >= ENTRIES_MAX)
		return err_set(e, -E2BIG, "the archive has more than %d files", ENTRIES_MAX);
	r = store_ingest_open(l->w.s, l->w.id, false, &l->ingest, e);
	if (r < 0)
		return r;
	return worker_send(&l->worker, WORKER_FD, m->a, NULL, 0, l->ingest->fd, e);
}

/*
 * What can be a manifest or a config is hashed here once more and copied: the worker that tells its digest still
 * has the file open. Larger ones can only be layers, which the unpack role hashes again.
 */
static int on_entry(struct load *l, const struct worker_msg *m, const char *payload, struct err *e)
{
	int r;

	if (!l->ingest || m->a != l->next_index || m->b > INT64_MAX || strlen(payload) != m->len ||
	    !digest_is_valid(payload) || !str_skip(payload, "sha256:"))
		return err_set(e, -EPROTO, "the worker reports a wrong file");
	r = store_lease_add(l->w.s, l->w.ns, l->w.id, "content", payload, e);
	if (r == 0 && m->b <= LIMIT_MANIFEST_BYTES)
		r = store_ingest_seal(l->ingest, payload, (int64_t)m->b, e);
	if (r == 0)
		r = store_ingest_commit(l->ingest, l->w.ns, payload, (int64_t)m->b, false, NULL, e);
	if (r < 0)
		return r;
	l->ingest = NULL;
	l->next_index++;
	return 0;
}

/* ---- images ---- */

static int on_image(struct load *l, const struct worker_msg *m, const char *payload, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	struct image_offer offer;
	int r;

	if (l->ingest)
		return err_set(e, -EPROTO, "the worker sent an image before its file was whole");
	if (l->n >= IMAGES_MAX)
		return err_set(e, -E2BIG, "the archive has more than %d images", IMAGES_MAX);
	l->offers_bytes += m->len;
	if (l->offers_bytes > OFFERS_BYTES)
		return err_set(e, -E2BIG,
			       "the settings of the archive's images take more than %zu MiB",
			       OFFERS_BYTES >> 20);
	if (mem_grow(&l->offers, &l->cap, l->n + 1, sizeof(*l->offers)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = json_read(&image_offer_table, payload, m->len, &lim, l->a, &offer, e);
	if (r == 0)
		r = image_offer_check(&l->w, &offer, e);
	if (r == 0)
		l->offers[l->n++] = offer;
	return r;
}

/* ---- the worker ---- */

static int on_message(struct load *l, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = worker_recv(&l->worker, &m, &payload, e);

	if (r < 0)
		return r;
	switch (m.type) {
	case WORKER_NEED_FD:
		return on_need_fd(l, &m, e);
	case WORKER_ENTRY:
		return on_entry(l, &m, payload, e);
	case WORKER_PROGRESS:
		if (l->w.progress)
			l->w.progress(l->w.progress_data, "archive",
				      (int64_t)MIN(m.a, (uint64_t)INT64_MAX), l->total);
		return 0;
	case WORKER_IMAGE:
		return on_image(l, &m, payload, e);
	case WORKER_DONE:
		l->is_done = true;
		return 0;
	default:
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	}
}

static int parse_archive(struct load *l, int fd, struct err *e)
{
	const struct spawn_fd fds[] = { { fd, 0 } };
	char buf[PLATFORM_TEXT_MAX];
	const char *platform = l->o->platform ? l->o->platform : image_host_platform(buf);
	AUTO_STRBUF struct strbuf start = { 0 };
	struct stat st;
	int r = worker_start("parse", fds, 1, &l->worker, e);

	if (r < 0)
		return r;
	strbuf_adds(&start, platform);
	if (l->o->wanted)
		strbuf_add(&start, "", 1);
	if (l->o->wanted)
		strbuf_adds(&start, l->o->wanted);
	if (strbuf_ok(&start) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		l->is_file = true;
		l->total = st.st_size;
	}
	r = worker_send(&l->worker, WORKER_START, 0, start.p, start.len, -EBADF, e);
	while (r == 0 && !l->is_done) {
		/* A pipe may be as slow as it likes; a file may not. */
		r = worker_wait(&l->worker, !l->is_file, e);
		if (r == 0)
			r = on_message(l, e);
	}
	store_ingest_abort(l->ingest);
	l->ingest = NULL;
	worker_stop(&l->worker);
	return r;
}

/* A folder that is no layout need not be read to its end to know. */
static int check_folder(int fd, struct err *e)
{
	if (faccessat(fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    faccessat(fd, "manifest.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return err_set(
		e, -EBADMSG,
		"this is not an image folder: it has neither 'index.json' (OCI) nor 'manifest.json' (docker)");
}

/* A folder goes through the pack role to the parse role as the archive that it could have been. */
static int read_folder(struct load *l, int fd, struct err *e)
{
	struct pack_job j = { .setup = { .kind = PACK_TREE, .has_archive = true },
			      .folder = fd,
			      .is_patient = true };
	struct worker w = { .control = -EBADF };
	struct err why = ERR_INIT;
	struct packed packed;
	int pipe[2], r = check_folder(fd, e), q;

	if (r < 0)
		return r;
	if (pipe2(pipe, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "make a pipe");
	j.archive = pipe[1];
	r = pack_start(&j, &w, e);
	close(pipe[1]);
	if (r == 0)
		r = parse_archive(l, pipe[0], e);
	close(pipe[0]);
	q = w.control >= 0 ? pack_finish(&j, &w, &packed, &why) : r;
	worker_stop(&w);
	/* The first to fail says why: the reader's end breaks the writer's pipe, the writer's cuts the archive off. */
	if (q < 0 && q != -EPIPE && why.errnum) {
		if (e)
			*e = why;
		return q;
	}
	return r;
}

static int read_archive(struct load *l, int fd, struct err *e)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? read_folder(l, fd, e)
							  : parse_archive(l, fd, e);
}

/* ---- the result ---- */

static int unpack_all(struct load *l, struct err *e)
{
	AUTO_FREE struct image_record **records = calloc(l->n + 1, sizeof(*records));

	if (!records)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < l->n; i++)
		records[i] = l->offers[i].record;
	return image_unpack(&l->w, records, l->n, e);
}

static int fill_result(const struct load *l, struct image_loaded *ret, struct err *e)
{
	struct image_loaded out = { 0 };
	size_t names = 0;

	for (size_t i = 0; i < l->n; i++)
		names += l->offers[i].names.n;
	out.names.v = arena_calloc(l->a, names + 1, sizeof(char *));
	out.ids.v = arena_calloc(l->a, l->n + 1, sizeof(char *));
	if (!out.names.v || !out.ids.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < l->n; i++) {
		out.ids.v[out.ids.n++] = l->offers[i].record->config_digest;
		for (size_t k = 0; k < l->offers[i].names.n; k++)
			out.names.v[out.names.n++] = l->offers[i].names.v[k];
	}
	*ret = out;
	return 0;
}

/* An archive has no signatures: what the policy would not let run is refused now, unless it was accepted before. */
static int ask_policy(struct load *l, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r == 0; i++)
		r = image_policy_check_offer(l->w.s, l->w.ns, &l->offers[i], e);
	return r;
}

static int check_one(const struct load *l, struct err *e)
{
	return l->n == 1 ? 0
			 : err_set(e, -EINVAL, "there are %zu images: say which by its tag or name",
				   l->n);
}

static int name_the_one(struct load *l, struct err *e)
{
	int r = l->o->name ? check_one(l, e) : 0;

	if (r < 0 || !l->o->name)
		return r;
	l->offers[0].names.v = arena_calloc(l->a, 1, sizeof(char *));
	if (!l->offers[0].names.v)
		return err_set(e, -ENOMEM, "out of memory");
	l->offers[0].names.v[0] = l->o->name;
	l->offers[0].names.n = 1;
	return 0;
}

static int load(struct load *l, int fd, struct image_loaded *ret, struct err *e)
{
	int r = read_archive(l, fd, e);

	if (r == 0)
		r = name_the_one(l, e);
	if (r == 0)
		r = ask_policy(l, e);
	if (r == 0 && !l->o->no_unpack)
		r = unpack_all(l, e);
	if (r == 0)
		r = fill_result(l, ret, e);
	return r < 0 ? r : image_offers_commit(&l->w, l->offers, l->n, e);
}

int image_load(struct store *s, const char *ns, int fd, const struct image_load_options *o,
	       struct arena *a, struct image_loaded *ret, struct err *e)
{
	static const struct image_load_options defaults = { 0 };
	struct load l = { .w = { .s = s, .ns = ns },
			  .o = o ? o : &defaults,
			  .a = a,
			  .worker = { .control = -EBADF } };
	int r = store_namespace_ensure(s, ns, e);

	l.w.progress = l.o->progress;
	l.w.progress_data = l.o->progress_data;
	if (r == 0)
		r = image_work_begin(&l.w, e);
	if (r < 0)
		return r;
	r = load(&l, fd, ret, e);
	if (r < 0)
		image_work_abandon(&l.w);
	free(l.offers);
	return r;
}

int image_load_stage(struct image_work *w, int fd, const struct image_load_options *o,
		     struct arena *a, const char **ret_digest, struct err *e)
{
	struct load l = { .w = *w, .o = o, .a = a, .worker = { .control = -EBADF } };
	int r;

	l.w.progress = o->progress;
	l.w.progress_data = o->progress_data;
	r = read_archive(&l, fd, e);
	if (r == 0)
		r = check_one(&l, e);
	if (r == 0)
		*ret_digest = l.offers[0].record->manifest_digest;
	free(l.offers);
	return r;
}
