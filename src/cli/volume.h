#pragma once
/* `-v source:target[:options]` as docker takes it. */
#include "cli/cli.h"

/* Parses all of `specs` (may be NULL); the result is in the arena. -EINVAL: "invalid volume specification: …". */
int volume_parse_all(char *const *specs, struct arena *a, struct engine_bind **ret, size_t *ret_n,
		     struct err *e);
