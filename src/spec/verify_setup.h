#pragma once
/*
 * What the roles of signatures are told and say. `signatures` reads what a registry calls signatures, which anybody can have
 * written, and names candidates; `verify` sees one candidate's bytes and the policy's keys, and reads the payload
 * only when a key fits. So nothing that is not signed is parsed in the process that gives the verdict.
 *
 * Is not: their formats (spec/sigstore.h). Safe after fork: yes.
 */
#include "codec/json.h"

/* Kinds: what the signature is of. */
#define SIGNATURE_SIMPLE "simple"   /* a simple signing payload, a blob of its own */
#define SIGNATURE_DSSE "dsse"	    /* an envelope with an in-toto statement */
#define SIGNATURE_MESSAGE "message" /* the image's manifest */

/* Signatures of one image that are looked at: each is tried with each key. */
#define SIGNATURES_MAX 32

struct signature_candidate {
	const char *kind;
	const char *signature;		    /* base64 */
	const char *payload_digest;	    /* simple: the blob */
	int64_t payload_size;		    /* simple */
	const char *payload, *payload_type; /* dsse: base64 */
	const char *source;		    /* digest of the document that it stands in */
	const char *unusable; /* why it cannot count; everything else but `source` is absent */
};
extern const struct json_table signature_candidate_table;

struct verify_setup {
	const char *kind, *signature, *payload_type;
	const char *digest;    /* the image's */
	struct json_strs keys; /* PEM */
};
extern const struct json_table verify_setup_table;

struct verify_result {
	int64_t key;			/* which one fits */
	const char *algorithm;		/* "ECDSA P-256 with SHA-256" */
	const char *digest, *reference; /* what is signed */
};
extern const struct json_table verify_result_table;
