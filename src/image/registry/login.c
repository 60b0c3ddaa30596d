#include "image/registry/login.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/ref.h"
#include "image/registry/ask.h"
#include "image/registry/credentials.h"
#include "image/registry/helper.h"
#include "image/registry/hosts.h"

/* What /v2/ says is not looked at. */
#define PING_BYTES_MAX ((size_t)64 << 10)
#define SECRET_MAX ((size_t)64 << 10)

/* ---- the server ---- */

int registry_server_host(const char *server, struct arena *a, const char **ret, struct err *e)
{
	const char *text = server && *server ? server : "docker.io";
	const char *rest = strstr(text, "://");
	struct ref ref;
	char *name, *whole;

	rest = rest ? rest + 3 : text;
	name = arena_strndup(a, rest, strcspn(rest, "/"));
	/* A reference's grammar is the host's; one without dot and port is a host all the same. */
	whole = name ? arena_printf(a, "%s/a", name) : NULL;
	if (!whole)
		return err_set(e, -ENOMEM, "out of memory");
	if (ref_parse(whole, &ref, NULL) < 0 || strchr(name, '@'))
		return err_set(e, -EINVAL, "'%.200s' is no registry", server ? server : "");
	if (streq(name, "index.docker.io") || streq(name, "registry-1.docker.io"))
		name = arena_strdup(a, "docker.io");
	*ret = name;
	return name ? 0 : err_set(e, -ENOMEM, "out of memory");
}

const char *registry_server_name(const char *host)
{
	return credentials_key(host);
}

/* ---- trying ---- */

/* At the registry itself, not at a mirror. */
static int set_up(const char *host, struct arena *a, struct fetch_setup *ret, struct err *e)
{
	int r;

	*ret = (struct fetch_setup){ .host = host, .repository = "" };
	r = registry_hosts_find(host, NULL, a, ret, e);
	if (r < 0)
		return r;
	ret->endpoints.v += ret->endpoints.n - 1;
	ret->endpoints.n = 1;
	ret->endpoints.v[0].may_pull = true;
	registry_proxies(&ret->proxy);
	return 0;
}

static int try_setup(const struct fetch_setup *s, struct err *e)
{
	struct registry_answer answer = { 0 };
	int r = registry_ask(s, "", PING_BYTES_MAX, &answer, e);

	registry_answer_done(&answer);
	return r;
}

int registry_login_try(const char *host, const char *username, const char *password, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct fetch_setup s;
	int r = set_up(host, &a, &s, e);

	if (r < 0)
		return r;
	s.endpoints.v[0].username = username;
	s.endpoints.v[0].password = password;
	return try_setup(&s, e);
}

int registry_login_try_kept(const char *host, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct registry_credentials c = { 0 };
	struct fetch_setup s;
	int r = registry_credentials_find(registry_upstream(host), "", NULL, NULL, &a, &c, e);

	if (r == 0 && !c.username && !c.identity_token)
		return -ENOENT;
	if (r == 0)
		r = set_up(host, &a, &s, e);
	if (r < 0)
		return r;
	s.endpoints.v[0].username = c.username;
	s.endpoints.v[0].password = c.password;
	s.endpoints.v[0].identity_token = c.identity_token;
	return try_setup(&s, e);
}

/* ---- config.json ---- */

struct config {
	char *path; /* links resolved */
	char *text; /* "{}" when there is no file */
	size_t len;
	struct stat st;
	bool is_there;
	struct credentials_file file; /* in the arena */
};

static void config_done(struct config *c)
{
	if (c->text)
		explicit_bzero(c->text, c->len);
	free(c->path);
	free(c->text);
}

static int read_config(struct config *c, struct arena *a, struct err *e)
{
	static const struct json_limits lim = { .bytes = CREDENTIALS_FILE_MAX };
	char *real;
	int r = credentials_docker_path(&c->path, e);

	if (r < 0)
		return r;
	/* The file behind a link is the one that is replaced. */
	real = realpath(c->path, NULL);
	if (real) {
		free(c->path);
		c->path = real;
	}
	r = file_read_at(AT_FDCWD, c->path, CREDENTIALS_FILE_MAX, &c->text, &c->len);
	c->is_there = r == 0 && stat(c->path, &c->st) == 0;
	if (r == -ENOENT) {
		c->text = strdup("{}");
		c->len = 2;
		r = c->text ? 0 : -ENOMEM;
	}
	if (r < 0)
		return err_sys(e, r, "read '%s'", c->path);
	r = json_read(&credentials_file_table, c->text, c->len, &lim, a, &c->file, e);
	return r < 0 ? err_wrap(e, r, "'%s'", c->path) : 0;
}

struct edit {
	const char *host;
	const char *value; /* JSON text of the entry; NULL: it goes */
	bool is_done;
};

/* Members of one object, raw: `each` writes those that stay. */
static int each_member(const char *text, size_t len, struct arena *a,
		       int (*each)(struct json_writer *w, const char *key,
				   const struct json_raw *raw, struct edit *edit, struct arena *a,
				   struct err *e),
		       struct json_writer *w, struct edit *edit, struct err *e)
{
	struct json_reader rd;
	int r = 0;

	json_reader_init(&rd, text, len, NULL, a, e);
	if (json_next(&rd) != JSON_T_OBJECT)
		return err_set(e, -EBADMSG, "no object");
	while (r == 0 && json_next(&rd) == JSON_T_KEY) {
		const char *key = rd.text;
		struct json_raw raw;

		r = json_skip(&rd, &raw);
		if (r == 0)
			r = each(w, key, &raw, edit, a, e);
	}
	return r < 0 ? r : rd.r;
}

static int put_auth(struct json_writer *w, const char *key, const struct json_raw *raw,
		    struct edit *edit, struct arena *a, struct err *e)
{
	(void)a, (void)e;
	/* All that names the host as a whole; what is of one repository stays. */
	if (credentials_key_fit(key, edit->host, "") != 0)
		json_put_raw(w, key, raw->p, raw->len);
	return 0;
}

static int put_auths(struct json_writer *w, const struct json_raw *raw, struct edit *edit,
		     struct arena *a, struct err *e)
{
	int r = 0;

	edit->is_done = true;
	json_begin_object(w, "auths");
	if (raw && raw->len > 0 && *raw->p == '{')
		r = each_member(raw->p, raw->len, a, put_auth, w, edit, e);
	if (r == 0 && edit->value)
		json_put_raw(w, credentials_key(edit->host), edit->value, strlen(edit->value));
	json_end_object(w);
	return r;
}

static int put_member(struct json_writer *w, const char *key, const struct json_raw *raw,
		      struct edit *edit, struct arena *a, struct err *e)
{
	if (streq(key, "auths"))
		return put_auths(w, raw, edit, a, e);
	json_put_raw(w, key, raw->p, raw->len);
	return 0;
}

/* The folder is made if need be; the owner of a file that was there stays its owner. */
static int write_config(const struct config *c, const char *text, size_t len, struct err *e)
{
	AUTO_FREE char *copy = strdup(c->path);
	AUTO_FD dir = -EBADF;
	const char *name = strrchr(c->path, '/');
	int r;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	name = name ? name + 1 : c->path;
	r = dir_make_all(dirname(copy), 0700);
	if (r == 0) {
		dir = open(copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = dir < 0 ? -errno : file_replace_at(dir, name, text, len, 0600, 0);
	}
	if (r == 0 && c->is_there && c->st.st_uid != geteuid() &&
	    fchownat(dir, name, c->st.st_uid, c->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write '%s'", c->path) : 0;
}

static int edit_config(const struct config *c, struct edit *edit, struct arena *a, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_writer w = { .out = &b, .flags = JSON_PRETTY | JSON_TABS };
	int r;

	json_begin_object(&w, NULL);
	r = each_member(c->text, c->len, a, put_member, &w, edit, e);
	if (r == 0 && !edit->is_done)
		r = put_auths(&w, NULL, edit, a, e);
	json_end_object(&w);
	strbuf_addc(&b, '\n');
	if (r == 0 && strbuf_ok(&b) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = write_config(c, b.p, b.len, e);
	else
		r = err_wrap(e, r, "'%s'", c->path);
	if (b.p)
		explicit_bzero(b.p, b.len);
	return r;
}

/* The helper that keeps this host's credentials, or NULL. */
static const char *find_helper(const struct config *c, const char *host)
{
	for (size_t i = 0; i < c->file.helpers.n; i++)
		if (credentials_key_fit(c->file.helpers.v[i].key, host, "") == 0 &&
		    *c->file.helpers.v[i].value)
			return c->file.helpers.v[i].value;
	return c->file.creds_store && *c->file.creds_store ? c->file.creds_store : NULL;
}

/* {"auth": "…"} */
static int encode(const char *username, const char *password, struct arena *a, const char **ret,
		  struct err *e)
{
	AUTO_FREE char *pair = str_printf("%s:%s", username, password);
	size_t len = pair ? strlen(pair) : 0;
	char *text = pair ? arena_alloc(a, BASE64_LEN(len) + 1) : NULL;

	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	base64_encode(BASE64_STANDARD, pair, len, text);
	explicit_bzero(pair, len);
	*ret = arena_printf(a, "{\n\t\t\t\"auth\": \"%s\"\n\t\t}", text);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int registry_login_keep(const char *host, const char *username, const char *password,
			struct arena *a, const char **ret_path, struct err *e)
{
	CLEANUP(config_done) struct config c = { 0 };
	struct edit edit = { .host = host };
	const char *helper;
	int r;

	if (strchr(username, ':') || strlen(username) + strlen(password) > SECRET_MAX)
		return err_set(
			e, -EINVAL,
			"a user name cannot have a colon, nor a password more than %zu bytes",
			SECRET_MAX);
	r = read_config(&c, a, e);
	if (r < 0)
		return r;
	helper = find_helper(&c, host);
	if (helper) {
		r = helper_store(helper, credentials_key(host), username, password, e);
		edit.value = "{}";
	} else {
		r = encode(username, password, a, &edit.value, e);
	}
	if (r == 0)
		r = edit_config(&c, &edit, a, e);
	if (r < 0)
		return r;
	*ret_path = helper ? NULL : arena_strdup(a, c.path);
	return helper || *ret_path ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int registry_logout(const char *host, bool *ret_was, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	CLEANUP(config_done) struct config c = { 0 };
	struct edit edit = { .host = host };
	const char *helper;
	int r = read_config(&c, &a, e);

	if (r < 0)
		return r;
	*ret_was = false;
	for (size_t i = 0; i < c.file.auths.n; i++)
		*ret_was |= credentials_key_fit(c.file.auths.v[i].key, host, "") == 0;
	helper = find_helper(&c, host);
	if (helper)
		r = helper_erase(helper, credentials_key(host), e);
	return r < 0 || !*ret_was ? r : edit_config(&c, &edit, &a, e);
}
