#pragma once
/*
 * Images from one place to another: documents are walked and described, blobs that the target lacks go over in up to
 * FETCHERS_MAX lanes, then manifests, children first. Nothing of a manifest is written anew: its bytes go as they are.
 *
 * Whatever comes from a network or a folder is hashed, by this process or a role without a network, before it is
 * handed on. Safe after fork: no.
 */
#include "image/registry/registry.h"

struct copy_blob {
	const char *digest, *media_type;
	int64_t size;
};
struct copy_manifest {
	const char *digest, *media_type, *text;
	size_t len;
	const struct image_described *d; /* after the walk */
};

/* Where images come from. */
struct copy_source {
	struct remote *remote;	       /* blobs come from a registry; else `open` */
	const char *host, *repository; /* the registry's, for mounts; may be NULL */
	struct store *s;	       /* knows which repositories have a blob; may be NULL */
	const char *ns;
	/* What the name stands for. */
	int (*top)(struct copy_source *src, struct arena *a, struct copy_manifest *ret,
		   struct err *e);
	/* By digest; -ENOENT: it is not there. */
	int (*manifest)(struct copy_source *src, const struct oci_descriptor *d, struct arena *a,
			struct copy_manifest *ret, struct err *e);
	/* Whether a blob is there; NULL: is not asked. */
	bool (*has)(struct copy_source *src, const char *digest);
	/* O_RDONLY, of content that has this digest. */
	int (*open)(struct copy_source *src, const struct copy_blob *b, struct err *e);
	void (*done)(struct copy_source *src);
};

/* Where they go. */
struct copy_sink {
	struct remote *remote; /* a registry; the rest is not asked then */
	const char *host;      /* in containerd's label: "docker.io" */
	const char *tag;       /* of a registry, or the digest */
	int (*has)(struct copy_sink *sink, const struct copy_blob *b, struct err *e);
	int (*put)(struct copy_sink *sink, const struct copy_blob *b, int fd, struct err *e);
	int (*put_manifest)(struct copy_sink *sink, const struct copy_manifest *m, bool is_top,
			    struct err *e);
	/* Everything is there; makes it durable. NULL: nothing to do. */
	int (*finish)(struct copy_sink *sink, struct err *e);
	void (*done)(struct copy_sink *sink);
};

struct copy_options {
	const char *platform; /* NULL: this host's */
	bool is_all;	      /* an index goes whole */
	bool is_whole_or_one; /* an index goes whole if all of it is there, else the manifest for the platform */
	int tmp_dirfd; /* for what is under way from a registry */
	/* In docker's words: "Preparing", "Pushed", "Layer already exists". May be NULL. */
	void (*told)(void *data, const char *digest, const char *words);
	image_progress_fn progress; /* may be NULL */
	void *data;		    /* of both */
};
struct copy_result {
	const char *digest, *media_type; /* of the top that went over */
	int64_t size;
	const char *index; /* is_whole_or_one: the index that did not go; else NULL */
};
int image_copy_run(struct copy_source *src, struct copy_sink *sink, const struct copy_options *o,
		   struct arena *a, struct copy_result *ret, struct err *e);

/* ---- plan.c ---- */
/* Documents of a source, read by the describe role. */
struct copy_reader {
	struct copy_source *src;
	struct worker
		describer; /* control -EBADF: it is started when it is needed, and stopped by the caller */
	const char *platform;
	struct arena *a;
};
/* What `m` is: sets `m->d` and the media type. */
int copy_describe(struct copy_reader *x, struct copy_manifest *m, struct err *e);
/* From what was described to the one manifest for the platform, described: indexes in indexes too. */
int copy_choose(struct copy_reader *x, struct copy_manifest *m, struct err *e);

#define COPY_BLOBS_MAX 16384
#define COPY_MANIFESTS_MAX 1024
struct copy_plan {
	struct copy_blob *blobs; /* malloc'ed */
	size_t blobs_n, blobs_cap;
	struct copy_manifest *manifests; /* malloc'ed; children first, the top last */
	size_t manifests_n, manifests_cap;
	const char *index;	   /* see copy_result */
	struct copy_reader reader; /* its source, platform and arena are the caller's */
	const struct copy_options *o;
};
int copy_plan_make(struct copy_plan *p, struct err *e);
void copy_plan_done(struct copy_plan *p);

/* ---- places ---- */
/* store.c: an image of the store, by name. */
int copy_source_store(struct store *s, const char *ns, const char *what, struct arena *a,
		      struct copy_source **ret, struct err *e);
/* registry.c: a reference in a registry. Borrow `ref`. */
int copy_source_remote(struct remote *g, const struct ref *ref, struct arena *a,
		       struct copy_source **ret, struct err *e);
int copy_sink_remote(struct remote *g, const struct ref *ref, struct arena *a,
		     struct copy_sink **ret, struct err *e);
