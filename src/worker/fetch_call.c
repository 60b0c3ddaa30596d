/* One method on one URL, asked until there is an answer. */
#include "worker/fetch_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "worker/links.h"

#define REDIRECTS_MAX 8
#define LOGINS_MAX 2

void call_done(struct call *c)
{
	exchange_done(&c->x);
}

bool fetch_back_off(struct fetch *f, int *tries, const struct exchange *x, int64_t done)
{
	int64_t ms = (int64_t)FETCH_WAIT_FIRST_MS << *tries;

	if (++*tries >= FETCH_TRIES_MAX)
		return false;
	if (x->retry_after_s > 0)
		ms = MIN(x->retry_after_s, FETCH_WAIT_MAX_MS / 1000) * 1000;
	fetch_wait_ms(f, MIN(ms, FETCH_WAIT_MAX_MS), done);
	return true;
}

static void fill(struct fetch *f, struct call *c, const char *url, bool is_home,
		 const char *userpwd)
{
	c->x = (struct exchange){
		.url = url,
		.method = c->method,
		.accept = c->accept,
		.content_type = c->content_type,
		.content_range = c->content_range,
		.has_body = c->has_body,
		.body = c->body,
		.body_fd = c->body_fd,
		.body_at = c->body_at,
		.body_len = c->body_len,
		.text_max = c->text_max,
		.fd = -EBADF,
	};
	if (is_home)
		c->x.authorization = fetch_token_header(f, f->actions);
	if (is_home && !c->x.authorization && f->place->is_basic)
		c->x.userpwd = userpwd;
}

/* Only what asks again in the same words may be followed with a body: 301 to 303 turn it into a GET. */
static bool is_redirect(const struct call *c)
{
	bool is_read = streq(c->method, "GET") || streq(c->method, "HEAD");

	return c->x.status == 307 || c->x.status == 308 ||
	       (is_read && c->x.status >= 301 && c->x.status <= 303);
}

/* An answer that is no redirect. */
static int ask(struct fetch *f, struct call *c, bool *ret_retry, struct err *e)
{
	AUTO_FREE char *url = strdup(c->url);
	AUTO_FREE char *userpwd = str_printf("%s:%s", f->at->username ? f->at->username : "",
					     f->at->password ? f->at->password : "");

	if (!url || !userpwd)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		AUTO_FREE char *next = NULL;
		int r;

		fill(f, c, url, fetch_is_home(f, url), userpwd);
		r = fetch_exchange(f, &c->x, ret_retry, e);
		c->x.url = c->url;
		if (r < 0 || !is_redirect(c))
			return r;
		r = url_resolve(url, c->x.location ? c->x.location : "", &next, e);
		if (r < 0)
			return r;
		exchange_done(&c->x);
		free(url);
		url = TAKE_PTR(next);
	}
	return err_set_code(e, -ELOOP, ERR_UNAVAILABLE,
			    "the registry %s redirects more than %d times", f->at->host,
			    REDIRECTS_MAX);
}

int fetch_call(struct fetch *f, struct call *c, struct err *e)
{
	int tries = 0, logins = 0;

	for (;;) {
		struct err why = ERR_INIT;
		bool is_retry = false;
		int r = ask(f, c, &is_retry, &why);

		if (r == 0 && c->x.status == 401 && logins++ < LOGINS_MAX) {
			r = fetch_authorise(f, &c->x.challenge, f->actions, &why);
		} else if (r == 0 && !fetch_is_busy(c->x.status)) {
			return 0;
		} else if (c->is_once && (r == 0 || is_retry)) {
			if (r < 0 && e)
				*e = why;
			return r == 0 ? (fetch_status_error(&c->x, e), -EAGAIN) : -EAGAIN;
		} else if (r < 0 && !is_retry) {
			;
		} else if (fetch_back_off(f, &tries, &c->x, c->body_at)) {
			r = 0;
		} else if (r == 0) {
			r = fetch_status_error(&c->x, &why);
		}
		if (r < 0) {
			if (e)
				*e = why;
			return r;
		}
		exchange_done(&c->x);
	}
}
