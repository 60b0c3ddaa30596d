#pragma once
/*
 * What the fetch role can be asked for besides bytes (WORKER_CALL), and its answer (WORKER_CALLED): one of each, as JSON.
 * The body of an upload goes with the call as a descriptor for reading.
 *
 * The tables are only shapes: the answer comes from a process that talked to a registry, and whoever asked checks it.
 * Safe after fork: yes. Spec: distribution-spec 1.1.
 */
#include "spec/image.h"

enum registry_verb {
	REGISTRY_HEAD = 1, /* path → is_there, size, digest, media_type */
	REGISTRY_OFFER, /* digest, from → is_there, or is_mounted from the repository `mounted` */
	REGISTRY_PUT_BLOB,     /* digest, size, and the body */
	REGISTRY_PUT_MANIFEST, /* path, media_type, size, self, subject, and the body → digest */
	REGISTRY_DELETE,       /* path */
	REGISTRY_TAGS,	       /* → tags */
	REGISTRY_REFERRERS,    /* digest, artifact_type → referrers */
	REGISTRY_VERBS,
};

struct registry_call {
	int64_t verb;
	const char *path; /* below the repository: "manifests/latest" */
	const char *digest, *media_type, *artifact_type;
	int64_t size;
	struct json_strs from; /* repositories that may have the blob */
	/* Of a manifest with a subject: what the fallback's index says of it (distribution-spec, referrers tag schema). */
	struct oci_descriptor *self;
	const char *subject;
};

struct registry_answer {
	bool is_there, is_mounted, is_fallback;
	int64_t size;
	const char *digest, *media_type;
	const char *mounted;
	struct json_strs tags;
	OCI_LIST(struct oci_descriptor) referrers;
};

extern const struct json_table registry_call_table, registry_answer_table;

/* Limits of lists, over all pages. */
#define REGISTRY_TAGS_MAX 20000
#define REGISTRY_REFERRERS_MAX 4096
#define REGISTRY_FROM_MAX 8

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}: distribution-spec's grammar of tags. */
bool registry_tag_is_valid(const char *tag);
