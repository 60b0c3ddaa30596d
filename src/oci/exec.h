#pragma once
/*
 * A further process in a running container: one clone, one setns with a pidfd for all namespaces at once.
 *
 * Holds always: the runtime itself joins the pid namespace for its children only and never the container's
 * mount namespace; the new process is in the container's groups before it enters.
 */
#include "oci/cmd.h"
#include "oci/plan.h"

struct exec_options {
	const char *console_socket, *pidfd_socket, *pid_file; /* NULL: none */
	const char
		*cgroup; /* sub-group: "path", or on v1 "controller:path"; NULL: the container's */
	bool is_detached;
	bool no_subreaper;
	bool ignores_paused; /* a paused container: waits until it is resumed */
	unsigned int preserve_fds;
};

/* Returns the exit code in the foreground, 0 when detached, or -errno. */
int exec_run(struct cmd_container *c, const struct exec_options *o, struct plan_process *p,
	     struct err *e);
