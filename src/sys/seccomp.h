#pragma once
/* Loading a compiled seccomp filter. The compiling is corten-seccomp's. Safe after fork: yes. */
#include <linux/filter.h>
#include <stdbool.h>

struct err;

/*
 * Installs the filter on the calling thread; without CAP_SYS_ADMIN no_new_privs must be set.
 * `flags`: SECCOMP_FILTER_FLAG_*. With SECCOMP_FILTER_FLAG_NEW_LISTENER the listener's descriptor comes
 * back (O_CLOEXEC), else 0. -EACCES, -EINVAL for a filter the kernel refuses, -ENOMEM above its size.
 */
int seccomp_load(const struct sock_fprog *prog, unsigned int flags, struct err *e);
