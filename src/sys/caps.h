#pragma once
/*
 * Capabilities: names, sets as bit masks, and the calls that change them. No libcap.
 *
 * Order of use in a child (the caller's work): caps_drop_bounding before the uid changes, PR_SET_KEEPCAPS,
 * ids, then caps_set, then caps_set_ambient. Safe after fork: yes.
 */
#include <stddef.h>
#include <stdint.h>

struct err;

struct caps_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* The bit's number of "CAP_CHOWN" (any case), or -EINVAL. */
int caps_find(const char *name);
/* The name of bit `i`, or NULL behind the last that is known. */
const char *caps_name(unsigned int i);
/* The calling process's own sets (bounding and ambient too). */
int caps_get(struct caps_sets *ret);
/* Drops from the bounding set what is not in `keep`. -EPERM without CAP_SETPCAP. */
int caps_drop_bounding(uint64_t keep);
/* Sets effective, permitted, inheritable. */
int caps_set(const struct caps_sets *s);
/* Clears the ambient set and raises what is asked for. */
int caps_set_ambient(uint64_t ambient);
