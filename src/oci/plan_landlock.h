#pragma once
/*
 * Landlock as an annotation: rules by names to rules by bits. Which rights the kernel knows is asked before
 * anything is made; a rule that cannot be kept whole is an error (docs/decisions/0015-landlock.md).
 */
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

struct plan_landlock_path {
	const char *path; /* absolute, in the container; one that is missing allows nothing */
	uint64_t access;
};

struct plan_landlock_port {
	uint16_t port;
	uint64_t access;
};

struct plan_landlock {
	uint64_t fs, net, scope; /* denied but for the rules */
	uint32_t flags;
	struct plan_landlock_path *paths;
	struct plan_landlock_port *ports;
	size_t paths_n, ports_n;
};

/*
 * `text` is the annotation's value (spec/landlock.h), `abi` the kernel's. -EINVAL and -EBADMSG for a wrong text,
 * -EOPNOTSUPP (ERR_UNIMPLEMENTED) for a right that needs a newer kernel or any right without Landlock.
 */
int plan_landlock_make(const char *text, int abi, struct arena *a, const struct plan_landlock **ret,
		       struct err *e);
