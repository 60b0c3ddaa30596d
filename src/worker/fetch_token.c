/* Tokens: the realm is asked for one, with the registry's credentials only where they may go. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/fetch.h"
#include "worker/token_time.h"

struct token_answer {
	const char *token, *access_token, *issued_at;
	int64_t expires_in;
};
static const struct json_field token_rows[] = {
	JSON_ROW(token_answer, token, "token", JSON_STR, 0),
	JSON_ROW(token_answer, access_token, "access_token", JSON_STR, 0),
	JSON_ROW(token_answer, issued_at, "issued_at", JSON_STR, 0),
	JSON_ROW(token_answer, expires_in, "expires_in", JSON_I64, 0),
};
static JSON_TABLE(token_table, "token", token_answer, token_rows);

struct error_item {
	const char *code, *message;
};
static const struct json_field item_rows[] = {
	JSON_ROW(error_item, code, "code", JSON_STR, 0),
	JSON_ROW(error_item, message, "message", JSON_STR, 0),
};
static JSON_TABLE(item_table, "error", error_item, item_rows);
struct error_answer {
	struct {
		struct error_item *v;
		size_t n;
	} errors;
};
static const struct json_field error_rows[] = {
	JSON_ROW_SUB(error_answer, errors, "errors", JSON_OBJS, 0, item_table),
};
static JSON_TABLE(error_table, "errors", error_answer, error_rows);

#define ANSWER_BUDGET ((size_t)1 << 20)

static const struct {
	long status;
	int r;
	enum err_code code;
	const char *words;
} statuses[] = {
	{ 401, -EACCES, ERR_UNAUTHENTICATED, "asks for credentials, or refuses those it got" },
	{ 403, -EACCES, ERR_PERMISSION_DENIED, "denies access" },
	{ 404, -ENOENT, ERR_NOT_FOUND, "does not have it" },
	{ 407, -EACCES, ERR_UNAUTHENTICATED, "is behind a proxy that asks for credentials" },
	{ 429, -EBUSY, ERR_RESOURCE_EXHAUSTED, "has too many requests" },
	{ 503, -EBUSY, ERR_UNAVAILABLE, "is not available" },
};

int fetch_status_error(const struct exchange *x, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = ANSWER_BUDGET };
	struct error_answer answer = { 0 };
	const char *words = "answers with an error", *own = NULL;
	enum err_code code = ERR_UNKNOWN;
	int r = -EPROTO;

	if (x->text &&
	    json_read(&error_table, x->text, x->text_len, NULL, &a, &answer, NULL) == 0 &&
	    answer.errors.n > 0)
		own = answer.errors.v[0].message ? answer.errors.v[0].message
						 : answer.errors.v[0].code;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (statuses[i].status != x->status)
			continue;
		r = statuses[i].r;
		code = statuses[i].code;
		words = statuses[i].words;
	}
	return err_set_code(e, r, code, "the registry %s %s (%ld%s%.200s)", x->f->at->host, words,
			    x->status, own ? ": " : "", own ? own : "");
}

static void add_escaped(struct fetch *f, struct strbuf *b, const char *before, const char *value)
{
	char *text = *value ? curl_easy_escape(f->curl, value, 0) : NULL;

	if (!text)
		return;
	strbuf_addf(b, "%s%s", before, text);
	curl_free(text);
}

static const char *scope_of(struct fetch *f, const struct challenge *c, const char *actions,
			    char *buf, size_t size)
{
	if (c->scope[0])
		return c->scope;
	*buf = '\0';
	if (*f->setup.repository)
		snprintf(buf, size, "repository:%s:%s", f->setup.repository, actions);
	return buf;
}

/* OAuth2 with a refresh token is a POST, everything else a GET. */
static void build(struct fetch *f, const struct challenge *c, const char *actions, bool is_oauth,
		  struct strbuf *url, struct strbuf *form)
{
	char scope[512];
	struct strbuf *to = is_oauth ? form : url;

	strbuf_adds(url, c->realm);
	if (is_oauth)
		strbuf_adds(form, "grant_type=refresh_token&client_id=corten");
	else
		strbuf_adds(url, strchr(c->realm, '?') ? "&client_id=corten" : "?client_id=corten");
	add_escaped(f, to, "&service=", c->service);
	add_escaped(f, to, "&scope=", scope_of(f, c, actions, scope, sizeof(scope)));
	if (is_oauth)
		add_escaped(f, form, "&refresh_token=", f->at->identity_token);
}

/* ---- the cache ---- */

const char *fetch_token_header(struct fetch *f, const char *actions)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < FETCH_TOKENS_MAX; i++) {
		const struct fetch_token *t = &f->tokens[i];

		if (t->at == f->at && now < t->until_ms && streq(t->actions, actions))
			return t->header;
	}
	return NULL;
}

/* In place of the one for the same, else of a free one, else of the one that ends first. */
static int keep_token(struct fetch *f, const char *actions, const char *token, int64_t lifetime_s,
		      struct err *e)
{
	struct fetch_token *to = &f->tokens[0];

	for (size_t i = 0; i < FETCH_TOKENS_MAX; i++) {
		struct fetch_token *t = &f->tokens[i];

		if (t->at == f->at && streq(t->actions, actions)) {
			to = t;
			break;
		}
		if (to->at && (!t->at || t->until_ms < to->until_ms))
			to = t;
	}
	free(to->actions);
	free(to->header);
	*to = (struct fetch_token){ .at = f->at,
				    .actions = strdup(actions),
				    .header = str_printf("Authorization: Bearer %s", token),
				    .until_ms = clock_mono_ms() + lifetime_s * 1000 };
	if (to->actions && to->header)
		return 0;
	free(to->actions);
	free(to->header);
	*to = (struct fetch_token){ 0 };
	return err_set(e, -ENOMEM, "out of memory");
}

/* A token goes into a header: nothing may end the line. */
static bool is_clean(const char *token)
{
	for (const char *p = token; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return false;
	return *token;
}

static int take_token(struct fetch *f, const char *actions, const struct exchange *x, struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = ANSWER_BUDGET };
	struct token_answer answer;
	const char *token;
	int r = json_read(&token_table, x->text ? x->text : "", x->text_len, NULL, &a, &answer, e);

	if (r < 0)
		return err_wrap(e, r, "the token of %s", f->at->host);
	token = answer.token ? answer.token : answer.access_token;
	if (!token || strlen(token) > FETCH_TOKEN_MAX || !is_clean(token))
		return err_set(e, -EBADMSG, "the token of %s is none", f->at->host);
	return keep_token(f, actions, token,
			  token_lifetime_s(answer.expires_in, answer.issued_at, clock_wall_ns()),
			  e);
}

static int ask_token(struct fetch *f, const struct challenge *c, const char *actions,
		     bool is_trusted, struct err *e)
{
	AUTO_STRBUF struct strbuf url = { 0 };
	AUTO_STRBUF struct strbuf form = { 0 };
	AUTO_FREE char *userpwd = NULL;
	bool is_retry, is_oauth = is_trusted && f->at->identity_token;
	struct exchange x = { .fd = -EBADF };
	int r;

	build(f, c, actions, is_oauth, &url, &form);
	if (is_trusted && !is_oauth && f->at->username)
		userpwd = str_printf("%s:%s", f->at->username,
				     f->at->password ? f->at->password : "");
	if (strbuf_ok(&url) < 0 || strbuf_ok(&form) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (url.len > FETCH_URL_MAX)
		return err_set(e, -E2BIG, "the realm's URL is too long");
	x.url = url.p;
	x.userpwd = userpwd;
	x.form = is_oauth ? form.p : NULL;
	r = fetch_exchange(f, &x, &is_retry, e);
	if (r == 0 && x.status != 200)
		r = fetch_status_error(&x, e);
	if (r == 0)
		r = take_token(f, actions, &x, e);
	else
		r = err_wrap(e, r, "ask '%.200s' for a token", c->realm);
	exchange_done(&x);
	return r;
}

int fetch_authorise(struct fetch *f, const struct challenge *c, const char *actions, struct err *e)
{
	bool has_credentials = f->at->username || f->at->identity_token;
	bool is_trusted;
	int r;

	if (c->scheme == CHALLENGE_BASIC && f->at->username && !f->place->is_basic) {
		f->place->is_basic = true;
		return 0;
	}
	if (c->scheme != CHALLENGE_BEARER)
		return err_set_code(e, -EACCES, ERR_UNAUTHENTICATED, "the registry %s %s",
				    f->at->host,
				    f->place->is_basic
					    ? "refuses the credentials"
					    : "asks for credentials, and there are none");
	is_trusted = challenge_is_trusted(f->at->host, f->at->is_plain, c->realm);
	/* A login that asks a foreign realm without them would prove nothing. */
	if (has_credentials && !is_trusted && !*f->setup.repository)
		return err_set_code(e, -EACCES, ERR_UNAUTHENTICATED,
				    "credentials of %s are not sent to the foreign realm '%.200s'",
				    f->at->host, c->realm);
	r = ask_token(f, c, actions, is_trusted, e);
	if (r < 0 && has_credentials && !is_trusted)
		return err_wrap(e, r,
				"credentials of %s are not sent to the foreign realm '%.200s'",
				f->at->host, c->realm);
	return r;
}
