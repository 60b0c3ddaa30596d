#pragma once
/*
 * A stream of plain bytes from a descriptor that may hold gzip or zstd (told apart by content), hashed on
 * the way in and on the way out. No other compression, no external program.
 *
 * Gives up on output that is more than INFLATE_RATIO_MAX times the input (beyond a floor): a bomb.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "codec/digest.h"

struct err;

#define INFLATE_RATIO_MAX 1000
#define INFLATE_RATIO_FLOOR ((uint64_t)64 << 20)

struct inflate_options {
	bool is_hashed;				     /* both sides */
	int window_log_max;			     /* zstd: the largest window's power of two */
	void (*tick)(void *data, uint64_t in_total); /* after each read; may be NULL */
	void *tick_data;
	/*
	 * At the end of a descriptor: the next one, which is taken over, or -ENODATA when `in_total` bytes were all.
	 * What is read from it is added to the first descriptor. NULL: the first one has it all.
	 */
	int (*more)(void *data, uint64_t in_total, struct err *e);
	void *more_data;
};

struct inflate;

/* Reads the first bytes to see what it is. `fd` is borrowed. */
int inflate_open(int fd, const struct inflate_options *o, struct inflate **ret, struct err *e);
void inflate_free(struct inflate *s);
static inline void inflate_freep(struct inflate **s)
{
	inflate_free(*s);
}
#define AUTO_INFLATE __attribute__((cleanup(inflate_freep))) struct inflate *
/*
 * From here on a thread of its own reads, hashes the input and inflates ahead (worker/ahead.h), and calls `tick` and
 * `more`; the output is hashed where it is taken. Not together with inflate_skip_all.
 */
int inflate_run_ahead(struct inflate *s, struct err *e);
/* The next bytes, valid until the next call; 0 at the end, -errno. */
ssize_t inflate_next(struct inflate *s, const void **ret, struct err *e);
/* Reads what is left, so that the hashes are of the whole. 0 or -errno. */
int inflate_drain(struct inflate *s, struct err *e);
/*
 * Instead of inflate_next: reads what is left of the input without unpacking it; the digest of the output is none then.
 */
int inflate_skip_all(struct inflate *s, struct err *e);
/* After the end: digests of the input and of the output. */
void inflate_digests(struct inflate *s, char in[DIGEST_TEXT_MAX], char out[DIGEST_TEXT_MAX]);
uint64_t inflate_in_total(const struct inflate *s);
uint64_t inflate_out_total(const struct inflate *s);
/* What the first bytes of a blob say it is: enum layer_compression. */
int inflate_sniff(const void *data, size_t len);
