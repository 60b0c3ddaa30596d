#include "worker/verify_key.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384 /* OpenSSL's own; verifying takes time with the square of it */

/*
 * One row for each way to sign. cosign signs with SHA-256 whatever the curve is; newer bundles take the curve's own for P-384,
 * and which it was is not said, so both are tried.
 */
static const struct way {
	const char *key;    /* OpenSSL's name of the kind */
	const char *group;  /* the curve, NULL: none */
	const char *digest; /* NULL: the algorithm's own */
	const char *words;
} ways[] = {
	{ "EC", "prime256v1", "SHA256", "ECDSA P-256 with SHA-256" },
	{ "EC", "secp384r1", "SHA256", "ECDSA P-384 with SHA-256" },
	{ "EC", "secp384r1", "SHA384", "ECDSA P-384 with SHA-384" },
	{ "ED25519", NULL, NULL, "Ed25519" },
	{ "RSA", NULL, "SHA256", "RSA PKCS #1 with SHA-256" },
};

struct verify_key {
	EVP_PKEY *key;
	char group[32];
};

static bool fits(const struct verify_key *k, const struct way *w)
{
	return EVP_PKEY_is_a(k->key, w->key) && (!w->group || streq(k->group, w->group));
}

void verify_init(void)
{
	/* No configuration file: it could load code. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				    OPENSSL_INIT_ADD_ALL_DIGESTS,
			    NULL);
}

void verify_key_free(struct verify_key *k)
{
	if (k)
		EVP_PKEY_free(k->key);
	free(k);
}

int verify_key_read(const char *pem, struct verify_key **ret, struct err *e)
{
	CLEANUP(verify_key_freep) struct verify_key *k = calloc(1, sizeof(*k));
	size_t len = strlen(pem);
	BIO *bio = k && len <= INT_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	int bits;

	if (!bio)
		return err_set(e, -ENOMEM, "out of memory");
	k->key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!k->key)
		return err_set(e, -EINVAL, "it is no public key in PEM");
	EVP_PKEY_get_group_name(k->key, k->group, sizeof(k->group), NULL);
	ERR_clear_error();
	bits = EVP_PKEY_get_bits(k->key);
	if (EVP_PKEY_is_a(k->key, "RSA") && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
		return err_set(e, -EOPNOTSUPP, "an RSA key of %d bits: it must have %d to %d", bits,
			       RSA_BITS_MIN, RSA_BITS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (fits(k, &ways[i])) {
			*ret = TAKE_PTR(k);
			return 0;
		}
	}
	return err_set(
		e, -EOPNOTSUPP,
		"a key of type %s%s%s is not supported: ECDSA P-256 and P-384, Ed25519 and RSA are",
		EVP_PKEY_get0_type_name(k->key) ? EVP_PKEY_get0_type_name(k->key) : "?",
		*k->group ? " " : "", k->group);
}

static int check_way(const struct verify_key *k, const struct way *w, const void *signature,
		     size_t signature_len, const void *data, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = -EKEYREJECTED;

	if (!ctx)
		return -ENOMEM;
	if (EVP_DigestVerifyInit_ex(ctx, NULL, w->digest, NULL, NULL, k->key, NULL) == 1 &&
	    EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1)
		r = 0;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int verify_key_check(const struct verify_key *k, const void *signature, size_t signature_len,
		     const void *data, size_t len, const char **ret_algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		int r = fits(k, &ways[i])
				? check_way(k, &ways[i], signature, signature_len, data, len)
				: -EKEYREJECTED;

		if (r == 0)
			*ret_algorithm = ways[i].words;
		if (r != -EKEYREJECTED)
			return r;
	}
	return -EKEYREJECTED;
}
