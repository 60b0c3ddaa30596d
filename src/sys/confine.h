#pragma once
/*
 * What a program gives up before it reads bytes from outside: limits, user and capabilities, new privileges, and all system
 * calls but those on a list; a call that is not on it ends the process, so there is no error to handle.
 *
 * For good, and for the calling thread: before there are others. In builds with a sanitizer the memory limit and the
 * list are left out, because both forbid what it does. Safe after fork: yes.
 */
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct err;

#if defined(CORTEN_SANITIZED)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

/* Arguments that a call needs to be let through. */
enum confine_kind {
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
struct confine_rule {
	int nr;
	enum confine_kind kind;
};

/* What every program needs: memory, the descriptors it has, the clock, random bytes, its end. */
#define CONFINE_COMMON                                                                             \
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

/* No core file; RLIM_INFINITY leaves memory (bytes of data) or processor time (seconds) as it is. Never raises one. */
int confine_limits(rlim_t memory, rlim_t files, rlim_t seconds, struct err *e);
/*
 * No capability, and uid and gid 65534 where the caller is root: in a user namespace without that user there is nobody
 * to become, and the capabilities go all the same.
 */
int confine_become_nobody(struct err *e);
int confine_no_new_privs(struct err *e);
/* The list of `n` calls. Needs no_new_privs or CAP_SYS_ADMIN. */
int confine_calls(const struct confine_rule *v, size_t n, struct err *e);
