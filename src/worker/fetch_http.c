/* One HTTP exchange by libcurl: headers that matter, and a body that goes to a file or to memory. */
#include "worker/fetch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "spec/worker_protocol.h"
#include "worker/answer_headers.h"
#include "worker/links.h"

#define CONNECT_MS 10000L
/* Without a byte of an answer; a body has its own measure, in worker/pace.h. */
#define ANSWER_SECONDS 15L
#define UPLOAD_STALL_SECONDS 300L
#define UPLOAD_BUFFER 524288L
#define TICK_MS 100
/* Fewer turns for each layer than libcurl's 16 KiB. */
#define RECEIVE_BYTES (256L << 10)
#define HEADER_LINE_MAX ((size_t)8 << 10)
/* Of one answer, with those of informational ones before it. */
#define HEADERS_MAX ((size_t)256 << 10)
/* Of one answer. */
#define WARNINGS_MAX 8

void exchange_done(struct exchange *x)
{
	free(x->location);
	free(x->text);
	free(x->placed);
	free(x->next);
	x->location = x->text = x->placed = x->next = NULL;
}

void fetch_tell_progress(struct fetch *f, int64_t done)
{
	int64_t now = clock_mono_ms();

	if (now - f->told_ms < TICK_MS)
		return;
	f->told_ms = now;
	if (worker_msg_send(WORKER_CONTROL_FD, WORKER_PROGRESS, (uint64_t)done, 0, NULL, 0,
			    -EBADF) < 0)
		f->is_deserted = true;
}

static int on_tick(void *data, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		   curl_off_t ulnow)
{
	struct exchange *x = data;

	(void)dltotal, (void)ultotal;
	fetch_tell_progress(x->f, x->has_body ? x->body_at + (int64_t)ulnow : x->at);
	/* An upload for nobody is ended, so that what was begun can be given up. Its answer may take its time. */
	if (x->has_body)
		return x->body_len > 0 && x->f->is_deserted;
	x->is_slow = pace_is_slow(&x->pace, clock_mono_ms(), dlnow);
	return x->is_slow;
}

/* ---- headers ---- */

static void take_range(struct exchange *x, const char *v)
{
	x->has_range_start = header_range_start(v, &x->range_start) == 0;
}

static void take_challenge(struct exchange *x, const char *v)
{
	struct challenge c;

	if (challenge_parse(v, &c) == 0 && c.scheme > x->challenge.scheme)
		x->challenge = c;
}

static void take_retry(struct exchange *x, const char *v)
{
	x->retry_after_s = header_retry_after_s(v);
}

static void take_type(struct exchange *x, const char *v)
{
	snprintf(x->media_type, sizeof(x->media_type), "%.*s", (int)strcspn(v, "; "), v);
}

static void take_digest(struct exchange *x, const char *v)
{
	snprintf(x->digest, sizeof(x->digest), "%s", v);
}

static void take_length(struct exchange *x, const char *v)
{
	(void)str_to_i64(v, 0, INT64_MAX, &x->content_length);
}

/* Of an upload: "0-1023", in some registries "bytes=0-1023". */
static void take_upload_range(struct exchange *x, const char *v)
{
	const char *p = strchr(v, '-');

	x->has_range_end = p && str_to_i64(p + 1, 0, INT64_MAX - 1, &x->range_end) == 0;
}

static void take_chunk_min(struct exchange *x, const char *v)
{
	(void)str_to_i64(v, 0, INT64_MAX, &x->chunk_min);
}

static void take_placed(struct exchange *x, const char *v)
{
	free(x->placed);
	x->placed = strdup(v);
}

static void take_link(struct exchange *x, const char *v)
{
	char *next = x->next ? NULL : link_next(v);

	if (next)
		x->next = next;
}

static void take_subject(struct exchange *x, const char *v)
{
	snprintf(x->subject, sizeof(x->subject), "%s", v);
}

static void take_filters(struct exchange *x, const char *v)
{
	snprintf(x->filters, sizeof(x->filters), "%s", v);
}

/* distribution-spec: `299 - "words"`; others are not for the user. */
static void take_warning(struct exchange *x, const char *v)
{
	const char *text = str_skip(v, "299 - \"");
	size_t n = text ? strlen(text) : 0;

	if (n < 2 || text[n - 1] != '"' || x->warnings_n++ >= WARNINGS_MAX)
		return;
	if (worker_msg_send(WORKER_CONTROL_FD, WORKER_WARNED, 0, 0, text, n - 1, -EBADF) < 0)
		x->f->is_deserted = true;
}

static const struct {
	const char *name;
	void (*take)(struct exchange *x, const char *value);
} headers[] = {
	{ "content-range", take_range },
	{ "www-authenticate", take_challenge },
	{ "retry-after", take_retry },
	{ "content-type", take_type },
	{ "docker-content-digest", take_digest },
	{ "content-length", take_length },
	{ "range", take_upload_range },
	{ "location", take_placed },
	{ "link", take_link },
	{ "oci-chunk-min-length", take_chunk_min },
	{ "oci-subject", take_subject },
	{ "oci-filters-applied", take_filters },
	{ "warning", take_warning },
};

static size_t on_header(char *data, size_t size, size_t n, void *to)
{
	struct exchange *x = to;
	char line[HEADER_LINE_MAX];
	size_t len = size * n, end, name;

	x->headers_len += len;
	if (len >= sizeof(line) || x->headers_len > HEADERS_MAX) {
		x->failure = -E2BIG;
		return 0;
	}
	memcpy(line, data, len);
	line[len] = '\0';
	name = strcspn(line, ":");
	if (!line[name])
		return len;
	for (end = strlen(line); end > 0 && strchr("\r\n \t", line[end - 1]); end--)
		line[end - 1] = '\0';
	line[name] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (name < end && strcasecmp(headers[i].name, line) == 0)
			headers[i].take(x, line + name + 1 + strspn(line + name + 1, " \t"));
	return len;
}

/* ---- the body ---- */

/* A 206 must go on where we are; a 200 is the whole, whatever was asked. */
static int begin_file(struct exchange *x)
{
	bool is_range = x->status == 206;

	x->is_begun = true;
	x->is_whole = !is_range;
	x->at = is_range || x->is_stream ? x->offset : 0;
	x->skip = is_range ? 0 : x->at;
	if (is_range && (!x->has_range_start || x->range_start != x->offset))
		return -EBADMSG;
	return !x->is_stream && ftruncate(x->fd, x->at) < 0 ? -errno : 0;
}

static int write_some(struct exchange *x, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = x->is_stream ? write(x->fd, data, len)
					 : pwrite(x->fd, data, len, x->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		x->at += n;
	}
	return 0;
}

static int write_file(struct exchange *x, const char *data, size_t len)
{
	if (!x->is_begun) {
		int r = begin_file(x);

		if (r < 0)
			return r;
	}
	if (x->skip > 0) {
		size_t n = MIN(len, (size_t)x->skip);

		x->skip -= (int64_t)n;
		data += n;
		len -= n;
	}
	if ((int64_t)len <= x->size_max - x->at)
		return write_some(x, data, len);
	if (!x->is_part)
		return -EFBIG;
	x->is_cut = true;
	return write_some(x, data, (size_t)(x->size_max - x->at));
}

static int write_text(struct exchange *x, const char *data, size_t len)
{
	char *p;

	if (len > (x->text_max ? x->text_max : FETCH_BODY_MAX) - x->text_len)
		return -EFBIG;
	p = realloc(x->text, x->text_len + len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p + x->text_len, data, len);
	x->text_len += len;
	p[x->text_len] = '\0';
	x->text = p;
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *to)
{
	int64_t since = clock_mono_ms();
	struct exchange *x = to;

	curl_easy_getinfo(x->f->curl, CURLINFO_RESPONSE_CODE, &x->status);
	x->failure = x->fd >= 0 && (x->status == 200 || x->status == 206)
			     ? write_file(x, data, size * n)
			     : write_text(x, data, size * n);
	pace_hold(&x->pace, clock_mono_ms() - since);
	return x->failure < 0 || x->is_cut ? 0 : size * n;
}

/* ---- what is sent ---- */

static size_t on_read(char *to, size_t size, size_t n, void *data)
{
	struct exchange *x = data;
	size_t want = (size_t)MIN((int64_t)(size * n), x->body_len - x->body_sent);
	ssize_t got = (ssize_t)want;

	if (x->body)
		memcpy(to, x->body + x->body_at + x->body_sent, want);
	else if (want > 0)
		got = pread(x->body_fd, to, want, x->body_at + x->body_sent);
	/* A file that ends too soon as well: nothing else may be sent in its place. */
	if (got < 0 || (got == 0 && want > 0)) {
		x->failure = got < 0 ? -errno : -EBADMSG;
		return CURL_READFUNC_ABORT;
	}
	x->body_sent += got;
	return (size_t)got;
}

/* A connection that was kept may turn out dead: the same once more on another one. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
	struct exchange *x = data;

	if (origin != SEEK_SET || offset < 0 || offset > x->body_len)
		return CURL_SEEKFUNC_FAIL;
	x->body_sent = offset;
	return CURL_SEEKFUNC_OK;
}

static void set_body(CURL *c, struct exchange *x)
{
	if (x->method && streq(x->method, "HEAD"))
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else if (x->method)
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, x->method);
	if (!x->has_body)
		return;
	curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->body_len);
	curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(c, CURLOPT_READDATA, x);
	curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
	/* What comes behind the last byte is the registry's own work on the whole blob. */
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, UPLOAD_STALL_SECONDS);
}

/* ---- the exchange ---- */

static int add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = line ? curl_slist_append(*list, line) : *list;

	if (line && !more)
		return -ENOMEM;
	*list = more;
	return 0;
}

static int set_headers(struct fetch *f, struct exchange *x, struct curl_slist **list)
{
	const struct json_strs *own = &f->at->headers;
	int r = add_header(list, x->accept);

	if (r == 0)
		r = add_header(list, x->authorization);
	if (r == 0)
		r = add_header(list, x->content_type);
	if (r == 0)
		r = add_header(list, x->content_range);
	for (size_t i = 0; i < own->n && r == 0 && fetch_is_home(f, x->url); i++)
		r = add_header(list, own->v[i]);
	return r;
}

/* What the endpoint's own host is met with, and no other. */
static void set_home_options(struct fetch *f)
{
	const struct fetch_endpoint *at = f->at;
	struct curl_blob cert = { (void *)at->cert, at->cert ? strlen(at->cert) : 0,
				  CURL_BLOB_NOCOPY };
	struct curl_blob key = { (void *)at->key, at->key ? strlen(at->key) : 0, CURL_BLOB_NOCOPY };

	if (at->cert && at->key) {
		curl_easy_setopt(f->curl, CURLOPT_SSLCERT_BLOB, &cert);
		curl_easy_setopt(f->curl, CURLOPT_SSLKEY_BLOB, &key);
	}
	if (at->skip_verify) {
		curl_easy_setopt(f->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(f->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (at->connect_ms > 0)
		curl_easy_setopt(f->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)at->connect_ms);
}

/* Decided here, by URL: redirects and realms are other hosts. The environment has no say. */
static void set_proxy(struct fetch *f, const char *proxy)
{
	struct curl_blob ca = { f->ca, f->ca_len, CURL_BLOB_NOCOPY };

	curl_easy_setopt(f->curl, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(f->curl, CURLOPT_NOPROXY, "");
	curl_easy_setopt(f->curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (f->ca_len > 0)
		curl_easy_setopt(f->curl, CURLOPT_PROXY_CAINFO_BLOB, &ca);
}

static void set_options(struct fetch *f, struct exchange *x, struct curl_slist *list)
{
	const bool has_own = f->place->ca;
	struct curl_blob ca = { has_own ? f->place->ca : f->ca,
				has_own ? f->place->ca_len : f->ca_len, CURL_BLOB_NOCOPY };
	CURL *c = f->curl;

	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_URL, x->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, f->at->is_plain ? "http,https" : "https");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "corten/" CORTEN_VERSION);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, ANSWER_SECONDS);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_tick);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	if (ca.len > 0)
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
	set_proxy(f, proxy_for(&f->setup.proxy, x->url));
	if (fetch_is_home(f, x->url))
		set_home_options(f);
	if (!x->is_stream && x->offset > 0)
		curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)x->offset);
	if (x->is_stream && (x->offset > 0 || x->is_part)) {
		char range[48];

		/* libcurl copies it. */
		if (x->is_part)
			snprintf(range, sizeof(range), "%lld-%lld", (long long)x->offset,
				 (long long)x->size_max - 1);
		else
			snprintf(range, sizeof(range), "%lld-", (long long)x->offset);
		curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
	if (x->userpwd) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERPWD, x->userpwd);
	}
	if (x->form)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, x->form);
	set_body(c, x);
}

/* What goes wrong on the way to a proxy or at it. 0: something else. */
static int proxy_failure(const struct fetch *f, const struct exchange *x, CURLcode code,
			 struct err *e)
{
	const char *proxy = proxy_for(&f->setup.proxy, x->url);
	char text[PROXY_TEXT_MAX];
	long answer = 0;

	if (!proxy)
		return 0;
	proxy_display(proxy, text);
	curl_easy_getinfo(f->curl, CURLINFO_HTTP_CONNECTCODE, &answer);
	if (answer >= 300)
		return err_set_code(
			e, answer == 407 ? -EACCES : -EPROTO,
			answer == 407 ? ERR_UNAUTHENTICATED : ERR_UNAVAILABLE,
			"the proxy %s on the way to %s %s (%ld)", text, f->at->host,
			answer == 407 ? "asks for credentials" : "answers with an error", answer);
	if (code == CURLE_COULDNT_RESOLVE_PROXY)
		return err_set_code(e, -EHOSTUNREACH, ERR_UNAVAILABLE,
				    "the proxy's name cannot be resolved: %s", text);
	if (code == CURLE_COULDNT_CONNECT)
		return err_set_code(e, -ECONNREFUSED, ERR_UNAVAILABLE,
				    "no connection to the proxy %s on the way to %s", text,
				    f->at->host);
	return 0;
}

static int fail(const struct fetch *f, const struct exchange *x, CURLcode code, bool *ret_retry,
		struct err *e)
{
	const char *host = f->at->host;
	int r = proxy_failure(f, x, code, e);

	if (r < 0)
		return r;
	switch (code) {
	case CURLE_RANGE_ERROR:
		/* The server knows no ranges: begin anew. */
		*ret_retry = true;
		return err_set_code(e, -ERANGE, ERR_UNAVAILABLE, "%s sends no ranges", host);
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set_code(e, -EHOSTUNREACH, ERR_UNAVAILABLE,
				    "the registry's name cannot be resolved: %s", host);
	case CURLE_COULDNT_CONNECT:
		*ret_retry = f->place->has_answered;
		return err_set_code(e, -ECONNREFUSED, ERR_UNAVAILABLE,
				    "no connection to the registry %s", host);
	case CURLE_ABORTED_BY_CALLBACK:
		if (x->has_body)
			return err_set(e, -EPIPE, "nobody listens any more");
		*ret_retry = true;
		return err_set_code(e, -ETIMEDOUT, ERR_UNAVAILABLE,
				    "the registry %s sends less than %d bytes in %d s", host,
				    PACE_BYTES_MIN, PACE_WINDOW_MS / 1000);
	case CURLE_OPERATION_TIMEDOUT:
		*ret_retry = f->place->has_answered;
		return err_set_code(e, -ETIMEDOUT, ERR_UNAVAILABLE,
				    "the registry %s does not go on", host);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(e, -EPROTO, "TLS with the registry %s: %s", host,
			       curl_easy_strerror(code));
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(e, -EPROTO,
			       "the registry %s leads to a URL that is not https: %.200s", host,
			       x->url);
	case CURLE_OUT_OF_MEMORY:
		return err_set(e, -ENOMEM, "out of memory");
	default:
		*ret_retry = true;
		return err_set_code(e, -ECONNRESET, ERR_UNAVAILABLE, "the registry %s: %s", host,
				    curl_easy_strerror(code));
	}
}

int fetch_exchange(struct fetch *f, struct exchange *x, bool *ret_retry, struct err *e)
{
	struct curl_slist *list = NULL;
	char *location = NULL;
	CURLcode code;
	int r = set_headers(f, x, &list);

	x->f = f;
	x->at = x->offset;
	*ret_retry = false;
	if (r < 0) {
		curl_slist_free_all(list);
		return err_set(e, r, "out of memory");
	}
	set_options(f, x, list);
	code = curl_easy_perform(f->curl);
	curl_slist_free_all(list);
	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &x->status);
	if (x->failure == -EFBIG)
		return err_set(e, -EBADMSG, "the registry %s sends more than %lld bytes",
			       f->at->host,
			       (long long)(x->is_begun ? x->size_max : (int64_t)FETCH_BODY_MAX));
	if (x->failure == -EBADMSG)
		return err_set(e, -EBADMSG,
			       "the registry %s sends another range than the one it was asked for",
			       f->at->host);
	if (x->failure == -E2BIG)
		return err_set(e, -EPROTO, "the registry %s sends headers without end",
			       f->at->host);
	if (x->failure < 0)
		return err_sys(e, x->failure, "keep what the registry %s sends", f->at->host);
	if (x->status > 0)
		f->place->has_answered = true;
	x->is_slow = x->is_slow || code == CURLE_OPERATION_TIMEDOUT;
	/* An answer that says no may be cut short by its sender: what it says counts. */
	if (code != CURLE_OK && !x->is_cut && !(x->status >= 300 && !x->is_slow))
		return fail(f, x, code, ret_retry, e);
	curl_easy_getinfo(f->curl, CURLINFO_REDIRECT_URL, &location);
	x->location = location ? strdup(location) : NULL;
	return 0;
}
