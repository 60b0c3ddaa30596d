#include "oci/exec.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/group.h"
#include "oci/idmap.h"
#include "oci/init.h"
#include "oci/seccomp_cache.h"
#include "oci/seccomp_notify.h"
#include "oci/sync.h"
#include "sys/calls.h"
#include "sys/console.h"

struct exec {
	struct cmd_container *c;
	const struct exec_options *o;
	struct init in;
	struct systemd_unit unit; /* name NULL: the cgroupfs driver */
	int target;		  /* pidfd of the container's init */
	uint32_t flags;		  /* namespaces to enter */
	bool is_staged;		  /* the pid namespace is entered from inside the user namespace */
	int sync, pidfd, master, pidfd_sock;
	struct pid_file pid_file;
	pid_t pid;
};

static int take_terminal(struct exec *x, struct err *e)
{
	CLEANUP(console_done) struct console con = CONSOLE_INIT;
	AUTO_FD pts = open("/dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct plan_process *p = x->in.process;
	int r;

	if (!p->is_terminal)
		return 0;
	if (pts < 0)
		return err_sys(e, -errno, "open '/dev/pts' of the container");
	r = console_open(pts, p->rows, p->cols, &con, e);
	if (r < 0)
		return r;
	r = x->in.console >= 0 ? console_send(x->in.console, con.master, "/dev/ptmx", e)
			       : sync_send(x->in.sync, SYNC_MASTER, con.master);
	return r < 0 ? err_wrap(e, r, "hand over the terminal") : console_take(con.slave, e);
}

/*
 * Without privileges the user namespace comes first, and from there the pid namespace, which counts for children
 * only: the one that goes on is a second child, a sibling of the first, so that the runtime can wait for it.
 * Returns in that one.
 */
static int enter_staged(struct exec *x, struct err *e)
{
	int pidfd = -EBADF;
	struct k_clone_args ca = { .flags = CLONE_PARENT | K_CLONE_PIDFD,
				   .pidfd = (uintptr_t)&pidfd };
	int r;

	if (setns(x->target, CLONE_NEWUSER) < 0)
		return err_sys(e, -errno, "join the container's user namespace");
	if (setns(x->target, CLONE_NEWPID) < 0)
		return err_sys(e, -errno, "join the container's pid namespace");
	r = k_clone3(&ca);
	if (r == 0)
		return 0;
	if (r > 0)
		r = sync_send(x->in.sync, SYNC_INIT, pidfd);
	if (r < 0)
		return err_sys(e, r, "clone into the container's pid namespace");
	_exit(0);
}

static int child_run(struct exec *x, struct err *e)
{
	struct init_exec ie = { .p = x->in.process, .in = &x->in, .proc = -EBADF };
	uint32_t rest = x->flags & ~(uint32_t)CLONE_NEWPID;
	int keep[] = { x->in.sync, -1 }, r;
	bool is_early;

	if (ie.p->cpus_initial) {
		r = task_set_cpus(ie.p->cpus_initial, e);
		if (r < 0)
			return r;
	}
	/* In the groups first: what follows is accounted to the container. */
	r = init_join_groups(&x->in.groups, e);
	if (r == 0 && x->in.waits_group)
		r = sync_wait_go(x->in.sync);
	if (r < 0)
		return r;
	init_set_oom_score(ie.p);
	if (x->is_staged) {
		r = enter_staged(x, e);
		if (r < 0)
			return r;
		rest &= ~(uint32_t)CLONE_NEWUSER;
	}
	/* Already of the container's pid namespace, still with the host's mounts and ids: none of it can be in the way. */
	if (init_exec_needs_proc(ie.p)) {
		ie.proc = init_open_proc(e);
		if (ie.proc < 0)
			return ie.proc;
	}
	/* From here on processes of the container see this one: none may look into it (CVE-2016-9962). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (setns(x->target, (int)rest) < 0)
		return err_sys(e, -errno, "join the container's namespaces");
	if (x->flags & CLONE_NEWUSER && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return err_sys(e, -errno, "become root of the user namespace");
	setsid();
	r = take_terminal(x, e);
	is_early = x->in.seccomp.is_set && !ie.p->no_new_privileges;
	keep[1] = is_early ? ie.proc : -1;
	if (r == 0 && is_early)
		r = init_close_fds(x->in.kept_fds, keep, ARRAY_LEN(keep));
	if (r == 0)
		r = init_exec_prepare(&ie, e);
	if (r == 0 && is_early)
		fd_closep(&ie.proc);
	else if (r == 0)
		r = init_close_fds(x->in.kept_fds, keep, ARRAY_LEN(keep));
	if (r == 0)
		r = sync_send(x->in.sync, SYNC_READY, SYNC_FD_NONE);
	if (r == 0)
		r = sync_wait_go(x->in.sync);
	return r < 0 ? r : init_exec_go(&ie, e);
}

static _Noreturn void child_main(struct exec *x)
{
	struct err e = ERR_INIT;
	int r = child_run(x, &e);

	sync_send_error(x->in.sync, r, &e);
	_exit(1);
}

static int open_cgroup(struct exec *x, struct cgroup *sub, const struct cgroup **ret, struct err *e)
{
	const char *spec = x->o->cgroup, *colon = spec ? strchr(spec, ':') : NULL;
	AUTO_FREE char *controller = NULL;
	int r = cmd_cgroup(x->c, e);

	*ret = x->c->cg.host ? &x->c->cg : NULL;
	if (r < 0 || !spec || !*ret)
		return r;
	if (colon) {
		controller = strndup(spec, (size_t)(colon - spec));
		if (!controller)
			return err_sys(e, -ENOMEM, "open cgroup");
	}
	r = cg_open_sub(&x->c->cg, controller, colon ? colon + 1 : spec, sub, e);
	if (r == -EINVAL)
		err_wrap(e, r, "bad sub cgroup path");
	*ret = sub;
	return r;
}

/* The child waits: where the kernel lets systemd alone move it, that does. */
static int attach_child(struct exec *x, const struct cgroup *cg, struct err *e)
{
	int r = systemd_unit_attach(&x->unit, group_below_unit(cg, &x->unit), x->pid, e);

	return r < 0 ? r : sync_send(x->sync, SYNC_GO, SYNC_FD_NONE);
}

static int clone_child(struct exec *x, const struct cgroup *cg, struct err *e)
{
	struct k_clone_args ca = { .flags = K_CLONE_PIDFD,
				   .exit_signal = SIGCHLD,
				   .pidfd = (uintptr_t)&x->pidfd };
	int pair[2], r;

	if (cg && !x->o->ignores_paused && cg_is_frozen(cg) == 1)
		return err_set(e, -EBUSY, "the container's cgroup is frozen");
	/* For children only: the runtime stays where it is. */
	if (x->flags & CLONE_NEWPID && setns(x->target, CLONE_NEWPID) < 0) {
		x->is_staged = errno == EPERM && x->flags & CLONE_NEWUSER;
		if (!x->is_staged)
			return err_sys(e, -errno, "join the container's pid namespace");
	}
	r = sync_pair(pair);
	if (r < 0)
		return err_sys(e, r, "make socket pair");
	x->in.sync = pair[1];
	r = group_clone(&ca, cg, x->unit.name, false, &x->in, e);
	if (r == 0) {
		close(pair[0]);
		child_main(x);
	}
	close(pair[1]);
	x->sync = pair[0];
	cg_join_done(&x->in.groups);
	if (r < 0)
		return r;
	x->pid = r;
	log_debug("the process is %d", x->pid);
	return x->in.waits_group ? attach_child(x, cg, e) : 0;
}

static int hand_listener(struct exec *x, int fd, struct err *e)
{
	const struct oci_state s = { .id = x->c->state->id,
				     .status = "running",
				     .pid = x->c->state->pid,
				     .bundle = state_label(x->c->state, "bundle") };
	struct oci_spec *spec;
	int r = cmd_spec(x->c, &spec, e);

	if (r == 0)
		r = seccomp_notify_send(spec, &s, x->pid, fd, e);
	close(fd);
	return r < 0 ? r : sync_send(x->sync, SYNC_GO, SYNC_FD_NONE);
}

/* The first child made the one that goes on, and ends. */
static int take_child(struct exec *x, int pidfd, struct err *e)
{
	pid_t pid = proc_pidfd_pid(pidfd);

	while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd_closep(&x->pidfd);
	x->pid = MAX(pid, 0);
	x->pidfd = pidfd;
	return pid < 0 ? err_sys(e, pid, "hear of the process in the container") : 0;
}

static int serve(struct exec *x, bool is_started, struct err *e)
{
	struct sync_msg m;

	for (;;) {
		int fd = -1, kind = sync_recv(x->sync, &m, &fd), r;

		switch (kind) {
		case SYNC_READY:
			return 0;
		case SYNC_NONE:
			return is_started ? 0
					  : err_set(e, -ECHILD, "process died before it was ready");
		case SYNC_FAILED:
			*e = m.e;
			return m.r < 0 ? m.r : -EIO;
		case SYNC_MASTER:
			x->master = fd;
			console_clear_onlcr(fd);
			break;
		case SYNC_INIT:
			r = take_child(x, fd, e);
			if (r < 0)
				return r;
			break;
		case SYNC_LISTENER:
			r = hand_listener(x, fd, e);
			if (r < 0)
				return r;
			break;
		default:
			return err_set(e, kind < 0 ? kind : -EBADMSG, "process said %d", kind);
		}
	}
}

static int bring_up(struct exec *x, const struct cgroup *cg, struct err *e)
{
	int r = clone_child(x, cg, e);

	if (r == 0)
		r = serve(x, false, e);
	if (r == 0 && x->pidfd_sock >= 0)
		r = console_send(x->pidfd_sock, x->pidfd, "pidfd", e);
	if (r == 0)
		r = run_pid_file_write(&x->pid_file, x->pid, e);
	if (r == 0)
		r = sync_send(x->sync, SYNC_GO, SYNC_FD_NONE);
	return r < 0 ? r : serve(x, true, e);
}

static int check_terminal(const struct exec *x, struct err *e)
{
	bool is_tty = x->in.process->is_terminal;

	if (is_tty && x->o->is_detached && !x->o->console_socket)
		return err_set(
			e, -EINVAL,
			"cannot allocate tty if runc will detach without setting console socket");
	if (x->o->console_socket && (!is_tty || !x->o->is_detached))
		return err_set(e, -EINVAL,
			       "cannot use console socket if runc will not detach or allocate tty");
	return 0;
}

static int prepare(struct exec *x, struct err *e)
{
	const struct state *s = x->c->state;
	char pid[16];
	int r = check_terminal(x, e);

	if (r == 0)
		r = run_pid_file_open(x->o->pid_file, &x->pid_file, e);
	if (r == 0 && x->o->console_socket)
		r = x->in.console = console_connect(x->o->console_socket, e);
	if (r >= 0 && x->o->pidfd_socket)
		r = x->pidfd_sock = console_connect(x->o->pidfd_socket, e);
	if (r >= 0 && s->corten && s->corten->seccomp)
		r = seccomp_cache_get(x->c->root, s->corten->seccomp, &x->c->arena, &x->in.seccomp,
				      e);
	if (r < 0)
		return r;
	if (x->flags & CLONE_NEWUSER) {
		snprintf(pid, sizeof(pid), "%d", (int)s->pid);
		x->in.denies_groups = idmap_denies_groups(pid) == 1;
	}
	x->target = state_pidfd(s);
	return x->target < 0 ? err_set(e, x->target, "cannot exec in a stopped container") : 0;
}

int exec_run(struct cmd_container *c, const struct exec_options *o, struct plan_process *p,
	     struct err *e)
{
	struct exec x = { .c = c,
			  .o = o,
			  .target = -EBADF,
			  .sync = -EBADF,
			  .pidfd = -EBADF,
			  .master = -EBADF,
			  .pidfd_sock = -EBADF,
			  .pid_file.dir = -EBADF };
	struct cgroup sub = CGROUP_INIT;
	const struct cgroup *cg = NULL;
	int *const fds[] = { &x.target,	    &x.sync,	     &x.pidfd,	   &x.master,
			     &x.pidfd_sock, &x.pid_file.dir, &x.in.console };
	int r;

	x.in = (struct init){ .process = p,
			      .id = c->state->id,
			      .sync = -EBADF,
			      .console = -EBADF,
			      .fifo = -EBADF,
			      .rootfs = -EBADF,
			      .listen_fds = run_listen_fds() };
	x.in.kept_fds = x.in.listen_fds + o->preserve_fds;
	x.flags = state_namespaces(c->state);
	r = prepare(&x, e);
	if (r == 0)
		r = group_unit_of(c->state, &c->arena, &x.unit, e);
	if (r == 0)
		r = open_cgroup(&x, &sub, &cg, e);
	if (r == 0) {
		r = bring_up(&x, cg, e);
		if (r < 0)
			err_wrap(e, r, "unable to start container process");
	}
	if (r < 0 && x.pid > 0) {
		proc_pidfd_kill(x.pidfd, SIGKILL);
		waitpid(x.pid, NULL, 0);
	}
	if (r == 0 && !o->is_detached)
		r = run_wait(x.pid, x.pidfd, TAKE_FD(x.master), !o->no_subreaper, e);
	if (sub.host)
		cg_done(&sub);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fd_closep(fds[i]);
	return r;
}
