#pragma once
/*
 * What a registry calls signatures of an image: cosign's tag, whose layers are payloads, and bundles. Gives candidates, no
 * verdicts. Is not: cryptography (worker/verify_key.h). Safe after fork: no.
 */
#include "spec/verify_setup.h"

struct err;

struct signatures {
	int (*found)(struct signatures *s, const struct signature_candidate *c, struct err *e);
	void *data; /* of `found` */
	size_t n;
};
/* The manifest behind the tag sha256-<hex>.sig. */
int signatures_read_tag(struct signatures *s, const char *digest, const char *text, size_t len,
			struct err *e);
/* `digest`: of the manifest that the bundle is a layer of. */
int signatures_read_bundle(struct signatures *s, const char *digest, const char *text, size_t len,
			   struct err *e);
