#pragma once
/*
 * The life of a process of the container as a table of allowed moves. A move that is not in the table is
 * refused with the words a caller gets; an impossible one inside the shim is an assertion.
 * Pure. Safe after fork: yes.
 */
#include <stdbool.h>

struct err;

enum proc_state {
	PROC_NEW,      /* registered; the runtime knows nothing of it */
	PROC_CREATING, /* the init: the runtime's create runs */
	PROC_CREATED,
	PROC_STARTING, /* start, or the exec's runtime, runs */
	PROC_RUNNING,
	PROC_PAUSED,
	PROC_STOPPED,
	PROC_DELETING,
	PROC_DELETED,
	PROC_STATES,
};

const char *proc_state_name(enum proc_state s);
bool proc_may_move(bool is_init, enum proc_state from, enum proc_state to);
/* Moves, or gives -EBUSY (failed_precondition) with words such as "container is running, cannot delete". */
int proc_move(bool is_init, enum proc_state *s, enum proc_state to, const char *verb,
	      struct err *e);
