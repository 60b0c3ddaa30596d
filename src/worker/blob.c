#include "worker/blob.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "spec/worker_protocol.h"

#define TICK_MS 100

/* Called by the thread that reads ahead, too. */
void blob_source_beat(struct blob_source *b)
{
	int64_t now = clock_mono_ms();

	pthread_mutex_lock(&b->lock);
	if (now - b->told_ms >= TICK_MS) {
		b->told_ms = now;
		/* Nobody there: the next message that matters says so. */
		(void)worker_msg_send(WORKER_CONTROL_FD, WORKER_PROGRESS, b->in_total, 0, NULL, 0,
				      -EBADF);
	}
	pthread_mutex_unlock(&b->lock);
}

static void tick(void *data, uint64_t in_total)
{
	struct blob_source *b = data;

	pthread_mutex_lock(&b->lock);
	b->in_total = in_total;
	pthread_mutex_unlock(&b->lock);
	blob_source_beat(b);
}

static int ask_piece(void *data, uint64_t in_total, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct blob_source *b = data;
	struct worker_msg m;
	int r;

	pthread_mutex_lock(&b->lock);
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_NEED_FD, in_total, 0, NULL, 0, -EBADF);
	pthread_mutex_unlock(&b->lock);
	if (r == 0)
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);
	if (r < 0)
		return err_sys(e, r, "ask for more of the blob");
	if (r == 0 || m.type != WORKER_FD)
		return err_set(e, -EPROTO, "the answer is no piece of the blob");
	return fd < 0 ? -ENODATA : TAKE_FD(fd);
}

int blob_source_open(struct blob_source *b, bool has_feed, int window_log_max, struct err *e)
{
	const struct inflate_options o = { .is_hashed = true,
					   .window_log_max = window_log_max,
					   .tick = tick,
					   .tick_data = b,
					   .more = has_feed ? ask_piece : NULL,
					   .more_data = b };

	*b = (struct blob_source){ .lock = PTHREAD_MUTEX_INITIALIZER };
	return inflate_open(WORKER_BLOB_FD, &o, &b->in, e);
}

void blob_source_done(struct blob_source *b)
{
	inflate_free(b->in);
	b->in = NULL;
}

int blob_source_report(struct blob_source *b, bool has_diff_id, struct err *e)
{
	char digests[2 * DIGEST_TEXT_MAX], diff_id[DIGEST_TEXT_MAX];
	size_t len;
	int r;

	inflate_digests(b->in, digests, diff_id);
	len = strlen(digests) + 1;
	if (has_diff_id) {
		memcpy(digests + len, diff_id, strlen(diff_id));
		len += strlen(diff_id);
	}
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_UNPACKED, inflate_in_total(b->in), 0, digests,
			    len, -EBADF);
	return r < 0 ? err_sys(e, r, "report") : 0;
}
