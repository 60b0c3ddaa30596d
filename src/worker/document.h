#pragma once
/*
 * Documents that the parent hands over to be read, and what is said of them. For the roles behind parse's sandbox.
 * Safe after fork: no.
 */
#include <stddef.h>

#include "base/mem.h"

struct err;
struct oci_descriptor;
struct oci_manifest;

struct document {
	char *payload; /* owned */
	const char *digest, *media_type, *text;
	size_t len;
};
void document_done(struct document *d);
#define AUTO_DOCUMENT CLEANUP(document_done) struct document

/* The next WORKER_DOCUMENT. 1, 0 when the parent is done, -errno. */
int document_receive(struct document *ret, struct err *e);
/* The same, where there must be one. 0, -EPROTO when there is none. */
int document_need(struct document *ret, struct err *e);
/* Asks for the one of this descriptor, which may have `max` bytes, and receives it. -E2BIG. */
int document_want(const struct oci_descriptor *d, size_t max, struct document *ret, struct err *e);
/* Tells the parent what a manifest or an index has in it. Inline data is cut off `m`. */
int document_describe(const struct document *d, struct oci_manifest *m, bool is_index,
		      const char *chosen, struct err *e);
