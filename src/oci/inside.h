#pragma once
/*
 * Work in the namespaces of a running container, by a child of the runtime that is gone before the call returns.
 *
 * Holds always: the runtime itself stays where it is; processes of the container cannot look into the child; the
 * child's error comes back whole; it is killed at the deadline (a container's filesystem may hang).
 */
struct err;
struct state;

/*
 * Runs `work` in all namespaces of the container (user namespace: as its root), with "/" being the container's root.
 * Returns what it returned. -ESRCH: the container has no process; -ETIMEDOUT.
 */
int inside_run(const struct state *s, int (*work)(void *arg, struct err *e), void *arg,
	       struct err *e);
