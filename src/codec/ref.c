/*
 * Image references. The grammar is read from left to right by small functions that say how many bytes
 * they match; normalisation comes first, as in docker, because its error words depend on that order.
 */
#include "codec/ref.h"

#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

#define DEFAULT_HOST "docker.io"
#define OLD_DEFAULT_HOST "index.docker.io"
#define OFFICIAL "library/"
#define DEFAULT_TAG "latest"
#define TAG_MAX 128
/* A reference without its digest. */
#define INPUT_MAX (REF_TEXT_MAX + DIGEST_TEXT_MAX)

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* "." or "_" or "__" or any number of "-" */
static size_t match_separator(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

/* Words of lower-case letters and digits with separators between; the bytes matched, 0 for none. */
static size_t match_component(const char *s)
{
	size_t n = 0, end = 0;

	for (;;) {
		while (is_lower_alnum(s[n]))
			n++;
		if (n == end)
			return 0;
		end = n;
		n += match_separator(s + n);
		if (n == end || !is_lower_alnum(s[n]))
			return end;
		end = n;
	}
}

static size_t match_path(const char *s)
{
	size_t n = match_component(s), more;

	while (n && s[n] == '/') {
		more = match_component(s + n + 1);
		if (!more)
			break;
		n += 1 + more;
	}
	return n;
}

/* "[::1]" */
static size_t match_ipv6(const char *s)
{
	size_t n = 1;

	while (is_hex(s[n]) || s[n] == ':')
		n++;
	return n > 1 && s[n] == ']' ? n + 1 : 0;
}

static size_t match_host_name(const char *s)
{
	size_t n = 0;

	for (;;) {
		size_t start = n;

		while (is_alnum(s[n]) || (s[n] == '-' && n > start))
			n++;
		if (n == start || s[n - 1] == '-')
			return 0;
		if (s[n] != '.')
			return n;
		n++;
	}
}

/* The whole of a host with an optional port. */
static bool is_host(const char *s)
{
	size_t n = *s == '[' ? match_ipv6(s) : match_host_name(s), digits;

	if (!n)
		return false;
	if (s[n] != ':')
		return s[n] == '\0';
	digits = strspn(s + n + 1, "0123456789");
	return digits > 0 && s[n + 1 + digits] == '\0';
}

static size_t match_tag(const char *s)
{
	size_t n = 0;

	while (is_alnum(s[n]) || s[n] == '_' || (n > 0 && (s[n] == '.' || s[n] == '-')))
		n++;
	return n <= TAG_MAX ? n : 0;
}

/* 64 hex digits are an id and never a name. */
static bool is_id(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int invalid(struct err *e)
{
	return err_set(e, -EINVAL, "invalid reference format");
}

static bool has_upper(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] >= 'A' && s[i] <= 'Z')
			return true;
	return false;
}

/* Whether what stands before the first slash names a host and not a folder of docker.io. */
static bool is_host_part(const char *s, size_t len)
{
	return memchr(s, '.', len) || memchr(s, ':', len) || has_upper(s, len) ||
	       (len == strlen("localhost") && memcmp(s, "localhost", len) == 0);
}

/* Splits off the host and gives what is behind it, with "library/" where docker puts it, in `rest`. */
static int split_host(const char *s, struct ref *ret, char *rest, size_t size, struct err *e)
{
	const char *slash = strchr(s, '/');
	const char *official = "";

	snprintf(ret->host, sizeof(ret->host), DEFAULT_HOST);
	if (slash && is_host_part(s, (size_t)(slash - s))) {
		size_t n = (size_t)(slash - s);

		if (n >= sizeof(ret->host))
			return invalid(e);
		memcpy(ret->host, s, n);
		ret->host[n] = '\0';
		s = slash + 1;
	}
	if (streq(ret->host, OLD_DEFAULT_HOST))
		snprintf(ret->host, sizeof(ret->host), DEFAULT_HOST);
	if (streq(ret->host, DEFAULT_HOST) && !strchr(s, '/'))
		official = OFFICIAL;
	if (snprintf(rest, size, "%s%s", official, s) >= (int)size)
		return invalid(e);
	return 0;
}

static int parse_digest(const char *s, struct ref *ret, struct err *e)
{
	const char *hex = strchr(s, ':');
	size_t len = hex ? strspn(hex + 1, "0123456789abcdefABCDEF") : 0;

	if (len < 32 || hex[1 + len])
		return invalid(e);
	if (!digest_is_valid(s)) {
		if (str_skip(s, "sha256:") || str_skip(s, "sha384:") || str_skip(s, "sha512:"))
			return err_set(e, -EINVAL, "invalid checksum digest length");
		return err_set(e, -EINVAL, "unsupported digest algorithm");
	}
	snprintf(ret->digest, sizeof(ret->digest), "%s", s);
	return 0;
}

/* Path, tag and digest. */
static int parse_rest(const char *rest, struct ref *ret, struct err *e)
{
	size_t n = match_path(rest), tag_len;

	if (!n)
		return invalid(e);
	if (n >= sizeof(ret->path))
		return err_set(e, -EINVAL, "repository name must not be more than %zu characters",
			       sizeof(ret->path) - 1);
	memcpy(ret->path, rest, n);
	ret->path[n] = '\0';
	rest += n;
	if (*rest == ':') {
		tag_len = match_tag(++rest);
		if (!tag_len)
			return invalid(e);
		memcpy(ret->tag, rest, tag_len);
		ret->tag[tag_len] = '\0';
		rest += tag_len;
	}
	if (*rest == '@')
		return parse_digest(rest + 1, ret, e);
	if (*rest)
		return invalid(e);
	if (!*ret->tag)
		snprintf(ret->tag, sizeof(ret->tag), DEFAULT_TAG);
	return 0;
}

int ref_parse(const char *s, struct ref *ret, struct err *e)
{
	struct ref ref = { 0 };
	char rest[INPUT_MAX];
	size_t name_len;
	int r;

	if (is_id(s))
		return err_set(
			e, -EINVAL,
			"invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
			s);
	r = split_host(s, &ref, rest, sizeof(rest), e);
	if (r)
		return r;
	name_len = strcspn(rest, ":");
	if (has_upper(rest, name_len))
		return err_set(e, -EINVAL,
			       "invalid reference format: repository name (%.*s) must be lowercase",
			       (int)name_len, rest);
	if (!is_host(ref.host))
		return invalid(e);
	r = parse_rest(rest, &ref, e);
	if (r == 0)
		*ret = ref;
	return r;
}

const char *ref_full(const struct ref *r, char buf[REF_TEXT_MAX + DIGEST_TEXT_MAX])
{
	snprintf(buf, REF_TEXT_MAX + DIGEST_TEXT_MAX, "%s/%s%s%s%s%s", r->host, r->path,
		 *r->tag ? ":" : "", r->tag, *r->digest ? "@" : "", r->digest);
	return buf;
}

const char *ref_familiar_name(const struct ref *r, char buf[REF_TEXT_MAX])
{
	const char *path = r->path, *name;

	if (!streq(r->host, DEFAULT_HOST)) {
		snprintf(buf, REF_TEXT_MAX, "%s/%s", r->host, path);
		return buf;
	}
	name = str_skip(path, OFFICIAL);
	snprintf(buf, REF_TEXT_MAX, "%s", name && !strchr(name, '/') ? name : path);
	return buf;
}
