#include "base/test.h"

#include "base/err.h"
#include "shim/state.h"

TEST(a_deleted_process_moves_nowhere)
{
	for (int is_init = 0; is_init < 2; is_init++)
		for (int to = 0; to < PROC_STATES; to++)
			CHECK(!proc_may_move(is_init, PROC_DELETED, (enum proc_state)to));
}

TEST(every_state_of_the_init_leads_to_deleted)
{
	bool reaches[PROC_STATES] = { [PROC_DELETED] = true };

	for (int round = 0; round < PROC_STATES; round++)
		for (int from = 0; from < PROC_STATES; from++)
			for (int to = 0; to < PROC_STATES; to++)
				if (reaches[to] &&
				    proc_may_move(true, (enum proc_state)from, (enum proc_state)to))
					reaches[from] = true;
	for (int s = 0; s < PROC_STATES; s++)
		CHECK(reaches[s]);
}

TEST(whatever_lives_can_stop)
{
	static const enum proc_state alive[] = { PROC_CREATED, PROC_STARTING, PROC_RUNNING,
						 PROC_PAUSED };

	for (size_t i = 0; i < sizeof(alive) / sizeof(alive[0]); i++)
		CHECK(proc_may_move(true, alive[i], PROC_STOPPED));
	CHECK(proc_may_move(false, PROC_STARTING, PROC_STOPPED));
	CHECK(proc_may_move(false, PROC_RUNNING, PROC_STOPPED));
}

TEST(a_running_container_is_not_deleted)
{
	enum proc_state s = PROC_RUNNING;
	struct err e = ERR_INIT;

	CHECK_EQ(proc_move(true, &s, PROC_DELETING, "delete", &e), -EBUSY);
	CHECK_EQ(s, PROC_RUNNING);
	CHECK_EQ(e.code, ERR_FAILED_PRECONDITION);
	CHECK_STR(e.msg, "cannot delete: the container is running");
}

TEST(an_exec_is_never_created_or_paused)
{
	for (int from = 0; from < PROC_STATES; from++) {
		CHECK(!proc_may_move(false, (enum proc_state)from, PROC_CREATED));
		CHECK(!proc_may_move(false, (enum proc_state)from, PROC_PAUSED));
	}
}

TEST_MAIN()
