#pragma once
/*
 * The part of YAML 1.2 that configuration files are written in: block mappings and sequences, plain and quoted scalars, flow
 * sequences of scalars, comments, one document. Anchors, aliases, tags, block scalars and flow mappings are errors that name the
 * line. Values stay text: what they mean says the reader.
 *
 * Is not: a writer. Everything lives in the arena. Safe after fork: yes.
 */
#include <stddef.h>

struct arena;
struct err;

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };
struct yaml {
	enum yaml_kind kind;
	const char *key;  /* in a map; else NULL */
	const char *text; /* of a scalar, "" of an empty one */
	int line;
	struct yaml *first, *next; /* children, in their order */
};

#define YAML_DEPTH_MAX 16
#define YAML_LINES_MAX 20000

/* -EBADMSG with the line in words, -E2BIG. An empty text is an empty map. */
int yaml_read(const char *text, size_t len, struct arena *a, struct yaml **ret, struct err *e);
/* The child with that key, or NULL. */
const struct yaml *yaml_get(const struct yaml *map, const char *key);
