#include "oci/inside.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "oci/state.h"
#include "oci/sync.h"
#include "sys/calls.h"

/* Far above the milliseconds that a few mounts take. */
#define INSIDE_TIMEOUT_MS 30000

struct inside {
	int (*work)(void *arg, struct err *e);
	void *arg;
	int target;	/* pidfd of the container's init */
	uint32_t flags; /* namespaces to enter */
	int sync;
};

static int enter(const struct inside *in, struct err *e)
{
	uint32_t rest = in->flags & ~(uint32_t)CLONE_NEWPID;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* From here on processes of the container see this one: none may look into it (CVE-2016-9962). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (setns(in->target, (int)rest) < 0)
		return err_sys(e, -errno, "join the container's namespaces");
	if (rest & CLONE_NEWUSER && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return err_sys(e, -errno, "become root of the user namespace");
	return 0;
}

static _Noreturn void child_main(const struct inside *in)
{
	struct err e = ERR_INIT;
	int r = enter(in, &e);

	if (r == 0)
		r = in->work(in->arg, &e);
	if (r < 0)
		sync_send_error(in->sync, r, &e);
	_exit(r < 0);
}

static int wait_child(struct child *c, int sync, struct err *e)
{
	struct sync_msg m;
	int status, r = proc_wait(c, INSIDE_TIMEOUT_MS, &status);

	if (r < 0) {
		proc_kill_wait(c);
		return err_sys(e, r, "wait for the work in the container");
	}
	if (status == 0)
		return 0;
	if (sync_recv(sync, &m, NULL) != SYNC_FAILED)
		return err_set(e, -ECHILD, "the work in the container ended with status %d",
			       status);
	*e = m.e;
	return m.r < 0 ? m.r : -EIO;
}

int inside_run(const struct state *s, int (*work)(void *arg, struct err *e), void *arg,
	       struct err *e)
{
	AUTO_FD target = state_pidfd(s);
	struct inside in = {
		.work = work, .arg = arg, .target = target, .flags = state_namespaces(s)
	};
	struct child c = { .pidfd = -EBADF };
	struct k_clone_args ca = { .flags = K_CLONE_PIDFD,
				   .exit_signal = SIGCHLD,
				   .pidfd = (uintptr_t)&c.pidfd };
	int pair[2], r;

	if (target < 0)
		return err_set(e, target, "container not running");
	/* For children only: the runtime stays where it is. */
	if (in.flags & CLONE_NEWPID && setns(target, CLONE_NEWPID) < 0)
		return err_sys(e, -errno, "join the container's pid namespace");
	r = sync_pair(pair);
	if (r < 0)
		return err_sys(e, r, "make socket pair");
	in.sync = pair[1];
	c.pid = k_clone3(&ca);
	if (c.pid == 0)
		child_main(&in);
	close(pair[1]);
	r = c.pid < 0 ? err_sys(e, c.pid, "clone") : wait_child(&c, pair[0], e);
	close(pair[0]);
	return r;
}
