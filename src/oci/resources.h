#pragma once
/*
 * The spec's resources as the plain structs of sys/cgroup.
 *
 * Is: a translation with the ranges of the types checked. Is not: the judge of what the host can do (cg_apply
 * says that). Holds: numbers that do not fit, unknown device types and letters are errors; nothing is
 * dropped but `memory.kernel` and `memory.useHierarchy`, which the spec and the kernel gave up.
 * Spec: runtime-spec 1.3 config-linux.md#control-groups. Safe after fork: no (it allocates).
 */
#include "sys/cgroup.h"

struct oci_resources;
struct err;

enum resources_flags {
	/*
	 * The devices that every container may use are allowed behind the config's rules, as runc does (mknod of
	 * anything, null, zero, full, random, urandom, tty, console, ptmx, pts/N): at create always, at update
	 * when it has device rules. Without them the rules in force stay.
	 */
	RESOURCES_CREATE = 1 << 0,
};

/*
 * Fills `*ret`; lists live in `a`, strings are shared with `r`, so both must outlive it. NULL `r` asks for
 * nothing but, with RESOURCES_CREATE, the default devices. Errors: -EINVAL, -ERANGE, -ENOMEM.
 */
int oci_resources_translate(const struct oci_resources *r, unsigned int flags, struct arena *a,
			    struct cg_resources *ret, struct err *e);
