#include "worker/links.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/str.h"
#include "worker/fetch.h"

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

/* A parameter's value, a token or a quoted string; the rest of the text. */
static const char *read_param(const char *s, bool *ret_is_next, bool is_rel)
{
	const char *end;
	bool is_quoted = *s == '"';

	s += is_quoted;
	end = is_quoted ? strchr(s, '"') : s + strcspn(s, ";, \t");
	if (!end)
		return s + strlen(s);
	/* rel may be a list of words. */
	for (const char *p = s; is_rel && p < end;) {
		size_t n = strcspn(p, " \t\";,");

		if (n == 4 && p + n <= end && strncasecmp(p, "next", 4) == 0)
			*ret_is_next = true;
		p += n;
		p += p < end;
	}
	return end + is_quoted;
}

static const char *read_params(const char *s, bool *ret_is_next)
{
	for (s = skip_space(s); *s == ';'; s = skip_space(s)) {
		const char *key = s = skip_space(s + 1);
		size_t n = strcspn(key, "=;, \t");

		s = skip_space(key + n);
		if (*s == '=')
			s = read_param(skip_space(s + 1), ret_is_next,
				       n == 3 && strncasecmp(key, "rel", 3) == 0);
	}
	return s;
}

char *link_next(const char *value)
{
	for (const char *s = skip_space(value); *s == '<';) {
		const char *url = s + 1, *end = strchr(url, '>');
		bool is_next = false;

		if (!end)
			return NULL;
		s = read_params(end + 1, &is_next);
		if (is_next && end > url)
			return strndup(url, (size_t)(end - url));
		if (*s != ',')
			return NULL;
		s = skip_space(s + 1);
	}
	return NULL;
}

static int get_part(CURLU *u, CURLUPart part, char **ret)
{
	return curl_url_get(u, part, ret, 0) == CURLUE_OK ? 0 : -EPROTO;
}

static bool is_allowed(CURLU *u, const char *base)
{
	char *scheme = NULL, *user = NULL;
	bool is_ok = get_part(u, CURLUPART_SCHEME, &scheme) == 0 &&
		     (streq(scheme, "https") ||
		      (streq(scheme, "http") && strncasecmp(base, "http://", 7) == 0)) &&
		     get_part(u, CURLUPART_USER, &user) < 0;

	curl_free(scheme);
	curl_free(user);
	return is_ok;
}

int url_resolve(const char *base, const char *to, char **ret, struct err *e)
{
	CURLU *u = curl_url();
	char *text = NULL;
	int r = u ? 0 : -ENOMEM;

	for (const char *p = to; r == 0 && *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			r = -EPROTO;
	if (r == 0 &&
	    (strlen(to) > FETCH_URL_MAX || curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK ||
	     curl_url_set(u, CURLUPART_URL, to, 0) != CURLUE_OK || !is_allowed(u, base) ||
	     get_part(u, CURLUPART_URL, &text) < 0 || strlen(text) > FETCH_URL_MAX))
		r = -EPROTO;
	if (r == 0) {
		*ret = strdup(text);
		r = *ret ? 0 : -ENOMEM;
	}
	curl_free(text);
	curl_url_cleanup(u);
	return r < 0 ? err_set(e, r,
			       "the registry leads to a URL that cannot be followed: '%.200s'", to)
		     : 0;
}

char *url_add_query(const char *url, const char *key, const char *value)
{
	AUTO_FREE char *pair = str_printf("%s=%s", key, value);
	CURLU *u = curl_url();
	char *text = NULL, *copy = NULL;

	if (u && pair && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) ==
		    CURLUE_OK &&
	    get_part(u, CURLUPART_URL, &text) == 0)
		copy = strdup(text);
	curl_free(text);
	curl_url_cleanup(u);
	return copy;
}
