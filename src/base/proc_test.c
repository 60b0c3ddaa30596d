#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"

static int run_sh(const char *script, const char *input, int timeout_ms, char **out, int *status)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };

	return proc_run(&(struct spawn_options){ .path = "/bin/sh", .argv = argv }, input, 1 << 20,
			timeout_ms, out, status, NULL);
}

TEST(output_and_exit_code_come_back)
{
	AUTO_FREE char *out = NULL;
	int status;

	CHECK_EQ(run_sh("cat; echo err >&2; exit 7", "fed ", 5000, &out, &status), 0);
	CHECK_EQ(status, 7);
	CHECK_STR(out, "fed err\n");
}

TEST(a_signal_is_128_and_its_number)
{
	int status;

	CHECK_EQ(run_sh("kill -9 $$", NULL, 5000, NULL, &status), 0);
	CHECK_EQ(status, 137);
}

TEST(a_program_that_is_not_there_is_an_error_of_the_start)
{
	char *argv[] = { (char *)"x", NULL };
	struct err e = ERR_INIT;
	struct child c;

	CHECK_EQ(proc_spawn(&(struct spawn_options){ .path = "/does/not/exist", .argv = argv }, &c,
			    &e),
		 -ENOENT);
	CHECK_STR(e.msg, "exec '/does/not/exist': no such file or directory");
	CHECK_EQ(proc_spawn(&(struct spawn_options){ .path = "/etc/passwd", .argv = argv }, &c, &e),
		 -EACCES);
}

TEST(a_program_that_hangs_is_killed_at_its_deadline)
{
	int status;

	CHECK_EQ(run_sh("exec sleep 60", NULL, 50, NULL, &status), -ETIMEDOUT);
}

TEST(the_child_has_only_the_descriptors_it_was_given)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"ls /proc/self/fd | tr '\\n' ' '; cat <&9", NULL };
	AUTO_FREE char *out = NULL;
	int p[2], status;

	CHECK_EQ(pipe2(p, 0), 0); /* inheritable on purpose: the start must close them */
	CHECK_EQ(write(p[1], "hi", 2), 2);
	close(p[1]);
	struct spawn_fd fds[] = { { p[0], 9 } };

	CHECK_EQ(proc_run(
			 &(struct spawn_options){
				 .path = "/bin/sh", .argv = argv, .fds = fds, .fds_len = 1 },
			 NULL, 4096, 5000, &out, &status, NULL),
		 0);
	close(p[0]);
	CHECK_STR(out, "0 1 2 3 9 hi"); /* 3 is ls's own folder */
}

TEST(wait_has_a_deadline_and_leaves_the_child)
{
	char *argv[] = { (char *)"sleep", (char *)"60", NULL };
	struct child c;
	int status;

	CHECK_EQ(proc_spawn(&(struct spawn_options){ .path = "sleep", .argv = argv }, &c, NULL), 0);
	CHECK_EQ(proc_wait(&c, 10, &status), -ETIMEDOUT);
	CHECK(proc_state(c.pid) > 0);
	CHECK_EQ(proc_pidfd_kill(c.pidfd, SIGTERM), 0);
	CHECK_EQ(proc_wait(&c, 5000, &status), 0);
	CHECK_EQ(status, 128 + SIGTERM);
	CHECK_EQ(c.pidfd, -EBADF);
}

TEST(facts_about_processes_are_read)
{
	uint64_t start;
	char boot[37];

	CHECK_EQ(proc_start_time(getpid(), &start), 0);
	CHECK(start > 0);
	CHECK_EQ(proc_start_time(0x3fffffff, &start), -ESRCH);
	CHECK_EQ(proc_boot_id(boot), 0);
	CHECK_EQ(strlen(boot), 36);
}

TEST(a_program_of_ours_is_found_beside_this_one)
{
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *none = NULL;
	const char *name;

	CHECK_EQ(proc_self_dir(&dir), 0);
	name = program_invocation_short_name;
	CHECK_EQ(proc_program_find(name, &path), 0);
	CHECK(strncmp(path, dir, strlen(dir)) == 0 && streq(path + strlen(dir) + 1, name));
	CHECK_EQ(proc_program_find("corten-there-is-none", &none), -ENOENT);
}

TEST(a_program_is_executed_by_its_descriptor)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo $0; cat <&3", (char *)"me",
			 NULL };
	AUTO_FD file = open("/bin/sh", O_PATH | O_CLOEXEC);
	AUTO_FREE char *out = NULL;
	struct spawn_options so = { .path = "no such path", .argv = argv, .fds_len = 1 };
	int p[2], status;

	CHECK(file > 0);
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(write(p[1], "hi", 2), 2);
	close(p[1]);
	/* A number that the child gives to something else must not be in the way. */
	so.exec_fd = file;
	so.fds = (struct spawn_fd[]){ { p[0], 3 } };
	CHECK_EQ(proc_run(&so, NULL, 4096, 5000, &out, &status, NULL), 0);
	CHECK_EQ(status, 0);
	CHECK_STR(out, "me\nhi");
	close(p[0]);
}

TEST(a_descriptor_that_cannot_be_executed_is_an_error_of_the_start)
{
	char *argv[] = { (char *)"x", NULL };
	AUTO_FD file = open("/etc/passwd", O_PATH | O_CLOEXEC);
	struct child c;

	CHECK_EQ(proc_spawn(&(struct spawn_options){ .path = "x", .argv = argv, .exec_fd = file },
			    &c, NULL),
		 -EACCES);
}

TEST_MAIN()
