/*
 * The import role: a tar archive from outside on standard input, plain, gzip or zstd, becomes a layer's blob. Behind parse's
 * sandbox. What is in the archive the unpack role sees.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/worker_protocol.h"
#include "worker/deflate.h"
#include "worker/inflate.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define ZSTD_WINDOW_LOG 25

/* Kinds of compression that people pipe in and nobody may put into a layer. */
static const struct {
	const char *name;
	const char *magic;
	size_t len;
} foreign[] = {
	{ "xz",
	  "\xfd"
	  "7zXZ",
	  5 },
	{ "bzip2", "BZh", 3 },
	{ "lzip", "LZIP", 4 },
	{ "zip", "PK\3\4", 4 },
};

static int check_first(const void *data, size_t len, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (len >= foreign[i].len && memcmp(data, foreign[i].magic, foreign[i].len) == 0)
			return err_set_code(
				e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				"archives in %s are not supported: give it as plain tar, gzip "
				"or zstd",
				foreign[i].name);
	return 0;
}

static void tick(void *data, uint64_t in_total)
{
	uint64_t *told = data;

	if (in_total - *told < (1 << 20))
		return;
	*told = in_total;
	(void)worker_msg_send(WORKER_CONTROL_FD, WORKER_PROGRESS, in_total, 0, NULL, 0, -EBADF);
}

static int copy(struct inflate *in, struct deflate *out, struct err *e)
{
	bool is_first = true;
	const void *data;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = inflate_next(in, &data, e)) != 0) {
		if (n < 0)
			return (int)n;
		r = is_first ? check_first(data, (size_t)n, e) : 0;
		is_first = false;
		if (r == 0)
			r = deflate_write(out, data, (size_t)n, e);
	}
	if (r == 0 && is_first)
		return err_set(e, -EBADMSG, "the archive is empty");
	return r < 0 ? r : deflate_finish(out, e);
}

static int report(struct deflate *out, struct err *e)
{
	char digests[2 * DIGEST_TEXT_MAX], diff_id[DIGEST_TEXT_MAX];
	size_t len;
	int r;

	deflate_digests(out, digests, diff_id);
	len = strlen(digests) + 1;
	memcpy(digests + len, diff_id, strlen(diff_id));
	len += strlen(diff_id);
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_PACKED, deflate_out_total(out),
			    deflate_in_total(out), digests, len, -EBADF);
	return r < 0 ? err_sys(e, r, "report") : 0;
}

static int run(uint64_t compression, struct err *e)
{
	uint64_t told = 0;
	const struct inflate_options o = { .window_log_max = ZSTD_WINDOW_LOG,
					   .tick = tick,
					   .tick_data = &told };
	AUTO_INFLATE in = NULL;
	AUTO_DEFLATE out = NULL;
	int r = inflate_open(STDIN_FILENO, &o, &in, e);

	if (r == 0)
		r = deflate_open(WORKER_ARCHIVE_FD, (int)compression, true, &out, e);
	if (r == 0)
		r = copy(in, out, e);
	return r < 0 ? r : report(out, e);
}

int worker_import_main(void)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	struct err e = ERR_INIT;
	int r = sandbox_enter_parse(&e);

	if (r == 0) {
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);
		r = r <= 0 || m.type != WORKER_START || m.a > 2
			    ? err_set(&e, -EPROTO, "no start message")
			    : 0;
	}
	if (r == 0)
		r = run(m.a, &e);
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
