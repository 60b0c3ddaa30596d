#pragma once
/*
 * Sigstore's formats, as far as signatures by a key need them: the simple signing payload of cosign's tags, the bundle
 * (v0.3) that hangs on an image as a referrer, and the in-toto statement in its envelope.
 *
 * Is not: cryptography (worker/verify_key.h). Payload and statement are read only behind a verified signature.
 * Safe after fork: yes. Sources: containers' signature format (atomic signature), sigstore's protobuf-specs, DSSE v1.
 */
#include <stdbool.h>

#include "codec/json.h"

struct err;

#define MT_SIMPLE_SIGNING "application/vnd.dev.cosign.simplesigning.v1+json"
#define MT_SIGSTORE_BUNDLE_V03 "application/vnd.dev.sigstore.bundle.v0.3+json"
#define SIGSTORE_ANNOTATION "dev.cosignproject.cosign/signature"
#define SIGSTORE_PAYLOAD_BYTES ((size_t)1 << 20)
/* Bytes of one signature: RSA of 16384 bits has 2048. */
#define SIGSTORE_SIGNATURE_BYTES 4096

/* What a signature says: this image, under this name. */
struct sigstore_claim {
	const char *digest;    /* "sha256:…" */
	const char *reference; /* "" when it names none */
};
/* The simple signing payload; strict: nothing critical may be unknown. -EBADMSG. */
int sigstore_payload_read(const char *text, size_t len, struct arena *a, struct sigstore_claim *ret,
			  struct err *e);
/*
 * The statement of `cosign sign`; one with another predicate says something else than "this is mine". `want` is the digest that
 * must be among its subjects.
 */
int sigstore_statement_read(const char *text, size_t len, const char *want, struct arena *a,
			    struct sigstore_claim *ret, struct err *e);

struct sigstore_bundle {
	bool is_message; /* the signature is of the artifact itself, no envelope */
	const char *payload, *payload_type; /* envelope; payload is base64 */
	const char *signature;		    /* base64 */
	bool has_certificate;		    /* not signed with a key that a policy could name */
};
int sigstore_bundle_read(const char *text, size_t len, struct arena *a, struct sigstore_bundle *ret,
			 struct err *e);
