#pragma once
/*
 * The id maps of a new user namespace, for root and for others: where the kernel refuses, newuidmap(1) and
 * newgidmap(1) write what /etc/subuid and /etc/subgid allow, as with runc and crun.
 *
 * Holds always: a user that maps nothing but its own group denies setgroups first, as the kernel demands.
 * user_namespaces(7), runc's nsexec.c. Safe after fork: no (it starts programs).
 */
#include <sys/types.h>

struct err;
struct plan;

/* Both maps of the process `pid`, which waits in its new namespace. -EPERM, -ENOENT (no mapping tool). */
int idmap_write(pid_t pid, const struct plan *p, struct err *e);
/* 1 when setgroups is denied in the user namespace of the process ("self" or its number), 0, or -errno. */
int idmap_denies_groups(const char *pid);
