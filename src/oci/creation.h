#pragma once
/*
 * A container in the making, shared by the parts of run.c: what was opened and made until now. Not for anyone
 * else. Holds always: what is here and not given away is undone by run.c when a step fails.
 */
#include "oci/group.h"
#include "oci/hooks.h"
#include "oci/init.h"
#include "oci/run.h"

struct err;

/* Everything that a creation holds; create_done undoes what is not given away. */
struct creation {
	const struct create_options *o;
	struct arena arena;
	struct oci_spec *spec;
	struct plan *plan;
	struct host host;
	char *bundle; /* absolute */
	int root, dir;
	bool has_dir;
	struct group group;
	struct cg_mounts cg_mounts;
	struct init init;
	char seccomp_key[72];
	bool has_own_rdt; /* its class of service goes with it */
	int sync;
	struct pid_file pid_file;
	struct hooks_output hooks_output;
	pid_t pid;
	int pidfd, master, pidfd_sock;
	struct state state;
};

/* Makes the init and its id maps; c->pid, c->pidfd and c->sync are there afterwards. */
int creation_clone(struct creation *c, struct err *e);
/* state.json of the container whose init is ready. */
int creation_save_state(struct creation *c, struct err *e);
