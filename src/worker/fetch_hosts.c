/* Endpoints of a registry: which are asked, in which order, and what is said when none has it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"
#include "worker/fetch.h"

#define ENDPOINTS_MAX 64

/* Failures that another endpoint may not have; all else (memory, the file to be written) is ours. */
static const int elsewhere[] = {
	-ENOENT,    -EACCES,	 -EBUSY, -EPROTO, -EHOSTUNREACH, -ECONNREFUSED,
	-ETIMEDOUT, -ECONNRESET, -ELOOP, -ERANGE, -E2BIG,	 -EBADMSG,
};

static bool may_be_elsewhere(int r, bool is_mendable)
{
	if (r == -EBADMSG && !is_mendable)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
		if (elsewhere[i] == r)
			return true;
	return false;
}

int fetch_hosts_start(struct fetch *f, struct err *e)
{
	size_t n = f->setup.endpoints.n;

	if (n == 0 || n > ENDPOINTS_MAX)
		return err_set(e, -EINVAL, "%zu endpoints", n);
	f->places = arena_calloc(&f->a, n, sizeof(*f->places));
	if (!f->places)
		return err_set(e, -ENOMEM, "out of memory");
	f->at = f->setup.endpoints.v;
	f->place = f->places;
	return 0;
}

/* The system's authorities and the endpoint's. */
static int join_ca(struct fetch *f, struct err *e)
{
	struct fetch_place *p = f->place;
	size_t len = f->at->ca ? strlen(f->at->ca) : 0;

	if (len == 0 || p->ca)
		return 0;
	p->ca = malloc(f->ca_len + len + 2);
	if (!p->ca)
		return err_set(e, -ENOMEM, "out of memory");
	if (f->ca_len > 0)
		memcpy(p->ca, f->ca, f->ca_len);
	p->ca[f->ca_len] = '\n';
	memcpy(p->ca + f->ca_len + 1, f->at->ca, len + 1);
	p->ca_len = f->ca_len + 1 + len;
	return 0;
}

/* A tag is asked for where resolving and pulling are allowed, as containerd does. */
static bool may(const struct fetch_endpoint *at, enum fetch_need need)
{
	switch (need) {
	case FETCH_RESOLVE:
		return at->may_resolve && at->may_pull;
	case FETCH_PULL:
		return at->may_pull;
	default:
		return at->may_push;
	}
}

/* Those that answered, or were not tried, before those that are gone. */
static size_t order(const struct fetch *f, enum fetch_need need, size_t *v)
{
	size_t n = 0;

	for (int is_gone = 0; is_gone <= 1; is_gone++)
		for (size_t i = 0; i < f->setup.endpoints.n; i++)
			if (may(&f->setup.endpoints.v[i], need) && f->places[i].is_gone == is_gone)
				v[n++] = i;
	return n;
}

/*
 * One that stands in for the endpoint before it is not asked when that one lives: what https refused goes nowhere by http. A push
 * goes to one endpoint.
 */
static bool is_asked(const struct fetch *f, enum fetch_need need, const size_t *v, size_t i)
{
	if (f->setup.endpoints.v[v[i]].is_fallback)
		return v[i] > 0 && !f->places[v[i] - 1].has_answered;
	return need != FETCH_PUSH || i == 0 || f->setup.endpoints.v[v[0]].is_fallback;
}

/* "words of one; words of the next" */
static void join_words(struct err *all, const struct err *one)
{
	struct err before = *all;

	*all = *one;
	if (before.errnum)
		snprintf(all->msg, sizeof(all->msg), "%.*s; %.*s", (int)sizeof(all->msg) / 2 - 3,
			 before.msg, (int)sizeof(all->msg) / 2 - 1, one->msg);
}

int fetch_from_hosts(struct fetch *f, enum fetch_need need, bool is_mendable,
		     int (*one)(struct fetch *f, void *data, struct err *e), void *data,
		     struct err *e)
{
	static const char *const names[] = { "resolve", "pull", "push" };
	struct err all = ERR_INIT;
	size_t v[ENDPOINTS_MAX], n = order(f, need, v);
	int r = 0;

	if (n == 0)
		return err_set_code(e, -EOPNOTSUPP, ERR_FAILED_PRECONDITION,
				    "no endpoint of %s has the capability '%s'", f->setup.host,
				    names[need]);
	for (size_t i = 0; i < n; i++) {
		struct err why = ERR_INIT;

		if (!is_asked(f, need, v, i))
			continue;
		f->at = &f->setup.endpoints.v[v[i]];
		f->place = &f->places[v[i]];
		f->is_last = i + 1 == n;
		r = join_ca(f, &why);
		if (r == 0)
			r = one(f, data, &why);
		if (r >= 0)
			return r;
		f->place->is_gone = !f->place->has_answered;
		join_words(&all, &why);
		if (!may_be_elsewhere(r, is_mendable))
			break;
	}
	if (e)
		*e = all;
	return r;
}

char *fetch_url(struct fetch *f, const char *path)
{
	const char *slash = *f->setup.repository ? "/" : "", *mark = strchr(path, '?') ? "&" : "?";
	char *ns = f->at->ns ? curl_easy_escape(f->curl, f->at->ns, 0) : NULL;
	char *url;

	if (f->at->ns && !ns)
		return NULL;
	url = str_printf("%s/%s%s%s%s%s%s", f->at->url, f->setup.repository, slash, path,
			 ns ? mark : "", ns ? "ns=" : "", ns ? ns : "");
	curl_free(ns);
	return url;
}

bool fetch_is_home(const struct fetch *f, const char *url)
{
	const char *a = f->at->url, *pa = strstr(a, "://"), *pb = strstr(url, "://");
	size_t n;

	if (!pa || !pb)
		return false;
	n = (size_t)(pa - a) + 3 + strcspn(pa + 3, "/?#");
	return n == (size_t)(pb - url) + 3 + strcspn(pb + 3, "/?#") && strncmp(a, url, n) == 0;
}
