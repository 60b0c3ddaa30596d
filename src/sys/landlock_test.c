#include "sys/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"

TEST(names_have_the_kernels_bits_and_its_abi)
{
	CHECK_EQ(landlock_find(LANDLOCK_FS, "execute")->bit, 0);
	CHECK_EQ(landlock_find(LANDLOCK_FS, "make_sym")->bit, 12);
	CHECK_EQ(landlock_find(LANDLOCK_FS, "ioctl_dev")->bit, 15);
	CHECK_EQ(landlock_find(LANDLOCK_FS, "ioctl_dev")->abi, 5);
	CHECK_EQ(landlock_find(LANDLOCK_NET, "connect_tcp")->bit, 1);
	CHECK(!landlock_find(LANDLOCK_NET, "execute"));
	CHECK_STR(landlock_name(LANDLOCK_SCOPE, 1), "signal");
	CHECK(!landlock_name(LANDLOCK_SCOPE, 2));
}

/* In a child, as a restriction cannot be taken back: reading below /proc is allowed, elsewhere denied. */
static int read_under_rules(void)
{
	struct err e = ERR_INIT;
	int set, proc, r;

	set = landlock_open(1 << 2, 0, 0, &e);
	proc = open("/proc", O_PATH | O_CLOEXEC);
	r = landlock_allow_path(set, proc, 1 << 2, &e);
	if (set < 0 || r < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 1;
	if (landlock_restrict(set, 0, &e) < 0)
		return 2;
	if (open("/proc/self/status", O_RDONLY | O_CLOEXEC) < 0)
		return 3;
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES ? 4 : 0;
}

TEST(what_no_rule_allows_is_denied)
{
	int status;
	pid_t pid;

	if (!landlock_abi())
		TEST_SKIP("the kernel has no Landlock");
	pid = fork();
	if (pid == 0)
		_exit(read_under_rules());
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(rights_that_a_file_cannot_have_are_left_out_of_its_rule)
{
	AUTO_FD set = -EBADF;
	AUTO_FD file = open("/etc/passwd", O_PATH | O_CLOEXEC);
	struct err e = ERR_INIT;

	if (!landlock_abi())
		TEST_SKIP("the kernel has no Landlock");
	set = landlock_open(0x1fff, 0, 0, &e);
	CHECK(set >= 0);
	CHECK_EQ(landlock_allow_path(set, file, 0x1fff, &e), 0);
	CHECK_EQ(landlock_allow_path(set, file, 1 << 3, &e), 0);
}

TEST_MAIN()
