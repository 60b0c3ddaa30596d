#pragma once
/*
 * A thread that reads and inflates ahead of whoever unpacks, so that unpacking a layer takes two processors: blocks go
 * through a ring. One producer, one consumer. Safe after fork: no.
 */
#include <stddef.h>
#include <sys/types.h>

struct ahead;
struct err;

/* Fills `buf` (AHEAD_BLOCK bytes). The count, 0 at the end, -errno. Called by the thread alone. */
typedef ssize_t (*ahead_fill_fn)(void *data, void *buf, struct err *e);

#define AHEAD_BLOCK ((size_t)256 << 10)
#define AHEAD_BLOCKS 8

int ahead_start(ahead_fill_fn fill, void *data, struct ahead **ret, struct err *e);
/* The next block, valid until the next call; 0 at the end, which every later call gives again, or -errno. */
ssize_t ahead_next(struct ahead *a, const void **ret, struct err *e);
/*
 * Frees what a thread that came to its end leaves. One that has not may wait for a descriptor for ever: it and its ring
 * stay, and the process is expected to end. Accepts NULL. Whether it had ended.
 */
int ahead_free(struct ahead *a);
