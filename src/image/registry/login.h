#pragma once
/*
 * login and logout: credentials are tried at the registry, then kept where docker keeps them: by the credential helper
 * that config.json names for the host, else in config.json as text (mode 0600, replaced whole or not at all). Keys of the
 * file that are not ours stay as they are, to the byte of their values.
 *
 * Safe after fork: no. Form: docker's config.json.
 */
#include <stdbool.h>

struct arena;
struct err;

/* "https://host:5000/v1/" and "host:5000" are the same; NULL or "" is docker.io. -EINVAL. */
int registry_server_host(const char *server, struct arena *a, const char **ret, struct err *e);
/* How docker calls the server: "https://index.docker.io/v1/" or the host. */
const char *registry_server_name(const char *host);

/* Whether the registry takes them. -EACCES. */
int registry_login_try(const char *host, const char *username, const char *password, struct err *e);
/* The same with what is kept for the host. -ENOENT: nothing is. */
int registry_login_try_kept(const char *host, struct err *e);
/* `*ret_path`: the file that now has the password as text; NULL when a helper has it. */
int registry_login_keep(const char *host, const char *username, const char *password,
			struct arena *a, const char **ret_path, struct err *e);
/* `*ret_was`: there was something. */
int registry_logout(const char *host, bool *ret_was, struct err *e);
