#include "image/registry/credentials.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/base64.h"
#include "image/registry/helper.h"
#include "image/registry/trail.h"

#define DOCKER_HUB_KEY "https://index.docker.io/v1/"
/* What a helper calls the user when the secret is an identity token. */
#define TOKEN_USER "<token>"

static const struct json_field auth_rows[] = {
	JSON_ROW(credentials_auth, auth, "auth", JSON_STR, 0),
	JSON_ROW(credentials_auth, username, "username", JSON_STR, 0),
	JSON_ROW(credentials_auth, password, "password", JSON_STR, 0),
	JSON_ROW(credentials_auth, identity_token, "identitytoken", JSON_STR, 0),
};
static JSON_TABLE(auth_table, "auth", credentials_auth, auth_rows);

static const struct json_field file_rows[] = {
	JSON_ROW_SUB(credentials_file, auths, "auths", JSON_MAP_OBJS, 0, auth_table),
	JSON_ROW(credentials_file, creds_store, "credsStore", JSON_STR, 0),
	JSON_ROW(credentials_file, helpers, "credHelpers", JSON_MAP, 0),
};
JSON_TABLE(credentials_file_table, "credentials", credentials_file, file_rows);

/* ---- keys ---- */

static bool is_hub(const char *host, size_t len)
{
	static const char *const names[] = { "docker.io", "index.docker.io",
					     "registry-1.docker.io" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len && strncmp(names[i], host, len) == 0)
			return true;
	return false;
}

const char *credentials_key(const char *host)
{
	return is_hub(host, strlen(host)) ? DOCKER_HUB_KEY : host;
}

int credentials_key_fit(const char *key, const char *host, const char *repository)
{
	const char *scheme = strstr(key, "://"), *path;
	size_t host_len = strlen(host), n;

	key = scheme ? scheme + 3 : key;
	n = strcspn(key, "/");
	if (is_hub(host, host_len) ? !is_hub(key, n) : n != host_len || strncmp(key, host, n) != 0)
		return -1;
	path = key[n] ? key + n + 1 : "";
	n = strlen(path);
	while (n > 0 && path[n - 1] == '/')
		n--;
	/* "https://host/v1/" is how old files write the host. */
	if (n == 0 || scheme ||
	    (n == 2 && (strncmp(path, "v1", 2) == 0 || strncmp(path, "v2", 2) == 0)))
		return 0;
	return strncmp(path, repository, n) == 0 && (!repository[n] || repository[n] == '/')
		       ? (int)n
		       : -1;
}

/* ---- one file ---- */

struct search {
	const char *host, *repository, *path;
	const struct registry_trail *t;
	struct arena *a;
	struct credentials_file file; /* in hand */
	struct registry_credentials found;
};

static int take_pair(struct search *s, const struct credentials_auth *row, struct err *e)
{
	size_t len = strlen(row->auth);
	char *text = arena_alloc(s->a, BASE64_RAW_MAX(len) + 1), *colon;
	ssize_t n = text ? base64_decode(BASE64_STANDARD, row->auth, len, text) : -ENOMEM;

	colon = n > 0 ? memchr(text, ':', (size_t)n) : NULL;
	if (!colon || memchr(text, '\0', (size_t)n))
		return err_set(e, -EBADMSG, "the entry of '%.200s' in '%s' is none", row->key,
			       s->path);
	*colon = '\0';
	s->found.username = text;
	s->found.password = colon + 1;
	return 0;
}

static bool has_text(const char *s)
{
	return s && *s;
}

/* 1 when the row has something. */
static int take_row(struct search *s, const struct credentials_auth *row, struct err *e)
{
	int r = 0;

	if (has_text(row->identity_token)) {
		s->found.identity_token = row->identity_token;
	} else if (has_text(row->auth)) {
		r = take_pair(s, row, e);
	} else if (has_text(row->username)) {
		s->found.username = row->username;
		s->found.password = row->password;
	} else {
		registry_tell(s->t, "%s: the entry '%s' is empty", s->path, row->key);
		return 0;
	}
	if (r == 0)
		registry_tell(s->t, "%s: the entry '%s' is taken%s", s->path, row->key,
			      s->found.identity_token ? " (an identity token)" : "");
	return r < 0 ? r : 1;
}

static const struct credentials_auth *best_row(const struct search *s)
{
	const struct credentials_auth *best = NULL;
	int fit = -1;

	for (size_t i = 0; i < s->file.auths.n; i++) {
		const struct credentials_auth *row = &s->file.auths.v[i];
		int n = credentials_key_fit(row->key, s->host, s->repository);

		if (n > fit) {
			fit = n;
			best = row;
		}
	}
	return best;
}

static const struct json_pair *best_helper(const struct search *s)
{
	const struct json_pair *best = NULL;
	int fit = -1;

	for (size_t i = 0; i < s->file.helpers.n; i++) {
		int n = credentials_key_fit(s->file.helpers.v[i].key, s->host, s->repository);

		if (n > fit) {
			fit = n;
			best = &s->file.helpers.v[i];
		}
	}
	return best;
}

/* 1 when it has some. */
static int ask_helper(struct search *s, const char *name, const char *server, struct err *e)
{
	struct helper_answer answer;
	int r = helper_get(name, server, s->a, &answer, e);

	if (r < 0)
		return err_wrap(e, r, "'%s'", s->path);
	registry_tell(s->t, "%s: docker-credential-%s %s for '%s'", s->path, name,
		      r == 0 ? "has nothing" : "is taken", server);
	if (r == 0)
		return 0;
	if (streq(answer.username, TOKEN_USER)) {
		s->found.identity_token = answer.secret;
	} else {
		s->found.username = answer.username;
		s->found.password = answer.secret;
	}
	return 1;
}

static int search_file(struct search *s, struct err *e)
{
	const struct credentials_auth *row = best_row(s);
	const struct json_pair *helper = best_helper(s);
	int r = 0;

	if (helper && has_text(helper->value))
		r = ask_helper(s, helper->value, credentials_key(s->host), e);
	else if (has_text(s->file.creds_store))
		r = ask_helper(s, s->file.creds_store, row ? row->key : credentials_key(s->host),
			       e);
	if (r == 0 && row)
		r = take_row(s, row, e);
	else if (r == 0)
		registry_tell(s->t, "%s: has no entry for %s", s->path, s->host);
	return r;
}

/* ---- all files ---- */

int credentials_docker_path(char **ret, struct err *e)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (!has_text(dir) && !has_text(home))
		return err_set(e, -ENOENT, "neither HOME nor DOCKER_CONFIG is set");
	*ret = has_text(dir) ? str_printf("%s/config.json", dir)
			     : str_printf("%s/.docker/config.json", home);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int read_file(struct search *s, struct err *e)
{
	static const struct json_limits lim = { .bytes = CREDENTIALS_FILE_MAX };
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, s->path, CREDENTIALS_FILE_MAX, &text, &len);

	if (r == -ENOENT || r == -ENOTDIR) {
		registry_tell(s->t, "%s: not there", s->path);
		return 0;
	}
	if (r < 0)
		return err_sys(e, r, "read '%s'", s->path);
	r = json_read(&credentials_file_table, text, len, &lim, s->a, &s->file, e);
	explicit_bzero(text, len);
	if (r < 0)
		return err_wrap(e, r, "'%s'", s->path);
	return search_file(s, e);
}

/* The folder that an environment variable names, or its default below another, with the file's name behind. */
static char *in_folder(const char *variable, const char *home, const char *below, const char *file)
{
	const char *dir = getenv(variable);

	if (has_text(dir))
		return str_printf("%s/%s", dir, file);
	return has_text(home) ? str_printf("%s%s/%s", home, below, file) : NULL;
}

/* In their order; those that have no place here stay out. */
static int list_paths(char ***ret, struct err *e)
{
	AUTO_FREE char *run = str_printf("/run/containers/%u", getuid());
	const char *own = getenv("REGISTRY_AUTH_FILE"), *home = getenv("HOME");
	const char *dir = getenv("XDG_RUNTIME_DIR");
	AUTO_STRV char **v = NULL;
	char *path = NULL;
	int r = has_text(own) ? strv_add(&v, own) : 0;

	if (r == 0)
		r = has_text(dir) ? strv_addf(&v, "%s/containers/auth.json", dir)
				  : strv_addf(&v, "%s/auth.json", run ? run : "");
	if (r == 0 &&
	    (path = in_folder("XDG_CONFIG_HOME", home, "/.config", "containers/auth.json")))
		r = strv_take(&v, path);
	path = NULL;
	if (r == 0 && credentials_docker_path(&path, NULL) == 0)
		r = strv_take(&v, path);
	if (r < 0)
		return err_set(e, r, "out of memory");
	*ret = TAKE_PTR(v);
	return 0;
}

int registry_credentials_find(const char *host, const char *repository, const char *file,
			      const struct registry_trail *t, struct arena *a,
			      struct registry_credentials *ret, struct err *e)
{
	struct search s = { .host = host, .repository = repository, .t = t, .a = a };
	AUTO_STRV char **paths = NULL;
	int r = file ? strv_add(&paths, file) : list_paths(&paths, e);

	if (r == 0 && file && access(file, R_OK) < 0)
		r = err_sys(e, -errno, "read '%s'", file);
	for (size_t i = 0; r == 0 && paths[i]; i++) {
		/* Borrowed only as long as the list lives: words of errors are copies. */
		s.path = paths[i];
		r = read_file(&s, e);
		if (r > 0)
			for (i++; paths[i]; i++)
				registry_tell(t, "%s: passed over", paths[i]);
		if (r > 0)
			break;
	}
	if (r < 0)
		return r;
	*ret = s.found;
	return 0;
}
