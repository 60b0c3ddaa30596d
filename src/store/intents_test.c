#include "store/store.h"

#include <signal.h>

#include "store/fixture.h"

static size_t dead(struct store *s, const char *ns, const char *object, struct intent_row **ret)
{
	size_t n;

	CHECK_OK(store_intent_list_dead(s, ns, object, A, ret, &n, E));
	return n;
}

TEST(an_intent_of_a_live_owner_is_not_dead)
{
	struct store *s = fixture_open();
	struct intent_row *rows;
	int64_t id, stamp;

	CHECK_OK(store_intent_begin(s, NS, "c1", "create", NULL, &id, E));
	CHECK_EQ(dead(s, NULL, NULL, &rows), 0);
	CHECK_OK(intents_oldest_live(s, &stamp, E));
	CHECK(stamp < INT64_MAX);
	CHECK_OK(store_intent_end(s, id, E));
	CHECK_OK(store_intent_end(s, id, E));
	CHECK_OK(intents_oldest_live(s, &stamp, E));
	CHECK_EQ(stamp, INT64_MAX);
}

TEST(an_intent_outlives_its_killed_owner_until_it_is_ended)
{
	struct store *s = fixture_open();
	struct intent_row *rows;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *own;
		int64_t id;

		if (store_open(fixture_root, &own, E) < 0 ||
		    store_intent_begin(own, NS, "c1", "create", "{\"a\":1}", &id, E) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	/* A zombie is as dead as one that was waited for. */
	waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	CHECK_EQ(dead(s, NULL, NULL, &rows), 1);
	waitpid(pid, &status, 0);
	CHECK_EQ(dead(s, NULL, NULL, &rows), 1);
	CHECK_STR(rows[0].object, "c1");
	CHECK_STR(rows[0].verb, "create");
	CHECK_STR(rows[0].data, "{\"a\":1}");
	CHECK_EQ(rows[0].owner_pid, pid);
	CHECK_EQ(dead(s, NS, "c1", &rows), 1);
	CHECK_EQ(dead(s, "other", NULL, &rows), 0);
	CHECK_EQ(dead(s, NS, "c2", &rows), 0);
	CHECK_EQ(dead(s, NS, NULL, &rows), 1);
	CHECK_OK(store_intent_end(s, rows[0].id, E));
	CHECK_EQ(dead(s, NULL, NULL, &rows), 0);
}

TEST(another_start_time_or_boot_is_another_owner)
{
	struct store *s = fixture_open();
	struct intent_row *rows;
	int64_t id;

	CHECK_OK(store_intent_begin(s, NS, "c1", "create", "", &id, E));
	CHECK_EQ(sqlite3_exec(s->db, "UPDATE intents SET owner_start=owner_start+1", NULL, NULL,
			      NULL),
		 SQLITE_OK);
	CHECK_EQ(dead(s, NULL, NULL, &rows), 1);
	CHECK_EQ(sqlite3_exec(s->db, "UPDATE intents SET owner_start=owner_start-1", NULL, NULL,
			      NULL),
		 SQLITE_OK);
	CHECK_EQ(dead(s, NULL, NULL, &rows), 0);
	fixture_new_boot(s);
	CHECK_EQ(dead(s, NULL, NULL, &rows), 1);
}

TEST_MAIN()
