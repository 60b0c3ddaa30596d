/*
 * Blobs into a registry: there already, mounted from another repository, or uploaded. An upload is one PUT of the whole;
 * what breaks it off is mended by asking the registry how far it came, and going on in chunks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/digest.h"
#include "worker/fetch_call.h"
#include "worker/links.h"

/* Of a PATCH; what is lost when a connection breaks. */
#define CHUNK_BYTES ((int64_t)32 << 20)
/* A registry that wants larger ones is given the blob in one. */
#define CHUNK_MIN_MAX ((int64_t)1 << 40)
/* All together: one that gives a byte at each try is hostile. */
#define STEPS_MAX 4096
#define OCTETS "Content-Type: application/octet-stream"

struct upload {
	struct verb *v;
	char *url;	   /* where the session goes on, owned */
	int64_t at, chunk; /* what the registry has, and how much at once */
	bool is_chunked;
	bool is_done;
	int tries;
};

static void forget(struct fetch *f)
{
	free(f->upload_url);
	f->upload_url = NULL;
}

void fetch_push_abort(struct fetch *f)
{
	struct call c = { .method = "DELETE", .body_fd = -EBADF, .is_once = true };

	if (!f->upload_url)
		return;
	c.url = f->upload_url;
	(void)fetch_call(f, &c, NULL);
	call_done(&c);
	forget(f);
}

/* A session that the registry opened: where it goes on, and what it says of chunks. */
static int take_session(struct upload *u, const struct call *c, struct err *e)
{
	AUTO_FREE char *url = NULL;
	struct fetch *f = u->v->f;
	int r;

	if (!c->x.placed)
		return err_set(e, -EPROTO, "the registry %s opens an upload without a Location",
			       f->at->host);
	r = url_resolve(c->url, c->x.placed, &url, e);
	if (r < 0)
		return r;
	if (c->x.chunk_min > 0)
		u->chunk = MAX(CHUNK_BYTES, MIN(c->x.chunk_min, CHUNK_MIN_MAX));
	free(u->url);
	u->url = TAKE_PTR(url);
	/* For the DELETE when it comes to nothing. */
	forget(f);
	f->upload_url = strdup(u->url);
	return f->upload_url ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int head_blob(struct verb *v, bool *ret_is_there, struct err *e)
{
	AUTO_FREE char *path = str_printf("blobs/%s", v->call->digest);
	AUTO_FREE char *url = path ? fetch_url(v->f, path) : NULL;
	struct call c = { .method = "HEAD", .url = url, .body_fd = -EBADF };
	int r = url ? fetch_call(v->f, &c, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && c.x.status != 200 && c.x.status != 404)
		r = fetch_status_error(&c.x, e);
	*ret_is_there = r == 0 && c.x.status == 200;
	call_done(&c);
	return r;
}

/* Opens a session, or has the blob mounted when `from` has it. */
static int post(struct upload *u, const char *from, bool *ret_is_mounted, struct err *e)
{
	struct verb *v = u->v;
	AUTO_FREE char *url = fetch_url(v->f, "blobs/uploads/");
	struct call c = { .method = "POST", .has_body = true, .body = "", .body_fd = -EBADF };
	int r;

	if (url && from) {
		AUTO_FREE char *first = url_add_query(url, "mount", v->call->digest);

		free(url);
		url = first ? url_add_query(first, "from", from) : NULL;
	}
	c.url = url;
	r = url ? fetch_call(v->f, &c, e) : err_set(e, -ENOMEM, "out of memory");
	*ret_is_mounted = r == 0 && from && c.x.status == 201;
	if (r == 0 && c.x.status == 202)
		r = take_session(u, &c, e);
	else if (r == 0 && !*ret_is_mounted)
		r = fetch_status_error(&c.x, e);
	call_done(&c);
	return r;
}

/* A mount that is refused, whatever the reason, is no error: the session that it opened is kept for the upload. */
int verb_offer(struct verb *v, struct err *e)
{
	const struct registry_call *call = v->call;
	struct upload u = { .v = v };
	bool is_mounted = false;
	int r;

	fetch_push_abort(v->f);
	r = head_blob(v, &v->answer->is_there, e);
	if (r < 0 || v->answer->is_there)
		return r;
	for (size_t i = 0; i < call->from.n && i < REGISTRY_FROM_MAX && !is_mounted; i++) {
		fetch_push_abort(v->f);
		if (post(&u, call->from.v[i], &is_mounted, NULL) == 0 && is_mounted)
			v->answer->mounted = call->from.v[i];
	}
	free(u.url);
	snprintf(v->f->upload_digest, sizeof(v->f->upload_digest), "%s", call->digest);
	v->answer->is_mounted = is_mounted;
	return 0;
}

/* ---- the upload ---- */

/* The session of the offer, or a new one. */
static int open_session(struct upload *u, struct err *e)
{
	struct fetch *f = u->v->f;
	bool is_mounted;

	u->at = 0;
	if (f->upload_url && streq(f->upload_digest, u->v->call->digest) && !u->url) {
		u->url = strdup(f->upload_url);
		return u->url ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	fetch_push_abort(f);
	return post(u, NULL, &is_mounted, e);
}

/* How far it came. A session that is gone may have been ended by the PUT whose answer was lost. */
static int ask_status(struct upload *u, struct err *e)
{
	struct call c = { .method = "GET", .url = u->url, .body_fd = -EBADF };
	int64_t size = u->v->call->size;
	int r = fetch_call(u->v->f, &c, e);

	if (r == 0 && (c.x.status == 204 || c.x.status == 200 || c.x.status == 202)) {
		/* "0-0" is what docker-registry says of nothing. */
		u->at = c.x.has_range_end && c.x.range_end > 0 ? c.x.range_end + 1 : 0;
		if (c.x.placed)
			r = take_session(u, &c, e);
		if (r == 0 && u->at > size)
			r = err_set(e, -EPROTO, "the registry %s has %lld bytes of a blob of %lld",
				    u->v->f->at->host, (long long)u->at, (long long)size);
		call_done(&c);
		return r;
	}
	call_done(&c);
	if (r < 0)
		return r;
	r = head_blob(u->v, &u->is_done, e);
	if (r < 0 || u->is_done)
		return r;
	forget(u->v->f);
	return open_session(u, e);
}

/* 1: the blob is there, 0: the registry has more than before or has to be asked, -errno. */
static int judge(struct upload *u, struct call *c, int r, struct err *e)
{
	long status = c->x.status;
	bool is_put = streq(c->method, "PUT");

	if (r == 0 && is_put && (status == 201 || status == 204))
		return 1;
	if (r == 0 && !is_put && status == 202) {
		u->at = c->body_at + c->body_len;
		u->tries = 0;
		return take_session(u, c, e);
	}
	/* Too much at once for somebody between, or not where the registry wants to go on. */
	if (r == 0 && status != 413 && status != 416 && status != 404)
		return fetch_status_error(&c->x, e);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (status == 413 && u->is_chunked)
		u->chunk /= 2;
	u->is_chunked = true;
	if (u->chunk == 0 || !fetch_back_off(u->v->f, &u->tries, &c->x, u->at))
		return r == 0 ? fetch_status_error(&c->x, e) : -ECONNRESET;
	return ask_status(u, e);
}

/* The whole in one PUT; or the next chunk by PATCH, and an empty PUT in the end. */
static int send_next(struct upload *u, struct err *e)
{
	const struct registry_call *call = u->v->call;
	bool is_end = !u->is_chunked || u->at == call->size;
	AUTO_FREE char *url = is_end ? url_add_query(u->url, "digest", call->digest)
				     : strdup(u->url);
	char range[64];
	struct call c = {
		.method = is_end ? "PUT" : "PATCH",
		.url = url,
		.content_type = OCTETS,
		.has_body = true,
		.body_fd = u->v->fd,
		.body_at = u->at,
		.body_len = is_end ? call->size - u->at : MIN(u->chunk, call->size - u->at),
		.is_once = true,
	};
	int64_t before = u->at;
	int r;

	if (!url)
		return err_set(e, -ENOMEM, "out of memory");
	if (!is_end) {
		snprintf(range, sizeof(range), "Content-Range: %lld-%lld", (long long)u->at,
			 (long long)(u->at + c.body_len - 1));
		c.content_range = range;
	}
	r = judge(u, &c, fetch_call(u->v->f, &c, e), e);
	if (u->at > before)
		u->tries = 0;
	call_done(&c);
	return r;
}

int verb_put_blob(struct verb *v, struct err *e)
{
	struct upload u = { .v = v, .chunk = CHUNK_BYTES };
	int r = open_session(&u, e);

	for (int i = 0; r == 0 && !u.is_done; i++) {
		if (i >= STEPS_MAX)
			r = err_set_code(e, -EPROTO, ERR_UNAVAILABLE,
					 "the registry %s takes the blob in more than %d steps",
					 v->f->at->host, STEPS_MAX);
		else
			r = send_next(&u, e);
		if (r > 0)
			u.is_done = true;
	}
	free(u.url);
	if (u.is_done) {
		forget(v->f);
		return 0;
	}
	fetch_push_abort(v->f);
	return r;
}
