/* References: what is accepted is accepted again in its full form, with the same parts. */
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX], name[REF_TEXT_MAX];
	AUTO_ARENA struct arena a = { 0 };
	char *s = arena_strndup(&a, (const char *)data, len);
	struct err e = ERR_INIT;
	struct ref one, two;

	if (ref_parse(s, &one, &e)) {
		ASSERT(e.errnum);
		return 0;
	}
	ASSERT(*one.host && *one.path && (*one.tag || *one.digest));
	ASSERT(!*one.digest || digest_is_valid(one.digest));
	ref_full(&one, full);
	ASSERT(ref_parse(full, &two, &e) == 0);
	ASSERT(streq(one.host, two.host) && streq(one.path, two.path));
	ASSERT(streq(one.tag, two.tag) && streq(one.digest, two.digest));
	ASSERT(*ref_familiar_name(&one, name));
	return 0;
}
