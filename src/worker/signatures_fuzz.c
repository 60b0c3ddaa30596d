/* What a registry calls signatures: the first byte says which of the two documents the rest is. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "worker/signatures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int found(struct signatures *s, const struct signature_candidate *c, struct err *e)
{
	(void)s, (void)e;
	ASSERT(c->unusable || (c->kind && c->signature));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char digest[] =
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	struct signatures s = { .found = found };

	if (len == 0)
		return 0;
	if (data[0] == 't')
		(void)signatures_read_tag(&s, digest, (const char *)data + 1, len - 1, NULL);
	else
		(void)signatures_read_bundle(&s, digest, (const char *)data + 1, len - 1, NULL);
	return 0;
}
