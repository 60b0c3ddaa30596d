#pragma once
/*
 * Kernel calls that the C library may lack, as thin functions that return -errno, and their constants.
 *
 * Own names for all structs and enums: glibc's <sys/mount.h> and <linux/mount.h> cannot be included
 * together, and musl has neither. Nothing here has a policy. Safe after fork: yes.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC 02000000
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

#define K_FSOPEN_CLOEXEC 1u
#define K_FSMOUNT_CLOEXEC 1u
#define K_MOVE_F_EMPTY 0x04u
#define K_MOVE_T_EMPTY 0x40u

enum k_fsconfig { K_FSCONFIG_FLAG = 0, K_FSCONFIG_STRING = 1, K_FSCONFIG_CREATE = 6 };

#define K_ATTR_RDONLY 0x01ull
#define K_ATTR_NOSUID 0x02ull
#define K_ATTR_NODEV 0x04ull
#define K_ATTR_NOEXEC 0x08ull
#define K_ATTR_ATIME_MASK 0x70ull
#define K_ATTR_NOATIME 0x10ull
#define K_ATTR_STRICTATIME 0x20ull
#define K_ATTR_NODIRATIME 0x80ull
#define K_ATTR_IDMAP 0x00100000ull
#define K_ATTR_NOSYMFOLLOW 0x00200000ull

struct k_mount_attr {
	uint64_t set, clr, propagation, userns_fd;
};

#define K_RESOLVE_NO_XDEV 0x01ull
#define K_RESOLVE_NO_MAGICLINKS 0x02ull
#define K_RESOLVE_NO_SYMLINKS 0x04ull
#define K_RESOLVE_BENEATH 0x08ull
#define K_RESOLVE_IN_ROOT 0x10ull

struct k_open_how {
	uint64_t flags, mode, resolve;
};

#define K_CLONE_NEWTIME 0x00000080ull
#define K_CLONE_PIDFD 0x00001000ull
#define K_CLONE_INTO_CGROUP 0x200000000ull

struct k_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

static inline int k_ret(long r)
{
	return r < 0 ? -errno : (int)r;
}

static inline int k_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return k_ret(syscall(SYS_open_tree, dirfd, path, flags));
}

static inline int k_move_mount(int from, const char *from_path, int to, const char *to_path,
			       unsigned int flags)
{
	return k_ret(syscall(SYS_move_mount, from, from_path, to, to_path, flags));
}

static inline int k_fsopen(const char *type)
{
	return k_ret(syscall(SYS_fsopen, type, K_FSOPEN_CLOEXEC));
}

static inline int k_fsconfig(int fs, enum k_fsconfig cmd, const char *key, const char *value)
{
	return k_ret(syscall(SYS_fsconfig, fs, cmd, key, value, 0));
}

static inline int k_fsmount(int fs, uint64_t attr)
{
	return k_ret(syscall(SYS_fsmount, fs, K_FSMOUNT_CLOEXEC, (unsigned int)attr));
}

static inline int k_mount_setattr(int dirfd, const char *path, unsigned int flags,
				  const struct k_mount_attr *a)
{
	return k_ret(syscall(SYS_mount_setattr, dirfd, path, flags, a, sizeof(*a)));
}

static inline int k_openat2(int dirfd, const char *path, const struct k_open_how *how)
{
	return k_ret(syscall(SYS_openat2, dirfd, path, how, sizeof(*how)));
}

static inline pid_t k_clone3(const struct k_clone_args *a)
{
	return k_ret(syscall(SYS_clone3, a, sizeof(*a)));
}

static inline int k_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return k_ret(syscall(SYS_close_range, first, last, flags));
}

static inline int k_pivot_root(const char *new_root, const char *put_old)
{
	return k_ret(syscall(SYS_pivot_root, new_root, put_old));
}
