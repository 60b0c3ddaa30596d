/*
 * Compiled filters in the kernel: a child loads one, makes harmless calls, and gets what the interpreter
 * says. The blob comes from the program itself (CORTEN_SECCOMP), as the runtime gets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/test.h"
#include "bpf.h"
#include "spec/seccomp_blob.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#define NATIVE_ARCH 0
#endif

/* Larger than any blob; proc_run's output ends with a NUL. */
#define OUTPUT_MAX (SECCOMP_BLOB_BYTES_MAX + 1024)
#define RUN_MS 20000
/* errno of a call that the kernel itself answered or would answer. */
#define PASSED (-1)

struct output {
	char *text;
	size_t len;
	int status;
};

/* The program's standard output; its errors go to /dev/null. */
static struct output run(const char *verb, const char *input)
{
	const char *path = getenv("CORTEN_SECCOMP");
	char *argv[] = { (char *)"corten-seccomp", (char *)verb, NULL };
	struct output o = { 0 };
	int in[2], out[2];
	struct child c;

	if (!path)
		TEST_SKIP("CORTEN_SECCOMP does not name the program under test");
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(in, O_CLOEXEC), 0);
	struct spawn_fd fds[] = { { in[0], 0 }, { out[1], 1 } };
	CHECK_EQ(proc_spawn(
			 &(struct spawn_options){
				 .path = path, .argv = argv, .fds = fds, .fds_len = 2 },
			 &c, NULL),
		 0);
	close(in[0]);
	close(out[1]);
	CHECK_EQ(fd_write_full(in[1], input, strlen(input)), 0);
	close(in[1]);
	CHECK_EQ(fd_read_all(out[0], OUTPUT_MAX + (1 << 20), &o.text, &o.len), 0);
	close(out[0]);
	CHECK_EQ(proc_wait(&c, RUN_MS, &o.status), 0);
	return o;
}

static struct output default_blob(void)
{
	struct output json = run("default", ""), blob;

	CHECK_EQ(json.status, 0);
	blob = run("compile", json.text);
	CHECK_EQ(blob.status, 0);
	CHECK(seccomp_blob_check(blob.text, blob.len));
	free(json.text);
	return blob;
}

static struct bpf_program program_of(const struct output *blob, struct seccomp_blob *ret_head)
{
	memcpy(ret_head, blob->text, sizeof(*ret_head));
	return (struct bpf_program){ (struct sock_filter *)(blob->text + sizeof(*ret_head)),
				     ret_head->insns };
}

/* Loads the blob in this process: the listener's descriptor, 0, or -errno. */
static int load(const struct output *blob)
{
	struct seccomp_blob head;
	struct bpf_program p = program_of(blob, &head);
	struct sock_fprog prog = { (unsigned short)p.n, (struct sock_filter *)p.v };
	long r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, head.flags, &prog);
	return r < 0 ? -errno : (int)r;
}

/* Calls that harm nothing, whether they pass or not: their arguments are wrong where they could. */
static const struct probe {
	const char *name;
	long number;
	unsigned long args[4];
} probes[] = {
	{ "getpid", SYS_getpid, { 0 } },
	{ "mount", SYS_mount, { 0 } },
	{ "umount2", SYS_umount2, { 0 } },
	{ "clone3", SYS_clone3, { 0 } },
	{ "clone of a user namespace", SYS_clone, { CLONE_NEWUSER | CLONE_SIGHAND } },
	{ "clone of nothing", SYS_clone, { CLONE_SIGHAND } },
	{ "unshare", SYS_unshare, { 0x1 } },
	{ "setns", SYS_setns, { -1UL } },
	{ "socket AF_UNIX", SYS_socket, { 1, 1, 0 } },
	{ "socket AF_NETLINK, wrong", SYS_socket, { 16, 99, 0 } },
	{ "socket AF_ALG", SYS_socket, { 38, 5, 0 } },
	{ "socket 39", SYS_socket, { 39, 99, 0 } },
	{ "socket AF_VSOCK", SYS_socket, { 40, 1, 0 } },
	{ "socket 41", SYS_socket, { 41, 99, 0 } },
	{ "personality, asked", SYS_personality, { 0xffffffff } },
	{ "personality 1", SYS_personality, { 1 } },
	{ "keyctl", SYS_keyctl, { -1UL } },
	{ "add_key", SYS_add_key, { 0 } },
	{ "bpf", SYS_bpf, { -1UL } },
	{ "io_uring_setup", SYS_io_uring_setup, { 0 } },
	{ "userfaultfd", SYS_userfaultfd, { -1UL } },
	{ "perf_event_open", SYS_perf_event_open, { 0 } },
	{ "kexec_load", SYS_kexec_load, { 0, 99, 0, -1UL } },
	{ "ptrace", SYS_ptrace, { -1UL } },
	{ "a call of the future", 600, { 0 } },
	{ "the last of the numbers", 0x3fffffff, { 0 } },
};

/* The errno that the filter gives to a probe, or PASSED. */
static int answer_to(const struct bpf_program *p, const struct probe *probe)
{
	struct seccomp_data d = { .nr = (int)probe->number, .arch = NATIVE_ARCH };
	uint32_t ret;

	for (size_t i = 0; i < ARRAY_LEN(probe->args); i++)
		d.args[i] = probe->args[i];
	ret = bpf_run(p, &d, NULL);
	return (ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? (int)(ret & SECCOMP_RET_DATA)
								    : PASSED;
}

static int errno_of(const struct probe *p)
{
	long r = syscall(p->number, p->args[0], p->args[1], p->args[2], p->args[3]);

	if (r == 0 && p->number == SYS_clone)
		_exit(0);
	return r < 0 ? errno : 0;
}

TEST(the_kernel_answers_as_the_interpreter_does)
{
	struct output blob = default_blob();
	struct seccomp_blob head;
	struct bpf_program p = program_of(&blob, &head);
	int before[ARRAY_LEN(probes)], pipefd[2], after[ARRAY_LEN(probes) + 1];
	pid_t pid;

	if (!NATIVE_ARCH)
		TEST_SKIP("the test does not know this machine's architecture");
	/* Without the filter and without privileges first: that is what passing must look like. */
	CHECK_EQ(pipe2(pipefd, O_CLOEXEC), 0);
	for (int with_filter = 0; with_filter < 2; with_filter++) {
		pid = fork();
		if (pid == 0) {
			int got[ARRAY_LEN(probes) + 1] = { 0 };

			if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
				_exit(3);
			got[ARRAY_LEN(probes)] = with_filter ? load(&blob) : 0;
			for (size_t i = 0; i < ARRAY_LEN(probes); i++)
				got[i] = errno_of(&probes[i]);
			_exit(write(pipefd[1], got, sizeof(got)) == sizeof(got) ? 0 : 4);
		}
		int status;

		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(fd_read_full(pipefd[0], after, sizeof(after)), sizeof(after));
		CHECK_EQ(after[ARRAY_LEN(probes)], 0);
		if (!with_filter)
			memcpy(before, after, sizeof(before));
	}
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		int wanted = answer_to(&p, &probes[i]);

		if (wanted == PASSED)
			wanted = before[i];
		if (after[i] != wanted)
			TEST_END(TEST_FAILED, "%s: errno %d, wanted %d", probes[i].name, after[i],
				 wanted);
	}
	close(pipefd[0]);
	close(pipefd[1]);
	free(blob.text);
}

/* The wait status of a child that loads the profile and calls getppid. */
static int status_with(const char *action)
{
	char text[256];
	struct output blob;
	int status;
	pid_t pid;

	snprintf(text, sizeof(text),
		 "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		 "{\"names\":[\"getppid\"],\"action\":\"%s\"}]}",
		 action);
	blob = run("compile", text);
	CHECK_EQ(blob.status, 0);
	pid = fork();
	if (pid == 0) {
		int r = load(&blob);
		struct seccomp_blob head;

		program_of(&blob, &head);
		if (r < 0 || head.has_listener)
			_exit(r < 0 ? 100 : r > 2 ? 77 : 101);
		_exit(syscall(SYS_getppid) > 0 ? 0 : errno);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	free(blob.text);
	return status;
}

TEST(every_action_loads_and_acts)
{
	CHECK_EQ(status_with("SCMP_ACT_ALLOW"), 0);
	CHECK_EQ(status_with("SCMP_ACT_LOG"), 0);
	CHECK_EQ(WEXITSTATUS(status_with("SCMP_ACT_ERRNO")), EPERM);
	CHECK_EQ(WEXITSTATUS(status_with("SCMP_ACT_TRACE")), ENOSYS);
	CHECK_EQ(WTERMSIG(status_with("SCMP_ACT_KILL")), SIGSYS);
	CHECK_EQ(WTERMSIG(status_with("SCMP_ACT_KILL_PROCESS")), SIGSYS);
	CHECK_EQ(WTERMSIG(status_with("SCMP_ACT_TRAP")), SIGSYS);
	CHECK_EQ(WEXITSTATUS(status_with("SCMP_ACT_NOTIFY")), 77);
}

TEST(all_flags_load_with_a_listener)
{
	struct output blob = run("compile",
				 "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":["
				 "\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_LOG\","
				 "\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\","
				 "\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"syscalls\":["
				 "{\"names\":[\"getppid\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}");
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(load(&blob) > 2 ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	free(blob.text);
}

TEST(wrong_input_ends_with_1_and_no_output)
{
	static const char *const wrong[] = { "", "{", "[]", "{\"defaultAction\":\"x\"}",
					     "\xff\xfe" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct output o = run("compile", wrong[i]);

		CHECK_EQ(o.status, 1);
		CHECK_EQ(o.len, 0);
		free(o.text);
	}
}

TEST(the_version_names_libseccomp)
{
	struct output o = run("version", "");

	CHECK_EQ(o.status, 0);
	CHECK(strstr(o.text, "libseccomp "));
	free(o.text);
}

TEST_MAIN()
