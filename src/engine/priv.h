#pragma once
/* Inside the engine room only: the handle, its paths and locks, and what the files share. */
#include "engine/doc.h"
#include "engine/engine.h"
#include "image/image.h"
#include "net/sandbox.h"
#include "store/store.h"

struct engine {
	struct store *store;
	char *root, *state, *ns;
	int state_fd;
	int tasks_fd; /* <state>/tasks/<ns> */
	int locks_fd; /* <state>/locks/<ns> */
	int lock_fd;  /* the container lock this handle holds, or -EBADF */
	char lock_id[80];
	int64_t start_intent; /* of a task created and not yet started by this handle, or 0 */
};

/* A container's lock; one at a time for a handle. Waits at most LOCK_WAIT_MS. */
#define LOCK_WAIT_MS 30000
int engine_lock(struct engine *en, const char *id, struct err *e);
/* As engine_lock without waiting: -EBUSY when another holds it. */
int engine_try_lock(struct engine *en, const char *id, struct err *e);
/* Removes the file of the lock that is held: its container is gone. Before the intent ends, so that it is recovered. */
void engine_forget_lock(struct engine *en);
/* `is_gone`: the container was deleted, the lock file goes too. */
void engine_unlock(struct engine *en, bool is_gone);

/* Releases the lock at the end of the block; set `is_gone` once the container is deleted. */
struct engine_held {
	struct engine *en;
	bool is_gone;
};
static inline void engine_held_release(struct engine_held *h)
{
	engine_unlock(h->en, h->is_gone);
}
#define AUTO_HELD __attribute__((cleanup(engine_held_release))) struct engine_held

/* The path of a program of ours, in the arena: beside the running one, in libexec, or as installed. */
int engine_program(const char *name, struct arena *a, const char **ret, struct err *e);

/* A row with its document. */
struct loaded {
	struct container_row row;
	struct doc *doc;
};
int engine_load(struct engine *en, const char *what, struct arena *a, struct loaded *ret,
		struct err *e);
int engine_save(struct engine *en, struct loaded *l, struct arena *a, struct err *e);

/* What the task folder alone says; no shim is called. */
struct task_view {
	bool exists;	/* there is a task folder */
	bool is_served; /* its shim lives */
	bool is_created, is_running, is_paused, is_stopped;
	pid_t pid;
	struct shim_exit exit;
};
int engine_task_view(struct engine *en, const char *id, struct task_view *ret, struct err *e);

/* With the lock held: ends what is left of a task and records it. See engine_task_finish. */
int engine_finish_locked(struct engine *en, const char *id, struct err *e);
/*
 * With the lock held and an intent written: the task ends as in engine_finish_locked, then row, snapshot and log
 * go. A container that has no row any more is fine.
 */
int engine_delete_locked(struct engine *en, const char *id, struct err *e);
/* As engine_delete_locked for a container with --rm; nothing for others. `*ret_is_gone`. */
int engine_auto_remove_locked(struct engine *en, const char *id, bool *ret_is_gone, struct err *e);

/*
 * A task whose shim died is taken over by a successor, or finished when its init is gone too. Never fails: what
 * cannot be mended now stays as it is for the next command.
 */
void engine_mend(struct engine *en, const char *id);
void engine_mend_all(struct engine *en);

/* Adds an event about a task or container; fields are key/value pairs ending with NULL. */
int engine_event(struct engine *en, const char *topic, const char *id, struct err *e, ...)
	__attribute__((sentinel));
/* Wakes those who follow the events. Never fails, never blocks. */
void engine_knock(struct engine *en);

/* ---- network_plan.c, network.c, etc.c ---- */
#define ENGINE_NETWORKS_MAX 64
static inline struct net engine_net(const struct engine *en)
{
	return (struct net){ en->root, en->state };
}
/* docker's rule needs a subnet that the user chose for a static address; ours only that it fits. */
int engine_network_plan_one(struct engine *en, const struct engine_network_want *w,
			    struct doc_network *dn, struct arena *a, struct err *e);
/* What the options say of networks, checked, as the document keeps it. */
int engine_network_plan(struct engine *en, const struct engine_create_options *o,
			const struct image_record *img, struct doc *d, struct arena *a,
			struct err *e);
/* hosts and resolv.conf as the container will see them, before the task is created. */
int engine_network_files(struct engine *en, const struct loaded *l, int task_fd, struct err *e);
/* Between the task's creation and its start: the waiting init gets its addresses, names and ports. */
int engine_network_attach(struct engine *en, const struct loaded *l, int task_fd, pid_t pid,
			  struct err *e);
/* After the end. Missing things are fine. */
int engine_network_detach(struct engine *en, int task_fd, struct err *e);
/*
 * Calls `fn` for the endpoints of all tasks that run, of all namespaces, because networks belong to the host; `network_id`
 * NULL: of all networks. Its negative return ends it and is returned.
 */
typedef int (*engine_user_fn)(void *data, const struct net_sandbox *s,
			      const struct net_endpoint *ep);
int engine_network_visit(struct engine *en, const char *network_id, engine_user_fn fn, void *data);
/* The container whose network this one shares ("container:ID"), or NULL. */
const char *engine_network_peer(const struct doc *d);
/* inspect_network.c: docker's NetworkSettings, and HostConfig's PortBindings. */
void engine_inspect_network(struct engine *en, struct json_writer *w, const struct loaded *l);
void engine_inspect_bindings(struct json_writer *w, const struct doc *d);
/* The network's name in the task folder of who shares another's. */
#define PEER_NETNS "netns"

/* A made-up name "adjective_surname". */
const char *engine_random_name(struct arena *a);

/* The OCI spec of a new container. `caps` etc. come from the options; `id` gives the cgroup and hostname; NULL: a
 * bundle's, which belongs to no container of ours. */
int engine_spec_build(struct engine *en, const struct engine_create_options *o, const struct doc *d,
		      struct oci_user *user, const char *id, struct arena *a, struct strbuf *out,
		      char ***warnings, struct err *e);
