#pragma once
/*
 * The image room's part that speaks with registries beyond a pull: descriptions of documents, labels, push, copy and
 * what else a registry can be asked for. The image room alone includes this. Safe after fork: no.
 */
#include "image/priv.h"
#include "spec/image_described.h"

struct ref;

/* ---- describe.c ---- */

/* Reads and checks a worker's description. -EBADMSG. */
int image_described_read(const char *json, size_t len, struct arena *a, struct image_described *ret,
			 struct err *e);
/*
 * Asks the describe role, which is started when `w` does not run, what a document is. The description must be of
 * `digest`. `media_type` may be "": by its own word.
 */
int image_describe(struct worker *w, const char *digest, const char *media_type, const char *text,
		   size_t len, struct arena *a, struct image_described *ret, struct err *e);

/* ---- labels.c: containerd's labels on content ---- */

/* containerd.io/gc.ref.content.…: what a manifest or index refers to. */
int image_label_children(struct store *s, const char *ns, const struct image_described *d,
			 struct err *e);
/* containerd.io/distribution.source.HOST=REPOSITORY[,…]: a repository that has the blob. */
int image_label_source(struct store *s, const char *ns, const char *host, const char *repository,
		       const char *digest, struct err *e);
/* All blobs of an image, and the index `top`, came from there; one transaction. */
int image_label_sources(struct store *s, const char *ns, const struct ref *ref, const char *top,
			const struct image_record *rec, struct err *e);
/* The repositories of `host` that are known to have a blob; may be none. */
int image_sources(struct store *s, const char *ns, const char *host, const char *digest,
		  struct arena *a, struct json_strs *ret);
