/* One hosts.toml, as containerd reads it. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/toml.h"
#include "image/registry/hosts.h"
#include "image/registry/trail.h"

#define HEADERS_MAX 64
/* Longer waits for a connection hold every pull up. */
#define DIAL_MS_MAX 300000

struct reading {
	const char *dir;
	const struct registry_trail *t;
	struct arena *a;
	struct fetch_endpoint *to;
};

/* ---- one host's keys ---- */

static int read_capabilities(struct reading *rd, const struct toml *table, struct err *e)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[] = { { "pull", offsetof(struct fetch_endpoint, may_pull) },
		     { "resolve", offsetof(struct fetch_endpoint, may_resolve) },
		     { "push", offsetof(struct fetch_endpoint, may_push) } };
	struct json_strs caps = { 0 };
	int r = toml_get_strs(table, "capabilities", rd->a, &caps, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		*(bool *)((char *)rd->to + rows[i].offset) = caps.n == 0;
	for (size_t i = 0; i < caps.n; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(rows) && !streq(rows[k].name, caps.v[i]))
			k++;
		if (k == ARRAY_LEN(rows))
			return err_set(e, -EBADMSG, "line %u: unknown capability '%.80s'",
				       toml_get(table, "capabilities")->line, caps.v[i]);
		*(bool *)((char *)rd->to + rows[k].offset) = true;
	}
	return 0;
}

static int add_pem(struct reading *rd, const char *path, const char **to, struct err *e)
{
	AUTO_FREE char *whole = *path == '/' ? strdup(path) : str_printf("%s/%s", rd->dir, path);

	return whole ? registry_pem_add(whole, rd->a, to, e) : err_set(e, -ENOMEM, "out of memory");
}

static int read_ca(struct reading *rd, const struct toml *table, struct err *e)
{
	struct json_strs files = { 0 };
	int r = toml_get_strs(table, "ca", rd->a, &files, e);

	for (size_t i = 0; i < files.n && r == 0; i++)
		r = add_pem(rd, files.v[i], &rd->to->ca, e);
	return r;
}

/* A string: one file with both. A list: such files, or pairs. */
static int read_client(struct reading *rd, const struct toml *table, struct err *e)
{
	const struct toml *client = toml_get(table, "client"), *one = client, *key = NULL;
	int r;

	if (!client)
		return 0;
	if (client->kind == TOML_ARRAY) {
		one = client->first;
		if (client->n > 1)
			registry_tell(rd->t,
				      "  client: %zu passed over, an endpoint has one certificate",
				      client->n - 1);
	}
	if (one && one->kind == TOML_ARRAY && one->n >= 1 && one->n <= 2) {
		key = one->first->next;
		one = one->first;
	}
	if (!one && client->kind == TOML_ARRAY)
		return 0;
	if (one->kind != TOML_STRING || (key && key->kind != TOML_STRING))
		return err_set(e, -EBADMSG, "line %u: 'client' is no file, list of files or pairs",
			       client->line);
	r = add_pem(rd, one->s, &rd->to->cert, e);
	if (r == 0)
		r = add_pem(rd, key && *key->s ? key->s : one->s, &rd->to->key, e);
	return r;
}

/* Nothing that would end the header's line. */
static bool is_header(const char *name, const char *value)
{
	if (!*name)
		return false;
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || *p == ':' || *p == 0x7f)
			return false;
	for (const char *p = value; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}

static int read_headers(struct reading *rd, const struct toml *table, struct err *e)
{
	const struct toml *header = toml_get(table, "header");
	struct json_strs *to = &rd->to->headers;

	if (!header)
		return 0;
	if (header->kind != TOML_TABLE)
		return err_set(e, -EBADMSG, "line %u: 'header' is no table", header->line);
	to->v = arena_calloc(rd->a, HEADERS_MAX, sizeof(*to->v));
	if (!to->v)
		return err_set(e, -ENOMEM, "out of memory");
	for (const struct toml *h = header->first; h; h = h->next) {
		struct json_strs values = { 0 };
		int r = toml_get_strs(header, h->key, rd->a, &values, e);

		if (r < 0)
			return r;
		for (size_t i = 0; i < values.n; i++) {
			if (!is_header(h->key, values.v[i]))
				return err_set(e, -EBADMSG, "line %u: '%.80s' is no header",
					       h->line, h->key);
			if (to->n == HEADERS_MAX)
				return err_set(e, -E2BIG, "line %u: more than %d headers", h->line,
					       HEADERS_MAX);
			to->v[to->n] = arena_printf(rd->a, "%s: %s", h->key, values.v[i]);
			if (!to->v[to->n++])
				return err_set(e, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

static int read_timeout(struct reading *rd, const struct toml *table, struct err *e)
{
	const char *text = NULL;
	int64_t ns = 0;
	int r = toml_get_str(table, "dial_timeout", &text, e);

	if (r < 0 || !text)
		return r;
	if (clock_parse_duration(text, &ns) < 0 || ns <= 0 ||
	    ns > DIAL_MS_MAX * (int64_t)NSEC_PER_MSEC)
		return err_set(e, -EBADMSG,
			       "line %u: 'dial_timeout' is no duration from 1ms to 5m: '%.40s'",
			       toml_get(table, "dial_timeout")->line, text);
	rd->to->connect_ms = (uint32_t)MAX(ns / NSEC_PER_MSEC, 1);
	return 0;
}

static void tell_unknown(struct reading *rd, const struct toml *table, bool is_root)
{
	static const char *const known[] = { "capabilities", "ca",     "client",
					     "skip_verify",  "header", "override_path",
					     "dial_timeout", "server", "host" };

	for (const struct toml *m = table->first; m; m = m->next) {
		size_t i = 0, n = ARRAY_LEN(known) - (is_root ? 0 : 2);

		while (i < n && !streq(known[i], m->key))
			i++;
		if (i == n)
			registry_tell(rd->t, "  line %u: '%s' is unknown and passed over", m->line,
				      m->key);
	}
}

/* ---- the file ---- */

int registry_endpoint_url(const char *text, bool is_whole_path, struct arena *a,
			  struct fetch_endpoint *ret, struct err *e)
{
	const char *rest = str_skip(text, "https://"), *scheme = "https";
	size_t host_len, len;

	if (!rest && (rest = str_skip(text, "http://")))
		scheme = "http";
	if (!rest)
		rest = text;
	host_len = strcspn(rest, "/");
	len = strlen(rest);
	if (host_len == 0 || strpbrk(rest, "@?#\\ \t\r\n\"<>") || strstr(rest, "://") ||
	    strstr(rest, "/../") || str_ends(rest, "/.."))
		return err_set(e, -EINVAL, "'%.200s' is no URL of a registry", text);
	while (len > host_len && rest[len - 1] == '/')
		len--;
	ret->is_plain = streq(scheme, "http");
	ret->host = arena_strndup(a, rest, host_len);
	ret->url = arena_printf(a, "%s://%.*s", scheme, (int)len, rest);
	if (ret->url && !is_whole_path && !str_ends(ret->url, "/v2"))
		ret->url = arena_printf(a, "%s/v2", ret->url);
	return ret->host && ret->url ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* `url` NULL: the upstream, whose URL follows from the reference. */
static int read_host(struct reading *rd, const char *url, const struct toml *table, struct err *e)
{
	bool is_whole_path = false;
	int r = toml_get_bool(table, "override_path", &is_whole_path, e);

	if (r == 0)
		r = toml_get_bool(table, "skip_verify", &rd->to->skip_verify, e);
	if (r == 0 && url) {
		r = registry_endpoint_url(url, is_whole_path, rd->a, rd->to, e);
		if (r == -EINVAL)
			r = err_wrap(e, r, "line %u", table->line);
	}
	if (r == 0)
		r = read_capabilities(rd, table, e);
	if (r == 0)
		r = read_ca(rd, table, e);
	if (r == 0)
		r = read_client(rd, table, e);
	if (r == 0)
		r = read_headers(rd, table, e);
	if (r == 0)
		r = read_timeout(rd, table, e);
	return r;
}

int registry_hosts_file(const char *dir, const char *text, size_t len,
			const struct registry_trail *t, struct arena *a, struct registry_found *ret,
			struct err *e)
{
	struct reading rd = { .dir = dir, .t = t, .a = a };
	const struct toml *hosts, *h;
	const char *server = NULL;
	struct toml *root;
	int r = toml_read(text, len, NULL, a, &root, e);

	if (r == 0)
		r = toml_get_str(root, "server", &server, e);
	if (r < 0)
		return r;
	tell_unknown(&rd, root, true);
	hosts = toml_get(root, "host");
	if (hosts && hosts->kind != TOML_TABLE)
		return err_set(e, -EBADMSG, "line %u: 'host' is no table", hosts->line);
	if (hosts && hosts->n >= REGISTRY_ENDPOINTS_MAX)
		return err_set(e, -E2BIG, "line %u: more than %d hosts", hosts->line,
			       REGISTRY_ENDPOINTS_MAX - 1);
	for (h = hosts ? hosts->first : NULL; h && r == 0; h = h->next) {
		if (h->kind != TOML_TABLE)
			return err_set(e, -EBADMSG, "line %u: 'host.%.80s' is no table", h->line,
				       h->key);
		tell_unknown(&rd, h, false);
		rd.to = &ret->v[ret->n++];
		r = read_host(&rd, h->key, h, e);
	}
	if (r < 0)
		return r;
	rd.to = &ret->v[ret->n++];
	return read_host(&rd, server && *server ? server : NULL, root, e);
}
