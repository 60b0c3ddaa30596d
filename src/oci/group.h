#pragma once
/*
 * A container's control groups by either driver: cgroupfs alone, or a systemd scope whose groups cgroupfs then
 * completes. What differs between the drivers is here; what the groups are is sys/cgroup's, what a unit is
 * oci/systemd's.
 *
 * Holds always: with the systemd driver the helper stays in the new scope until a process of the container is
 * there, because an empty scope is gone at once. A rootless runtime may have no group: nothing that was asked
 * for is dropped then but device rules, which a user namespace without device nodes does not need.
 * Safe after fork: group_clone in the child alone.
 */
#include "oci/init.h"
#include "oci/systemd.h"
#include "sys/calls.h"
#include "sys/cgroup.h"

struct err;
struct state;
struct state_cgroups;

struct group {
	struct cg_host host;
	struct cgroup cg;	  /* zeroed: none */
	struct systemd_unit unit; /* name NULL: the cgroupfs driver */
	struct systemd_scope scope;
	bool is_rootless; /* may do without */
	bool is_narrow;	  /* room for one process, and the helper is it */
};
#define GROUP_INIT ((struct group){ .scope = SYSTEMD_SCOPE_INIT })

struct group_options {
	const struct oci_spec *spec;
	const char *id;
	int dir; /* the container's state folder, for the intent */
	bool is_systemd, is_rootless;
};

/* Reads what is asked for, without side effects but the intent in the state folder. */
int group_plan(struct group *g, const struct group_options *o, struct arena *a, struct err *e);
/* Makes the groups and sets the limits. */
int group_make(struct group *g, const struct group_options *o, struct arena *a, struct err *e);
static inline bool group_is_there(const struct group *g)
{
	return g->cg.host;
}
/*
 * clone3 into the groups `cg` (NULL: none); in the child 0. Where the kernel lets systemd alone put a process
 * there (`has_unit`), the child waits for group_settle.
 */
pid_t group_clone(struct k_clone_args *ca, const struct cgroup *cg, bool has_unit, bool is_narrow,
		  struct init *in, struct err *e);
/* The group's path below its unit's, "/a"; NULL: it is the unit's own. Borrowed from `cg`. */
const char *group_below_unit(const struct cgroup *cg, const struct systemd_unit *u);
/* In the parent: has systemd move a child that waits, tells it, and lets the helper go when it may. */
int group_settle(struct group *g, const struct init *in, pid_t pid, int sync, struct err *e);
/* As cg_mount_plan, also for a rootless container that has no group: it sees what its namespace shows. */
int group_mount_plan(const struct group *g, bool has_cgroupns, struct cg_mounts *ret,
		     struct err *e);
/* Kills what is left if `kills`, and removes groups and unit. */
int group_remove(struct group *g, bool kills, struct err *e);
/* Memory only, as the program ends behind it. */
void group_done(struct group *g);

/* A container's limits change: cgroupfs first, which refuses what is wrong, then the unit. */
int group_update(const struct cgroup *cg, const struct systemd_unit *u, struct cg_resources *r,
		 bool is_rootless, struct arena *a, struct err *e);

/* What state.json keeps of the unit, and back. */
void group_save(const struct group *g, const struct oci_spec *spec, struct state_cgroups *ret);
/* `ret->name` NULL: the cgroupfs driver. */
int group_unit_of(const struct state *s, struct arena *a, struct systemd_unit *ret, struct err *e);
/* The unit that a killed runtime was about to make, by its intent in `dir`. -ENOENT: none. */
int group_intended_unit(int dir, struct arena *a, struct systemd_unit *ret);
