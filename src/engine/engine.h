#pragma once
/*
 * The engine: the one model behind every door. Containers, tasks, execs, logs and their rules, in plain
 * blocking calls on the store, the shims and the image room.
 *
 * A struct engine belongs to one thread; any number of engines, in any number of processes, may work on the
 * same root and state folder at the same time. Order of locks: container lock, then transaction; no write
 * transaction is open across an exec, a mount or a call to a shim. Before the first side effect an intent row
 * is written; whoever meets the intent of a dead owner settles the object first (engine_recover).
 *
 *	<state>/tasks/<ns>/<id>/   the task folder (shim/client.h)
 *	<state>/runtime/<ns>/      the runtime's --root
 *	<state>/locks/<ns>/<id>    flock'ed while a container is changed
 *	<state>/doorbell.d/        datagram sockets of those who follow the events
 *	<root>/                    the store (store/store.h)
 *
 * Errors have docker's words where docker has some. Safe after fork: no.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"
#include "codec/json.h"
#include "shim/client.h"

struct err;
struct strbuf;
struct store;
struct engine;

struct engine_options {
	const char *root;	 /* NULL: /var/lib/corten */
	const char *state;	 /* NULL: /run/corten */
	const char *ns;		 /* NULL: "default" */
	const char *snapshotter; /* NULL: the store's own (store_open_as) */
};

int engine_open(const struct engine_options *o, struct engine **ret, struct err *e);
void engine_close(struct engine *en); /* accepts NULL */
static inline void engine_closep(struct engine **en)
{
	engine_close(*en);
}
#define AUTO_ENGINE __attribute__((cleanup(engine_closep))) struct engine *
/* Borrowed. */
struct store *engine_store(struct engine *en);
const char *engine_ns(const struct engine *en);
const char *engine_root(const struct engine *en);
const char *engine_state(const struct engine *en);

/* Settles what dead owners left. engine_open calls it when there are intents; otherwise it costs one query. */
int engine_recover(struct engine *en, struct err *e);

/* ---- creating ---- */
/* One --network, everything borrowed. */
struct engine_network_want {
	const char *name; /* "none", "host", "bridge", "container:ID", a network's name or id */
	char *const *aliases;
	const char *ip, *ip6, *mac;
};

struct engine_bind {
	const char *source, *target;
	bool is_readonly;
	const char *propagation; /* "rprivate" … or NULL */
};

/* What `run` and `create` ask for. Everything is borrowed. */
struct engine_create_options {
	const char *image;
	const char *name;	/* NULL: a made-up one */
	char *const *command;	/* NULL-terminated; empty: the image's */
	const char *entrypoint; /* NULL: the image's; "": none */
	char *const *env;	/* "K=V", or "K" (taken from the caller's environment) */
	char *const *labels;	/* "k=v" */
	const struct engine_bind *binds;
	size_t binds_len;
	const char *workdir, *user, *hostname;
	const struct engine_network_want *networks; /* none: ENGINE_DEFAULT_NETWORK */
	size_t networks_len;
	char *const *publish, *const *expose; /* docker's -p and --expose */
	bool is_publish_all;		      /* every exposed port at any free one of the host */
	char *const *dns, *const *dns_search, *const *dns_options, *const *extra_hosts;
	int64_t memory;	    /* bytes; 0: no limit */
	int64_t nano_cpus;  /* 0: no limit */
	int64_t pids_limit; /* 0: the default of 2048; -1: none */
	char *const *cap_add, *const *cap_drop;
	bool is_readonly, is_privileged, is_terminal, has_stdin, is_auto_remove;
	bool is_attached; /* a foreground client takes stdio: recorded as docker's AttachStdin/out/err */
	const char *stop_signal;     /* NULL: the image's, else SIGTERM */
	int64_t stop_timeout_s;	     /* negative: 10 */
	int64_t log_size, log_files; /* 0: the defaults */
	const char *seccomp; /* NULL: the default profile; "unconfined"; or a profile's path */
	bool no_new_privileges;
};

/*
 * Makes the container: one metadata transaction, the snapshot prepared, the spec written. `ret_id` is in the
 * arena. `warnings` (strv, may be NULL) gets lines for the user. Errors: not found: "No such image: x";
 * already exists: the name is taken.
 */
int engine_container_create(struct engine *en, const struct engine_create_options *o,
			    struct arena *a, const char **ret_id, char ***warnings, struct err *e);

/* ---- looking ---- */
enum engine_status {
	ENGINE_CREATED,
	ENGINE_RUNNING,
	ENGINE_PAUSED,
	ENGINE_EXITED,
	ENGINE_REMOVING,
	ENGINE_DEAD,
};
const char *engine_status_name(enum engine_status s); /* "created", "running", … */

/* Lives in the arena. */
struct engine_container {
	const char *id, *name, *image, *image_id, *command /* one line, as ps shows it */;
	struct json_map labels;
	enum engine_status status;
	pid_t pid;				     /* 0 when not running */
	int64_t created_ns, started_ns, finished_ns; /* 0: never */
	int64_t exit_code;
	bool is_oom, is_terminal, has_stdin, is_auto_remove;
	const char *stop_signal;
	int64_t stop_timeout_s;
	const char *log_dir;  /* absolute */
	const char *task_dir; /* absolute */
};

/* By id, name or unique prefix. -ENOENT: "No such container: x". Never calls a shim. */
int engine_container_find(struct engine *en, const char *what, struct arena *a,
			  struct engine_container *ret, struct err *e);
/* Newest first. Those that are not running only with `is_all`. */
int engine_container_list(struct engine *en, bool is_all, struct arena *a,
			  struct engine_container **ret, size_t *ret_n, struct err *e);
/* docker's inspect object (one, without the array around it), appended as JSON. */
int engine_container_inspect(struct engine *en, const char *what, struct strbuf *out,
			     struct err *e);
int engine_image_inspect(struct engine *en, const char *what, struct strbuf *out, struct err *e);

/* ---- running ---- */
/*
 * The first half of a start: task folder, shim, runtime create. The init waits, so that clients can attach
 * (attach_open on the task folder). `ret_task_fd` is the caller's. A running container is -EALREADY.
 * The intent "start" holds until engine_task_start or engine_task_finish of the same handle.
 */
int engine_task_create(struct engine *en, const char *id, int *ret_task_fd, struct err *e);
/* The second half; records start and event. */
int engine_task_start(struct engine *en, const char *id, struct err *e);
/*
 * After the init's end: runtime delete, shim ended, task folder gone, exit recorded, event written, --rm
 * applied. Idempotent, whoever comes first; also cleans a task that this handle created and never started.
 */
int engine_task_finish(struct engine *en, const char *id, struct err *e);
/* O_DIRECTORY descriptor of a container's task folder; -ENOENT when it has none. */
int engine_task_open(struct engine *en, const char *id, struct err *e);

/* Both halves, nobody attached (`start`, `run -d`). */
int engine_container_start(struct engine *en, const char *id, struct err *e);

/* Sends a signal to the init. -ESRCH: "container x is not running". */
int engine_container_kill(struct engine *en, const char *id, int sig, struct err *e);
/* Stop signal, at most `timeout_s` (negative: the container's own), SIGKILL. Stopped already: success. */
int engine_container_stop(struct engine *en, const char *id, const char *signal, int64_t timeout_s,
			  struct err *e);
/* Until it ends; a container that is not running gives its last exit code at once. `ret_status` 0 to 255. */
int engine_container_wait(struct engine *en, const char *id, int64_t *ret_status, struct err *e);
/* -EBUSY: "cannot remove container …: container is running: stop the container before removing or force remove". */
int engine_container_remove(struct engine *en, const char *id, bool force, struct err *e);

/* ---- containers as images and archives ---- */
struct engine_commit_options {
	const char *name; /* NULL: an image without a name */
	const char *author, *message;
	char *const *changes; /* Dockerfile instructions; may be NULL */
	int compression;      /* enum layer_compression */
	bool no_pause;	      /* a running container goes on meanwhile */
};
/* A new image of the container's changes and settings; `ret_id` is in the arena. */
int engine_container_commit(struct engine *en, const char *what,
			    const struct engine_commit_options *o, struct arena *a,
			    const char **ret_id, struct err *e);
/* Calls `changed` for what the container has changed: 'A'dded, 'C'hanged, 'D'eleted, in the order of the paths. */
int engine_container_diff(struct engine *en, const char *what,
			  int (*changed)(void *data, char kind, const char *path), void *data,
			  struct err *e);
/* The container's whole root as a tar stream. */
int engine_container_export(struct engine *en, const char *what, int fd, struct err *e);

/*
 * An OCI bundle of the image in the folder `path`, new or empty: rootfs/, config.json with a container's defaults, and what
 * image_bundle_repack needs.
 */
int engine_bundle_unpack(struct engine *en, const char *image, const char *path, struct err *e);

/* ---- networks ---- */
/* Of a container that names none. */
#define ENGINE_DEFAULT_NETWORK "bridge"

struct net_create_options;
/* `ret_id` is in the arena. */
int engine_network_create(struct engine *en, const struct net_create_options *o, struct arena *a,
			  const char **ret_id, struct err *e);
/* One network as lists show it. */
struct engine_network {
	const char *id, *name, *driver, *scope;
	bool is_ipv6, is_internal;
	int64_t created_ns;
	struct json_map labels;
	size_t users; /* running containers in it */
};
/* By name, with "host" and "none" as docker shows them. */
int engine_network_list(struct engine *en, struct arena *a, struct engine_network **ret,
			size_t *ret_n, struct err *e);
/* docker's object of one network, appended as JSON. */
int engine_network_inspect(struct engine *en, const char *what, struct strbuf *out, struct err *e);
/* `ret_name` is in the arena. -EBUSY: "network x has active endpoints". */
int engine_network_remove(struct engine *en, const char *what, struct arena *a,
			  const char **ret_name, struct err *e);
/* The container is in the network from now on; when it runs, at once. `w->name` is the network. */
int engine_network_connect(struct engine *en, const char *id, const struct engine_network_want *w,
			   struct err *e);
int engine_network_disconnect(struct engine *en, const char *id, const char *network,
			      struct err *e);
/* A published port, as `port` and `ps` show it. Lives in the arena. */
struct engine_port {
	const char *proto, *host_ip; /* "0.0.0.0" where none was given */
	uint16_t container_port, host_port /* 0: exposed only */;
};
int engine_container_ports(struct engine *en, const char *id, struct arena *a,
			   struct engine_port **ret, size_t *ret_n, struct err *e);

/* ---- exec ---- */
struct engine_exec_options {
	char *const *command;
	char *const *env;
	const char *workdir, *user;
	bool is_terminal, has_stdin, is_privileged;
	uint32_t rows, columns; /* of the terminal when the process starts; 0: none */
};
/* Registers a process in a running container; `ret_exec_id` is in the arena, `ret_task_fd` the caller's. */
int engine_exec_create(struct engine *en, const char *id, const struct engine_exec_options *o,
		       struct arena *a, const char **ret_exec_id, int *ret_task_fd, struct err *e);
int engine_exec_start(struct engine *en, int task_fd, const char *exec_id, struct err *e);
/* After its end (or when it was never started): the shim forgets it. */
int engine_exec_delete(struct engine *en, int task_fd, const char *exec_id, struct err *e);

/* ---- the host ---- */
struct engine_info {
	int64_t containers, running, paused, stopped, images;
	const char *kernel, *os, *arch, *hostname, *id;
	int64_t ncpu, memory;
	const char *cgroup_mode; /* "v1", "hybrid", "v2" */
	const char *root, *state;
	struct json_strs security; /* "name=seccomp,profile=builtin", "name=cgroupns" */
	struct json_strs warnings;
};
int engine_info(struct engine *en, struct arena *a, struct engine_info *ret, struct err *e);
