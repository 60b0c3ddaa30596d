#pragma once
/*
 * Credential helpers: docker-credential-NAME, docker's protocol. They are the user's own programs, executed as the user
 * with the user's environment, outside any sandbox, with a deadline and a limit on what they say. Their standard error is
 * the caller's, because some ask there for a touch of a key.
 *
 * Safe after fork: yes. Form: docker-credential-helpers' README.
 */
#include <stdbool.h>

struct arena;
struct err;

/* A helper that asks its user takes as long as the user; longer than this nobody waits. */
#define HELPER_MS 60000

struct helper_answer {
	const char *username, *secret; /* in the arena */
};

/* Whether a name may be part of a program's: letters, digits, ".", "_", "-". */
bool helper_name_is_valid(const char *name);
/* 1, or 0 when the helper has none for `server`, or -errno with docker's words. */
int helper_get(const char *name, const char *server, struct arena *a, struct helper_answer *ret,
	       struct err *e);
int helper_store(const char *name, const char *server, const char *username, const char *secret,
		 struct err *e);
/* What is not there is fine. */
int helper_erase(const char *name, const char *server, struct err *e);
