#pragma once
/*
 * Labels of the security modules: what a process will be confined to from its next exec on.
 *
 * Not here: whether the host has a module (oci/plan asks), labels of mounts (sys/mnt), loading of profiles.
 * Holds always: a label goes out in one write to a file of the same filesystem as the attr folder, reached
 * without links and mounts in between; a label that the kernel does not take is an error. Safe after fork: yes.
 * runtime-spec 1.3 config.md#linux-process.
 */
#include <stdbool.h>

struct err;

enum lsm_label {
	LSM_APPARMOR_EXEC, /* the profile of the next program */
	LSM_SELINUX_EXEC,  /* the context of the next program */
	LSM_SELINUX_KEY,   /* the context of keyrings made from now on, until exec */
};

/* Whether labels of that module are known: "AppArmor"; for `features`, not what the host has. */
bool lsm_is_known(const char *module);

/* One line of printable characters that fits into one write; the kernel judges the rest. */
bool lsm_label_is_valid(const char *label);

/*
 * The folder of this process's attributes below the procfs `proc` (sys/privproc). Returns a descriptor, -EBADF
 * when it is not in a procfs.
 */
int lsm_attr_open(int proc, struct err *e);

/*
 * Writes `label` to the file that `kind` stands for below the folder `attr`. Before the ids change and before
 * no_new_privs: the kernel compares the credentials, and a confined caller may no longer leave its profile
 * then. -ENOENT: the kernel lacks the module; -EINVAL: it does not know the label.
 */
int lsm_set(int attr, enum lsm_label kind, const char *label, struct err *e);
