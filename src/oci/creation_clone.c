/* From the runtime to the init: one clone, or two where a user namespace is joined. */
#include "oci/creation.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "oci/idmap.h"
#include "oci/intel_rdt.h"
#include "oci/net_devices.h"
#include "oci/sync.h"
#include "sys/calls.h"

/* The cgroup namespace is left out: its root is the group that the process is in when it is made. */
static uint64_t clone_flags(const struct plan *p)
{
	return (p->new_ns & ~(uint32_t)(CLONE_NEWCGROUP | K_CLONE_NEWTIME)) | K_CLONE_PIDFD;
}

static int find_join(const struct plan *p, uint32_t flag)
{
	for (size_t i = 0; i < p->joins_n; i++)
		if (p->joins[i].ns->flag == flag)
			return (int)i;
	return -1;
}

/*
 * All namespaces but pid, which the runtime joined for its children. With the host's privileges as far as they go, as
 * some may belong to the host; without them, with those of the user namespace.
 */
static int join_all(const struct init *in, struct err *e)
{
	const struct plan *p = in->plan;
	int user = find_join(p, CLONE_NEWUSER), r = 0;
	bool is_joined[NS_COUNT] = { false };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < p->joins_n; i++) {
			if (p->joins[i].ns->flag & (CLONE_NEWPID | CLONE_NEWUSER) || is_joined[i])
				continue;
			is_joined[i] = setns(in->joins[i], (int)p->joins[i].ns->flag) == 0;
			if (!is_joined[i] && (pass || errno != EPERM))
				return err_sys(e, -errno, "join %s namespace '%s'",
					       p->joins[i].ns->spec, p->joins[i].path);
		}
		if (pass == 0)
			r = setns(in->joins[user], CLONE_NEWUSER);
		if (r < 0)
			return err_sys(e, -errno, "join user namespace '%s'", p->joins[user].path);
	}
	return 0;
}

/* What is the init's part elsewhere and needs the host's privileges comes first: what clone inherits. */
static int clone_inside(struct creation *c, struct err *e)
{
	struct init *in = &c->init;
	struct k_clone_args ca = { .flags = clone_flags(c->plan) | CLONE_PARENT,
				   .pidfd = (uintptr_t)&c->pidfd };
	pid_t pid;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	init_set_oom_score(in->process);
	r = init_join_groups(&in->groups, e);
	if (r == 0)
		r = join_all(in, e);
	if (r < 0)
		return r;
	pid = k_clone3(&ca);
	if (pid == 0)
		init_main(in);
	return pid < 0 ? err_sys(e, pid, "clone into new namespaces") : 0;
}

/*
 * Between runtime and init: new namespaces must belong to the user namespace that is joined, and a process that joined
 * one has no way back. The init becomes the runtime's child all the same.
 */
static _Noreturn void middle_main(struct creation *c)
{
	struct err e = ERR_INIT;
	int r = clone_inside(c, &e);

	if (r == 0)
		r = sync_send(c->init.sync, SYNC_INIT, c->pidfd);
	if (r < 0)
		sync_send_error(c->init.sync, r, &e);
	_exit(r < 0);
}

/* The middle's last word; then it is gone, and the init takes its place here. */
static int take_init(struct creation *c, struct err *e)
{
	struct sync_msg m;
	int fd = -1, kind = sync_recv(c->sync, &m, &fd);
	pid_t pid;

	waitpid(c->pid, NULL, 0);
	fd_closep(&c->pidfd);
	c->pid = 0;
	c->pidfd = fd;
	if (kind == SYNC_FAILED) {
		*e = m.e;
		return m.r < 0 ? m.r : -EIO;
	}
	pid = kind == SYNC_INIT ? proc_pidfd_pid(fd) : -ECHILD;
	if (pid < 0)
		return err_sys(e, pid, "hear of the container's init");
	c->pid = pid;
	return 0;
}

/* One clone into all new namespaces at once. */
static int clone_init(struct creation *c, struct err *e)
{
	bool is_inside = c->init.is_inside = find_join(c->plan, CLONE_NEWUSER) >= 0;
	struct k_clone_args ca = {
		.flags = is_inside ? K_CLONE_PIDFD : clone_flags(c->plan),
		.exit_signal = SIGCHLD,
		.pidfd = (uintptr_t)&c->pidfd,
	};
	const struct cgroup *cg = group_is_there(&c->group) ? &c->group.cg : NULL;
	int pair[2], r = sync_pair(pair);

	if (r < 0)
		return err_sys(e, r, "make socket pair");
	c->init.sync = pair[1];
	c->sync = pair[0];
	r = group_clone(&ca, cg, c->group.unit.name, c->group.is_narrow || is_inside, &c->init, e);
	if (r == 0) {
		/* Or the end of the runtime would never be seen. */
		close(pair[0]);
		is_inside ? middle_main(c) : init_main(&c->init);
	}
	close(pair[1]);
	if (r < 0)
		return r;
	c->pid = r;
	r = is_inside ? take_init(c, e) : 0;
	return r < 0 ? r : group_settle(&c->group, &c->init, c->pid, c->sync, e);
}

static int give_devices(struct creation *c, struct err *e)
{
	int join = find_join(c->plan, CLONE_NEWNET);
	AUTO_FD own = -EBADF;
	char path[64];

	if (join >= 0)
		return net_devices_move(c->spec->linux_, c->init.joins[join], e);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", c->pid);
	own = open(path, O_RDONLY | O_CLOEXEC);
	return own < 0 ? err_sys(e, -errno, "open the container's network namespace")
		       : net_devices_move(c->spec->linux_, own, e);
}

int creation_clone(struct creation *c, struct err *e)
{
	int r = clone_init(c, e);

	if (r == 0 && c->plan->new_ns & CLONE_NEWUSER)
		r = idmap_write(c->pid, c->plan, e);
	if (r == 0 && c->spec->linux_->net_devices.n)
		r = give_devices(c, e);
	if (r == 0 && c->spec->linux_->intel_rdt)
		r = intel_rdt_apply(c->spec->linux_->intel_rdt, c->o->id, c->pid, &c->has_own_rdt,
				    e);
	return r == 0 && init_waits_first(&c->init) ? sync_send(c->sync, SYNC_GO, SYNC_FD_NONE) : r;
}
