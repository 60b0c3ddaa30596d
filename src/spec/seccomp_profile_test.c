#include "spec/seccomp_profile.h"

#include <errno.h>

#include "base/err.h"
#include "base/test.h"

static const char *two_caps[] = { "CAP_CHOWN", "CAP_SYS_ADMIN" };

static struct seccomp_subject subject(size_t caps, const char *arch, uint32_t kernel,
				      uint32_t revision)
{
	return (struct seccomp_subject){ { two_caps, caps }, arch, kernel, revision };
}

static struct arena a;
static struct err e;

static int resolve(const char *text, struct seccomp_subject s, struct oci_seccomp **ret)
{
	struct seccomp_profile *p;
	int r;

	arena_done(&a);
	a = (struct arena){ 0 };
	e = ERR_INIT;
	r = seccomp_profile_read(text, strlen(text), &a, &p, &e);
	return r < 0 ? r : seccomp_profile_resolve(p, &s, &a, ret, &e);
}

/* The first names of the rules that hold, one after the other. */
static const char *held(const char *rules, struct seccomp_subject s)
{
	static char out[64];
	char text[1024];
	struct oci_seccomp *spec;

	snprintf(text, sizeof(text), "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[%s]}",
		 rules);
	if (resolve(text, s, &spec) < 0)
		return e.msg;
	out[0] = '\0';
	for (size_t i = 0; i < spec->syscalls.n; i++) {
		size_t len = strlen(out);

		snprintf(out + len, sizeof(out) - len, "%.8s", spec->syscalls.v[i].names.v[0]);
	}
	return out;
}

TEST(rules_without_conditions_hold_in_their_order)
{
	CHECK_STR(held("{\"names\":[\"b\",\"x\"]},{\"name\":\"a\"}", subject(0, "amd64", 6, 1)),
		  "ba");
}

TEST(includes_need_every_capability_and_excludes_any)
{
	const char *rules =
		"{\"name\":\"a\",\"includes\":{\"caps\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]}},"
		"{\"name\":\"b\",\"excludes\":{\"caps\":[\"CAP_KILL\",\"CAP_SYS_ADMIN\"]}}";

	CHECK_STR(held(rules, subject(0, "amd64", 6, 1)), "b");
	CHECK_STR(held(rules, subject(1, "amd64", 6, 1)), "b");
	CHECK_STR(held(rules, subject(2, "amd64", 6, 1)), "a");
}

TEST(architectures_are_one_of_a_list)
{
	const char *rules = "{\"name\":\"a\",\"includes\":{\"arches\":[\"amd64\",\"x32\"]}},"
			    "{\"name\":\"b\",\"excludes\":{\"arches\":[\"amd64\",\"x32\"]}}";

	CHECK_STR(held(rules, subject(0, "amd64", 6, 1)), "a");
	CHECK_STR(held(rules, subject(0, "arm64", 6, 1)), "b");
}

TEST(kernel_versions_compare_as_numbers)
{
	const char *rules = "{\"name\":\"a\",\"includes\":{\"minKernel\":\"4.18\"}},"
			    "{\"name\":\"b\",\"excludes\":{\"minKernel\":\"4.18\"}}";

	CHECK_STR(held(rules, subject(0, "amd64", 4, 8)), "b");
	CHECK_STR(held(rules, subject(0, "amd64", 4, 18)), "a");
	CHECK_STR(held(rules, subject(0, "amd64", 5, 1)), "a");
	CHECK_STR(held(rules, subject(0, "amd64", 3, 19)), "b");
	CHECK_STR(held("{\"name\":\"a\",\"includes\":{\"minKernel\":\"\"}}", subject(0, "x", 1, 0)),
		  "a");
}

TEST(wrong_kernel_versions_are_refused)
{
	static const char *const wrong[] = { "4",     "4.",  ".8",    "4.8.1", "0.0",
					     "256.1", "4.x", "4.256", "-4.8",  "99999999999.1" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char rule[128];

		snprintf(rule, sizeof(rule), "{\"name\":\"a\",\"includes\":{\"minKernel\":\"%s\"}}",
			 wrong[i]);
		held(rule, subject(0, "amd64", 6, 1));
		CHECK_EQ(e.errnum, EINVAL);
	}
}

TEST(the_map_gives_the_machines_architectures)
{
	const char *text =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":["
		"{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[\"SCMP_ARCH_ARM\"]},"
		"{\"architecture\":\"SCMP_ARCH_RISCV64\",\"subArchitectures\":null}]}";
	struct oci_seccomp *spec;

	CHECK_EQ(resolve(text, subject(0, "arm64", 6, 1), &spec), 0);
	CHECK_EQ(spec->architectures.n, 2);
	CHECK_STR(spec->architectures.v[1], "SCMP_ARCH_ARM");
	CHECK_EQ(resolve(text, subject(0, "riscv64", 6, 1), &spec), 0);
	CHECK_EQ(spec->architectures.n, 1);
	CHECK_EQ(resolve(text, subject(0, "amd64", 6, 1), &spec), 0);
	CHECK_EQ(spec->architectures.n, 0);
}

TEST(contradictions_are_refused)
{
	struct oci_seccomp *spec;

	held("{\"name\":\"a\",\"names\":[\"b\"]}", subject(0, "amd64", 6, 1));
	CHECK_EQ(e.errnum, EINVAL);
	CHECK_EQ(
		resolve("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],"
			"\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\"}]}",
			subject(0, "amd64", 6, 1), &spec),
		-EINVAL);
	CHECK_EQ(resolve("{\"syscalls\":7}", subject(0, "amd64", 6, 1), &spec), -EBADMSG);
}

TEST(everything_else_passes_through)
{
	struct oci_seccomp *spec;

	CHECK_EQ(
		resolve("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
			"\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"listenerPath\":\"/l\","
			"\"listenerMetadata\":\"m\",\"architectures\":[\"SCMP_ARCH_X86\"],"
			"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":0,"
			"\"comment\":\"c\",\"args\":[{\"index\":1,\"value\":18446744073709551615,"
			"\"valueTwo\":2,\"op\":\"SCMP_CMP_NE\"}]}]}",
			subject(0, "amd64", 6, 1), &spec),
		0);
	CHECK_EQ(spec->default_errno_ret, 38);
	CHECK_STR(spec->flags.v[0], "SECCOMP_FILTER_FLAG_LOG");
	CHECK_STR(spec->listener_path, "/l");
	CHECK_STR(spec->listener_metadata, "m");
	CHECK_STR(spec->architectures.v[0], "SCMP_ARCH_X86");
	CHECK(spec->syscalls.v[0].has_errno_ret);
	CHECK_EQ(spec->syscalls.v[0].args.n, 1);
	CHECK(spec->syscalls.v[0].args.v[0].value == UINT64_MAX);
	CHECK_EQ(spec->syscalls.v[0].args.v[0].value_two, 2);
}

TEST(an_empty_profile_means_no_seccomp)
{
	struct oci_seccomp *spec;

	CHECK_EQ(resolve("{}", subject(0, "amd64", 6, 1), &spec), 0);
	CHECK(spec == NULL);
}

TEST(too_many_names_are_refused)
{
	static char rule[LIMIT_SECCOMP_RULES * 4 + 256];
	struct oci_seccomp *spec;
	int n = snprintf(rule, sizeof(rule),
			 "{\"defaultAction\":\"x\",\"syscalls\":[{\"names\":[\"a\"");

	for (int i = 0; i < LIMIT_SECCOMP_RULES; i++)
		n += snprintf(rule + n, sizeof(rule) - n, ",\"a\"");
	snprintf(rule + n, sizeof(rule) - n, "]}]}");
	CHECK_EQ(resolve(rule, subject(0, "amd64", 6, 1), &spec), -E2BIG);
}

TEST_MAIN()
