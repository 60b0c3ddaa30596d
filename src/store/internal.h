#pragma once
/*
 * The store's inside: the handle, statements, transactions and what the files of this room share.
 *
 * SQL stands beside the code that uses it; statements are prepared once per handle and found again by the
 * address of their text, so every SQL text is a static array. No other room includes this header.
 * Safe after fork: no.
 */
#include <sqlite3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"

/* Distinct statements of one handle; a power of two, at most three quarters full. */
#define STORE_STMTS_MAX 256
/* Nested transactions. */
#define STORE_DEPTH_MAX 16
/* How long a writer waits for another one: far above the milliseconds that transactions take. */
#define STORE_BUSY_MS 10000
/* Names of images, keys of snapshots and leases, references of ingests, paths below the root. */
#define STORE_KEY_MAX 1024
/* Key and value of one label together, containerd's bound. */
#define STORE_LABEL_MAX 4096
/* The outbox keeps at least this many events; the oldest go in steps. */
#define STORE_EVENTS_MAX 10000
#define STORE_EVENTS_STEP 256
/* What a command removes itself of the trash: so many files and folders, so long. A cold disk takes 10 ms for a file. */
#define STORE_TRASH_FILES 500
#define STORE_TRASH_MS 50
/* Without a lease, an ingest that nobody writes to is kept this long for a resume, as in containerd. */
#define STORE_INGEST_KEEP_NS (24 * 3600 * NSEC_PER_SEC)

struct store_stmt {
	const char *sql;
	sqlite3_stmt *st;
};

/* A file that goes once the transaction that deleted its row is committed. */
struct store_drop {
	char *digest; /* a blob; NULL: the snapshot folder `id` */
	int64_t id;
};

/* Method tables of the counting VFS (vfs.c): SQLite's files have others for the database and for logs. */
enum vfs_table_kind { VFS_DB, VFS_LOG, VFS_LOG_NEW, VFS_TABLES };
struct vfs_table {
	sqlite3_io_methods io; /* first: files point to it */
	const sqlite3_io_methods *base;
	struct store *s;
};

struct snapshotter;
struct store {
	sqlite3 *db;
	const struct snapshotter *snapshotter;
	char *root; /* absolute, without links */
	int root_fd;
	unsigned int depth; /* of open transactions */
	bool is_doomed;	    /* an inner transaction was taken back after it had changed something */
	bool is_durable;
	bool has_trash;			  /* more than one command removes */
	int64_t changes[STORE_DEPTH_MAX]; /* total changes when each level began */
	uint64_t syncs;
	int64_t synced_at_ns; /* monotonic, the begin of the last store_sync; 0: none */
	int wal_pages;	      /* frames in the WAL after the last commit of this handle */
	int64_t busy_since_ns;
	char boot_id[37]; /* "": not read yet */
	int64_t owner_pid;
	uint64_t owner_start;
	struct store_drop *drops;
	size_t drops_n, drops_cap;
	struct store_stmt stmts[STORE_STMTS_MAX];

	/* The counting VFS (vfs.c). */
	sqlite3_vfs vfs, *vfs_base;
	char vfs_name[40];
	struct vfs_table tables[VFS_TABLES];
};

/* ---- vfs.c ---- */
/* Registers the handle's own VFS, which counts syncs. 0 or -ENOMEM. */
int vfs_register(struct store *s);
void vfs_unregister(struct store *s);

/* ---- db.c: statements ---- */
enum db_arg_kind { DB_TEXT, DB_INT, DB_BLOB };
struct db_arg {
	enum db_arg_kind kind;
	const void *p; /* NULL: SQL's NULL */
	int64_t i;     /* the integer, or the blob's length */
};
struct db_args {
	const struct db_arg *v;
	size_t n;
};
static inline struct db_arg T(const char *text) {
	return (struct db_arg){ DB_TEXT, text, 0 };
} static inline struct db_arg I(int64_t i) {
	return (struct db_arg){ DB_INT, NULL, i };
} static inline struct db_arg B(const void *p, size_t len) {
	return (struct db_arg){ DB_BLOB, p, (int64_t)len };
}
#define ARGS(...)                                                           \
	((struct db_args){ (const struct db_arg[]){ __VA_ARGS__ },          \
			   sizeof((const struct db_arg[]){ __VA_ARGS__ }) / \
				   sizeof(struct db_arg) })

static inline void
db_resetp(sqlite3_stmt **st)
{
	if (*st) {
		sqlite3_reset(*st);
		sqlite3_clear_bindings(*st);
	}
}
#define AUTO_STMT CLEANUP(db_resetp) sqlite3_stmt

/* Words and errno for SQLite's last error on this handle. Returns the negative errno. */
int db_error(struct store *s, int rc, struct err *e);
/* Prepares (once) and binds; arguments are borrowed until the reset. 0 or -errno. */
int db_query(struct store *s, const char *sql, struct db_args args, sqlite3_stmt **ret,
	     struct err *e);
/* 1: a row, 0: the end, -EEXIST: a constraint, -errno. */
int db_step(struct store *s, sqlite3_stmt *st, struct err *e);
/* Runs a writing statement. The number of changed rows, or -errno. */
int db_run(struct store *s, const char *sql, struct db_args args, struct err *e);
/* The first column of the first row. 1: found, 0: no row (`*ret` untouched), -errno. */
int db_get_i64(struct store *s, const char *sql, struct db_args args, int64_t *ret, struct err *e);

/* Reads the columns of a row from left to right into an arena; remembers the first failure. */
struct db_row {
	sqlite3_stmt *st;
	struct arena *a;
	int col;
	int r; /* 0 or -errno */
	struct err *e;
};
const char *row_str(struct db_row *row);		    /* never NULL: SQL's NULL is "" */
const char *row_str_null(struct db_row *row);		    /* SQL's NULL is NULL */
const char *row_bytes(struct db_row *row, size_t *ret_len); /* NUL behind; NULL for SQL's NULL */
int64_t row_i64(struct db_row *row);
struct json_map row_labels(struct db_row *row);
typedef void (*db_read_fn)(struct db_row *row, void *ret);

/* The first row through `read`. 1: found, 0: none, -errno. */
int db_read(struct store *s, const char *sql, struct db_args args, db_read_fn read, struct arena *a,
	    void *ret, struct err *e);
/* All rows through `read` into an array (elements of `size` bytes) in the arena. */
int db_list(struct store *s, const char *sql, struct db_args args, db_read_fn read, size_t size,
	    struct arena *a, void *ret, size_t *ret_n, struct err *e);

/* Ends what store_begin began: commits for r >= 0, else takes it back and gives `r`. */
int db_end(struct store *s, int r, struct err *e);
/* Copies the WAL into the database when it holds at least `pages`; never waits for readers or writers. */
void db_checkpoint(struct store *s, int pages);
#define WAL_PAGES_SOFT \
	512 /* whoever syncs or cleans up anyway does it from here on: 0.5 MiB, 0.25 ms an open */
#define WAL_PAGES_HARD 4096 /* any commit does it from here on: 4 MiB */

/* After the outermost commit the blob (if then no row names it) or the snapshot folder goes to the trash. */
int db_drop_blob(struct store *s, const char *digest);
int db_drop_snapshot(struct store *s, int64_t id);
/*
 * The mounts of a snapshot that stands on `parent_id` (0: on none), in `a`. -EINVAL for a committed one, -ESTALE
 * when a layer below it may have lost files, -E2BIG beyond LIMIT_LAYERS.
 */
int snapshot_mounts_make(struct store *s, const struct snapshot_info *info, int64_t parent_id,
			 struct arena *a, struct snapshot_mounts *ret, struct err *e);

/* ---- schema.c ---- */
struct schema_step {
	int major, minor;
	const char *sql; /* brings the step before to this one; the first makes everything */
};
/* Makes or upgrades the schema by `steps` (ascending), refuses newer majors. */
int schema_upgrade(struct store *s, const struct schema_step *steps, size_t n, struct err *e);
/* The same by the steps of this version; makes the folders of a new store. */
int schema_ensure(struct store *s, struct err *e);

/* ---- store.c ---- */
/* SQLite's busy handler; `data` is the handle. */
int db_wait_busy(void *data, int count);
int store_make_folders(struct store *s, struct err *e);
/* containerd's identifiers: parts of letters and digits with one of ". _ -" between, at most 76 bytes. */
int check_identifier(const char *id, struct err *e);
/* What never becomes a path: not empty, at most STORE_KEY_MAX bytes, valid UTF-8 is SQLite's concern. */
int check_key(const char *what, const char *key, struct err *e);
int check_digest(const char *digest, struct err *e);
/* This boot's id; "unknown" where the kernel gives none, which makes nothing look damaged by accident. */
const char *store_boot(struct store *s);
/* Folder `name` (may hold one slash) below the root, made (0700) when missing. fd or -errno. */
int store_dir(struct store *s, const char *name);
int store_fsync(struct store *s, int fd);

/* ---- labels.c ---- */
/* The column's text after an update by field paths. */
int labels_change(const struct label_update *u, const struct json_map *old, struct arena *a,
		  char **ret, struct err *e);
/* Labels as the JSON text of their column, "" for none; checks lengths. `*ret` is malloc'ed. */
int labels_text(const struct json_map *labels, char **ret, struct err *e);

/* ---- content.c ---- */
#define BLOB_PATH_MAX 160
/* "blobs/sha256/<hex>" of a checked digest. */
const char *blob_path(const char *digest, char buf[BLOB_PATH_MAX]);

/* ---- ingest.c ---- */
#define INGEST_PATH_MAX 80 /* "ingest/" and 64 hex digits */
const char *ingest_path(const char *ref, char buf[INGEST_PATH_MAX]);

/* ---- tree.c ---- */
#define TREE_TEXT_MAX 65
struct stat;
struct tree_sum {
	uint64_t lanes[4];
	bool has_content; /* contents count */
	uint8_t *buf;
};
/* 0 or -ENOMEM; ended by tree_sum_end. */
int tree_sum_begin(struct tree_sum *t, bool has_content);
/* `name` in `dir`, which is `path` from the top ("" the top itself); `is_first`: of the file's names. 0 or -errno. */
int tree_sum_add(struct tree_sum *t, int dir, const char *name, const char *path,
		 const struct stat *st, bool is_first);
/* 64 hex digits. */
void tree_sum_end(struct tree_sum *t, char ret[TREE_TEXT_MAX]);

/* ---- usage.c ---- */
struct snapshot_walked {
	int64_t size, inodes; /* blocks in bytes */
	char tree[TREE_TEXT_MAX];
};
enum snapshot_walk_kind {
	WALK_USAGE,   /* `tree` is "" */
	WALK_TREE,    /* with names and attributes */
	WALK_CONTENT, /* with contents too */
};
/* Looks through a snapshot's folder. -ENOENT: there is none. */
int snapshot_walk(struct store *s, int64_t id, enum snapshot_walk_kind kind,
		  struct snapshot_walked *ret);

/* ---- trash.c ---- */
/* Renames `name` below `dirfd` into the trash. 0 or -errno; missing is -ENOENT. */
int trash_at(struct store *s, int dirfd, const char *name);

/* ---- intents.c ---- */
/* The stamp (monotonic) of the oldest intent whose owner lives; INT64_MAX without one. */
int intents_oldest_live(struct store *s, int64_t *ret_stamp, struct err *e);

/* ---- gc_files.c ---- */
/* Moves files that no row names (left by a kill or a power cut) and forgotten ingests to the trash. */
int gc_files(struct store *s, struct gc_stats *stats, struct err *e);
