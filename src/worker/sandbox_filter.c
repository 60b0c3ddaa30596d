#include "worker/sandbox_filter.h"

#include "base/mem.h"
#include "sys/confine.h"

/* The copy role, which has this sandbox too, begins to write back the blob that it keeps. */
static const struct confine_rule parse_rules[] = { CONFINE_COMMON,
						   { SYS_sync_file_range, RULE_ANY } };

/* OpenSSL's random numbers, which some curves are computed with, ask whether the process was forked. */
static const struct confine_rule verify_rules[] = { CONFINE_COMMON, { SYS_getpid, RULE_ANY } };

/*
 * newfstatat is also how the C library asks about a descriptor (AT_EMPTY_PATH). openat2's first argument is
 * checked alike; its paths are relative because only sys/root calls it.
 */
static const struct confine_rule unpack_rules[] = {
	CONFINE_COMMON,
	{ SYS_sync_file_range, RULE_ANY },
	{ SYS_pwrite64, RULE_ANY },
	{ SYS_ftruncate, RULE_ANY },
	{ SYS_fchown, RULE_ANY },
	{ SYS_fchmod, RULE_ANY },
	{ SYS_fsetxattr, RULE_ANY },
	{ SYS_getdents64, RULE_ANY },
	{ SYS_fcntl, RULE_ANY },
	{ SYS_openat, RULE_DIRFD },
	{ SYS_openat2, RULE_DIRFD },
	{ SYS_newfstatat, RULE_DIRFD },
	{ SYS_mkdirat, RULE_DIRFD },
	{ SYS_mknodat, RULE_DIRFD },
	{ SYS_symlinkat, RULE_DIRFD1 },
	{ SYS_linkat, RULE_DIRFD2 },
	{ SYS_unlinkat, RULE_DIRFD },
	{ SYS_readlinkat, RULE_DIRFD },
	{ SYS_fchownat, RULE_DIRFD },
	{ SYS_fchmodat, RULE_DIRFD },
	{ SYS_utimensat, RULE_DIRFD },
	/* One thread that inflates (worker/ahead.h). */
	{ SYS_clone, RULE_THREAD },
	{ SYS_clone3, RULE_ABSENT },
	{ SYS_set_robust_list, RULE_ANY },
	{ SYS_rseq, RULE_ANY },
	{ SYS_rt_sigprocmask, RULE_ANY },
	{ SYS_rt_sigaction, RULE_ANY },
};

/*
 * What libcurl, OpenSSL and the C library's resolver (in a thread) need. clone3 hides its flags from a filter, so the
 * C library is sent to clone. Files: landlock says which may be read.
 */
static const struct confine_rule fetch_rules[] = {
	CONFINE_COMMON,
#ifdef SYS_poll
	{ SYS_poll, RULE_ANY },
#endif
	{ SYS_ppoll, RULE_ANY },
	{ SYS_socket, RULE_NET },
	{ SYS_connect, RULE_ANY },
	{ SYS_bind, RULE_ANY },
	{ SYS_getsockname, RULE_ANY },
	{ SYS_getpeername, RULE_ANY },
	{ SYS_getsockopt, RULE_ANY },
	{ SYS_setsockopt, RULE_ANY },
	{ SYS_sendmmsg, RULE_ANY },
	{ SYS_socketpair, RULE_ANY },
	{ SYS_pipe2, RULE_ANY },
	{ SYS_eventfd2, RULE_ANY },
	{ SYS_ioctl, RULE_IOCTL },
	{ SYS_fcntl, RULE_ANY },
	{ SYS_openat, RULE_READ },
	{ SYS_newfstatat, RULE_ANY },
	{ SYS_uname, RULE_ANY },
	{ SYS_getpid, RULE_ANY },
	{ SYS_gettid, RULE_ANY },
	{ SYS_getuid, RULE_ANY },
	{ SYS_geteuid, RULE_ANY },
	{ SYS_getgid, RULE_ANY },
	{ SYS_getegid, RULE_ANY },
	{ SYS_clock_nanosleep, RULE_ANY },
	{ SYS_gettimeofday, RULE_ANY },
	{ SYS_clone, RULE_THREAD },
	{ SYS_clone3, RULE_ABSENT },
	{ SYS_set_robust_list, RULE_ANY },
	{ SYS_rseq, RULE_ANY },
	{ SYS_rt_sigprocmask, RULE_ANY },
	{ SYS_rt_sigaction, RULE_ANY },
	{ SYS_sched_yield, RULE_ANY },
	{ SYS_ftruncate, RULE_ANY },
	{ SYS_pwrite64, RULE_ANY },
	{ SYS_pread64, RULE_ANY },
};

/*
 * pack reads folders by descriptor and writes what was opened for it. The xattrs of links and devices, which cannot be
 * opened, are read by name in the working directory, which is one of the folder's (the root is the folder). capset can
 * only give up more.
 */
static const struct confine_rule pack_rules[] = {
	CONFINE_COMMON,
	{ SYS_getdents64, RULE_ANY },
	{ SYS_fcntl, RULE_ANY },
	{ SYS_openat, RULE_READ_AT },
	{ SYS_newfstatat, RULE_DIRFD },
	{ SYS_readlinkat, RULE_DIRFD },
	{ SYS_fchdir, RULE_ANY },
	{ SYS_llistxattr, RULE_ANY },
	{ SYS_lgetxattr, RULE_ANY },
	{ SYS_flistxattr, RULE_ANY },
	{ SYS_fgetxattr, RULE_ANY },
	{ SYS_capget, RULE_ANY },
	{ SYS_capset, RULE_ANY },
};

int sandbox_filter_load(enum sandbox_calls calls, struct err *e)
{
	static const struct {
		const struct confine_rule *v;
		size_t n;
	} lists[] = {
		[CALLS_PARSE] = { parse_rules, ARRAY_LEN(parse_rules) },
		[CALLS_VERIFY] = { verify_rules, ARRAY_LEN(verify_rules) },
		[CALLS_UNPACK] = { unpack_rules, ARRAY_LEN(unpack_rules) },
		[CALLS_FETCH] = { fetch_rules, ARRAY_LEN(fetch_rules) },
		[CALLS_PACK] = { pack_rules, ARRAY_LEN(pack_rules) },
	};

	return confine_calls(lists[calls].v, lists[calls].n, e);
}
