#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/proc.h"
#include "store/fixture.h"

static int mode_of(struct store *s, const char *path)
{
	struct stat st;

	return fstatat(store_root_fd(s), path, &st, 0) < 0 ? -errno : (int)(st.st_mode & 07777);
}

TEST(open_makes_private_folders_and_files)
{
	struct store *s = fixture_open();

	CHECK_EQ(mode_of(s, "blobs/sha256"), 0700);
	CHECK_EQ(mode_of(s, "snapshots"), 0700);
	CHECK_EQ(mode_of(s, "trash"), 0700);
	CHECK_EQ(mode_of(s, "store.db"), 0600);
	CHECK_EQ(mode_of(s, "store.db-wal"), 0600);
}

TEST(open_makes_the_root_and_its_parents)
{
	const char *path;
	struct store *s;

	fixture_open();
	path = arena_printf(A, "%s/a/b", fixture_root);
	CHECK_OK(store_open(path, &s, E));
	CHECK_EQ(mode_of(s, "."), 0711);
	CHECK_STR(store_root_path(s), path);
	store_close(s);
}

TEST(open_refuses_a_root_that_overlay_cannot_take)
{
	const char *path;
	struct store *s;

	fixture_open();
	path = arena_printf(A, "%s/a:b", fixture_root);
	CHECK_EQ(store_open(path, &s, E), -EINVAL);
}

TEST(a_second_open_and_reading_cost_no_sync)
{
	struct store *s = fixture_open();
	struct json_strs list;

	CHECK_OK(store_namespace_ensure(s, NS, E));
	s = fixture_reopen();
	CHECK_OK(store_namespace_list(s, A, &list, E));
	CHECK_EQ(list.n, 1);
	CHECK_OK(store_namespace_ensure(s, "other", E));
	CHECK_EQ(store_sync_count(s), 0);
}

TEST(a_durable_commit_costs_one_sync_and_the_folders_once)
{
	struct store *s = fixture_open();
	uint64_t before;

	s = fixture_reopen();
	CHECK_OK(store_set_durable(s, true, E));
	CHECK_OK(store_namespace_ensure(s, "a", E));
	CHECK_EQ(store_sync_count(s), 2);
	before = store_sync_count(s);
	CHECK_OK(store_namespace_ensure(s, "b", E));
	CHECK_EQ(store_sync_count(s) - before, 1);
	CHECK_OK(store_set_durable(s, false, E));
	CHECK_OK(store_namespace_ensure(s, "c", E));
	CHECK_EQ(store_sync_count(s) - before, 1);
	CHECK_OK(store_begin(s, E));
	CHECK_EQ(store_set_durable(s, true, E), -EBUSY);
	store_rollback(s);
	CHECK_OK(store_sync(s, E));
	CHECK_EQ(store_sync_count(s) - before, 2);
}

TEST(namespaces_are_checked_and_listed)
{
	static const char *const bad[] = { "", "a/b", "..", ".a", "a.", "a--b", "a b", "-a" };
	struct store *s = fixture_open();
	struct json_strs list;
	char longer[78];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(store_namespace_ensure(s, bad[i], E), -EINVAL);
	memset(longer, 'a', sizeof(longer));
	longer[77] = '\0';
	CHECK_EQ(store_namespace_ensure(s, longer, E), -EINVAL);
	longer[76] = '\0';
	CHECK_OK(store_namespace_ensure(s, longer, E));
	CHECK_OK(store_namespace_ensure(s, "k8s.io", E));
	CHECK_OK(store_namespace_ensure(s, "k8s.io", E));
	CHECK_OK(store_namespace_list(s, A, &list, E));
	CHECK_EQ(list.n, 2);
	CHECK_STR(list.v[1], "k8s.io");
}

static size_t namespaces(struct store *s)
{
	struct json_strs list;

	CHECK_OK(store_namespace_list(s, A, &list, E));
	return list.n;
}

TEST(transactions_nest_and_roll_back_as_one)
{
	struct store *s = fixture_open();

	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_namespace_ensure(s, "a", E));
	store_rollback(s);
	CHECK_EQ(namespaces(s), 0);
	store_rollback(s);

	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_namespace_ensure(s, "a", E));
	CHECK_OK(store_commit(s, E));
	CHECK_OK(store_commit(s, E));
	CHECK_EQ(namespaces(s), 1);
}

TEST(an_inner_rollback_dooms_only_what_was_changed)
{
	struct store *s = fixture_open();

	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_namespace_ensure(s, "a", E));
	CHECK_OK(store_begin(s, E));
	store_rollback(s);
	CHECK_OK(store_commit(s, E));
	CHECK_EQ(namespaces(s), 1);

	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_begin(s, E));
	CHECK_OK(store_namespace_ensure(s, "b", E));
	store_rollback(s);
	CHECK_EQ(store_commit(s, E), -ECANCELED);
	CHECK_EQ(namespaces(s), 1);
	CHECK_OK(store_namespace_ensure(s, "c", E));
}

/* ---- versions ---- */

/* Far above the steps that there are. */
static const struct schema_step test_steps[] = {
	{ 1, 0, "" },
	{ 1, 901, "CREATE TABLE later(a TEXT); INSERT INTO later VALUES('x')" },
	{ 1, 902, "ALTER TABLE later ADD COLUMN b INTEGER NOT NULL DEFAULT 7" },
};

TEST(minor_steps_are_applied_once_and_kept_by_older_programs)
{
	static const char version_sql[] = "PRAGMA user_version";
	static const char sum_sql[] = "SELECT sum(b) FROM later";
	struct store *s = fixture_open();
	int64_t n;

	CHECK_OK(schema_upgrade(s, test_steps, ARRAY_LEN(test_steps), E));
	CHECK_OK(schema_upgrade(s, test_steps, ARRAY_LEN(test_steps), E));
	CHECK_OK(schema_upgrade(s, test_steps, 2, E));
	CHECK_EQ(db_get_i64(s, version_sql, ARGS(), &n, E), 1);
	CHECK_EQ(n, 1902);
	CHECK_EQ(db_get_i64(s, sum_sql, ARGS(), &n, E), 1);
	CHECK_EQ(n, 7);
	s = fixture_reopen();
	CHECK_OK(store_namespace_ensure(s, NS, E));
}

TEST(a_step_that_fails_changes_nothing)
{
	static const struct schema_step broken[] = {
		{ 1, 0, "" },
		{ 1, 901, "CREATE TABLE later(a TEXT); CREATE TABLE later(a TEXT)" },
	};
	static const char sql[] = "SELECT count(*) FROM sqlite_schema WHERE name='later'";
	struct store *s = fixture_open();
	int64_t n;

	CHECK(schema_upgrade(s, broken, ARRAY_LEN(broken), E) < 0);
	CHECK_EQ(db_get_i64(s, sql, ARGS(), &n, E), 1);
	CHECK_EQ(n, 0);
}

TEST(a_newer_major_is_refused_with_a_text)
{
	struct store *s = fixture_open(), *t;

	CHECK_EQ(sqlite3_exec(s->db, "PRAGMA user_version=2000", NULL, NULL, NULL), SQLITE_OK);
	CHECK_EQ(store_open(fixture_root, &t, E), -EPROTONOSUPPORT);
	CHECK_EQ(fixture_err.code, ERR_FAILED_PRECONDITION);
	CHECK(strstr(fixture_err.msg, "newer corten (schema 2.0, this one knows 1.x)"));
}

/* ---- damage ---- */

static void damage(off_t at, const char *bytes, size_t len, off_t size)
{
	int fd = openat(store_root_fd(fixture_store), "store.db", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	if (len)
		CHECK_EQ(pwrite(fd, bytes, len, at), (ssize_t)len);
	if (size >= 0)
		CHECK_OK(ftruncate(fd, size));
	close(fd);
}

static void move_all_into_the_database(struct store *s)
{
	CHECK_EQ(sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
		 SQLITE_OK);
}

static void check_damage_is_named(void)
{
	struct store *t = NULL;
	struct json_strs list;
	int r = store_open(fixture_root, &t, E);

	if (r >= 0)
		r = store_namespace_list(t, A, &list, E);
	store_close(t);
	CHECK_EQ(r, -EUCLEAN);
	CHECK_EQ(fixture_err.code, ERR_DATA_LOSS);
	CHECK(strstr(fixture_err.msg, fixture_root));
	CHECK(strstr(fixture_err.msg, "store.db' is damaged"));
	CHECK(strstr(fixture_err.msg, "load the images again"));
}

TEST(a_damaged_header_is_an_error_that_names_the_file)
{
	move_all_into_the_database(fixture_open());
	damage(0, "garbage garbage garbage", 23, -1);
	check_damage_is_named();
}

TEST(damaged_pages_are_an_error_that_names_the_file)
{
	char junk[1024];

	move_all_into_the_database(fixture_open());
	memset(junk, 0x5a, sizeof(junk));
	for (off_t at = 1024; at < 30 * 1024; at += 1024)
		damage(at, junk, sizeof(junk), -1);
	check_damage_is_named();
}

TEST(a_cut_database_is_an_error_that_names_the_file)
{
	move_all_into_the_database(fixture_open());
	damage(0, "", 0, 2048);
	check_damage_is_named();
}

TEST(an_emptied_database_is_not_taken_for_a_new_one)
{
	move_all_into_the_database(fixture_open());
	damage(0, "", 0, 0);
	check_damage_is_named();
}

TEST(a_database_that_was_moved_away_makes_a_new_store)
{
	struct store *s = fixture_open();

	CHECK_OK(store_namespace_ensure(s, NS, E));
	store_close(TAKE_PTR(fixture_store));
	CHECK_EQ(chdir(fixture_root), 0);
	CHECK_EQ(unlink("store.db"), 0);
	unlink("store.db-wal");
	s = fixture_reopen();
	CHECK_EQ(namespaces(s), 0);
	CHECK_EQ(chdir("/"), 0);
}

/* ---- limits of the machine ---- */

TEST(a_file_size_limit_is_an_error_and_leaves_the_store_whole)
{
	struct rlimit old, now;
	struct store *s = fixture_open();
	struct stat st;
	char name[32];
	int r = 0, n = 0;

	CHECK_OK(store_namespace_ensure(s, NS, E));
	CHECK_OK(fstatat(store_root_fd(s), "store.db-wal", &st, 0));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	now = (struct rlimit){ (rlim_t)st.st_size + 8192, old.rlim_max };
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &now));
	while (r >= 0 && n < 1000) {
		snprintf(name, sizeof(name), "n%d", n++);
		r = store_namespace_ensure(s, name, E);
	}
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK(r < 0 && n > 1);
	CHECK(strstr(fixture_err.msg, "store.db"));
	CHECK_EQ(namespaces(s), n);
	CHECK_OK(store_namespace_ensure(s, name, E));
	CHECK_EQ(namespaces(s), n + 1);
}

TEST(memory_limits_are_errors_at_every_step)
{
	struct store *s = fixture_open();
	bool is_done = false;
	char name[32];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		CHECK_OK(store_namespace_ensure(s, name, E));
	}
	for (size_t budget = 1; !is_done && budget < 1 << 20; budget *= 2) {
		struct arena a = { .budget = budget };
		struct json_strs list = { NULL, 0 };
		int r = store_namespace_list(s, &a, &list, E);

		CHECK(r == 0 || r == -ENOMEM);
		CHECK(r == 0 || list.v == NULL);
		is_done = r == 0;
		arena_done(&a);
	}
	CHECK(is_done);
}

/* SQLite's own memory, from too little for anything up to enough. */
TEST(sqlite_out_of_memory_is_an_error_and_keeps_nothing_of_the_transaction)
{
	struct store *s = fixture_open();
	struct snapshot_mounts m;
	bool is_done = false;
	int failed = 0;

	for (int64_t room = 0; room < 1 << 20 && !is_done; room += 4096) {
		struct container_row row = { .id = "c1", .name = "web" };
		int r;

		s = fixture_reopen();
		sqlite3_hard_heap_limit64(sqlite3_memory_used() + room + 1);
		r = store_begin(s, E);
		if (r >= 0)
			r = store_snapshot_prepare(s, NS, "c1", NULL, SNAPSHOT_ACTIVE, NULL, A, &m,
						   E);
		if (r >= 0)
			r = store_container_create(s, NS, &row, E);
		if (r >= 0)
			r = store_commit(s, E);
		else
			store_rollback(s);
		sqlite3_hard_heap_limit64(0);
		CHECK(r == 0 || r == -ENOMEM);
		failed += r < 0;
		is_done = r == 0;
		CHECK_EQ(store_container_get(s, NS, "c1", A, &row, E), is_done ? 0 : -ENOENT);
	}
	CHECK(is_done && failed > 0);
}

/* ---- several processes ---- */

TEST(eight_processes_make_the_same_store_at_once)
{
	fixture_open();
	for (int round = 0; round < 5; round++) {
		const char *path = arena_printf(A, "%s/new%d", fixture_root, round);

		for (int i = 0; i < 8; i++) {
			if (fork() == 0) {
				struct store *s;
				char name[32];
				bool is_ok;

				snprintf(name, sizeof(name), "n%d", i);
				is_ok = store_open(path, &s, E) >= 0 &&
					store_namespace_ensure(s, name, E) >= 0;
				if (!is_ok)
					fprintf(stderr, "# %s\n", fixture_err.msg);
				FIXTURE_EXIT(is_ok);
			}
		}
		CHECK_EQ(fixture_wait(8), 8);
	}
}

TEST(eight_writers_lose_nothing)
{
	struct store *s = fixture_open();

	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			struct store *own;
			bool is_ok = store_open(fixture_root, &own, E) >= 0;

			for (int k = 0; k < 50 && is_ok; k++)
				is_ok = store_event_add(own, NS, "/test", "{}", E) >= 0;
			FIXTURE_EXIT(is_ok);
		}
	}
	CHECK_EQ(fixture_wait(8), 8);
	{
		struct event_row *rows;
		size_t n;

		CHECK_OK(store_event_list(s, 0, 1000, A, &rows, &n, E));
		CHECK_EQ(n, 400);
		CHECK_EQ(rows[399].seq, 400);
	}
}

/* Killed while it holds the write lock, at no particular place: the next writer goes on at once. */
TEST(a_writer_killed_in_its_transaction_leaves_nothing)
{
	struct store *s = fixture_open();

	for (int round = 0; round < 20; round++) {
		int pipe_fds[2], status;
		pid_t pid;
		char c;

		CHECK_OK(pipe2(pipe_fds, O_CLOEXEC));
		pid = fork();
		if (pid == 0) {
			struct store *own;
			char name[32];

			if (store_open(fixture_root, &own, E) < 0 || store_begin(own, E) < 0)
				_exit(1);
			for (int i = 0;; i++) {
				snprintf(name, sizeof(name), "killed%d-%d", round, i);
				store_namespace_ensure(own, name, E);
				if (i == round)
					(void)!write(pipe_fds[1], "x", 1);
			}
		}
		close(pipe_fds[1]);
		CHECK_EQ(read(pipe_fds[0], &c, 1), 1);
		close(pipe_fds[0]);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		CHECK_OK(store_event_add(s, NS, "/test", "{}", E));
		CHECK_EQ(namespaces(s), 0);
	}
	s = fixture_reopen();
	CHECK_EQ(namespaces(s), 0);
}

/* Commits as fast as it can and is killed anywhere: what it said was done is there. */
TEST(what_a_killed_writer_acknowledged_is_there)
{
	struct store *s = fixture_open();

	for (int round = 0; round < 10; round++) {
		int pipe_fds[2], status;
		int64_t said = 0, seq, last;
		pid_t pid;

		CHECK_OK(pipe2(pipe_fds, O_CLOEXEC));
		pid = fork();
		if (pid == 0) {
			struct store *own;

			if (store_open(fixture_root, &own, E) < 0)
				_exit(1);
			while (store_event_add(own, NS, "/test", "{}", E) >= 0 &&
			       store_event_last(own, &seq, E) >= 0)
				(void)!write(pipe_fds[1], &seq, sizeof(seq));
			_exit(1);
		}
		close(pipe_fds[1]);
		for (int i = 0; i < 20 + round * 7; i++)
			CHECK_EQ(read(pipe_fds[0], &said, sizeof(said)), sizeof(said));
		kill(pid, SIGKILL);
		while (read(pipe_fds[0], &seq, sizeof(seq)) == sizeof(seq))
			said = seq;
		close(pipe_fds[0]);
		waitpid(pid, &status, 0);
		CHECK_OK(store_event_last(s, &last, E));
		CHECK(last >= said && said > 0);
	}
}

TEST(the_wal_is_copied_back_once_it_is_large)
{
	struct store *s = fixture_open();
	struct stat st;

	for (int i = 0; i < 3000; i++)
		CHECK_OK(store_event_add(s, NS, "/test", "{\"some\": \"words\"}", E));
	CHECK_OK(fstatat(store_root_fd(s), "store.db-wal", &st, 0));
	CHECK(st.st_size < 6 << 20);
	CHECK_OK(store_empty_trash(s, E));
	CHECK(s->wal_pages < WAL_PAGES_SOFT);
}

TEST_MAIN()
