/* The default seccomp profile: rows of names, grouped by purpose, and the conditions they hold under. */
#include "engine/seccomp_default.h"

#include <errno.h>
#include <sched.h>

#include "base/err.h"
#include "base/str.h"

/* Every flag of clone(2) that makes a namespace. CLONE_NEWTIME is a bit of the exit signal there. */
#define CLONE_NEW_ANY                                                                  \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

struct default_rule {
	const char *names;     /* separated by spaces */
	const char *caps;      /* of these the container must have all; NULL: it does not matter */
	const char *no_caps;   /* of these the container must have none */
	const char *arches;    /* the machine must be one of these */
	const char *no_arches; /* the machine must be none of these */
	const char *min_kernel;
	const char *op; /* of the condition on argument `index`; NULL: none */
	uint64_t value, value_two;
	uint32_t index;
	uint32_t errno_ret; /* 0: the rule allows, else it refuses with this errno */
};

static const struct default_rule rules[] = {
	/* Files by path. */
	{ "access chdir chmod chown chown32 creat faccessat faccessat2 fchmodat fchmodat2 fchownat "
	  "futimesat getcwd lchown lchown32 link linkat mkdir mkdirat mknod mknodat "
	  "name_to_handle_at open openat openat2 readlink readlinkat rename renameat renameat2 rmdir "
	  "symlink symlinkat truncate truncate64 umask unlink unlinkat utime utimensat "
	  "utimensat_time64 utimes" },
	/* Files and folders by descriptor. */
	{ "cachestat close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 fallocate "
	  "fchdir fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 "
	  "getdents getdents64 ioctl lseek _llseek pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev "
	  "pwritev2 read readahead readv sendfile sendfile64 splice sync sync_file_range syncfs tee "
	  "vmsplice write writev" },
	/* What is known of a file, a filesystem, a mount. */
	{ "fstat fstat64 fstatat64 fstatfs fstatfs64 listmount lstat lstat64 newfstatat stat stat64 "
	  "statfs statfs64 statmount statx" },
	/* Extended attributes. */
	{ "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr "
	  "listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr "
	  "setxattrat" },
	/* Watching files; fanotify_init, which watches a whole mount, needs a capability below. */
	{ "fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch" },
	/* Waiting for descriptors, and asynchronous input and output; io_uring is left out on purpose. */
	{ "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	  "epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents "
	  "io_pgetevents_time64 io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 "
	  "select _newselect signalfd signalfd4" },
	/* Memory. */
	{ "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 "
	  "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
	  "pkey_free pkey_mprotect process_mrelease remap_file_pages" },
	/* Processes and threads; clone and clone3 are below. */
	{ "execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getpgid getpgrp "
	  "getpid getppid getrusage getsid gettid pidfd_open prctl restart_syscall rseq "
	  "set_robust_list set_thread_area set_tid_address setpgid setsid vfork wait4 waitid waitpid" },
	/* Locks between threads. */
	{ "futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake" },
	/* Signals. */
	{ "kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
	  "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
	  "sigaltstack sigprocmask sigreturn tgkill tkill" },
	/* Who one is; the kernel asks for CAP_SETUID and the like itself. */
	{ "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
	  "getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid "
	  "setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid "
	  "setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32" },
	/* Limits one sets oneself. */
	{ "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp" },
	/* Resources and scheduling. */
	{ "getpriority getrlimit ioprio_get ioprio_set prlimit64 sched_get_priority_max "
	  "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
	  "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
	  "sched_setparam sched_setscheduler sched_yield setpriority setrlimit ugetrlimit" },
	/* Time and timers; setting the clock is below, adjtimex without CAP_SYS_TIME only reads. */
	{ "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
	  "clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep "
	  "setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
	  "timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
	  "timerfd_settime timerfd_settime64 times" },
	/* Sockets that are there; socket itself is below, and socketcall cannot be looked into. */
	{ "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg "
	  "recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall "
	  "socketpair" },
	/* IPC of System V and of POSIX. */
	{ "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	  "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
	  "semtimedop_time64 shmat shmctl shmdt shmget" },
	/* The system. */
	{ "getrandom riscv_hwprobe sysinfo uname uretprobe" },

	/* Sockets of every family but AF_ALG (38) and AF_VSOCK (40), which reaches the host. */
	{ "socket", .op = "SCMP_CMP_LT", .value = 38 },
	{ "socket", .op = "SCMP_CMP_EQ", .value = 39 },
	{ "socket", .op = "SCMP_CMP_GT", .value = 40 },
	/* Personalities: Linux, 2.6 numbers, 32 bit, both, and the question which it is. */
	{ "personality", .op = "SCMP_CMP_EQ", .value = 0x0 },
	{ "personality", .op = "SCMP_CMP_EQ", .value = 0x8 },
	{ "personality", .op = "SCMP_CMP_EQ", .value = 0x20000 },
	{ "personality", .op = "SCMP_CMP_EQ", .value = 0x20008 },
	{ "personality", .op = "SCMP_CMP_EQ", .value = 0xffffffff },
	/* Before 4.8 ptrace was a way around seccomp. */
	{ "process_vm_readv process_vm_writev ptrace", .min_kernel = "4.8" },

	/*
	 * New processes without new namespaces. clone3 keeps its flags in memory, where a filter cannot
	 * look, so it is said not to exist; libc then takes clone.
	 */
	{ "clone", .no_caps = "CAP_SYS_ADMIN", .no_arches = "s390 s390x",
	  .op = "SCMP_CMP_MASKED_EQ", .index = 0, .value = CLONE_NEW_ANY },
	{ "clone", .no_caps = "CAP_SYS_ADMIN", .arches = "s390 s390x", .op = "SCMP_CMP_MASKED_EQ",
	  .index = 1, .value = CLONE_NEW_ANY },
	{ "clone3", .no_caps = "CAP_SYS_ADMIN", .errno_ret = ENOSYS },

	/* What one machine alone has. */
	{ "arch_prctl", .arches = "amd64 x32" },
	{ "modify_ldt", .arches = "amd64 x32 x86" },
	{ "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
	  .arches = "arm arm64" },
	{ "swapcontext sync_file_range2", .arches = "ppc64le" },
	{ "riscv_flush_icache", .arches = "riscv64" },
	{ "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr", .arches = "s390 s390x" },

	/* What a capability opens; without it the kernel would refuse most of these too. */
	{ "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
	  "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
	  "open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
	  "umount umount2 unshare",
	  "CAP_SYS_ADMIN" },
	{ "bpf", "CAP_BPF" },
	{ "open_by_handle_at", "CAP_DAC_READ_SEARCH" },
	{ "perf_event_open", "CAP_PERFMON" },
	{ "reboot", "CAP_SYS_BOOT" },
	{ "chroot", "CAP_SYS_CHROOT" },
	{ "delete_module finit_module init_module", "CAP_SYS_MODULE" },
	{ "get_mempolicy mbind set_mempolicy set_mempolicy_home_node", "CAP_SYS_NICE" },
	{ "acct", "CAP_SYS_PACCT" },
	{ "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
	  "CAP_SYS_PTRACE" },
	{ "ioperm iopl", "CAP_SYS_RAWIO" },
	{ "clock_settime clock_settime64 settimeofday stime", "CAP_SYS_TIME" },
	{ "vhangup", "CAP_SYS_TTY_CONFIG" },
	{ "syslog", "CAP_SYSLOG" },
};

/* A machine and the other system call tables that its programs may use, in the map's form. */
static const char arch_families[][72] = {
	"SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32",
	"SCMP_ARCH_AARCH64 SCMP_ARCH_ARM",
	"SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPS64N32 SCMP_ARCH_MIPS SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPSEL64 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64N32",
	"SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_S390X SCMP_ARCH_S390",
	"SCMP_ARCH_RISCV64",
	"SCMP_ARCH_LOONGARCH64",
};

/* Splits words at single spaces. NULL gives an empty list. */
static int words_split(const char *text, struct arena *a, struct json_strs *ret)
{
	size_t n = 1;
	char *copy;

	*ret = (struct json_strs){ 0 };
	if (!text)
		return 0;
	for (const char *p = text; *p; p++)
		n += *p == ' ';
	copy = arena_strdup(a, text);
	ret->v = arena_calloc(a, n, sizeof(*ret->v));
	if (!copy || !ret->v)
		return -ENOMEM;
	for (char *save = NULL, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		ret->v[ret->n++] = w;
	ASSERT(ret->n == n);
	return 0;
}

static int condition_make(const char *caps, const char *arches, const char *min_kernel,
			  struct arena *a, struct seccomp_condition **ret)
{
	struct seccomp_condition *c;

	*ret = NULL;
	if (!caps && !arches && !min_kernel)
		return 0;
	c = arena_alloc(a, sizeof(*c));
	if (!c || words_split(caps, a, &c->caps) < 0 || words_split(arches, a, &c->arches) < 0)
		return -ENOMEM;
	c->min_kernel = min_kernel;
	*ret = c;
	return 0;
}

static int rule_make(const struct default_rule *row, struct arena *a, struct seccomp_rule *ret)
{
	ret->action = row->errno_ret ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW";
	ret->has_errno_ret = row->errno_ret != 0;
	ret->errno_ret = row->errno_ret;
	if (row->op) {
		ret->args.v = arena_alloc(a, sizeof(*ret->args.v));
		if (!ret->args.v)
			return -ENOMEM;
		ret->args.v[0] = (struct oci_seccomp_arg){
			.index = row->index,
			.value = row->value,
			.value_two = row->value_two,
			.op = row->op,
		};
		ret->args.n = 1;
	}
	if (words_split(row->names, a, &ret->names) < 0 ||
	    condition_make(row->caps, row->arches, row->min_kernel, a, &ret->includes) < 0 ||
	    condition_make(row->no_caps, row->no_arches, NULL, a, &ret->excludes) < 0)
		return -ENOMEM;
	return 0;
}

static int arch_map_make(struct arena *a, struct seccomp_profile *p)
{
	p->arch_map.v = arena_calloc(a, ARRAY_LEN(arch_families), sizeof(*p->arch_map.v));
	if (!p->arch_map.v)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(arch_families); i++) {
		struct seccomp_arch_map *m = &p->arch_map.v[p->arch_map.n++];
		struct json_strs all;

		if (words_split(arch_families[i], a, &all) < 0)
			return -ENOMEM;
		m->architecture = all.v[0];
		m->sub_architectures = (struct json_strs){ all.v + 1, all.n - 1 };
	}
	return 0;
}

int seccomp_default_profile(struct arena *a, struct seccomp_profile **ret, struct err *e)
{
	struct seccomp_profile *p = arena_alloc(a, sizeof(*p));
	int r = p ? arch_map_make(a, p) : -ENOMEM;

	if (r == 0) {
		p->default_action = "SCMP_ACT_ERRNO";
		p->has_default_errno_ret = true;
		p->default_errno_ret = EPERM;
		p->rules.v = arena_calloc(a, ARRAY_LEN(rules), sizeof(*p->rules.v));
		r = p->rules.v ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rules); i++)
		r = rule_make(&rules[i], a, &p->rules.v[p->rules.n++]);
	if (r < 0)
		return err_set(e, r, "no memory for the default seccomp profile");
	*ret = p;
	return 0;
}

int seccomp_default_resolve(const struct seccomp_subject *s, struct arena *a,
			    struct oci_seccomp **ret, struct err *e)
{
	struct seccomp_profile *p;
	int r = seccomp_default_profile(a, &p, e);

	return r < 0 ? r : seccomp_profile_resolve(p, s, a, ret, e);
}
