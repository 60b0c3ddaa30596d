#pragma once
/*
 * Executing the OCI runtime without blocking: argv from rows, its error from its JSON log.
 *
 * The runtime is executed from a detached read-only clone of its file, so that nothing that finds it in
 * /proc/PID/exe, a container's command least of all, can open the host's file for writing (CVE-2019-5736).
 * Safe after fork: no.
 */
#include <stddef.h>
#include <sys/types.h>

struct err;
struct proc;
struct runtime_call;
struct task;

/* `r` is 0, or negative with the runtime's own words in `e`. */
typedef void (*runtime_done_fn)(struct task *t, struct proc *p, void *data, int r,
				const struct err *e);

struct runtime_args {
	const char *verb;
	char *const *args;	/* behind the verb, with the container's id */
	const int *stdio;	/* three descriptors for 0, 1, 2, or NULL: /dev/null */
	int root_fd;		/* above 0: becomes descriptor 3 */
	const char *input_file; /* removed when the call ended, or NULL */
	struct proc *p;
	void *data;
	runtime_done_fn done;
};

/* Starts it; `done` is called from the loop, never from here. */
int runtime_start(struct task *t, const struct runtime_args *a, struct err *e);
/* The runtime's process `pid` ended: true when it was one. */
int runtime_reaped(struct task *t, pid_t pid, int status);
/* Gives the clone of the runtime's file back. */
void runtime_done(struct task *t);
