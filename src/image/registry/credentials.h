#pragma once
/*
 * The credentials of one host, from the files that docker, podman and skopeo keep: read by the process that the user
 * started, as the user. In this order: the file that REGISTRY_AUTH_FILE names, ${XDG_RUNTIME_DIR}/containers/auth.json
 * (/run/containers/UID without it), ${XDG_CONFIG_HOME}/containers/auth.json (~/.config without it), then docker's
 * config.json (DOCKER_CONFIG, or ~/.docker). The first file that has some wins. In a file a credential helper of the host
 * comes first, then its credentials store, then what stands in it as text, where of several keys the longest that fits
 * the repository counts ("host/team/app" before "host/team" before "host").
 *
 * Always holds: what is found belongs to that host alone; nothing secret goes to the trail. Safe after fork: yes, while
 * the parent had one thread. Forms: docker's config.json, containers-auth.json(5).
 */
#include "codec/json.h"

struct err;
struct registry_trail;

struct registry_credentials {
	const char *username, *password;
	const char *identity_token; /* instead of a password */
};

/*
 * For the endpoint `host` ("registry-1.docker.io", "quay.io:5000") and a repository ("library/busybox", may be "").
 * `file`: the one file that is looked
 * into, which must be there; NULL: those above. Nothing found is 0 with all NULL. -EBADMSG for a wrong file; a helper that fails is an error in docker's words.
 */
int registry_credentials_find(const char *host, const char *repository, const char *file,
			      const struct registry_trail *t, struct arena *a,
			      struct registry_credentials *ret, struct err *e);

/* ---- what login.c shares ---- */

#define CREDENTIALS_FILE_MAX ((size_t)1 << 20)

struct credentials_auth {
	const char *key; /* first: JSON_MAP_OBJS */
	const char *auth, *username, *password, *identity_token;
};
struct credentials_file {
	struct {
		struct credentials_auth *v;
		size_t n;
	} auths;
	const char *creds_store;
	struct json_map helpers;
};
extern const struct json_table credentials_file_table;

/* The key under which docker keeps credentials of a host: its name, for Docker Hub "https://index.docker.io/v1/". */
const char *credentials_key(const char *host);
/* How well a key of a file fits: the length of its path, 0 for the host as a whole, -1 for another host. */
int credentials_key_fit(const char *key, const char *host, const char *repository);
/* Where docker's config.json is, malloc'ed. -ENOENT: no home folder. */
int credentials_docker_path(char **ret, struct err *e);
