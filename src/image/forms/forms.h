#pragma once
/*
 * Images and folders as local files: layers and archives made from snapshots, images made from layers, images written as
 * archives, bundles for people who work on a root filesystem themselves.
 *
 * Folders are read by the pack role, documents by the compose role; this side mounts (detached, read-only), hands out
 * descriptors and keeps what the roles say honest. Nothing is visible of an image that failed. Safe after fork: no.
 */
#include "image/image.h"
#include "spec/image.h"

/* ---- a container's snapshot ---- */

/* The changes of an active snapshot to the one below it, docker's kinds 'A', 'C', 'D'; in the order of the paths. */
typedef int (*image_change_fn)(void *data, char kind, const char *path);
int image_diff(struct store *s, const char *ns, const char *snapshot_key, image_change_fn changed,
	       void *data, struct err *e);
/* Everything in it as a tar stream into `fd`, a pipe or a file. */
int image_export(struct store *s, const char *ns, const char *snapshot_key, int fd, struct err *e);

/* ---- new images ---- */
struct image_new_options {
	const char *name; /* full or familiar reference; NULL: an image without a name */
	const char *author, *message;
	const char *created_by; /* of the new layer, in the history */
	char *const *changes;	/* Dockerfile instructions; may be NULL */
	const char *platform;	/* import: "linux/amd64"; NULL: this host's */
	int compression;	/* enum layer_compression */
	/* What is written over the base's settings, as far as it is there; NULL: nothing. */
	const struct oci_image_settings *settings;
	image_progress_fn progress;
	void *progress_data;
};
/* What the snapshot has more than its parent, upon the image that it was made from. `ret_id` is in the arena. */
int image_commit(struct store *s, const char *ns, const struct image_record *base,
		 const char *snapshot_key, const struct image_new_options *o, struct arena *a,
		 const char **ret_id, struct err *e);
/* A tar archive of a root filesystem, plain, gzip or zstd, from a file or pipe. */
int image_import(struct store *s, const char *ns, int fd, const struct image_new_options *o,
		 struct arena *a, const char **ret_id, struct err *e);
/* Another name for an image. */
int image_tag(struct store *s, const char *ns, const char *what, const char *name, struct err *e);

/* A line of an image's history, the newest first. */
struct image_history {
	const char *id; /* of the image, at its own line; else NULL */
	const char *created_by, *comment;
	int64_t created_ns; /* 0: not told */
	int64_t size;	    /* of the layer's blob; 0: none */
};
int image_history(struct store *s, const char *ns, const char *what, struct arena *a,
		  struct image_history **ret, size_t *ret_n, struct err *e);

/* ---- archives ---- */
/*
 * The images as one tar archive that is an OCI layout and has docker's manifest.json too. Manifests and configs are
 * written as they are stored. An image is given by name (which it keeps) or by id (without one).
 */
int image_save(struct store *s, const char *ns, char *const *images, int fd, struct err *e);

/* ---- bundles ---- */
/*
 * Makes the folder `path` with rootfs/ and what image_bundle_repack needs: corten.json and rootfs.mtree. -EEXIST when it is
 * there and not empty.
 */
int image_bundle_unpack(struct store *s, const char *ns, const struct image_record *rec,
			const char *name, const char *path, struct err *e);
/* A new image: what the bundle was unpacked from, and a layer of what changed since. */
int image_bundle_repack(struct store *s, const char *ns, const char *path,
			const struct image_new_options *o, struct arena *a, const char **ret_id,
			struct err *e);
