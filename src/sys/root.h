#pragma once
/*
 * Opening paths below a container's root (or any foreign tree). This is the only module that does.
 *
 * A path is resolved as if the root were "/": "..", absolute links and chains of links end inside, and
 * magic links (/proc/PID/fd/N, /proc/PID/root) are refused. What comes back is a descriptor, and callers
 * work with it alone, so that nobody can exchange a component between check and use. openat2 does it in
 * the kernel; where it is missing or forbidden, a walk by components with O_PATH|O_NOFOLLOW does.
 * Not a policy about what may lie below the root. Safe after fork: yes (no allocation).
 */
#include <stdbool.h>
#include <sys/types.h>

/*
 * Opens `path` (absolute or relative, both from the root). `flags` as for open; O_CLOEXEC is added.
 * The last component is followed unless O_NOFOLLOW. O_CREAT is not allowed here.
 * Returns the descriptor, or -errno: -ENOENT, -ENOTDIR, -ELOOP (too many links, or a magic link).
 */
int root_open(int root, const char *path, int flags);

/*
 * Opens the folder that holds the last component of `path`, making missing folders (mode 0755), and
 * writes that component to `name`. Fails with -EINVAL for "/" itself.
 */
int root_open_parent(int root, const char *path, char name[256]);

/*
 * Opens `path` with O_PATH as a folder, or as anything if not `is_dir`; what is missing is made: folders
 * with mode 0755, the file empty with mode 0644. A dangling link is made at the place it points to.
 */
int root_make(int root, const char *path, bool is_dir);

/* Tests: walk by components even where openat2 works. */
void root_force_walk(bool is_forced);
