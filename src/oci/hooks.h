#pragma once
/*
 * Hooks: programs of the host (startContainer: of the container) run at points of a container's life, with
 * the State JSON on standard input, the hook's own environment and nothing else, in order, with a deadline.
 * runtime-spec 1.3 config.md#posix-platform-hooks.
 */
#include <stddef.h>

#include "spec/runtime.h"

struct err;

/* Files that get what hooks write; negative: it goes into the words of an error. */
struct hooks_output {
	int out, err;
};
#define HOOKS_OUTPUT_NONE ((struct hooks_output){ -EBADF, -EBADF })
/*
 * Opens the files that the annotations run.oci.hooks.stdout and run.oci.hooks.stderr name, for appending; what is
 * missing is made. A config without hooks opens nothing.
 */
int hooks_output_open(const struct oci_spec *spec, struct hooks_output *ret, struct err *e);
void hooks_output_done(struct hooks_output *o);

/*
 * Runs the list; the first failure ends it (-EIO, with the hook's output in the words). `kind` is for the
 * words: "prestart". `cwd` NULL: the caller's. `o` NULL: none.
 */
int hooks_run(const struct oci_hook *v, size_t n, const char *kind, const char *state,
	      const char *cwd, const struct hooks_output *o, struct err *e);
