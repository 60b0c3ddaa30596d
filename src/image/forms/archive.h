#pragma once
/*
 * Archives of images, written: a tar archive that is an OCI layout, and has docker's manifest.json too. Blobs go as they
 * are; the texts about them come last.
 *
 * Is not a reader: archives are read by the parse role. Safe after fork: no. Forms: image-spec image-layout.md, docker save.
 */
#include <stddef.h>
#include <stdint.h>

#include "codec/json.h"

struct err;
struct oci_platform;

struct archive_image {
	const char *media_type, *digest; /* of the manifest or index */
	int64_t size;
	const struct oci_platform *platform; /* or NULL */
	const char *name;		     /* full reference, or NULL */
	const char *tag;		     /* in place of a name, as it is; or NULL */
	/* For docker's manifest.json, which has no indexes and no artifacts; NULL: it is left out there. */
	const char *config_digest;
	struct json_strs layers; /* digests */
};

struct archive {
	int fd;		 /* where it is written to, borrowed: a file or a pipe */
	struct arena *a; /* the caller's */
};
int archive_begin(struct archive *x, struct err *e);
/* A whole blob from a file, from its begin. */
int archive_put_blob(struct archive *x, const char *digest, int fd, struct err *e);
int archive_put_document(struct archive *x, const char *digest, const char *text, size_t len,
			 struct err *e);
int archive_end(struct archive *x, const struct archive_image *v, size_t n, struct err *e);
