#pragma once
/*
 * The first process of a container, from clone to exec: it turns the plan into kernel calls, in order, and
 * reports what fails to the runtime. Everything it needs was prepared before clone.
 *
 * Holds always: nothing of the container's is executed or loaded here but its own program at the very end;
 * host descriptors are closed before the container counts as created; privileges only go down, in the
 * order labels for the exec, bounding set, ids, no_new_privs, Landlock, capabilities, seccomp.
 */
#include <linux/filter.h>
#include <stdbool.h>

#include "oci/plan.h"
#include "sys/cgroup.h"

struct hooks_output;

struct seccomp_ready {
	bool is_set;
	struct sock_fprog prog;
	unsigned int flags;
};

struct init {
	const struct plan *plan;
	const struct plan_process *process;
	const char *id;
	int sync;    /* socket to the runtime */
	int rootfs;  /* detached mount that becomes the root; negative: plan->rootfs */
	int console; /* connected console socket; negative: the master goes to the runtime */
	int fifo;    /* O_PATH of exec.fifo; negative: start on SYNC_GO */
	int joins[NS_COUNT];		 /* descriptors for plan->joins, in that order */
	const struct cg_mounts *cgroups; /* NULL: no cgroup mount is planned */
	struct cg_join
		groups; /* joined first of all, so that everything is accounted to the container */
	bool is_inside; /* namespaces and groups are joined already: a user namespace is one of them */
	bool waits_group;   /* systemd moves it into its group: until SYNC_GO it does nothing */
	bool denies_groups; /* the user namespace takes no setgroups: the groups stay */
	bool has_host_hooks;
	const struct hooks_output *hooks_output;
	bool is_foreground; /* `run` waits for it: the exec's failure is the process's own */
	bool no_pivot, no_keyring;
	unsigned int kept_fds; /* 3 to 3+n-1 stay open: LISTEN_FDS and --preserve-fds */
	unsigned int listen_fds;
	const char *bundle;
	struct seccomp_ready seccomp;
};

/* Whether it waits for SYNC_GO before anything else: for id maps, its place in the making, network devices. */
bool init_waits_first(const struct init *in);
/* Runs in the child after clone; never returns. */
_Noreturn void init_main(struct init *in);

/* The part after the root switch, shared with exec: from rlimits to execve (init_exec.c). */
struct init_exec {
	const struct plan_process *p;
	bool is_filtered; /* init_exec_seccomp was there */
	const struct init *in;
	int proc; /* private procfs; negative: none, and neither a fifo nor a label needs it */
	int error_fd;
	char *path; /* the program, found */
	char path_buf[4096];
	char home[4096];
};
/* Moves this process into the groups and closes their files. */
int init_join_groups(struct cg_join *j, struct err *e);
/* What cannot be set is a warning. */
void init_set_oom_score(const struct plan_process *p);
/* Whether `proc` must be there: the labels go through it. `p` may be NULL. */
bool init_exec_needs_proc(const struct plan_process *p);
/* A procfs that no mount of the container covers, before its root is entered. Returns a descriptor. */
int init_open_proc(struct err *e);
/* Up to the point where only the exec is missing. */
int init_exec_prepare(struct init_exec *x, struct err *e);
/* seccomp (with no_new_privs) and execve. Returns only on failure. */
int init_exec_go(struct init_exec *x, struct err *e);
/* The filter of a process with no_new_privs, once; init_exec_go does it unless it was done before. */
int init_exec_seccomp(struct init_exec *x, struct err *e);
/* Closes all descriptors but 0-2, the kept ones and `keep` (negative entries are skipped). */
int init_close_fds(unsigned int kept_fds, const int *keep, size_t n);
/* mnt_put at `target`, which `path` below `root` names; a descriptor of the mount on old kernels too. */
int init_put(int root, const struct mnt *m, int target, const char *path, struct err *e);
/* One mount-like step below the root (init_steps.c). */
struct init_fs {
	const struct init *in;
	int root;  /* the container's root */
	int proc;  /* private procfs, made on demand */
	int empty; /* the first masked folder: an empty read-only tmpfs to clone */
	int null;  /* O_PATH of the container's or host's null device, verified */
	int dev;   /* the folder /dev below the root, opened on demand */
	const struct mnt_attr *dev_attr; /* of a read-only /dev, for init_fs_finish; NULL: none */
};
int init_fs_step(struct init_fs *fs, const struct step *s, struct err *e);
/* What waits until nothing more is made below the root: a read-only /dev. */
int init_fs_finish(const struct init_fs *fs, struct err *e);
