#include "oci/run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "oci/annotation.h"
#include "oci/creation.h"
#include "oci/hooks.h"
#include "oci/intel_rdt.h"
#include "oci/mount_outside.h"
#include "oci/seccomp_cache.h"
#include "oci/seccomp_notify.h"
#include "oci/sync.h"
#include "sys/calls.h"
#include "sys/console.h"

unsigned int run_listen_fds(void)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint32_t v, p;

	if (!n || str_to_u32(n, &v) < 0 || v > 1024)
		return 0;
	return pid && (str_to_u32(pid, &p) < 0 || p != (uint32_t)getpid()) ? 0 : v;
}

int run_read_spec(const char *bundle_file, struct arena *a, struct oci_spec **ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, bundle_file, LIMIT_SPEC_BYTES, &text, &len);

	if (r == -ENOENT)
		return err_set(e, r, "JSON specification file %s not found", bundle_file);
	if (r < 0)
		return err_sys(e, r, "read %s", bundle_file);
	return oci_spec_read(text, len, a, ret, e);
}

/* crun's annotation for what --pidfd-socket is; the option wins. */
static int connect_receiver(struct creation *c, struct err *e)
{
	const char *path = annotation_get(c->spec, ANNOTATION_PIDFD_RECEIVER);

	if (!path || c->pidfd_sock >= 0)
		return 0;
	c->pidfd_sock = console_connect(path, e);
	return c->pidfd_sock < 0
		       ? err_wrap(e, c->pidfd_sock, "annotation " ANNOTATION_PIDFD_RECEIVER)
		       : 0;
}

/* Found out here, because callers look for these words. */
static int check_rootfs(const struct creation *c, struct err *e)
{
	const char *path = c->plan->rootfs, *base = *path == '/' ? "" : c->bundle;
	struct stat st;
	int r = stat(path, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;

	return r < 0 ? err_sys(e, r, "invalid rootfs: stat %s%s%s", base, *base ? "/" : "", path)
		     : 0;
}

static int read_plan(struct creation *c, struct err *e)
{
	const struct create_options *o = c->o;
	int r = run_pid_file_open(o->pid_file, &c->pid_file, e);

	if (r == 0 && o->console_socket)
		r = c->init.console = console_connect(o->console_socket, e);
	if (r >= 0 && o->pidfd_socket)
		r = c->pidfd_sock = console_connect(o->pidfd_socket, e);
	if (r < 0)
		return r;
	if (o->bundle && chdir(o->bundle) < 0)
		return err_set(e, -errno, "chdir %s: %s", o->bundle, err_words(errno));
	c->bundle = getcwd(NULL, 0);
	if (!c->bundle)
		return err_sys(e, -errno, "getcwd");
	r = run_read_spec(o->config ? o->config : "config.json", &c->arena, &c->spec, e);
	if (r == 0)
		r = host_probe(plan_wants_modules(c->spec, c->spec->process), &c->host, e);
	if (r == 0)
		r = plan_make(c->spec, &c->host, &c->arena, &c->plan, e);
	if (r < 0)
		return r;
	if (!c->plan->process)
		return err_set(e, -EINVAL, "process property must not be empty");
	r = o->rootfs_fd >= 0 ? 0 : check_rootfs(c, e);
	return r < 0 ? r : connect_receiver(c, e);
}

static int check_terminal(const struct creation *c, struct err *e)
{
	bool is_tty = c->plan->process->is_terminal,
	     is_foreground = c->o->is_run && !c->o->is_detached;

	if (is_foreground && c->o->console_socket)
		return err_set(e, -EINVAL,
			       "cannot use console socket if runc will not detach or allocate tty");
	if (!is_foreground && is_tty && !c->o->console_socket)
		return err_set(
			e, -EINVAL,
			"cannot allocate tty if runc will detach without setting console socket");
	if (!is_tty && c->o->console_socket)
		return err_set(e, -EINVAL,
			       "cannot use console socket if runc will not detach or allocate tty");
	return 0;
}

static int make_dir(struct creation *c, const char *root, struct err *e)
{
	const char *id = c->o->id;
	int r;

	r = state_check_id(id, e);
	if (r < 0)
		return r;
	c->root = state_root_open(root, true, e);
	if (c->root < 0)
		return c->root;
	if (mkdirat(c->root, id, 0711) < 0)
		return errno == EEXIST
			       ? err_set(e, -EEXIST, "container with given ID already exists")
			       : err_sys(e, -errno, "make state folder");
	c->has_dir = true;
	c->dir = openat(c->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return c->dir < 0 ? err_sys(e, -errno, "open state folder") : 0;
}

static bool wants_cgroup_mount(const struct plan *p)
{
	for (size_t i = 0; i < p->steps_n; i++)
		if (p->steps[i].kind == STEP_CGROUP_MOUNT && !p->steps[i].is_systemd_v1)
			return true;
	return false;
}

static int make_cgroup(struct creation *c, const struct group_options *o, struct err *e)
{
	int r = group_make(&c->group, o, &c->arena, e);

	if (r < 0)
		return err_wrap(e, r, "unable to apply cgroup configuration");
	if (!wants_cgroup_mount(c->plan))
		return 0;
	c->init.cgroups = &c->cg_mounts;
	return group_mount_plan(&c->group, c->plan->new_ns & CLONE_NEWCGROUP, &c->cg_mounts, e);
}

static bool has_userns(const struct plan *p)
{
	bool has = p->new_ns & CLONE_NEWUSER;

	for (size_t i = 0; i < p->joins_n; i++)
		has = has || p->joins[i].ns->flag == CLONE_NEWUSER;
	return has;
}

/*
 * Bind mounts that init cannot make itself, made before clone, for init to attach: in a user namespace it may
 * not pass the folders above a source, nor map the ids of the host's filesystems; and procfs below the root that
 * it builds has other numbers. Init inherits the descriptors.
 */
static int make_binds(struct creation *c, struct err *e)
{
	bool is_all = has_userns(c->plan);
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->plan->steps_n; i++) {
		struct step *s = &c->plan->steps[i];

		if (s->kind == STEP_MOUNT && s->mount.kind == MNT_BIND &&
		    (is_all || s->idmap_uids_n))
			r = mount_make_outside(s, e);
	}
	return r;
}

static int open_joins(struct creation *c, struct err *e)
{
	const struct plan *p = c->plan;

	for (size_t i = 0; i < p->joins_n; i++) {
		int fd = open(p->joins[i].path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, -errno, "open %s namespace '%s'", p->joins[i].ns->spec,
				       p->joins[i].path);
		c->init.joins[i] = fd;
		if (p->joins[i].ns->flag == CLONE_NEWPID && setns(fd, CLONE_NEWPID) < 0)
			return err_sys(e, -errno, "join pid namespace '%s'", p->joins[i].path);
	}
	return 0;
}

static int make_fifo(struct creation *c, struct err *e)
{
	if (c->o->is_run)
		return 0;
	if (mkfifoat(c->dir, STATE_FIFO, 0622) < 0)
		return err_sys(e, -errno, "make exec fifo");
	/* The runtime's umask must not decide who may start. */
	if (fchmodat(c->dir, STATE_FIFO, 0622, 0) < 0)
		return err_sys(e, -errno, "make exec fifo");
	c->init.fifo = openat(c->dir, STATE_FIFO, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return c->init.fifo < 0 ? err_sys(e, -errno, "open exec fifo") : 0;
}

static int make_seccomp(struct creation *c, struct err *e)
{
	const char *bpf = annotation_get(c->spec, ANNOTATION_SECCOMP_BPF),
		   *fails = annotation_get(c->spec, ANNOTATION_FAIL_UNKNOWN);

	return bpf ? seccomp_cache_take(c->root, bpf, seccomp_notify_path(c->spec), &c->arena,
					&c->init.seccomp, c->seccomp_key, e)
		   : seccomp_cache_make(c->root, c->spec->linux_->seccomp,
					fails && !streq(fails, "0"), &c->arena, &c->init.seccomp,
					c->seccomp_key, e);
}

static int prepare(struct creation *c, const struct runtime *rt, struct err *e)
{
	const struct oci_hooks *h = c->spec->hooks;
	struct init *in = &c->init;
	struct group_options go = { c->spec, c->o->id, -EBADF, rt->is_systemd, rt->is_rootless };
	int r = check_terminal(c, e);

	if (r == 0)
		r = make_dir(c, rt->root, e);
	go.dir = c->dir;
	if (r == 0)
		r = group_plan(&c->group, &go, &c->arena, e);
	if (r == 0)
		r = make_seccomp(c, e);
	if (r == 0)
		r = make_fifo(c, e);
	if (r == 0)
		r = make_cgroup(c, &go, e);
	if (r == 0)
		r = make_binds(c, e);
	if (r == 0)
		r = open_joins(c, e);
	if (r == 0)
		r = hooks_output_open(c->spec, &c->hooks_output, e);
	if (r < 0)
		return r;
	in->hooks_output = &c->hooks_output;
	in->plan = c->plan;
	in->process = c->plan->process;
	in->id = c->o->id;
	in->bundle = c->bundle;
	in->rootfs = c->o->rootfs_fd;
	in->is_foreground = c->o->is_run && !c->o->is_detached;
	in->no_pivot = c->o->no_pivot;
	in->no_keyring = c->o->no_keyring;
	in->listen_fds = run_listen_fds();
	in->kept_fds = in->listen_fds + c->o->preserve_fds;
	in->has_host_hooks = h && (h->prestart.n || h->create_runtime.n);
	return 0;
}

static int host_hooks(struct creation *c, struct err *e)
{
	const struct oci_hooks *h = c->spec->hooks;
	AUTO_STRBUF struct strbuf state = { 0 };
	int r;

	state_hook_json(c->spec, c->o->id, c->bundle, c->pid, "creating", &state);
	r = strbuf_ok(&state);
	if (r == 0)
		r = hooks_run(h->prestart.v, h->prestart.n, "prestart", state.p, c->bundle,
			      &c->hooks_output, e);
	if (r == 0)
		r = hooks_run(h->create_runtime.v, h->create_runtime.n, "createRuntime", state.p,
			      c->bundle, &c->hooks_output, e);
	return r < 0 ? r : sync_send(c->sync, SYNC_GO, SYNC_FD_NONE);
}

static int hand_listener(struct creation *c, int fd, struct err *e)
{
	const struct oci_state s = {
		.id = c->o->id, .status = "creating", .pid = c->pid, .bundle = c->bundle
	};
	int r = seccomp_notify_send(c->spec, &s, c->pid, fd, e);

	close(fd);
	return r < 0 ? r : sync_send(c->sync, SYNC_GO, SYNC_FD_NONE);
}

/* Serves the init until it is ready (or, after `is_started`, until its exec closed the socket). */
static int serve_init(struct creation *c, bool is_started, struct err *e)
{
	struct sync_msg m;

	for (;;) {
		int fd = -1, kind = sync_recv(c->sync, &m, &fd), r = 0;

		switch (kind) {
		case SYNC_READY:
			return 0;
		case SYNC_NONE:
			return is_started ? 0
					  : err_set(e, -ECHILD,
						    "container init died before it was ready");
		case SYNC_FAILED:
			*e = m.e;
			r = m.r < 0 ? m.r : -EIO;
			break;
		case SYNC_HOOKS:
			r = host_hooks(c, e);
			break;
		case SYNC_MASTER:
			c->master = fd;
			/* As runc: before the process can write. */
			console_clear_onlcr(fd);
			break;
		case SYNC_LISTENER:
			r = hand_listener(c, fd, e);
			break;
		default:
			return kind < 0 ? err_sys(e, kind, "hear from container init")
					: err_set(e, -EBADMSG, "container init said %d", kind);
		}
		if (r < 0)
			return err_wrap(e, r, "error during container init");
	}
}

/* From the clone to a process that waits for its start (or, for run, has started). */
static int bring_up(struct creation *c, struct err *e)
{
	int r = creation_clone(c, e);

	if (r == 0)
		log_debug("container init is process %d", c->pid);
	if (r == 0)
		r = serve_init(c, false, e);
	if (r < 0)
		return err_wrap(e, r, "unable to start container process");
	systemd_scope_release(&c->group.scope);
	r = creation_save_state(c, e);
	if (r == 0 && c->pidfd_sock >= 0)
		r = console_send(c->pidfd_sock, c->pidfd, "pidfd", e);
	if (r == 0)
		r = run_pid_file_write(&c->pid_file, c->pid, e);
	if (r == 0)
		r = sync_send(c->sync, SYNC_GO, SYNC_FD_NONE);
	if (r == 0 && c->o->is_run) {
		r = serve_init(c, true, e);
		if (r < 0)
			err_wrap(e, r, "unable to start container process");
	}
	return r;
}

static int poststart(struct creation *c, struct err *e)
{
	const struct oci_hooks *h = c->spec->hooks;
	AUTO_STRBUF struct strbuf state = { 0 };

	if (!h || !h->poststart.n)
		return 0;
	state_hook_json(c->spec, c->o->id, c->bundle, c->pid, "running", &state);
	return hooks_run(h->poststart.v, h->poststart.n, "poststart", state.p, c->bundle,
			 &c->hooks_output, e);
}

static void kill_init(struct creation *c)
{
	if (c->pid <= 0)
		return;
	proc_pidfd_kill(c->pidfd, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}

static void undo(struct creation *c)
{
	const struct oci_intel_rdt *rdt = c->spec && c->spec->linux_ ? c->spec->linux_->intel_rdt
								     : NULL;

	kill_init(c);
	if (rdt && c->pidfd >= 0)
		intel_rdt_undo(rdt, c->o->id, c->has_own_rdt);
	group_remove(&c->group, false, NULL);
	if (c->has_dir)
		dir_remove_at(c->root, c->o->id);
}

/* Memory only: the program ends behind this, and the kernel closes some thirty descriptors for nothing. */
static void creation_done(struct creation *c)
{
	group_done(&c->group);
	free(c->bundle);
	arena_done(&c->arena);
}

/* The same after a foreground run, with what is still open. Its failures have nobody to hear them but the log. */
static void destroy_own(struct creation *c)
{
	const struct oci_hooks *h = c->spec->hooks;
	AUTO_STRBUF struct strbuf text = { 0 };
	struct err e = ERR_INIT;
	int r = group_remove(&c->group, !(c->plan->new_ns & CLONE_NEWPID), &e);

	if (r == 0)
		r = intel_rdt_destroy(&c->state, &e);
	if (r == 0 && h && h->poststop.n) {
		state_hook_json(c->spec, c->o->id, c->bundle, 0, "stopped", &text);
		r = hooks_run(h->poststop.v, h->poststop.n, "poststop", text.p, c->bundle,
			      &c->hooks_output, &e);
	}
	if (r < 0)
		log_warn("%s", err_text(&e, r));
	run_remove_folder(c->root, c->dir, c->o->id);
}

int run_create(const struct runtime *rt, const struct create_options *o, struct err *e)
{
	struct creation c = {
		.o = o,
		.root = -EBADF,
		.dir = -EBADF,
		.sync = -EBADF,
		.pidfd = -EBADF,
		.master = -EBADF,
		.pidfd_sock = -EBADF,
		.pid_file.dir = -EBADF,
		.hooks_output = HOOKS_OUTPUT_NONE,
		.group = GROUP_INIT,
		.init = { .sync = -EBADF, .console = -EBADF, .fifo = -EBADF },
	};
	int r;

	for (size_t i = 0; i < NS_COUNT; i++)
		c.init.joins[i] = -EBADF;
	r = read_plan(&c, e);
	if (r == 0)
		r = prepare(&c, rt, e);
	if (r == 0)
		r = bring_up(&c, e);
	if (r == 0 && o->is_run)
		r = poststart(&c, e);
	if (r < 0)
		undo(&c);
	if (r == 0 && o->is_run && !o->is_detached) {
		r = run_wait(c.pid, c.pidfd, TAKE_FD(c.master), !o->no_subreaper, e);
		if (!o->keeps)
			destroy_own(&c);
	}
	creation_done(&c);
	return r;
}
