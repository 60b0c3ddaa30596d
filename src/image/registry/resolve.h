#pragma once
/* What a name stands for in its registry, without pulling it. Safe after fork: no. */
#include "codec/digest.h"

struct err;
struct fetch_setup;
struct ref;

/*
 * Asks for the manifest or index and hashes it here. -EBADMSG when the registry calls it by another digest than it has;
 * else the fetch role's errors.
 */
int registry_resolve(const struct ref *ref, const struct fetch_setup *setup,
		     char ret[DIGEST_TEXT_MAX], struct err *e);
