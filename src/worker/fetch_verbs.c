/* The verbs of one exchange each, and their table. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/digest.h"
#include "spec/worker_protocol.h"
#include "worker/fetch_call.h"

#define CALL_BUDGET ((size_t)24 << 20)

static const char accept_manifests[] = "Accept: " MT_OCI_INDEX ", " MT_OCI_MANIFEST
				       ", " MT_DOCKER_INDEX ", " MT_DOCKER_MANIFEST;

/* In the arena; what came is at most as long as the headers' buffers. */
static int keep(struct verb *v, const char *text, const char **to, struct err *e)
{
	*to = arena_strdup(v->a, text);
	return *to ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int verb_head(struct verb *v, struct err *e)
{
	AUTO_FREE char *url = fetch_url(v->f, v->call->path);
	struct call c = {
		.method = "HEAD", .url = url, .accept = accept_manifests, .body_fd = -EBADF
	};
	int r = url ? fetch_call(v->f, &c, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && c.x.status != 200 && c.x.status != 404)
		r = fetch_status_error(&c.x, e);
	v->answer->is_there = r == 0 && c.x.status == 200;
	v->answer->size = c.x.content_length;
	if (r == 0)
		r = keep(v, c.x.digest, &v->answer->digest, e);
	if (r == 0)
		r = keep(v, c.x.media_type, &v->answer->media_type, e);
	call_done(&c);
	return r;
}

int verb_put_manifest(struct verb *v, struct err *e)
{
	AUTO_FREE char *url = fetch_url(v->f, v->call->path);
	AUTO_FREE char *type = str_printf("Content-Type: %s", v->call->media_type);
	struct call c = { .method = "PUT",
			  .url = url,
			  .content_type = type,
			  .has_body = true,
			  .body_fd = v->fd,
			  .body_len = v->call->size };
	bool has_subject;
	int r = url && type ? fetch_call(v->f, &c, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && c.x.status != 201 && c.x.status != 202 && c.x.status != 200)
		r = fetch_status_error(&c.x, e);
	if (r == 0)
		r = keep(v, c.x.digest, &v->answer->digest, e);
	has_subject = c.x.subject[0];
	call_done(&c);
	if (r == 0 && v->call->subject && !has_subject) {
		v->answer->is_fallback = true;
		r = fetch_add_referrer(v, e);
	}
	return r;
}

int verb_delete(struct verb *v, struct err *e)
{
	AUTO_FREE char *url = fetch_url(v->f, v->call->path);
	struct call c = { .method = "DELETE", .url = url, .body_fd = -EBADF };
	int r = url ? fetch_call(v->f, &c, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && (c.x.status == 405 || c.x.status == 400))
		r = err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				 "the registry %s does not allow to delete this (%ld)",
				 v->f->at->host, c.x.status);
	else if (r == 0 && (c.x.status < 200 || c.x.status > 299))
		r = fetch_status_error(&c.x, e);
	call_done(&c);
	return r;
}

/* ---- the table ---- */

enum { NEEDS_PATH = 1, NEEDS_DIGEST = 2, NEEDS_BODY = 4, NEEDS_TYPE = 8 };

static const struct {
	int (*run)(struct verb *v, struct err *e);
	const char *actions;
	enum fetch_need where; /* FETCH_PUSH: the registry itself */
	unsigned int needs;
} verbs[REGISTRY_VERBS] = {
	[REGISTRY_HEAD] = { verb_head, "pull", FETCH_PUSH, NEEDS_PATH },
	[REGISTRY_OFFER] = { verb_offer, "pull,push", FETCH_PUSH, NEEDS_DIGEST },
	[REGISTRY_PUT_BLOB] = { verb_put_blob, "pull,push", FETCH_PUSH, NEEDS_DIGEST | NEEDS_BODY },
	[REGISTRY_PUT_MANIFEST] = { verb_put_manifest, "pull,push", FETCH_PUSH,
				    NEEDS_PATH | NEEDS_BODY | NEEDS_TYPE },
	[REGISTRY_DELETE] = { verb_delete, "pull,delete", FETCH_PUSH, NEEDS_PATH },
	[REGISTRY_TAGS] = { verb_tags, "pull", FETCH_RESOLVE, 0 },
	[REGISTRY_REFERRERS] = { verb_referrers, "pull", FETCH_RESOLVE, NEEDS_DIGEST },
};

static int check(const struct registry_call *c, int fd, struct err *e)
{
	unsigned int needs;

	if (c->verb <= 0 || c->verb >= REGISTRY_VERBS)
		return err_set(e, -EPROTO, "unknown verb");
	needs = verbs[c->verb].needs;
	if (((needs & NEEDS_PATH) && !c->path) || ((needs & NEEDS_BODY) && fd < 0) ||
	    ((needs & NEEDS_TYPE) && !c->media_type) || c->size < 0 ||
	    ((needs & NEEDS_DIGEST) && (!c->digest || !digest_is_valid(c->digest))) ||
	    (c->subject && (!digest_is_valid(c->subject) || !c->self)))
		return err_set(e, -EPROTO, "the call lacks something");
	return 0;
}

static int send_answer(const struct registry_answer *answer, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	int r;

	json_write(&registry_answer_table, answer, 0, &out);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (out.len > WORKER_PAYLOAD_MAX)
		return err_set(e, -E2BIG, "the registry's answer is too long");
	r = worker_msg_send(WORKER_CONTROL_FD, WORKER_CALLED, 0, 0, out.p, out.len, -EBADF);
	return r < 0 ? 0 : 1;
}

/* At one endpoint; what another one answered before does not count. */
static int run(struct fetch *f, void *data, struct err *e)
{
	struct verb *v = data;

	(void)f;
	*v->answer = (struct registry_answer){ 0 };
	return verbs[v->call->verb].run(v, e);
}

int fetch_serve_call(struct fetch *f, const char *json, size_t len, int fd, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	AUTO_ARENA struct arena a = { .budget = CALL_BUDGET };
	struct registry_answer answer = { 0 };
	struct registry_call call;
	struct verb v = { f, &call, fd, &a, &answer };
	int r = json_read(&registry_call_table, json, len, &lim, &a, &call, e);

	if (r == 0)
		r = check(&call, fd, e);
	if (r < 0)
		return r;
	f->actions = verbs[call.verb].actions;
	r = fetch_from_hosts(f, verbs[call.verb].where, true, run, &v, e);
	return r < 0 ? r : send_answer(&answer, e);
}
