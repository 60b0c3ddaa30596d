#include "worker/challenge.h"

#include <stdio.h>
#include <strings.h>

#include "base/err.h"
#include "base/str.h"

#define HOST_MAX 300

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(const char *s)
{
	size_t n = 0;

	while (is_token(s[n]))
		n++;
	return n;
}

/* A quoted string or a token into `buf`; the rest of the text, or NULL. */
static const char *read_value(const char *s, char *buf, size_t size)
{
	bool is_quoted = *s == '"';
	size_t n = 0;

	s += is_quoted;
	while (*s && (is_quoted ? *s != '"' : is_token(*s))) {
		if (is_quoted && *s == '\\' && s[1])
			s++;
		if ((unsigned char)*s < 0x20 || n + 1 >= size)
			return NULL;
		buf[n++] = *s++;
	}
	buf[n] = '\0';
	if (!is_quoted)
		return s;
	return *s == '"' ? s + 1 : NULL;
}

static void keep(struct challenge *c, const char *key, size_t len, const char *value)
{
	const struct {
		const char *key;
		char *to;
	} rows[] = { { "realm", c->realm }, { "service", c->service }, { "scope", c->scope } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].key) == len && strncasecmp(rows[i].key, key, len) == 0)
			snprintf(rows[i].to, CHALLENGE_TEXT_MAX, "%s", value);
}

/* One scheme with its parameters. */
static const char *read_one(const char *s, struct challenge *ret)
{
	char value[CHALLENGE_TEXT_MAX];
	size_t len = token_len(s);

	*ret = (struct challenge){ 0 };
	if (len == 0)
		return NULL;
	if (len == 6 && strncasecmp(s, "bearer", 6) == 0)
		ret->scheme = CHALLENGE_BEARER;
	else if (len == 5 && strncasecmp(s, "basic", 5) == 0)
		ret->scheme = CHALLENGE_BASIC;
	s = skip_space(s + len);
	for (;;) {
		const char *key = s;

		len = token_len(key);
		s = skip_space(key + len);
		/* A word without "=" begins the next challenge. */
		if (len == 0 || *s != '=')
			return key;
		s = read_value(skip_space(s + 1), value, sizeof(value));
		if (!s)
			return NULL;
		keep(ret, key, len, value);
		s = skip_space(s);
		while (*s == ',')
			s = skip_space(s + 1);
	}
}

int challenge_parse(const char *value, struct challenge *ret)
{
	struct challenge best = { 0 }, one;
	const char *s = skip_space(value);

	while (*s) {
		const char *next = read_one(s, &one);

		if (!next || next == s)
			return -EBADMSG;
		if (one.scheme > best.scheme)
			best = one;
		s = next;
	}
	if (best.scheme == CHALLENGE_BEARER && !best.realm[0])
		return -EBADMSG;
	*ret = best;
	return 0;
}

/* The authority of a URL: "name[:port]". */
static bool url_host(const char *url, char buf[HOST_MAX])
{
	size_t n = strcspn(url, "/?#");

	if (n == 0 || n >= HOST_MAX || memchr(url, '@', n) || memchr(url, '\\', n))
		return false;
	snprintf(buf, HOST_MAX, "%.*s", (int)n, url);
	return true;
}

static void cut_port(char *host)
{
	char *colon = strrchr(host, ':');

	if (colon && !strchr(colon, ']'))
		*colon = '\0';
}

static const char *domain_above(const char *host)
{
	const char *dot = strchr(host, '.');

	return dot && strchr(dot + 1, '.') ? dot + 1 : NULL;
}

bool challenge_is_trusted(const char *host, bool is_plain, const char *realm)
{
	char own[HOST_MAX], other[HOST_MAX];
	const char *rest = str_skip(realm, "https://"), *above, *above_other;

	snprintf(own, sizeof(own), "%s", host);
	if (!rest && is_plain) {
		rest = str_skip(realm, "http://");
		return rest && url_host(rest, other) && strcasecmp(own, other) == 0;
	}
	if (!rest || !url_host(rest, other))
		return false;
	cut_port(own);
	cut_port(other);
	if (strcasecmp(own, other) == 0)
		return true;
	/* Numbers have no domain above them. */
	if (own[strspn(own, "0123456789.")] == '\0' || strchr(own, ':') || strchr(other, ':'))
		return false;
	above = domain_above(own);
	above_other = strchr(other, '.') ? strchr(other, '.') + 1 : NULL;
	if (!above)
		return false;
	return strcasecmp(above, other) == 0 ||
	       (above_other && strcasecmp(above, above_other) == 0);
}
