#include "oci/systemd_props.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

static struct arena arena;
static struct err error;
static struct systemd_props props;

static void fresh(void)
{
	arena_done(&arena);
	error = ERR_INIT;
	props = (struct systemd_props){ .arena = &arena };
}

static int resources(const struct cg_resources *r, bool is_v2, bool at_start)
{
	fresh();
	return systemd_props_resources(&props, r, is_v2, 0, at_start, &error);
}

/* The last property of that name as "signature value value …", or NULL. */
static const char *value(const char *name)
{
	const char *text = NULL;

	for (size_t i = 0; i < props.list.n; i++) {
		const struct systemd_property *p = &props.list.v[i];

		if (!streq(p->name, name))
			continue;
		text = p->signature;
		for (size_t k = 0; k < p->values.n; k++)
			text = arena_printf(&arena, "%s %s", text, p->values.v[k]);
	}
	return text;
}

static const char *variant(const char *text)
{
	struct json_pair pair = { "org.systemd.property.Xyz", text };
	struct json_map map = { &pair, 1 };

	fresh();
	if (systemd_props_annotations(&props, &map, &error) < 0)
		return error.msg;
	return value("Xyz");
}

TEST(nothing_asked_for_is_no_property)
{
	struct cg_resources r = { 0 };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_EQ(props.list.n, 0);
}

TEST(memory_is_limit_reservation_and_swap_alone)
{
	struct cg_resources r = { .memory = { .limit = { true, 1 << 20 },
					      .reservation = { true, 4096 },
					      .swap = { true, 3 << 20 } } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("MemoryMax"), "t 1048576");
	CHECK_STR(value("MemoryLow"), "t 4096");
	CHECK_STR(value("MemorySwapMax"), "t 2097152");
	CHECK_EQ(resources(&r, false, true), 0);
	CHECK_STR(value("MemoryLimit"), "t 1048576");
	CHECK(!value("MemorySwapMax"));
}

TEST(no_limit_is_the_largest_number)
{
	struct cg_resources r = { .memory.limit = { true, -1 }, .pids = { true, -1 } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("MemoryMax"), "t 18446744073709551615");
	CHECK_STR(value("MemorySwapMax"), "t 18446744073709551615");
	CHECK_STR(value("TasksMax"), "t 18446744073709551615");
	r.pids.v = 0;
	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("TasksMax"), "t 1");
}

TEST(a_quota_is_rounded_up_to_hundredths_of_a_cpu)
{
	struct cg_resources r = { .cpu = { .quota = { true, 1234 }, .period = { true, 50000 } } };

	systemd_round_quota(&r, 0);
	CHECK_EQ(r.cpu.quota.v, 1500);
	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("CPUQuotaPerSecUSec"), "t 30000");
	CHECK_STR(value("CPUQuotaPeriodUSec"), "t 50000");
	r.cpu.quota.v = -1;
	systemd_round_quota(&r, 0);
	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("CPUQuotaPerSecUSec"), "t 18446744073709551615");
}

TEST(a_quota_alone_is_of_the_period_in_force)
{
	struct cg_resources r = { .cpu.quota = { true, 25000 } };

	fresh();
	CHECK_EQ(systemd_props_resources(&props, &r, true, 50000, false, &error), 0);
	CHECK_STR(value("CPUQuotaPerSecUSec"), "t 500000");
	CHECK(!value("CPUQuotaPeriodUSec"));
}

TEST(shares_are_a_weight_on_v2_and_idle_is_weight_nought)
{
	struct cg_resources r = { .cpu.shares = { true, 1024 } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("CPUWeight"), "t 100");
	CHECK_EQ(resources(&r, false, true), 0);
	CHECK_STR(value("CPUShares"), "t 1024");
	r.cpu.idle = (struct cg_num){ true, 1 };
	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("CPUWeight"), "t 0");
	CHECK_EQ(props.list.v[0].since, 252);
}

TEST(cpusets_are_bytes_of_bits)
{
	struct cg_resources r = { .cpu = { .cpus = "0-1,9", .mems = "0" } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("AllowedCPUs"), "ay 3 2");
	CHECK_STR(value("AllowedMemoryNodes"), "ay 1");
	r.cpu.cpus = "x";
	CHECK_EQ(resources(&r, true, true), -EINVAL);
}

TEST(io_weights_are_what_systemds_curve_turns_back)
{
	struct cg_weight_device d = { .major = 8, .minor = 16, .weight = { true, 1000 } };
	struct cg_resources r = { .blkio = { .weight = { true, 50 }, .weight_device = { &d, 1 } } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("IOWeight"), "t 50");
	CHECK_STR(value("IODeviceWeight"), "a(st) /dev/block/8:16 10000");
	CHECK_EQ(resources(&r, false, true), 0);
	CHECK_STR(value("BlockIOWeight"), "t 50");
}

TEST(device_rules_are_a_list_of_what_is_allowed)
{
	struct cg_device_rule v[] = {
		{ false, 'a', -1, -1, 7 },
		{ true, 'c', 1, 3, CG_DEVICE_READ | CG_DEVICE_WRITE },
		{ true, 'c', 136, -1, 7 },
		{ true, 'b', -1, -1, CG_DEVICE_MKNOD },
	};
	struct cg_resources r = { .devices = { v, 4 } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(props.list.v[0].name, "DeviceAllow");
	CHECK_EQ(props.list.v[0].values.n, 0);
	CHECK_STR(value("DevicePolicy"), "s strict");
	CHECK_STR(value("DeviceAllow"), "a(ss) /dev/char/1:3 rw char-136 rwm block-* m");
}

TEST(device_rules_that_are_no_list_are_left_to_cgroupfs)
{
	struct cg_device_rule but_one[] = { { true, 'a', -1, -1, 7 }, { false, 'c', 1, 3, 7 } };
	struct cg_device_rule any_major[] = { { false, 'a', -1, -1, 7 }, { true, 'c', -1, 3, 7 } };
	struct cg_resources r = { .devices = { but_one, 2 } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("DevicePolicy"), "s auto");
	CHECK_STR(value("DeviceAllow"), "a(ss)");
	r.devices.v = any_major;
	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("DevicePolicy"), "s auto");
}

TEST(unified_files_are_properties_where_systemd_has_one)
{
	struct cg_pair v[] = { { "memory.high", "4096" },	 { "memory.min", "max" },
			       { "cpu.max", "20000 50000" },	 { "pids.max", "0" },
			       { "memory.oom.group", "1" },	 { "cpuset.cpus", "1" },
			       { "io.latency", "8:0 target=10" } };
	struct cg_resources r = { .unified = { v, 7 } };

	CHECK_EQ(resources(&r, true, true), 0);
	CHECK_STR(value("MemoryHigh"), "t 4096");
	CHECK_STR(value("MemoryMin"), "t 18446744073709551615");
	CHECK_STR(value("CPUQuotaPerSecUSec"), "t 400000");
	CHECK_STR(value("CPUQuotaPeriodUSec"), "t 50000");
	CHECK_STR(value("TasksMax"), "t 1");
	CHECK_STR(value("OOMPolicy"), "s kill");
	CHECK_STR(value("AllowedCPUs"), "ay 2");
	CHECK_EQ(resources(&r, true, false), 0);
	CHECK(!value("OOMPolicy"));
	v[0].value = "much";
	CHECK_EQ(resources(&r, true, true), -EINVAL);
	CHECK_STR(error.msg, "unified resource \"memory.high\" value conversion error: \"much\"");
}

TEST(annotations_have_the_types_of_their_text)
{
	CHECK_STR(variant("true"), "b true");
	CHECK_STR(variant(" 'a \\' b' "), "s a ' b");
	CHECK_STR(variant("\"x\""), "s x");
	CHECK_STR(variant("-5"), "i -5");
	CHECK_STR(variant("uint64 18446744073709551615"), "t 18446744073709551615");
	CHECK_STR(variant("byte 7"), "y 7");
	CHECK_STR(variant("1.5"), "d 1.5");
	CHECK_STR(variant("['a', 'b']"), "as a b");
	CHECK_STR(variant("[uint32 1, 2]"), "au 1 2");
	CHECK_STR(variant("@as []"), "as");
}

TEST(annotations_that_are_no_value_are_refused)
{
	CHECK(strstr(variant("[]"), "an empty array without its type"));
	CHECK(strstr(variant("yes"), "value parse error"));
	CHECK(strstr(variant("uint32 -1"), "is no number of the type 'u'"));
	CHECK(strstr(variant("'a"), "a string without its end"));
	CHECK(strstr(variant("['a', 1]"), "is no number"));
	CHECK(strstr(variant("[1"), "an array without its end"));
	CHECK(strstr(variant("1 2"), "more than one value"));
	CHECK(strstr(variant("@a(ss) []"), "a type that is not supported"));
	CHECK(strstr(variant(""), "no value"));
}

TEST(seconds_become_microseconds)
{
	struct json_pair v[] = { { "org.systemd.property.TimeoutStopSec", "uint64 5" },
				 { "org.systemd.property.RuntimeMaxUSec", "uint64 5" },
				 { "org.systemd.property.FooSec", "1.5" },
				 { "other", "x" } };
	struct json_map map = { v, 4 };

	fresh();
	CHECK_EQ(systemd_props_annotations(&props, &map, &error), 0);
	CHECK_EQ(props.list.n, 3);
	CHECK_STR(value("TimeoutStopUSec"), "t 5000000");
	CHECK_STR(value("RuntimeMaxUSec"), "t 5");
	CHECK_STR(value("FooUSec"), "t 1500000");
}

TEST(a_propertys_name_is_letters)
{
	struct json_pair v = { "org.systemd.property.A1b", "1" };
	struct json_map map = { &v, 1 };

	fresh();
	CHECK_EQ(systemd_props_annotations(&props, &map, &error), -EINVAL);
	CHECK(strstr(error.msg, "name incorrect: contains non-alphabetic character"));
	v.key = "org.systemd.property.Ab";
	CHECK_EQ(systemd_props_annotations(&props, &map, &error), -EINVAL);
	CHECK(strstr(error.msg, "name incorrect: too short"));
}

TEST(calls_whose_values_do_not_fit_are_refused)
{
	const char *values[] = { "a", "b", "c" };
	struct systemd_property p = { .name = "X", .signature = "a(ss)", .values = { values, 2 } };
	struct systemd_call c = { .verb = SYSTEMD_START,
				  .unit = "a-b.scope",
				  .properties = { &p, 1 } };

	CHECK_EQ(systemd_call_check(&c, &error), 0);
	p.values.n = 3;
	CHECK_EQ(systemd_call_check(&c, &error), -EINVAL);
	p.signature = "a{sv}";
	CHECK_EQ(systemd_call_check(&c, &error), -EINVAL);
	p = (struct systemd_property){ .name = "X", .signature = "t", .values = { values, 1 } };
	c.unit = "a/b.scope";
	CHECK_EQ(systemd_call_check(&c, &error), -EINVAL);
	c.unit = "a.service";
	CHECK_EQ(systemd_call_check(&c, &error), -EINVAL);
}

TEST_MAIN()
