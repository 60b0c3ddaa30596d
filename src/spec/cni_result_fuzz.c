/* What a plugin prints: a result of any version, or an error. What could be read is written and read again. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "spec/cni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const versions[] = { "0.2.0", "0.4.0", CNI_VERSION };
	AUTO_ARENA struct arena a = { .budget = (size_t)24 << 20 };
	struct cni_result *res, *again;
	struct cni_error ce;
	struct err e = ERR_INIT;

	if (json_read(&cni_error_table, (const char *)data, len, NULL, &a, &ce, NULL) == 0)
		ASSERT(cni_error_take(&ce, "x", "add", &e) < 0);
	if (cni_result_read((const char *)data, len, "0.4.0", &a, &res, NULL) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		AUTO_STRBUF struct strbuf out = { 0 };

		if (cni_result_write(res, versions[i], &out, NULL) == 0)
			ASSERT(cni_result_read(out.p, out.len, NULL, &a, &again, &e) == 0 ||
			       e.errnum == ENOMEM || e.errnum == E2BIG);
	}
	return 0;
}
