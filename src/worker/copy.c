/* The copy role: a blob that needs no unpacking, kept and hashed by a role that has no network. */
#include "base/err.h"
#include "base/fd.h"
#include "spec/worker_protocol.h"
#include "worker/blob.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

/* Nothing is unpacked; the least that zstd has. */
#define ZSTD_WINDOW_LOG 10

static int copy(bool has_feed, struct err *e)
{
	struct blob_source source;
	int r = blob_source_open(&source, has_feed, ZSTD_WINDOW_LOG, e);

	if (r == 0)
		r = inflate_skip_all(source.in, e);
	if (r == 0)
		r = blob_source_report(&source, false, e);
	blob_source_done(&source);
	return r;
}

int worker_copy_main(void)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	struct err e = ERR_INIT;
	int r = sandbox_enter_parse(&e);

	if (r == 0) {
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);
		if (r <= 0 || m.type != WORKER_START)
			r = err_set(&e, -EPROTO, "no start message");
	}
	if (r >= 0)
		r = copy(m.a & WORKER_HAS_FEED, &e);
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
