#pragma once
/*
 * The systemd cgroup driver: a container's unit, and what corten-systemd is asked to do with it.
 *
 * Is not: a speaker of D-Bus (the helper program is, so that the runtime stays static), nor a writer of cgroupfs.
 * Holds always: no wait without a deadline; a helper does not outlive the runtime. Names and defaults are runc's
 * (docs/systemd.md of runc 1.5). Safe after fork: no.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/proc.h"
#include "oci/systemd_props.h"

struct err;

/* A container's unit, "slice:prefix:name" of linux.cgroupsPath in parts. */
struct systemd_unit {
	const char *slice, *prefix, *id; /* "system.slice", "runc", "a" */
	const char *name;		 /* "runc-a.scope" */
	bool is_user;			 /* of the caller's own manager */
};

/* Whether systemd is this machine's init. */
bool systemd_is_running(void);
/*
 * `path`: linux.cgroupsPath; NULL or "": the scope runc-<id> in the default slice, which is system.slice, and
 * user.slice with `is_user`. -EINVAL with runc's words. Memory is the arena's.
 */
int systemd_unit_parse(const char *path, const char *id, bool is_user, struct arena *a,
		       struct systemd_unit *ret, struct err *e);
/* The unit of the parts that state.json keeps. NULL: memory is out. */
const char *systemd_unit_name(const char *prefix, const char *id, struct arena *a);
/* Where a slice lies: "a-b.slice" is "/a.slice/a-b.slice", "-.slice" is "/". -EINVAL. */
int systemd_slice_path(const char *slice, struct arena *a, const char **ret, struct err *e);
/* What every container's scope has: slice, description, delegation, accounting. */
void systemd_unit_props(const struct systemd_unit *u, bool is_v2, struct systemd_props *p);

/* A scope that was started and whose only process is the helper. */
struct systemd_scope {
	struct child helper;
	int sock; /* -EBADF: none */
};
#define SYSTEMD_SCOPE_INIT ((struct systemd_scope){ .sock = -EBADF })
/* `cgroup`: the scope's path as this process sees the hierarchy. */
int systemd_scope_start(const struct systemd_unit *u, const struct systemd_props *p,
			struct systemd_scope *ret, char cgroup[SYSTEMD_CGROUP_MAX], struct err *e);
/* Has systemd move a process into the scope, or the group `sub` ("/a") below it: where the kernel does not let the caller do it. */
int systemd_scope_attach(struct systemd_scope *s, const char *sub, pid_t pid, struct err *e);
/* Ends the helper; a scope that is empty then is gone. */
void systemd_scope_release(struct systemd_scope *s);

int systemd_unit_set(const struct systemd_unit *u, const struct systemd_props *p, struct err *e);
/* `sub`: a group below the unit's, "/a", or NULL. */
int systemd_unit_attach(const struct systemd_unit *u, const char *sub, pid_t pid, struct err *e);
/* Kills and removes; a unit that is gone is fine. */
int systemd_unit_stop(const struct systemd_unit *u, struct err *e);
