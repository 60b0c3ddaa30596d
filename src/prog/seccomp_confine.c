/* What corten-seccomp gives up before it parses. */
#include "prog/seccomp_confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define UID_NOBODY 65534
/* A profile of 4 MiB with three architectures takes less than half of this. */
#define MEMORY_MAX ((rlim_t)512 << 20)
/* 4096 rules with conditions take libseccomp longer; the largest profiles in use take 20 ms. */
#define CPU_SECONDS_MAX 10
#define OUTPUT_MAX ((rlim_t)4 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* What memory, the standard streams and libseccomp's export need. */
static const int calls_allowed[] = {
	SCMP_SYS(brk),	   SCMP_SYS(close),	   SCMP_SYS(exit_group),   SCMP_SYS(fcntl),
	SCMP_SYS(fstat),   SCMP_SYS(futex),	   SCMP_SYS(getrandom),	   SCMP_SYS(lseek),
	SCMP_SYS(madvise), SCMP_SYS(mmap),	   SCMP_SYS(memfd_create), SCMP_SYS(mprotect),
	SCMP_SYS(mremap),  SCMP_SYS(munmap),	   SCMP_SYS(newfstatat),   SCMP_SYS(poll),
	SCMP_SYS(read),	   SCMP_SYS(rt_sigreturn), SCMP_SYS(write),	   SCMP_SYS(writev),
};

static int limit_set(int what, rlim_t max)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return -errno;
	now.rlim_cur = MIN(max, now.rlim_max);
	now.rlim_max = MIN(max + 1, now.rlim_max);
	return setrlimit(what, &now) < 0 ? -errno : 0;
}

/* The soft limit of CPU time comes a second before the hard one, which could say nothing. */
static void on_cpu_limit(int sig)
{
	static const char words[] =
		"corten-seccomp: seccomp profile: takes more than 10 seconds to compile\n";

	(void)sig;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		_exit(2);
	_exit(1);
}

/* In a user namespace without that user there is nobody to become; the capabilities go all the same. */
static int user_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (geteuid() == 0 &&
	    ((setgroups(0, NULL) < 0 && errno != EPERM) ||
	     (setresgid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 && errno != EINVAL) ||
	     (setresuid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 && errno != EINVAL)))
		return -errno;
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int calls_drop(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls_allowed); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_allowed[i], 0);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int seccomp_confine(struct err *e)
{
	int r = user_drop();

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && signal(SIGXCPU, on_cpu_limit) == SIG_ERR)
		r = -errno;
	if (r == 0)
		r = limit_set(RLIMIT_CPU, CPU_SECONDS_MAX);
	if (r == 0)
		r = limit_set(RLIMIT_FSIZE, OUTPUT_MAX);
	if (r == 0 && !IS_SANITIZED)
		r = limit_set(RLIMIT_AS, MEMORY_MAX);
	if (r == 0 && !IS_SANITIZED)
		r = calls_drop();
	return r < 0 ? err_sys(e, r, "cannot give up privileges") : 0;
}
