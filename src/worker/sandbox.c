#include "worker/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
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
/* A layer of 100 GB takes some ten minutes; whatever takes longer is stuck or hostile. */
#define CPU_SECONDS 3600
#define OPEN_FILES 256

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
	RULE_DIRFD2,  /* the first and the third are (linkat) */
	RULE_NO_EXEC, /* mmap, mprotect: without PROT_EXEC in the third */
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

static const struct rule parse_rules[] = { COMMON_RULES };

/*
 * newfstatat is also how the C library asks about a descriptor (AT_EMPTY_PATH). openat2's first argument is
 * checked alike; its paths are relative because only sys/root calls it.
 */
static const struct rule unpack_rules[] = {
	COMMON_RULES,
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
	case RULE_NO_EXEC:
		add_load_arg(p, 2);
		add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1));
		add_return(p, SECCOMP_RET_KILL_PROCESS);
		break;
	case RULE_ANY:
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

int sandbox_enter_parse(struct err *e)
{
	int r = set_limits(PARSE_MEMORY, OPEN_FILES, e);

	if (r < 0)
		return r;
	/* In a user namespace without that user there is nobody to become; the capabilities go all the same. */
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
	if (r < 0)
		return err_sys(e, r, "worker: become nobody");
	r = no_new_privs(e);
	if (r < 0)
		return r;
	forbid_files();
	return load_filter(parse_rules, ARRAY_LEN(parse_rules), e);
}

#define CAP(c) (1ull << (c))
#define UNPACK_CAPS                                                                   \
	(CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | \
	 CAP(CAP_MKNOD) | CAP(CAP_SETFCAP))

static int keep_unpack_caps(struct err *e)
{
	const struct caps_sets sets = { .effective = UNPACK_CAPS, .permitted = UNPACK_CAPS };
	int r = caps_drop_bounding(UNPACK_CAPS);

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
static int clone_root(int root_fd)
{
	const struct k_mount_attr attr = { .set = K_ATTR_NODEV | K_ATTR_NOSUID | K_ATTR_NOEXEC };
	AUTO_FD fd = k_open_tree(root_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || k_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
		return root_fd;
	return TAKE_FD(fd);
}

int sandbox_enter_unpack(int root_fd, struct err *e)
{
	AUTO_FD root = -EBADF;
	int clone, r = set_limits(UNPACK_MEMORY, OPEN_FILES, e);

	if (r < 0)
		return r;
	clone = clone_root(root_fd);
	if (fchdir(clone) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "worker: make the layer's folder the root");
	/* A way around the clone. */
	if (clone != root_fd)
		close(root_fd);
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, -errno, "worker: open the layer's folder");
	/* Names come with their own modes. */
	umask(0);
	setgroups(0, NULL);
	r = keep_unpack_caps(e);
	if (r == 0)
		r = no_new_privs(e);
	if (r == 0)
		r = load_filter(unpack_rules, ARRAY_LEN(unpack_rules), e);
	return r < 0 ? r : TAKE_FD(root);
}
