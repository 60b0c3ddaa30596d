/*
 * Layers from a registry, several at once, each unpacked while it comes: the fetcher writes into a pipe, whose reader
 * is the unpack role, and that role keeps, hashes and unpacks what it reads. No process with a network ever holds a
 * descriptor of a blob. Large blobs are asked for in parts; parts ahead of the reader wait in files.
 *
 * A blob under way lies in an ingest that bears its digest: a killed pull is resumed, and of two processes that want the
 * same one fetches, the other waits.
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
#include "image/registry/fetcher.h"

/* Larger blobs are asked for in parts that end at multiples of this, by several fetchers where they are idle. */
#define PART_BYTES ((int64_t)32 << 20)
/* The one that is read, and those that are fetched ahead of it. */
#define PIECES_MAX FETCHERS_MAX
#define PIPE_BYTES (1 << 20)

enum blob_state {
	BLOB_WANTED, /* nobody reads it yet, or another process fetches it */
	BLOB_OPEN,   /* a worker reads it piece by piece and keeps it in the ingest */
	BLOB_STORED,
};
/* A range of a blob on its way from a fetcher to the blob's reader. */
struct piece {
	int64_t begin, end;
	int fd;		       /* what the reader gets; -EBADF: it has it */
	bool is_file, is_done; /* fetched ahead into a file; whole */
};
struct blob {
	const struct image_layer *layer;
	enum blob_state state;
	struct ingest *ingest;
	int64_t needed; /* the reader waits for what begins here; -1: it has something to read */
	int64_t next;	/* where the next piece begins */
	struct piece pieces[PIECES_MAX]; /* in order */
	size_t n;
};

static void tell(struct fetch_feed *f, const struct blob *b, const char *words)
{
	if (f->told)
		f->told(f->told_data, b->layer->digest, words);
}

/* ---- small documents ---- */

int fetch_small(struct fetch_feed *f, const char *path, struct ingest *to, uint64_t size,
		char **ret_type, struct err *e)
{
	struct fetcher *x = &f->fetchers[0];
	int r = fetcher_start(f->setup, &x->worker, e);

	if (r == 0)
		r = fetcher_get(&x->worker, path, 0, size, to->fd, e);
	return r < 0 ? r : fetcher_wait_got(&x->worker, f->warner, ret_type, e);
}

/* ---- pieces ---- */

static bool is_split(const struct fetch_feed *f, const struct blob *b, int64_t from)
{
	return !f->has_no_ranges && b->layer->size - from > 2 * PART_BYTES;
}

static int64_t piece_end(const struct fetch_feed *f, const struct blob *b, int64_t begin)
{
	return is_split(f, b, begin) ? (begin / PART_BYTES + 1) * PART_BYTES : b->layer->size;
}

static void drop_pieces_before(struct blob *b, int64_t offset)
{
	size_t n = 0;

	while (n < b->n && b->pieces[n].is_done && b->pieces[n].end <= offset)
		fd_closep(&b->pieces[n++].fd);
	memmove(b->pieces, b->pieces + n, (b->n - n) * sizeof(*b->pieces));
	b->n -= n;
}

/* Where the bytes of the next piece go: a pipe to the reader that waits for it, or a file without a name. */
static int open_piece(struct blob *b, struct piece *p, int *ret_write, struct err *e)
{
	char path[FD_PATH_MAX];
	int pair[2];

	p->is_file = b->needed != p->begin;
	if (!p->is_file) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(e, -errno, "make a pipe");
		/* Fewer switches between the two; a user's quota may forbid it. */
		(void)fcntl(pair[1], F_SETPIPE_SZ, PIPE_BYTES);
		p->fd = pair[0];
		*ret_write = pair[1];
		return 0;
	}
	p->fd = openat(b->ingest->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (p->fd < 0)
		return err_sys(e, -errno, "ingest '%s'", b->ingest->ref);
	*ret_write = open(fd_path(p->fd, path), O_WRONLY | O_CLOEXEC);
	if (*ret_write < 0) {
		int r = err_sys(e, -errno, "ingest '%s'", b->ingest->ref);

		fd_closep(&p->fd);
		return r;
	}
	return 0;
}

/* Gets the next piece of a blob under way. */
static int begin_piece(struct fetch_feed *f, struct fetcher *x, struct blob *b, struct err *e)
{
	struct piece *p = &b->pieces[b->n];
	char path[DIGEST_TEXT_MAX + 16];
	AUTO_FD to = -EBADF;
	uint64_t flags = WORKER_GET_STREAM;
	int r = fetcher_start(f->setup, &x->worker, e);

	ASSERT(b->n < PIECES_MAX);
	if (r < 0)
		return r;
	*p = (struct piece){ .begin = b->next, .end = piece_end(f, b, b->next) };
	r = open_piece(b, p, &to, e);
	if (r < 0)
		return r;
	b->n++;
	b->next = p->end;
	if (p->end < b->layer->size)
		flags |= WORKER_GET_PART;
	x->blob = b;
	x->begin = p->begin;
	snprintf(path, sizeof(path), "blobs/%s", b->layer->digest);
	return fetcher_get(&x->worker, path, (uint64_t)p->begin, (uint64_t)p->end | flags, to, e);
}

/* The piece that begins at `offset`, for the reader: its descriptor, or -EAGAIN. */
static int take_piece(struct blob *b, int64_t offset, struct err *e)
{
	struct piece *p = &b->pieces[0];

	drop_pieces_before(b, offset);
	if (b->n == 0) {
		b->next = offset;
		return -EAGAIN;
	}
	/* The reader's last piece ended before its time. */
	if (p->begin != offset)
		return p->is_done
			       ? err_set(e, -EBADMSG, "layer %.19s came in part", b->layer->digest)
			       : -EAGAIN;
	if (p->fd < 0 || (p->is_file && !p->is_done))
		return -EAGAIN;
	if (p->is_file && lseek(p->fd, 0, SEEK_SET) < 0)
		return err_sys(e, -errno, "ingest '%s'", b->ingest->ref);
	return TAKE_FD(p->fd);
}

/* ---- one blob ---- */

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

static int set_stored(struct fetch_feed *f, struct blob *b)
{
	b->state = BLOB_STORED;
	tell(f, b, "Download complete");
	return 0;
}

/* Gets a blob that is wanted under way. -EAGAIN: another process is at it. */
static int begin(struct fetch_feed *f, struct blob *b, struct err *e)
{
	struct err why = ERR_INIT;
	int64_t have;
	int r;

	if (is_stored(f, b->layer->digest))
		return set_stored(f, b);
	r = open_ingest(f, b, &have, &why);
	if (r == -EBUSY)
		return -EAGAIN;
	if (r < 0) {
		*e = why;
		return r;
	}
	/* The other one may have been done between the look and the lock. */
	if (is_stored(f, b->layer->digest)) {
		store_ingest_abort(TAKE_PTR(b->ingest));
		return set_stored(f, b);
	}
	b->state = BLOB_OPEN;
	b->needed = -1;
	b->next = have;
	if (have == b->layer->size)
		tell(f, b, "Download complete");
	return 0;
}

static int on_got(struct fetch_feed *f, struct fetcher *x, const struct worker_msg *m)
{
	struct blob *b = TAKE_PTR(x->blob);

	if (m->b & WORKER_GOT_WHOLE)
		f->has_no_ranges = true;
	for (size_t i = 0; i < b->n; i++)
		if (b->pieces[i].begin == x->begin) {
			b->pieces[i].is_done = true;
			if (b->pieces[i].end == b->layer->size)
				tell(f, b, "Download complete");
		}
	return 0;
}

static int on_message(struct fetch_feed *f, struct fetcher *x, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = fetcher_recv(&x->worker, f->warner, &m, &payload, e);

	/* How far a layer is tells its reader. */
	if (r > 0)
		return on_got(f, x, &m);
	return r < 0 ? err_wrap(e, r, "layer %.19s", x->blob->layer->digest) : 0;
}

/* ---- the feed ---- */

static struct blob *blob_of(struct fetch_feed *f, const char *digest)
{
	for (size_t i = 0; i < f->n; i++)
		if (streq(f->blobs[i].layer->digest, digest))
			return &f->blobs[i];
	return NULL;
}

static bool feed_is_missing(struct image_feed *feed, const struct image_layer *layer)
{
	struct blob *b = blob_of((struct fetch_feed *)feed, layer->digest);

	return b && b->state != BLOB_STORED;
}

static bool feed_is_coming(struct image_feed *feed, const struct image_layer *layer)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;
	struct blob *b = blob_of(f, layer->digest);

	for (size_t i = 0; i < FETCHERS_MAX; i++)
		if (b && f->fetchers[i].blob == b)
			return true;
	return false;
}

static int feed_open(struct image_feed *feed, const struct image_layer *layer, bool *ret_is_fed,
		     struct err *e)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;
	struct blob *b = blob_of(f, layer->digest);
	char path[FD_PATH_MAX];
	int fd, r = 0;

	/* Two layers may be the same blob: the second waits for the first. */
	if (b && b->state == BLOB_OPEN)
		return -EAGAIN;
	if (b && b->state == BLOB_WANTED)
		r = begin(f, b, e);
	if (r < 0)
		return r;
	*ret_is_fed = b && b->state == BLOB_OPEN;
	if (!*ret_is_fed)
		return store_content_open(f->w->s, layer->digest, e);
	fd = open(fd_path(b->ingest->fd, path), O_RDWR | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "open layer %.19s", layer->digest) : fd;
}

static int begin_some(struct fetch_feed *f, struct err *e);

static int feed_next(struct image_feed *feed, const struct image_layer *layer, int64_t offset,
		     struct err *e)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;
	struct blob *b = blob_of(f, layer->digest);
	int r;

	if (!b || b->state != BLOB_OPEN || offset > layer->size)
		return err_set(e, -EPROTO, "the worker asks for a wrong piece");
	if (offset == layer->size)
		return -ENODATA;
	r = take_piece(b, offset, e);
	if (r == -EAGAIN && b->n == 0) {
		b->needed = offset;
		r = begin_some(f, e);
		if (r == 0)
			r = take_piece(b, offset, e);
	}
	if (r >= 0)
		b->needed = -1;
	return r;
}

static int feed_verified(struct image_feed *feed, const struct image_layer *layer, struct err *e)
{
	struct fetch_feed *f = (struct fetch_feed *)feed;
	struct blob *b = blob_of(f, layer->digest);
	int r;

	if (!b || b->state != BLOB_OPEN)
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

/*
 * What an idle fetcher does next: what a reader waits for, else what one will want. Without answers to the first
 * request nobody knows whether the registry takes ranges, so nothing is fetched ahead before it.
 */
static struct blob *next_work(struct fetch_feed *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct blob *b = &f->blobs[i];

		if (b->state == BLOB_OPEN && b->n == 0 && b->needed >= 0)
			return b;
	}
	for (size_t i = 0; i < f->n; i++) {
		struct blob *b = &f->blobs[i];

		if (b->state == BLOB_OPEN && b->n > 0 && b->n < PIECES_MAX &&
		    b->next < b->layer->size && !f->has_no_ranges)
			return b;
	}
	return NULL;
}

static int begin_some(struct fetch_feed *f, struct err *e)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		struct fetcher *x = &f->fetchers[i];
		struct blob *b = x->blob ? NULL : next_work(f);
		int r = b ? begin_piece(f, x, b, e) : 0;

		if (r < 0)
			return err_wrap(e, r, "layer %.19s", b->layer->digest);
	}
	return 0;
}

/* A fetcher whose reader is busy is not stuck: its pipe is full, and the reader has a limit of its own. */
static bool is_stuck(const struct fetcher *x)
{
	const struct blob *b = x->blob;

	if (clock_mono_ms() - x->worker.heard_ms <= WORKER_STALL_MS)
		return false;
	for (size_t i = 0; i < b->n; i++)
		if (b->pieces[i].begin == x->begin)
			return b->pieces[i].is_file || b->needed >= 0;
	return true;
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
		else if (is_stuck(x))
			r = err_set(e, -ETIMEDOUT, "the worker makes no progress");
		if (r < 0)
			return r;
	}
	return begin_some(f, e);
}

void fetch_feed_init(struct fetch_feed *f, struct image_work *w, const struct fetch_setup *setup)
{
	*f = (struct fetch_feed){ .feed = { .is_missing = feed_is_missing,
					    .is_coming = feed_is_coming,
					    .open = feed_open,
					    .next = feed_next,
					    .verified = feed_verified,
					    .watch = feed_watch,
					    .step = feed_step },
				  .w = w,
				  .setup = setup };
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		f->fetchers[i].worker.control = -EBADF;
}

static void blob_done(struct blob *b, bool is_damaged)
{
	for (size_t i = 0; i < b->n; i++)
		fd_closep(&b->pieces[i].fd);
	if (is_damaged)
		store_ingest_abort(b->ingest);
	else
		store_ingest_close(b->ingest);
}

void fetch_feed_end_fetchers(struct fetch_feed *f)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		if (f->fetchers[i].worker.control >= 0)
			proc_pidfd_kill(f->fetchers[i].worker.child.pidfd, 9);
}

void fetch_feed_done(struct fetch_feed *f, bool is_damaged)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		/* One in the midst of a transfer would not notice that nobody listens. */
		if (f->fetchers[i].blob && f->fetchers[i].worker.control >= 0)
			proc_pidfd_kill(f->fetchers[i].worker.child.pidfd, 9);
		worker_stop(&f->fetchers[i].worker);
	}
	for (size_t i = 0; i < f->n; i++)
		blob_done(&f->blobs[i], is_damaged);
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
	return 0;
}
