/* mountinfo and /proc/self/cgroup: foreign mounts put names of anybody's choice there. */
#include "sys/cgroup.h"

#include <string.h>

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is mountinfo, a NUL, and /proc/self/cgroup. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, 0, size) : NULL;
	size_t mounts = cut ? (size_t)(cut - data) : size;
	struct err e = ERR_INIT;
	struct cg_host h;

	/* The prefix keeps what is read from the unified mount away from this machine's own files. */
	if (cg_host_parse((const char *)data, mounts, cut ? (const char *)cut + 1 : "",
			  cut ? size - mounts - 1 : 0, "/nonexistent", &h, &e) < 0)
		return 0;
	ASSERT(h.n <= CG_HIERARCHIES_MAX);
	for (size_t i = 0; i < h.n; i++) {
		ASSERT(h.h[i].mount && h.h[i].root && h.h[i].names_n > 0);
		ASSERT(!h.h[i].own || h.h[i].own[0] == '/');
		ASSERT(!h.h[i].own || !strstr(h.h[i].own, "/../"));
	}
	for (int c = 0; c < CG_CONTROLLER_COUNT; c++)
		ASSERT(h.where[c] >= -1 && h.where[c] < (int)h.n);
	cg_host_done(&h);
	return 0;
}
