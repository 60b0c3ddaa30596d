#pragma once
/*
 * Control groups as the shim needs them: leaving the caller's, and the container's own group, found by its
 * init, for signals to all, pids, freezing and OOM kills.
 *
 * Holds always: a group that the shim itself, or the top of a hierarchy, belongs to is never taken for the
 * container's. Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sys/cgroup.h"

struct err;

/*
 * Moves this process into /corten/shims wherever the caller's group is not the top: a service that stops or
 * a session that ends takes its group's processes with it. Best effort: a hierarchy that refuses is left alone.
 * The folders it entered are listed in file "groups" of the task folder `dir`: whoever sees the shim end
 * (shim_shutdown, or shim_forget when it was killed) removes those that are empty (a move back to the top would cost the caller 10 ms).
 */
void group_leave_callers(int dir);

struct group {
	struct cg_host host;
	struct cgroup cg;
	struct cg_oom oom;
	bool is_open;
};

/* Finds the groups of `pid` that are the container's own. -ENODEV when it has none. */
int group_open(struct group *g, pid_t pid, struct err *e);
void group_close(struct group *g);
