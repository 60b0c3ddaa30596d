/* TOML: whatever comes, a tree is whole and within the limits, or there is an error with words. */
#include "base/err.h"
#include "base/mem.h"
#include "codec/toml.h"

#define DEPTH 16
#define NODES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t walk(const struct toml *n, size_t depth)
{
	size_t members = 0, nodes = 1;

	ASSERT(depth <= DEPTH + 1 && n->line > 0);
	if (n->kind == TOML_STRING || n->kind == TOML_TIME)
		ASSERT(n->s);
	if (n->kind != TOML_ARRAY && n->kind != TOML_TABLE)
		return 1;
	for (const struct toml *m = n->first; m; m = m->next) {
		ASSERT((n->kind == TOML_TABLE) == (m->key != NULL));
		ASSERT(!m->key || toml_get(n, m->key) == m);
		nodes += walk(m, depth + (n->how == 0 || n->kind == TOML_TABLE));
		members++;
	}
	ASSERT(members == n->n);
	return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct toml_limits lim = { .depth = DEPTH, .nodes = NODES };
	AUTO_ARENA struct arena a = { .budget = (size_t)8 << 20 };
	struct err e = ERR_INIT;
	struct toml *root;

	if (toml_read((const char *)data, len, &lim, &a, &root, &e) == 0)
		ASSERT(walk(root, 0) <= NODES);
	else
		ASSERT(e.errnum && e.msg[0]);
	return 0;
}
