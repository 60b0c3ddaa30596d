#include "base/err.h"
#include "base/mem.h"
#include "oci/systemd_props.h"

/* Any text is a value that fits its signature, or an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)4 << 20 };
	struct systemd_property p = { .name = "Fuzzed" };
	struct systemd_call c = { .verb = SYSTEMD_SET,
				  .unit = "fuzz.scope",
				  .properties = { &p, 1 } };
	char *text = arena_strndup(&a, (const char *)data, size);
	struct err e;

	if (text && systemd_variant_parse(text, &a, &p, &e) == 0)
		ASSERT(systemd_call_check(&c, &e) == 0);
	return 0;
}
