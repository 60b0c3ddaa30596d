#include "worker/deflate.h"

#include <stdlib.h>
#include <zstd.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

#include "base/err.h"
#include "base/fd.h"
#include "spec/image.h"
#include "worker/inflate.h"

#define OUT_SIZE ((size_t)256 << 10)
/* Headers are small and many: they are gathered. */
#define IN_SIZE ((size_t)128 << 10)
/* ISA-L's best within a twentieth of its fastest level's time; zlib's at that size of output. */
#define ISAL_LEVEL 1
#define ZLIB_LEVEL 3
#define ZSTD_LEVEL 3

struct deflate {
	int fd, kind;
	bool is_hashed;
	uint8_t *in, *out;
	size_t in_len;
	uint64_t in_total, out_total;
	struct sha256 in_hash, out_hash;
#ifdef HAVE_ISAL
	struct isal_zstream *gz;
	uint8_t *level_buf;
#else
	z_stream *gz;
#endif
	ZSTD_CCtx *zstd;
};

static int put(struct deflate *d, const void *data, size_t len, struct err *e)
{
	int r;

	if (d->is_hashed)
		sha256_update(&d->out_hash, data, len);
	d->out_total += len;
	r = fd_write_full(d->fd, data, len);
	return r < 0 ? err_sys(e, r, "write") : 0;
}

/* ---- gzip ---- */

#ifdef HAVE_ISAL
static int gzip_begin(struct deflate *d)
{
	d->gz = malloc(sizeof(*d->gz));
	d->level_buf = malloc(ISAL_DEF_LVL1_DEFAULT);
	if (!d->gz || !d->level_buf)
		return -ENOMEM;
	isal_deflate_init(d->gz);
	d->gz->level = ISAL_LEVEL;
	d->gz->level_buf = d->level_buf;
	d->gz->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	d->gz->gzip_flag = IGZIP_GZIP;
	return 0;
}

static int gzip_run(struct deflate *d, bool is_end, struct err *e)
{
	d->gz->next_in = d->in;
	d->gz->avail_in = (uint32_t)d->in_len;
	d->gz->end_of_stream = is_end;
	for (;;) {
		int r;

		d->gz->next_out = d->out;
		d->gz->avail_out = (uint32_t)OUT_SIZE;
		if (isal_deflate(d->gz) != COMP_OK)
			return err_set(e, -EIO, "the compressor failed");
		r = put(d, d->out, OUT_SIZE - d->gz->avail_out, e);
		if (r < 0)
			return r;
		if (is_end ? d->gz->internal_state.state == ZSTATE_END
			   : d->gz->avail_in == 0 && d->gz->avail_out > 0)
			return 0;
	}
}

static void gzip_free(struct deflate *d)
{
	free(d->gz);
	free(d->level_buf);
}
#else
static int gzip_begin(struct deflate *d)
{
	d->gz = calloc(1, sizeof(*d->gz));
	if (!d->gz)
		return -ENOMEM;
	return deflateInit2(d->gz, ZLIB_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK
		       ? 0
		       : -ENOMEM;
}

static int gzip_run(struct deflate *d, bool is_end, struct err *e)
{
	d->gz->next_in = d->in;
	d->gz->avail_in = (unsigned int)d->in_len;
	for (;;) {
		int q, r;

		d->gz->next_out = d->out;
		d->gz->avail_out = (unsigned int)OUT_SIZE;
		q = deflate(d->gz, is_end ? Z_FINISH : Z_NO_FLUSH);
		if (q == Z_STREAM_ERROR)
			return err_set(e, -EIO, "the compressor failed");
		r = put(d, d->out, OUT_SIZE - d->gz->avail_out, e);
		if (r < 0)
			return r;
		if (is_end ? q == Z_STREAM_END : d->gz->avail_in == 0 && d->gz->avail_out > 0)
			return 0;
	}
}

static void gzip_free(struct deflate *d)
{
	if (d->gz)
		deflateEnd(d->gz);
	free(d->gz);
}
#endif

/* ---- zstd ---- */

static int zstd_begin(struct deflate *d)
{
	d->zstd = ZSTD_createCCtx();
	if (!d->zstd)
		return -ENOMEM;
	ZSTD_CCtx_setParameter(d->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	ZSTD_CCtx_setParameter(d->zstd, ZSTD_c_checksumFlag, 1);
	return 0;
}

static int zstd_run(struct deflate *d, bool is_end, struct err *e)
{
	ZSTD_inBuffer in = { d->in, d->in_len, 0 };

	for (;;) {
		ZSTD_outBuffer out = { d->out, OUT_SIZE, 0 };
		size_t left = ZSTD_compressStream2(d->zstd, &out, &in,
						   is_end ? ZSTD_e_end : ZSTD_e_continue);
		int r;

		if (ZSTD_isError(left))
			return err_set(e, -EIO, "the compressor failed: %s",
				       ZSTD_getErrorName(left));
		r = put(d, d->out, out.pos, e);
		if (r < 0)
			return r;
		if (is_end ? left == 0 : in.pos == in.size)
			return 0;
	}
}

/* ---- both ---- */

static int run(struct deflate *d, bool is_end, struct err *e)
{
	int r = 0;

	if (d->is_hashed && d->kind != LAYER_PLAIN)
		sha256_update(&d->in_hash, d->in, d->in_len);
	switch (d->kind) {
	case LAYER_GZIP:
		r = gzip_run(d, is_end, e);
		break;
	case LAYER_ZSTD:
		r = zstd_run(d, is_end, e);
		break;
	default:
		r = put(d, d->in, d->in_len, e);
		break;
	}
	d->in_len = 0;
	return r;
}

int deflate_write(struct deflate *d, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;

	d->in_total += len;
	while (len > 0) {
		size_t n = MIN(len, IN_SIZE - d->in_len);
		int r;

		memcpy(d->in + d->in_len, p, n);
		d->in_len += n;
		p += n;
		len -= n;
		r = d->in_len == IN_SIZE ? run(d, false, e) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int deflate_finish(struct deflate *d, struct err *e)
{
	int r = run(d, true, e);

	if (r == 0 && d->in_total > INFLATE_RATIO_FLOOR &&
	    d->in_total / INFLATE_RATIO_MAX > d->out_total)
		return err_set(
			e, -EOPNOTSUPP,
			"the content compresses to less than a %dth: readers would take it for a "
			"bomb; choose another compression",
			INFLATE_RATIO_MAX);
	return r;
}

int deflate_open(int fd, int compression, bool is_hashed, struct deflate **ret, struct err *e)
{
	AUTO_DEFLATE d = calloc(1, sizeof(*d));
	int r = d ? 0 : -ENOMEM;

	if (d) {
		d->fd = fd;
		d->kind = compression;
		d->is_hashed = is_hashed;
		d->in = malloc(IN_SIZE);
		d->out = malloc(OUT_SIZE);
		if (!d->in || !d->out)
			r = -ENOMEM;
		else if (compression == LAYER_GZIP)
			r = gzip_begin(d);
		else if (compression == LAYER_ZSTD)
			r = zstd_begin(d);
	}
	if (r < 0)
		return err_set(e, r, "cannot compress: out of memory");
	sha256_init(&d->in_hash);
	sha256_init(&d->out_hash);
	*ret = TAKE_PTR(d);
	return 0;
}

void deflate_free(struct deflate *d)
{
	if (!d)
		return;
	gzip_free(d);
	ZSTD_freeCCtx(d->zstd);
	free(d->in);
	free(d->out);
	free(d);
}

void deflate_digests(struct deflate *d, char out[DIGEST_TEXT_MAX], char in[DIGEST_TEXT_MAX])
{
	sha256_digest(&d->out_hash, out);
	if (d->kind == LAYER_PLAIN)
		memcpy(in, out, DIGEST_TEXT_MAX);
	else
		sha256_digest(&d->in_hash, in);
}

uint64_t deflate_in_total(const struct deflate *d)
{
	return d->in_total;
}

uint64_t deflate_out_total(const struct deflate *d)
{
	return d->out_total;
}
