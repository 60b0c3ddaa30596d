/* docker's config.json: read by the process that the user started, as the user. */
#include "image/priv.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/base64.h"
#include "spec/fetch_setup.h"

#define CONFIG_MAX ((size_t)1 << 20)
#define DOCKER_HUB "registry-1.docker.io"
#define DOCKER_HUB_KEY "https://index.docker.io/v1/"

struct auth {
	const char *key; /* first: JSON_MAP_OBJS */
	const char *auth, *username, *password, *identity_token;
};
static const struct json_field auth_rows[] = {
	JSON_ROW(auth, auth, "auth", JSON_STR, 0),
	JSON_ROW(auth, username, "username", JSON_STR, 0),
	JSON_ROW(auth, password, "password", JSON_STR, 0),
	JSON_ROW(auth, identity_token, "identitytoken", JSON_STR, 0),
};
static JSON_TABLE(auth_table, "auth", auth, auth_rows);

struct docker_config {
	struct {
		struct auth *v;
		size_t n;
	} auths;
	const char *creds_store;
	struct json_map helpers;
};
static const struct json_field config_rows[] = {
	JSON_ROW_SUB(docker_config, auths, "auths", JSON_MAP_OBJS, 0, auth_table),
	JSON_ROW(docker_config, creds_store, "credsStore", JSON_STR, 0),
	JSON_ROW(docker_config, helpers, "credHelpers", JSON_MAP, 0),
};
static JSON_TABLE(config_table, "config.json", docker_config, config_rows);

/* "https://host/v1/" and "host" name the same. */
static bool is_key_of(const char *key, const char *host)
{
	const char *p = strstr(key, "://");
	size_t n;

	if (streq(host, DOCKER_HUB) && (streq(key, DOCKER_HUB_KEY) || streq(key, "docker.io")))
		return true;
	p = p ? p + 3 : key;
	n = strcspn(p, "/");
	return n == strlen(host) && strncmp(p, host, n) == 0;
}

static int decode(const struct auth *row, struct arena *a, struct fetch_setup *ret, struct err *e)
{
	size_t len = strlen(row->auth);
	char *text = arena_alloc(a, BASE64_RAW_MAX(len) + 1), *colon;
	ssize_t n = text ? base64_decode(BASE64_STANDARD, row->auth, len, text) : -ENOMEM;

	colon = n > 0 ? memchr(text, ':', (size_t)n) : NULL;
	if (!colon || memchr(text, '\0', (size_t)n))
		return err_set(e, -EBADMSG, "the entry of '%.200s' in docker's config.json is none",
			       row->key);
	*colon = '\0';
	ret->username = text;
	ret->password = colon + 1;
	return 0;
}

static int take_row(const struct docker_config *c, const struct auth *row, struct arena *a,
		    struct fetch_setup *ret, struct err *e)
{
	bool has = (row->auth && *row->auth) || (row->username && *row->username);

	if (row->identity_token && *row->identity_token)
		ret->identity_token = row->identity_token;
	else if (row->auth && *row->auth)
		return decode(row, a, ret, e);
	else if (has) {
		ret->username = row->username;
		ret->password = row->password;
	} else if (c->creds_store && *c->creds_store)
		return err_set(
			e, -EOPNOTSUPP,
			"the credentials of '%.200s' are kept by the credential helper '%.100s', which is not supported yet",
			row->key, c->creds_store);
	return 0;
}

static int find(const struct docker_config *c, const char *host, struct arena *a,
		struct fetch_setup *ret, struct err *e)
{
	for (size_t i = 0; i < c->helpers.n; i++)
		if (is_key_of(c->helpers.v[i].key, host))
			return err_set(
				e, -EOPNOTSUPP,
				"credential helper '%.100s' of '%.200s' is not supported yet",
				c->helpers.v[i].value, host);
	for (size_t i = 0; i < c->auths.n; i++)
		if (is_key_of(c->auths.v[i].key, host))
			return take_row(c, &c->auths.v[i], a, ret, e);
	return 0;
}

int image_credentials(const char *host, struct arena *a, struct fetch_setup *ret, struct err *e)
{
	static const struct json_limits lim = { .bytes = CONFIG_MAX };
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *text = NULL;
	struct docker_config c;
	size_t len;
	int r;

	if (!dir && !home)
		return 0;
	path = dir ? str_printf("%s/config.json", dir) : str_printf("%s/.docker/config.json", home);
	if (!path)
		return err_set(e, -ENOMEM, "out of memory");
	r = file_read_at(AT_FDCWD, path, CONFIG_MAX, &text, &len);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return err_sys(e, r, "read '%s'", path);
	r = json_read(&config_table, text, len, &lim, a, &c, e);
	return r < 0 ? err_wrap(e, r, "'%s'", path) : find(&c, host, a, ret, e);
}
