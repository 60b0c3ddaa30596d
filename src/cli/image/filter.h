#pragma once
/*
 * What `images --filter` takes: KEY=VALUE with the keys before, dangling, label, reference and since, docker's. Values of one
 * key are alternatives, but labels must all fit; keys must all fit. Safe after fork: no.
 */
#include <stdbool.h>

#include "image/image.h"

struct arena;
struct err;

struct image_filter {
	struct store *store;
	const char *ns;
	char *const *specs;	     /* strv; may be NULL */
	int64_t before_ns, since_ns; /* 0: not asked for; image_filter_open fills them */
};
/* Checks the specs and looks up the images that they name. */
int image_filter_open(struct image_filter *f, struct err *e);
/* Whether the row is shown. */
bool image_filter_fits(const struct image_filter *f, const struct image_listed *i);
