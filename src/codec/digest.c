/*
 * SHA-256 (FIPS 180-4) and the form of digests. The block function is chosen once per process by cpuid:
 * gcc 12's __builtin_cpu_supports does not know "sha".
 */
#include "codec/digest.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define READ_BYTES ((size_t)1 << 20)

typedef void blocks_fn(uint32_t h[8], const uint8_t *p, size_t n);

static const uint32_t k256[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static inline uint32_t rotr(uint32_t v, int n)
{
	return v >> n | v << (32 - n);
}

/* One round; the caller turns the names instead of moving the values. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                      \
	do {                                                                  \
		uint32_t t = (h) + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + \
			     ((g) ^ ((e) & ((f) ^ (g)))) + k256[i] + w[i];    \
		(d) += t;                                                     \
		(h) = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) +          \
		      (((a) & (b)) | ((c) & ((a) | (b))));                    \
	} while (0)

static void rounds_portable(uint32_t h[8], const uint32_t w[64])
{
	uint32_t s[8];

	memcpy(s, h, sizeof(s));
	for (int i = 0; i < 64; i += 8) {
		ROUND(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], i);
		ROUND(s[7], s[0], s[1], s[2], s[3], s[4], s[5], s[6], i + 1);
		ROUND(s[6], s[7], s[0], s[1], s[2], s[3], s[4], s[5], i + 2);
		ROUND(s[5], s[6], s[7], s[0], s[1], s[2], s[3], s[4], i + 3);
		ROUND(s[4], s[5], s[6], s[7], s[0], s[1], s[2], s[3], i + 4);
		ROUND(s[3], s[4], s[5], s[6], s[7], s[0], s[1], s[2], i + 5);
		ROUND(s[2], s[3], s[4], s[5], s[6], s[7], s[0], s[1], i + 6);
		ROUND(s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[0], i + 7);
	}
	for (int i = 0; i < 8; i++)
		h[i] += s[i];
}

static void blocks_portable(uint32_t h[8], const uint8_t *p, size_t n)
{
	uint32_t w[64];

	for (; n; n--, p += 64) {
		for (int i = 0; i < 16; i++)
			w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
			       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
		for (int i = 16; i < 64; i++)
			w[i] = w[i - 16] + w[i - 7] +
			       (rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3) +
			       (rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10);
		rounds_portable(h, w);
	}
}

#if defined(__x86_64__)

/*
 * The instructions want the state as two vectors, {f, e, b, a} and {h, g, d, c} from the low lane up.
 * Each turn of the inner loop does four rounds and computes the four schedule words that are used
 * sixteen rounds later; `w` is a ring of the last sixteen words.
 */
__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_shani(uint32_t h[8],
								     const uint8_t *p, size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i dcba = _mm_loadu_si128((const __m128i *)h);
	__m128i hgfe = _mm_loadu_si128((const __m128i *)(h + 4));
	__m128i badc = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
	__m128i abef = _mm_alignr_epi8(badc, efgh, 8), cdgh = _mm_blend_epi16(efgh, badc, 0xf0);
	__m128i w[4];

	for (; n; n--, p += 64) {
		const __m128i abef0 = abef, cdgh0 = cdgh;

#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			__m128i *now = &w[i & 3], *next = &w[(i + 1) & 3], *last = &w[(i + 3) & 3];
			__m128i wk;

			if (i < 4)
				*now = _mm_shuffle_epi8(
					_mm_loadu_si128((const __m128i *)(p + 16 * i)), swap);
			wk = _mm_add_epi32(*now, _mm_load_si128((const __m128i *)(k256 + 4 * i)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
			/* next holds the words of 16 rounds ago once the ring is full. */
			if (i >= 3 && i < 15) {
				__m128i mid = _mm_alignr_epi8(*now, *last, 4);

				*next = _mm_sha256msg1_epu32(*next, w[(i + 2) & 3]);
				*next = _mm_add_epi32(*next, mid);
				*next = _mm_sha256msg2_epu32(*next, *now);
			}
		}
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}
	badc = _mm_shuffle_epi32(abef, 0x1b);
	efgh = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)h, _mm_blend_epi16(badc, efgh, 0xf0));
	_mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(efgh, badc, 8));
}

static bool has_shani(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

#endif

/* Every thread that meets NULL finds the same answer, so a plain atomic pointer is enough. */
static blocks_fn *chosen_blocks;

static blocks_fn *choose_blocks(void)
{
	blocks_fn *f = __atomic_load_n(&chosen_blocks, __ATOMIC_RELAXED);

	if (f)
		return f;
	f = blocks_portable;
#if defined(__x86_64__)
	if (has_shani())
		f = blocks_shani;
#endif
	__atomic_store_n(&chosen_blocks, f, __ATOMIC_RELAXED);
	return f;
}

void sha256_init(struct sha256 *s)
{
	*s = (struct sha256){ .h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
				     0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	blocks_fn *blocks = choose_blocks();
	const uint8_t *p = data;

	s->total += len;
	if (s->fill) {
		size_t n = MIN(len, sizeof(s->buf) - s->fill);

		memcpy(s->buf + s->fill, p, n);
		s->fill += n;
		p += n;
		len -= n;
		if (s->fill < sizeof(s->buf))
			return;
		blocks(s->h, s->buf, 1);
		s->fill = 0;
	}
	if (len >= 64) {
		blocks(s->h, p, len / 64);
		p += len & ~(size_t)63;
		len &= 63;
	}
	if (len) {
		memcpy(s->buf, p, len);
		s->fill = len;
	}
}

void sha256_final(struct sha256 *s, uint8_t ret[SHA256_LEN])
{
	uint8_t tail[128] = { 0 };
	size_t n = s->fill + 9 <= 64 ? 64 : 128;
	uint64_t bits = s->total * 8;

	memcpy(tail, s->buf, s->fill);
	tail[s->fill] = 0x80;
	for (size_t i = 0; i < 8; i++)
		tail[n - 1 - i] = (uint8_t)(bits >> (8 * i));
	choose_blocks()(s->h, tail, n / 64);
	for (int i = 0; i < SHA256_LEN; i++)
		ret[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

const char *sha256_digest(struct sha256 *s, char buf[DIGEST_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[SHA256_LEN];
	char *p = buf;

	sha256_final(s, raw);
	memcpy(p, "sha256:", 7);
	p += 7;
	for (int i = 0; i < SHA256_LEN; i++) {
		*p++ = digits[raw[i] >> 4];
		*p++ = digits[raw[i] & 15];
	}
	*p = '\0';
	return buf;
}

const char *digest_of(const void *data, size_t len, char buf[DIGEST_TEXT_MAX])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, data, len);
	return sha256_digest(&s, buf);
}

int digest_of_file(int fd, char buf[DIGEST_TEXT_MAX])
{
	AUTO_FREE uint8_t *p = malloc(READ_BYTES);
	struct sha256 s;

	if (!p)
		return -ENOMEM;
	sha256_init(&s);
	for (;;) {
		ssize_t n = read(fd, p, READ_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		sha256_update(&s, p, (size_t)n);
	}
	sha256_digest(&s, buf);
	return 0;
}

static const struct {
	const char *prefix;
	size_t hex_len;
} algorithms[] = {
	{ "sha256:", 64 },
	{ "sha384:", 96 },
	{ "sha512:", 128 },
};

bool digest_is_valid(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		const char *hex = s ? str_skip(s, algorithms[i].prefix) : NULL;

		if (hex)
			return strspn(hex, "0123456789abcdef") == algorithms[i].hex_len &&
			       hex[algorithms[i].hex_len] == '\0';
	}
	return false;
}

const char *digest_hex(const char *s)
{
	return strchr(s, ':') + 1;
}
