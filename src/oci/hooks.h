#pragma once
/*
 * Hooks: programs of the host (startContainer: of the container) run at points of a container's life, with
 * the State JSON on standard input, the hook's own environment and nothing else, in order, with a deadline.
 * runtime-spec 1.3 config.md#posix-platform-hooks.
 */
#include <stddef.h>

#include "spec/runtime.h"

struct err;

/*
 * Runs the list; the first failure ends it (-EIO, with the hook's output in the words). `kind` is for the
 * words: "prestart". `cwd` NULL: the caller's.
 */
int hooks_run(const struct oci_hook *v, size_t n, const char *kind, const char *state,
	      const char *cwd, struct err *e);
