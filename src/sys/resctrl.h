#pragma once
/*
 * Resource control of caches and memory bandwidth (Intel RDT and its like): groups below resctrl, by its open folder.
 *
 * Not here: which group a container has and who removes it (oci/intel_rdt). What a line of schemata may say is
 * judged by the kernel. Safe after fork: yes. Source: kernel arch/x86/resctrl.
 */
#include <stdbool.h>
#include <sys/types.h>

struct err;

#define RESCTRL_ROOT "/sys/fs/resctrl"

/* Opens RESCTRL_ROOT. -ENODEV when no resctrl is mounted there. */
int resctrl_open(struct err *e);
/* Whether a resource is there: "L3", "MB", "L3_MON". */
bool resctrl_has(int root, const char *resource);

struct resctrl_group {
	const char *name;     /* a plain name, or "/": the group at the top */
	const char *schemata; /* lines, or NULL: leave them */
	const char *monitor;  /* a monitoring group of that name below it; NULL: none */
	bool is_existing;     /* it must be there already */
};
/*
 * Makes the group if it is not there, writes its schemata and puts the process into it; what was made is removed when a
 * step fails. `*ret_is_made`: the group was not there. -ENOENT: it must be and is not; -ENOSPC: no class is left.
 */
int resctrl_put(int root, const struct resctrl_group *g, pid_t pid, bool *ret_is_made,
		struct err *e);
/* New schemata for a group that is there. */
int resctrl_write(int root, const char *name, const char *schemata, struct err *e);
/* Removes the group, or with `monitor` that one below it; one that is gone is fine. */
int resctrl_remove(int root, const char *name, const char *monitor, struct err *e);
