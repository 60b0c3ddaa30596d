#include "worker/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "sys/calls.h"
#include "sys/caps.h"
#include "sys/seccomp.h"

#define UID_NOBODY 65534

/* Sum of what may lie in memory; the parse role keeps whole manifests, the unpack role lists of paths. */
#define PARSE_MEMORY ((rlim_t)64 << 20)
#define UNPACK_MEMORY ((rlim_t)256 << 20)
#define PACK_MEMORY ((rlim_t)256 << 20)
/* The certificates of 150 authorities, TLS, and the stack of the resolver's thread. */
#define FETCH_MEMORY ((rlim_t)96 << 20)
/* A layer of 100 GB takes some ten minutes; whatever takes longer is stuck or hostile. */
#define CPU_SECONDS 3600
#define OPEN_FILES 256
/* Two folders for each level of a tree that is as deep as a path can be (pack). */
#define PACK_OPEN_FILES 8192

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

static int load_filter(const struct rule *rules, size_t n, struct err *e)
{
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
	for (size_t i = 0; i < n; i++)
		add_rule(&p, &rules[i]);
	add_return(&p, SECCOMP_RET_KILL_PROCESS);
	prog.len = p.n;
	return seccomp_load(&prog, 0, e);
}

static int set_limit(int what, rlim_t max)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return -errno;
	l.rlim_max = MIN(l.rlim_max, max);
	l.rlim_cur = l.rlim_max;
	return setrlimit(what, &l) < 0 ? -errno : 0;
}

static int set_limits(rlim_t memory, rlim_t files, struct err *e)
{
	int r = set_limit(RLIMIT_CORE, 0);

	if (r == 0)
		r = set_limit(RLIMIT_CPU, CPU_SECONDS);
	if (r == 0)
		r = set_limit(RLIMIT_NOFILE, files);
	/* Data counts what is written to; address space would count the libraries too. */
	if (r == 0 && !IS_SANITIZED)
		r = set_limit(RLIMIT_DATA, memory);
	return r < 0 ? err_sys(e, r, "worker: set limits") : 0;
}

/*
 * A ruleset without rules: no path can be opened at all. Kernels without landlock have the filter alone,
 * which forbids the same.
 */
static void forbid_files(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = (1ull << 13) - 1 };
	AUTO_FD fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd >= 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
}

/* A change of credentials clears the wish to die with the parent. */
static int die_with_parent(struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, -errno, "worker: die with the parent");
	return 0;
}

static int no_new_privs(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, -errno, "worker: give up new privileges");
	return die_with_parent(e);
}

/* In a user namespace without that user there is nobody to become; the capabilities go all the same. */
static int become_nobody(struct err *e)
{
	int r = 0;

	if (geteuid() == 0) {
		r = caps_drop_bounding(0);
		if (r == 0 &&
		    ((setgroups(0, NULL) < 0 && errno != EPERM) ||
		     (setresgid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 && errno != EINVAL) ||
		     (setresuid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 && errno != EINVAL)))
			r = -errno;
	}
	if (r == 0)
		r = caps_set_ambient(0);
	if (r == 0)
		r = caps_set(&(struct caps_sets){ 0 });
	return r < 0 ? err_sys(e, r, "worker: become nobody") : 0;
}

static int enter_nothing(const struct rule *rules, size_t n, struct err *e)
{
	int r = set_limits(PARSE_MEMORY, OPEN_FILES, e);

	if (r == 0)
		r = become_nobody(e);
	if (r == 0)
		r = no_new_privs(e);
	if (r < 0)
		return r;
	forbid_files();
	return load_filter(rules, n, e);
}

int sandbox_enter_parse(struct err *e)
{
	return enter_nothing(parse_rules, ARRAY_LEN(parse_rules), e);
}

int sandbox_enter_verify(struct err *e)
{
	return enter_nothing(verify_rules, ARRAY_LEN(verify_rules), e);
}

/* As forbid_files, but the files that the resolver reads anew at each look-up stay readable. */
static void forbid_files_but_resolver(void)
{
	static const char *const files[] = { "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf",
					     "/etc/gai.conf", "/etc/nsswitch.conf" };
	struct landlock_ruleset_attr attr = { .handled_access_fs = (1ull << 13) - 1 };
	AUTO_FD ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (ruleset < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FD fd = open(files[i], O_PATH | O_CLOEXEC);
		struct landlock_path_beneath_attr rule = { LANDLOCK_ACCESS_FS_READ_FILE, fd };

		if (fd >= 0)
			syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule,
				0);
	}
	syscall(SYS_landlock_restrict_self, ruleset, 0);
}

int sandbox_enter_fetch(struct err *e)
{
	int r = set_limits(FETCH_MEMORY, OPEN_FILES, e);

	if (r == 0)
		r = become_nobody(e);
	if (r == 0)
		r = no_new_privs(e);
	if (r < 0)
		return r;
	forbid_files_but_resolver();
	return load_filter(fetch_rules, ARRAY_LEN(fetch_rules), e);
}

#define CAP(c) (1ull << (c))
#define UNPACK_CAPS                                                                   \
	(CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | \
	 CAP(CAP_MKNOD) | CAP(CAP_SETFCAP))

static int keep_caps(uint64_t caps, struct err *e)
{
	const struct caps_sets sets = { .effective = caps, .permitted = caps };
	int r = caps_drop_bounding(caps);

	if (r == 0)
		r = caps_set_ambient(0);
	if (r == 0)
		r = caps_set(&sets);
	return r < 0 ? err_sys(e, r, "worker: give up capabilities") : 0;
}

/*
 * The layer's folder through a mount of its own on which no device opens: the role may make device nodes, and one
 * of the host's disk would be a way out. That mount lives as long as the descriptor, which is never closed. Where
 * the kernel has no such mounts, or a user namespace makes device nodes impossible, it is the folder itself.
 */
static int clone_root(int root_fd, uint64_t more)
{
	const struct k_mount_attr attr = {
		.set = K_ATTR_NODEV | K_ATTR_NOSUID | K_ATTR_NOEXEC | more,
		.clr = more & K_ATTR_ATIME_MASK ? K_ATTR_ATIME_MASK : 0
	};
	AUTO_FD fd = k_open_tree(root_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || k_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
		return root_fd;
	return TAKE_FD(fd);
}

static int become_root(int root_fd, int clone, struct err *e)
{
	int root;

	if (fchdir(clone) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "worker: make the layer's folder the root");
	/* A way around the clone. */
	if (clone != root_fd)
		close(root_fd);
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_sys(e, -errno, "worker: open the layer's folder") : root;
}

int sandbox_enter_unpack(int root_fd, struct err *e)
{
	AUTO_FD root = -EBADF;
	int clone, r = set_limits(UNPACK_MEMORY, OPEN_FILES, e);

	if (r < 0)
		return r;
	clone = clone_root(root_fd, 0);
	root = become_root(root_fd, clone, e);
	if (root < 0)
		return root;
	/* Names come with their own modes. */
	umask(0);
	setgroups(0, NULL);
	r = keep_caps(UNPACK_CAPS, e);
	if (r == 0)
		r = no_new_privs(e);
	if (r == 0)
		r = load_filter(unpack_rules, ARRAY_LEN(unpack_rules), e);
	return r < 0 ? r : TAKE_FD(root);
}

#define PACK_CAPS CAP(CAP_DAC_READ_SEARCH)

/* A descriptor that the role goes on with, of a folder's clone; that of a file as it is. */
static int clone_base(int base_fd)
{
	AUTO_FD fd = -EBADF;
	struct stat st;
	int clone;

	if (fstat(base_fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return base_fd;
	clone = clone_root(base_fd, K_ATTR_RDONLY | K_ATTR_NOATIME);
	if (clone == base_fd)
		return base_fd;
	fd = openat(clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(base_fd);
	return TAKE_FD(fd);
}

/* Only the owner's namespace has CAP_SYS_ADMIN to keep: elsewhere trusted.* cannot be read, nor was it written. */
static uint64_t scan_caps(void)
{
	struct caps_sets sets;

	return caps_get(&sets) < 0 ? PACK_CAPS : (PACK_CAPS | CAP(CAP_SYS_ADMIN)) & sets.permitted;
}

int sandbox_enter_pack(int root_fd, int *base_fd, struct err *e)
{
	AUTO_FD root = -EBADF;
	int r = set_limits(PACK_MEMORY, PACK_OPEN_FILES, e);

	if (r == 0 && *base_fd >= 0) {
		r = clone_base(*base_fd);
		if (r < 0)
			return err_sys(e, r, "worker: open the folder below");
		*base_fd = r;
	}
	if (r < 0)
		return r;
	root = become_root(root_fd, clone_root(root_fd, K_ATTR_RDONLY | K_ATTR_NOATIME), e);
	if (root < 0)
		return root;
	signal(SIGPIPE, SIG_IGN);
	setgroups(0, NULL);
	r = keep_caps(scan_caps(), e);
	if (r == 0)
		r = no_new_privs(e);
	if (r == 0)
		r = load_filter(pack_rules, ARRAY_LEN(pack_rules), e);
	return r < 0 ? r : TAKE_FD(root);
}

int sandbox_pack_scanned(struct err *e)
{
	const uint64_t caps = scan_caps() & PACK_CAPS;
	int r = caps_set(&(struct caps_sets){ .effective = caps, .permitted = caps });

	return r < 0 ? err_sys(e, r, "worker: give up capabilities") : 0;
}
