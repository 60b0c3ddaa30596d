/* The unpack role: one layer's blob into one folder. */
#include <fcntl.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "spec/worker_protocol.h"
#include "worker/extract.h"
#include "worker/inflate.h"
#include "worker/sandbox.h"
#include "worker/tarball.h"
#include "worker/tree.h"
#include "worker/worker.h"

#define TICK_MS 100
/* What `zstd --ultra` may ask for; the memory limit holds it. */
#define ZSTD_WINDOW_LOG 26

struct ticker {
	int64_t last_ms;
	uint64_t in_total;
};

static void beat(struct ticker *t)
{
	int64_t now = clock_mono_ms();

	if (now - t->last_ms < TICK_MS)
		return;
	t->last_ms = now;
	(void)worker_msg_send(WORKER_CONTROL_FD, WORKER_PROGRESS, t->in_total, 0, NULL, 0, -EBADF);
}

static void tick(void *data, uint64_t in_total)
{
	struct ticker *t = data;

	t->in_total = in_total;
	beat(t);
}

static int extract_all(struct tree *tree, struct inflate *source, struct ticker *ticker,
		       struct err *e)
{
	struct archive_entry *ae;
	struct tarball t;
	int r = tarball_open(&t, source, e);

	while (r == 0) {
		r = tarball_next(&t, &ae, e);
		if (r <= 0)
			break;
		r = extract_entry(tree, &t, ae, e);
		beat(ticker);
	}
	tarball_done(&t);
	return r < 0 ? r : inflate_drain(source, e);
}

static int report(struct inflate *source, struct err *e)
{
	char digests[2 * DIGEST_TEXT_MAX], diff_id[DIGEST_TEXT_MAX];
	size_t len;
	int r;

	inflate_digests(source, digests, diff_id);
	len = strlen(digests) + 1;
	memcpy(digests + len, diff_id, strlen(diff_id));
	len += strlen(diff_id);
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_UNPACKED, inflate_in_total(source), 0,
			    digests, len, -EBADF);
	return r < 0 ? err_sys(e, r, "report") : 0;
}

static int unpack(int root_fd, bool has_lower, struct err *e)
{
	struct ticker ticker = { 0 };
	const struct inflate_options o = { .is_hashed = true,
					   .window_log_max = ZSTD_WINDOW_LOG,
					   .tick = tick,
					   .tick_data = &ticker };
	AUTO_INFLATE source = NULL;
	struct tree tree;
	int r = inflate_open(WORKER_BLOB_FD, &o, &source, e);

	if (r < 0)
		return r;
	tree_init(&tree, root_fd, has_lower);
	r = extract_all(&tree, source, &ticker, e);
	if (r == 0)
		r = tree_finish(&tree, WORKER_CONTROL_FD, e);
	if (r == 0)
		r = report(source, e);
	tree_done(&tree);
	return r;
}

int worker_unpack_main(void)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	struct err e = ERR_INIT;
	int r, root = sandbox_enter_unpack(WORKER_ROOT_FD, &e);

	r = root;
	if (r >= 0) {
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);
		if (r <= 0 || m.type != WORKER_START)
			r = err_set(&e, -EPROTO, "no start message");
	}
	if (r >= 0)
		r = unpack(root, m.a & WORKER_HAS_LOWER, &e);
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
