/* The unpack role: one layer's blob into one folder. */
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "spec/worker_protocol.h"
#include "worker/blob.h"
#include "worker/extract.h"
#include "worker/sandbox.h"
#include "worker/tarball.h"
#include "worker/tree.h"
#include "worker/worker.h"

/* What `zstd --ultra` may ask for; the memory limit holds it. */
#define ZSTD_WINDOW_LOG 26

static int extract_all(struct tree *tree, struct blob_source *source, struct err *e)
{
	struct archive_entry *ae;
	struct tarball t;
	int r = tarball_open(&t, source->in, e);

	while (r == 0) {
		r = tarball_next(&t, &ae, e);
		if (r <= 0)
			break;
		r = extract_entry(tree, &t, ae, e);
		blob_source_beat(source);
	}
	tarball_done(&t);
	return r < 0 ? r : inflate_drain(source->in, e);
}

static int unpack(int root_fd, uint64_t flags, struct err *e)
{
	/* Not on the stack: after an error the thread that reads ahead may still be at it while the error is told. */
	static struct blob_source source;
	struct tree tree;
	int r = blob_source_open(&source, flags & WORKER_HAS_FEED, ZSTD_WINDOW_LOG, e);

	if (r == 0)
		r = inflate_run_ahead(source.in, e);
	if (r < 0)
		return r;
	tree_init(&tree, root_fd, flags);
	r = extract_all(&tree, &source, e);
	if (r == 0)
		r = tree_finish(&tree, WORKER_CONTROL_FD, e);
	if (r == 0)
		r = blob_source_report(&source, true, e);
	tree_done(&tree);
	blob_source_done(&source);
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
		r = unpack(root, m.a, &e);
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
