#pragma once
/*
 * linux.seccomp compiled to a filter program, by libseccomp and a few instructions of our own.
 *
 * Decides as runc 1.3 does: names that libseccomp does not know are skipped, rules that say what the
 * default says too, and a rule with several conditions on one argument becomes one rule for each of its
 * conditions. When the default action refuses, a call with a number above the highest that the profile
 * names for its architecture gets ENOSYS, so that a new libc falls back to older calls. An architecture
 * that is not listed gets SECCOMP_RET_KILL_THREAD.
 *
 * The one module of this room that links libseccomp: a library of its own, for corten-seccomp and tests.
 * Does not load anything and does not ask the kernel what it can do. Not safe after fork.
 *
 * Source: runtime-spec 1.3 config-linux.md#seccomp; seccomp(2).
 */
#include "spec/runtime.h"

struct seccomp_compile_options {
	const char
		*native; /* compile for another machine: "SCMP_ARCH_AARCH64"; NULL: for this one */
	unsigned int
		optimize; /* 1: by priority, 2: a binary tree, 0: a tree when there are many rules */
	bool fails_unknown; /* a name that libseccomp does not know is an error */
	bool has_no_enosys; /* leave the ENOSYS instructions out; for tests */
};

/*
 * Compiles into a malloc'ed blob (spec/seccomp_blob.h). `o` may be NULL. Errors: -EINVAL for a profile that
 * is wrong or contradicts itself, -E2BIG beyond LIMIT_SECCOMP_RULES names or the kernel's 4096
 * instructions, -ENOMEM.
 */
int seccomp_compile(const struct oci_seccomp *s, const struct seccomp_compile_options *o,
		    void **ret, size_t *ret_len, struct err *e);
