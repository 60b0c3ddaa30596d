#pragma once
/*
 * Images from one place to another: documents are walked and described, blobs that the target lacks go over in up to
 * FETCHERS_MAX lanes, then manifests, children first. Nothing of a manifest is written anew: its bytes go as they are.
 *
 * Whatever comes from a network or a folder is hashed, by this process or a role without a network, before it is
 * handed on. Safe after fork: no.
 */
#include "codec/ref.h"
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

struct copy_reader;

/* Where images come from. */
struct copy_source {
	struct remote *remote; /* blobs come from a registry; else `open` */
	bool is_hashed;	       /* `open` gives what has the digest; else it is hashed on its way */
	const char *host, *repository; /* the registry's, for mounts; may be NULL */
	struct store *s;	       /* knows which repositories have a blob; may be NULL */
	const char *ns;
	/* What the name stands for; `x` reads what says so. */
	int (*top)(struct copy_source *src, struct copy_reader *x, struct copy_manifest *ret,
		   struct err *e);
	/* By digest; -ENOENT: it is not there. */
	int (*manifest)(struct copy_source *src, const struct oci_descriptor *d, struct arena *a,
			struct copy_manifest *ret, struct err *e);
	/* Whether a blob is there; NULL: is not asked. */
	bool (*has)(struct copy_source *src, const char *digest);
	/* A regular file of this size, O_RDONLY. */
	int (*open)(struct copy_source *src, const struct copy_blob *b, struct err *e);
	void (*done)(struct copy_source *src);
};

/* Where they go. */
struct copy_sink {
	struct remote *remote; /* a registry; the rest is not asked then */
	const char *host;      /* in containerd's label: "docker.io" */
	const char *tag;       /* of a registry, or the digest */
	int tmp_dirfd; /* what is under way is best made there; -EBADF: anywhere. Of those that are no registry */
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
	bool is_index_only;   /* an index goes alone */
	enum image_manifest_kind kind;
	bool is_whole_or_one; /* an index goes whole if all of it is there, else the manifest for the platform */
	int tmp_dirfd; /* for what is under way */
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

/* Neither an image nor an index: what its config is says who made it (image-spec manifest.md, "artifact usage"). */
bool copy_is_artifact(const struct oci_manifest *m);
/* artifactType, else the config's type; "" of none. */
const char *copy_artifact_type(const struct oci_manifest *m);

/* ---- transport.c: places by their names ---- */
struct copy_room {
	struct store *s; /* NULL where no place needs it */
	const char *ns;
	struct arena *a;		      /* lives as long as the places */
	const struct image_access *from, *to; /* of registries; NULL: as configured */
	const char *platform;		      /* of an archive's image; NULL: this host's */
	void (*warned)(void *data, const char *words); /* may be NULL, as the next */
	image_progress_fn progress;
	void *data;
};
struct copy_transport;
struct copy_place {
	const struct copy_transport *transport;
	const char *text;	 /* behind the prefix */
	const char *path, *name; /* of a file or folder: before and behind the first ':', or NULL */
	struct ref ref;		 /* of a registry */
	struct remote remote;
	struct image_work work; /* holds what was read of an archive */
	bool is_staged;
	struct copy_source *src; /* one of them, or none */
	struct copy_sink *sink;
};
/* -EINVAL: there is no transport by that name; -EOPNOTSUPP: it is not ours. Nothing is opened. */
int copy_place_parse(const char *text, struct arena *a, struct copy_place *ret, struct err *e);
int copy_place_open_source(const struct copy_room *room, struct copy_place *p, struct err *e);
int copy_place_open_sink(const struct copy_room *room, struct copy_place *p, struct err *e);
/* Accepts one that was not opened. */
void copy_place_close(struct copy_place *p);

/* ---- places ---- */
/* store.c: an image of the store, by name; or content, by digest, that somebody holds. */
int copy_source_store(struct store *s, const char *ns, const char *what, struct arena *a,
		      struct copy_source **ret, struct err *e);
int copy_source_content(struct store *s, const char *ns, const char *digest, struct arena *a,
			struct copy_source **ret, struct err *e);
/* registry.c: a reference in a registry. Borrow `ref`. */
int copy_source_remote(struct remote *g, const struct ref *ref, struct arena *a,
		       struct copy_source **ret, struct err *e);
int copy_sink_remote(struct remote *g, const struct ref *ref, struct arena *a,
		     struct copy_sink **ret, struct err *e);
/*
 * layout.c: an OCI layout; `tag` NULL: its only image, or none. A new one is made; one that is there gets the image added, and a
 * tag moves as skopeo moves it. Two that write at once wait for each other.
 */
int copy_source_layout(const char *path, const char *tag, struct arena *a, struct copy_source **ret,
		       struct err *e);
int copy_sink_layout(const char *path, const char *tag, struct arena *a, struct copy_sink **ret,
		     struct err *e);
/*
 * dir.c: skopeo's folder of one image: version, manifest.json, HEX and HEX.manifest.json. A folder that has another image gets
 * this one in its place; -EEXIST when it has something else.
 */
int copy_source_dir(const char *path, struct arena *a, struct copy_source **ret, struct err *e);
int copy_sink_dir(const char *path, struct arena *a, struct copy_sink **ret, struct err *e);
/*
 * archive.c: a new archive (image/forms/archive.h), or a pipe; `tag` is a layout's, `name` a full reference; both may be NULL.
 * Only one image goes into docker's kind, which has no indexes.
 */
int copy_sink_archive(const char *path, const char *tag, const char *name, bool is_docker,
		      struct arena *a, struct copy_sink **ret, struct err *e);
/* The same into a file or pipe that is open; takes `fd`. */
int copy_sink_archive_fd(int fd, const char *tag, struct arena *a, struct copy_sink **ret,
			 struct err *e);
/*
 * artifact.c: what is no image, into the store under a full name, which must stay. The manifest's children are labelled, so that
 * the name keeps them; nothing is unpacked.
 */
int copy_sink_artifact(struct store *s, const char *ns, const char *name, struct arena *a,
		       struct copy_sink **ret, struct err *e);
/* From a registry; `ref` has the digest. */
int copy_pull_artifact(struct store *s, const char *ns, const struct ref *ref, const char *name,
		       const struct image_pull_options *o, struct arena *a, struct err *e);

/* ---- folder.c: files of a folder that may be anybody's ---- */
/* O_DIRECTORY; with `is_made` it and its parents are made. */
int folder_open(const char *path, bool is_made, struct err *e);
/* A regular file of this size, not behind a link. */
int folder_open_file(int dirfd, const char *name, int64_t size, struct err *e);
/* A document, and its digest. -ENOENT. */
int folder_read(int dirfd, const char *name, struct arena *a, struct copy_manifest *ret,
		struct err *e);
/* Whether it is there and has that digest. */
bool folder_has(int dirfd, const char *name, const struct copy_blob *b);
/* What `fd` has appears under the name, whole; a file without a name is linked, anything else copied. */
int folder_put(int dirfd, const char *name, int fd, int64_t size, struct err *e);
int folder_put_text(int dirfd, const char *name, const char *text, size_t len, struct err *e);
