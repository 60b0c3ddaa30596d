#pragma once
/*
 * Namespaces: one row per type with the names that specs, runc's state and procfs use; joining; id maps.
 * Safe after fork: yes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"

struct err;

struct ns_row {
	char spec[8];  /* "network" */
	char runc[12]; /* "NEWNET" */
	char proc[8];  /* "net": below /proc/PID/ns */
	uint32_t flag; /* CLONE_NEWNET */
};

#define NS_COUNT 8
extern const struct ns_row ns_rows[NS_COUNT];
const struct ns_row *ns_find_spec(const char *name);
const struct ns_row *ns_find_runc(const char *name);

struct ns_id_map {
	uint32_t inside, outside, count;
};
/* Writes /proc/PID/uid_map or gid_map. -EPERM without the rights, -EINVAL for overlapping ranges. */
int ns_write_map(pid_t pid, bool is_gid, const struct ns_id_map *maps, size_t n, struct err *e);
/* Writes "deny" to /proc/PID/setgroups. */
/* Whether this process is in another user namespace than the machine's first. One call. */
bool ns_in_user(void);
int ns_deny_setgroups(pid_t pid, struct err *e);
/* A user namespace with those maps, for id-mapped mounts. Returns a descriptor. */
int ns_make_user(const struct ns_id_map *uids, size_t uids_n, const struct ns_id_map *gids,
		 size_t gids_n, struct err *e);

/*
 * Moves the calling thread into a network namespace; `*ret_back` is the one that it was in, for ns_net_leave. Meanwhile
 * /proc/sys/net is that namespace's. -EPERM, -EINVAL for what is no network namespace.
 */
int ns_net_enter(int netns_fd, int *ret_back, struct err *e);
/* Goes back and closes; nothing for -EBADF. A thread that cannot go back must not go on: it aborts. */
void ns_net_leave(int *back);
#define AUTO_NETNS CLEANUP(ns_net_leave) int
/* 1 when both descriptors are the same namespace, 0 when not. */
int ns_is_same(int a, int b);
