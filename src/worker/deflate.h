#pragma once
/*
 * A stream of bytes into a descriptor, plain, as gzip or as zstd, hashed on the way in and on the way out: inflate.h's
 * other direction. The same bytes give the same output with the same library. Safe after fork: no.
 */
#include <stdint.h>
#include <stddef.h>

#include "codec/digest.h"

struct err;
struct deflate;

/* `compression`: enum layer_compression. `fd` is borrowed; nothing is hashed unless `is_hashed`. */
int deflate_open(int fd, int compression, bool is_hashed, struct deflate **ret, struct err *e);
void deflate_free(struct deflate *d);
static inline void deflate_freep(struct deflate **d)
{
	deflate_free(*d);
}
#define AUTO_DEFLATE __attribute__((cleanup(deflate_freep))) struct deflate *
int deflate_write(struct deflate *d, const void *data, size_t len, struct err *e);
/*
 * Ends the stream; nothing may be written afterwards. -EOPNOTSUPP for output so small that readers (inflate.h's
 * limit) would take it for a bomb.
 */
int deflate_finish(struct deflate *d, struct err *e);
/* After the end: digests of the output and of the input. */
void deflate_digests(struct deflate *d, char out[DIGEST_TEXT_MAX], char in[DIGEST_TEXT_MAX]);
uint64_t deflate_in_total(const struct deflate *d);
uint64_t deflate_out_total(const struct deflate *d);
