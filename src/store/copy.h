#pragma once
/*
 * Copies a folder that nobody changes meanwhile, with everything that a layer can hold. Shares the blocks of files
 * where the filesystem does. Is not: a way to copy what a container may be writing. Safe after fork: no.
 */

/* `to` below `to_dir` must not exist; a failure leaves what was made so far. 0 or -errno. */
int copy_tree(int from_dir, const char *from, int to_dir, const char *to);
