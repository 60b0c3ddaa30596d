#include "spec/sigstore.h"

#include "base/err.h"
#include "base/test.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define DIGEST "sha256:" HEX
#define IDENTITY "\"identity\":{\"docker-reference\":\"r.test/a\"}"
#define IMAGE "\"image\":{\"docker-manifest-digest\":\"" DIGEST "\"}"
#define TYPE "\"type\":\"cosign container image signature\""

static struct arena a;

TEST(a_payload_says_image_and_name)
{
	static const char text[] = "{\"critical\":{" IDENTITY "," IMAGE "," TYPE
				   "},\"optional\":{\"creator\":\"x\",\"any\":[1]}}";
	struct sigstore_claim c;

	CHECK_EQ(sigstore_payload_read(text, strlen(text), &a, &c, NULL), 0);
	CHECK_STR(c.digest, DIGEST);
	CHECK_STR(c.reference, "r.test/a");
}

TEST(a_payload_with_something_critical_that_is_unknown_is_none)
{
	static const char *const texts[] = {
		"{}",
		"{\"critical\":{}}",
		"{\"critical\":{" IDENTITY "," IMAGE "}}",
		"{\"critical\":{" IDENTITY "," IMAGE ",\"type\":\"atomic container signature\"}}",
		"{\"critical\":{" IDENTITY "," IMAGE "," TYPE ",\"expires\":1}}",
		"{\"critical\":{" IDENTITY "," IMAGE "," TYPE "},\"more\":1}",
		"{\"critical\":{" IDENTITY ",\"image\":{\"docker-manifest-digest\":\"x\"}," TYPE
		"}}",
		"{\"critical\":{\"identity\":{\"docker-reference\":\"a\",\"b\":1}," IMAGE "," TYPE
		"}}",
		"{\"critical\":{" IDENTITY "," IMAGE "," TYPE "," TYPE "}}",
		"{\"critical\":{" IDENTITY "," IMAGE "," TYPE "}}x",
	};
	struct sigstore_claim c;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (sigstore_payload_read(texts[i], strlen(texts[i]), &a, &c, NULL) != -EBADMSG)
			TEST_END(TEST_FAILED, "%s", texts[i]);
}

#define STATEMENT(type, predicate, hex)                                                \
	"{\"_type\":\"" type "\",\"predicateType\":\"" predicate                       \
	"\",\"subject\":[{\"name\":\"o\",\"digest\":{\"sha256\":\"0\"}},{\"digest\":{" \
	"\"sha512\":\"" hex "\",\"sha256\":\"" hex "\"}}],\"predicate\":{}}"
#define INTOTO "https://in-toto.io/Statement/v1"
#define SIGN "https://sigstore.dev/cosign/sign/v1"

TEST(a_statement_counts_for_its_subjects_and_its_predicate_alone)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ STATEMENT(INTOTO, SIGN, HEX), NULL },
		{ STATEMENT(INTOTO, "https://slsa.dev/provenance/v1", HEX),
		  "an attestation of type" },
		{ STATEMENT("https://example.org/", SIGN, HEX), "is no in-toto statement" },
		{ STATEMENT(INTOTO, SIGN, "00"), "another image" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct sigstore_claim c;
		int r = sigstore_statement_read(rows[i].text, strlen(rows[i].text), DIGEST, &a, &c,
						&e);

		CHECK_EQ(r, rows[i].words ? -EBADMSG : 0);
		if (rows[i].words && !strstr(e.msg, rows[i].words))
			TEST_END(TEST_FAILED, "%s", e.msg);
	}
}

#define KEY "\"verificationMaterial\":{\"publicKey\":{\"hint\":\"x\"}}"
#define TYPE_V03 "\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\""
#define ENVELOPE(signatures)                                                                       \
	"\"dsseEnvelope\":{\"payload\":\"eA==\",\"payloadType\":\"t\",\"signatures\":[" signatures \
	"]}"
#define SIG "{\"sig\":\"AA==\",\"keyid\":\"\"}"
#define MESSAGE "\"messageSignature\":{\"messageDigest\":{},\"signature\":\"AAA=\"}"

TEST(a_bundle_has_one_signature)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "{" TYPE_V03 "," KEY "," ENVELOPE(SIG) "}", 0 },
		{ "{" TYPE_V03 "," KEY "," MESSAGE "}", 0 },
		{ "{" TYPE_V03 "," KEY "}", -EBADMSG },
		{ "{" TYPE_V03 "," KEY "," MESSAGE "," ENVELOPE(SIG) "}", -EBADMSG },
		{ "{" TYPE_V03 "," KEY "," ENVELOPE("") "}", -EBADMSG },
		{ "{" TYPE_V03 "," KEY "," ENVELOPE(SIG "," SIG) "}", -EBADMSG },
		{ "{" TYPE_V03 "," ENVELOPE(SIG) "}", -EBADMSG },
		{ "{\"mediaType\":\"application/vnd.dev.sigstore.bundle+json;version=0.1\"," KEY
		  "," MESSAGE "}",
		  -EOPNOTSUPP },
	};
	struct sigstore_bundle b;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ(sigstore_bundle_read(rows[i].text, strlen(rows[i].text), &a, &b, NULL),
			 rows[i].want);
}

TEST(a_bundle_by_a_certificate_says_so)
{
	static const char text[] = "{" TYPE_V03
				   ",\"verificationMaterial\":{\"certificate\":{}}," MESSAGE "}";
	struct sigstore_bundle b;

	CHECK_EQ(sigstore_bundle_read(text, strlen(text), &a, &b, NULL), 0);
	CHECK(b.has_certificate && b.is_message);
}

TEST_MAIN()
