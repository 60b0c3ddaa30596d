#pragma once
/*
 * Mounts made detached and attached by descriptor; mount options as rows.
 *
 * A mount is described by struct mnt (what, from where, with which attributes) and put on a target
 * descriptor in one go: fsopen/fsconfig/fsmount or open_tree/mount_setattr, then move_mount. A mount that
 * is not attached yet dies with its descriptor, so nothing leaks when the process is killed. Where the kernel
 * lacks those calls, mount(2) on /proc/self/fd/N does the same in more steps (is_legacy).
 * No paths of the container are resolved here: targets come from sys/root. Safe after fork: yes.
 * runtime-spec 1.3 config.md#mounts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Attributes of one mount, in the kernel's bits (K_ATTR_*), to set and to clear. */
struct mnt_attr {
	uint64_t set, clr;
};

enum mnt_kind {
	MNT_FS,	  /* a new filesystem of `type` */
	MNT_BIND, /* a clone of `source` */
};

struct mnt {
	enum mnt_kind kind;
	bool is_recursive;  /* MNT_BIND: rbind */
	const char *type;   /* MNT_FS */
	const char *source; /* MNT_BIND: path; MNT_FS: the name shown in mountinfo */
	int source_fd;	    /* MNT_BIND: above 0 wins over source */
	int made_fd;	    /* above 0: made before, by mnt_make; only attached now */
	const char *data;   /* MNT_FS: "mode=755,size=64k" or NULL */
	const char
		*context; /* MNT_FS: SELinux context of all its files, without quotes; NULL: none */
	const char *context_type;  /* which of its contexts: "fscontext"; NULL: "context" */
	struct mnt_attr attr;	   /* of the top mount */
	struct mnt_attr rec;	   /* of all mounts below a recursive bind too */
	unsigned long sb_flags;	   /* MS_SYNCHRONOUS, MS_RDONLY, ...: of the new superblock */
	unsigned long propagation; /* MS_PRIVATE, MS_SHARED, ...; 0: leave */
	bool is_propagation_rec;
	int idmap_userns; /* above 0: a user namespace for MOUNT_ATTR_IDMAP */
	bool is_idmap_rec;
	bool has_tmpcopyup; /* oci/ copies what the image has at the target into the tmpfs */
};

/*
 * Takes one word of the spec's options into `m`. Returns 1 when it was a flag, 0 when it belongs to the
 * filesystem's own data, -EINVAL when it is one that contradicts the mount's kind.
 */
int mnt_option_apply(struct mnt *m, const char *word, bool *ret_is_idmap, bool *ret_is_ridmap);
/* The i-th option that is known, or NULL behind the last: for `features`. */
const char *mnt_option_name(size_t i);

/* Whether fsopen and its family work here; probed once. Forced off by mnt_force_legacy. */
bool mnt_has_detached(void);
void mnt_force_legacy(bool is_forced);

/* Makes the mount without attaching it. Returns its descriptor or -errno (-ENOSYS when legacy). */
int mnt_make(const struct mnt *m, struct err *e);
/* Attaches a detached mount on the thing `target` stands for. */
int mnt_attach(int mount, int target, struct err *e);
/* Attaches a detached mount below the folder `dir` under one plain name (no slash, never followed). */
int mnt_attach_at(int mount, int dir, const char *name, struct err *e);
/*
 * Makes and attaches. Returns a descriptor of the new mount's root; on the legacy path -ENOLINK stands for
 * "attached, open it again by path".
 */
int mnt_put(const struct mnt *m, int target, struct err *e);
/* The rest of a legacy mount: attributes and propagation of `top`, which is the new mount's root. */
int mnt_finish(const struct mnt *m, int top, struct err *e);
/* mount_setattr on an open folder or file with AT_EMPTY_PATH; falls back to remounts where it is missing. */
int mnt_set_attr(int fd, const struct mnt_attr *a, bool is_recursive, struct err *e);
int mnt_set_propagation(int fd, unsigned long propagation, bool is_recursive, struct err *e);
