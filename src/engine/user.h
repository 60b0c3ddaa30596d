#pragma once
/*
 * "name", "uid", "name:group", "uid:gid" to numbers, with the passwd and group files of a container's root.
 *
 * The files are hostile: opened below their root only, read when regular and within LIMIT_PASSWD_BYTES. A
 * number is a number first, even where a name looks like one. docker's rules and words.
 */
#include "spec/runtime.h"

struct err;

/*
 * `roots`: folders to look in, the topmost layer first; the first that has the file counts. `spec` NULL or ""
 * is root. The result is in the arena. -EINVAL: "unable to find user x: no matching entries in passwd file".
 */
int user_resolve(const char *spec, const int *roots, size_t n, struct arena *a,
		 struct oci_user **ret, struct err *e);

/* Environment: applies "K=V" and "K" (the caller's value) on top of `env`. */
int env_apply(struct json_strs *env, char *const *assignments, struct arena *a, struct err *e);
