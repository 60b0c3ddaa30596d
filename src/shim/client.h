#pragma once
/*
 * The engine's side of a shim: start one, find a running one, call it. Blocking, each call with a deadline.
 *
 * One shim serves one container. Its folder, the *task folder* (`<state>/tasks/<ns>/<id>`, mode 0700, made by
 * the engine), is the OCI bundle and holds: config.json, rootfs/ (empty; the root is a detached mount that
 * the shim hands to the runtime, so that nothing is mounted in the host's namespace), shim.sock (ttrpc,
 * containerd.task.v2/v3), attach.sock (attach.h), shim.pid, init.pid, options.json, exits (the exit journal),
 * the stdio FIFOs. A shim that was killed is replaced by shim_adopt, which reads only this folder.
 *
 * Not thread-safe: one struct shim per caller. Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct shim;

struct shim_mount {
	const char *type, *source, *target; /* target: below the root, NULL for the root itself */
	char *const *options; /* NULL-terminated; overlay: "lowerdir=…", "upperdir=…" */
};

/* What a shim needs to know; written to options.json in the task folder, so that a successor knows it too. */
struct shim_options {
	const char *ns, *id;
	const char *runtime;	  /* the OCI runtime's program, absolute */
	const char *runtime_root; /* its --root */
	/* "corten-log:///dir?size=N&files=N&format=json|cri"; "null:" drops */
	const char *stdio_uri;
	/* of the root, in order; one overlay or bind in practice */
	const struct shim_mount *mounts;
	size_t mounts_len;
	/* NULL-terminated argv, run once after the exit record is written, or NULL */
	char *const *exit_command;
	bool is_terminal;
	bool has_stdin;	    /* false: the container's stdin is /dev/null */
	bool is_stdin_once; /* the container's stdin ends when the first attached client's does */
	bool no_pivot, no_new_keyring;
};

struct shim_exit {
	uint32_t status;      /* exit code, or 128 + signal */
	int64_t exited_at_ns; /* wall clock */
	pid_t pid;
	bool is_oom; /* the container's cgroup saw an OOM kill */
};

enum shim_status { SHIM_CREATED, SHIM_RUNNING, SHIM_PAUSED, SHIM_STOPPED, SHIM_UNKNOWN };

struct shim_state {
	enum shim_status status;
	pid_t pid;
	struct shim_exit exit; /* when stopped */
};

/*
 * Starts a shim in the task folder `task_fd` (config.json is there already): writes options.json, binds the
 * sockets, executes the program (found beside the running one or in libexec) in a session and cgroup of its own
 * and connects. The shim then serves; nothing of the container exists yet. Errors: -EEXIST when a live shim
 * serves the folder, what exec gives.
 */
int shim_start(int task_fd, const struct shim_options *o, struct shim **ret, struct err *e);

/* Connects to the running shim of a task folder. -ENOENT: no task there; -ECONNREFUSED: its shim is dead. */
int shim_connect(int task_fd, struct shim **ret, struct err *e);

/*
 * As shim_connect; when the shim is dead but its container's init (init.pid, start time checked) lives, or an
 * exit was not yet recorded, starts a successor that takes over. Returns 0, -ENOENT when there is nothing left.
 */
int shim_adopt(int task_fd, struct shim **ret, struct err *e);

/* Whether a shim lives for the task folder (it holds the lock on shim.lock until it ends). Calls nobody. */
bool shim_is_served(int task_fd);

/* Closes the connection; the shim goes on. Accepts NULL. */
void shim_close(struct shim *s);
static inline void shim_closep(struct shim **s)
{
	shim_close(*s);
}
#define AUTO_SHIM __attribute__((cleanup(shim_closep))) struct shim *

/* Deadline of each following call; LIMIT_SHIM_CALL_MS by default, negative: none. */
void shim_set_timeout(struct shim *s, int timeout_ms);

/* Mounts the root, runs the runtime's create. The init waits for shim_start_process. Errors carry the runtime's words. */
int shim_create(struct shim *s, pid_t *ret_pid, struct err *e);

struct shim_exec_options {
	const char *exec_id;
	const char *process_json; /* an OCI process object, NUL-terminated */
	bool is_terminal, has_stdin;
};
/*
 * Registers an additional process; shim_start_process runs it. -EEXIST when the id is taken, -ENOSPC when the container
 * has too many. Once it ended and no client is attached or waits the shim forgets it by itself after a second, also
 * when it could not be started; one that is never started after minutes.
 */
int shim_exec(struct shim *s, const struct shim_exec_options *o, struct err *e);

/* Starts the init (`exec_id` NULL) or an exec. */
int shim_start_process(struct shim *s, const char *exec_id, pid_t *ret_pid, struct err *e);
int shim_get_state(struct shim *s, const char *exec_id, struct shim_state *ret, struct err *e);
/* Waits for the end without a deadline of its own unless `timeout_ms` >= 0 (-ETIMEDOUT). */
int shim_wait(struct shim *s, const char *exec_id, int timeout_ms, struct shim_exit *ret,
	      struct err *e);
/* `is_all`: every process of the container. -ESRCH when it ended already ("process already finished"). */
int shim_kill(struct shim *s, const char *exec_id, int sig, bool is_all, struct err *e);
int shim_pause(struct shim *s, struct err *e);
int shim_resume(struct shim *s, struct err *e);
int shim_resize(struct shim *s, const char *exec_id, uint16_t width, uint16_t height,
		struct err *e);
int shim_close_stdin(struct shim *s, const char *exec_id, struct err *e);
/* Malloc'ed list of all pids in the container. */
int shim_pids(struct shim *s, pid_t **ret, size_t *ret_len, struct err *e);
/* Applies an OCI linux.resources object (JSON text). */
int shim_update(struct shim *s, const char *resources_json, struct err *e);
/*
 * An exec's record, or (NULL) the init: runtime delete, root released. -EBUSY while it runs. An exec that was forgotten
 * or deleted already is answered from the exit journal, as shim_wait does; -ENOENT when that does not know it.
 * After the init's, shim_shutdown is expected: without it the shim runs the exit command, if it did not yet.
 */
int shim_delete(struct shim *s, const char *exec_id, struct shim_exit *ret, struct err *e);
/* Ends the shim once the init is deleted; waits until it is gone. */
int shim_shutdown(struct shim *s, struct err *e);

/*
 * Removes what a shim that is gone left outside its task folder: the groups it lived in, unless others do. Before
 * the folder is removed; nothing to do, and cheap, after shim_shutdown. Not while a shim serves the folder.
 */
void shim_forget(int task_fd);

/* Reads the exit journal of a task folder without a shim. -ENOENT when the process has no exit record. */
int shim_read_exit(int task_fd, const char *exec_id, struct shim_exit *ret);
