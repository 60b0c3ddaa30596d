#include "worker/inflate.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <assert.h>
#include <fcntl.h>
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
#include "worker/ahead.h"

#define IN_SIZE ((size_t)256 << 10)
#define OUT_SIZE ((size_t)256 << 10)
#define WRITE_STEP ((uint64_t)8 << 20)
/* Read before anything else: a magic number and some more. */
#define MAGIC_SIZE ((size_t)4096)

struct inflate {
	struct inflate_options o;
	int fd, kind; /* `fd` is borrowed */
	int piece_fd; /* what is read behind `fd`; -EBADF: `fd` itself */
	uint64_t kept,
		started; /* bytes written to `fd`, and those of them that are on their way to the disk */
	uint8_t *in, *out;
	size_t in_len, in_pos;
	bool is_in_end;	     /* of the descriptor */
	bool is_member_open; /* gzip, zstd: between begin and end of a member or frame */
	bool is_end;
	uint64_t in_total, out_total;
	struct sha256 in_hash, out_hash;
	struct ahead *ahead; /* or NULL */
#ifdef HAVE_ISAL
	struct inflate_state *gz;
#else
	z_stream *gz;
#endif
	ZSTD_DCtx *zstd;
};

int inflate_sniff(const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8)
		return LAYER_GZIP;
	if (len >= 4 && p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd)
		return LAYER_ZSTD;
	/* A skippable frame may come first (zstd:chunked and seekable formats). */
	if (len >= 4 && (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18)
		return LAYER_ZSTD;
	return LAYER_PLAIN;
}

/* At the end of one descriptor; 1: another one follows, 0: none. */
static int next_piece(struct inflate *s, uint64_t total, struct err *e)
{
	int r;

	if (!s->o.more)
		return 0;
	fd_closep(&s->piece_fd);
	r = s->o.more(s->o.more_data, total, e);
	if (r == -ENODATA) {
		s->o.more = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	s->piece_fd = r;
	return 1;
}

/*
 * Whoever asks for the blob is going to sync it: the disk begins now, while we go on. A filesystem that cannot is
 * none the worse.
 */
static int keep(struct inflate *s, const void *data, size_t len)
{
	int r = fd_write_full(s->fd, data, len);

	s->kept += len;
	if (r == 0 && s->kept - s->started >= WRITE_STEP) {
		off_t end = lseek(s->fd, 0, SEEK_CUR);

		(void)sync_file_range(s->fd, end - (off_t)(s->kept - s->started),
				      (off_t)(s->kept - s->started), SYNC_FILE_RANGE_WRITE);
		s->started = s->kept;
	}
	return r;
}

/* Bytes of the input; what comes in pieces is kept in `fd`. 0 at the end of all. */
static ssize_t read_input(struct inflate *s, void *buf, size_t size, uint64_t total, struct err *e)
{
	for (;;) {
		bool is_piece = s->piece_fd >= 0;
		ssize_t n = read(is_piece ? s->piece_fd : s->fd, buf, size);
		int r = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, -errno, "read");
		if (n == 0)
			r = next_piece(s, total, e);
		else if (is_piece)
			r = keep(s, buf, (size_t)n);
		if (r < 0)
			return n > 0 ? err_sys(e, r, "keep the blob") : r;
		if (n > 0 || r == 0)
			return n;
	}
}

static int fill(struct inflate *s, struct err *e)
{
	ssize_t n;

	if (s->in_pos < s->in_len || s->is_in_end)
		return 0;
	n = read_input(s, s->in, IN_SIZE, s->in_total, e);
	if (n < 0)
		return (int)n;
	s->in_pos = 0;
	s->in_len = (size_t)n;
	s->is_in_end = n == 0;
	s->in_total += (uint64_t)n;
	if (s->o.is_hashed)
		sha256_update(&s->in_hash, s->in, s->in_len);
	if (s->o.tick)
		s->o.tick(s->o.tick_data, s->in_total);
	return 0;
}

/* The first read may be short (a pipe); the magic takes four bytes. */
static int fill_first(struct inflate *s, struct err *e)
{
	ssize_t n;

	do {
		n = read_input(s, s->in + s->in_len, MAGIC_SIZE - s->in_len, s->in_len, e);
		if (n < 0)
			return (int)n;
		s->in_len += (size_t)n;
	} while (n > 0 && s->in_len < MAGIC_SIZE);
	s->in_total = s->in_len;
	if (s->o.is_hashed)
		sha256_update(&s->in_hash, s->in, s->in_len);
	s->kind = inflate_sniff(s->in, s->in_len);
	return 0;
}

/* ---- gzip ---- */

#ifdef HAVE_ISAL
static int gzip_begin(struct inflate *s)
{
	if (!s->gz)
		s->gz = malloc(sizeof(*s->gz));
	if (!s->gz)
		return -ENOMEM;
	isal_inflate_init(s->gz);
	s->gz->crc_flag = ISAL_GZIP;
	return 0;
}

/* One step; 1 when the member ended. `*n` is what came out. */
static int gzip_step(struct inflate *s, size_t *n)
{
	int r;

	s->gz->next_in = s->in + s->in_pos;
	s->gz->avail_in = (uint32_t)(s->in_len - s->in_pos);
	s->gz->next_out = s->out;
	s->gz->avail_out = (uint32_t)OUT_SIZE;
	r = isal_inflate(s->gz);
	s->in_pos = s->in_len - s->gz->avail_in;
	*n = OUT_SIZE - s->gz->avail_out;
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
		return -EBADMSG;
	return s->gz->block_state == ISAL_BLOCK_FINISH;
}

static void gzip_free(struct inflate *s)
{
	free(s->gz);
}
#else
static int gzip_begin(struct inflate *s)
{
	if (s->gz)
		return inflateReset(s->gz) == Z_OK ? 0 : -EBADMSG;
	s->gz = calloc(1, sizeof(*s->gz));
	if (!s->gz)
		return -ENOMEM;
	return inflateInit2(s->gz, 15 + 16) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(struct inflate *s, size_t *n)
{
	int r;

	s->gz->next_in = s->in + s->in_pos;
	s->gz->avail_in = (unsigned int)(s->in_len - s->in_pos);
	s->gz->next_out = s->out;
	s->gz->avail_out = (unsigned int)OUT_SIZE;
	r = inflate(s->gz, Z_NO_FLUSH);
	s->in_pos = s->in_len - s->gz->avail_in;
	*n = OUT_SIZE - s->gz->avail_out;
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return -EBADMSG;
	return r == Z_STREAM_END;
}

static void gzip_free(struct inflate *s)
{
	if (s->gz)
		inflateEnd(s->gz);
	free(s->gz);
}
#endif

/* ---- zstd ---- */

static int zstd_begin(struct inflate *s)
{
	if (!s->zstd) {
		s->zstd = ZSTD_createDCtx();
		if (!s->zstd)
			return -ENOMEM;
		ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, s->o.window_log_max);
	}
	return 0;
}

static int zstd_step(struct inflate *s, size_t *n, struct err *e)
{
	ZSTD_inBuffer in = { s->in, s->in_len, s->in_pos };
	ZSTD_outBuffer out = { s->out, OUT_SIZE, 0 };
	size_t r = ZSTD_decompressStream(s->zstd, &out, &in);

	s->in_pos = in.pos;
	*n = out.pos;
	if (ZSTD_isError(r))
		return err_set(e, -EBADMSG, "damaged zstd stream: %s", ZSTD_getErrorName(r));
	return r == 0;
}

/* ---- both ---- */

static int begin_member(struct inflate *s, struct err *e)
{
	int r = s->kind == LAYER_GZIP ? gzip_begin(s) : zstd_begin(s);

	if (r < 0)
		return err_set(e, r, "cannot decompress: out of memory");
	s->is_member_open = true;
	return 0;
}

static int step(struct inflate *s, size_t *n, struct err *e)
{
	int r = s->kind == LAYER_GZIP ? gzip_step(s, n) : zstd_step(s, n, e);

	if (r == -EBADMSG && s->kind == LAYER_GZIP)
		err_set(e, r, "damaged gzip stream");
	if (r > 0)
		s->is_member_open = false;
	return r;
}

/* Members may follow each other; nothing else may follow the last one. 0 at the end. */
static ssize_t next_packed(struct inflate *s, struct err *e)
{
	for (;;) {
		size_t in_pos, n = 0;
		int r = fill(s, e);

		if (r < 0)
			return r;
		if (!s->is_member_open) {
			if (s->is_in_end)
				return 0;
			r = begin_member(s, e);
			if (r < 0)
				return r;
		}
		in_pos = s->in_pos;
		r = step(s, &n, e);
		if (r < 0)
			return r;
		if (n > 0)
			return (ssize_t)n;
		if (r == 0 && s->is_in_end && in_pos == s->in_pos)
			return err_set(e, -EBADMSG, "the %s stream is cut off",
				       s->kind == LAYER_GZIP ? "gzip" : "zstd");
	}
}

static ssize_t next_plain(struct inflate *s, const void **ret, struct err *e)
{
	int r = fill(s, e);
	size_t n = s->in_len - s->in_pos;

	if (r < 0)
		return r;
	*ret = s->in + s->in_pos;
	s->in_pos = s->in_len;
	return (ssize_t)n;
}

static ssize_t produce(struct inflate *s, const void **ret, struct err *e)
{
	ssize_t n;

	if (s->is_end)
		return 0;
	*ret = s->out;
	n = s->kind == LAYER_PLAIN ? next_plain(s, ret, e) : next_packed(s, e);
	if (n <= 0) {
		s->is_end = true;
		return n;
	}
	s->out_total += (uint64_t)n;
	if (s->out_total > INFLATE_RATIO_FLOOR && s->out_total / INFLATE_RATIO_MAX > s->in_total)
		return err_set(e, -E2BIG, "the data unpacks to more than %d times its size",
			       INFLATE_RATIO_MAX);
	return n;
}

/* Straight into the ring's block; what is not packed lies in the input's buffer. */
static ssize_t fill_block(void *data, void *buf, struct err *e)
{
	struct inflate *s = data;
	uint8_t *own = s->out;
	const void *p;
	ssize_t n;

	s->out = buf;
	n = produce(s, &p, e);
	s->out = own;
	if (n > 0 && p != buf)
		memcpy(buf, p, (size_t)n);
	return n;
}

int inflate_run_ahead(struct inflate *s, struct err *e)
{
	static_assert(OUT_SIZE <= AHEAD_BLOCK && IN_SIZE <= AHEAD_BLOCK, "a block holds a step");
	return ahead_start(fill_block, s, &s->ahead, e);
}

ssize_t inflate_next(struct inflate *s, const void **ret, struct err *e)
{
	ssize_t n = s->ahead ? ahead_next(s->ahead, ret, e) : produce(s, ret, e);

	/* Not in the thread ahead: inflating and hashing the input keep it busier than whoever reads is. */
	if (n > 0 && s->o.is_hashed && s->kind != LAYER_PLAIN)
		sha256_update(&s->out_hash, *ret, (size_t)n);
	return n;
}

int inflate_drain(struct inflate *s, struct err *e)
{
	const void *p;
	ssize_t n;

	do
		n = inflate_next(s, &p, e);
	while (n > 0);
	return (int)n;
}

int inflate_skip_all(struct inflate *s, struct err *e)
{
	int r = 0;

	while (r == 0 && !s->is_in_end) {
		s->in_pos = s->in_len;
		r = fill(s, e);
	}
	s->is_end = true;
	return r;
}

int inflate_open(int fd, const struct inflate_options *o, struct inflate **ret, struct err *e)
{
	AUTO_INFLATE s = calloc(1, sizeof(*s));
	int r;

	if (s) {
		s->in = malloc(IN_SIZE);
		s->out = malloc(OUT_SIZE);
	}
	if (!s || !s->in || !s->out)
		return err_set(e, -ENOMEM, "out of memory");
	s->o = *o;
	s->fd = fd;
	s->piece_fd = -EBADF;
	sha256_init(&s->in_hash);
	sha256_init(&s->out_hash);
	r = fill_first(s, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void inflate_free(struct inflate *s)
{
	if (!s || !ahead_free(s->ahead))
		return;
	gzip_free(s);
	ZSTD_freeDCtx(s->zstd);
	fd_closep(&s->piece_fd);
	free(s->in);
	free(s->out);
	free(s);
}

void inflate_digests(struct inflate *s, char in[DIGEST_TEXT_MAX], char out[DIGEST_TEXT_MAX])
{
	sha256_digest(&s->in_hash, in);
	if (s->kind == LAYER_PLAIN)
		memcpy(out, in, DIGEST_TEXT_MAX);
	else
		sha256_digest(&s->out_hash, out);
}

uint64_t inflate_in_total(const struct inflate *s)
{
	return s->in_total;
}

uint64_t inflate_out_total(const struct inflate *s)
{
	return s->out_total;
}
