#pragma once
/*
 * The fetch role beyond GET: one call is one method on one URL, with its redirects, logins and second tries; what a
 * registry can be asked for is made of them. Safe after fork: no.
 */
#include "spec/registry_call.h"
#include "worker/fetch.h"

/* A document that is read here: a page of tags, an index of referrers. */
#define FETCH_TEXT_MAX ((size_t)4 << 20)

struct call {
	/* asked */
	const char *method, *url, *accept, *content_type, *content_range;
	bool has_body;
	const char *body; /* or in the file */
	int body_fd;
	int64_t body_at, body_len;
	size_t text_max;
	/* A broken connection and a busy server are told to the caller, who knows how to go on. */
	bool is_once;
	/* came */
	struct exchange x;
};
/*
 * Asks until there is an answer that is neither a redirect, nor a login, nor a busy server; what it says is the caller's
 * to judge. 0 or -errno; with is_once, -EAGAIN for what another try may mend. call_done in any case.
 */
int fetch_call(struct fetch *f, struct call *c, struct err *e);
void call_done(struct call *c);
/* Whether there may be another try after `*tries`; waits before it as the answer says, or longer and longer. */
bool fetch_back_off(struct fetch *f, int *tries, const struct exchange *x, int64_t done);

/* What the verbs work with. */
struct verb {
	struct fetch *f;
	const struct registry_call *call;
	int fd; /* the body */
	struct arena *a;
	struct registry_answer *answer;
};
/* fetch_verbs.c: a WORKER_CALL's payload and descriptor; answers the parent. */
int fetch_serve_call(struct fetch *f, const char *json, size_t len, int fd, struct err *e);
int verb_head(struct verb *v, struct err *e);
int verb_put_manifest(struct verb *v, struct err *e);
int verb_delete(struct verb *v, struct err *e);
/* fetch_push.c: blobs. */
int verb_offer(struct verb *v, struct err *e);
int verb_put_blob(struct verb *v, struct err *e);
/* Gives up an upload that was begun and not ended. */
void fetch_push_abort(struct fetch *f);
/* fetch_list.c: lists, and the tags that stand for the referrers API where it is missing. */
int verb_tags(struct verb *v, struct err *e);
int verb_referrers(struct verb *v, struct err *e);
/* Adds call->self to the list of call->subject's referrers. */
int fetch_add_referrer(struct verb *v, struct err *e);
/* A page's text: tags that are none are passed over. `*n` counts over pages. */
int tags_read(const char *text, size_t len, struct arena *a, struct json_strs *tags, size_t *cap,
	      struct err *e);
