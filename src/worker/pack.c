/* The pack role: a folder into an archive, a listing, or a list of changes. */
#include "worker/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "spec/image.h"
#include "spec/worker_protocol.h"
#include "worker/deflate.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define TICK_MS 100
#define TOLD_FLUSH ((size_t)64 << 10)

void pack_beat(struct pack *p)
{
	int64_t now;

	if (p->control < 0)
		return;
	now = clock_mono_ms();
	if (now - p->beat_ms < TICK_MS)
		return;
	p->beat_ms = now;
	(void)worker_msg_send(p->control, WORKER_PROGRESS, p->bytes, 0, NULL, 0, -EBADF);
}

static int flush_told(struct pack *p, size_t at_least, struct err *e)
{
	int r;

	if (strbuf_ok(&p->told) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (p->told.len < at_least)
		return 0;
	r = worker_msg_send(p->control, WORKER_CHANGE, 0, 0, p->told.p, p->told.len, -EBADF);
	strbuf_reset(&p->told);
	return r < 0 ? err_sys(e, r, "report changes") : 0;
}

int pack_tell(struct pack *p, char kind, struct err *e)
{
	if (!p->setup->is_told)
		return 0;
	strbuf_addf(&p->told, "%c/%s", kind, p->path);
	strbuf_addc(&p->told, '\0');
	return flush_told(p, TOLD_FLUSH, e);
}

void pack_init(struct pack *p, const struct pack_setup *setup)
{
	*p = (struct pack){ .setup = setup,
			    .base_fd = -EBADF,
			    .list_fd = -EBADF,
			    .control = -EBADF,
			    .cwd = SIZE_MAX,
			    .a = { .budget = PACK_BUDGET },
			    .links = { .a = { .budget = PACK_BUDGET } } };
}

void pack_done(struct pack *p)
{
	deflate_free(p->out);
	pack_listing_done(&p->below);
	free(p->levels);
	free(p->buf);
	free(p->trusted);
	free(p->links.v);
	arena_done(&p->links.a);
	arena_done(&p->a);
	strbuf_done(&p->head);
	strbuf_done(&p->lines);
	strbuf_done(&p->told);
}

int pack_run(struct pack *p, int root, struct err *e)
{
	int r;

	p->levels = calloc(PACK_LEVELS, sizeof(*p->levels));
	p->buf = malloc(PACK_BUF);
	if (!p->levels || !p->buf)
		return err_set(e, -ENOMEM, "out of memory");
	if (p->list_fd >= 0)
		strbuf_adds(&p->lines, PACK_LISTING_HEAD);
	r = pack_walk(p, root, e);
	if (r == 0)
		r = pack_put_end(p, e);
	return r < 0 ? r : flush_told(p, 1, e);
}

/* ---- the role ---- */

static int read_setup(struct pack_setup *ret, struct arena *a, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	return json_read(&pack_setup_table, payload, m.len, NULL, a, ret, e);
}

/* A listing takes the place of the folder below. It is the last thing that is read before the walk. */
static int read_base(struct pack *p, char **ret_text, struct err *e)
{
	struct stat st;
	size_t len;
	int r;

	if (p->base_fd < 0)
		return 0;
	if (fstat(p->base_fd, &st) < 0)
		return err_sys(e, -errno, "the folder below");
	if (S_ISDIR(st.st_mode))
		return 0;
	r = fd_read_all(p->base_fd, PACK_BUDGET / 2, ret_text, &len);
	if (r < 0)
		return err_sys(e, r, "read the listing");
	r = pack_listing_read(*ret_text, len, &p->below, e);
	/* An empty one has no lines, but it is one. */
	if (r == 0 && !p->below.v)
		r = mem_grow(&p->below.v, &p->below.cap, 1, sizeof(*p->below.v));
	return r < 0 ? err_wrap(e, r, "listing") : 0;
}

static int report(struct pack *p, struct err *e)
{
	char digests[2 * DIGEST_TEXT_MAX] = "", diff_id[DIGEST_TEXT_MAX] = "";
	size_t len = 1;
	int r;

	if (p->out && p->setup->is_hashed) {
		deflate_digests(p->out, digests, diff_id);
		len = strlen(digests) + 1;
		memcpy(digests + len, diff_id, strlen(diff_id));
		len += strlen(diff_id);
	}
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_PACKED,
			    p->out ? deflate_out_total(p->out) : 0,
			    p->out ? deflate_in_total(p->out) : 0, digests, len, -EBADF);
	return r < 0 ? err_sys(e, r, "report") : 0;
}

static int run(int root, int base_fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FREE char *listing = NULL;
	struct pack_setup setup;
	struct pack p;
	int r = read_setup(&setup, &a, e);

	if (r < 0)
		return r;
	pack_init(&p, &setup);
	p.control = WORKER_CONTROL_FD;
	p.base_fd = setup.has_base ? base_fd : -EBADF;
	p.list_fd = setup.has_listing ? WORKER_LIST_FD : -EBADF;
	if (setup.compression < LAYER_PLAIN || setup.compression > LAYER_ZSTD)
		r = err_set(e, -EPROTO, "unknown compression");
	if (r == 0)
		r = pack_scan(&p, root, e);
	if (r == 0)
		r = sandbox_pack_scanned(e);
	if (r == 0)
		r = read_base(&p, &listing, e);
	if (r == 0 && setup.has_archive)
		r = deflate_open(WORKER_ARCHIVE_FD, (int)setup.compression, setup.is_hashed, &p.out,
				 e);
	if (r == 0)
		r = pack_run(&p, root, e);
	if (r == 0)
		r = report(&p, e);
	pack_done(&p);
	return r;
}

int worker_pack_main(void)
{
	struct err e = ERR_INIT;
	struct stat st;
	int base = fstat(WORKER_BASE_FD, &st) == 0 ? WORKER_BASE_FD : -EBADF;
	int root = sandbox_enter_pack(WORKER_FOLDER_FD, &base, &e), r = root;

	if (r >= 0)
		r = run(root, base, &e);
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
