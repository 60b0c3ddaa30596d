#pragma once
/*
 * Making a container: plan to process. The runtime's half of `create` and `run` (init.c is the other).
 *
 * Holds always: a failure removes everything that was made (state folder, groups, process); a runtime that
 * is killed in the middle leaves only what `delete -f` finds by the state folder.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "oci/state.h"

struct err;

/* Global options of the program. */
struct runtime {
	const char *root;
	bool is_root_given; /* --root: a missing folder is an error where it is read */
	bool is_debug;
	bool is_systemd;
	bool is_rootless; /* missing permissions for control groups are no error */
};

struct create_options {
	const char *id;
	const char *bundle;				      /* NULL: the working folder */
	const char *config;				      /* NULL: config.json in the bundle */
	const char *console_socket, *pidfd_socket, *pid_file; /* NULL: none */
	bool no_pivot, no_keyring;
	bool is_run; /* no exec.fifo: it starts at once */
	bool is_detached;
	bool keeps; /* run: do not delete afterwards */
	bool no_subreaper;
	uint32_t preserve_fds;
	int rootfs_fd; /* detached mount, negative: root.path of the config */
};

/*
 * Creates (and with is_run starts and, unless detached, waits for) a container. Returns 0, the process's
 * exit code for a foreground run, or -errno with runc's words.
 */
int run_create(const struct runtime *rt, const struct create_options *o, struct err *e);

/* The file `name` of the bundle (config.json), read and checked. */
int run_read_spec(const char *bundle_file, struct arena *a, struct oci_spec **ret, struct err *e);
/*
 * Writes a pid file as runc does: O_EXCL beside it, then rename. Relative paths are those of the caller's
 * working folder at run_pid_file_open, which comes before any chdir to the bundle.
 */
struct pid_file {
	int dir;	  /* negative: no pid file is asked for */
	const char *name; /* borrowed from the path */
};
int run_pid_file_open(const char *path, struct pid_file *ret, struct err *e);
int run_pid_file_write(const struct pid_file *f, pid_t pid, struct err *e);
/* How many descriptors of LISTEN_FDS were given. */
unsigned int run_listen_fds(void);
/* Removes groups, poststop hooks, state folder. Idempotent. */
int run_destroy(int root, const char *id, const struct state *s, struct err *e);
/* The files that a state folder has, then the folder; whatever else lies there goes the long way. */
int run_remove_folder(int root, int dir, const char *id);
/* Groups are empty by then but for dying processes; far above the milliseconds that those take. */
#define RUN_REMOVE_TIMEOUT_MS 10000
/* Waits in the foreground: signals go on, a terminal's master is relayed. Returns the exit code. */
int run_wait(pid_t pid, int pidfd, int master, bool has_subreaper, struct err *e);
