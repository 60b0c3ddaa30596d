#pragma once
/*
 * Attributes of the calling process that a container's process gets before exec: rlimits, ids, oom score,
 * scheduler, io priority, personality, keyring. Plain values in; names are parsed by the find functions.
 * Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* The number of "RLIMIT_NOFILE", or -EINVAL. */
int task_rlimit_find(const char *name);
const char *task_rlimit_name(int resource);

struct task_rlimit {
	int resource;
	uint64_t soft, hard; /* UINT64_MAX: none */
};
/*
 * Sets a limit. Without CAP_SYS_RESOURCE a hard limit above the present one is clamped to it and
 * `*ret_is_clamped` is set.
 */
int task_set_rlimit(const struct task_rlimit *l, bool *ret_is_clamped, struct err *e);

struct task_ids {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t groups_n;
	bool keeps_groups; /* asked for, or a user namespace with setgroups denied: leave them */
};
/* setgroups, setgid, setuid with raw calls, keeping permitted capabilities. */
int task_set_ids(const struct task_ids *ids, struct err *e);

int task_set_oom_score(int score);
/* The policy of "SCHED_OTHER", or -EINVAL. */
int task_sched_find(const char *name);
/* The bit of "SCHED_FLAG_RESET_ON_FORK", or 0. */
uint64_t task_sched_flag(const char *name);
struct task_sched {
	int policy;
	uint64_t flags;
	int32_t nice, priority;
	uint64_t runtime, deadline, period;
};
int task_set_sched(const struct task_sched *s, struct err *e);
/* The class of "IOPRIO_CLASS_BE", or -EINVAL. */
int task_ioprio_find(const char *name);
int task_set_ioprio(int class_, int priority, struct err *e);
/* PER_LINUX or PER_LINUX32 of "LINUX", "LINUX32", or -EINVAL. */
long task_personality_find(const char *name);
int task_set_personality(long personality, struct err *e);
/* Joins a new session keyring of that name; a kernel without keyrings is fine. */
int task_join_keyring(const char *name, struct err *e);
/* "0-3,5" into `mask`; -EINVAL, -ERANGE above 1023. */
int task_cpus_parse(const char *list, unsigned long mask[16]);
int task_set_cpus(const unsigned long mask[16], struct err *e);
/* All CPUs that the process's cpuset has, whatever the caller was bound to. Failures are nobody's business. */
void task_reset_cpus(void);
/* The mode of "MPOL_BIND" and the flag of "MPOL_F_STATIC_NODES", or -EINVAL. */
int task_mempolicy_find(const char *name);
int task_mempolicy_flag(const char *name);
/* The i-th mode or flag that is known; NULL behind the last. */
const char *task_mempolicy_name(size_t i);
const char *task_mempolicy_flag_name(size_t i);
int task_set_mempolicy(int mode, const unsigned long mask[16], bool has_nodes, struct err *e);
