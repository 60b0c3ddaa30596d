#pragma once
/*
 * The image room's part that speaks with registries beyond a pull: descriptions of documents, labels, push, copy and
 * what else a registry can be asked for. The image room alone includes this. Safe after fork: no.
 */
#include "image/registry/fetcher.h"
#include "spec/fetch_setup.h"
#include "spec/image_described.h"
#include "spec/registry_call.h"

struct ref;

/* ---- describe.c ---- */

/* Reads and checks a worker's description. -EBADMSG. */
int image_described_read(const char *json, size_t len, struct arena *a, struct image_described *ret,
			 struct err *e);
/* A file in memory with these bytes, to be sent. */
int image_memory_file(const char *text, size_t len, struct err *e);
/*
 * Asks the describe role, which is started when `w` does not run, what a document is. The description must be of
 * `digest`. `media_type` may be "": by its own word. Of an index, `chosen` is the best for `platform`.
 */
int image_describe(struct worker *w, const char *platform, const char *digest,
		   const char *media_type, const char *text, size_t len, struct arena *a,
		   struct image_described *ret, struct err *e);

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

/* ---- remote.c: one repository of a registry, and the processes that speak with it ---- */

struct remote {
	struct fetch_setup setup;
	struct worker lanes[FETCHERS_MAX];
	const struct image_access *access; /* may be NULL */
	struct warner warner;
};
/* Nothing is started yet. `ref` must stay. */
int remote_init(struct remote *g, const struct ref *ref, struct arena *a, struct err *e);
/* Ends the processes; what was begun is given up with the registry first. */
void remote_done(struct remote *g);
/* Sends a call on a lane that has none; `fd`: the body, or -EBADF. */
int remote_send(struct remote *g, size_t lane, const struct registry_call *c, int fd,
		struct err *e);
/* After the lane's control channel has something: 1 with the checked answer, 0 when it goes on, perhaps with `*ret_done` bytes sent. */
int remote_read(struct remote *g, size_t lane, struct arena *a, struct registry_answer *ret,
		int64_t *ret_done, struct err *e);
/* Sends on the first lane and waits for the answer. */
int remote_call(struct remote *g, const struct registry_call *c, int fd, struct arena *a,
		struct registry_answer *ret, struct err *e);
struct remote_document {
	const char *text, *media_type /* by the registry's word */;
	size_t len;
	char digest[DIGEST_TEXT_MAX]; /* computed here */
};
/* "manifests/latest", "blobs/sha256:…": at most LIMIT_MANIFEST_BYTES. */
int remote_document(struct remote *g, const char *path, struct arena *a,
		    struct remote_document *ret, struct err *e);
/* Starts the fetching of a blob's bytes into the pipe `fd`. */
int remote_stream(struct remote *g, size_t lane, const char *digest, int64_t size, int fd,
		  struct err *e);
/* 1: all was sent, 0: goes on. */
int remote_stream_read(struct remote *g, size_t lane, struct err *e);
