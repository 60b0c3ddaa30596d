/* Against a folder that looks like resctrl: this machine's CPU may have none. */
#include "sys/resctrl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"

static char dir[32];
static int root = -EBADF;

static void put(const char *path)
{
	int fd = openat(root, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static const char *got(const char *path)
{
	static char text[64];
	int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	CHECK(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static bool is_there(const char *path)
{
	return faccessat(root, path, F_OK, 0) == 0;
}

/* A host with L3 and one class, "clos", that somebody made before. */
static void set_up(void)
{
	static const char *const dirs[] = { "info", "info/L3", "clos", "clos/mon_groups",
					    "clos/mon_groups/c1" };
	static const char *const files[] = { "schemata", "tasks", "clos/schemata", "clos/tasks",
					     "clos/mon_groups/c1/tasks" };

	snprintf(dir, sizeof(dir), "/tmp/resctrl-test-XXXXXX");
	CHECK(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(root >= 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		CHECK(mkdirat(root, dirs[i], 0700) == 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put(files[i]);
}

static void tear_down(void)
{
	close(root);
	CHECK_EQ(dir_remove_at(AT_FDCWD, dir), 0);
}

TEST(a_class_that_is_there_gets_schemata_and_the_process)
{
	struct resctrl_group g = { .name = "clos", .schemata = "L3:0=f\nMB:0=20\n" };
	struct err e = ERR_INIT;
	bool is_made = true;

	set_up();
	CHECK_EQ(resctrl_put(root, &g, 42, &is_made, &e), 0);
	CHECK(!is_made);
	CHECK_STR(got("clos/schemata"), "L3:0=f\nMB:0=20\n");
	CHECK_STR(got("clos/tasks"), "42");
	CHECK_EQ(resctrl_write(root, "clos", "L3:0=3\n", &e), 0);
	CHECK_STR(got("schemata"), "");
	tear_down();
}

TEST(the_class_at_the_top_is_used_as_it_is)
{
	struct resctrl_group g = { .name = "/" };
	struct err e = ERR_INIT;
	bool is_made = true;

	set_up();
	CHECK_EQ(resctrl_put(root, &g, 42, &is_made, &e), 0);
	CHECK(!is_made);
	CHECK_STR(got("tasks"), "42");
	CHECK_EQ(resctrl_remove(root, "/", NULL, &e), 0);
	CHECK(is_there("tasks"));
	tear_down();
}

TEST(a_class_that_must_be_there_is_not_made)
{
	struct resctrl_group g = { .name = "other", .is_existing = true };
	struct err e = ERR_INIT;
	bool is_made;

	set_up();
	CHECK_EQ(resctrl_put(root, &g, 42, &is_made, &e), -ENOENT);
	CHECK(strstr(e.msg, "must be pre-created"));
	CHECK(!is_there("other"));
	tear_down();
}

TEST(what_was_made_is_removed_when_a_step_fails)
{
	/* The fake makes no files in new folders, as the kernel would. */
	struct resctrl_group g = { .name = "new", .schemata = "L3:0=f\n" };
	struct err e = ERR_INIT;
	bool is_made;

	set_up();
	CHECK_EQ(resctrl_put(root, &g, 42, &is_made, &e), -ENOENT);
	CHECK(strstr(e.msg, "L3:0=f"));
	CHECK(!is_there("new"));
	tear_down();
}

TEST(a_monitoring_group_is_joined_and_removed)
{
	struct resctrl_group g = { .name = "clos", .monitor = "c1" };
	struct err e = ERR_INIT;
	bool is_made;

	set_up();
	CHECK_EQ(resctrl_put(root, &g, 42, &is_made, &e), 0);
	CHECK_STR(got("clos/mon_groups/c1/tasks"), "42");
	CHECK(unlinkat(root, "clos/mon_groups/c1/tasks", 0) == 0);
	CHECK_EQ(resctrl_remove(root, "clos", "c1", &e), 0);
	CHECK(!is_there("clos/mon_groups/c1") && is_there("clos"));
	CHECK_EQ(resctrl_remove(root, "clos", "c1", &e), 0);
	tear_down();
}

TEST(resources_are_looked_up)
{
	set_up();
	CHECK(resctrl_has(root, "L3"));
	CHECK(!resctrl_has(root, "MB"));
	CHECK(!resctrl_has(-EBADF, "L3"));
	tear_down();
}

TEST_MAIN()
