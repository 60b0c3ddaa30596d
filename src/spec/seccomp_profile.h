#pragma once
/*
 * Docker's form of a seccomp profile: rules with conditions, which are resolved for one container.
 *
 * A profile file (`--security-opt seccomp=FILE`) differs from the `linux.seccomp` object of the
 * runtime-spec in this: `archMap` in place of `architectures`, and rules that hold only with certain
 * capabilities, on certain machines or from a kernel version on (`includes`, `excludes`). Resolving drops
 * the rules that do not hold and leaves a plain struct oci_seccomp.
 *
 * Not a compiler (see seccomp_compile) and not a judge of names: unknown system calls, actions and
 * operators pass through. A runtime-spec object is read as well, as it is the same without conditions.
 * Safe after fork: yes, while the parent had one thread.
 *
 * Source: Docker Engine, "Seccomp security profiles for Docker"; runtime-spec 1.3 config-linux.md#seccomp.
 */
#include "spec/runtime.h"

/* Where a rule holds, or does not; what is absent says nothing. */
struct seccomp_condition {
	struct json_strs caps;	 /* "CAP_SYS_ADMIN": includes need all of them, excludes any */
	struct json_strs arches; /* "amd64", "arm64", …: any of them */
	const char *min_kernel;	 /* "4.8"; the host's is the same or newer */
};

struct seccomp_rule {
	struct json_strs names;
	const char *name; /* the old form of one name */
	const char *action;
	bool has_errno_ret;
	uint32_t errno_ret;
	OCI_LIST(struct oci_seccomp_arg) args;
	struct seccomp_condition *includes, *excludes; /* NULL: none */
};

struct seccomp_arch_map {
	const char *architecture; /* "SCMP_ARCH_X86_64" */
	struct json_strs sub_architectures;
};

struct seccomp_profile {
	const char *default_action;
	bool has_default_errno_ret;
	uint32_t default_errno_ret;
	OCI_LIST(struct seccomp_arch_map) arch_map;
	struct json_strs architectures, flags;
	const char *listener_path, *listener_metadata;
	OCI_LIST(struct seccomp_rule) rules;
};

/* What a profile is resolved for. */
struct seccomp_subject {
	struct json_strs caps;	   /* the container's bounding set, "CAP_CHOWN", … */
	const char *arch;	   /* the machine as profiles call it: "amd64", "arm64", … */
	uint32_t kernel, revision; /* 6, 18 for Linux 6.18.44 */
};

/*
 * Fills `*ret` for this machine: its kind from the build, its kernel from uname(2). `caps` is shared.
 * -EINVAL when the kernel's release does not begin with two numbers.
 */
int seccomp_subject_init(const struct json_strs *caps, struct seccomp_subject *ret, struct err *e);

/* This machine's kind as profiles call it ("amd64"), or "" for one that they have no name for. */
const char *seccomp_machine_name(void);

/* "SCMP_ARCH_X86_64" for "amd64"; NULL for a kind that is not known. */
const char *seccomp_machine_scmp(const char *arch);

/* The i-th architecture of the table ("SCMP_ARCH_ARM"), NULL behind the last: for lists of what is known. */
const char *seccomp_arch_name(size_t i);

/* Reads a profile's text into `a`. Errors as json_read. */
int seccomp_profile_read(const char *text, size_t len, struct arena *a,
			 struct seccomp_profile **ret, struct err *e);

/*
 * Leaves the rules that hold for `s`, in their order. The result shares strings and lists with `p`.
 * `*ret` is NULL for a profile with neither a default action nor rules: with Docker that means that
 * seccomp is off. Errors: -EINVAL for a profile that contradicts itself (both `name` and `names`, both
 * `architectures` and `archMap`) or has a wrong `minKernel`; -E2BIG beyond LIMIT_SECCOMP_RULES names;
 * -ENOMEM.
 */
int seccomp_profile_resolve(const struct seccomp_profile *p, const struct seccomp_subject *s,
			    struct arena *a, struct oci_seccomp **ret, struct err *e);
