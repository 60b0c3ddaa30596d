#pragma once
/*
 * One layer's entries into a folder (image-spec layer.md, "Applying Changesets"), whiteouts in overlayfs'
 * form. The last entry of a name wins; a link never leads out, because the folder is the process's root.
 */
#include <stdbool.h>

struct archive_entry;
struct err;
struct tarball;
struct tree;

/* Puts one entry in place and reads its data. */
int extract_entry(struct tree *t, struct tarball *source, struct archive_entry *ae, struct err *e);
