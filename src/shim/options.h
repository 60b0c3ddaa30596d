#pragma once
/*
 * options.json in the task folder: what the engine told the shim, so that a successor knows it too.
 * One table row per key. Safe after fork: no.
 */
#include "shim/client.h"

struct arena;

/* Replaces the file. -ENOMEM and what writing gives. */
int shim_options_write(int task_fd, const struct shim_options *o, struct err *e);
/* Reads it into `a`. -ENOENT without the file, -EBADMSG. */
int shim_options_read(int task_fd, struct arena *a, struct shim_options *ret, struct err *e);
