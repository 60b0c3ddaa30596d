/* WWW-Authenticate headers. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "worker/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = strndup((const char *)data, len);
	struct challenge c;

	if (text && challenge_parse(text, &c) == 0)
		(void)challenge_is_trusted("registry-1.docker.io", false, c.realm);
	return 0;
}
