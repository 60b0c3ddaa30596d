/* The fetch role: requests of the parent, one after the other, each with its redirects, tokens and second tries. */
#include "worker/fetch_call.h"

#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <nss.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "spec/image.h"
#include "spec/worker_protocol.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define REDIRECTS_MAX 8
/* Where another endpoint may have it. */
#define TRIES_BEFORE_NEXT 2
/* A try that took its time and brought next to nothing counts as so many: three of them are enough. */
#define SLOW_WEIGHT 2
/* All together: a server that gives a byte at each try is hostile. */
#define TRIES_TOTAL_MAX 100
#define CA_MAX ((size_t)4 << 20)
#define SETUP_BUDGET ((size_t)24 << 20)

static const char accept_manifests[] = "Accept: " MT_OCI_INDEX ", " MT_OCI_MANIFEST
				       ", " MT_DOCKER_INDEX ", " MT_DOCKER_MANIFEST;

struct request {
	const char *path, *actions;
	int fd;
	int64_t offset, size; /* where to begin and to end */
	bool is_bounded;      /* size is the largest, not the exact one */
	bool is_stream, is_part;
	bool is_whole; /* the registry ignored the range */
	int tries, tries_total, logins;
	char media_type[256], digest[256];
};

/* ---- one try ---- */

/* https never becomes http. */
static int check_redirect(const struct fetch *f, const char *to, struct err *e)
{
	if (!to || strlen(to) > FETCH_URL_MAX)
		return err_set(e, -EPROTO, "the registry %s redirects to nowhere", f->at->host);
	if (!f->at->is_plain && !str_skip(to, "https://"))
		return err_set(e, -EPROTO, "the registry %s redirects to a URL that is not https",
			       f->at->host);
	return 0;
}

static void fill_exchange(struct fetch *f, struct request *q, struct exchange *x, const char *url,
			  bool is_home, const char *userpwd)
{
	*x = (struct exchange){
		.url = url,
		.accept = str_skip(q->path, "manifests/") ? accept_manifests : NULL,
		.fd = q->fd,
		.offset = q->offset,
		.size_max = q->size,
		.is_stream = q->is_stream,
		.is_part = q->is_part,
	};
	if (is_home)
		x->authorization = fetch_token_header(f, q->actions);
	if (is_home && !x->authorization && f->place->is_basic)
		x->userpwd = userpwd;
}

/* An answer that is no redirect. */
static int ask(struct fetch *f, struct request *q, struct exchange *x, bool *ret_retry,
	       struct err *e)
{
	AUTO_FREE char *url = fetch_url(f, q->path);
	AUTO_FREE char *userpwd = str_printf("%s:%s", f->at->username ? f->at->username : "",
					     f->at->password ? f->at->password : "");

	if (!url || !userpwd)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		int r;

		fill_exchange(f, q, x, url, fetch_is_home(f, url), userpwd);
		r = fetch_exchange(f, x, ret_retry, e);
		if (r < 0 || x->status < 300 || x->status >= 400)
			return r;
		r = check_redirect(f, x->location, e);
		if (r < 0)
			return r;
		free(url);
		url = TAKE_PTR(x->location);
		exchange_done(x);
	}
	return err_set_code(e, -ELOOP, ERR_UNAVAILABLE,
			    "the registry %s redirects more than %d times", f->at->host,
			    REDIRECTS_MAX);
}

/* ---- tries ---- */

void fetch_wait_ms(struct fetch *f, int64_t ms, int64_t done)
{
	int64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end && !f->is_deserted) {
		struct timespec t = { .tv_nsec = 50 * NSEC_PER_MSEC };

		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		fetch_tell_progress(f, done);
	}
}

/* Whether there may be another try; waits before it. */
static bool wait_for_next(struct fetch *f, struct request *q, const struct exchange *x)
{
	int64_t ms = (int64_t)FETCH_WAIT_FIRST_MS << q->tries;

	if (x->is_begun && x->at > q->offset && !x->is_slow)
		q->tries = 0;
	if (x->is_begun)
		q->offset = x->at;
	/* No try will be longer than the wait for it. */
	if (x->retry_after_s > FETCH_WAIT_MAX_MS / 1000)
		return false;
	q->tries += x->is_slow ? SLOW_WEIGHT : 1;
	if (q->tries >= (f->is_last ? FETCH_TRIES_MAX : TRIES_BEFORE_NEXT) ||
	    ++q->tries_total >= TRIES_TOTAL_MAX)
		return false;
	if (x->retry_after_s > 0)
		ms = x->retry_after_s * 1000;
	fetch_wait_ms(f, MIN(ms, FETCH_WAIT_MAX_MS), q->offset);
	return true;
}

static int finish(struct request *q, const struct exchange *x, struct err *e)
{
	if (!q->is_bounded && x->at != q->size)
		return err_set_code(e, -EBADMSG, ERR_DATA_LOSS,
				    "the registry %s sends %lld bytes, the descriptor says %lld",
				    x->f->at->host, (long long)x->at, (long long)q->size);
	q->offset = x->at;
	q->is_whole = x->is_whole;
	snprintf(q->media_type, sizeof(q->media_type), "%s", x->media_type);
	snprintf(q->digest, sizeof(q->digest), "%s", x->digest);
	return 0;
}

bool fetch_is_busy(long status)
{
	return status == 408 || status == 429 || (status >= 500 && status <= 599 && status != 501);
}

/* 1: done, 0: once more, -errno. */
static int judge(struct fetch *f, struct request *q, const struct exchange *x, struct err *e)
{
	int r;

	if (x->status == 200 || x->status == 206) {
		r = finish(q, x, e);
		return r < 0 ? r : 1;
	}
	if (x->status == 401 && q->logins++ < 2)
		return fetch_authorise(f, &x->challenge, q->actions, e);
	if (x->status == 416 && q->offset > 0 && !q->is_stream) {
		q->offset = 0;
		return ++q->tries >= FETCH_TRIES_MAX ? fetch_status_error(x, e) : 0;
	}
	if (fetch_is_busy(x->status) && f->is_last && wait_for_next(f, q, x))
		return 0;
	return fetch_status_error(x, e);
}

static bool is_tag(const struct request *q)
{
	return str_skip(q->path, "manifests/") && !strchr(q->path, ':');
}

/* From the endpoint in hand. What has come of a blob is good for the next one too, of a tag it is not. */
static int get(struct fetch *f, void *data, struct err *e)
{
	struct request *q = data;

	q->tries = q->tries_total = q->logins = 0;
	if (is_tag(q))
		q->offset = 0;
	for (;;) {
		struct exchange x = { .fd = -EBADF };
		struct err why = ERR_INIT;
		bool is_retry = false;
		int r = ask(f, q, &x, &is_retry, &why);

		if (r == -ERANGE && q->offset > 0) {
			q->offset = 0;
			r = ++q->tries < FETCH_TRIES_MAX ? 0 : r;
		} else if (r < 0 && is_retry) {
			r = wait_for_next(f, q, &x) ? 0 : r;
		} else if (r == 0) {
			r = judge(f, q, &x, &why);
		}
		exchange_done(&x);
		/* What came is wrong: another endpoint is asked for all of it. */
		if (r == -EBADMSG && !q->is_stream)
			q->offset = 0;
		if (r < 0)
			*e = why;
		if (r != 0)
			return MIN(r, 0);
	}
}

/* ---- the parent ---- */

static int answer(const struct request *q)
{
	char payload[sizeof(q->media_type) + sizeof(q->digest) + 2];
	size_t a = strlen(q->media_type) + 1, b = strlen(q->digest);

	memcpy(payload, q->media_type, a);
	memcpy(payload + a, q->digest, b);
	return worker_msg_send(WORKER_CONTROL_FD, WORKER_GOT, (uint64_t)q->offset,
			       q->is_whole ? WORKER_GOT_WHOLE : 0, payload, a + b, -EBADF);
}

/* 1: more may come, 0: the parent is done. */
static int serve_one(struct fetch *f, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	struct request q;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r == 0 || r == -ECONNRESET)
		return 0;
	if (r > 0 && m.type == WORKER_CALL)
		return fetch_serve_call(f, payload, m.len, fd, e);
	if (r < 0 || m.type != WORKER_GET || fd < 0)
		return err_set(e, -EPROTO, "no request");
	q = (struct request){ .path = payload,
			      .actions = "pull",
			      .fd = fd,
			      .offset = (int64_t)m.a,
			      .size = (int64_t)(m.b & ~WORKER_GET_FLAGS),
			      .is_bounded = m.b & WORKER_GET_BOUNDED,
			      .is_stream = m.b & WORKER_GET_STREAM,
			      .is_part = m.b & WORKER_GET_PART };
	r = fetch_from_hosts(f, is_tag(&q) ? FETCH_RESOLVE : FETCH_PULL, !q.is_stream, get, &q, e);
	/* Whoever reads the stream sees its end before the answer is dealt with. */
	fd_closep(&fd);
	return r < 0 ? r : answer(&q) < 0 ? 0 : 1;
}

static int start(struct fetch *f, struct err *e)
{
	static const struct json_limits lim = { .bytes = WORKER_PAYLOAD_MAX };
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	int r = worker_msg_recv(WORKER_CONTROL_FD, &m, &payload, &fd);

	if (r <= 0 || m.type != WORKER_START)
		return err_set(e, -EPROTO, "no start message");
	r = json_read(&fetch_setup_table, payload, m.len, &lim, &f->a, &f->setup, e);
	return r < 0 ? r : fetch_hosts_start(f, e);
}

/*
 * What the libraries open at their first use is opened here. Names come from /etc/hosts and the resolver alone: both
 * are in the C library, while other sources would be loaded as code behind the sandbox.
 */
static int prepare(struct fetch *f, struct err *e)
{
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
					       "/etc/pki/tls/certs/ca-bundle.crt",
					       "/etc/ssl/cert.pem" };
	struct addrinfo *found = NULL;

	mallopt(M_ARENA_MAX, 1);
	/* Whoever reads a stream may end before it does. */
	signal(SIGPIPE, SIG_IGN);
	__nss_configure_lookup("hosts", "files dns");
	if (getaddrinfo("localhost", "80", NULL, &found) == 0)
		freeaddrinfo(found);
	for (size_t i = 0; i < ARRAY_LEN(bundles) && !f->ca; i++)
		(void)file_read_at(AT_FDCWD, bundles[i], CA_MAX, &f->ca, &f->ca_len);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(f->curl = curl_easy_init()))
		return err_set(e, -ENOMEM, "libcurl does not start");
	return 0;
}

int worker_fetch_main(void)
{
	struct fetch f = { .a = { .budget = SETUP_BUDGET } };
	struct err e = ERR_INIT;
	int r = prepare(&f, &e);

	if (r == 0)
		r = sandbox_enter_fetch(&e);
	if (r == 0)
		r = start(&f, &e);
	if (r == 0) {
		do
			r = serve_one(&f, &e);
		while (r > 0);
		fetch_push_abort(&f);
	}
	if (r < 0)
		worker_msg_send_error(WORKER_CONTROL_FD, r, &e);
	return r < 0 ? 1 : 0;
}
