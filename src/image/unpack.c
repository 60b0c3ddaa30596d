/*
 * Layers into snapshots: several workers at once, each into a snapshot of its own without a parent; when a
 * layer is whole and verified and all below it are committed, it is stacked upon them and committed as its
 * chain id. A process that unpacks a chain id holds a reservation of it; others wait for what comes of it.
 *
 * Where the blobs come from a feed, a worker gets its blob in pieces while they are fetched, and a blob that is
 * missing though its snapshot is there is copied by a job of its own.
 */
#include "image/priv.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define WORKERS_MAX 16
#define POLL_MS 1000
/* Some job may wait for another process, which nothing tells about. */
#define WAITING_POLL_MS 100
/* Notes of one layer; a worker that sends more is refused. */
#define NOTES_BUDGET ((size_t)32 << 20)

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_UNPACKED, JOB_COMMITTED };

struct job {
	const struct image_layer *layer;
	const char *parent; /* chain id, or NULL */
	char key[WORK_KEY_MAX];
	enum job_state state;
	bool is_copy;	 /* the snapshot is there, only the blob is missing */
	int reservation; /* of the chain id; -EBADF: none */
	int64_t needed; /* the worker waits for the blob's piece that begins here; -1: it does not */
	bool is_fed;
	struct worker worker;
	struct arena arena;
	struct layer_note *notes;
	size_t notes_n, notes_cap;
};

struct jobs {
	struct image_work *w;
	struct job *v; /* parents come before children */
	size_t n;
	size_t running, running_max;
	bool is_waiting; /* some job for another process */
};

/* ---- what is to do ---- */

/* 1: there and trustworthy, 0: not, -errno. */
static int has_snapshot(struct store *s, const char *ns, const char *chain_id, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_info info;
	struct err why = ERR_INIT;
	int r = store_snapshot_stat(s, ns, chain_id, &a, &info, &why);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	return info.kind == SNAPSHOT_COMMITTED && !info.is_suspect;
}

int image_is_unpacked(struct store *s, const char *ns, const struct image_record *rec,
		      struct err *e)
{
	for (size_t i = rec->layers.n; i-- > 0;) {
		int r = has_snapshot(s, ns, rec->layers.v[i].chain_id, e);

		if (r <= 0)
			return r;
	}
	return 1;
}

static bool is_listed(const struct jobs *j, const char *chain_id)
{
	for (size_t i = 0; i < j->n; i++)
		if (streq(j->v[i].layer->chain_id, chain_id))
			return true;
	return false;
}

static bool is_missing(struct image_work *w, const struct image_layer *layer)
{
	return w->feed && w->feed->is_missing(w->feed, layer);
}

static int list_jobs(struct jobs *j, const struct image_record *rec, struct err *e)
{
	struct image_work *w = j->w;

	for (size_t i = 0; i < rec->layers.n; i++) {
		const struct image_layer *l = &rec->layers.v[i];
		struct job *job;
		int r = store_lease_add(w->s, w->ns, w->id, store_snapshot_type(w->s), l->chain_id,
					e);

		if (r == 0)
			r = has_snapshot(w->s, w->ns, l->chain_id, e);
		if (r < 0)
			return r;
		if (is_listed(j, l->chain_id) || (r > 0 && !w->trial && !is_missing(w, l)))
			continue;
		job = &j->v[j->n];
		*job = (struct job){ .layer = l,
				     .is_copy = r > 0 && !w->trial,
				     .needed = -1,
				     .reservation = -EBADF,
				     .worker = { .control = -EBADF },
				     .arena = { .budget = NOTES_BUDGET } };
		job->parent = i > 0 ? rec->layers.v[i - 1].chain_id : NULL;
		image_work_key(w, j->n++, job->key);
	}
	return 0;
}

/* ---- one job ---- */

/* What the worker is told of the layers below: beside this one, in its folder already, or none. */
static uint64_t lower_flags(const struct jobs *j, const struct job *job)
{
	if (!job->parent)
		return 0;
	return store_snapshot_can_stack(j->w->s) ? WORKER_HAS_LOWER : WORKER_APPLY;
}

/* Nobody else unpacks the chain id from now on. -EAGAIN: somebody does. */
static int reserve(struct jobs *j, struct job *job, struct err *e)
{
	AUTO_FREE char *name = str_printf("unpack %s %s", j->w->ns, job->layer->chain_id);
	int fd = name ? store_reserve(j->w->s, name, e) : err_set(e, -ENOMEM, "out of memory");

	if (fd < 0)
		return fd;
	job->reservation = fd;
	return 0;
}

/* 1: the snapshot is to be made by us; 0: it came meanwhile; -EAGAIN: another process makes it. */
static int claim(struct jobs *j, struct job *job, struct err *e)
{
	int r = job->reservation >= 0 ? 0 : reserve(j, job, e);

	if (r < 0)
		return r;
	r = has_snapshot(j->w->s, j->w->ns, job->layer->chain_id, e);
	if (r < 0)
		return r;
	if (r > 0)
		fd_closep(&job->reservation);
	return r == 0;
}

static int open_blob(struct jobs *j, struct job *job, struct err *e)
{
	struct image_feed *feed = j->w->feed;

	return feed ? feed->open(feed, job->layer, &job->is_fed, e)
		    : store_content_open(j->w->s, job->layer->digest, e);
}

static int run_worker(struct jobs *j, struct job *job, int blob, int fs, struct err *e)
{
	const struct spawn_fd fds[] = { { blob, WORKER_BLOB_FD }, { fs, WORKER_ROOT_FD } };
	uint64_t flags = lower_flags(j, job) | (job->is_fed ? WORKER_HAS_FEED : 0);
	int r = worker_start(job->is_copy ? "copy" : "unpack", fds, job->is_copy ? 1 : 2,
			     &job->worker, e);

	if (r < 0)
		return r;
	job->state = JOB_RUNNING;
	j->running++;
	return worker_send(&job->worker, WORKER_START, flags, NULL, 0, -EBADF, e);
}

static int start_unpack(struct jobs *j, struct job *job, int blob, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_work *w = j->w;
	struct snapshot_mounts mounts;
	AUTO_FD fs = -EBADF;
	const char *parent = lower_flags(j, job) == WORKER_APPLY ? job->parent : NULL;
	int r = store_snapshot_prepare(w->s, w->ns, job->key, parent, SNAPSHOT_ACTIVE, NULL, &a,
				       &mounts, e);

	if (r < 0)
		return r;
	fs = store_snapshot_open_fs(w->s, w->ns, job->key, e);
	return fs < 0 ? fs : run_worker(j, job, blob, fs, e);
}

static int start_job(struct jobs *j, struct job *job, struct err *e)
{
	AUTO_FD blob = -EBADF;
	int r = job->is_copy ? 0 : j->w->trial ? 1 : claim(j, job, e);

	if (r < 0)
		return r;
	job->is_copy = r == 0;
	if (job->is_copy && !is_missing(j->w, job->layer)) {
		job->state = JOB_COMMITTED;
		return 0;
	}
	blob = open_blob(j, job, e);
	if (blob < 0)
		return blob;
	return job->is_copy ? run_worker(j, job, blob, -EBADF, e) : start_unpack(j, job, blob, e);
}

/* What the worker waits for, as soon as it is there. */
static int send_piece(struct jobs *j, struct job *job, struct err *e)
{
	AUTO_FD fd = -EBADF;
	struct image_feed *feed = j->w->feed;

	if (job->needed < 0)
		return 0;
	fd = feed->next(feed, job->layer, job->needed, e);
	if (fd == -EAGAIN)
		return 0;
	if (fd < 0 && fd != -ENODATA)
		return fd;
	job->needed = -1;
	job->worker.heard_ms = clock_mono_ms();
	return worker_send(&job->worker, WORKER_FD, 0, NULL, 0, fd, e);
}

static int on_need(struct jobs *j, struct job *job, const struct worker_msg *m, struct err *e)
{
	if (!job->is_fed || job->needed >= 0 || m->a > INT64_MAX)
		return err_set(e, -EPROTO, "the worker asks for a wrong piece");
	job->needed = (int64_t)m->a;
	return send_piece(j, job, e);
}

static int add_note(struct job *job, const struct worker_msg *m, const char *payload, struct err *e)
{
	int r;

	if (mem_grow(&job->notes, &job->notes_cap, job->notes_n + 1, sizeof(*job->notes)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = layer_note_read(m, payload, &job->arena, &job->notes[job->notes_n], e);
	if (r == 0)
		job->notes_n++;
	return r;
}

/* The worker's word against the record's: all three must be the same. */
static int check_result(const struct job *job, const struct worker_msg *m, const char *payload,
			struct err *e)
{
	const struct image_layer *l = job->layer;
	size_t at = strlen(payload) + 1;

	if (job->is_copy ? m->len == 0 : at >= m->len)
		return err_set(e, -EPROTO, "the worker sent no digests");
	if (!streq(payload, l->digest) || m->a != (uint64_t)l->size)
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the blob is damaged: it has %llu bytes and digest %.80s",
				    (unsigned long long)m->a, payload);
	if (!job->is_copy && !streq(payload + at, l->diff_id))
		return err_set(e, -EBADMSG, "its content has digest %.80s, the config says %s",
			       payload + at, l->diff_id);
	return 0;
}

static void report(struct jobs *j, const struct job *job, int64_t done)
{
	if (j->w->progress)
		j->w->progress(j->w->progress_data, job->layer->digest, done, job->layer->size);
}

static int finish_job(struct jobs *j, struct job *job, const struct worker_msg *m,
		      const char *payload, struct err *e)
{
	int r = check_result(job, m, payload, e);

	worker_stop(&job->worker);
	if (r == 0 && j->w->feed)
		r = j->w->feed->verified(j->w->feed, job->layer, e);
	job->state = JOB_UNPACKED;
	j->running--;
	report(j, job, job->layer->size);
	return r;
}

static int on_message(struct jobs *j, struct job *job, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = worker_recv(&job->worker, &m, &payload, e);

	if (r < 0)
		return r;
	switch (m.type) {
	case WORKER_PROGRESS:
		report(j, job, (int64_t)MIN(m.a, (uint64_t)job->layer->size));
		return 0;
	case WORKER_NEED_FD:
		return on_need(j, job, &m, e);
	case WORKER_IMPLIED:
	case WORKER_OPAQUE:
	case WORKER_XATTR:
		return add_note(job, &m, payload, e);
	case WORKER_UNPACKED:
		return finish_job(j, job, &m, payload, e);
	default:
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	}
}

/* ---- commit ---- */

static int apply_notes(struct jobs *j, struct job *job, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct snapshot_mounts mounts = { 0 };
	AUTO_FD fs = -EBADF;
	int r = 0;

	if (job->notes_n == 0)
		return 0;
	fs = store_snapshot_open_fs(j->w->s, j->w->ns, job->key, e);
	if (fs < 0)
		return fs;
	r = store_snapshot_mounts(j->w->s, j->w->ns, job->key, &a, &mounts, e);
	for (size_t i = 0; i < job->notes_n && r == 0; i++)
		r = layer_note_apply(&job->notes[i], fs, &mounts.lowers, e);
	return r;
}

static int keep(struct jobs *j, struct job *job, struct err *e)
{
	struct image_work *w = j->w;
	int64_t size, inodes;
	int r = store_snapshot_commit(w->s, w->ns, job->layer->chain_id, job->key, NULL, e);

	/* Recorded now, while it is in memory: what `image check` compares with later. */
	if (r == 0)
		r = store_snapshot_usage(w->s, w->ns, job->layer->chain_id, &size, &inodes, e);
	return r == -EEXIST ? store_snapshot_remove(w->s, w->ns, job->key, e) : r;
}

static int end_trial(struct jobs *j, struct job *job, struct err *e)
{
	struct image_work *w = j->w;
	int r = w->trial(w, job->layer, job->key, e);

	return r < 0 ? r : store_snapshot_remove(w->s, w->ns, job->key, e);
}

static int commit_job(struct jobs *j, struct job *job, struct err *e)
{
	struct image_work *w = j->w;
	struct err why = ERR_INIT;
	int r = 0;

	if (job->is_copy) {
		job->state = JOB_COMMITTED;
		return 0;
	}
	if (lower_flags(j, job) == WORKER_HAS_LOWER)
		r = store_snapshot_stack(w->s, w->ns, job->key, job->parent, &why);
	if (r == 0)
		r = apply_notes(j, job, &why);
	if (r == 0)
		r = w->trial ? end_trial(j, job, &why) : keep(j, job, &why);
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	fd_closep(&job->reservation);
	job->state = JOB_COMMITTED;
	return 0;
}

/* ---- all ---- */

static int failed(const struct job *job, int r, struct err *e)
{
	return err_wrap(e, r, "layer %.19s", job->layer->digest);
}

/* A layer that is not stacked needs the one below it. Parents come first in the list. */
static bool can_start(const struct jobs *j, const struct job *job)
{
	if (job->state != JOB_WAITING)
		return false;
	if (lower_flags(j, job) != WORKER_APPLY)
		return true;
	for (const struct job *below = j->v; below < job; below++)
		if (streq(below->layer->chain_id, job->parent))
			return below->state == JOB_COMMITTED;
	return true;
}

static int start_some(struct jobs *j, struct err *e)
{
	j->is_waiting = false;
	for (size_t i = 0; i < j->n && j->running < j->running_max; i++) {
		int r = can_start(j, &j->v[i]) ? start_job(j, &j->v[i], e) : 0;

		if (r < 0 && r != -EAGAIN)
			return failed(&j->v[i], r, e);
		j->is_waiting |= r == -EAGAIN;
	}
	return 0;
}

/* The feed's descriptors stand behind the workers'. */
static int wait_all(struct jobs *j, struct pollfd *fds, size_t workers, struct err *e)
{
	struct image_feed *feed = j->w->feed;
	size_t n = feed ? feed->watch(feed, fds + workers) : 0;

	if (poll(fds, workers + n, j->is_waiting ? WAITING_POLL_MS : POLL_MS) < 0) {
		if (errno != EINTR)
			return err_sys(e, -errno, "wait for workers");
		for (size_t i = 0; i < workers + n; i++)
			fds[i].revents = 0;
	}
	return feed ? feed->step(feed, fds + workers, n, e) : 0;
}

/* One whose blob comes in pieces waits as long as their fetcher may. */
static bool is_stuck(struct jobs *j, struct job *job)
{
	int64_t now = clock_mono_ms();

	if (job->is_fed && j->w->feed->is_coming(j->w->feed, job->layer))
		job->worker.heard_ms = now;
	return now - job->worker.heard_ms > WORKER_STALL_MS;
}

static int wait_some(struct jobs *j, struct err *e)
{
	struct pollfd fds[WORKERS_MAX + FEED_FDS_MAX];
	struct job *jobs[WORKERS_MAX];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < j->n; i++) {
		if (j->v[i].state != JOB_RUNNING)
			continue;
		jobs[n] = &j->v[i];
		fds[n++] = (struct pollfd){ .fd = j->v[i].worker.control, .events = POLLIN };
	}
	/* All that was left to do, others did. */
	if (n == 0 && !j->is_waiting)
		return 0;
	r = wait_all(j, fds, n, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = 0;
		if (fds[i].revents)
			r = on_message(j, jobs[i], e);
		else if (is_stuck(j, jobs[i]))
			r = err_set(e, -ETIMEDOUT, "the worker makes no progress");
		if (r == 0)
			r = send_piece(j, jobs[i], e);
		if (r < 0)
			return failed(jobs[i], r, e);
	}
	return 0;
}

static int commit_some(struct jobs *j, size_t *next, struct err *e)
{
	while (*next < j->n && j->v[*next].state >= JOB_UNPACKED) {
		int r = j->v[*next].state == JOB_UNPACKED ? commit_job(j, &j->v[*next], e) : 0;

		if (r < 0)
			return failed(&j->v[*next], r, e);
		(*next)++;
	}
	return 0;
}

static int run_jobs(struct jobs *j, struct err *e)
{
	size_t next = 0;
	int r = 0;

	while (next < j->n && r == 0) {
		r = start_some(j, e);
		if (r == 0)
			r = wait_some(j, e);
		if (r == 0)
			r = commit_some(j, &next, e);
	}
	return r;
}

static void jobs_done(struct jobs *j)
{
	for (size_t i = 0; i < j->n; i++) {
		worker_stop(&j->v[i].worker);
		fd_closep(&j->v[i].reservation);
		arena_done(&j->v[i].arena);
		free(j->v[i].notes);
	}
	free(j->v);
}

int image_unpack(struct image_work *w, struct image_record *const *records, size_t n, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct jobs j = { .w = w, .running_max = (size_t)MIN(MAX(cpus, 1), WORKERS_MAX) };
	size_t layers = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		layers += records[i]->layers.n;
	j.v = calloc(layers + 1, sizeof(*j.v));
	if (!j.v)
		return err_set(e, -ENOMEM, "out of memory");
	/* Those that wait for the network cost no processor. */
	if (w->feed)
		j.running_max = MAX(j.running_max, FETCHERS_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = list_jobs(&j, records[i], e);
	if (r == 0)
		r = run_jobs(&j, e);
	jobs_done(&j);
	return r;
}

static int unpack_and_sync(struct image_work *w, const struct image_record *rec, struct err *e)
{
	struct image_record *one = (struct image_record *)rec;
	int r = image_unpack(w, &one, 1, e);

	if (r == 0)
		r = store_sync(w->s, e);
	if (r == 0)
		r = store_snapshots_mark_clean(w->s, e);
	return r < 0 ? r : image_work_end(w, e);
}

int image_ensure_unpacked(struct store *s, const char *ns, const struct image_record *rec,
			  image_progress_fn progress, void *progress_data, struct arena *a,
			  const char **ret_key, struct err *e)
{
	struct image_work w = {
		.s = s, .ns = ns, .progress = progress, .progress_data = progress_data
	};
	const char *key = rec->layers.n ? arena_strdup(a, rec->layers.v[rec->layers.n - 1].chain_id)
					: "";
	int r = key ? image_is_unpacked(s, ns, rec, e) : -ENOMEM;

	if (r == 0) {
		r = image_work_begin(&w, e);
		if (r < 0)
			return r;
		r = unpack_and_sync(&w, rec, e);
		if (r < 0)
			image_work_abandon(&w);
	}
	if (r < 0)
		return r;
	*ret_key = key;
	return 0;
}
