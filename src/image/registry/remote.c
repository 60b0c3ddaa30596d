/* Calls of the fetch role, and what must hold for its answers. */
#include "image/registry/registry.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"
#include "image/registry/setup.h"

/* To give up an upload with the registry. */
#define END_MS 3000

int remote_init(struct remote *g, const struct ref *ref, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		g->lanes[i].control = -EBADF;
	return registry_setup(ref, g->access, NULL, a, &g->setup, e);
}

void remote_done(struct remote *g)
{
	for (size_t i = 0; i < FETCHERS_MAX; i++)
		fd_closep(&g->lanes[i].control);
	for (size_t i = 0; i < FETCHERS_MAX; i++) {
		int status;

		if (g->lanes[i].child.pid > 0 && proc_wait(&g->lanes[i].child, END_MS, &status) < 0)
			proc_kill_wait(&g->lanes[i].child);
	}
}

int remote_send(struct remote *g, size_t lane, const struct registry_call *c, int fd, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct worker *w = &g->lanes[lane];
	int r = fetcher_start(&g->setup, w, e);

	json_write(&registry_call_table, c, 0, &b);
	if (r == 0 && strbuf_ok(&b) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	w->heard_ms = clock_mono_ms();
	return r < 0 ? r : worker_send(w, WORKER_CALL, 0, b.p, b.len, fd, e);
}

/* ---- answers ---- */

static bool is_descriptor(const struct oci_descriptor *d)
{
	return digest_is_valid(d->digest) && d->size >= 0 &&
	       (!d->media_type || strlen(d->media_type) <= LIMIT_NAME) &&
	       (!d->artifact_type || strlen(d->artifact_type) <= LIMIT_NAME);
}

static int check(const struct registry_answer *a, struct err *e)
{
	bool is_ok = a->size >= 0 && a->tags.n <= REGISTRY_TAGS_MAX &&
		     a->referrers.n <= REGISTRY_REFERRERS_MAX &&
		     (!a->media_type || strlen(a->media_type) <= LIMIT_NAME) &&
		     (!a->digest || !*a->digest || digest_is_valid(a->digest));

	for (size_t i = 0; is_ok && i < a->tags.n; i++)
		is_ok = registry_tag_is_valid(a->tags.v[i]);
	for (size_t i = 0; is_ok && i < a->referrers.n; i++)
		is_ok = is_descriptor(&a->referrers.v[i]);
	return is_ok ? 0 : err_set(e, -EPROTO, "the worker sent a wrong answer");
}

int remote_read(struct remote *g, size_t lane, struct arena *a, struct registry_answer *ret,
		int64_t *ret_done, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = fetcher_recv(&g->lanes[lane], &g->warner, &m, &payload, e);

	if (r == 0 && m.type == WORKER_PROGRESS)
		*ret_done = (int64_t)MIN(m.a, (uint64_t)INT64_MAX);
	if (r <= 0)
		return r;
	if (m.type != WORKER_CALLED)
		return err_set(e, -EPROTO, "the worker sent message %u", m.type);
	r = json_read(&registry_answer_table, payload, m.len, &lim, a, ret, e);
	if (r == 0)
		r = check(ret, e);
	return r < 0 ? r : 1;
}

int remote_call(struct remote *g, const struct registry_call *c, int fd, struct arena *a,
		struct registry_answer *ret, struct err *e)
{
	int64_t done = 0;
	int r = remote_send(g, 0, c, fd, e);

	while (r == 0) {
		r = worker_wait(&g->lanes[0], false, e);
		if (r == 0)
			r = remote_read(g, 0, a, ret, &done, e);
	}
	return MIN(r, 0);
}

/* ---- bytes ---- */

static int send_get(struct remote *g, size_t lane, const char *path, uint64_t end, int fd,
		    struct err *e)
{
	int r = fetcher_start(&g->setup, &g->lanes[lane], e);

	return r < 0 ? r : fetcher_get(&g->lanes[lane], path, 0, end, fd, e);
}

int remote_document(struct remote *g, const char *path, struct arena *a,
		    struct remote_document *ret, struct err *e)
{
	AUTO_FD fd = image_memory_file("", 0, e);
	AUTO_FREE char *type = NULL;
	AUTO_FREE char *text = NULL;
	int r = MIN(fd, 0);

	if (r == 0)
		r = send_get(g, 0, path, WORKER_GET_BOUNDED | LIMIT_MANIFEST_BYTES, fd, e);
	if (r == 0)
		r = fetcher_wait_got(&g->lanes[0], &g->warner, &type, e);
	if (r < 0)
		return r;
	r = lseek(fd, 0, SEEK_SET) < 0 ? -errno
				       : fd_read_all(fd, LIMIT_MANIFEST_BYTES, &text, &ret->len);
	if (r < 0)
		return err_sys(e, r, "read '%.100s'", path);
	digest_of(text, ret->len, ret->digest);
	ret->text = arena_strndup(a, text, ret->len);
	ret->media_type = arena_strdup(a, type);
	if (!ret->text || !ret->media_type)
		return err_set(e, -ENOMEM, "out of memory");
	return strlen(type) > LIMIT_NAME ? err_set(e, -EPROTO, "the worker sent a wrong media type")
					 : 0;
}

int remote_stream(struct remote *g, size_t lane, const char *digest, int64_t size, int fd,
		  struct err *e)
{
	char path[DIGEST_TEXT_MAX + 8];

	snprintf(path, sizeof(path), "blobs/%s", digest);
	return send_get(g, lane, path, WORKER_GET_STREAM | (uint64_t)size, fd, e);
}

int remote_stream_read(struct remote *g, size_t lane, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	struct worker_msg m;
	int r = fetcher_recv(&g->lanes[lane], &g->warner, &m, &payload, e);

	return r > 0 && m.type != WORKER_GOT
		       ? err_set(e, -EPROTO, "the worker sent message %u", m.type)
		       : r;
}
