#pragma once
/*
 * The space of calls that filters are compared over: every architecture, number and argument of note.
 *
 * For each number both filters run once with all arguments zero; when neither looked at an argument, the
 * answer is the same for all of them and that one run proves it. Otherwise every value near a constant of
 * either profile is tried in each argument that was looked at, with the upper half clear and set, and
 * random ones besides.
 */
#include "bpf.h"
#include "spec/runtime.h"

struct space_values {
	uint64_t v[2048];
	size_t n;
};

/* Adds the constants of a profile's conditions and their neighbours. */
void space_values_add(struct space_values *values, const struct oci_seccomp *s);

/* Called for each call on which the answers differ; false ends the walk. */
typedef bool space_differ_fn(void *arg, const struct seccomp_data *d, uint32_t one, uint32_t other);

/*
 * Compares two programs and returns how many calls they were asked. `differ` may see one call more than
 * once. With NULL the first difference ends the walk.
 */
size_t space_compare(const struct bpf_program *one, const struct bpf_program *other,
		     const struct space_values *values, space_differ_fn *differ, void *arg);

/* The AUDIT_ARCH values of the walk, 0 at the end. */
extern const uint32_t space_arches[];
