#pragma once
/*
 * The image room's inside. Nobody else includes this. Safe after fork: no.
 */
#include <stdbool.h>

#include "base/proc.h"
#include "image/image.h"
#include "spec/worker_protocol.h"

struct image_work;
struct pollfd;

/* ---- drive.c: a worker and its control channel ---- */

/* Without a word for this long a worker that reads a file is stuck. */
#define WORKER_STALL_MS 120000

struct worker {
	struct child child;
	int control; /* -EBADF: not running */
	int64_t heard_ms;
};
/* Starts corten-worker, for `fetch` corten-fetch, in `role` with these descriptors besides the control channel. */
int worker_start(const char *role, const struct spawn_fd *fds, size_t n, struct worker *ret,
		 struct err *e);
/*
 * The next message; a WORKER_ERROR and the worker's death come as errors. `*ret_payload` is malloc'ed. No
 * worker sends descriptors. 0 or -errno.
 */
int worker_recv(struct worker *w, struct worker_msg *ret, char **ret_payload, struct err *e);
/* Until it says something. -ETIMEDOUT when it and we have been silent for WORKER_STALL_MS, unless it `is_patient`. */
int worker_wait(struct worker *w, bool is_patient, struct err *e);
int worker_send(struct worker *w, enum worker_msg_type type, uint64_t a, const void *payload,
		size_t len, int fd, struct err *e);
/* Ends it, by force when it does not end by itself. Accepts one that never ran. */
void worker_stop(struct worker *w);

/* ---- record.c ---- */

/* What must hold for every record: bounds, digests, counts, chain ids. -EBADMSG. */
int image_record_check(const struct image_record *r, struct err *e);
/* Reads and checks what the store has. -ENOENT. */
int image_record_get(struct store *s, const char *manifest_digest, struct arena *a,
		     struct image_record **ret, struct err *e);
/* -EBADMSG when the store has a different one of the same manifest. */
int image_record_put(struct store *s, const struct image_record *r, struct err *e);

/* ---- offer.c ---- */

#define PLATFORM_TEXT_MAX 80
/* "linux/amd64" of this host. May return a constant. */
const char *image_host_platform(char buf[PLATFORM_TEXT_MAX]);
/* The offer's record and names, and that the store has all its blobs in their sizes. */
int image_offer_check(struct image_work *w, const struct image_offer *offer, struct err *e);
/*
 * Everything is on disk before the first row names it; one sync of the filesystem and one of the database. Ends
 * the work on success.
 */
int image_offers_commit(struct image_work *w, const struct image_offer *offers, size_t n,
			struct err *e);

/* ---- work.c: what a load or an unpack holds while it is under way ---- */

/*
 * Where layers come from while they are unpacked; without one they lie in the store. Only the unpack loop calls it.
 */
struct image_feed {
	/* Whether the blob has to come first, be there a snapshot or not. */
	bool (*is_missing)(struct image_feed *feed, const struct image_layer *layer);
	/*
	 * The blob from its begin; -EAGAIN: not yet. With `*ret_is_fed` it is what is there of it, O_RDWR, for the one
	 * role that reads, keeps and hashes it.
	 */
	int (*open)(struct image_feed *feed, const struct image_layer *layer, bool *ret_is_fed,
		    struct err *e);
	/* The piece that begins at `offset`, the caller's; -EAGAIN: not yet; -ENODATA: the blob ends there. */
	int (*next)(struct image_feed *feed, const struct image_layer *layer, int64_t offset,
		    struct err *e);
	/* Whether something of the blob is being fetched now. */
	bool (*is_coming)(struct image_feed *feed, const struct image_layer *layer);
	/* A role without a network found digest and size right. */
	int (*verified)(struct image_feed *feed, const struct image_layer *layer, struct err *e);
	/* What to wait for: at most FEED_FDS_MAX. */
	size_t (*watch)(struct image_feed *feed, struct pollfd *fds);
	/* After the wait, with what `watch` gave. */
	int (*step)(struct image_feed *feed, const struct pollfd *fds, size_t n, struct err *e);
};
#define FEED_FDS_MAX 4

struct image_work {
	struct store *s;
	const char *ns;
	char id[24]; /* of the lease, the ingest, and part of snapshots' keys */
	int64_t intent;
	image_progress_fn progress;
	void *progress_data;
	struct image_feed *feed; /* NULL: the store */
	/*
	 * NULL, or: nothing is committed. Every layer is unpacked once more beside the one that is there, whose key is
	 * its chain id, for this to look at both; an error ends the work.
	 */
	int (*trial)(struct image_work *w, const struct image_layer *layer, const char *key,
		     struct err *e);
	void *trial_data;
};
/* Mends what killed ones left, then takes a lease and an intent. */
int image_work_begin(struct image_work *w, struct err *e);
/* Gives both back; in the transaction that makes the result visible, or in its own. */
int image_work_end(struct image_work *w, struct err *e);
/* After a failure: nothing of it stays. */
void image_work_abandon(struct image_work *w);
/* The key of the snapshot that layer `i` of the work is unpacked into. */
#define WORK_KEY_MAX 64
const char *image_work_key(const struct image_work *w, size_t i, char buf[WORK_KEY_MAX]);

/* ---- load.c ---- */
/*
 * An archive's one image (of the options `platform`, `wanted` and the progress count) into content that the work's lease holds
 * and nothing names; `*ret_digest` is its manifest's.
 */
int image_load_stage(struct image_work *w, int fd, const struct image_load_options *o,
		     struct arena *a, const char **ret_digest, struct err *e);

/* ---- notes.c ---- */

/* What a worker told about its folder and only we can do. */
struct layer_note {
	enum worker_msg_type kind;
	const char *path, *name, *value;
	size_t value_len;
};
/* Reads the payload of WORKER_IMPLIED, WORKER_OPAQUE or WORKER_XATTR and checks it. */
int layer_note_read(const struct worker_msg *m, const char *payload, struct arena *a,
		    struct layer_note *ret, struct err *e);
/* `fs`: the layer's folder; `lowers`: the folders below it, topmost first. */
int layer_note_apply(const struct layer_note *note, int fs, const struct json_strs *lowers,
		     struct err *e);

/* ---- unpack.c ---- */

/* Unpacks the layers that are missing, several at once, and commits them. */
int image_unpack(struct image_work *w, struct image_record *const *records, size_t n,
		 struct err *e);
/* Whether all snapshots of the image are there and trustworthy. 1, 0, -errno. */
int image_is_unpacked(struct store *s, const char *ns, const struct image_record *rec,
		      struct err *e);

/* ---- find.c ---- */

/* Images without a name are kept by this label on their manifest. */
#define LABEL_GC_ROOT "containerd.io/gc.root"
/*
 * On an image whose target is an index: the manifest of it that was made ready for this host. Being a reference of
 * containerd's kind it keeps that manifest, whatever the index's own labels say.
 */
#define LABEL_MANIFEST "containerd.io/gc.ref.content.corten"
/* On an image whose target is none: the artifact's type, or "". */
#define LABEL_ARTIFACT "io.corten.artifact"
/*
 * As image_find, and artifacts too: of those the record has no more than the manifest's digest, as its config's as well.
 */
int image_find_any(struct store *s, const char *ns, const char *what, struct arena *a,
		   struct image_record **ret, const char **ret_name, struct err *e);
/* The manifest that the name stands for here; borrows from `row`. */
const char *image_row_manifest(const struct image_row *row);
/* The manifests of images without a name. */
int image_list_nameless(struct store *s, const char *ns, struct arena *a, struct json_strs *ret,
			struct err *e);

/* ---- names.c ---- */
/*
 * Gives a name to what the row says. The image that it is taken from stays without a name, unless it has another or is
 * the same by its id. In the open transaction, or in its own.
 */
int image_name_put(struct store *s, const char *ns, const struct image_row *row, struct err *e);
/* An image that has no name is not collected. */
int image_keep_nameless(struct store *s, const char *ns, const char *manifest, struct err *e);

/* ---- remove.c, usage.c ---- */
/* The ids of the images that containers were made of, one for each container. */
int image_used_ids(struct store *s, const char *ns, struct arena *a, struct json_strs *ret,
		   struct err *e);
/* The rows of image_usage without sizes. */
int image_usage_list(struct store *s, const char *ns, struct arena *a, struct image_usage *ret,
		     struct err *e);

struct fetch_setup;
struct warner;

/* ---- feed.c: layers from a registry ---- */

/* Connections to one registry at a time, as docker has. */
#define FETCHERS_MAX 3

struct fetcher {
	struct worker worker;
	struct blob *blob; /* what it fetches, or NULL */
	int64_t begin;	   /* of the piece */
};
struct blob;
struct fetch_feed {
	struct image_feed feed; /* first */
	struct image_work *w;
	const struct fetch_setup *setup;
	void (*told)(void *data, const char *digest, const char *words); /* may be NULL */
	void *told_data;
	struct warner *warner; /* may be NULL */
	struct fetcher fetchers[FETCHERS_MAX];
	struct blob *blobs;
	size_t n;
	bool has_resumed;
	bool has_no_ranges; /* the registry ignores them */
};
/* Ready for fetch_small. */
void fetch_feed_init(struct fetch_feed *f, struct image_work *w, const struct fetch_setup *setup);
/* Nothing more is asked for: the fetchers end while the caller does something else. Then only fetch_feed_done. */
void fetch_feed_end_fetchers(struct fetch_feed *f);
/* Ends the fetchers. What was fetched stays for a resume, unless it `is_damaged`. */
void fetch_feed_done(struct fetch_feed *f, bool is_damaged);
struct ingest;
/*
 * A document into an ingest's file, `size` as in WORKER_GET. `*ret_type` is malloc'ed: the media type, NUL, the digest
 * (or ""), both by the registry's word.
 */
int fetch_small(struct fetch_feed *f, const char *path, struct ingest *to, uint64_t size,
		char **ret_type, struct err *e);
/* What is missing of the layers; image_unpack with this feed gets it. */
int fetch_feed_layers(struct fetch_feed *f, const struct image_record *rec, struct err *e);
