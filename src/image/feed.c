/*
 * Layers from a registry, several at once, while those that have come are unpacked. A blob under way lies in an ingest
 * that bears its digest: a killed pull is resumed, and of two processes that want the same one fetches, the other waits.
 */
#include "image/priv.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/fetch_setup.h"

#define HASH_BUFFER ((size_t)128 << 10)
#define WAIT_MS 100
/* What a program that starts may hold of our descriptors, with much to spare. */
#define CLOSE_WAIT_MS 2000

enum blob_state {
	BLOB_WANTED, /* its ingest is not open, or another process has it */
	BLOB_FETCHING,
	BLOB_ARRIVED, /* all bytes are there and nobody can write any more; the digest is not checked */
	BLOB_STORED,
};
struct blob {
	const struct image_layer *layer;
	enum blob_state state;
	struct ingest *ingest;
};

static void tell(struct fetch_feed *f, const struct blob *b, const char *words)
{
	if (f->told)
		f->told(f->told_data, b->layer->digest, words);
}

static int start_fetcher(struct fetch_feed *f, struct fetcher *x, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	int r;

	if (x->worker.control >= 0)
		return 0;
	json_write(&fetch_setup_table, f->setup, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = worker_start("fetch", NULL, 0, &x->worker, e);
	if (r == 0)
		r = worker_send(&x->worker, WORKER_START, 0, b.p, b.len, -EBADF, e);
	explicit_bzero(b.p, b.len);
	return r;
}

static int send_get(struct fetcher *x, const char *path, int fd, uint64_t offset, uint64_t size,
		    struct err *e)
{
	int r = worker_msg_send(x->worker.control, WORKER_GET, offset, size, path, strlen(path),
				fd);

	x->worker.heard_ms = clock_mono_ms();
	return r < 0 && r != -EPIPE ? err_sys(e, r, "talk to the worker") : 0;
}

/* ---- small documents ---- */

static int wait_one(struct fetcher *x, struct err *e)
{
	struct pollfd p = { .fd = x->worker.control, .events = POLLIN };

	for (;;) {
		int r = poll(&p, 1, WAIT_MS);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_sys(e, -errno, "wait for the worker");
		if (clock_mono_ms() - x->worker.heard_ms > WORKER_STALL_MS)
			return err_set(e, -ETIMEDOUT, "the worker makes no progress");
	}
}

int fetch_small(struct fetch_feed *f, const char *path, struct ingest *to, uint64_t size,
		char **ret_type, struct err *e)
{
	struct fetcher *x = &f->fetchers[0];
	int r = start_fetcher(f, x, e);

	if (r == 0)
		r = send_get(x, path, to->fd, 0, size, e);
	while (r == 0) {
		AUTO_FREE char *payload = NULL;
		struct worker_msg m = { 0 };

		r = wait_one(x, e);
		if (r == 0)
			r = worker_recv(&x->worker, &m, &payload, e);
		if (r < 0 || m.type == WORKER_PROGRESS)
			continue;
		if (m.type != WORKER_GOT)
			return err_set(e, -EPROTO, "the worker sent message %u", m.type);
		if (strlen(payload) >= m.len)
			return err_set(e, -EPROTO, "the worker sent no media type");
		*ret_type = TAKE_PTR(payload);
		return 0;
	}
	return r;
}

/* ---- one blob ---- */

/*
 * Asks for the lease until it is given. A program that was just started holds copies of our descriptors for some
 * microseconds after its start has returned: vfork's parent goes on before the kernel closes them.
 */
static int wait_until_closed(struct fetcher *x, int fd, struct err *e)
{
	int64_t end = clock_mono_ms() + CLOSE_WAIT_MS;

	while (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
		if (errno != EAGAIN) {
			/* No leases here: the fetcher has to end. */
			if (x)
				worker_stop(&x->worker);
			return 0;
		}
		if (clock_mono_ms() > end)
			return err_set(e, -EPROTO,
				       "the worker keeps a file open that it has handed over");
		poll(NULL, 0, 1);
	}
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return 0;
}

/*
 * From here on the bytes do not change: a read lease is given only while nobody, the fetcher above all, has the file
 * open for writing. Where the filesystem has no leases the fetcher has to end.
 */
static int freeze(struct fetcher *x, struct ingest *i, struct err *e)
{
	char path[FD_PATH_MAX];
	int fd = open(fd_path(i->fd, path), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, -errno, "open ingest '%s'", i->ref);
	close(i->fd);
	i->fd = fd;
	return wait_until_closed(x, fd, e);
}

static int arrive(struct fetch_feed *f, struct fetcher *x, struct blob *b, struct err *e)
{
	struct stat st;
	int r = freeze(x, b->ingest, e);

	if (r < 0)
		return r;
	if (fstat(b->ingest->fd, &st) < 0)
		return err_sys(e, -errno, "ingest '%s'", b->ingest->ref);
	if (st.st_size != b->layer->size)
		return err_set(e, -EBADMSG, "layer %.19s has %lld bytes, its descriptor says %lld",
			       b->layer->digest, (long long)st.st_size, (long long)b->layer->size);
	b->state = BLOB_ARRIVED;
	tell(f, b, "Download complete");
	return 0;
}

static bool is_stored(struct fetch_feed *f, const char *digest)
{
	AUTO_ARENA struct arena a = { 0 };
	struct content_info info;
	int fd;

	if (store_content_info(f->w->s, f->w->ns, digest, &a, &info, NULL) < 0)
		return false;
	fd = store_content_open(f->w->s, digest, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Where an earlier try stopped; more than there is to be is no beginning. */
static int open_ingest(struct fetch_feed *f, struct blob *b, int64_t *ret_have, struct err *e)
{
	char ref[DIGEST_TEXT_MAX + 8];
	struct stat st;
	int r;

	snprintf(ref, sizeof(ref), "pull-%s", b->layer->digest);
	r = store_ingest_open(f->w->s, ref, true, &b->ingest, e);
	if (r < 0)
		return r;
	if (fstat(b->ingest->fd, &st) < 0)
		return err_sys(e, -errno, "ingest '%s'", ref);
	if (st.st_size > b->layer->size) {
		if (ftruncate(b->ingest->fd, 0) < 0)
			return err_sys(e, -errno, "ingest '%s'", ref);
		st.st_size = 0;
	}
	*ret_have = st.st_size;
	f->has_resumed |= st.st_size > 0;
	return 0;
}

/* Gets a blob that is wanted under way; one that another process fetches stays wanted. */
static int begin(struct fetch_feed *f, struct fetcher *x, struct blob *b, struct err *e)
{
	char path[DIGEST_TEXT_MAX + 16];
	int64_t have;
	int r;

	if (is_stored(f, b->layer->digest)) {
		b->state = BLOB_STORED;
		tell(f, b, "Download complete");
		return 0;
	}
	r = open_ingest(f, b, &have, e);
	if (r < 0)
		return r == -EBUSY ? 0 : r;
	/* The other one may have been done between the look and the lock. */
	if (is_stored(f, b->layer->digest)) {
		store_ingest_abort(TAKE_PTR(b->ingest));
		b->state = BLOB_STORED;
		return 0;
	}
	if (have == b->layer->size)
		return arrive(f, NULL, b, e);
	r = start_fetcher(f, x, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "blobs/%s", b->layer->digest);
	b->state = BLOB_FETCHING;
	x->blob = b;
	return send_get(x, path, b->ingest->fd, (uint64_t)have, (uint64_t)b->layer->size, e);
}

static int on_message(struct fetch_feed *f, struct fetcher *x, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	struct blob *b = x->blob;
	int r = worker_recv(&x->worker, &m, &payload, e);

	if (r < 0)
		return err_wrap(e, r, "layer %.19s", b->layer->digest);
	if (m.type == WORKER_PROGRESS) {
		if (f->w->progress)
			f->w->progress(f->w->progress_data, b->layer->digest,
				       (int64_t)MIN(m.a, (uint64_t)b->layer->size), b->layer->size);
		return 0;
	}
	if (m.type != WORKER_GOT)
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	x->blob = NULL;
	return arrive(f, x, b, e);
}

/* ---- the feed ---- */

static struct blob *blob_of(struct fetch_feed *f, const char *digest)
{
	for (size_t i = 0; i < f->n; i++)
		if (streq(f->blobs[i].layer->digest, digest))
			return &f->blobs[i];
	return NULL;
}

static int feed_open(struct image_feed *feed, const struct image_layer *layer, struct err *e)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;
	struct blob *b = blob_of(f, layer->digest);
	char path[FD_PATH_MAX];
	int fd;

	if (!b || b->state == BLOB_STORED)
		return store_content_open(f->w->s, layer->digest, e);
	if (b->state != BLOB_ARRIVED)
		return -EAGAIN;
	/* An open file of its own: two layers may be the same blob. */
	fd = open(fd_path(b->ingest->fd, path), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "open layer %.19s", layer->digest) : fd;
}

static int feed_verified(struct image_feed *feed, const struct image_layer *layer, struct err *e)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;
	struct blob *b = blob_of(f, layer->digest);
	int r;

	if (!b || b->state != BLOB_ARRIVED)
		return 0;
	r = store_ingest_commit(b->ingest, f->w->ns, layer->digest, layer->size, false, NULL, e);
	if (r < 0)
		return r;
	b->ingest = NULL;
	b->state = BLOB_STORED;
	return 0;
}

static size_t feed_watch(struct image_feed *feed, struct pollfd *fds)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;

	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		struct fetcher *x = &f->fetchers[i];

		/* poll passes over negative ones. */
		fds[i] = (struct pollfd){ .fd = x->blob ? x->worker.control : -1,
					  .events = POLLIN };
	}
	return FETCHERS_MAX;
}

static int begin_some(struct fetch_feed *f, struct err *e)
{
	size_t next = 0;

	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		struct fetcher *x = &f->fetchers[i];

		for (; !x->blob && next < f->n; next++) {
			struct blob *b = &f->blobs[next];
			int r = b->state == BLOB_WANTED ? begin(f, x, b, e) : 0;

			if (r < 0)
				return err_wrap(e, r, "layer %.19s", b->layer->digest);
		}
	}
	return 0;
}

static int feed_step(struct image_feed *feed, const struct pollfd *fds, size_t n, struct err *e)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;

	for (size_t i = 0; i < n; i++) {
		struct fetcher *x = &f->fetchers[i];
		int r = 0;

		if (!x->blob || fds[i].fd < 0)
			continue;
		if (fds[i].revents)
			r = on_message(f, x, e);
		else if (clock_mono_ms() - x->worker.heard_ms > WORKER_STALL_MS)
			r = err_set(e, -ETIMEDOUT, "the worker makes no progress");
		if (r < 0)
			return r;
	}
	return begin_some(f, e);
}

void fetch_feed_init(struct fetch_feed *f, struct image_work *w, const struct fetch_setup *setup)
{
	*f = (struct fetch_feed){ .feed = { feed_open, feed_verified, feed_watch, feed_step },
				  .w = w,
				  .setup = setup };
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		f->fetchers[i].worker.control = -EBADF;
}

void fetch_feed_done(struct fetch_feed *f, bool is_damaged)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		/* One in the midst of a transfer would not notice that nobody listens. */
		if (f->fetchers[i].blob && f->fetchers[i].worker.control >= 0)
			proc_pidfd_kill(f->fetchers[i].worker.child.pidfd, 9);
		worker_stop(&f->fetchers[i].worker);
	}
	for (size_t i = 0; i < f->n; i++) {
		if (is_damaged)
			store_ingest_abort(f->blobs[i].ingest);
		else
			store_ingest_close(f->blobs[i].ingest);
	}
	free(f->blobs);
	f->blobs = NULL;
	f->n = 0;
}

int fetch_feed_layers(struct fetch_feed *f, const struct image_record *rec, struct err *e)
{
	f->blobs = calloc(rec->layers.n + 1, sizeof(*f->blobs));
	if (!f->blobs)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < rec->layers.n; i++) {
		const struct image_layer *l = &rec->layers.v[i];
		struct blob *b = &f->blobs[f->n];
		int r;

		if (blob_of(f, l->digest))
			continue;
		r = store_lease_add(f->w->s, f->w->ns, f->w->id, "content", l->digest, e);
		if (r < 0)
			return r;
		*b = (struct blob){ .layer = l };
		if (is_stored(f, l->digest))
			b->state = BLOB_STORED;
		f->n++;
		tell(f, b, b->state == BLOB_STORED ? "Already exists" : "Pulling fs layer");
	}
	return begin_some(f, e);
}

/* ---- layers whose snapshots were there ---- */

static int hash_blob(struct blob *b, struct err *e)
{
	AUTO_FREE char *buf = malloc(HASH_BUFFER);
	char found[DIGEST_TEXT_MAX];
	struct sha256 sha;
	int64_t at = 0;
	ssize_t n = 0;

	if (!buf)
		return err_set(e, -ENOMEM, "out of memory");
	sha256_init(&sha);
	while ((n = pread(b->ingest->fd, buf, HASH_BUFFER, at)) > 0) {
		sha256_update(&sha, buf, (size_t)n);
		at += n;
	}
	if (n < 0)
		return err_sys(e, -errno, "read layer %.19s", b->layer->digest);
	if (!streq(sha256_digest(&sha, found), b->layer->digest))
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the blob is damaged: its digest is %.80s, not %s", found,
				    b->layer->digest);
	return 0;
}

int fetch_feed_finish(struct fetch_feed *f, struct err *e)
{
	for (;;) {
		struct pollfd fds[FEED_FDS_MAX];
		size_t open = 0, n;
		int r = 0;

		for (size_t i = 0; i < f->n && r == 0; i++) {
			struct blob *b = &f->blobs[i];

			if (b->state == BLOB_ARRIVED)
				r = hash_blob(b, e);
			if (r == 0 && b->state == BLOB_ARRIVED)
				r = feed_verified(&f->feed, b->layer, e);
			open += b->state != BLOB_STORED;
		}
		if (r < 0 || open == 0)
			return r;
		n = feed_watch(&f->feed, fds);
		if (poll(fds, n, WAIT_MS) < 0 && errno != EINTR)
			return err_sys(e, -errno, "wait for workers");
		r = feed_step(&f->feed, fds, n, e);
		if (r < 0)
			return r;
	}
}
