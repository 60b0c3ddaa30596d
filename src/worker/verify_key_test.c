/* Keys of every kind, made and used here by OpenSSL, and checked behind the sandbox: a call that it lacks ends the process. */
#include "worker/verify_key.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/base64.h"
#include "spec/sigstore.h"
#include "worker/sandbox.h"

static const char text[] = "what is signed";

struct made {
	char pem[4096];
	unsigned char signature[1024];
	size_t len;
};

static EVP_PKEY *make_key(const char *kind)
{
	if (strncmp(kind, "RSA", 3) == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(kind + 3, NULL, 10));
	if (strcmp(kind, "ED25519") == 0 || strcmp(kind, "X25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, kind);
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
}

static void make(const char *kind, const char *digest, struct made *ret)
{
	EVP_PKEY *key = make_key(kind);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	CHECK(key && ctx && bio && PEM_write_bio_PUBKEY(bio, key) == 1);
	n = BIO_read(bio, ret->pem, sizeof(ret->pem) - 1);
	CHECK(n > 0);
	ret->pem[n] = '\0';
	ret->len = sizeof(ret->signature);
	if (strcmp(kind, "X25519") != 0)
		CHECK(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1 &&
		      EVP_DigestSign(ctx, ret->signature, &ret->len, (const unsigned char *)text,
				     sizeof(text)) == 1);
	BIO_free(bio);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

/* 0: fine; else what went wrong. */
static int check(const struct made *m, const char *want)
{
	CLEANUP(verify_key_freep) struct verify_key *k = NULL;
	struct made bad = *m;
	const char *algorithm = "";

	if (verify_key_read(m->pem, &k, NULL) < 0)
		return 1;
	if (verify_key_check(k, m->signature, m->len, text, sizeof(text), &algorithm) != 0 ||
	    !streq(algorithm, want))
		return 2;
	if (verify_key_check(k, m->signature, m->len, "other", 5, &algorithm) != -EKEYREJECTED)
		return 3;
	bad.signature[m->len / 2] ^= 1;
	if (verify_key_check(k, bad.signature, m->len, text, sizeof(text), &algorithm) !=
	    -EKEYREJECTED)
		return 4;
	if (verify_key_check(k, m->signature, m->len - 1, text, sizeof(text), &algorithm) !=
		    -EKEYREJECTED ||
	    verify_key_check(k, "", 0, text, sizeof(text), &algorithm) != -EKEYREJECTED)
		return 5;
	return 0;
}

static int in_sandbox(const struct made *m, const char *want)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sandbox_enter_verify(NULL) < 0 ? 9 : check(m, want));
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(keys_of_every_kind_are_checked_behind_the_sandbox)
{
	static const struct {
		const char *kind, *digest, *words;
	} rows[] = {
		{ "P-256", "SHA256", "ECDSA P-256 with SHA-256" },
		{ "P-384", "SHA256", "ECDSA P-384 with SHA-256" },
		{ "P-384", "SHA384", "ECDSA P-384 with SHA-384" },
		{ "ED25519", NULL, "Ed25519" },
		{ "RSA2048", "SHA256", "RSA PKCS #1 with SHA-256" },
		{ "RSA4096", "SHA256", "RSA PKCS #1 with SHA-256" },
	};

	verify_init();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made m;
		int r;

		make(rows[i].kind, rows[i].digest, &m);
		r = geteuid() == 0 ? in_sandbox(&m, rows[i].words) : check(&m, rows[i].words);
		if (r != 0)
			TEST_END(TEST_FAILED, "%s: %d", rows[i].words, r);
	}
}

/* Key, payload and signature that cosign made; containers/image tests with them too (signature/fixtures/dir-img-cosign-valid). */
TEST(a_signature_that_cosign_made_counts_and_says_what_for)
{
	static const char pem[] =
		"-----BEGIN PUBLIC KEY-----\n"
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFNLqFhf4fiN6o/glAuYnq2jYUeL0\n"
		"vRuLu/z39pmbVwS9ff5AYnlwaP9sxREajdLY9ynM6G1sy6AAmb7Z63TsLg==\n"
		"-----END PUBLIC KEY-----\n";
	static const char payload[] =
		"{\"critical\":{\"identity\":{\"docker-reference\":\"192.168.64.2:5000/cosign-signed-single-sample\"},"
		"\"image\":{\"docker-manifest-digest\":\"sha256:634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00\"},"
		"\"type\":\"cosign container image signature\"},\"optional\":null}";
	static const char signature[] =
		"MEYCIQDmtamqYPjMg81nqeBhptrPls44aA/r7PwLmspINJY4MwIhANKRpqe2E9UCBtGFdPoz/8jAbaQm4uP4h+IpwKTE6ClR";
	CLEANUP(verify_key_freep) struct verify_key *k = NULL;
	AUTO_ARENA struct arena a = { 0 };
	unsigned char raw[BASE64_RAW_MAX(sizeof(signature))];
	ssize_t len = base64_decode(BASE64_STANDARD, signature, strlen(signature), raw);
	struct sigstore_claim claim;
	const char *algorithm;

	CHECK(len > 0);
	CHECK_EQ(verify_key_read(pem, &k, NULL), 0);
	CHECK_EQ(verify_key_check(k, raw, (size_t)len, payload, strlen(payload), &algorithm), 0);
	CHECK_EQ(sigstore_payload_read(payload, strlen(payload), &a, &claim, NULL), 0);
	CHECK_STR(claim.reference, "192.168.64.2:5000/cosign-signed-single-sample");
}

TEST(another_digest_than_the_curves_is_no_signature)
{
	struct verify_key *k;
	const char *algorithm;
	struct made m;

	make("P-256", "SHA512", &m);
	CHECK_EQ(verify_key_read(m.pem, &k, NULL), 0);
	CHECK_EQ(verify_key_check(k, m.signature, m.len, text, sizeof(text), &algorithm),
		 -EKEYREJECTED);
	verify_key_free(k);
}

TEST(what_is_no_key_or_a_weak_one_is_refused_with_words)
{
	static const struct {
		const char *kind;
		int want;
		const char *words;
	} rows[] = {
		{ "RSA1024", -EOPNOTSUPP, "an RSA key of 1024 bits" },
		{ "P-521", -EOPNOTSUPP, "secp521r1 is not supported" },
		{ "X25519", -EOPNOTSUPP, "X25519 is not supported" },
	};
	static const char *const none[] = {
		"", "x", "-----BEGIN PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
	};
	struct verify_key *k;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct made m;

		make(rows[i].kind, "SHA256", &m);
		CHECK_EQ(verify_key_read(m.pem, &k, &e), rows[i].want);
		if (!strstr(e.msg, rows[i].words))
			TEST_END(TEST_FAILED, "%s: %s", rows[i].kind, e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		CHECK_EQ(verify_key_read(none[i], &k, NULL), -EINVAL);
}

TEST_MAIN()
