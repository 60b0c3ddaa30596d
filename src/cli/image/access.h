#pragma once
/*
 * Options that say how a registry is spoken to, with skopeo's names, and trying again. One command has them once, or once for each
 * end. Safe after fork: no.
 */
#include "cli/cli.h"
#include "image/image.h"

struct access_options {
	const char *authfile, *cert_dir, *creds, *username, *password, *token;
	bool is_anonymous;
	int tls_verify; /* -1: not said */
};
#define ACCESS_NOT_SAID          \
	{                        \
		.tls_verify = -1 \
	}

#define ACCESS_ROW(type, kind, field, name, arg, help)                   \
	{                                                                \
		name, 0, kind, 0, offsetof(type, field), arg, help, NULL \
	}
#define ACCESS_AUTHFILE_ROW(type, member, prefix)                             \
	ACCESS_ROW(type, OPT_STR, member.authfile, prefix "authfile", "path", \
		   "Look for credentials in this file alone")
#define ACCESS_TLS_ROW(type, member, prefix)                                         \
	ACCESS_ROW(type, OPT_TRISTATE, member.tls_verify, prefix "tls-verify", NULL, \
		   "Require https and a certificate that can be verified; =false: neither")
/* All of them: of a struct's member of type struct access_options. */
#define ACCESS_ROWS(type, member, prefix)                                                                   \
	ACCESS_AUTHFILE_ROW(type, member, prefix),                                                          \
		ACCESS_ROW(                                                                                 \
			type, OPT_STR, member.cert_dir, prefix "cert-dir", "path",                          \
			"Folder of authorities (*.crt) and of a certificate with its key (*.cert, *.key)"), \
		ACCESS_ROW(type, OPT_STR, member.creds, prefix "creds", "USER[:PASSWORD]",                  \
			   "Credentials for the registry"),                                                 \
		ACCESS_ROW(type, OPT_BOOL, member.is_anonymous, prefix "no-creds", NULL,                    \
			   "Send no credentials"),                                                          \
		ACCESS_ROW(type, OPT_STR, member.password, prefix "password", "string",                     \
			   "Password for the registry"),                                                    \
		ACCESS_ROW(type, OPT_STR, member.token, prefix "registry-token", "string",                  \
			   "Bearer token for the registry"),                                                \
		ACCESS_TLS_ROW(type, member, prefix),                                                       \
		ACCESS_ROW(type, OPT_STR, member.username, prefix "username", "string",                     \
			   "User name for the registry")

/* `both`: what holds where `o` says nothing; may be NULL. -EINVAL for what contradicts itself. */
int access_read(const struct access_options *o, const struct access_options *both, struct arena *a,
		struct image_access *ret, struct err *e);

#define ACCESS_RETRY_ROW(type, field)                                                          \
	{                                                                                      \
		"retry-times", 0, OPT_U32, 0, offsetof(type, field), "int",                    \
			"Try again so many times when the network or the registry fails", NULL \
	}
/* Once, and `times` times more while what failed may pass; each time after twice as long. Says so on standard error. */
int access_try(uint32_t times, int (*attempt)(void *data, struct err *e), void *data,
	       struct err *e);

/* --format of skopeo: "oci", "v2s2" or NULL. */
int cli_copy_kind(const char *format, enum image_manifest_kind *ret, struct err *e);

/* What stands behind "docker://", which people may write before a repository or leave out. */
const char *access_name(const char *what);
