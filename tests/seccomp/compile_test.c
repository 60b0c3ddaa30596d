/* seccomp_compile: its filters in the interpreter against the plain meaning of the rules. */
#include "spec/seccomp_compile.h"

#include <errno.h>
#include <seccomp.h>

#include "base/err.h"
#include "base/test.h"
#include "bpf.h"
#include "engine/seccomp_default.h"
#include "model.h"
#include "space.h"
#include "spec/seccomp_blob.h"

#define NR(name) seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name)
#define NR_X32(name) seccomp_syscall_resolve_name_arch(SCMP_ARCH_X32, name)

static struct arena a;
static struct err e;
static struct oci_seccomp spec;
static void *blob;
static struct seccomp_blob head;
static struct bpf_program program;

static int compile_spec(const struct seccomp_compile_options *o)
{
	size_t len;
	int r;

	free(TAKE_PTR(blob));
	e = ERR_INIT;
	r = seccomp_compile(&spec, o, &blob, &len, &e);
	if (r < 0)
		return r;
	CHECK(seccomp_blob_check(blob, len));
	memcpy(&head, blob, sizeof(head));
	program = (struct bpf_program){ (struct sock_filter *)((char *)blob + sizeof(head)),
					head.insns };
	CHECK(bpf_check(&program));
	return 0;
}

static int compile(const char *text)
{
	int r;

	arena_done(&a);
	a = (struct arena){ 0 };
	e = ERR_INIT;
	r = json_read(&oci_seccomp_table, text, strlen(text), NULL, &a, &spec, &e);
	return r < 0 ? r : compile_spec(NULL);
}

static uint32_t ask(int number, uint64_t first, uint64_t second)
{
	struct seccomp_data d = { .nr = number,
				  .arch = SCMP_ARCH_X86_64,
				  .args = { first, second } };

	return bpf_run(&program, &d, NULL);
}

#define CHECK_CALL(d, wanted)                                                                  \
	do {                                                                                   \
		uint32_t got_ = bpf_run(&program, d, NULL), wanted_ = wanted;                  \
		if (got_ != wanted_)                                                           \
			TEST_END(TEST_FAILED,                                                  \
				 "call %#x of %#x (%#llx, %#llx, %#llx): %#x, wanted %#x",     \
				 (d)->nr, (d)->arch, (d)->args[0], (d)->args[1], (d)->args[2], \
				 got_, wanted_);                                               \
	} while (0)

/* Every number of the listed architectures with every value of note in one argument each. */
static void check_model(uint32_t arch, uint32_t first, uint32_t last, bool is_stubbed)
{
	struct space_values values = { 0 };

	space_values_add(&values, &spec);
	for (uint32_t n = first; n <= last; n++) {
		struct seccomp_data d = { .nr = (int)n, .arch = arch };
		unsigned int touched;

		bpf_run(&program, &d, &touched);
		CHECK_CALL(&d, model_answer(&spec, &d, is_stubbed));
		for (size_t i = 0; touched && i < values.n * 3; i++) {
			d.args[0] = d.args[1] = d.args[2] = 0;
			d.args[i % 3] = values.v[i / 3];
			CHECK_CALL(&d, model_answer(&spec, &d, is_stubbed));
		}
	}
}

static void check_default(size_t caps_len)
{
	static const char *caps[] = { "CAP_SYS_ADMIN" };
	struct seccomp_subject s = { { caps, caps_len }, "amd64", 6, 1 };
	struct oci_seccomp *p;

	arena_done(&a);
	a = (struct arena){ 0 };
	CHECK_EQ(seccomp_default_resolve(&s, &a, &p, NULL), 0);
	spec = *p;
	for (unsigned int optimize = 0; optimize <= 2; optimize++) {
		CHECK_EQ(compile_spec(&(struct seccomp_compile_options){ .optimize = optimize }),
			 0);
		check_model(SCMP_ARCH_X86_64, 0, 600, true);
		check_model(SCMP_ARCH_X86_64, 0x40000000, 0x40000000 + 600, true);
		check_model(SCMP_ARCH_X86_64, 0x80000000, 0x80000010, true);
		check_model(SCMP_ARCH_AARCH64, 0, 10, true);
	}
}

TEST(the_default_profile_means_what_its_rules_say)
{
	check_default(0);
}

TEST(the_default_profile_of_an_administrator_too)
{
	check_default(1);
}

TEST(each_action_is_its_return_value)
{
	CHECK_EQ(compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
			 "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"},"
			 "{\"names\":[\"rmdir\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0},"
			 "{\"names\":[\"link\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":4094},"
			 "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_KILL\"},"
			 "{\"names\":[\"tkill\"],\"action\":\"SCMP_ACT_KILL_THREAD\"},"
			 "{\"names\":[\"tgkill\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
			 "{\"names\":[\"pause\"],\"action\":\"SCMP_ACT_TRAP\",\"errnoRet\":7},"
			 "{\"names\":[\"umask\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65535},"
			 "{\"names\":[\"uname\"],\"action\":\"SCMP_ACT_TRACE\"},"
			 "{\"names\":[\"sync\"],\"action\":\"SCMP_ACT_LOG\"},"
			 "{\"names\":[\"chdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"),
		 0);
	CHECK_EQ(ask(NR("mkdir"), 0, 0), SECCOMP_RET_ERRNO | EPERM);
	CHECK_EQ(ask(NR("rmdir"), 0, 0), SECCOMP_RET_ERRNO);
	CHECK_EQ(ask(NR("link"), 0, 0), SECCOMP_RET_ERRNO | 4094);
	CHECK_EQ(ask(NR("kill"), 0, 0), SECCOMP_RET_KILL_THREAD);
	CHECK_EQ(ask(NR("tgkill"), 0, 0), SECCOMP_RET_KILL_PROCESS);
	CHECK_EQ(ask(NR("pause"), 0, 0), SECCOMP_RET_TRAP);
	CHECK_EQ(ask(NR("umask"), 0, 0), SECCOMP_RET_TRACE | 65535);
	CHECK_EQ(ask(NR("uname"), 0, 0), SECCOMP_RET_TRACE | EPERM);
	CHECK_EQ(ask(NR("sync"), 0, 0), SECCOMP_RET_LOG);
	CHECK_EQ(ask(NR("chdir"), 0, 0), SECCOMP_RET_USER_NOTIF);
	CHECK_EQ(ask(NR("read"), 0, 0), SECCOMP_RET_ALLOW);
	check_model(SCMP_ARCH_X86_64, 0, 600, false);
	CHECK_EQ(head.has_listener, 1);
	CHECK_EQ(head.default_ret, SECCOMP_RET_ALLOW);
}

TEST(each_operator_compares_64_bits)
{
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		char text[512];

		snprintf(
			text, sizeof(text),
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
			"{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":%zu,"
			"\"value\":%llu,\"valueTwo\":%llu,\"op\":\"SCMP_CMP_%s\"}]}]}",
			i % 3, 0x1234500000067ULL, 0x200000005ULL & 0x1234500000067ULL, ops[i]);
		CHECK_EQ(compile(text), 0);
		check_model(SCMP_ARCH_X86_64, 0, 40, true);
	}
}

TEST(conditions_on_several_arguments_must_all_hold)
{
	CHECK_EQ(
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"dup2\"],"
			"\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
			"{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
			"{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}"),
		0);
	CHECK_EQ(ask(NR("dup2"), 1, 2), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR("dup2"), 1, 3), SECCOMP_RET_ERRNO | EPERM);
	CHECK_EQ(ask(NR("dup2"), 0, 2), SECCOMP_RET_ERRNO | EPERM);
}

TEST(two_conditions_on_one_argument_are_two_rules)
{
	CHECK_EQ(
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"dup2\"],"
			"\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
			"{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
			"{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_EQ\"},"
			"{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}"),
		0);
	CHECK_EQ(ask(NR("dup2"), 1, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR("dup2"), 5, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR("dup2"), 0, 2), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR("dup2"), 0, 0), SECCOMP_RET_ERRNO | EPERM);
	check_model(SCMP_ARCH_X86_64, 0, 40, true);
}

TEST(calls_newer_than_the_profile_do_not_exist)
{
	CHECK_EQ(
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\","
			"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":["
			"{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"),
		0);
	CHECK_EQ(ask(NR("openat2"), 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR("openat2") - 1, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	CHECK_EQ(ask(NR("openat2") + 1, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	CHECK_EQ(ask(NR_X32("openat2"), 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR_X32("openat2") + 1, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	CHECK_EQ(ask(NR_X32("dup"), 0, 0), SECCOMP_RET_ERRNO | EPERM);
	check_model(SCMP_ARCH_X86, 0, 600, true);
	check_model(SCMP_ARCH_X86_64, 0, 600, true);
}

TEST(only_a_refusing_default_makes_them_so)
{
	static const struct {
		const char *action;
		uint32_t answer;
	} rows[] = {
		{ "\"SCMP_ACT_KILL_PROCESS\"", SECCOMP_RET_ERRNO | ENOSYS },
		{ "\"SCMP_ACT_TRAP\"", SECCOMP_RET_ERRNO | ENOSYS },
		{ "\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5", SECCOMP_RET_ERRNO | ENOSYS },
		{ "\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38", SECCOMP_RET_ERRNO | ENOSYS },
		{ "\"SCMP_ACT_TRACE\"", SECCOMP_RET_TRACE | EPERM },
		{ "\"SCMP_ACT_LOG\"", SECCOMP_RET_LOG },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "{\"defaultAction\":%s,\"syscalls\":["
			 "{\"names\":[\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
			 rows[i].action);
		CHECK_EQ(compile(text), 0);
		CHECK_EQ(ask(600, 0, 0), rows[i].answer);
	}
}

TEST(an_architecture_that_is_not_listed_is_killed)
{
	struct seccomp_data d = { .nr = 0, .arch = SCMP_ARCH_X86 };

	CHECK_EQ(compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"), 0);
	CHECK_EQ(ask(0, 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(bpf_run(&program, &d, NULL), SECCOMP_RET_KILL_THREAD);
	CHECK_EQ(ask(0x40000000, 0, 0), SECCOMP_RET_KILL_THREAD);
}

TEST(repeated_redundant_and_unknown_rules_are_skipped)
{
	CHECK_EQ(
		compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
			"{\"names\":[\"read\",\"read\",\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"},"
			"{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
			"{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
			"\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]},"
			"{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
			"\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]},"
			"{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"}]}"),
		0);
	CHECK_EQ(ask(NR("read"), 0, 0), SECCOMP_RET_ALLOW);
	CHECK_EQ(ask(NR("mkdir"), 0, 0), SECCOMP_RET_ERRNO | EPERM);
}

TEST(flags_become_the_kernels)
{
	static const struct {
		const char *flags;
		uint32_t plain, listening;
	} rows[] = {
		{ "", 4, 4 | 8 },
		{ ",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]", 2, 2 | 8 },
		{ ",\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\"]", 1, 1 | 8 | 16 },
		{ ",\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\",\"SECCOMP_FILTER_FLAG_LOG\"]", 6,
		  14 },
		{ ",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]", 0, 32 | 8 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text), "{\"defaultAction\":\"SCMP_ACT_ALLOW\"%s}",
			 rows[i].flags);
		CHECK_EQ(compile(text), 0);
		CHECK_EQ(head.flags, rows[i].plain);
		snprintf(text, sizeof(text),
			 "{\"defaultAction\":\"SCMP_ACT_ALLOW\"%s,\"syscalls\":["
			 "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
			 rows[i].flags);
		CHECK_EQ(compile(text), 0);
		CHECK_EQ(head.flags, rows[i].listening);
	}
}

TEST(wrong_profiles_are_refused_with_the_reason)
{
#define CALL(rest) \
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"dup\"]," rest "}]}"
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "{}", "defaultAction" },
		{ "{\"defaultAction\":\"ALLOW\"}", "'ALLOW'" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "default action" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4095}", "4095" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"LOG\"]}", "'LOG'" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"x86\"]}", "'x86'" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_VAX\"]}",
		  "VAX" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_S390X\"]}",
		  "byte" },
		{ CALL("\"action\":\"\""), "''" },
		{ CALL("\"comment\":\"no action\""), "action" },
		{ CALL("\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"),
		  "6" },
		{ CALL("\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"EQ\"}]"),
		  "'EQ'" },
		{ CALL("\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65536"), "65536" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"write\"],"
		  "\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		  "write" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"\"],"
		  "\"action\":\"SCMP_ACT_LOG\"}]}",
		  "empty" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (compile(rows[i].text) >= 0)
			TEST_END(TEST_FAILED, "taken: %s", rows[i].text);
		if (!strstr(e.msg, rows[i].words))
			CHECK_STR(e.msg, rows[i].words);
	}
}

TEST(too_many_rules_and_too_large_filters_are_refused)
{
	static char text[1 << 20];
	int n = snprintf(text, sizeof(text),
			 "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[");

	for (int i = 0; i < LIMIT_SECCOMP_RULES; i++)
		n += snprintf(text + n, sizeof(text) - n,
			      "{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ALLOW\","
			      "\"args\":[{\"index\":0,\"value\":%d,\"op\":\"SCMP_CMP_EQ\"}]},",
			      i * 7);
	snprintf(text + n - 1, sizeof(text) - n, "]}");
	CHECK_EQ(compile(text), -E2BIG);
	CHECK(strstr(e.msg, "instructions"));
	snprintf(text + n - 1, sizeof(text) - n,
		 ",{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	CHECK_EQ(compile(text), -E2BIG);
	CHECK(strstr(e.msg, "rules"));
}

TEST_MAIN()
