#pragma once
/*
 * Images: loading, finding and unpacking, by driving sandboxed workers. Nothing of an image is parsed in this
 * process but the normalised record (spec/image_record.h) that a worker wrote and this room checked.
 *
 * Needs no lock of the engine; parallel loads and unpacks of the same content end in one result.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/image_record.h"
#include "store/store.h"

struct err;
struct oci_image_config;
struct oci_manifest;

/* Progress of one layer; `total` 0: unknown. Called often; must be quick. May be NULL where it is taken. */
typedef void (*image_progress_fn)(void *data, const char *what, int64_t done, int64_t total);

struct image_load_options {
	const char *platform; /* "linux/amd64"; NULL: this host's */
	bool no_unpack;
	const char *wanted; /* the one image with this tag or name in the archive; NULL: all */
	const char
		*name; /* full reference for it, in place of its own; NULL: as the archive says */
	image_progress_fn progress;
	void *progress_data;
};
struct image_loaded {
	struct json_strs names; /* full references that were stored */
	struct json_strs ids;	/* config digests, one each, for images without a name too */
};
/*
 * Reads an OCI archive or a docker archive (told apart by content; gzip'ed or zstd'ed whole archives are fine)
 * from `fd` (file, pipe; or a folder that is an unpacked one), stores and unpacks every image for the platform, and returns when all is durable.
 * Nothing is visible of an image that failed. Errors name the archive's entry.
 */
int image_load(struct store *s, const char *ns, int fd, const struct image_load_options *o,
	       struct arena *a, struct image_loaded *ret, struct err *e);

/* How a registry is spoken to where that is said once, in place of what is configured. All zero: as configured. */
struct image_access {
	const char *username, *password; /* password NULL: none */
	const char *token;		 /* a bearer token */
	const char *authfile;		 /* in place of the files that are looked for */
	const char *cert_dir;		 /* docker's pattern: *.crt, *.cert with *.key */
	bool is_anonymous;
	/* Without verification, https still comes first, and plain http only where nothing speaks it. */
	enum image_tls { IMAGE_TLS_CONFIGURED, IMAGE_TLS_VERIFY, IMAGE_TLS_SKIP } tls;
};

struct image_pull_options {
	const struct image_access *access; /* NULL: as configured */
	const char *platform;		   /* "linux/amd64"; NULL: this host's */
	const char *name;		   /* full reference that it gets here; NULL: its own */
	image_progress_fn progress;
	/* A layer's steps in docker's words: "Pulling fs layer", "Download complete". All may be NULL. */
	void (*told)(void *data, const char *digest, const char *words);
	void (*warned)(void *data, const char *words); /* the registry's, each once */
	void *data;				       /* of all three */
};
struct image_pulled {
	const char *name;   /* full reference */
	const char *digest; /* of what the name stands for in the registry, an index as a rule */
	const char *id;	    /* config digest; of an artifact, its manifest's */
	const char *artifact_type; /* of what is no image and was kept as it is; else NULL */
	bool is_new;		   /* the name stood for another image, or for none */
};
/*
 * Fetches what is missing of an image, unpacks it, and returns when all is durable. What was fetched of a pull that was
 * killed, or that failed for another reason than damage, is not fetched again. Registries on loopback may be plain http,
 * all others are https. Credentials: docker's config.json. -ENOENT, -EACCES (unauthenticated, permission denied),
 * -ETIMEDOUT, -EBADMSG for what is not what its digest says.
 */
int image_pull(struct store *s, const char *ns, const char *what,
	       const struct image_pull_options *o, struct arena *a, struct image_pulled *ret,
	       struct err *e);

struct image_push_options {
	bool is_all_tags; /* every tag of the repository that `what` names */
	void (*begun)(void *data, const char *repository); /* all of these may be NULL */
	void (*told)(void *data, const char *digest, const char *words);
	void (*pushed)(void *data, const char *tag, const char *digest, int64_t size,
		       const char *index /* that could not go whole, or NULL */);
	void (*warned)(void *data, const char *words); /* the registry's */
	image_progress_fn progress;
	void *data;
};
/*
 * Sends an image with all that the registry lacks: what it has is asked for first, blobs of other repositories there
 * are mounted. Manifests go as they are stored; an index goes when all of it is here, else the manifest that was
 * pulled of it. Layers that are not to be spread stay. -ENOENT: no such image; as image_pull otherwise.
 */
int image_push(struct store *s, const char *ns, const char *what,
	       const struct image_push_options *o, struct err *e);

/* Of which kind manifests have to be: nothing is converted, what is of another kind is refused. */
enum image_manifest_kind { IMAGE_MANIFEST_ANY, IMAGE_MANIFEST_OCI, IMAGE_MANIFEST_DOCKER };

struct image_copy_options {
	const struct image_access *from, *to; /* NULL: as configured */
	const char *platform;		      /* of an index; NULL: this host's */
	bool is_all;			      /* an index goes whole */
	bool is_index_only; /* an index goes alone: its images are there already, or are not wanted */
	enum image_manifest_kind kind;
	void (*told)(void *data, const char *digest, const char *words); /* these may be NULL */
	void (*warned)(void *data, const char *words);
	image_progress_fn progress;
	void *data;
};
struct image_copied {
	const char *digest; /* of the manifest or index that went over */
	int64_t size;
};
/*
 * From a registry ("docker://name:tag"), the store ("corten:name"), a layout or archive ("oci:folder[:tag]",
 * "oci-archive:file[:tag]", "docker-archive:file[:name]") to a registry, the store or an archive that is not there yet.
 * What comes from a registry is hashed by a role without a network before it goes on; blobs of the same registry are
 * mounted. What neither comes from nor goes to a registry or the store lies in the store meanwhile. -EOPNOTSUPP names a
 * transport that copy does not have.
 */
int image_copy(struct store *s, const char *ns, const char *from, const char *to,
	       const struct image_copy_options *o, struct arena *a, struct image_copied *ret,
	       struct err *e);

/* ---- what a registry can be asked for without an image here ---- */
struct image_remote_options {
	const struct image_access *access;	       /* NULL: as configured */
	void (*warned)(void *data, const char *words); /* the registry's; may be NULL */
	void *data;
};
/* All tags of the repository that `what` names. */
int image_remote_tags(const char *what, const struct image_remote_options *o, struct arena *a,
		      struct json_strs *ret, struct err *e);
/* The digest that the reference stands for in the registry. */
int image_remote_digest(const char *what, const struct image_remote_options *o, struct arena *a,
			const char **ret, struct err *e);
/* ---- an image in any place, without a copy of it ---- */
struct image_remote {
	const char *digest, *text; /* of the manifest or index that the place stands for */
	size_t len;
	const struct oci_manifest
		*manifest;	   /* for the platform; NULL with is_top_only, as what follows */
	const char *artifact_type; /* of what is no image; else NULL */
	const struct oci_image_config *config; /* NULL of an artifact */
	const char *config_text;	       /* as it is; NULL: there is none */
	size_t config_len;
};
/*
 * The documents in a place of image_copy's kinds, for `platform` (NULL: this host's) of an index; `is_top_only`: `digest`, `text`
 * and `len` alone. The store is needed where image_place_is_local says so, else it may be NULL.
 */
int image_inspect(struct store *s, const char *ns, const char *place, const char *platform,
		  bool is_top_only, const struct image_remote_options *o, struct arena *a,
		  struct image_remote *ret, struct err *e);
bool image_place_is_local(const char *place);

/* ---- many images ---- */
enum image_sync_kind { IMAGE_SYNC_REGISTRY, IMAGE_SYNC_FOLDER, IMAGE_SYNC_FILE };
struct image_sync_item {
	const char *from; /* for image_copy */
	const char
		*suffix; /* of it, below a target: "host/path:tag", or a folder's relative path */
	const struct image_access *access; /* the list's own word; NULL: the caller's */
};
/*
 * What a source of skopeo's kinds has: a repository (all its tags, or the one that is named), a folder with image folders in it, a
 * YAML file of registries (which may have credentials and TLS of their own). -ENOENT: nothing.
 */
int image_sync_list(enum image_sync_kind kind, const char *source,
		    const struct image_remote_options *o, struct arena *a,
		    struct image_sync_item **ret, size_t *ret_n, struct err *e);
/* Where one of them goes below a target; scoped: with its whole path. -EEXIST: the folder is there. */
int image_sync_target(enum image_sync_kind kind, const char *target, bool is_scoped,
		      const struct image_sync_item *item, struct arena *a, const char **ret,
		      struct err *e);

/* ---- what a registry can be told ---- */
enum image_delete_kind {
	IMAGE_DELETE_TAG,      /* "name:tag": the tag alone */
	IMAGE_DELETE_MANIFEST, /* "name@digest": and with it all its tags */
	IMAGE_DELETE_BLOB,     /* "name@digest" */
};
/* -EOPNOTSUPP: the registry does not do this. */
int image_remote_delete(const char *what, enum image_delete_kind kind,
			const struct image_remote_options *o, struct err *e);
struct image_referrer {
	const char *digest, *media_type, *artifact_type;
	int64_t size;
};
/* What refers to the manifest as its subject; `artifact_type` NULL: all. */
int image_remote_referrers(const char *what, const char *artifact_type,
			   const struct image_remote_options *o, struct arena *a,
			   struct image_referrer **ret, size_t *ret_n, struct err *e);

/*
 * Finds an image by reference, by image id (config digest, or a unique prefix of its hex) or manifest digest.
 * -ENOENT: "No such image: x". `ret_name` is the full reference or NULL when it was found by id.
 */
int image_find(struct store *s, const char *ns, const char *what, struct arena *a,
	       struct image_record **ret, const char **ret_name, struct err *e);

/*
 * Makes sure that all layers are unpacked and clean or of this boot (a snapshot that a power cut may have hurt
 * is rebuilt from its blob), and gives the top's snapshot key ("" for an image without layers).
 */
int image_ensure_unpacked(struct store *s, const char *ns, const struct image_record *rec,
			  image_progress_fn progress, void *progress_data, struct arena *a,
			  const char **ret_key, struct err *e);

/*
 * Whether the policy (trust/policy.h) lets an image that is here be used, under its full name or, NULL, any that it has. A
 * verdict of the same policy counts; else the signatures that were kept are verified again, without a network. -EACCES: it is
 * not accepted.
 */
int image_policy_check(struct store *s, const char *ns, const char *name,
		       const struct image_record *record, struct err *e);
struct image_offer;
/*
 * The same for an image whose names are not in the store yet, under each of them; its manifest is content already. Without
 * names the default rule counts.
 */
int image_policy_check_offer(struct store *s, const char *ns, const struct image_offer *o,
			     struct err *e);
/* As image_policy_check, always anew, and what was found. */
struct image_verified {
	const char *name;	     /* NULL: none */
	const char *manifest_digest; /* of the image */
	const char *digest; /* what was accepted: that, or the index that it was pulled by */
	const char *rule;
	struct json_strs words; /* how each requirement was met */
};
int image_verify(struct store *s, const char *ns, const char *what, struct arena *a,
		 struct image_verified *ret, struct err *e);

/* Removes the name (docker's rmi: "Untagged: …", then "Deleted: sha256:…" when it was the last); -EBUSY: in use. */
struct image_removed {
	struct json_strs untagged, deleted;
};
int image_remove(struct store *s, const char *ns, const char *what, bool force, struct arena *a,
		 struct image_removed *ret, struct err *e);

/* A row of `images`: one for every name. */
struct image_listed {
	const char *name, *id /* config digest */, *manifest_digest;
	const char *
		digest; /* what the name stands for: the manifest's, or the index's it was chosen from */
	int64_t created_ns, size;
};
int image_list(struct store *s, const char *ns, struct arena *a, struct image_listed **ret,
	       size_t *ret_n, struct err *e);

/* Loads the built-in corten/hello when it is not there. */
int image_ensure_builtin(struct store *s, const char *ns, const char *what, struct arena *a,
			 struct err *e);

/* ---- disk usage, pruning, checking ---- */

/* One image, whatever its names. Sizes are of its blobs and its unpacked layers together. */
struct image_use {
	const char *name; /* one of its names, or NULL */
	const char *id, *manifest_digest, *digest /* as in image_listed */;
	int64_t created_ns, size, shared /* of it, with other images */;
	size_t containers;
};
struct image_usage {
	struct image_use *v;
	size_t n, active;
	int64_t size, reclaimable; /* what is shared counts once */
};
/* Walks layers that were not measured yet, which is slow once. */
int image_usage(struct store *s, const char *ns, struct arena *a, struct image_usage *ret,
		struct err *e);

struct image_prune_options {
	bool is_all;		     /* images with names too */
	int64_t until_ns;	     /* created before; 0: whenever */
	char **labels, **not_labels; /* "key" or "key=value", all must fit; NULL: none */
};
struct image_pruned {
	struct json_strs untagged, deleted;
	int64_t reclaimed;
};
/* Removes what no container uses, by the rules of image_remove. */
int image_prune(struct store *s, const char *ns, const struct image_prune_options *o,
		struct arena *a, struct image_pruned *ret, struct err *e);

enum image_finding {
	IMAGE_DAMAGED,	/* a blob or layer is not what it was */
	IMAGE_SUSPECT,	/* a layer will be made again, as a rule after a power cut */
	IMAGE_DROPPED,	/* a damaged blob was removed */
	IMAGE_REPAIRED, /* layers were made again */
	IMAGE_LOST,	/* only a pull or load helps */
	IMAGE_ORPHANS,	/* files without rows */
};
struct image_check_options {
	bool is_repair;
	bool is_deep; /* contents of layers too: each is unpacked once more and compared */
	/* `what`: "blob sha256:…", "layer sha256:…", "image NAME", "store". */
	void (*told)(void *data, enum image_finding finding, const char *what, const char *words);
	void *data;
};
struct image_checked {
	size_t blobs, layers, images; /* looked at */
	size_t damaged, lost, repaired, orphans;
};
/*
 * Compares rows and disk, of one image or (`what` NULL) of the namespace. Damage is told, not an error. With is_repair
 * damaged blobs are dropped, damaged layers made again from whole blobs, and files without rows removed.
 */
int image_check(struct store *s, const char *ns, const char *what,
		const struct image_check_options *o, struct arena *a, struct image_checked *ret,
		struct err *e);
