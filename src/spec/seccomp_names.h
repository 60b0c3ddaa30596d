#pragma once
/*
 * The names of linux.seccomp, each with what libseccomp or the kernel calls it: the compiler makes its
 * tables of these rows, and `features` the lists that it prints. The values are only looked at where
 * seccomp.h is included. runtime-spec 1.3 config-linux.md#seccomp.
 */

/* X(name, action, what errnoRet is for it) */
#define SECCOMP_ACTIONS(X)                                         \
	X(SCMP_ACT_ALLOW, SCMP_ACT_ALLOW, DATA_NONE)               \
	X(SCMP_ACT_ERRNO, SCMP_ACT_ERRNO(0), DATA_ERRNO)           \
	X(SCMP_ACT_KILL, SCMP_ACT_KILL_THREAD, DATA_NONE)          \
	X(SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_PROCESS, DATA_NONE) \
	X(SCMP_ACT_KILL_THREAD, SCMP_ACT_KILL_THREAD, DATA_NONE)   \
	X(SCMP_ACT_LOG, SCMP_ACT_LOG, DATA_NONE)                   \
	X(SCMP_ACT_NOTIFY, SCMP_ACT_NOTIFY, DATA_NONE)             \
	X(SCMP_ACT_TRACE, SCMP_ACT_TRACE(0), DATA_TRACE)           \
	X(SCMP_ACT_TRAP, SCMP_ACT_TRAP, DATA_NONE)

/* X(name): libseccomp's are called the same. */
#define SECCOMP_OPERATORS(X) \
	X(SCMP_CMP_EQ)       \
	X(SCMP_CMP_GE)       \
	X(SCMP_CMP_GT)       \
	X(SCMP_CMP_LE)       \
	X(SCMP_CMP_LT)       \
	X(SCMP_CMP_MASKED_EQ) X(SCMP_CMP_NE)

/* X(name, value): WAIT_KILLABLE_RECV is newer than some headers. */
#define SECCOMP_FLAGS(X)                                                  \
	X(SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_LOG)               \
	X(SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_SPEC_ALLOW) \
	X(SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_TSYNC)           \
	X(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, FLAG_WAIT_KILLABLE_RECV)
