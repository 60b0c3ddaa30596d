/* The parse role: an image archive on standard input. */
#include "worker/parse.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "spec/worker_protocol.h"
#include "worker/inflate.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define TICK_MS 100
/* 32 MiB of window fit the memory limit; zstd's own default levels need at most 8. */
#define ZSTD_WINDOW_LOG 25

static int ask_file(struct parse *p, uint64_t index, struct err *e)
{
	struct worker_msg m;
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	int r = worker_msg_send(WORKER_CONTROL_FD, WORKER_NEED_FD, index, 0, NULL, 0, -EBADF);

	(void)p;
	if (r == 0)
		r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);
	if (r < 0)
		return err_sys(e, r, "ask for a file");
	if (r == 0 || m.type != WORKER_FD || m.a != index || fd < 0)
		return err_set(e, -EPROTO, "the answer is no file");
	return TAKE_FD(fd);
}

static int tell_entry(struct parse *p, uint64_t index, int64_t size, const char *digest,
		      struct err *e)
{
	int r = worker_msg_send(WORKER_CONTROL_FD, WORKER_ENTRY, index, (uint64_t)size, digest,
				strlen(digest), -EBADF);

	(void)p;
	return r < 0 ? err_sys(e, r, "report a file") : 0;
}

static int tell_image(struct parse *p, const char *json, size_t len, struct err *e)
{
	int r = worker_msg_send(WORKER_CONTROL_FD, WORKER_IMAGE, 0, 0, json, len, -EBADF);

	(void)p;
	return r < 0 ? err_sys(e, r, "report an image") : 0;
}

const struct parse_peer parse_parent = { ask_file, tell_entry, tell_image };

struct ticker {
	int64_t last_ms;
};

static void tick(void *data, uint64_t in_total)
{
	struct ticker *t = data;
	int64_t now = clock_mono_ms();

	if (now - t->last_ms < TICK_MS)
		return;
	t->last_ms = now;
	/* Nobody there: the next message that matters says so. */
	(void)worker_msg_send(WORKER_CONTROL_FD, WORKER_PROGRESS, in_total, 0, NULL, 0, -EBADF);
}

static int find_images(struct parse *p, struct err *e)
{
	bool is_oci = parse_find(p, "oci-layout") && parse_find(p, "index.json");
	int r;

	if (!is_oci && !parse_find(p, "manifest.json"))
		return err_set(
			e, -EBADMSG,
			"this is not an image archive: it has neither 'index.json' (OCI) nor 'manifest.json' (docker)");
	r = is_oci ? parse_oci(p, e) : parse_docker(p, e);
	if (r == 0 && p->images == 0)
		return err_set_code(e, -ENOENT, ERR_NOT_FOUND,
				    "the archive has no image %s%s%sfor platform %s/%s%s%s%s",
				    p->wanted ? "'" : "", p->wanted ? p->wanted : "",
				    p->wanted ? "' " : "", p->platform.os, p->platform.architecture,
				    p->found[0] ? " (only for " : "", p->found,
				    p->found[0] ? ")" : "");
	return r;
}

int parse_run(struct parse *p, int fd, void (*on_tick)(void *data, uint64_t in_total),
	      void *tick_data, struct err *e)
{
	const struct inflate_options o = { .window_log_max = ZSTD_WINDOW_LOG,
					   .tick = on_tick,
					   .tick_data = tick_data };
	AUTO_INFLATE source = NULL;
	int r = inflate_open(fd, &o, &source, e);

	if (r == 0)
		r = parse_entries_read(p, source, e);
	/* The rest is read too, so that a pipe's writer ends well. */
	if (r == 0)
		r = inflate_drain(source, e);
	if (r == 0)
		r = find_images(p, e);
	return r;
}

static int start(struct parse *p, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	if (strlen(payload) < m.len) {
		p->wanted = arena_strdup(&p->a, payload + strlen(payload) + 1);
		if (!p->wanted)
			return err_set(e, -ENOMEM, "out of memory");
	}
	return parse_platform_read(payload, &p->platform, e);
}

int worker_parse_main(void)
{
	struct parse p = { .peer = &parse_parent,
			   .a = { .budget = PARSE_KEPT_MAX + PARSE_IMAGE_BUDGET } };
	struct ticker ticker = { 0 };
	struct err e = ERR_INIT;
	int r = sandbox_enter_parse(&e);

	if (r == 0)
		r = start(&p, &e);
	if (r == 0)
		r = parse_run(&p, STDIN_FILENO, tick, &ticker, &e);
	if (r == 0)
		r = worker_msg_send(WORKER_CONTROL_FD, WORKER_DONE, 0, 0, NULL, 0, -EBADF);
	else
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
