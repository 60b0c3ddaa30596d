/* The real kernel: groups below one folder of this test's own, which is removed with all below it at the end. */
#include "sys/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"

#define WAIT_MS 10000
#define MIB (1024 * 1024)

static struct cg_host host;
static struct cgroup group;
static struct err error;

enum view { ALL, NO_UNIFIED, ONLY_UNIFIED };

/* The host as it is, or as if some of its hierarchies were not mounted. */
static void see(enum view view)
{
	AUTO_FREE char *mounts = NULL, *self = NULL;
	AUTO_STRBUF struct strbuf kept = { 0 };

	CHECK_EQ(file_read_at(AT_FDCWD, "/proc/self/mountinfo", MIB, &mounts, NULL), 0);
	CHECK_EQ(file_read_at(AT_FDCWD, "/proc/self/cgroup", MIB, &self, NULL), 0);
	for (char *line = mounts, *next; line && *line; line = next) {
		bool is_unified = strstr(line, " - cgroup2 ") != NULL;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		is_unified = strstr(line, " - cgroup2 ") != NULL;
		if (view == ALL || is_unified == (view == ONLY_UNIFIED))
			strbuf_addf(&kept, "%s\n", line);
	}
	CHECK_EQ(cg_host_parse(kept.p, kept.len, self, strlen(self), NULL, &host, NULL), 0);
	/* On a hybrid host this view must not hand controllers down from the real top. */
	if (view == ONLY_UNIFIED && host.unified >= 0)
		host.h[host.unified].controllers = 0;
}

static void begin(enum view view, const char *name)
{
	char path[64];

	error = ERR_INIT;
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	see(view);
	if (host.mode == CG_MODE_NONE)
		TEST_SKIP("this host shows no cgroup hierarchy of the kind");
	snprintf(path, sizeof(path), "/corten-test-%d/%s", (int)getpid(), name);
	if (cg_create(&host, path, NULL, &group, &error) < 0)
		TEST_SKIP("cannot make cgroups here: %s", error.msg);
}

static void end(void)
{
	char path[64];
	struct cgroup all;

	CHECK_EQ(cg_remove(&group, WAIT_MS, &error), 0);
	cg_done(&group);
	snprintf(path, sizeof(path), "/corten-test-%d", (int)getpid());
	CHECK_EQ(cg_create(&host, path, NULL, &all, NULL), 0);
	CHECK_EQ(cg_remove(&all, WAIT_MS, NULL), 0);
	cg_done(&all);
	cg_host_done(&host);
}

/* What a failed case left behind. */
__attribute__((destructor)) static void sweep(void)
{
	struct cg_host h;
	struct cgroup all;
	char path[64];

	snprintf(path, sizeof(path), "/corten-test-%d", (int)getpid());
	if (!test_first || geteuid() != 0 || cg_host_probe(&h, NULL) < 0)
		return;
	if (cg_create(&h, path, NULL, &all, NULL) == 0) {
		(void)cg_kill(&all, SIGKILL, WAIT_MS, NULL);
		(void)cg_remove(&all, WAIT_MS, NULL);
		cg_done(&all);
	}
	cg_host_done(&h);
}

/* A child that joins the group by itself, runs `fn` and exits with its answer. */
static pid_t start(int (*fn)(void))
{
	struct cg_join join = { .n = 0 };
	pid_t pid;

	CHECK_EQ(cg_join_open(&group, 0, &join, &error), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(cg_join_self(&join, NULL) < 0 ? 111 : fn());
	cg_join_done(&join);
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static _Noreturn int forever(void)
{
	for (;;)
		pause();
}

static const char *content(enum cg_controller c, const char *file)
{
	static char text[4096];
	AUTO_FREE char *path = str_printf("%s/%s", group.place[host.where[c]].path, file);
	AUTO_FREE char *got = NULL;

	CHECK(path);
	if (file_read_at(AT_FDCWD, path, sizeof(text) - 1, &got, NULL) < 0)
		return "";
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(got, "\n"), got);
	return text;
}

static void freeze_and_kill(enum view view, const char *name)
{
	pid_t pid, *pids;
	size_t n;

	begin(view, name);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(forever());
	CHECK_EQ(cg_add_pid(&group, pid, 0, &error), 0);
	CHECK_EQ(cg_pids(&group, &pids, &n, &error), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(pids[0], pid);
	free(pids);
	CHECK_EQ(cg_is_frozen(&group), 0);
	CHECK_EQ(cg_freeze(&group, WAIT_MS, &error), 0);
	CHECK_EQ(cg_is_frozen(&group), 1);
	CHECK_EQ(cg_thaw(&group, WAIT_MS, &error), 0);
	CHECK_EQ(cg_is_frozen(&group), 0);
	CHECK_EQ(cg_freeze(&group, WAIT_MS, &error), 0);
	/* killed while frozen */
	signal(SIGCHLD, SIG_IGN);
	CHECK_EQ(cg_kill(&group, SIGKILL, WAIT_MS, &error), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), -1);
	signal(SIGCHLD, SIG_DFL);
	end();
}

TEST(a_group_is_frozen_thawed_and_killed_frozen)
{
	freeze_and_kill(ALL, "freeze");
}

TEST(the_same_with_v1_alone)
{
	freeze_and_kill(NO_UNIFIED, "freeze1");
}

TEST(the_same_with_the_unified_hierarchy_alone)
{
	freeze_and_kill(ONLY_UNIFIED, "freeze2");
}

TEST(a_child_joins_by_itself_and_is_found_by_its_pid)
{
	struct cgroup by_pid;
	pid_t pid;

	begin(ALL, "join");
	pid = start(forever);
	for (size_t n = 0; n == 0;) {
		pid_t *pids = NULL;

		CHECK_EQ(cg_pids(&group, &pids, &n, &error), 0);
		free(pids);
	}
	/* the last hierarchy is joined last */
	for (int try = 0; try < 1000; try++) {
		int same = 0;

		CHECK_EQ(cg_open_pid(&host, pid, &by_pid, &error), 0);
		for (size_t i = 0; i < host.n; i++)
			same += streq_null(by_pid.place[i].path, group.place[i].path);
		if (same == (int)host.n)
			break;
		CHECK(try < 999);
		cg_done(&by_pid);
		nanosleep(&(struct timespec){ .tv_nsec = NSEC_PER_MSEC }, NULL);
	}
	CHECK_EQ(cg_remove(&group, 50, &error), -EBUSY);
	CHECK_EQ(cg_kill(&by_pid, SIGTERM, WAIT_MS, &error), 0);
	CHECK_EQ(finish(pid), 128 + SIGTERM);
	cg_done(&by_pid);
	end();
}

#define SET(x)            \
	{                 \
		true, (x) \
	}

TEST(limits_arrive_and_are_raised_and_lowered_in_the_right_order)
{
	struct cg_resources r = { .memory.limit = SET(64 * MIB),
				  .memory.swap = SET(96 * MIB),
				  .memory.reservation = SET(32 * MIB),
				  .memory.swappiness = SET(10),
				  .cpu.shares = SET(512),
				  .cpu.quota = SET(50000),
				  .cpu.period = SET(200000),
				  .cpu.cpus = "0",
				  .cpu.mems = "0",
				  .pids = SET(17) };

	begin(ALL, "limits");
	if (host.mode == CG_MODE_V2) {
		end();
		TEST_SKIP("v1 memory is not here");
	}
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_STR(content(CG_MEMORY, "memory.limit_in_bytes"), "67108864");
	CHECK_STR(content(CG_MEMORY, "memory.memsw.limit_in_bytes"), "100663296");
	CHECK_STR(content(CG_MEMORY, "memory.soft_limit_in_bytes"), "33554432");
	CHECK_STR(content(CG_MEMORY, "memory.swappiness"), "10");
	CHECK_STR(content(CG_CPU, "cpu.shares"), "512");
	CHECK_STR(content(CG_CPU, "cpu.cfs_quota_us"), "50000");
	CHECK_STR(content(CG_CPU, "cpu.cfs_period_us"), "200000");
	CHECK_STR(content(CG_CPUSET, "cpuset.cpus"), "0");
	CHECK_STR(content(CG_PIDS, "pids.max"), "17");
	r = (struct cg_resources){ .memory.limit = SET(256 * MIB),
				   .memory.swap = SET(512 * MIB),
				   .pids = SET(0) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(content(CG_MEMORY, "memory.memsw.limit_in_bytes"), "536870912");
	CHECK_STR(content(CG_PIDS, "pids.max"), "1");
	r = (struct cg_resources){ .memory.limit = SET(32 * MIB),
				   .memory.swap = SET(32 * MIB),
				   .pids = SET(-1) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(content(CG_MEMORY, "memory.memsw.limit_in_bytes"), "33554432");
	CHECK_STR(content(CG_PIDS, "pids.max"), "max");
	r = (struct cg_resources){ .memory.limit = SET(-1) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK(strlen(content(CG_MEMORY, "memory.memsw.limit_in_bytes")) > 15);
	end();
}

TEST(limits_arrive_on_v2)
{
	struct cg_resources r = { .memory.limit = SET(64 * MIB),
				  .memory.swap = SET(64 * MIB),
				  .memory.reservation = SET(32 * MIB),
				  .cpu.shares = SET(2000),
				  .cpu.quota = SET(50000),
				  .cpu.period = SET(200000),
				  .pids = SET(0) };

	begin(ALL, "limits2");
	if (host.mode != CG_MODE_V2) {
		end();
		TEST_SKIP("this host's controllers are on v1");
	}
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_STR(content(CG_MEMORY, "memory.max"), "67108864");
	CHECK_STR(content(CG_MEMORY, "memory.low"), "33554432");
	CHECK_STR(content(CG_CPU, "cpu.weight"), "170");
	CHECK_STR(content(CG_CPU, "cpu.max"), "50000 200000");
	CHECK_STR(content(CG_PIDS, "pids.max"), "1");
	r = (struct cg_resources){ .cpu.period = SET(100000),
				   .memory.limit = SET(-1),
				   .pids = SET(-1) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(content(CG_CPU, "cpu.max"), "50000 100000");
	r = (struct cg_resources){ .cpu.quota = SET(25000) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(content(CG_CPU, "cpu.max"), "25000 100000");
	CHECK_STR(content(CG_MEMORY, "memory.max"), "max");
	end();
}

TEST(a_burst_above_the_old_quota_and_idle_with_shares_work)
{
	struct cg_resources r = { .cpu.quota = SET(50000),
				  .cpu.period = SET(100000),
				  .cpu.burst = SET(40000) };

	begin(ALL, "burst");
	if (host.mode == CG_MODE_V2) {
		end();
		TEST_SKIP("v1 cpu is not here");
	}
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_STR(content(CG_CPU, "cpu.cfs_burst_us"), "40000");
	r = (struct cg_resources){ .cpu.idle = SET(1), .cpu.shares = SET(2048) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(content(CG_CPU, "cpu.idle"), "1");
	r = (struct cg_resources){ .cpu.idle = SET(0), .cpu.shares = SET(2048) };
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(content(CG_CPU, "cpu.idle"), "0");
	CHECK_STR(content(CG_CPU, "cpu.shares"), "2048");
	end();
}

TEST(a_missing_controller_is_an_error_that_names_it)
{
	const struct cg_rdma device = { "mlx5_0", SET(3), { false, 0 } };
	struct cg_resources r = { .rdma = { &device, 1 } };

	begin(ALL, "missing");
	if (host.where[CG_RDMA] < 0) {
		CHECK_EQ(cg_apply(&group, &r, 0, &error), -ENOTSUP);
		CHECK(strstr(error.msg, "controller 'rdma'"));
	}
	end();
}

TEST(wrong_values_name_file_and_value)
{
	struct cg_resources r = { .cpu.cpus = "4000" };

	begin(ALL, "wrong");
	if (host.where[CG_CPUSET] >= 0) {
		CHECK(cg_apply(&group, &r, 0, &error) < 0);
		CHECK(strstr(error.msg, "cpuset.cpus"));
		CHECK(strstr(error.msg, "'4000'"));
	}
	end();
}

static int open_devices(void)
{
	int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);

	return (null >= 0) + 2 * (zero >= 0);
}

static void device_rules(enum view view, const char *name)
{
	const struct cg_device_rule null_only[] = { { false, 'a', -1, -1, 7 },
						    { true, 'c', 1, 3, 6 } };
	const struct cg_device_rule both[] = { { false, 'a', -1, -1, 7 },
					       { true, 'c', 1, 5, 7 },
					       { true, 'c', 1, 3, 6 } };
	const struct cg_device_rule all[] = { { true, 'a', -1, -1, 7 }, { false, 'c', 1, 3, 2 } };
	struct cg_resources r = { .devices = { null_only, 2 } };
	int got;

	begin(view, name);
	if (cg_apply(&group, &r, 0, &error) < 0) {
		got = error.errnum;
		end();
		TEST_SKIP("no device rules here: errno %d", got);
	}
	CHECK_EQ(finish(start(open_devices)), 1);
	r.devices.v = both;
	r.devices.n = 3;
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_EQ(finish(start(open_devices)), 3);
	r.devices.v = all;
	r.devices.n = 2;
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_EQ(finish(start(open_devices)), 3); /* refused is reading, not writing */
	r.devices.v = null_only;
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_EQ(finish(start(open_devices)), 1);
	end();
}

TEST(device_rules_of_v1_hold_and_change)
{
	device_rules(NO_UNIFIED, "dev1");
}

TEST(device_rules_by_program_hold_and_change)
{
	device_rules(ONLY_UNIFIED, "dev2");
}

static int eat(void)
{
	size_t n = 64 * MIB;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < n; i += 4096)
		*(volatile char *)(p + i) = 1;
	return 0;
}

TEST(an_oom_kill_is_announced_and_counted)
{
	struct cg_resources r = { .memory.limit = SET(8 * MIB), .memory.swap = SET(8 * MIB) };
	struct cg_oom oom;
	struct cg_stats s;
	struct pollfd p;
	pid_t pid;

	begin(ALL, "oom");
	if (host.where[CG_MEMORY] < 0) {
		end();
		TEST_SKIP("no memory controller");
	}
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_EQ(cg_oom_open(&group, &oom, &error), 0);
	CHECK_EQ(cg_oom_read(&oom), 0);
	pid = start(eat);
	p = (struct pollfd){ .fd = oom.fd, .events = oom.events };
	/* v2 wakes for other events too: first the limit is hit, then there is a kill. */
	for (int64_t n = 0; n == 0;) {
		CHECK_EQ(poll(&p, 1, WAIT_MS), 1);
		n = cg_oom_read(&oom);
		CHECK(n == 0 || n == 1);
	}
	CHECK_EQ(finish(pid), 128 + SIGKILL);
	CHECK_EQ(cg_oom_read(&oom), 0);
	CHECK_EQ(cg_stats_read(&group, &s, &error), 0);
	CHECK_EQ(s.memory.oom_kills, 1);
	CHECK_EQ(s.memory.memory.limit, 8 * MIB);
	cg_stats_done(&s);
	CHECK_EQ(cg_remove(&group, WAIT_MS, &error), 0);
	CHECK_EQ(cg_oom_read(&oom), -ENODEV);
	cg_oom_done(&oom);
	end();
}

static int burn(void)
{
	int64_t until = clock_mono_ms() + 60;

	while (clock_mono_ms() < until)
		;
	return 0;
}

TEST(counters_tell_what_ran)
{
	struct cg_resources r = { .pids = SET(9) };
	struct cg_stats s;

	begin(ALL, "stats");
	if (host.where[CG_PIDS] >= 0)
		CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_EQ(finish(start(burn)), 0);
	CHECK_EQ(cg_stats_read(&group, &s, &error), 0);
	if (host.where[CG_CPUACCT] >= 0)
		CHECK(s.cpu.usage_ns > 10 * NSEC_PER_MSEC);
	if (host.where[CG_CPUACCT] >= 0 && host.mode != CG_MODE_V2)
		CHECK(s.cpu.percpu_n > 0);
	if (host.where[CG_PIDS] >= 0)
		CHECK_EQ(s.pids.limit, 9);
	if (host.where[CG_MEMORY] >= 0) {
		CHECK(s.memory.raw_n > 10);
		CHECK_EQ(s.memory.memory.limit, UINT64_MAX);
	}
	cg_stats_done(&s);
	end();
}

TEST(a_frozen_or_used_group_is_not_entered)
{
	struct cgroup again;
	char path[64];
	pid_t pid;

	begin(ALL, "taken");
	snprintf(path, sizeof(path), "/corten-test-%d/taken", (int)getpid());
	if (host.where[CG_FREEZER] >= 0) {
		CHECK_EQ(cg_freeze(&group, WAIT_MS, &error), 0);
		CHECK_EQ(cg_create(&host, path, NULL, &again, &error), -EBUSY);
		CHECK(strstr(error.msg, "unexpectedly frozen"));
		CHECK_EQ(cg_thaw(&group, WAIT_MS, &error), 0);
	}
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(forever());
	CHECK_EQ(cg_add_pid(&group, pid, 0, &error), 0);
	CHECK_EQ(cg_create(&host, path, NULL, &again, &error), -EBUSY);
	CHECK(strstr(error.msg, "not empty"));
	CHECK_EQ(cg_kill(&group, SIGKILL, WAIT_MS, &error), 0);
	CHECK_EQ(finish(pid), 128 + SIGKILL);
	end();
}

TEST(block_limits_arrive)
{
	struct cg_throttle t = { 0, 0, 1 * MIB };
	struct cg_resources r = { .blkio.read_bps = { &t, 1 } };
	char want[64];
	struct stat st;

	begin(ALL, "blkio");
	if (host.where[CG_BLKIO] < 0 || host.mode == CG_MODE_V2 || stat("/", &st) < 0 ||
	    major(st.st_dev) == 0) {
		end();
		TEST_SKIP("no block device below / or no v1 blkio");
	}
	t.major = major(st.st_dev);
	t.minor = minor(st.st_dev);
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	snprintf(want, sizeof(want), "%u:%u 1048576", t.major, t.minor);
	CHECK_STR(content(CG_BLKIO, "blkio.throttle.read_bps_device"), want);
	end();
}

TEST_MAIN()
