#pragma once
/*
 * Digests as OCI writes them ("sha256:<64 hex>", also sha384 and sha512 by name and length) and SHA-256.
 *
 * The hash uses the CPU's SHA instructions where it has them: no crypto library, so that static programs
 * can link it. Only validated digests become part of a path. Safe after fork: yes.
 * image-spec 1.1 descriptor.md#digests.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define SHA256_LEN 32
#define DIGEST_TEXT_MAX 136 /* "sha512:" + 128 + NUL */

struct sha256 {
	uint32_t h[8];
	uint64_t total;
	uint8_t buf[64];
	size_t fill;
};
void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, uint8_t ret[SHA256_LEN]);

/* "sha256:<hex>" of what was hashed; ends the hash. Returns `buf`. */
const char *sha256_digest(struct sha256 *s, char buf[DIGEST_TEXT_MAX]);
/* The digest of one buffer. Returns `buf`. */
const char *digest_of(const void *data, size_t len, char buf[DIGEST_TEXT_MAX]);
/* The digest of what a file has from its offset on. */
int digest_of_file(int fd, char buf[DIGEST_TEXT_MAX]);
/* Whether `s` is a digest of a known algorithm with lower-case hex of the right length. */
bool digest_is_valid(const char *s);
/* The hex part of a valid digest. */
const char *digest_hex(const char *s);

#define SHA512_LEN 64
/* SHA-512 of a text at once. */
void sha512(const void *data, size_t len, uint8_t ret[SHA512_LEN]);
