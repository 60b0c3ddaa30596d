#include "shim/state.h"

#include "base/err.h"
#include "base/mem.h"

#define TO(s) (1u << PROC_##s)

/* Rows: from; columns: where to. The init and execs differ in how they come to run. */
static const unsigned int init_moves[PROC_STATES] = {
	[PROC_NEW] = TO(CREATING),
	[PROC_CREATING] = TO(CREATED) | TO(NEW),
	[PROC_CREATED] = TO(STARTING) | TO(STOPPED),
	[PROC_STARTING] = TO(RUNNING) | TO(CREATED) | TO(STOPPED),
	[PROC_RUNNING] = TO(PAUSED) | TO(STOPPED),
	[PROC_PAUSED] = TO(RUNNING) | TO(STOPPED),
	[PROC_STOPPED] = TO(DELETING),
	[PROC_DELETING] = TO(DELETED) | TO(STOPPED),
};

static const unsigned int exec_moves[PROC_STATES] = {
	[PROC_NEW] = TO(STARTING) | TO(DELETING),
	[PROC_STARTING] = TO(RUNNING) | TO(NEW) | TO(STOPPED),
	[PROC_RUNNING] = TO(STOPPED),
	[PROC_STOPPED] = TO(DELETING),
	[PROC_DELETING] = TO(DELETED),
};

static const char *const names[PROC_STATES] = {
	[PROC_NEW] = "not created",   [PROC_CREATING] = "being created", [PROC_CREATED] = "created",
	[PROC_STARTING] = "starting", [PROC_RUNNING] = "running",	 [PROC_PAUSED] = "paused",
	[PROC_STOPPED] = "stopped",   [PROC_DELETING] = "being deleted", [PROC_DELETED] = "deleted",
};

const char *proc_state_name(enum proc_state s)
{
	ASSERT(s < PROC_STATES);
	return names[s];
}

bool proc_may_move(bool is_init, enum proc_state from, enum proc_state to)
{
	ASSERT(from < PROC_STATES && to < PROC_STATES);
	return (is_init ? init_moves : exec_moves)[from] & (1u << to);
}

int proc_move(bool is_init, enum proc_state *s, enum proc_state to, const char *verb, struct err *e)
{
	if (!proc_may_move(is_init, *s, to))
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION, "cannot %s: the %s is %s",
				    verb, is_init ? "container" : "process", names[*s]);
	*s = to;
	return 0;
}
