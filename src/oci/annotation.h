#pragma once
/*
 * Annotations of config.json that mean something to the runtime: one row each, in docs/runtime-annotations.md with
 * their meaning. All others are the callers' and are passed on untouched.
 */
#include <stdbool.h>
#include <stddef.h>

#include "spec/runtime.h"

struct err;

#define ANNOTATION_LANDLOCK "org.corten.landlock"
#define ANNOTATION_FAIL_UNKNOWN "run.oci.seccomp_fail_unknown_syscall"
#define ANNOTATION_HOOKS_STDERR "run.oci.hooks.stderr"
#define ANNOTATION_HOOKS_STDOUT "run.oci.hooks.stdout"
#define ANNOTATION_KEEP_GROUPS "run.oci.keep_original_groups"
#define ANNOTATION_MOUNT_CONTEXT "run.oci.mount_context_type"
#define ANNOTATION_PIDFD_RECEIVER "run.oci.pidfd_receiver"
#define ANNOTATION_SECCOMP_BPF "run.oci.seccomp_bpf_data"
#define ANNOTATION_FORCE_V1 "run.oci.systemd.force_cgroup_v1"
#define ANNOTATION_SUBGROUP "run.oci.systemd.subgroup"
#define ANNOTATION_SYSTEMD "org.systemd.property." /* the beginning of a name */
#define ANNOTATION_SECCOMP_RECEIVER "run.oci.seccomp.receiver"

/* The value, or NULL. */
const char *annotation_get(const struct oci_spec *spec, const char *key);
/* The i-th key that has a meaning, or NULL behind the last: for `features`. */
const char *annotation_name(size_t i);
/* -EOPNOTSUPP (ERR_UNIMPLEMENTED) for one that asks for what this runtime does not do. */
int annotation_check(const struct oci_spec *spec, struct err *e);
