#include "worker/sandbox_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/mem.h"
#include "sys/seccomp.h"

#if defined(__x86_64__)
#define ARCH_AUDIT AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH_AUDIT AUDIT_ARCH_AARCH64
#else
#error "corten-worker: name this architecture's AUDIT_ARCH here"
#endif
#define X32_BIT 0x40000000u

/* Arguments that a call needs to be let through. */
enum rule_kind {
	RULE_ANY,
	RULE_DIRFD,   /* the first is a descriptor, not the working directory */
	RULE_DIRFD1,  /* the second is (symlinkat) */
	RULE_READ_AT, /* openat: RULE_DIRFD, and nothing that could write or make a file */
	RULE_DIRFD2,  /* the first and the third are (linkat) */
	RULE_NO_EXEC, /* mmap, mprotect: without PROT_EXEC in the third */
	RULE_READ,    /* openat: EACCES for what could write or make a file */
	RULE_THREAD,  /* clone: threads only */
	RULE_NET, /* socket: IPv4, IPv6 and the resolver's netlink; EAFNOSUPPORT for others (nscd's) */
	RULE_IOCTL,  /* FIONREAD and FIONBIO; ENOTTY for others */
	RULE_ABSENT, /* ENOSYS: the C library has another way */
};
struct rule {
	int nr;
	enum rule_kind kind;
};

#define COMMON_RULES                                                                               \
	{ SYS_read, RULE_ANY }, { SYS_write, RULE_ANY }, { SYS_close, RULE_ANY },                  \
		{ SYS_lseek, RULE_ANY }, { SYS_recvmsg, RULE_ANY }, { SYS_recvfrom, RULE_ANY },    \
		{ SYS_sendmsg, RULE_ANY }, { SYS_sendto, RULE_ANY }, { SYS_mmap, RULE_NO_EXEC },   \
		{ SYS_mprotect, RULE_NO_EXEC }, { SYS_munmap, RULE_ANY },                          \
		{ SYS_mremap, RULE_ANY }, { SYS_brk, RULE_ANY }, { SYS_madvise, RULE_ANY },        \
		{ SYS_futex, RULE_ANY }, { SYS_fstat, RULE_ANY }, { SYS_clock_gettime, RULE_ANY }, \
		{ SYS_getrandom, RULE_ANY }, { SYS_exit, RULE_ANY }, { SYS_exit_group, RULE_ANY }, \
		{ SYS_rt_sigreturn, RULE_ANY },                                                    \
	{                                                                                          \
		SYS_sysinfo, RULE_ANY                                                              \
	} /* glibc's qsort */

/* The copy role, which has this sandbox too, begins to write back the blob that it keeps. */
static const struct rule parse_rules[] = { COMMON_RULES, { SYS_sync_file_range, RULE_ANY } };

/* OpenSSL's random numbers, which some curves are computed with, ask whether the process was forked. */
static const struct rule verify_rules[] = { COMMON_RULES, { SYS_getpid, RULE_ANY } };

/*
 * newfstatat is also how the C library asks about a descriptor (AT_EMPTY_PATH). openat2's first argument is
 * checked alike; its paths are relative because only sys/root calls it.
 */
static const struct rule unpack_rules[] = {
	COMMON_RULES,
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
static const struct rule fetch_rules[] = {
	COMMON_RULES,
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
static const struct rule pack_rules[] = {
	COMMON_RULES,
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

#define PROGRAM_MAX 256
struct program {
	struct sock_filter v[PROGRAM_MAX];
	unsigned short n;
};

static void add(struct program *p, struct sock_filter f)
{
	ASSERT(p->n < PROGRAM_MAX);
	p->v[p->n++] = f;
}

static void add_load(struct program *p, size_t offset)
{
	add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void add_return(struct program *p, uint32_t verdict)
{
	add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* The low half of argument `i`: the kernel takes descriptors and protections as 32-bit numbers. */
static void add_load_arg(struct program *p, unsigned int i)
{
	add_load(p, offsetof(struct seccomp_data, args) + 8 * i +
			    (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0));
}

/* AT_FDCWD and every other negative number: not a descriptor. */
static void add_need_descriptor(struct program *p, unsigned int arg)
{
	add_load_arg(p, arg);
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80000000u, 0, 1));
	add_return(p, SECCOMP_RET_KILL_PROCESS);
}

static void add_errno(struct program *p, int error)
{
	add_return(p, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* Goes on when the loaded argument is one of these, else ends with `error`. */
static void add_need_one_of(struct program *p, const uint32_t *v, size_t n, int error)
{
	for (size_t i = 0; i < n; i++)
		add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v[i],
						    (uint8_t)(n - i), 0));
	add_errno(p, error);
}

/* The kinds that answer with an error instead of death. */
static void add_soft_rule(struct program *p, enum rule_kind kind)
{
	static const uint32_t families[] = { AF_INET, AF_INET6, AF_NETLINK };
	static const uint32_t requests[] = { FIONREAD, FIONBIO };

	switch (kind) {
	case RULE_READ:
		add_load_arg(p, 2);
		add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
						    O_ACCMODE | O_CREAT | O_TRUNC, 0, 1));
		add_errno(p, EACCES);
		break;
	case RULE_NET:
		add_load_arg(p, 0);
		add_need_one_of(p, families, ARRAY_LEN(families), EAFNOSUPPORT);
		break;
	case RULE_IOCTL:
		add_load_arg(p, 1);
		add_need_one_of(p, requests, ARRAY_LEN(requests), ENOTTY);
		break;
	default:
		add_errno(p, ENOSYS);
		break;
	}
}

static void add_rule(struct program *p, const struct rule *rule)
{
	unsigned short jump = p->n;

	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->nr, 0, 0));
	switch (rule->kind) {
	case RULE_DIRFD2:
		add_need_descriptor(p, 2);
		__attribute__((fallthrough));
	case RULE_DIRFD:
		add_need_descriptor(p, 0);
		break;
	case RULE_DIRFD1:
		add_need_descriptor(p, 1);
		break;
	case RULE_READ_AT:
		add_need_descriptor(p, 0);
		add_load_arg(p, 2);
		add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
						    O_ACCMODE | O_CREAT | O_TRUNC, 0, 1));
		add_return(p, SECCOMP_RET_KILL_PROCESS);
		break;
	case RULE_NO_EXEC:
		add_load_arg(p, 2);
		add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1));
		add_return(p, SECCOMP_RET_KILL_PROCESS);
		break;
	case RULE_THREAD:
		add_load_arg(p, 0);
		add(p,
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
		add_return(p, SECCOMP_RET_KILL_PROCESS);
		break;
	case RULE_ANY:
		break;
	default:
		add_soft_rule(p, rule->kind);
		break;
	}
	add_return(p, SECCOMP_RET_ALLOW);
	p->v[jump].jf = (uint8_t)(p->n - jump - 1);
}

int sandbox_filter_load(enum sandbox_calls calls, struct err *e)
{
	static const struct {
		const struct rule *v;
		size_t n;
	} lists[] = {
		[CALLS_PARSE] = { parse_rules, ARRAY_LEN(parse_rules) },
		[CALLS_VERIFY] = { verify_rules, ARRAY_LEN(verify_rules) },
		[CALLS_UNPACK] = { unpack_rules, ARRAY_LEN(unpack_rules) },
		[CALLS_FETCH] = { fetch_rules, ARRAY_LEN(fetch_rules) },
		[CALLS_PACK] = { pack_rules, ARRAY_LEN(pack_rules) },
	};
	struct program p = { .n = 0 };
	struct sock_fprog prog = { .filter = p.v };

	if (IS_SANITIZED)
		return 0;
	add_load(&p, offsetof(struct seccomp_data, arch));
	add(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_AUDIT, 1, 0));
	add_return(&p, SECCOMP_RET_KILL_PROCESS);
	add_load(&p, offsetof(struct seccomp_data, nr));
	add(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	add_return(&p, SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < lists[calls].n; i++)
		add_rule(&p, &lists[calls].v[i]);
	add_return(&p, SECCOMP_RET_KILL_PROCESS);
	prog.len = p.n;
	return seccomp_load(&prog, 0, e);
}
