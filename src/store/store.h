#pragma once
/*
 * The store: blobs on disk, everything else in one SQLite database (WAL), shared by any number of
 * processes at the same time.
 *
 *	<root>/store.db            metadata; schema major.minor in PRAGMA user_version (minor only adds; a newer major is refused)
 *	<root>/blobs/sha256/<hex>  content, mode 0400, named only once whole and verified; its row says whether it is synced
 *	<root>/ingest/<ref>/       unfinished content, resumable
 *	<root>/reservations        empty; byte ranges of it are locked by store_reserve
 *	<root>/snapshots/<n>/fs, work
 *	<root>/snapshotter         "native"; not there: overlayfs
 *	<root>/logs/<ns>/<id>/     containers' logs
 *	<root>/trash/              renamed here first, emptied by whoever comes with store_empty_trash
 *
 * A handle belongs to one thread. All functions block. Records that are returned live in the caller's arena.
 * Errors have containerd's words where it has some ("container "x": not found"). Acknowledged means durable:
 * see store_sync. Safe after fork: no (open a new handle).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/digest.h"
#include "codec/json.h"

struct err;
struct store;

/* Opens, makes the folders (mode 0711; what is below is 0700) and the schema when missing. */
int store_open(const char *root, struct store **ret, struct err *e);
/*
 * The same with a snapshotter: "overlayfs" or "native" (docker's "overlay2" and "vfs" too). NULL: the store's own; a new
 * store then takes overlayfs where its filesystem can hold one. -EINVAL when the store was made with the other one.
 */
int store_open_as(const char *root, const char *snapshotter, struct store **ret, struct err *e);
void store_close(struct store *s); /* accepts NULL */
static inline void store_closep(struct store **s)
{
	store_close(*s);
}
#define AUTO_STORE __attribute__((cleanup(store_closep))) struct store *
/* O_DIRECTORY descriptor of the root; borrowed. */
int store_root_fd(const struct store *s);
const char *store_root_path(const struct store *s);

/*
 * Write transactions (BEGIN IMMEDIATE). They nest (inner ones are counted), and every writing function below
 * makes its own when none is open. No transaction is open across an exec, a mount or network work.
 */
int store_begin(struct store *s, struct err *e);
int store_commit(struct store *s, struct err *e);
void store_rollback(struct store *s); /* no-op when none is open */
/* From the next commit on this handle is durable (synchronous=FULL) or not (NORMAL, the default). */
int store_set_durable(struct store *s, bool is_on, struct err *e);
/* The number of fsync, fdatasync and syncfs calls this handle made, SQLite's included; for the tests' budget. */
uint64_t store_sync_count(const struct store *s);

/*
 * Labels change by containerd's field paths: "labels" (or none at all) replaces all, "labels.<key>" sets one; a value
 * that is empty or missing removes. Other paths are -EINVAL.
 */
struct label_update {
	const struct json_map *labels; /* NULL: none */
	struct json_strs fields;
};

/* ---- namespaces ---- */
int store_namespace_ensure(struct store *s, const char *ns, struct err *e);
int store_namespace_list(struct store *s, struct arena *a, struct json_strs *ret, struct err *e);
/* -EEXIST. */
int store_namespace_create(struct store *s, const char *ns, const struct json_map *labels,
			   struct err *e);
/* -ENOENT, as all below. */
int store_namespace_labels(struct store *s, const char *ns, struct arena *a, struct json_map *ret,
			   struct err *e);
int store_namespace_update(struct store *s, const char *ns, const struct label_update *u,
			   struct err *e);
/* -EBUSY (failed precondition) names what is still in it. Its leases go with it. */
int store_namespace_delete(struct store *s, const char *ns, struct err *e);

/* ---- content ---- */
struct content_info {
	const char *digest;
	int64_t size, created_ns, updated_ns;
	struct json_map labels; /* of the namespace asked for */
};
/* -ENOENT: not in the namespace. */
int store_content_info(struct store *s, const char *ns, const char *digest, struct arena *a,
		       struct content_info *ret, struct err *e);
int store_content_list(struct store *s, const char *ns, struct arena *a, struct content_info **ret,
		       size_t *ret_n, struct err *e);
/* An O_RDONLY descriptor of a whole blob (known to any namespace). -ENOENT. */
int store_content_open(struct store *s, const char *digest, struct err *e);
/* Reads a small blob; -EFBIG above `max`. */
int store_content_read(struct store *s, const char *digest, size_t max, struct arena *a,
		       const char **ret, size_t *ret_len, struct err *e);
int store_content_set_labels(struct store *s, const char *ns, const char *digest,
			     const struct json_map *labels, struct err *e);
/* Adds to the labels that it has, or replaces those of the same key. */
int store_content_add_labels(struct store *s, const char *ns, const char *digest,
			     const struct json_map *labels, struct err *e);
int store_content_drop_label(struct store *s, const char *ns, const char *digest, const char *key,
			     struct err *e);
int store_content_update(struct store *s, const char *ns, const char *digest,
			 const struct label_update *u, struct err *e);
int store_content_delete(struct store *s, const char *ns, const char *digest, struct err *e);

/*
 * Ingest: a writer for one blob. The data goes to `fd` (O_RDWR, the ingest's file, may be handed to a worker);
 * what is there from an earlier try stays when `resume` is asked. Commit checks the size,
 * takes the caller's word for the digest (computed by a role that did not touch the network), and renames the file into place.
 */
struct ingest {
	struct store *store;
	char *ref;
	int fd;
	int dirfd;
};
/* One writer at a time: -EBUSY (class unavailable) while another one, of any process, has the reference open. */
int store_ingest_open(struct store *s, const char *ref, bool resume, struct ingest **ret,
		      struct err *e);
/*
 * For small content from a hand that is not trusted and may still hold `fd`: reads it, checks size (-EBADMSG,
 * taken into memory) and sha256 digest, and goes on with a copy of what was checked, which nobody else has open.
 */
int store_ingest_seal(struct ingest *i, const char *digest, int64_t size, struct err *e);
/*
 * `digest`: what the bytes were found to have. `is_synced`: true syncs the file and its folder here (2 syncs,
 * none when the blob was there and clean); false leaves that to a later store_sync. The row is there at once;
 * until the sync it counts in this boot only, because a power cut may take the bytes. An existing blob makes
 * this a success that drops the ingest; labels are added to those it has. Ends the ingest on success.
 * -EBADMSG: the file has another size.
 */
int store_ingest_commit(struct ingest *i, const char *ns, const char *digest, int64_t size,
			bool is_synced, const struct json_map *labels, struct err *e);
void store_ingest_abort(struct ingest *i); /* removes it; accepts NULL */
void store_ingest_close(struct ingest *i); /* leaves the data for a later resume; accepts NULL */

/* What is being written, or waits for a resume. */
struct ingest_status {
	const char *ref;
	int64_t offset; /* bytes so far */
	int64_t started_ns, updated_ns;
	bool is_active; /* a writer has it */
};
int store_ingest_list(struct store *s, struct arena *a, struct ingest_status **ret, size_t *ret_n,
		      struct err *e);
/* -ENOENT. */
int store_ingest_status(struct store *s, const char *ref, struct arena *a,
			struct ingest_status *ret, struct err *e);
/* Removes one that nobody writes to: -ENOENT, -EBUSY. */
int store_ingest_remove(struct store *s, const char *ref, struct err *e);

/* One syncfs of the store's filesystem: everything written so far is durable. */
int store_sync(struct store *s, struct err *e);

/*
 * Says to all processes that this one makes what `name` stands for, until the descriptor is closed or its owner dies;
 * nothing is left of it on disk. fd, -EAGAIN: another one does; -errno.
 */
int store_reserve(struct store *s, const char *name, struct err *e);

/* ---- images ---- */
struct image_row {
	const char *name;		 /* full reference; untagged images have no row */
	const char *digest, *media_type; /* the target */
	int64_t size;
	struct json_map labels;
	int64_t created_ns, updated_ns;
};
int store_image_get(struct store *s, const char *ns, const char *name, struct arena *a,
		    struct image_row *ret, struct err *e);
int store_image_list(struct store *s, const char *ns, struct arena *a, struct image_row **ret,
		     size_t *ret_n, struct err *e);
/* Creates or replaces; writes the event /images/create or /images/update. */
int store_image_put(struct store *s, const char *ns, const struct image_row *row, struct err *e);
int store_image_delete(struct store *s, const char *ns, const char *name, struct err *e);

/* The normalised record that a worker made of one manifest for one platform (image/record.h), by manifest digest. */
int store_record_put(struct store *s, const char *manifest_digest, const char *json, size_t len,
		     struct err *e);
int store_record_get(struct store *s, const char *manifest_digest, struct arena *a,
		     const char **ret_json, size_t *ret_len, struct err *e);

/* ---- snapshots (names are containerd's: key, parent, chain ids as keys of committed ones) ---- */

/* "overlayfs" or "native", and the type of a lease's resource: "snapshots/native". */
const char *store_snapshotter(const struct store *s);
const char *store_snapshot_type(const struct store *s);
/*
 * Whether store_snapshot_stack works. Otherwise a layer is unpacked into an active snapshot on its parent, which is a
 * copy that whiteouts remove from: in order.
 */
bool store_snapshot_can_stack(const struct store *s);

enum snapshot_kind { SNAPSHOT_VIEW = 1, SNAPSHOT_ACTIVE = 2, SNAPSHOT_COMMITTED = 3 };
struct snapshot_info {
	int64_t id; /* the folder's number */
	enum snapshot_kind kind;
	const char *key, *parent; /* parent "": none */
	bool is_clean;		  /* synced: survives a power cut */
	bool is_suspect; /* committed in another boot and never synced: unpack and commit it again */
	struct json_map labels;
	int64_t created_ns, updated_ns, inodes, size;
	const char *tree; /* what a committed one's folder was when it was measured, or "" */
};
struct snapshot_mounts {
	const char *type; /* "overlay" or "bind" */
	const char *source;
	/* overlay: "index=off", "workdir=", "upperdir=", "lowerdir=a:b"; bind: "rw" or "ro", "rbind"; absolute paths */
	struct json_strs options;
	struct json_strs lowers; /* the lower folders, topmost first, for lowerdir+ */
};
int store_snapshot_stat(struct store *s, const char *ns, const char *key, struct arena *a,
			struct snapshot_info *ret, struct err *e);
int store_snapshot_list(struct store *s, const char *ns, struct arena *a,
			struct snapshot_info **ret, size_t *ret_n, struct err *e);
/* Makes an active (writable) or a view snapshot on `parent` (NULL or "": empty). -EEXIST, -ENOENT (parent). */
int store_snapshot_prepare(struct store *s, const char *ns, const char *key, const char *parent,
			   enum snapshot_kind kind, const struct json_map *labels, struct arena *a,
			   struct snapshot_mounts *ret, struct err *e);
/*
 * Slow at the first use of a native one: that is when the parent is copied. Folders hold container ids: for a user
 * namespace whoever mounts adds the options uidmap= and gidmap= (shim/rootfs.h).
 * -ESTALE: a snapshot below is suspect (see is_suspect): make the image's layers whole (image_ensure_unpacked)
 * and ask again; the same key then stands on the fresh ones.
 */
int store_snapshot_mounts(struct store *s, const char *ns, const char *key, struct arena *a,
			  struct snapshot_mounts *ret, struct err *e);
/* The fs folder of an active snapshot (O_PATH|O_DIRECTORY): a layer is unpacked into it. fd or -errno. */
int store_snapshot_open_fs(struct store *s, const char *ns, const char *key, struct err *e);
/*
 * Puts an active one without a parent onto a committed one: layers are unpacked side by side and stacked when
 * those below are there. Its root gets the parent's owner and mode, as prepare would have given it. -EOPNOTSUPP: see
 * store_snapshot_can_stack.
 */
int store_snapshot_stack(struct store *s, const char *ns, const char *key, const char *parent,
			 struct err *e);
/*
 * Turns an active one into a committed one named `name`; an existing `name` is -EEXIST (another unpack won),
 * unless it is suspect: then the fresh one takes its place, for all that stands on it too.
 */
int store_snapshot_commit(struct store *s, const char *ns, const char *name, const char *key,
			  const struct json_map *labels, struct err *e);
int store_snapshot_update(struct store *s, const char *ns, const char *key,
			  const struct label_update *u, struct err *e);
/* The row goes, the folder is renamed into the trash. -EBUSY while it has children. */
int store_snapshot_remove(struct store *s, const char *ns, const char *key, struct err *e);
/* After a store_sync: marks all committed ones written before it as clean. */
int store_snapshots_mark_clean(struct store *s, struct err *e);
/* Usage by walking; slow. */
int store_snapshot_usage(struct store *s, const char *ns, const char *key, int64_t *ret_size,
			 int64_t *ret_inodes, struct err *e);

/* ---- containers ---- */
struct container_row {
	const char *id, *name; /* the name is unique in the namespace; NULL: none */
	const char *image;     /* reference as given */
	const char *runtime;   /* "io.containerd.runc.v2" */
	const char *spec;      /* config.json as given, bytes */
	size_t spec_len;
	const char *snapshotter, *snapshot_key;
	struct json_map labels;
	/* Our versioned document (engine/container_doc.h), JSON; NULL: made by others. */
	const char *doc;
	size_t doc_len;
	int64_t created_ns, updated_ns;
};
/* -EEXIST: `Conflict. The container name "/x" is already in use by container "id".…` (docker's words) or the id. */
int store_container_create(struct store *s, const char *ns, const struct container_row *row,
			   struct err *e);
int store_container_update(struct store *s, const char *ns, const struct container_row *row,
			   struct err *e);
int store_container_get(struct store *s, const char *ns, const char *id, struct arena *a,
			struct container_row *ret, struct err *e);
/* By full id, name, or unique id prefix. -ENOENT: "No such container: x"; -EINVAL when ambiguous. */
int store_container_find(struct store *s, const char *ns, const char *what, struct arena *a,
			 struct container_row *ret, struct err *e);
/*
 * In the order of creation. `spec` is there only where `doc` is not (containers made by others): a thousand
 * specs are 10 MB that a listing does not look at; store_container_get gives them.
 */
int store_container_list(struct store *s, const char *ns, struct arena *a,
			 struct container_row **ret, size_t *ret_n, struct err *e);
int store_container_delete(struct store *s, const char *ns, const char *id, struct err *e);

/* ---- intents: what was begun and not yet committed (design, "Locks and crashes") ---- */
struct intent_row {
	int64_t id;
	const char *ns, *object; /* container id, image name… */
	const char *verb;	 /* "create", "start", "delete", "load" … */
	int64_t owner_pid;
	uint64_t owner_start; /* clock ticks */
	const char *boot_id;
	const char *data; /* verb's own, JSON or "" */
};
/* Writes a row owned by this process. `*ret_id` names it. */
int store_intent_begin(struct store *s, const char *ns, const char *object, const char *verb,
		       const char *data, int64_t *ret_id, struct err *e);
int store_intent_end(struct store *s, int64_t id, struct err *e);
/* Those whose owner is dead (pid gone, other start time, or another boot). `ns`/`object` may be NULL: all. */
int store_intent_list_dead(struct store *s, const char *ns, const char *object, struct arena *a,
			   struct intent_row **ret, size_t *ret_n, struct err *e);

/* ---- events: the outbox ---- */
struct event_row {
	int64_t seq, time_ns;
	const char *ns, *topic; /* "/tasks/exit" */
	const char *json;	/* the event's fields */
};
/* In the open transaction, or in its own; ringing the doorbell after the commit is the engine's work. */
int store_event_add(struct store *s, const char *ns, const char *topic, const char *json,
		    struct err *e);
/* Events after `seq`, at most `max`. */
int store_event_list(struct store *s, int64_t after_seq, size_t max, struct arena *a,
		     struct event_row **ret, size_t *ret_n, struct err *e);

/* The newest sequence number, 0 when there was no event yet. */
int store_event_last(struct store *s, int64_t *ret_seq, struct err *e);

/* ---- leases ---- */
int store_lease_create(struct store *s, const char *ns, const char *id, int64_t expires_ns,
		       struct err *e);
struct lease_row {
	const char *id;
	int64_t created_ns, expires_ns; /* 0: does not expire by itself */
	struct json_map labels;
};
struct lease_item {
	const char *type, *resource;
};
/* With labels: containerd.io/gc.expire ends it, containerd.io/gc.flat keeps only what it names itself. */
int store_lease_create_labelled(struct store *s, const char *ns, const char *id, int64_t expires_ns,
				const struct json_map *labels, struct err *e);
int store_lease_list(struct store *s, const char *ns, struct arena *a, struct lease_row **ret,
		     size_t *ret_n, struct err *e);
/* -ENOENT: no such lease. */
int store_lease_items(struct store *s, const char *ns, const char *id, struct arena *a,
		      struct lease_item **ret, size_t *ret_n, struct err *e);
/* What is not in it is fine, as in containerd. */
int store_lease_remove(struct store *s, const char *ns, const char *id, const char *type,
		       const char *resource, struct err *e);
/* `type`: "content" or what store_snapshot_type gives. */
int store_lease_add(struct store *s, const char *ns, const char *id, const char *type,
		    const char *resource, struct err *e);
int store_lease_delete(struct store *s, const char *ns, const char *id, struct err *e);

/* ---- checking ---- */
/* Reads the blob's file whole. -ENOENT: it is gone, -EBADMSG: it is another one; the words go on from "blob x: ". */
int store_content_verify(struct store *s, const char *digest, int64_t size, struct err *e);
/* The rows of all namespaces and the file, because it is damaged. Records stay: they were checked on their own. */
int store_content_drop(struct store *s, const char *digest, struct err *e);
/*
 * Walks a committed snapshot's folder and compares it with what store_snapshot_usage found once: names, modes, owners,
 * sizes, times, targets, attributes. -ENOENT: the folder is gone, -EBADMSG: it is not what it was.
 */
int store_snapshot_verify(struct store *s, const char *ns, const char *key, struct err *e);
/* Compares a committed snapshot's folder, contents too, with that of another snapshot. Errors as above, of `key`. */
int store_snapshot_compare(struct store *s, const char *ns, const char *key, const char *other,
			   struct err *e);
/* From now on it is suspect, as after a power cut: its next use makes it again. */
int store_snapshot_distrust(struct store *s, const char *ns, const char *key, struct err *e);
/* Blobs' files and snapshots' folders without a row; store_gc removes them. */
int store_count_orphans(struct store *s, size_t *ret, struct err *e);

/* ---- collection ---- */
struct gc_stats {
	int64_t blobs, blob_bytes, snapshots;
};
/*
 * Mark and sweep: roots are images, containers' snapshots, leases, gc.root labels; references are a manifest's
 * descriptors (every digest that its record names, and labels containerd.io/gc.ref.*) and snapshots' parents.
 * What was written after the oldest intent of a live process began is kept; whoever relies on older content or
 * snapshots that nothing refers to yet puts them under a lease first. Works in batches with short transactions.
 * Removed folders and blobs go to the trash. -EBUSY inside a transaction.
 */
int store_gc(struct store *s, struct gc_stats *ret, struct err *e);
/*
 * Removes what lies in the trash, but no more than a command may take the time for; then store_has_trash is true, and
 * whoever has the time (a process in the background) calls store_empty_trash_whole.
 */
int store_empty_trash(struct store *s, struct err *e);
bool store_has_trash(const struct store *s);
/* Takes as long as it takes and may be killed at any time. 0 at once when another process is at it. Holds nobody up. */
int store_empty_trash_whole(struct store *s, struct err *e);
/* Moves a folder below the root (path relative to it) into the trash. Missing is fine. */
int store_trash(struct store *s, const char *relative_path, struct err *e);
