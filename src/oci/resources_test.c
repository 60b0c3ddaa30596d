#include "oci/resources.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "spec/runtime.h"

static struct arena arena;
static struct err error;

static int translate(const struct oci_resources *in, unsigned int flags, struct cg_resources *ret)
{
	arena_done(&arena);
	error = ERR_INIT;
	return oci_resources_translate(in, flags, &arena, ret, &error);
}

TEST(no_resources_ask_for_the_default_devices_at_create_and_for_nothing_at_update)
{
	struct cg_resources r;

	CHECK_EQ(translate(NULL, RESOURCES_CREATE, &r), 0);
	CHECK_EQ(r.devices.n, 11);
	CHECK(!r.memory.limit.is_set && !r.pids.is_set);
	CHECK_EQ(translate(NULL, 0, &r), 0);
	CHECK_EQ(r.devices.n, 0);
}

TEST(numbers_keep_whether_they_were_given)
{
	struct oci_memory m = {
		.has_limit = true, .limit = -1, .has_swappiness = true, .swappiness = 0
	};
	struct oci_cpu c = { .has_shares = true, .shares = 512, .cpus = "0-3", .has_idle = true };
	struct oci_pids p = { .has_limit = true, .limit = 0 };
	struct oci_resources in = { .memory = &m, .cpu = &c, .pids = &p };
	struct cg_resources r;

	CHECK_EQ(translate(&in, 0, &r), 0);
	CHECK(r.memory.limit.is_set && r.memory.limit.v == -1);
	CHECK(r.memory.swappiness.is_set && r.memory.swappiness.v == 0);
	CHECK(!r.memory.swap.is_set);
	CHECK_EQ(r.cpu.shares.v, 512);
	CHECK(r.cpu.idle.is_set && r.cpu.idle.v == 0);
	CHECK_STR(r.cpu.cpus, "0-3");
	CHECK(r.pids.is_set && r.pids.v == 0);
}

TEST(numbers_without_room_in_the_kernel_are_refused)
{
	struct oci_cpu c = { .has_period = true, .period = UINT64_MAX };
	struct oci_resources in = { .cpu = &c };
	struct cg_resources r;

	CHECK_EQ(translate(&in, 0, &r), -ERANGE);
	CHECK(strstr(error.msg, "cpu.period"));
}

TEST(device_rules_come_before_the_default_ones)
{
	struct oci_device_rule rules[] = {
		{ .allow = false, .access = "rwm" },
		{ .allow = true,
		  .type = "c",
		  .access = "rw",
		  .has_major = true,
		  .major = 10,
		  .has_minor = true,
		  .minor = 200 },
		{ .allow = true, .type = "b" },
	};
	struct oci_resources in = { .devices = { rules, 3 } };
	struct cg_resources r;

	CHECK_EQ(translate(&in, RESOURCES_CREATE, &r), 0);
	CHECK_EQ(r.devices.n, 14);
	CHECK_EQ(r.devices.v[0].type, 'a');
	CHECK_EQ(r.devices.v[0].major, -1);
	CHECK_EQ(r.devices.v[1].minor, 200);
	CHECK_EQ(r.devices.v[1].access, CG_DEVICE_READ | CG_DEVICE_WRITE);
	CHECK_EQ(r.devices.v[2].access, 7);
	CHECK(r.devices.v[13].is_allow);
	/* Rules of an update take the place of all: they come with the default ones too. */
	CHECK_EQ(translate(&in, 0, &r), 0);
	CHECK_EQ(r.devices.n, 14);
}

TEST(unknown_device_types_and_letters_are_refused)
{
	struct oci_device_rule rule = { .allow = true, .type = "x", .access = "r" };
	struct oci_resources in = { .devices = { &rule, 1 } };
	struct cg_resources r;

	CHECK_EQ(translate(&in, 0, &r), -EINVAL);
	rule.type = "c";
	rule.access = "rx";
	CHECK_EQ(translate(&in, 0, &r), -EINVAL);
	CHECK(strstr(error.msg, "'rx'"));
}

TEST(lists_are_taken_over_row_by_row)
{
	struct oci_throttle_device t[] = { { 8, 0, 100 }, { 8, 16, UINT64_MAX } };
	struct oci_block_io b = { .throttle_write_iops_device = { t, 2 } };
	struct oci_hugepage_limit h = { "2MB", UINT64_MAX };
	struct oci_rdma d = { .key = "mlx", .has_hca_handles = true, .hca_handles = 3 };
	struct oci_interface_priority prio = { "eth0", 4 };
	struct oci_network net = { .priorities = { &prio, 1 } };
	struct json_pair pair = { "memory.high", "1" };
	struct oci_resources in = { .block_io = &b,
				    .hugepage_limits = { &h, 1 },
				    .rdma = { &d, 1 },
				    .network = &net,
				    .unified = { &pair, 1 } };
	struct cg_resources r;

	CHECK_EQ(translate(&in, 0, &r), 0);
	CHECK_EQ(r.blkio.write_iops.n, 2);
	CHECK_EQ(r.blkio.write_iops.v[1].minor, 16);
	CHECK(r.blkio.write_iops.v[1].rate == UINT64_MAX);
	CHECK(r.hugepages.v[0].limit == UINT64_MAX);
	CHECK(r.rdma.v[0].handles.is_set && !r.rdma.v[0].objects.is_set);
	CHECK_STR(r.net_prio.v[0].interface, "eth0");
	CHECK_STR(r.unified.v[0].key, "memory.high");
	t[0].major = -1;
	CHECK_EQ(translate(&in, 0, &r), -ERANGE);
}

TEST_MAIN()
