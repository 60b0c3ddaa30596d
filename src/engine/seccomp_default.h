#pragma once
/*
 * The seccomp profile of a container that asks for none: tables of ours that decide as Docker's do.
 *
 * What is not in a row gets EPERM (or ENOSYS above the newest number that the profile names, see
 * spec/seccomp_compile.h). The rows are grouped by what the calls are for, so that a reader can judge a
 * group; that the decisions are Docker's is shown by tests/seccomp, which names the version.
 *
 * Not a reader of files (spec/seccomp_profile is). Safe after fork: yes, while the parent had one thread.
 */
#include "spec/seccomp_profile.h"

/*
 * The default profile resolved for `s`, in `a`; constant text is shared with the program.
 * Errors: -ENOMEM.
 */
int seccomp_default_resolve(const struct seccomp_subject *s, struct arena *a,
			    struct oci_seccomp **ret, struct err *e);

/* The whole profile before it is resolved; for tests and for people who want a file to start from. */
int seccomp_default_profile(struct arena *a, struct seccomp_profile **ret, struct err *e);
