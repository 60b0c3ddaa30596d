#pragma once
/*
 * What the cgroup files share among themselves: the kernel's small files, read and written by place.
 *
 * Not for others: sys/cgroup.h is the interface. Buffers are the caller's; a file that does not fit is
 * -EFBIG, never cut. Safe after fork: yes.
 */
#include "sys/cgroup.h"

/* A group's file as number or short list; memory.stat of 6.18 has 2 KiB, percpu usage 20 bytes a CPU. */
#define CG_FILE_MAX ((size_t)64 << 10)
/* A knob's value: the longest is a cpuset list of a machine with thousands of CPUs. */
#define CG_VALUE_MAX 8192
/* Folders below a container's group: what systemd in a container makes is some hundred. */
#define CG_CHILDREN_MAX 65536
/* Depth of groups below a container's: the kernel's own default is unlimited, systemd makes 6. */
#define CG_DEPTH_MAX 64

/* The part of `path` below `root`, beginning with '/', or NULL when it is not below. Borrowed from `path` or static. */
const char *cg_path_below(const char *path, const char *root);
/* True for an absolute path without empty, "." and ".." parts (a trailing or doubled slash is fine). */
bool cg_path_is_plain(const char *path);

/* The place of a controller that this group has, or -1. */
int cg_place_of(const struct cgroup *g, enum cg_controller c);
/* Whether place `i` speaks v2. */
static inline bool cg_is_v2(const struct cgroup *g, int i)
{
	return g->host->h[i].is_unified;
}

/* Reads a whole file, NUL-terminated. Returns its length or -errno. */
ssize_t cg_read_at(int dirfd, const char *file, char *buf, size_t cap);
ssize_t cg_read(const struct cgroup *g, int i, const char *file, char *buf, size_t cap);
/* One number; "max" is UINT64_MAX. -EINVAL for another form. */
int cg_read_u64(const struct cgroup *g, int i, const char *file, uint64_t *ret);
/* Finds `key` followed by a space at the start of a line and reads the number behind. -ENOENT. */
int cg_find_u64(const char *text, const char *key, uint64_t *ret);
/* One write call. Without words; 0 or -errno. */
int cg_write_at(int dirfd, const char *file, const char *value);
/* The same; the error names value and path. */
int cg_write(const struct cgroup *g, int i, const char *file, const char *value, struct err *e);

/*
 * Calls `fn` for each group below `dirfd`, deepest first, with its parent's fd and name. Folders that
 * vanish meanwhile are skipped. -ELOOP beyond CG_DEPTH_MAX, -E2BIG beyond CG_CHILDREN_MAX, or what fn gave.
 */
int cg_walk(int dirfd, int (*fn)(int parent, const char *name, void *arg), void *arg);

/* v2: turns the controllers (bits) on in the group of `dirfd` for its children, as far as it may. */
void cg_enable(int dirfd, uint32_t controllers);
/* Hybrid and v2: makes `c` usable in place `i`, turning it on from the mount down to the parent. */
void cg_enable_down(const struct cgroup *g, int i, enum cg_controller c);
