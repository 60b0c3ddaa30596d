#pragma once
/*
 * The folder that a layer becomes, by descriptors: open parents are kept while entries come in order, links
 * in the way end inside the root, folders that miss are made and remembered.
 *
 * What only the parent can do (an overlay's opaque mark, xattrs that need CAP_SYS_ADMIN, attributes of
 * folders that the layer does not describe) is noted here and told at the end. Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/mem.h"
#include "spec/worker_protocol.h"
#include "worker/applied.h"
#include "worker/names.h"

struct err;

/* Folders deeper than this are opened anew for each entry's parent. */
#define TREE_LEVELS 64

struct tree_level {
	int fd;
	size_t path_len;
	bool is_sgid; /* what is made inside gets its group */
};

struct tree_note {
	enum worker_msg_type kind; /* WORKER_IMPLIED, WORKER_OPAQUE, WORKER_XATTR */
	const char *path;
	const char *name, *value; /* WORKER_XATTR */
	size_t value_len;
	ino_t ino;
};

struct tree_dir {
	const char *path;
	struct timespec mtime;
	ino_t ino;
};

struct tree {
	struct tree_level root;
	bool has_lower;		  /* layers below, beside this one: whiteouts become marks */
	bool is_applied;	  /* onto a copy of the layers below: whiteouts remove */
	struct applied own;	  /* what the layer has, when it is applied */
	char path[NAME_PATH_MAX]; /* of the deepest open level */
	struct tree_level levels[TREE_LEVELS];
	size_t n;
	bool is_linked; /* the last parent was reached through a link: not kept */
	bool is_plain;	/* links in the way are no folders (whiteouts) */
	bool is_ended;	/* what is missing now stays so: -ENOENT */
	struct arena a;
	struct tree_note *notes;
	size_t notes_n, notes_cap;
	struct tree_dir *dirs; /* those that the layer describes */
	size_t dirs_n, dirs_cap;
};

/* `flags`: of WORKER_START. */
void tree_init(struct tree *t, int root_fd, uint64_t flags);
/* Leaves the root's descriptor alone. */
void tree_done(struct tree *t);
/*
 * The folder of the first `len` bytes of cleaned `path`, made when it is missing. Valid until the next call
 * of this module. With `is_plain` in the tree a link in the way is -ENOTDIR, as other things that are no
 * folders always are.
 */
int tree_parent(struct tree *t, const char *path, size_t len, const struct tree_level **ret,
		struct err *e);
/* Removes what is at `name` in `parent` (a whole tree too) and forgets open folders below. */
int tree_remove(struct tree *t, const struct tree_level *parent, const char *name, const char *path,
		struct err *e);
/* Whether a stat result is an overlay's whiteout. */
bool tree_is_whiteout(mode_t mode, dev_t rdev);
int tree_note(struct tree *t, const struct tree_note *note, struct err *e);
int tree_note_dir(struct tree *t, const char *path, const struct timespec *mtime, ino_t ino,
		  struct err *e);
/* Sets the folders' times and sends the notes that still hold. */
int tree_finish(struct tree *t, int control, struct err *e);
