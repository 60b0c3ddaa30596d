/* YAML: whatever comes, the tree is well formed and of limited depth, or the error has words. */
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct yaml *y, int depth)
{
	ASSERT(depth <= YAML_DEPTH_MAX + 2 && y->text && y->line > 0);
	ASSERT(y->kind != YAML_SCALAR || !y->first);
	for (const struct yaml *child = y->first; child; child = child->next) {
		ASSERT(!child->key == (y->kind == YAML_LIST));
		ASSERT(y->kind != YAML_MAP || yaml_get(y, child->key) == child);
		check(child, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { 0 };
	struct err e = ERR_INIT;
	struct yaml *y;

	if (yaml_read((const char *)data, len, &a, &y, &e) < 0)
		ASSERT(e.errnum && *e.msg);
	else
		check(y, 0);
	return 0;
}
