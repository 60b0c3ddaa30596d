#pragma once
/*
 * The image room's inside. Nobody else includes this. Safe after fork: no.
 */
#include <stdbool.h>

#include "base/proc.h"
#include "image/image.h"
#include "spec/worker_protocol.h"

/* ---- drive.c: a worker and its control channel ---- */

/* Without a word for this long a worker that reads a file is stuck. */
#define WORKER_STALL_MS 120000

struct worker {
	struct child child;
	int control; /* -EBADF: not running */
	int64_t heard_ms;
};
/* Starts corten-worker in `role` with these descriptors besides the control channel. */
int worker_start(const char *role, const struct spawn_fd *fds, size_t n, struct worker *ret,
		 struct err *e);
/*
 * The next message; a WORKER_ERROR and the worker's death come as errors. `*ret_payload` is malloc'ed. No
 * worker sends descriptors. 0 or -errno.
 */
int worker_recv(struct worker *w, struct worker_msg *ret, char **ret_payload, struct err *e);
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

/* ---- work.c: what a load or an unpack holds while it is under way ---- */

struct image_work {
	struct store *s;
	const char *ns;
	char id[24]; /* of the lease, the ingest, and part of snapshots' keys */
	int64_t intent;
	image_progress_fn progress;
	void *progress_data;
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
/* The manifests of images without a name. */
int image_list_nameless(struct store *s, const char *ns, struct arena *a, struct json_strs *ret,
			struct err *e);
