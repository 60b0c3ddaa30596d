#include "model.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>

#include "base/str.h"

static const struct {
	const char *scmp;
	uint32_t token, audit;
	uint64_t mask; /* of an argument */
} arches[] = {
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, SCMP_ARCH_X86_64, UINT64_MAX },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32, SCMP_ARCH_X86_64, UINT32_MAX },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86, SCMP_ARCH_X86, UINT32_MAX },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, SCMP_ARCH_AARCH64, UINT64_MAX },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM, SCMP_ARCH_ARM, UINT32_MAX },
};

static uint32_t answer_of(const char *action, uint32_t data)
{
	static const struct {
		const char *name;
		uint32_t ret;
		bool has_data;
	} rows[] = {
		{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
		{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
		{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
		{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
		{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
		{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
		{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, false },
		{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
		{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (streq(rows[i].name, action))
			return rows[i].ret | (rows[i].has_data ? data : 0);
	ASSERT(!"a known action");
	return 0;
}

/* A 32-bit call has 32-bit arguments: `mask` clears the upper half of them and of the constants. */
static bool condition_holds(const struct oci_seccomp_arg *c, const struct seccomp_data *d,
			    uint64_t mask)
{
	uint64_t v = d->args[c->index] & mask, value = c->value & mask;

	switch (c->op[9] << 8 | c->op[10]) {
	case 'N' << 8 | 'E':
		return v != value;
	case 'L' << 8 | 'T':
		return v < value;
	case 'L' << 8 | 'E':
		return v <= value;
	case 'E' << 8 | 'Q':
		return v == value;
	case 'G' << 8 | 'E':
		return v >= value;
	case 'G' << 8 | 'T':
		return v > value;
	default:
		return (v & value) == (c->value_two & mask);
	}
}

/* All conditions, or any of them when two are about the same argument. */
static bool conditions_hold(const struct oci_syscall *call, const struct seccomp_data *d,
			    uint64_t mask)
{
	unsigned int seen = 0;
	bool is_split = false;
	size_t held = 0;

	for (size_t i = 0; i < call->args.n; i++) {
		is_split |= seen >> call->args.v[i].index & 1;
		seen |= 1U << call->args.v[i].index;
		held += condition_holds(&call->args.v[i], d, mask);
	}
	return is_split ? held > 0 : held == call->args.n;
}

/* The architecture of the call among those of the profile; -1: none. x86_64 is the machine. */
static int arch_of(const struct oci_seccomp *s, const struct seccomp_data *d)
{
	bool is_x32 = d->arch == SCMP_ARCH_X86_64 && (uint32_t)d->nr & 0x40000000;

	for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
		bool is_listed = i == 0;

		for (size_t j = 0; j < s->architectures.n; j++)
			is_listed |= streq(s->architectures.v[j], arches[i].scmp);
		if (is_listed && arches[i].audit == d->arch &&
		    is_x32 == (arches[i].token == SCMP_ARCH_X32))
			return (int)i;
	}
	return -1;
}

uint32_t model_answer(const struct oci_seccomp *s, const struct seccomp_data *d, bool is_stubbed)
{
	uint32_t fallback = answer_of(s->default_action,
				      s->has_default_errno_ret ? s->default_errno_ret : EPERM);
	uint32_t ret = fallback;
	int arch = arch_of(s, d), last = 0;

	if (arch < 0)
		return SECCOMP_RET_KILL_THREAD;
	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct oci_syscall *call = &s->syscalls.v[i];
		uint32_t answer = answer_of(call->action,
					    call->has_errno_ret ? call->errno_ret : EPERM);

		for (size_t j = 0; j < call->names.n; j++) {
			int number = seccomp_syscall_resolve_name_arch(arches[arch].token,
								       call->names.v[j]);

			last = MAX(last, number);
			if (number == d->nr && number != __NR_SCMP_ERROR && answer != fallback &&
			    conditions_hold(call, d, arches[arch].mask))
				ret = answer;
		}
	}
	if (is_stubbed && last && (uint32_t)d->nr > (uint32_t)last)
		return SECCOMP_RET_ERRNO | ENOSYS;
	return ret;
}
