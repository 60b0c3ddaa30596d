/* Simple signing payloads and statements: read behind a signature, and fuzzed all the same. */
#include <stddef.h>
#include <stdint.h>

#include "codec/digest.h"
#include "spec/sigstore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)24 << 20 };
	char digest[DIGEST_TEXT_MAX];
	struct sigstore_claim c;

	(void)sigstore_payload_read((const char *)data, len, &a, &c, NULL);
	(void)sigstore_statement_read((const char *)data, len, digest_of("", 0, digest), &a, &c,
				      NULL);
	return 0;
}
