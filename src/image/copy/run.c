/* Blobs in lanes, then manifests. A lane is one blob at a time: does the target have it, get it, hand it over. */
#include "image/copy/copy.h"

#include <fcntl.h>
#include <poll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#define WAIT_MS 1000

enum lane_state {
	LANE_IDLE,
	LANE_OFFERED, /* the registry is asked whether it has the blob */
	LANE_COMING,  /* from a registry or a folder, into a file without a name */
	LANE_SENT,    /* to the registry */
};
struct lane {
	enum lane_state state;
	const struct copy_blob *blob;
	int fd; /* the blob, or -EBADF */
	/* LANE_COMING */
	struct worker copier;
	int feed;	 /* a pipe's reading end or a file, until the copier has it */
	bool is_fetched; /* the fetcher is done */
	bool is_asking;	 /* the copier wants to know whether there is more */
	int64_t size;
};
struct copy {
	struct copy_source *src;
	struct copy_sink *sink;
	const struct copy_options *o;
	struct copy_plan plan;
	struct lane lanes[FETCHERS_MAX];
	size_t next; /* of the plan's blobs */
};

static void tell(struct copy *c, const struct copy_blob *b, const char *words)
{
	if (c->o->told)
		c->o->told(c->o->data, b->digest, words);
}

static void end_lane(struct lane *l)
{
	worker_stop(&l->copier);
	fd_closep(&l->fd);
	fd_closep(&l->feed);
	l->state = LANE_IDLE;
	l->blob = NULL;
}

/* ---- getting a blob ---- */

/* Where the blob ends up at best: there it needs no second copy. */
static int open_tmp(struct copy *c, struct lane *l, struct err *e)
{
	const int dirs[] = { c->sink->remote ? -EBADF : c->sink->tmp_dirfd, c->o->tmp_dirfd };

	for (size_t i = 0; i < ARRAY_LEN(dirs) && l->fd < 0; i++)
		if (dirs[i] >= 0)
			l->fd = openat(dirs[i], ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	return l->fd < 0 ? err_sys(e, -errno, "make a place for the blob") : 0;
}

/* The copy role reads what comes, writes the file and hashes: it has no network. */
static int start_copier(struct copy *c, struct lane *l, struct err *e)
{
	int r = open_tmp(c, l, e);

	l->is_fetched = l->is_asking = false;
	l->state = LANE_COMING;
	if (r == 0)
		r = worker_start("copy", (const struct spawn_fd[]){ { l->fd, WORKER_BLOB_FD } }, 1,
				 &l->copier, e);
	return r < 0 ? r
		     : worker_send(&l->copier, WORKER_START, WORKER_HAS_FEED, NULL, 0, -EBADF, e);
}

static int start_stream(struct copy *c, struct lane *l, struct err *e)
{
	AUTO_FD to = -EBADF;
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "make a pipe");
	l->feed = pair[0];
	to = pair[1];
	r = start_copier(c, l, e);
	if (r < 0)
		return r;
	return remote_stream(c->src->remote, (size_t)(l - c->lanes), l->blob->digest, l->blob->size,
			     to, e);
}

/* A file of somebody's folder, who may change it. */
static int start_file(struct copy *c, struct lane *l, struct err *e)
{
	int r;

	l->feed = c->src->open(c->src, l->blob, e);
	if (l->feed < 0)
		return l->feed;
	r = start_copier(c, l, e);
	l->is_fetched = true;
	return r;
}

static int hand_over(struct copy *c, struct lane *l, struct err *e);

/* The bytes that came are all, and the copier has asked for more: now it can tell what they are. */
static int answer_copier(struct lane *l, struct err *e)
{
	if (!l->is_asking)
		return 0;
	if (l->feed >= 0) {
		AUTO_FD feed = TAKE_FD(l->feed);

		l->is_asking = false;
		return worker_send(&l->copier, WORKER_FD, 0, NULL, 0, feed, e);
	}
	if (!l->is_fetched)
		return 0;
	l->is_asking = false;
	return worker_send(&l->copier, WORKER_FD, 0, NULL, 0, -EBADF, e);
}

static int on_copier(struct copy *c, struct lane *l, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = worker_recv(&l->copier, &m, &payload, e);

	if (r < 0 || m.type == WORKER_PROGRESS)
		return r;
	if (m.type == WORKER_NEED_FD) {
		l->is_asking = true;
		return answer_copier(l, e);
	}
	if (m.type != WORKER_UNPACKED)
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	if (m.a != (uint64_t)l->blob->size || !streq(payload, l->blob->digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the blob is damaged: its digest is %.80s, not %s", payload,
				    l->blob->digest);
	worker_stop(&l->copier);
	return hand_over(c, l, e);
}

static int get(struct copy *c, struct lane *l, struct err *e)
{
	if (c->src->remote)
		return start_stream(c, l, e);
	if (!c->src->is_hashed)
		return start_file(c, l, e);
	l->fd = c->src->open(c->src, l->blob, e);
	return l->fd < 0 ? l->fd : hand_over(c, l, e);
}

/* ---- handing it over ---- */

static int finish(struct copy *c, struct lane *l, const char *words)
{
	tell(c, l->blob, words);
	end_lane(l);
	return 0;
}

static int hand_over(struct copy *c, struct lane *l, struct err *e)
{
	const struct registry_call call = { .verb = REGISTRY_PUT_BLOB,
					    .digest = l->blob->digest,
					    .size = l->blob->size };
	int r;

	if (c->sink->remote) {
		l->state = LANE_SENT;
		return remote_send(c->sink->remote, (size_t)(l - c->lanes), &call, l->fd, e);
	}
	r = c->sink->put(c->sink, l->blob, l->fd, e);
	return r < 0 ? r : finish(c, l, "Pushed");
}

/* Repositories of the target's registry that may have the blob. */
static void find_mounts(struct copy *c, const struct copy_blob *b, struct arena *a,
			struct json_strs *ret)
{
	const char *own = c->sink->remote->setup.repository;
	const char **all = arena_calloc(a, REGISTRY_FROM_MAX, sizeof(*all));
	struct json_strs known = { 0 };
	size_t n = 0;

	*ret = (struct json_strs){ 0 };
	if (!all)
		return;
	if (c->src->host && streq(c->src->host, c->sink->host) && !streq(c->src->repository, own))
		all[n++] = c->src->repository;
	if (c->src->s)
		image_sources(c->src->s, c->src->ns, c->sink->host, b->digest, a, &known);
	/* Where it was pushed last is where it still is. */
	for (size_t i = known.n; i-- > 0 && n < REGISTRY_FROM_MAX;)
		if (!streq(known.v[i], own))
			all[n++] = known.v[i];
	*ret = (struct json_strs){ all, n };
}

static int begin(struct copy *c, struct lane *l, const struct copy_blob *b, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct registry_call call = { .verb = REGISTRY_OFFER, .digest = b->digest };
	int r;

	l->blob = b;
	if (!c->sink->remote) {
		r = c->sink->has(c->sink, b, e);
		return r < 0 ? r : r > 0 ? finish(c, l, "Already exists") : get(c, l, e);
	}
	find_mounts(c, b, &a, &call.from);
	l->state = LANE_OFFERED;
	return remote_send(c->sink->remote, (size_t)(l - c->lanes), &call, -EBADF, e);
}

static int on_offered(struct copy *c, struct lane *l, const struct registry_answer *answer,
		      struct err *e)
{
	AUTO_FREE char *words = NULL;

	if (answer->is_there)
		return finish(c, l, "Layer already exists");
	if (!answer->is_mounted)
		return get(c, l, e);
	words = str_printf("Mounted from %.255s", answer->mounted ? answer->mounted : "");
	return finish(c, l, words ? words : "Mounted");
}

static int on_sink(struct copy *c, struct lane *l, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct registry_answer answer;
	int64_t done = 0;
	int r = remote_read(c->sink->remote, (size_t)(l - c->lanes), &a, &answer, &done, e);

	if (r == 0 && l->state == LANE_SENT && c->o->progress)
		c->o->progress(c->o->data, l->blob->digest, MIN(done, l->blob->size),
			       l->blob->size);
	if (r <= 0)
		return r;
	return l->state == LANE_OFFERED ? on_offered(c, l, &answer, e) : finish(c, l, "Pushed");
}

static int on_source(struct copy *c, struct lane *l, struct err *e)
{
	int r = remote_stream_read(c->src->remote, (size_t)(l - c->lanes), e);

	if (r <= 0)
		return r;
	l->is_fetched = true;
	return answer_copier(l, e);
}

/* ---- the loop ---- */

enum { LANE_FDS = 3 };

static void watch(struct copy *c, const struct lane *l, struct pollfd fds[LANE_FDS])
{
	size_t i = (size_t)(l - c->lanes);

	for (size_t k = 0; k < LANE_FDS; k++)
		fds[k] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (l->state == LANE_OFFERED || l->state == LANE_SENT)
		fds[0].fd = c->sink->remote->lanes[i].control;
	if (l->state == LANE_COMING) {
		fds[1].fd = l->copier.control;
		fds[2].fd = l->is_fetched ? -1 : c->src->remote->lanes[i].control;
	}
}

/* Registries may take their time with the last byte of a blob; the roles end themselves long before that. */
static int check_stall(struct copy *c, const struct lane *l, const struct pollfd *fds,
		       struct err *e)
{
	size_t i = (size_t)(l - c->lanes);
	int64_t now = clock_mono_ms();

	if ((fds[2].fd >= 0 && now - c->src->remote->lanes[i].heard_ms > WORKER_STALL_MS) ||
	    (fds[1].fd >= 0 && fds[2].fd < 0 && now - l->copier.heard_ms > WORKER_STALL_MS))
		return err_set(e, -ETIMEDOUT, "the worker makes no progress");
	return 0;
}

static int step(struct copy *c, struct lane *l, const struct pollfd *fds, struct err *e)
{
	int (*const handlers[LANE_FDS])(struct copy *, struct lane *,
					struct err *) = { on_sink, on_copier, on_source };
	const struct copy_blob *b = l->blob;
	int r = check_stall(c, l, fds, e);

	/* One at a time: what one does changes what the others mean. */
	for (size_t k = 0; r == 0 && k < LANE_FDS; k++) {
		if (!fds[k].revents)
			continue;
		r = handlers[k](c, l, e);
		break;
	}
	return r < 0 ? err_wrap(e, r, "blob %.19s", b->digest) : 0;
}

static int begin_some(struct copy *c, struct err *e)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		while (c->lanes[i].state == LANE_IDLE && c->next < c->plan.blobs_n) {
			const struct copy_blob *b = &c->plan.blobs[c->next++];
			int r = begin(c, &c->lanes[i], b, e);

			if (r < 0)
				return err_wrap(e, r, "blob %.19s", b->digest);
		}
	}
	return 0;
}

static bool is_busy(const struct copy *c)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		if (c->lanes[i].state != LANE_IDLE)
			return true;
	return false;
}

static int copy_blobs(struct copy *c, struct err *e)
{
	for (size_t i = 0; i < c->plan.blobs_n; i++)
		tell(c, &c->plan.blobs[i], "Preparing");
	for (;;) {
		struct pollfd fds[FETCHERS_MAX * LANE_FDS];
		int r = begin_some(c, e);

		if (r < 0 || !is_busy(c))
			return r;
		for (size_t i = 0; i < FETCHERS_MAX; i++)
			watch(c, &c->lanes[i], &fds[i * LANE_FDS]);
		if (poll(fds, ARRAY_LEN(fds), WAIT_MS) < 0 && errno != EINTR)
			return err_sys(e, -errno, "wait for workers");
		for (size_t i = 0; r == 0 && i < FETCHERS_MAX; i++)
			if (c->lanes[i].state != LANE_IDLE)
				r = step(c, &c->lanes[i], &fds[i * LANE_FDS], e);
		if (r < 0)
			return r;
	}
}

/* ---- manifests ---- */

static int put_remote(struct copy *c, const struct copy_manifest *m, bool is_top, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const struct oci_manifest *doc = m->d->manifest;
	struct oci_descriptor self = { .media_type = m->media_type,
				       .digest = m->digest,
				       .size = (int64_t)m->len,
				       .artifact_type = doc->artifact_type,
				       .annotations = doc->annotations };
	struct registry_call call = { .verb = REGISTRY_PUT_MANIFEST,
				      .media_type = m->media_type,
				      .size = (int64_t)m->len };
	struct registry_answer answer;
	AUTO_FD fd = -EBADF;
	int r;

	if (!self.artifact_type && doc->config)
		self.artifact_type = doc->config->media_type;
	if (doc->subject) {
		call.subject = doc->subject->digest;
		call.self = &self;
	}
	call.path = arena_printf(&a, "manifests/%s", is_top ? c->sink->tag : m->digest);
	fd = image_memory_file(m->text, m->len, e);
	if (fd < 0 || !call.path)
		return fd < 0 ? fd : err_set(e, -ENOMEM, "out of memory");
	r = remote_call(c->sink->remote, &call, fd, &a, &answer, e);
	if (r == 0 && answer.digest && *answer.digest && str_skip(answer.digest, "sha256:") &&
	    !streq(answer.digest, m->digest))
		r = err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				 "the registry calls the manifest %.80s, but it is %s",
				 answer.digest, m->digest);
	return r < 0 ? err_wrap(e, r, "manifest %.19s", m->digest) : 0;
}

static int copy_manifests(struct copy *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->plan.manifests_n; i++) {
		const struct copy_manifest *m = &c->plan.manifests[i];
		bool is_top = i + 1 == c->plan.manifests_n;

		r = c->sink->remote ? put_remote(c, m, is_top, e)
				    : c->sink->put_manifest(c->sink, m, is_top, e);
	}
	return r;
}

/* What went to a registry is there for later mounts; not knowing it is no failure. */
static void remember(struct copy *c)
{
	struct copy_source *src = c->src;

	if (!src->s || !c->sink->remote || store_begin(src->s, NULL) < 0)
		return;
	for (size_t i = 0; i < c->plan.blobs_n; i++)
		(void)image_label_source(src->s, src->ns, c->sink->host,
					 c->sink->remote->setup.repository, c->plan.blobs[i].digest,
					 NULL);
	(void)store_commit(src->s, NULL);
}

static int run(struct copy *c, struct copy_result *ret, struct err *e)
{
	const struct copy_manifest *top;
	int r = copy_plan_make(&c->plan, e);

	if (r == 0)
		r = copy_blobs(c, e);
	if (r == 0)
		r = copy_manifests(c, e);
	if (r == 0 && c->sink->finish)
		r = c->sink->finish(c->sink, e);
	if (r < 0)
		return r;
	remember(c);
	top = &c->plan.manifests[c->plan.manifests_n - 1];
	*ret = (struct copy_result){ top->digest, top->media_type, (int64_t)top->len,
				     c->plan.index };
	return 0;
}

int image_copy_run(struct copy_source *src, struct copy_sink *sink, const struct copy_options *o,
		   struct arena *a, struct copy_result *ret, struct err *e)
{
	char buf[PLATFORM_TEXT_MAX];
	struct copy_options options = *o;
	struct copy c = { .src = src,
			  .sink = sink,
			  .o = &options,
			  .plan = { .reader = { .src = src, .a = a }, .o = &options } };
	int r;

	if (!options.platform)
		options.platform = image_host_platform(buf);
	c.plan.reader.platform = options.platform;
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		c.lanes[i] = (struct lane){ .fd = -EBADF,
					    .feed = -EBADF,
					    .copier = { .control = -EBADF } };
	r = run(&c, ret, e);
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		end_lane(&c.lanes[i]);
	copy_plan_done(&c.plan);
	return r;
}
