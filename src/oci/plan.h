#pragma once
/*
 * The plan: what a container's config means, as plain values and an ordered list of steps. Made from the
 * spec and the probed host alone: no side effects, no root needed, so that it can be tested and printed.
 *
 * Holds always: what the plan cannot honour on this host is an error here, before anything was made
 * (design, decision 6); names (capabilities, rlimits, signals, mount options) are numbers from here on;
 * container paths are absolute and lexically clean. All memory is the arena's.
 * runtime-spec 1.3 config.md, config-linux.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/plan_landlock.h"
#include "spec/runtime.h"
#include "sys/caps.h"
#include "sys/mnt.h"
#include "sys/ns.h"
#include "sys/task.h"

struct err;

/* What the plan must know of the host; host_probe fills it, tests write it by hand. */
struct host {
	uid_t uid;
	struct caps_sets caps;
	bool has_apparmor, has_selinux, has_intel_rdt, has_rdt_l3, has_rdt_mb;
	bool has_time_ns, has_kcore;
	int landlock_abi; /* 0: none, or no config asks for it */
};
/* `wants_modules`: the security modules, Landlock and resctrl are looked for, because a config asks for them. */
int host_probe(bool wants_modules, struct host *ret, struct err *e);
bool plan_wants_modules(const struct oci_spec *spec, const struct oci_process *p);

enum step_kind {
	STEP_MOUNT,	   /* `mount` at `path`; `text`: SELinux label to give its root */
	STEP_CGROUP_MOUNT, /* the container's groups at `path`, with `mount`'s attributes */
	STEP_DEVICE,	   /* mknod at `path` */
	STEP_SYMLINK,	   /* `path` → `text` */
	STEP_MASK,	   /* hide what is at `path`, if it is there */
	STEP_READONLY,	   /* make `path` and all below read-only, if it is there */
	STEP_SYSCTL,	   /* write `text` to `path` ("sys/net/…") of a private procfs */
};

struct plan_device {
	mode_t mode; /* type and permissions */
	uint32_t major, minor;
	uid_t uid;
	gid_t gid;
};

struct step {
	enum step_kind kind;
	const char *path;
	const char *text;
	bool is_systemd_v1; /* STEP_CGROUP_MOUNT: v1's named hierarchy, as an annotation asks */
	struct mnt mount;
	const struct ns_id_map *idmap_uids, *idmap_gids; /* id-mapped mount; counts below */
	size_t idmap_uids_n, idmap_gids_n;
	struct plan_device device;
};

struct plan_process {
	bool is_terminal;
	uint32_t rows, cols;
	char **args, **env; /* NULL-terminated; env has unique names */
	const char *cwd;
	struct task_ids ids;
	bool has_umask;
	mode_t umask;
	bool has_caps;
	struct caps_sets caps;
	const struct task_rlimit *rlimits;
	size_t rlimits_n;
	bool no_new_privileges;
	bool has_oom_score;
	int oom_score;
	const struct task_sched *sched;
	bool has_ioprio;
	int ioprio_class, ioprio;
	const unsigned long *cpus_initial, *cpus_final; /* masks of 1024 bits, NULL: leave */
	const char *apparmor, *selinux;	      /* labels that the next exec takes on; NULL: none */
	const struct plan_landlock *landlock; /* NULL: none */
};

struct plan_join {
	const struct ns_row *ns;
	const char *path;
};

struct plan {
	const struct oci_spec *spec; /* borrowed: hooks, annotations, resources, seccomp */
	uint32_t new_ns;	     /* CLONE_NEW* flags to make */
	struct plan_join joins[NS_COUNT];
	size_t joins_n;
	const struct ns_id_map *uid_maps, *gid_maps;
	size_t uid_maps_n, gid_maps_n;
	const struct oci_time_offset *time_offsets;
	size_t time_offsets_n;

	const char *rootfs; /* as in the config */
	bool is_root_readonly;
	unsigned long root_propagation; /* MS_*; 0: rslave of the whole tree, as runc */
	bool is_root_propagation_rec;
	struct step *steps;
	size_t steps_n;
	const char *mount_label;      /* SELinux context of new filesystems; NULL: none */
	const char *mount_label_type; /* "context", "fscontext", ... */
	bool has_dev; /* devices and links in /dev are made: no bind mount stands there */

	const char *hostname, *domainname;
	long personality; /* -1: leave */
	bool has_mempolicy, has_mempolicy_nodes;
	int mempolicy;
	unsigned long mempolicy_nodes[16];
	struct plan_process *process; /* NULL: `create` without a process is an error there */
};

/* Makes the plan. -EINVAL for a wrong config, -EOPNOTSUPP (ERR_UNIMPLEMENTED) for what the host lacks. */
int plan_make(const struct oci_spec *spec, const struct host *host, struct arena *a,
	      struct plan **ret, struct err *e);
/* The process part alone, for exec. `has_userns`: capabilities are those of the user namespace. */
int plan_process_make(const struct oci_process *p, const struct host *host, bool has_userns,
		      struct arena *a, struct plan_process **ret, struct err *e);
/* Whether the container has a namespace of that kind that is not the runtime's: a new one, or one that it joins. */
bool plan_has_ns(const struct plan *p, uint32_t flag);
/* Of `spec` the mounts alone, as steps, for a container that runs. */
int plan_mounts_make(const struct oci_spec *spec, const struct host *host, struct arena *a,
		     struct plan **ret, struct err *e);
/* The ids of an id-mapped mount (plan_idmap.c); `option`: what stands behind "idmap=", or NULL. */
int plan_idmap_make(const struct oci_mount *o, const char *option, const struct plan *p,
		    struct arena *a, struct step *s, struct err *e);
/* The steps of mounts, devices, masks (plan_steps.c); `is_mounts_only`: of mounts. */
int plan_steps_make(const struct oci_spec *spec, const struct host *host, bool is_mounts_only,
		    struct arena *a, struct plan *p, struct err *e);
/* Appends a text that tests compare: one line per value that is set and per step. */
struct strbuf;
void plan_dump(const struct plan *p, struct strbuf *out);
/* "/a/../b//c/" to "/b/c" in the arena; NULL when memory is out. */
char *plan_clean_path(struct arena *a, const char *path);
