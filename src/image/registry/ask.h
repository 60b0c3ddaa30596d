#pragma once
/*
 * One small question to a registry through a fetch role of its own: does it take these credentials, what does a tag
 * stand for. The answer's bytes are not looked into here. Safe after fork: no.
 */
#include <stddef.h>
#include <stdint.h>

struct err;
struct fetch_setup;

struct registry_answer {
	char *text; /* malloc'ed, `len` bytes and a NUL; registry_answer_done */
	size_t len;
	char *type; /* malloc'ed: the media type, NUL, the digest, both by the registry's word */
};
void registry_answer_done(struct registry_answer *a);

/* GET of a path below the setup's repository, of at most `size_max` bytes. The fetch role's errors. */
int registry_ask(const struct fetch_setup *setup, const char *path, size_t size_max,
		 struct registry_answer *ret, struct err *e);
