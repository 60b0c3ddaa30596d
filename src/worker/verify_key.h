#pragma once
/*
 * Signatures by public keys, with OpenSSL: ECDSA on P-256 and P-384, Ed25519, RSA from 2048 bits (PKCS #1 v1.5). Linked by
 * corten-verify alone. Is not: certificates, revocation, time. Safe after fork: no.
 */
#include <stddef.h>

struct err;
struct verify_key;

/* Before the sandbox: what the library would look for in files. */
void verify_init(void);
/* From PEM ("BEGIN PUBLIC KEY"). -EINVAL: no such key; -EOPNOTSUPP: of a kind or size that is not supported. */
int verify_key_read(const char *pem, struct verify_key **ret, struct err *e);
void verify_key_free(struct verify_key *k); /* accepts NULL */
static inline void verify_key_freep(struct verify_key **k)
{
	verify_key_free(*k);
}
/*
 * 0: the signature is the key's, and `*ret_algorithm` (static) says how; -EKEYREJECTED: it is not, or is no
 * signature; -ENOMEM.
 */
int verify_key_check(const struct verify_key *k, const void *signature, size_t signature_len,
		     const void *data, size_t len, const char **ret_algorithm);
