/* What is written where, v1 and v2, on fake trees: plain empty files below a temporary folder. */
#include "sys/cgroup.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"
#include "sys/cgroup_apply.h"

static char top[64];
static struct cg_host host;
static struct cgroup group;
static struct err error;

static void put(const char *file, const char *text)
{
	AUTO_FREE char *full = str_printf("%s/%s", top, file);

	CHECK(full);
	CHECK_EQ(file_replace_at(AT_FDCWD, full, text, strlen(text), 0644, 0), 0);
}

static const char *got(const char *file)
{
	static char text[512];
	AUTO_FREE char *full = str_printf("%s/g/%s", top, file), *p = NULL;

	CHECK(full);
	CHECK_EQ(file_read_at(AT_FDCWD, full, sizeof(text) - 1, &p, NULL), 0);
	snprintf(text, sizeof(text), "%s", p);
	return text;
}

/* All hierarchies are one folder with one group "g" that has the files named. */
static void begin(const char *mounts, const char *self, const char *const *files)
{
	AUTO_FREE char *dir = NULL;
	struct cg_path paths[CG_PATHS_MAX];
	size_t n = 0;

	error = ERR_INIT;
	snprintf(top, sizeof(top), "/tmp/corten-apply-XXXXXX");
	CHECK(mkdtemp(top));
	dir = str_printf("%s/g", top);
	CHECK(dir);
	CHECK_EQ(dir_make_all(dir, 0755), 0);
	put("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
	for (; *files; files++) {
		AUTO_FREE char *file = str_printf("g/%s", *files);

		put(file, "");
	}
	CHECK_EQ(cg_host_parse(mounts, strlen(mounts), self, strlen(self), top, &host, &error), 0);
	for (size_t i = 0; i < host.n; i++)
		for (size_t k = 0; k < host.h[i].names_n; k++)
			paths[n++] = (struct cg_path){ host.h[i].names[k], dir };
	CHECK_EQ(cg_open(&host, paths, n, &group, &error), 0);
}

static void end(void)
{
	cg_done(&group);
	cg_host_done(&host);
	CHECK_EQ(dir_remove_at(AT_FDCWD, top), 0);
}

static void begin_v2(const char *const *files)
{
	begin("30 23 0:26 / / rw - cgroup2 cgroup2 rw\n", "0::/\n", files);
}

static void begin_v1(const char *const *files)
{
	begin("1 1 0:1 / / rw - cgroup cgroup rw,cpu\n1 1 0:2 / / rw - cgroup cgroup rw,memory\n"
	      "1 1 0:3 / / rw - cgroup cgroup rw,blkio\n1 1 0:3 / / rw - cgroup cgroup rw,hugetlb\n"
	      "1 1 0:3 / / rw - cgroup cgroup rw,net_cls,net_prio\n"
	      "1 1 0:3 / / rw - cgroup cgroup rw,rdma\n",
	      "6:rdma:/\n5:net_cls,net_prio:/\n4:hugetlb:/\n3:blkio:/\n2:memory:/\n1:cpu:/\n",
	      files);
}

#define SET(x)            \
	{                 \
		true, (x) \
	}
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(weights_are_those_of_the_curve_in_floating_point)
{
	for (uint64_t shares = 3; shares < 262144; shares += shares < 5000 ? 1 : 13) {
		double l = log2((double)shares), x = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;

		if (cg_weight_of_shares(shares) != (uint64_t)ceil(pow(10, x)))
			CHECK_EQ(shares, 0);
	}
}

TEST(shares_become_weights_on_the_curve_of_the_newer_runtimes)
{
	CHECK_EQ(cg_weight_of_shares(2), 1);
	CHECK_EQ(cg_weight_of_shares(1024), 100);
	CHECK_EQ(cg_weight_of_shares(2000), 170); /* runc 1.4.0-rc.1 (its issue 4896) */
	CHECK_EQ(cg_weight_of_shares(262144), 10000);
	CHECK_EQ(cg_io_weight_of_blkio(10), 1);
	CHECK_EQ(cg_io_weight_of_blkio(1000), 10000);
}

TEST(memory_and_swap_of_v1_become_swap_alone)
{
	const struct cg_num none = { false, 0 };
	struct cg_num ret;

	CHECK_EQ(cg_swap_of_memsw((struct cg_num)SET(100), (struct cg_num)SET(150), &ret, NULL), 0);
	CHECK_EQ(ret.v, 50);
	CHECK_EQ(cg_swap_of_memsw((struct cg_num)SET(100), (struct cg_num)SET(100), &ret, NULL), 0);
	CHECK(ret.is_set && ret.v == 0);
	CHECK_EQ(cg_swap_of_memsw((struct cg_num)SET(100), (struct cg_num)SET(-1), &ret, NULL), 0);
	CHECK_EQ(ret.v, -1);
	CHECK_EQ(cg_swap_of_memsw((struct cg_num)SET(-1), none, &ret, NULL), 0);
	CHECK_EQ(ret.v, -1);
	CHECK_EQ(cg_swap_of_memsw((struct cg_num)SET(100), none, &ret, NULL), 0);
	CHECK(!ret.is_set);
	CHECK_EQ(cg_swap_of_memsw(none, (struct cg_num)SET(100), &ret, NULL), -EINVAL);
	CHECK_EQ(cg_swap_of_memsw((struct cg_num)SET(100), (struct cg_num)SET(50), &ret, NULL),
		 -EINVAL);
}

TEST(v2_files_and_values)
{
	const struct cg_throttle w = { 8, 0, 4096 };
	const struct cg_hugepage huge = { "2MB", 4194304 };
	const struct cg_rdma rdma = { "mlx5_0", SET(3), SET(10000) };
	const struct cg_pair raw = { "memory.high", "1048576" };
	struct cg_resources r = {
		.memory.limit = SET(1000),
		.memory.swap = SET(1500),
		.memory.reservation = SET(500),
		.memory.oom_disable = { true, false },
		.cpu.shares = SET(1024),
		.cpu.quota = SET(5000),
		.cpu.period = SET(10000),
		.cpu.burst = SET(7),
		.cpu.cpus = "0-1",
		.pids = SET(0),
		.blkio.weight = SET(500),
		.blkio.write_bps = { &w, 1 },
		.hugepages = { &huge, 1 },
		.rdma = { &rdma, 1 },
		.unified = { &raw, 1 },
	};

	begin_v2(LIST("memory.max", "memory.swap.max", "memory.low", "cpu.weight", "cpu.max",
		      "cpu.max.burst", "cpuset.cpus", "pids.max", "io.weight", "io.max",
		      "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max", "memory.high"));
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_STR(got("memory.max"), "1000");
	CHECK_STR(got("memory.swap.max"), "500");
	CHECK_STR(got("memory.low"), "500");
	CHECK_STR(got("cpu.weight"), "100");
	CHECK_STR(got("cpu.max"), "5000 10000");
	CHECK_STR(got("cpu.max.burst"), "7");
	CHECK_STR(got("cpuset.cpus"), "0-1");
	CHECK_STR(got("pids.max"), "1");
	CHECK_STR(got("io.weight"), "4950");
	CHECK_STR(got("io.max"), "8:0 wbps=4096");
	CHECK_STR(got("hugetlb.2MB.max"), "4194304");
	CHECK_STR(got("hugetlb.2MB.rsvd.max"), "4194304");
	CHECK_STR(got("rdma.max"), "mlx5_0 hca_handle=3 hca_object=10000");
	CHECK_STR(got("memory.high"), "1048576");
	end();
}

TEST(v2_the_period_alone_keeps_the_quota_and_max_is_a_word)
{
	struct cg_resources r = { .cpu.period = SET(20000),
				  .memory.limit = SET(-1),
				  .pids = SET(-1) };

	begin_v2(LIST("memory.max", "memory.swap.max", "cpu.max", "pids.max"));
	put("g/cpu.max", "5000 10000\n");
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), 0);
	CHECK_STR(got("cpu.max"),
		  "5000 20000\n"); /* a plain file keeps the old text's tail: same length */
	CHECK_STR(got("memory.max"), "max");
	CHECK_STR(got("memory.swap.max"), "max");
	CHECK_STR(got("pids.max"), "max");
	end();
}

TEST(v2_without_swap_takes_none_but_refuses_some)
{
	struct cg_resources r = { .memory.limit = SET(1000), .memory.swap = SET(1000) };

	begin_v2(LIST("memory.max"));
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	r.memory.swap.v = 2000;
	CHECK_EQ(cg_apply(&group, &r, 0, &error), -ENOTSUP);
	CHECK(strstr(error.msg, "memory.swap.max"));
	CHECK(strstr(error.msg, "'1000'"));
	end();
}

TEST(v2_refuses_what_it_has_no_counterpart_for)
{
	static const struct {
		struct cg_resources r;
		const char *name;
	} rows[] = {
		{ { .memory.swappiness = SET(60) }, "memory.swappiness" },
		{ { .memory.kernel_tcp = SET(4096) }, "memory.kernelTCP" },
		{ { .memory.oom_disable = { true, true } }, "memory.disableOOMKiller" },
		{ { .cpu.rt_runtime = SET(10) }, "cpu.realtimeRuntime" },
		{ { .net_class = SET(7) }, "net_cls" },
	};

	begin_v2(LIST("memory.max"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ(cg_apply(&group, &rows[i].r, 0, &error), -ENOTSUP);
		CHECK(strstr(error.msg, rows[i].name));
	}
	end();
}

TEST(v2_a_limit_below_the_usage_is_refused_when_asked)
{
	struct cg_resources r = { .memory.limit = SET(1000),
				  .memory.check_before_update = { true, true } };

	begin_v2(LIST("memory.max", "memory.current"));
	put("g/memory.current", "5000\n");
	CHECK_EQ(cg_apply(&group, &r, CG_APPLY_UPDATE, &error), -EBUSY);
	CHECK(strstr(error.msg, "rejecting memory limit 1000 <= usage 5000"));
	CHECK_STR(got("memory.max"), "");
	end();
}

TEST(raw_keys_are_checked)
{
	static const char *const bad[] = { "../x",	   "a/b",	  "memory",	".x",
					   "cgroup.procs", "cgroup.kill", "nosuch.file" };
	struct cg_pair raw = { NULL, "1" };
	struct cg_resources r = { .unified = { &raw, 1 } };

	begin_v2(LIST("memory.max"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		raw.key = bad[i];
		CHECK(cg_apply(&group, &r, 0, &error) < 0);
		CHECK(strstr(error.msg, bad[i]));
	}
	end();
	begin_v1(LIST("cpu.shares"));
	raw.key = "memory.max";
	CHECK_EQ(cg_apply(&group, &r, 0, &error), -ENOTSUP);
	end();
}

TEST(v1_files_and_values)
{
	const struct cg_throttle t = { 8, 16, 7 };
	const struct cg_weight_device d = { 8, 0, SET(300), { false, 0 } };
	const struct cg_hugepage huge = { "1GB", 5 };
	const struct cg_netprio prio = { "eth0", 5 };
	struct cg_resources r = {
		.cpu.shares = SET(1024),
		.cpu.idle = SET(0),
		.cpu.rt_period = SET(9),
		.cpu.rt_runtime = SET(8),
		.blkio.weight = SET(500),
		.blkio.weight_device = { &d, 1 },
		.blkio.read_iops = { &t, 1 },
		.hugepages = { &huge, 1 },
		.net_class = SET(1048577),
		.net_prio = { &prio, 1 },
		.memory.kernel_tcp = SET(4096),
		.memory.oom_disable = { true, true },
	};

	begin_v1(LIST("cpu.shares", "cpu.idle", "cpu.rt_period_us", "cpu.rt_runtime_us",
		      "blkio.weight", "blkio.weight_device", "blkio.throttle.read_iops_device",
		      "hugetlb.1GB.limit_in_bytes", "net_cls.classid", "net_prio.ifpriomap",
		      "memory.kmem.tcp.limit_in_bytes", "memory.oom_control"));
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	CHECK_STR(got("cpu.shares"), "1024");
	CHECK_STR(got("cpu.rt_runtime_us"), "8");
	CHECK_STR(got("blkio.weight"), "500");
	CHECK_STR(got("blkio.weight_device"), "8:0 300");
	CHECK_STR(got("blkio.throttle.read_iops_device"), "8:16 7");
	CHECK_STR(got("hugetlb.1GB.limit_in_bytes"), "5");
	CHECK_STR(got("net_cls.classid"), "1048577");
	CHECK_STR(got("net_prio.ifpriomap"), "eth0 5");
	CHECK_STR(got("memory.oom_control"), "1");
	end();
}

TEST(values_out_of_range_are_refused_before_anything_is_written)
{
	static const struct cg_resources rows[] = {
		{ .cpu.shares = SET(1) },	   { .cpu.shares = SET(262145) },
		{ .memory.swappiness = SET(101) }, { .blkio.weight = SET(9) },
		{ .blkio.weight = SET(1001) },	   { .memory.reservation = SET(-2) },
		{ .memory.limit = SET(-5) },
	};

	begin_v1(LIST("cpu.shares", "memory.swappiness", "blkio.weight", "memory.limit_in_bytes"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(cg_apply(&group, &rows[i], 0, &error) < 0);
	CHECK_STR(got("cpu.shares"), "");
	CHECK_STR(got("blkio.weight"), "");
	end();
}

TEST(nothing_asked_writes_nothing)
{
	struct cg_resources r = { .memory.limit = SET(0),
				  .cpu.quota = SET(0),
				  .cpu.shares = SET(0),
				  .cpu.cpus = "",
				  .memory.swap = SET(0) };

	begin_v1(LIST("cpu.shares"));
	CHECK_EQ(cg_apply(&group, &r, 0, &error), 0);
	end();
}

TEST(v2_counters_are_read)
{
	struct cg_stats s;

	begin_v2(LIST("memory.max"));
	put("g/cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_throttled 4\n");
	put("g/cpu.pressure", "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\n"
			      "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n");
	put("g/memory.current", "4096\n");
	put("g/memory.max", "8192\n");
	put("g/memory.swap.current", "10\n");
	put("g/memory.swap.max", "max\n");
	put("g/memory.stat", "anon 1\nfile 77\n");
	put("g/memory.events", "low 0\nmax 5\noom 2\noom_kill 1\n");
	put("g/pids.current", "3\n");
	put("g/pids.max", "max\n");
	put("g/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0 \n");
	put("g/hugetlb.2MB.current", "11\n");
	put("g/hugetlb.2MB.events", "max 12\n");
	CHECK_EQ(cg_stats_read(&group, &s, &error), 0);
	CHECK_EQ(s.cpu.usage_ns, 30000);
	CHECK_EQ(s.cpu.throttled_periods, 4);
	CHECK(s.cpu.psi.is_set && s.cpu.psi.some[0] > 1.4 && s.cpu.psi.full_total == 3);
	CHECK_EQ(s.memory.memory.limit, 8192);
	CHECK_EQ(s.memory.swap.usage, 4106);
	CHECK_EQ(s.memory.swap.limit, UINT64_MAX);
	CHECK_EQ(s.memory.cache, 77);
	CHECK_EQ(s.memory.oom_kills, 1);
	CHECK_EQ(s.pids.current, 3);
	CHECK_EQ(s.pids.limit, 0);
	CHECK_EQ(s.blkio.bytes_n, 3);
	CHECK_EQ(s.blkio.ops_n, 3);
	CHECK_STR(s.blkio.bytes[1].op, "Write");
	CHECK_EQ(s.hugetlb_n, 1);
	CHECK_STR(s.hugetlb[0].size, "2MB");
	CHECK_EQ(s.hugetlb[0].failcnt, 12);
	cg_stats_done(&s);
	end();
}

TEST(v1_block_rows_come_from_the_file_that_has_some)
{
	struct cg_stats s;

	begin_v1(LIST("cpu.shares"));
	put("g/blkio.bfq.io_service_bytes_recursive", "Total 0\n");
	put("g/blkio.throttle.io_service_bytes_recursive",
	    "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n");
	CHECK_EQ(cg_stats_read(&group, &s, &error), 0);
	CHECK_EQ(s.blkio.bytes_n, 2);
	CHECK_EQ(s.blkio.bytes[0].value, 4096);
	cg_stats_done(&s);
	end();
}

TEST_MAIN()
