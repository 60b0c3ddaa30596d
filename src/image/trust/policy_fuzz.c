/* Policies, and the rule of a name. */
#include <stddef.h>
#include <stdint.h>

#include "codec/ref.h"
#include "image/trust/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)32 << 20 };
	const struct policy_rule *rule;
	struct policy *p;
	struct ref ref;

	if (policy_read((const char *)data, len, &a, &p, NULL) < 0 ||
	    ref_parse("registry.example.org/team/app:1", &ref, NULL) < 0)
		return 0;
	rule = policy_find(p, &ref);
	for (size_t i = 0; i < rule->n; i++)
		(void)policy_identity_matches(rule->v[i].identity, &ref,
					      "registry.example.org/team/app");
	return 0;
}
