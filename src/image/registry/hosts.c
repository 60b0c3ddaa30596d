/* Folders of hosts, docker's certificates, and what holds where nothing is said. */
#include "image/registry/hosts.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/registry/trail.h"

#define CORTEN_DIR "/etc/corten/certs.d"
#define CONTAINERD_DIR "/etc/containerd/certs.d"
#define DOCKER_DIR "/etc/docker/certs.d"
#define HOSTS_BYTES_MAX ((size_t)256 << 10)
/* The authorities and keys of one endpoint: a bundle of all public ones has 230 KiB. */
#define PEM_BYTES_MAX ((size_t)1 << 20)
/* Entries of a certs.d folder. */
#define FOLDER_MAX 256
#define HOST_TEXT_MAX 300

const char *registry_upstream(const char *host)
{
	return streq(host, "docker.io") ? "registry-1.docker.io" : host;
}

static const char *get_env(const char *upper, const char *lower)
{
	const char *v = getenv(upper);

	return v && *v ? v : getenv(lower);
}

void registry_proxies(struct proxy_rules *ret)
{
	*ret = (struct proxy_rules){ .http = get_env("HTTP_PROXY", "http_proxy"),
				     .https = get_env("HTTPS_PROXY", "https_proxy"),
				     .none = get_env("NO_PROXY", "no_proxy") };
}

/* Where the port begins, or NULL: behind a name or a bracket. */
static const char *find_port(const char *host)
{
	const char *colon = strrchr(host, ':');

	return colon && !strchr(colon, ']') ? colon : NULL;
}

static bool is_loopback(const char *host)
{
	const char *port = find_port(host);
	char name[HOST_TEXT_MAX];
	struct in_addr v4;

	snprintf(name, sizeof(name), "%.*s", (int)(port ? port - host : (int)strlen(host)), host);
	return streq(name, "localhost") || streq(name, "[::1]") ||
	       (inet_pton(AF_INET, name, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

/* ---- certificates ---- */

int registry_pem_add(const char *path, struct arena *a, const char **to, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, PEM_BYTES_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read '%s'", path);
	if (memchr(text, '\0', len))
		return err_set(e, -EBADMSG, "'%s' is no PEM file", path);
	*to = *to ? arena_printf(a, "%s\n%s", *to, text) : arena_strndup(a, text, len);
	explicit_bzero(text, len);
	return *to ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted names in a folder. -ENOENT. */
static int list_folder(const char *dir, char ***ret, struct err *e)
{
	AUTO_STRV char **names = NULL;
	struct dirent *entry;
	DIR *d = opendir(dir);
	int r = d ? 0 : -errno;

	if (r == -ENOENT || r == -ENOTDIR)
		return -ENOENT;
	if (r < 0)
		return err_sys(e, r, "open '%s'", dir);
	while (r == 0 && (entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			r = strv_add(&names, entry->d_name);
		if (r == 0 && strv_len(names) > FOLDER_MAX)
			r = err_set(e, -E2BIG, "'%s' has more than %d files", dir, FOLDER_MAX);
	}
	closedir(d);
	if (r < 0)
		return r == -ENOMEM ? err_set(e, r, "out of memory") : r;
	if (names)
		qsort(names, strv_len(names), sizeof(*names), by_name);
	*ret = TAKE_PTR(names);
	return 0;
}

/* One name.cert with its name.key. */
static int take_pair(const char *dir, const char *name, const struct registry_trail *t,
		     struct arena *a, struct fetch_endpoint *to, struct err *e)
{
	AUTO_FREE char *cert = str_printf("%s/%s", dir, name);
	AUTO_FREE char *key = str_printf("%s/%.*s.key", dir, (int)(strlen(name) - strlen(".cert")),
					 name);
	int r;

	if (!cert || !key)
		return err_set(e, -ENOMEM, "out of memory");
	if (to->cert) {
		registry_tell(t, "%s: passed over, an endpoint has one client certificate", cert);
		return 0;
	}
	r = registry_pem_add(cert, a, &to->cert, e);
	if (r == 0)
		r = registry_pem_add(key, a, &to->key, e);
	if (r < 0)
		return err_wrap(e, r, "client certificate of '%s'", to->host);
	registry_tell(t, "%s: taken as the client's certificate", cert);
	return 0;
}

int registry_certificates(const char *dir, const struct registry_trail *t, struct arena *a,
			  struct fetch_endpoint *to, struct err *e)
{
	AUTO_STRV char **names = NULL;
	int r = list_folder(dir, &names, e);

	if (r == -ENOENT)
		registry_tell(t, "%s: not there", dir);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; names && names[i] && r == 0; i++) {
		AUTO_FREE char *path = str_printf("%s/%s", dir, names[i]);

		if (!path)
			return err_set(e, -ENOMEM, "out of memory");
		if (str_ends(names[i], ".crt")) {
			r = registry_pem_add(path, a, &to->ca, e);
			if (r == 0)
				registry_tell(t, "%s: taken as an authority", path);
		} else if (str_ends(names[i], ".cert")) {
			r = take_pair(dir, names[i], t, a, to, e);
		}
	}
	if (r == 0 && !to->ca && !to->cert)
		registry_tell(t, "%s: has no certificates", dir);
	return r < 0 ? r : to->ca || to->cert;
}

/* ---- folders of hosts ---- */

/* 1 when the folder says something, 0 when it does not, -errno. */
static int try_folder(const char *dir, const struct registry_trail *t, struct arena *a,
		      struct registry_found *ret, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/hosts.toml", dir);
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = path ? file_read_at(AT_FDCWD, path, HOSTS_BYTES_MAX, &text, &len) : -ENOMEM;

	if (r == 0) {
		registry_tell(t, "%s: taken", path);
		r = registry_hosts_file(dir, text, len, t, a, ret, e);
		return r < 0 ? err_wrap(e, r, "'%s'", path) : 1;
	}
	if (r != -ENOENT && r != -ENOTDIR)
		return err_sys(e, r, "read '%s'", path ? path : dir);
	registry_tell(t, "%s: not there", path);
	r = registry_certificates(dir, t, a, &ret->v[0], e);
	ret->n = r > 0 ? 1 : ret->n;
	return r;
}

/* "host_5000_", "host:5000", "_default". */
static int try_root(const char *root, const char *host, const struct registry_trail *t,
		    struct arena *a, struct registry_found *ret, struct err *e)
{
	const char *port = find_port(host);
	char names[3][HOST_TEXT_MAX] = { "", "", "_default" };
	int r = 0;

	if (port)
		snprintf(names[0], sizeof(names[0]), "%.*s_%s_", (int)(port - host), host,
			 port + 1);
	snprintf(names[1], sizeof(names[1]), "%s", host);
	for (size_t i = 0; i < ARRAY_LEN(names) && r == 0; i++) {
		AUTO_FREE char *dir = str_printf("%s/%s", root, names[i]);

		if (!dir)
			return err_set(e, -ENOMEM, "out of memory");
		if (*names[i])
			r = try_folder(dir, t, a, ret, e);
	}
	return r;
}

static int find_folder(const char *host, const struct registry_trail *t, struct arena *a,
		       struct registry_found *ret, struct err *e)
{
	static const char *const roots[] = { CORTEN_DIR, CONTAINERD_DIR };
	const char *own = getenv("CORTEN_HOSTS_DIR");
	int r = 0;

	if (own && *own) {
		registry_tell(t, "CORTEN_HOSTS_DIR: in place of %s and %s", roots[0], roots[1]);
		return try_root(own, host, t, a, ret, e);
	}
	for (size_t i = 0; i < ARRAY_LEN(roots) && r == 0; i++)
		r = try_root(roots[i], host, t, a, ret, e);
	return r;
}

/* ---- what was not said ---- */

static int add_docker_certificates(struct fetch_endpoint *p, const struct registry_trail *t,
				   struct arena *a, struct err *e)
{
	AUTO_FREE char *dir = NULL;
	int r;

	if (p->ca || p->cert || p->skip_verify) {
		registry_tell(t,
			      DOCKER_DIR "/%s: passed over, the endpoint has settings of its own",
			      p->host);
		return 0;
	}
	dir = str_printf(DOCKER_DIR "/%s", p->host);
	r = dir ? registry_certificates(dir, t, a, p, e) : err_set(e, -ENOMEM, "out of memory");
	return MIN(r, 0);
}

/* The registry itself: https, but plain on loopback, where an authority asks for https. */
static int fill_upstream(struct fetch_endpoint *p, const char *host, const struct registry_trail *t,
			 struct arena *a, struct err *e)
{
	bool is_local = is_loopback(host);
	int r;

	p->host = registry_upstream(host);
	p->may_resolve = p->may_pull = p->may_push = true;
	r = add_docker_certificates(p, t, a, e);
	if (r < 0)
		return r;
	p->is_plain = is_local && !p->ca && !p->cert && !p->skip_verify && !str_ends(host, ":443");
	if (is_local)
		registry_tell(t, "%s: is loopback, so %s", host,
			      p->is_plain ? "http"
					  : "http would do, but there are settings for https");
	p->url = arena_printf(a, "%s://%s/v2", p->is_plain ? "http" : "https", p->host);
	return p->url ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int complete(struct registry_found *found, const char *host, const struct registry_trail *t,
		    struct arena *a, struct err *e)
{
	for (size_t i = 0; i < found->n; i++) {
		struct fetch_endpoint *p = &found->v[i];
		int r;

		if (!p->url)
			r = fill_upstream(p, host, t, a, e);
		else
			r = p->is_plain ? 0 : add_docker_certificates(p, t, a, e);
		if (r < 0)
			return r;
		if (!streq(p->host, host) && !streq(p->host, registry_upstream(host)))
			p->ns = arena_strdup(a, host);
	}
	return 0;
}

int registry_hosts_find(const char *host, const struct registry_trail *t, struct arena *a,
			struct fetch_setup *setup, struct err *e)
{
	struct registry_found found = {
		.v = arena_calloc(a, REGISTRY_ENDPOINTS_MAX, sizeof(*found.v)),
	};
	int r;

	if (!found.v)
		return err_set(e, -ENOMEM, "out of memory");
	r = find_folder(host, t, a, &found, e);
	if (r == 0)
		found.n = 1;
	if (r >= 0)
		r = complete(&found, host, t, a, e);
	if (r < 0)
		return r;
	setup->endpoints.v = found.v;
	setup->endpoints.n = found.n;
	return 0;
}
