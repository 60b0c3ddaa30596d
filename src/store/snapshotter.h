#pragma once
/*
 * What differs between kinds of snapshotters, as one table of operations. Rows, names, transactions, suspicion after a
 * power cut and collection are the same for all and live in snapshots.c.
 *
 *	overlayfs  a folder per layer, stacked by an overlay mount
 *	native     a folder per snapshot that holds everything: a copy of the parent's, blocks shared where the filesystem
 *		   can. For filesystems that an overlay cannot lie on.
 *
 * A store has one kind, chosen when it is made: by name, else by a try to mount an overlay of its folders. `native` is
 * remembered in the file <root>/snapshotter; without the file the kind is overlayfs.
 */
#include "store/internal.h"

struct snapshot_place {
	int64_t id, parent_id; /* 0: none */
	enum snapshot_kind kind;
};

struct snapshotter {
	const char *name; /* containerd's */
	/* Layers may be unpacked side by side and put upon each other afterwards. */
	bool can_stack;
	/* The folder of a new snapshot below `dir` (<root>/snapshots/<id>); in the transaction, so it must be quick. */
	int (*make)(int dir, const struct snapshot_place *p);
	/* Before its files are used the first time: as long as it takes. 0 or -errno. */
	int (*fill)(int dir, const struct snapshot_place *p);
	/* Whether a writable folder was lost in a power cut and is made again. */
	bool (*is_lost)(int dir, const struct snapshot_place *p);
	/* Only those with a parent; `m->lowers` is filled. -ENOMEM. */
	int (*mount)(struct store *s, const struct snapshot_place *p, struct arena *a,
		     struct snapshot_mounts *m);
	/* How many folders of the chain below make the mount. */
	int levels_max;
};

extern const struct snapshotter snapshotter_overlay, snapshotter_native;

/* By name, docker's names too. NULL: none. */
const struct snapshotter *snapshotter_find(const char *name);
/* A new store's: `wanted`, or what its filesystem can. Remembers it. */
int snapshotter_choose(struct store *s, const char *wanted, struct err *e);
/* What the store was made with; -EINVAL when `wanted` (or NULL) is another one. */
int snapshotter_read(struct store *s, const char *wanted, struct err *e);

/*
 * The overlay's root shows the upper folder's owner and mode, so they are the parent's, as if it had been copied up.
 * `dir`: of the snapshot.
 */
int snapshot_copy_owner(int dir, int64_t parent_id);
/* mkdirat without the umask's say. */
int snapshot_make_dir(int dir, const char *name, mode_t mode);

/* ---- snapshot_mounts.c ---- */
int mount_bind(struct store *s, struct arena *a, int64_t id, bool is_rw,
	       struct snapshot_mounts *ret);
int mount_overlay(struct store *s, const struct snapshot_place *p, struct arena *a,
		  struct snapshot_mounts *ret);
