/* Who may end what: task folders made by hand, with this process as the init, and intents of dead owners. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "engine/priv.h"

#define ID "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"

struct house {
	char path[32];
	char *root, *state;
	struct engine *en;
};

static void leave(struct house *h)
{
	engine_close(h->en);
	dir_remove_at(AT_FDCWD, h->path);
	free(h->root);
	free(h->state);
}
#define AUTO_HOUSE CLEANUP(leave) struct house

static struct engine *open_again(const struct house *h)
{
	struct engine *en = NULL;

	CHECK_EQ(engine_open(&(struct engine_options){ .root = h->root, .state = h->state }, &en,
			     NULL),
		 0);
	return en;
}

static struct house enter(void)
{
	struct container_row row = { .id = ID, .name = "coffee", .created_ns = 1, .updated_ns = 1 };
	struct doc d = { .version = DOC_VERSION, .state = &(struct doc_state){ 0 } };
	struct house h = { .path = "/tmp/corten-test-XXXXXX" };
	AUTO_ARENA struct arena a = { 0 };

	CHECK(mkdtemp(h.path) != NULL);
	h.root = str_printf("%s/root", h.path);
	h.state = str_printf("%s/state", h.path);
	h.en = open_again(&h);
	CHECK_EQ(doc_to_row(&d, &row, &a, NULL), 0);
	row.spec = "{}";
	row.spec_len = 2;
	CHECK_EQ(store_container_create(h.en->store, h.en->ns, &row, NULL), 0);
	return h;
}

/* A task whose init is this process; it `waits` at its FIFO for a start. */
static void make_task(struct engine *en, bool waits)
{
	AUTO_FREE char *pid = str_printf("%d\n", getpid());

	CHECK_EQ(mkdirat(en->tasks_fd, ID, 0700), 0);
	CHECK_EQ(file_replace_at(en->tasks_fd, ID "/init.pid", pid, strlen(pid), 0600, 0), 0);
	if (!waits)
		return;
	CHECK_EQ(mkdirat(en->state_fd, "runtime", 0700), 0);
	CHECK_EQ(mkdirat(en->state_fd, "runtime/default", 0700), 0);
	CHECK_EQ(mkdirat(en->state_fd, "runtime/default/" ID, 0700), 0);
	CHECK_EQ(mkfifoat(en->state_fd, "runtime/default/" ID "/exec.fifo", 0600), 0);
}

/* Leaves an intent whose owner is dead. */
static void begin_and_die(const struct house *h, const char *verb)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct engine *en = open_again(h);
		int64_t intent;
		int r = store_intent_begin(en->store, en->ns, ID, verb, "", &intent, NULL);

		_exit(r == 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static size_t dead_intents(struct engine *en)
{
	AUTO_ARENA struct arena a = { 0 };
	struct intent_row *rows;
	size_t n;

	CHECK_EQ(store_intent_list_dead(en->store, NULL, NULL, &a, &rows, &n, NULL), 0);
	return n;
}

TEST(a_late_finisher_leaves_the_task_that_another_is_about_to_start)
{
	AUTO_HOUSE h = enter();

	make_task(h.en, true);
	CHECK_EQ(engine_task_finish(h.en, ID, NULL), 0);
	CHECK_EQ(faccessat(h.en->tasks_fd, ID "/init.pid", F_OK, 0), 0);
}

TEST(an_init_whose_starter_died_goes_on_and_has_a_start_on_record)
{
	AUTO_HOUSE h = enter();
	AUTO_ARENA struct arena a = { 0 };
	AUTO_ENGINE later = NULL;
	struct loaded l;

	make_task(h.en, false);
	begin_and_die(&h, "start");
	CHECK_EQ(dead_intents(h.en), 1);
	later = open_again(&h);
	CHECK_EQ(dead_intents(h.en), 0);
	CHECK_EQ(engine_load(later, ID, &a, &l, NULL), 0);
	CHECK(l.doc->state->started_ns > 0);
	CHECK_EQ(l.doc->state->finished_ns, 0);
}

TEST(a_container_that_is_gone_leaves_no_lock_file)
{
	AUTO_HOUSE h = enter();
	struct err e = ERR_INIT;
	int fd = -EBADF;

	CHECK_EQ(engine_task_create(h.en, "gone", &fd, &e), -ENOENT);
	CHECK_STR(e.msg, "No such container: gone");
	CHECK_EQ(engine_task_start(h.en, "gone", NULL), -ENOENT);
	CHECK_EQ(engine_container_remove(h.en, "gone", true, NULL), -ENOENT);
	CHECK_EQ(faccessat(h.en->locks_fd, "gone", F_OK, 0), -1);
}

TEST(a_removal_whose_owner_died_is_finished)
{
	AUTO_HOUSE h = enter();
	AUTO_ARENA struct arena a = { 0 };
	AUTO_ENGINE later = NULL;
	struct loaded l;

	begin_and_die(&h, "delete");
	later = open_again(&h);
	CHECK_EQ(dead_intents(h.en), 0);
	CHECK_EQ(engine_load(later, ID, &a, &l, NULL), -ENOENT);
	CHECK_EQ(faccessat(later->locks_fd, ID, F_OK, 0), -1);
}

TEST_MAIN()
