/* What a registry says besides manifests: pages of tags, Link, Location. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "worker/fetch_call.h"
#include "worker/links.h"

static void read_tags(const char *text, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)16 << 20 };
	struct json_strs tags = { 0 };
	size_t cap = 0;

	(void)tags_read(text, len, &a, &tags, &cap, NULL);
	for (size_t i = 0; i < tags.n; i++)
		ASSERT(registry_tag_is_valid(tags.v[i]));
}

static void follow(const char *text)
{
	AUTO_FREE char *next = link_next(text);
	AUTO_FREE char *url = NULL;
	AUTO_FREE char *more = NULL;

	if (url_resolve("https://r.test/v2/a/tags/list?n=1", next ? next : text, &url, NULL) < 0)
		return;
	/* https stays https, and nobody's password is in it. */
	ASSERT(str_skip(url, "https://") && strlen(url) <= FETCH_URL_MAX);
	more = url_add_query(url, "digest", "sha256:00");
	ASSERT(!more || str_skip(more, "https://"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = len > 0 ? strndup((const char *)data + 1, len - 1) : NULL;

	if (!text)
		return 0;
	if (data[0] == 'T')
		read_tags((const char *)data + 1, len - 1);
	else
		follow(text);
	return 0;
}
