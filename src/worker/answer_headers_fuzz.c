/* Content-Range and Retry-After. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "worker/answer_headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = strndup((const char *)data, len);
	int64_t at = 0;

	if (!text)
		return 0;
	if (header_range_start(text, &at) == 0)
		ASSERT(at >= 0);
	ASSERT(header_retry_after_s(text) >= 0);
	return 0;
}
