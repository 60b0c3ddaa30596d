#pragma once
/*
 * Raw output that waits to be formatted as log text: a queue of blocks, each of one stream and one moment.
 *
 * What it is for: a flood whose log text would be rotated away before anybody read it is dropped here, as
 * raw bytes at the old end, instead of being formatted and written first. `cost` is a lower bound of the log
 * text's length, so nothing is dropped that rotation would keep. It is no ring of bytes: a block is the unit
 * of dropping. Blocks are recycled and given back by backlog_trim. Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKLOG_BLOCK ((size_t)64 << 10)

struct backlog_block {
	struct backlog_block *next;
	int64_t time_ns, cost;
	size_t len;
	int stream;
	char data[BACKLOG_BLOCK];
};

struct backlog {
	struct backlog_block *first, *tail, *spare; /* tail is meaningless while first is NULL */
	size_t blocks;				    /* in the queue */
	int64_t cost;
};

/*
 * Where the next bytes of a stream go: at least one byte of room in the newest block, whose length is the result
 * (0 when memory is out). backlog_commit says how many were put there, and what they cost.
 */
size_t backlog_room(struct backlog *b, int stream, int64_t time_ns, char **ret);
void backlog_commit(struct backlog *b, size_t len, int64_t cost);
/* The oldest block, or NULL; it stays in the queue until backlog_shift. */
struct backlog_block *backlog_first(const struct backlog *b);
/* Removes the oldest block; its memory is kept for the next. */
void backlog_shift(struct backlog *b);
/* Frees what is not in use. */
void backlog_trim(struct backlog *b);
void backlog_done(struct backlog *b);
