#include "oci/init.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/hooks.h"
#include "oci/idmap.h"
#include "oci/state.h"
#include "oci/sync.h"
#include "sys/calls.h"
#include "sys/console.h"
#include "sys/privproc.h"
#include "sys/root.h"
#include "sys/rtnl.h"

/* What waitpid of the runtime sees when init failed; the words went over the socket. */
#define EXIT_INIT_FAILED 1

static int join_namespaces(const struct init *in, struct err *e)
{
	const struct plan *p = in->plan;

	for (size_t i = 0; i < p->joins_n; i++) {
		/* The runtime joined the pid namespace before clone: it counts for children only. */
		if (p->joins[i].ns->flag == CLONE_NEWPID)
			continue;
		if (setns(in->joins[i], (int)p->joins[i].ns->flag) < 0)
			return err_sys(e, -errno, "join %s namespace '%s'", p->joins[i].ns->spec,
				       p->joins[i].path);
	}
	return 0;
}

/*
 * A time namespace takes its offsets before anyone is in it; one enters by setns, as unshare counts for
 * children only. The host's procfs is still there.
 */
static int enter_timens(const struct init *in, struct err *e)
{
	const struct plan *p = in->plan;
	AUTO_FD ns = -EBADF;
	char line[96];
	int r, is_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;

	if (!(p->new_ns & K_CLONE_NEWTIME))
		return 0;
	if (unshare((int)K_CLONE_NEWTIME) < 0)
		return err_sys(e, -errno, "make time namespace");
	for (size_t i = 0; i < p->time_offsets_n; i++) {
		const struct oci_time_offset *o = &p->time_offsets[i];

		snprintf(line, sizeof(line), "%.16s %lld %u\n", o->key, (long long)o->secs,
			 o->nanosecs);
		/* Becoming root of a user namespace made procfs' files of this process another's. */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		r = file_write_at(AT_FDCWD, "/proc/self/timens_offsets", line);
		prctl(PR_SET_DUMPABLE, is_dumpable, 0, 0, 0);
		if (r < 0)
			return err_sys(e, r, "set time offset '%s'", o->key);
	}
	ns = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, (int)K_CLONE_NEWTIME) < 0)
		return err_sys(e, -errno, "enter time namespace");
	return 0;
}

bool init_waits_first(const struct init *in)
{
	const struct plan *p = in->plan;

	return p->new_ns & CLONE_NEWUSER || in->is_inside || p->spec->linux_->net_devices.n;
}

static int enter_userns(struct init *in, struct err *e)
{
	int r = init_waits_first(in) ? sync_wait_go(in->sync) : 0;

	if (r < 0)
		return err_sys(e, r, "wait for the runtime");
	if (!(in->plan->new_ns & CLONE_NEWUSER) && !in->is_inside)
		return 0;
	in->denies_groups = idmap_denies_groups("self") == 1;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, -errno, "become root of the user namespace");
	return 0;
}

/* The last of the namespaces: its top is the group that this process is in now. */
static int enter_cgroupns(const struct init *in, struct err *e)
{
	if (in->plan->new_ns & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, -errno, "make cgroup namespace");
	return 0;
}

/* The loopback of a new network namespace, whose index is 1. */
static int set_loopback_up(struct err *e)
{
	AUTO_NETLINK struct netlink n = NETLINK_NONE;
	struct netlink_batch b;
	int r = netlink_open(NETLINK_ROUTE, -EBADF, &n, e);

	if (r < 0)
		return r;
	netlink_begin(&b, &n);
	rtnl_up(&b, 1, "lo");
	return netlink_send(&b, e);
}

static int set_names(const struct init *in, struct err *e)
{
	const struct plan *p = in->plan;

	if (p->hostname && *p->hostname && sethostname(p->hostname, strlen(p->hostname)) < 0)
		return err_sys(e, -errno, "sethostname");
	if (p->domainname && *p->domainname &&
	    setdomainname(p->domainname, strlen(p->domainname)) < 0)
		return err_sys(e, -errno, "setdomainname");
	return 0;
}

/* The host's mounts must not see ours: slave at least; shared roots need their peers, so slave stays. */
static int isolate_mounts(const struct plan *p, struct err *e)
{
	unsigned long how = p->root_propagation == MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;

	if (mount(NULL, "/", NULL, how | MS_REC, NULL) < 0)
		return err_sys(e, -errno, "make mounts of the host slaves");
	return 0;
}

static int attach_root_legacy(const struct init *in, struct err *e)
{
	const char *path = in->plan->rootfs;
	int fd;

	if (in->rootfs >= 0)
		return err_set_code(e, -ENOSYS, ERR_UNIMPLEMENTED, "--rootfs-fd needs Linux 5.2");
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(e, -errno, "bind rootfs '%s'", path);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "open rootfs '%s'", path) : fd;
}

/*
 * The root is a detached clone, attached over "/": no folder of the host is needed as a mount point, and
 * what is mounted below it is never visible at a path of the host.
 */
static int attach_root(const struct init *in, struct err *e)
{
	AUTO_FD fd = -EBADF;
	int r;

	if (!mnt_has_detached())
		return attach_root_legacy(in, e);
	fd = in->rootfs >= 0 ? fcntl(in->rootfs, F_DUPFD_CLOEXEC, 3)
			     : k_open_tree(AT_FDCWD, in->plan->rootfs,
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		return err_sys(e, in->rootfs >= 0 ? -errno : fd, "open rootfs '%s'",
			       in->plan->rootfs);
	r = k_move_mount(fd, "", AT_FDCWD, "/", K_MOVE_F_EMPTY);
	return r < 0 ? err_sys(e, r, "attach rootfs '%s'", in->plan->rootfs) : TAKE_FD(fd);
}

static int switch_root(const struct init *in, int root, struct err *e)
{
	int r = 0;

	if (fchdir(root) < 0)
		return err_sys(e, -errno, "enter rootfs");
	if (in->no_pivot) {
		/* The clone lies over "/" already (or is moved there); chroot makes it the root. */
		if (!mnt_has_detached() && mount(in->plan->rootfs, "/", NULL, MS_MOVE, NULL) < 0)
			return err_sys(e, -errno, "move rootfs to /");
		r = chroot(".") < 0 ? -errno : 0;
	} else {
		r = k_pivot_root(".", ".");
		if (r == 0 && umount2(".", MNT_DETACH) < 0)
			r = -errno;
	}
	if (r == 0 && chdir("/") < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, in->no_pivot ? "chroot" : "pivot_root") : 0;
}

static int finish_root(const struct init *in, int root, struct err *e)
{
	const struct plan *p = in->plan;
	int r = 0;

	if (p->root_propagation && p->root_propagation != MS_SLAVE)
		r = mnt_set_propagation(root, p->root_propagation, p->is_root_propagation_rec, e);
	if (r == 0 && p->is_root_readonly)
		r = mnt_has_detached()
			    ? mnt_set_attr(root, &(struct mnt_attr){ .set = K_ATTR_RDONLY }, false,
					   e)
		    : mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0
			    ? err_sys(e, -errno, "make rootfs read-only")
			    : 0;
	return r;
}

/* The pty lies in the container's own devpts and shows at /dev/console. */
static int make_console(const struct init *in, int root, int *ret_slave, struct err *e)
{
	CLEANUP(console_done) struct console c = CONSOLE_INIT;
	struct mnt m = { .kind = MNT_BIND };
	AUTO_FD pts = root_open(root, "/dev/pts", O_PATH | O_DIRECTORY);
	AUTO_FD target = -EBADF;
	AUTO_FD mounted = -EBADF;
	int r;

	if (pts < 0)
		return err_sys(e, pts, "open '/dev/pts' of the container");
	r = console_open(pts, in->process->rows, in->process->cols, &c, e);
	if (r < 0)
		return r;
	target = root_make(root, "/dev/console", false);
	if (target < 0)
		return err_sys(e, target, "make '/dev/console'");
	m.source_fd = c.slave;
	mounted = init_put(root, &m, target, "/dev/console", e);
	if (mounted < 0)
		return err_wrap(e, mounted, "mount '/dev/console'");
	r = in->console >= 0 ? console_send(in->console, c.master, "/dev/ptmx", e)
			     : sync_send(in->sync, SYNC_MASTER, c.master);
	if (r < 0)
		return err_wrap(e, r, "hand over the terminal");
	*ret_slave = TAKE_FD(c.slave);
	return 0;
}

/* Hooks get the host's number of this process, which the host's procfs tells as long as it is there. */
static int hook_state(const struct init *in, struct strbuf *out, struct err *e)
{
	char pid[32];
	ssize_t n = readlink("/proc/self", pid, sizeof(pid) - 1);
	int64_t v = 0;

	if (n < 0)
		return err_sys(e, -errno, "read own process id");
	pid[n] = '\0';
	str_to_i64(pid, 1, INT32_MAX, &v);
	strbuf_reset(out);
	state_hook_json(in->plan->spec, in->id, in->bundle, v, "creating", out);
	return strbuf_ok(out);
}

static int run_create_container(const struct init *in, struct strbuf *state, struct err *e)
{
	const struct oci_hooks *h = in->plan->spec->hooks;
	int r;

	if (!h || (!h->create_container.n && !h->start_container.n))
		return 0;
	r = hook_state(in, state, e);
	if (r == 0)
		r = hooks_run(h->create_container.v, h->create_container.n, "createContainer",
			      state->p, NULL, in->hooks_output, e);
	return r;
}

/*
 * As runc does: a working folder that the root lacks is made, by root and before the root is read-only. Why one
 * cannot be made is told better by the chdir that comes later.
 */
static void make_cwd(const struct init *in, int root)
{
	AUTO_FD fd = in->process ? root_make(root, in->process->cwd, true) : -EBADF;

	(void)fd;
}

static int run_steps(const struct init *in, struct init_fs *fs, struct err *e)
{
	const struct plan *p = in->plan;
	mode_t old = umask(0);
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->steps_n; i++)
		r = init_fs_step(fs, &p->steps[i], e);
	if (r == 0)
		make_cwd(in, fs->root);
	umask(old);
	return r;
}

static int wait_hooks(const struct init *in, struct err *e)
{
	int r;

	if (!in->has_host_hooks)
		return 0;
	r = sync_send(in->sync, SYNC_HOOKS, SYNC_FD_NONE);
	if (r == 0)
		r = sync_wait_go(in->sync);
	return r < 0 ? err_sys(e, r, "wait for hooks") : 0;
}

/* A new procfs for later: /proc of the container may be masked by then, or missing. */
static bool needs_proc(const struct init *in)
{
	return in->fifo >= 0 || init_exec_needs_proc(in->process);
}

static int set_up_filesystem(const struct init *in, struct init_fs *fs, int *ret_slave,
			     struct strbuf *state, struct err *e)
{
	int r = isolate_mounts(in->plan, e);

	if (r < 0)
		return r;
	fs->root = attach_root(in, e);
	if (fs->root < 0)
		return fs->root;
	r = run_steps(in, fs, e);
	if (r == 0 && in->process && in->process->is_terminal)
		r = make_console(in, fs->root, ret_slave, e);
	if (r == 0)
		r = init_fs_finish(fs, e);
	if (r == 0)
		r = wait_hooks(in, e);
	if (r == 0)
		r = run_create_container(in, state, e);
	if (r == 0 && fs->proc < 0 && needs_proc(in)) {
		fs->proc = init_open_proc(e);
		r = fs->proc < 0 ? fs->proc : 0;
	}
	if (r == 0)
		r = switch_root(in, fs->root, e);
	return r < 0 ? r : finish_root(in, fs->root, e);
}

/* exec.fifo: opening for writing blocks until `start` opens for reading. */
static int wait_start(const struct init *in, struct init_exec *x, struct err *e)
{
	AUTO_FD fifo = -EBADF;
	int r;

	/* From here on the container outlives the runtime; until it says GO, the socket's end ends us. */
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	r = sync_send(in->sync, SYNC_READY, SYNC_FD_NONE);
	if (r == 0)
		r = sync_wait_go(in->sync);
	if (r < 0)
		return err_sys(e, r, "wait for start");
	if (in->fifo < 0)
		return 0;
	fifo = privproc_reopen(x->proc, in->fifo, O_WRONLY);
	if (fifo < 0)
		return err_sys(e, fifo, "open exec fifo");
	r = fd_write_full(fifo, "0", 1);
	return r < 0 ? err_sys(e, r, "write exec fifo") : 0;
}

static int close_host_fds(const struct init *in, int proc)
{
	const struct oci_hooks *h = in->plan->spec->hooks;
	bool has_hooks = h && h->start_container.n;
	const int keep[] = { in->sync, in->fifo, proc, has_hooks ? in->hooks_output->out : -1,
			     has_hooks ? in->hooks_output->err : -1 };

	return init_close_fds(in->kept_fds, keep, ARRAY_LEN(keep));
}

/* A filter that comes before the privileges are dropped may not know close_range. */
static int drop_fds_and_privileges(const struct init *in, struct init_exec *x, struct err *e)
{
	bool is_early = in->seccomp.is_set && !x->p->no_new_privileges;
	int r = is_early ? close_host_fds(in, x->proc) : 0;

	if (r == 0)
		r = init_exec_prepare(x, e);
	if (r < 0)
		return r;
	if (!is_early)
		return close_host_fds(in, in->fifo >= 0 ? x->proc : -1);
	if (in->fifo < 0)
		fd_closep(&x->proc);
	return 0;
}

static int run(struct init *in, struct err *e)
{
	struct init_fs fs = { .in = in,
			      .root = -EBADF,
			      .proc = -EBADF,
			      .empty = -EBADF,
			      .null = -EBADF,
			      .dev = -EBADF };
	struct init_exec x = { .p = in->process, .in = in, .proc = -EBADF, .error_fd = in->sync };
	const struct oci_hooks *h = in->plan->spec->hooks;
	struct strbuf state = { 0 };
	int slave = -1, r;

	/* Killed with the runtime until the container stands; wait_start takes it back. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* Nothing may look into this process (CVE-2016-9962); in a new user namespace procfs would be lost to it. */
	if (!(in->plan->new_ns & CLONE_NEWUSER))
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = init_join_groups(&in->groups, e);
	if (r == 0 && in->waits_group)
		r = sync_wait_go(in->sync);
	if (r == 0)
		r = enter_userns(in, e);
	if (r == 0 && !in->is_inside)
		r = join_namespaces(in, e);
	if (r == 0)
		r = enter_timens(in, e);
	if (r == 0)
		r = enter_cgroupns(in, e);
	if (r < 0)
		return r;
	setsid();
	if (in->plan->new_ns & CLONE_NEWNET)
		r = set_loopback_up(e);
	if (r == 0)
		r = set_names(in, e);
	if (r == 0 && !in->is_inside)
		init_set_oom_score(in->process);
	if (r == 0)
		r = set_up_filesystem(in, &fs, &slave, &state, e);
	if (r == 0 && slave >= 0)
		r = console_take(slave, e);
	if (r < 0)
		return r;
	x.proc = fs.proc;
	r = drop_fds_and_privileges(in, &x, e);
	if (r == 0)
		r = wait_start(in, &x, e);
	if (r == 0 && h && h->start_container.n)
		r = init_exec_seccomp(&x, e);
	if (r == 0 && h && h->start_container.n)
		r = hooks_run(h->start_container.v, h->start_container.n, "startContainer", state.p,
			      NULL, in->hooks_output, e);
	return r < 0 ? r : init_exec_go(&x, e);
}

_Noreturn void init_main(struct init *in)
{
	struct err e = ERR_INIT;
	int r = run(in, &e);

	sync_send_error(in->sync, r, &e);
	_exit(EXIT_INIT_FAILED);
}
