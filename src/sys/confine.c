#include "sys/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "sys/caps.h"
#include "sys/seccomp.h"

#define UID_NOBODY 65534

#if defined(__x86_64__)
#define ARCH_AUDIT AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH_AUDIT AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH here"
#endif
#define X32_BIT 0x40000000u

static int set_limit(int what, rlim_t max)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return -errno;
	l.rlim_max = MIN(l.rlim_max, max);
	l.rlim_cur = l.rlim_max;
	return setrlimit(what, &l) < 0 ? -errno : 0;
}

int confine_limits(rlim_t memory, rlim_t files, rlim_t seconds, struct err *e)
{
	int r = set_limit(RLIMIT_CORE, 0);

	if (r == 0)
		r = set_limit(RLIMIT_CPU, seconds);
	if (r == 0)
		r = set_limit(RLIMIT_NOFILE, files);
	/* Data counts what is written to; address space would count the libraries too. */
	if (r == 0 && !IS_SANITIZED)
		r = set_limit(RLIMIT_DATA, memory);
	return r < 0 ? err_sys(e, r, "set limits") : 0;
}

int confine_become_nobody(struct err *e)
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
	return r < 0 ? err_sys(e, r, "become nobody") : 0;
}

int confine_no_new_privs(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, -errno, "give up new privileges");
	return 0;
}

/* ---- the filter ---- */

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
static void add_soft_rule(struct program *p, enum confine_kind kind)
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

static void add_rule(struct program *p, const struct confine_rule *rule)
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

int confine_calls(const struct confine_rule *v, size_t n, struct err *e)
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
		add_rule(&p, &v[i]);
	add_return(&p, SECCOMP_RET_KILL_PROCESS);
	prog.len = p.n;
	return seccomp_load(&prog, 0, e);
}
