#pragma once
/*
 * A layer that is applied onto a copy of those below it (the native snapshotter) instead of lying beside them: whiteouts
 * remove what is hidden there and then.
 *
 * What the layer itself has stays whatever the order of its entries (image-spec 1.1 layer.md#whiteouts), so the inodes
 * that it made or changed are remembered. An inode of the copy never becomes one of these by chance: it is in use
 * until it is removed, and what is made with its number afterwards is the layer's own.
 * Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

struct applied {
	ino_t *v; /* open-addressed, 0: free */
	size_t n, cap;
};

void applied_done(struct applied *own);
/* 0 or -ENOMEM. */
int applied_add(struct applied *own, ino_t ino);
bool applied_has(const struct applied *own, ino_t ino);
/* A whiteout of `name` in `parent`: what lies there goes, but for what is the layer's own. -errno. */
int applied_hide(const struct applied *own, int parent, const char *name);
/* The same for all that is in the folder: an opaque one. */
int applied_hide_all(const struct applied *own, int dir);
