#include "sys/seccomp.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

int seccomp_load(const struct sock_fprog *prog, unsigned int flags, struct err *e)
{
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);

	return r < 0 ? err_sys(e, -errno, "load seccomp filter") : (int)r;
}
