#pragma once
/*
 * Device rules as a BPF program for a v2 group (BPF_PROG_TYPE_CGROUP_DEVICE).
 *
 * The rules are read in order and the last that names a device decides, for each of read, write and mknod
 * apart; what no rule names is refused (as runc and crun do on v2). Is not: v1's devices.allow
 * (cgroup_devices.c). Only programs of ours, known by their name, are ever replaced. Safe after fork: yes,
 * while the parent had one thread.
 */
#include <stdbool.h>
#include <stddef.h>

struct bpf_insn;
struct cg_device_rule;
struct err;

/* One rule is at most this many instructions; the kernel takes a million. */
#define BPF_DEVICE_RULE_INSNS 9

/* Builds the program, malloc'ed. -EINVAL for an unknown type, -ERANGE for numbers above 32 bits, -E2BIG, -ENOMEM. */
int bpf_device_build(const struct cg_device_rule *rules, size_t n, struct bpf_insn **ret,
		     size_t *ret_n, struct err *e);

/*
 * Builds, loads and attaches to the group of `cgroup_fd` (O_PATH is enough), beside other programs there
 * (all must allow). An earlier program of ours is replaced in one step. Errors as above, -EPERM without
 * CAP_BPF or CAP_SYS_ADMIN, -EINVAL on a kernel without cgroup BPF.
 */
int bpf_device_set(int cgroup_fd, const struct cg_device_rule *rules, size_t n, struct err *e);
