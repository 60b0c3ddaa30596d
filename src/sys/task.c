#include "sys/task.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

struct name_row {
	char name[26];
	int value;
};

static int find(const struct name_row *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(rows[i].name, name))
			return rows[i].value;
	return -EINVAL;
}

static const struct name_row rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int task_rlimit_find(const char *name)
{
	return find(rlimits, ARRAY_LEN(rlimits), name);
}

const char *task_rlimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++)
		if (rlimits[i].value == resource)
			return rlimits[i].name;
	return "RLIMIT_?";
}

/* The kernel's form of prlimit64: the C library's rlim_t may be smaller. */
struct k_rlimit64 {
	uint64_t cur, max;
};

int task_set_rlimit(const struct task_rlimit *l, bool *ret_is_clamped, struct err *e)
{
	struct k_rlimit64 want = { l->soft, l->hard }, have;
	const char *name = task_rlimit_name(l->resource);

	*ret_is_clamped = false;
	if (syscall(SYS_prlimit64, 0, l->resource, &want, NULL) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, -errno, "error setting rlimit type %s", name);
	if (syscall(SYS_prlimit64, 0, l->resource, NULL, &have) < 0)
		return err_sys(e, -errno, "read rlimit %s", name);
	want.max = MIN(want.max, have.max);
	want.cur = MIN(want.cur, want.max);
	*ret_is_clamped = true;
	if (syscall(SYS_prlimit64, 0, l->resource, &want, NULL) < 0)
		return err_sys(e, -errno, "error setting rlimit type %s", name);
	return 0;
}

int task_set_ids(const struct task_ids *ids, struct err *e)
{
	/* Raw calls: this process has one thread, and the C library's wrappers signal all threads. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "keep capabilities");
	if (!ids->keeps_groups && syscall(SYS_setgroups, ids->groups_n, ids->groups) < 0)
		return err_sys(e, -errno, "setgroups");
	if (syscall(SYS_setresgid, ids->gid, ids->gid, ids->gid) < 0)
		return err_sys(e, -errno, "setgid %u", ids->gid);
	if (syscall(SYS_setresuid, ids->uid, ids->uid, ids->uid) < 0)
		return err_sys(e, -errno, "setuid %u", ids->uid);
	return 0;
}

int task_set_oom_score(int score)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", score);
	return file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
}

static const struct name_row policies[] = {
	{ "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },	    { "SCHED_BATCH", 3 },
	{ "SCHED_ISO", 4 },   { "SCHED_IDLE", 5 }, { "SCHED_DEADLINE", 6 },
};

int task_sched_find(const char *name)
{
	return find(policies, ARRAY_LEN(policies), name);
}

static const struct name_row sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },     { "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};

uint64_t task_sched_flag(const char *name)
{
	int v = find(sched_flags, ARRAY_LEN(sched_flags), name);

	return v < 0 ? 0 : (uint64_t)v;
}

int task_set_sched(const struct task_sched *s, struct err *e)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = { sizeof(a),  (uint32_t)s->policy, s->flags, s->nice, (uint32_t)s->priority,
		s->runtime, s->deadline,	 s->period };

	return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? err_sys(e, -errno, "set scheduler") : 0;
}

static const struct name_row io_classes[] = { { "IOPRIO_CLASS_RT", 1 },
					      { "IOPRIO_CLASS_BE", 2 },
					      { "IOPRIO_CLASS_IDLE", 3 } };

int task_ioprio_find(const char *name)
{
	return find(io_classes, ARRAY_LEN(io_classes), name);
}

int task_set_ioprio(int class_, int priority, struct err *e)
{
	return syscall(SYS_ioprio_set, 1, 0, class_ << 13 | priority) < 0
		       ? err_sys(e, -errno, "set io priority")
		       : 0;
}

static const struct name_row domains[] = { { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 } };

long task_personality_find(const char *name)
{
	return find(domains, ARRAY_LEN(domains), name);
}

int task_set_personality(long p, struct err *e)
{
	return personality((unsigned long)p) < 0 ? err_sys(e, -errno, "set personality") : 0;
}

int task_join_keyring(const char *name, struct err *e)
{
	long r = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	return r < 0 && errno != ENOSYS && errno != EPERM
		       ? err_sys(e, -errno, "join session keyring")
		       : 0;
}

int task_cpus_parse(const char *list, unsigned long mask[16])
{
	const char *p = list;

	memset(mask, 0, 16 * sizeof(mask[0]));
	while (*p) {
		unsigned int a = 0, b, n = 0;

		for (; *p >= '0' && *p <= '9' && n < 5; p++, n++)
			a = a * 10 + (unsigned int)(*p - '0');
		b = a;
		if (n && *p == '-')
			for (p++, b = 0, n = 0; *p >= '0' && *p <= '9' && n < 5; p++, n++)
				b = b * 10 + (unsigned int)(*p - '0');
		if (!n || b < a || (*p && *p != ','))
			return -EINVAL;
		if (b > 1023)
			return -ERANGE;
		for (; a <= b; a++)
			mask[a / 64] |= 1ul << a % 64;
		p += *p == ',';
	}
	return 0;
}

int task_set_cpus(const unsigned long mask[16], struct err *e)
{
	return syscall(SYS_sched_setaffinity, 0, 128, mask) < 0
		       ? err_sys(e, -errno, "set CPU affinity")
		       : 0;
}

void task_reset_cpus(void)
{
	unsigned long mask[16];

	memset(mask, 0xff, sizeof(mask));
	syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask);
}

static const struct name_row mem_modes[] = {
	{ "MPOL_DEFAULT", 0 },
	{ "MPOL_PREFERRED", 1 },
	{ "MPOL_BIND", 2 },
	{ "MPOL_INTERLEAVE", 3 },
	{ "MPOL_LOCAL", 4 },
	{ "MPOL_PREFERRED_MANY", 5 },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 },
};
static const struct name_row mem_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
	{ "MPOL_F_RELATIVE_NODES", 1 << 14 },
	{ "MPOL_F_STATIC_NODES", 1 << 15 },
};

int task_mempolicy_find(const char *name)
{
	return find(mem_modes, ARRAY_LEN(mem_modes), name);
}

int task_mempolicy_flag(const char *name)
{
	return find(mem_flags, ARRAY_LEN(mem_flags), name);
}

const char *task_mempolicy_name(size_t i)
{
	return i < ARRAY_LEN(mem_modes) ? mem_modes[i].name : NULL;
}

const char *task_mempolicy_flag_name(size_t i)
{
	return i < ARRAY_LEN(mem_flags) ? mem_flags[i].name : NULL;
}

int task_set_mempolicy(int mode, const unsigned long mask[16], bool has_nodes, struct err *e)
{
	long r = syscall(SYS_set_mempolicy, mode, has_nodes ? mask : NULL, has_nodes ? 1025 : 0);

	return r < 0 ? err_sys(e, -errno, "set memory policy") : 0;
}
