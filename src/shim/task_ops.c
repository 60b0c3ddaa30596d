#include "shim/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/str.h"
#include "shim/ops.h"
#include "shim/rootfs.h"
#include "shim/runtime.h"
#include "wire/ttrpc.h"

/* The runtime sent the terminal's master before it ended: this only bounds a broken one. */
#define CONSOLE_WAIT_MS 1000
#define FREEZE_WAIT_MS 2000
#define KILL_ALL_WAIT_MS 500

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++)
		fd_closep(&fds[i]);
}

static char *console_name(const struct proc *p)
{
	/* sun_path is short: a name of its own in the working directory, whatever the exec's id. */
	return str_printf("console-%llu", (unsigned long long)p->t->next_file);
}

/* The container's ends of stdio, or a console socket in `ret_console` (its name). */
static int prepare_stdio(struct proc *p, int fds[3], char **ret_console, struct err *e)
{
	AUTO_FREE char *name = NULL;

	if (!p->io.is_terminal)
		return stdio_make(&p->io, p->prefix, fds, e);
	name = console_name(p);
	if (!name)
		return err_set(e, -ENOMEM, "out of memory");
	p->t->next_file++;
	p->console_fd = sock_listen_at(p->t->dir, name, SOCK_STREAM, 1);
	if (p->console_fd < 0)
		return err_sys(e, p->console_fd, "make the console socket");
	*ret_console = TAKE_PTR(name);
	return 0;
}

static int take_console(struct proc *p, struct err *e)
{
	AUTO_FD listener = TAKE_FD(p->console_fd);
	AUTO_FD conn = -EBADF;
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	char name[256];
	size_t n = 0;
	int master = -EBADF;

	if (poll(&pfd, 1, CONSOLE_WAIT_MS) <= 0)
		return err_set(e, -ETIMEDOUT, "the runtime sent no terminal");
	conn = sock_accept(listener, false);
	if (conn < 0)
		return err_sys(e, conn, "accept the terminal");
	pfd.fd = conn;
	if (poll(&pfd, 1, CONSOLE_WAIT_MS) <= 0 ||
	    sock_recv_fds(conn, name, sizeof(name), &master, 1, &n) < 0 || n != 1)
		return err_set(e, -EBADMSG, "the runtime sent no terminal");
	return stdio_set_console(&p->io, master);
}

/* What create and exec have in common once the runtime succeeded. */
static int adopt_new(struct proc *p, enum proc_state next, struct err *e)
{
	int r = p->io.is_terminal ? take_console(p, e) : 0;

	if (r == 0)
		r = proc_move(p == p->t->init, &p->state, next, "start", e);
	if (r == 0)
		r = proc_take_pid(p, e);
	if (r < 0)
		return r;
	if (p == p->t->init && p->state == next)
		task_open_group(p->t);
	if (p->state != PROC_STOPPED)
		stdio_start(&p->io);
	return 0;
}

struct created {
	struct ttrpc_call *call;
	char *console;
};

static void created_free(struct task *t, struct created *c)
{
	if (c->console)
		unlinkat(t->dir, c->console, 0);
	free(c->console);
	free(c);
}

static void fail_new(struct proc *p, struct ttrpc_call *call, int r, const struct err *e)
{
	bool is_exec = p != p->t->init;

	p->state = PROC_NEW;
	p->pid = 0;
	fd_closep(&p->console_fd);
	stdio_fail(&p->io, p->prefix);
	if (!is_exec && !p->t->is_own_runtime && p->t->o.mounts_len > 0)
		shim_root_detach(p->t->dir);
	ttrpc_fail(call, r, e);
	p->was_refused = true;
	proc_forget_later(p);
}

static void on_created(struct task *t, struct proc *p, void *data, int r, const struct err *e)
{
	struct created *c = data;
	struct err own = e ? *e : ERR_INIT;

	if (r == 0)
		r = adopt_new(p, p == t->init ? PROC_CREATED : PROC_RUNNING, &own);
	if (r < 0)
		fail_new(p, c->call, r, &own);
	else
		service_answer_pid(c->call, p == t->init, p->pid);
	created_free(t, c);
}

/* Runs the runtime with this process's stdio; `v` gets the console's option and the id. Call is kept. */
static int launch(struct proc *p, struct ttrpc_call *call, char ***v, struct runtime_args *a,
		  struct err *e)
{
	struct created *c = calloc(1, sizeof(*c));
	int fds[3] = { -EBADF, -EBADF, -EBADF };
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->call = call;
	r = prepare_stdio(p, fds, &c->console, e);
	if (r == 0 && c->console &&
	    (strv_add(v, "--console-socket") < 0 || strv_add(v, c->console) < 0))
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0 && strv_add(v, p->t->o.id) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0) {
		a->args = *v;
		a->stdio = p->io.is_terminal ? NULL : fds;
		a->p = p;
		a->data = c;
		a->done = on_created;
		r = runtime_start(p->t, a, e);
	}
	close_all(fds);
	if (r < 0) {
		created_free(p->t, c);
		fd_closep(&p->console_fd);
		stdio_fail(&p->io, p->prefix);
	}
	return r;
}

static int prepare_root(struct task *t, int *ret, struct err *e)
{
	AUTO_FD root = -EBADF;
	int r;

	if (t->o.mounts_len == 0)
		return 0;
	root = shim_root_open(t->o.mounts, t->o.mounts_len, e);
	if (root < 0)
		return root;
	if (t->is_own_runtime) {
		*ret = TAKE_FD(root);
		return 0;
	}
	r = shim_root_attach(root, t->dir, e);
	return r;
}

int task_create(struct task *t, struct ttrpc_call *call, struct err *e)
{
	static const char *const fixed[] = { "--bundle", ".", "--pid-file", "init.pid" };
	struct runtime_args a = { .verb = "create" };
	AUTO_STRV char **v = NULL;
	AUTO_FD root = -EBADF;
	int r = proc_move(true, &t->init->state, PROC_CREATING, "create", e);

	if (r < 0)
		return r;
	r = prepare_root(t, &root, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(fixed); i++)
		r = strv_add(&v, fixed[i]);
	if (r == 0 && t->o.no_pivot)
		r = strv_add(&v, "--no-pivot");
	if (r == 0 && t->o.no_new_keyring)
		r = strv_add(&v, "--no-new-keyring");
	if (r == 0 && root >= 0) {
		a.root_fd = root;
		r = strv_add(&v, "--rootfs-fd");
		r = r ? r : strv_add(&v, "3");
	}
	if (r == 0)
		r = launch(t->init, call, &v, &a, e);
	if (r < 0) {
		t->init->state = PROC_NEW;
		if (!t->is_own_runtime && t->o.mounts_len > 0)
			shim_root_detach(t->dir);
	}
	return r;
}

static int start_exec(struct proc *p, struct ttrpc_call *call, struct err *e)
{
	AUTO_FREE char *file = proc_file(p, "json");
	AUTO_FREE char *pid_file = proc_file(p, "pid");
	struct runtime_args a = { .verb = "exec", .input_file = file };
	AUTO_STRV char **v = NULL;
	int r;

	if (p->t->init->state != PROC_RUNNING)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot exec: the container is %s",
				    proc_state_name(p->t->init->state));
	r = proc_move(false, &p->state, PROC_STARTING, "start", e);
	if (r < 0)
		return r;
	r = file && pid_file ? file_replace_at(p->t->dir, file, p->spec, strlen(p->spec), 0600, 0)
			     : -ENOMEM;
	if (r < 0)
		r = err_sys(e, r, "write the process of '%s'", p->id);
	if (r == 0 && (strv_add(&v, "--detach") < 0 || strv_add(&v, "--process") < 0 ||
		       strv_add(&v, file) < 0 || strv_add(&v, "--pid-file") < 0 ||
		       strv_add(&v, pid_file) < 0))
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = launch(p, call, &v, &a, e);
	if (r < 0) {
		p->state = PROC_NEW;
		p->was_refused = true;
		proc_forget_later(p);
	}
	return r;
}

static void end_start(struct proc *p, int r, const struct err *e)
{
	struct ttrpc_call *call = TAKE_PTR(p->call);

	ev_timer_stop(&p->fifo_limit);
	if (p->fifo.loop) {
		ev_io_stop(&p->fifo);
		close(p->fifo.fd);
	}
	if (p->state == PROC_STARTING)
		p->state = r < 0 ? PROC_CREATED : PROC_RUNNING;
	if (!call)
		return;
	if (r < 0)
		ttrpc_fail(call, r, e);
	else
		service_answer_pid(call, false, p->pid);
}

void ops_ended(struct proc *p)
{
	struct err e = ERR_INIT;

	if (!p->fifo.loop)
		return;
	err_set(&e, -ESRCH, "the container's init ended before it was started");
	end_start(p, -ESRCH, &e);
}

static void on_started(struct task *t, struct proc *p, void *data, int r, const struct err *e)
{
	(void)t;
	(void)data;
	/* A process that is too short-lived for the runtime to see was started all the same. */
	end_start(p, p->state == PROC_STOPPED ? 0 : r, e);
}

static char *fifo_path(const struct task *t)
{
	return str_printf("%s/%s/exec.fifo", t->o.runtime_root, t->o.id);
}

static void on_fifo(struct ev_io *io, uint32_t events)
{
	struct proc *p = io->data;
	AUTO_FREE char *path = fifo_path(p->t);
	struct err e = ERR_INIT;
	char byte;
	ssize_t n = read(io->fd, &byte, 1);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != 1) {
		err_set(&e, -ESRCH, "the container's init went away before it was started");
		end_start(p, -ESRCH, &e);
		return;
	}
	if (path)
		unlink(path);
	end_start(p, 0, NULL);
}

static void on_fifo_limit(struct ev_timer *t)
{
	struct err e = ERR_INIT;

	err_set(&e, -ETIMEDOUT, "the container's init does not start");
	end_start(t->data, -ETIMEDOUT, &e);
}

/* Only the runtime's own start runs poststart hooks. */
static bool has_poststart(const struct task *t)
{
	AUTO_FREE char *text = NULL;

	return file_read_at(t->dir, "config.json", LIMIT_SPEC_BYTES, &text, NULL) < 0 ||
	       strstr(text, "\"poststart\"");
}

/* What the runtime's start does, without executing it: reading the FIFO lets the init go on. */
static int start_by_fifo(struct proc *p, struct err *e)
{
	AUTO_FREE char *path = fifo_path(p->t);
	int fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW) : -1;
	int r;

	if (fd < 0)
		return err_sys(e, path ? -errno : -ENOMEM, "open exec.fifo");
	r = ev_io_start(p->t->loop, &p->fifo, fd, EPOLLIN, on_fifo, p);
	if (r == 0)
		r = ev_timer_start(p->t->loop, &p->fifo_limit, LIMIT_SHIM_CALL_MS, on_fifo_limit,
				   p);
	if (r < 0) {
		ev_io_stop(&p->fifo);
		close(fd);
		return err_sys(e, r, "watch exec.fifo");
	}
	return 0;
}

static int start_init(struct proc *p, struct ttrpc_call *call, struct err *e)
{
	char *const args[] = { (char *)(uintptr_t)p->t->o.id, NULL };
	struct runtime_args a = { .verb = "start", .args = args, .p = p, .done = on_started };
	int r = proc_move(true, &p->state, PROC_STARTING, "start", e);

	if (r < 0)
		return r;
	r = p->t->is_own_runtime && !has_poststart(p->t) ? start_by_fifo(p, e)
							 : runtime_start(p->t, &a, e);
	if (r < 0)
		p->state = PROC_CREATED;
	else
		p->call = call;
	return r;
}

int task_start(struct proc *p, struct ttrpc_call *call, struct err *e)
{
	return p == p->t->init ? start_init(p, call, e) : start_exec(p, call, e);
}

static void on_deleted(struct task *t, struct proc *p, void *data, int r, const struct err *e)
{
	struct ttrpc_call *call = data;

	if (r < 0) {
		p->state = PROC_STOPPED;
		ttrpc_fail(call, r, e);
		/* An owner that went meanwhile was not heard. */
		task_maybe_run_command(t);
		return;
	}
	if (!t->is_own_runtime && t->o.mounts_len > 0)
		shim_root_detach(t->dir);
	unlinkat(t->dir, "init.pid", 0);
	unlinkat(t->dir, "init.start", 0);
	p->state = PROC_DELETED;
	ev_io_stop(&t->oom_watch);
	group_close(&t->group);
	stdio_done(&p->io, p->prefix);
	service_answer_deleted(call, &p->exit);
	task_expect_shutdown(t);
}

static void drop_waiters(struct proc *p)
{
	struct err e = ERR_INIT;

	err_set(&e, -ENOENT, "process '%s' was deleted before it was started", p->id);
	while (p->waiters_len > 0)
		ttrpc_fail(p->waiters[--p->waiters_len], -ENOENT, &e);
}

int task_delete(struct proc *p, struct ttrpc_call *call, struct err *e)
{
	char *const args[] = { (char *)(uintptr_t) "--force", (char *)(uintptr_t)p->t->o.id, NULL };
	struct runtime_args a = {
		.verb = "delete", .args = args, .p = p, .data = call, .done = on_deleted
	};
	bool is_init = p == p->t->init;
	int r = proc_move(is_init, &p->state, PROC_DELETING, "delete", e);

	if (r < 0)
		return r;
	if (is_init) {
		r = runtime_start(p->t, &a, e);
		if (r < 0)
			p->state = PROC_STOPPED;
		return r;
	}
	drop_waiters(p);
	service_answer_deleted(call, &p->exit);
	task_remove_exec(p);
	return 0;
}

static int no_such_process(struct err *e)
{
	return err_set_code(e, -ESRCH, ERR_NOT_FOUND, "process already finished");
}

static int kill_all(struct task *t, int sig, struct err *e)
{
	if (!t->group.is_open)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_FAILED_PRECONDITION,
			"the container has no cgroup of its own: cannot signal all its processes");
	return cg_kill(&t->group.cg, sig, KILL_ALL_WAIT_MS, e);
}

int task_kill(struct proc *p, int sig, bool is_all, struct err *e)
{
	struct task *t = p->t;
	int r;

	if (sig < 1 || sig >= _NSIG)
		return err_set(e, -EINVAL, "signal %d is not valid", sig);
	if (p->state == PROC_NEW || p->state == PROC_CREATING)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot kill: the process is %s", proc_state_name(p->state));
	if (is_all && p == t->init && t->group.is_open)
		r = kill_all(t, sig, e);
	else
		r = p->pidfd < 0 ? -ESRCH : proc_pidfd_kill(p->pidfd, sig);
	if (r == -ESRCH)
		return no_such_process(e);
	/* A frozen v1 group keeps even SIGKILL waiting. */
	if (r == 0 && sig == SIGKILL && t->init->state == PROC_PAUSED && t->group.is_open)
		cg_thaw(&t->group.cg, FREEZE_WAIT_MS, NULL);
	return r < 0 ? err_wrap(e, r, "kill") : 0;
}

static void on_paused(struct task *t, struct proc *p, void *data, int r, const struct err *e)
{
	bool is_pause = p->state != PROC_PAUSED;
	struct err own = ERR_INIT;

	(void)t;
	if (r == 0)
		r = proc_move(true, &p->state, is_pause ? PROC_PAUSED : PROC_RUNNING,
			      is_pause ? "pause" : "resume", &own);
	if (r < 0)
		ttrpc_fail(data, r, own.code ? &own : e);
	else
		service_answer_empty(data);
}

int task_pause(struct task *t, struct ttrpc_call *call, bool is_pause, struct err *e)
{
	const char *verb = is_pause ? "pause" : "resume";
	char *const args[] = { (char *)(uintptr_t)t->o.id, NULL };
	struct runtime_args a = {
		.verb = verb, .args = args, .p = t->init, .data = call, .done = on_paused
	};
	int r;

	if (t->init->state != (is_pause ? PROC_RUNNING : PROC_PAUSED))
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot %s: the container is %s", verb,
				    proc_state_name(t->init->state));
	if (!t->group.is_open || !t->is_own_runtime)
		return runtime_start(t, &a, e);
	r = is_pause ? cg_freeze(&t->group.cg, FREEZE_WAIT_MS, e)
		     : cg_thaw(&t->group.cg, FREEZE_WAIT_MS, e);
	if (r == 0)
		on_paused(t, t->init, call, 0, NULL);
	return r;
}

int task_pids(struct task *t, pid_t **ret, size_t *ret_len, struct err *e)
{
	if (t->init->pidfd < 0)
		return no_such_process(e);
	if (t->group.is_open)
		return cg_pids(&t->group.cg, ret, ret_len, e);
	*ret = malloc(sizeof(**ret));
	if (!*ret)
		return err_set(e, -ENOMEM, "out of memory");
	(*ret)[0] = t->init->pid;
	*ret_len = 1;
	return 0;
}

static void on_updated(struct task *t, struct proc *p, void *data, int r, const struct err *e)
{
	(void)t;
	(void)p;
	if (r < 0)
		ttrpc_fail(data, r, e);
	else
		service_answer_empty(data);
}

int task_update(struct task *t, struct ttrpc_call *call, const void *resources, size_t len,
		struct err *e)
{
	AUTO_FREE char *file = str_printf("update-%llu.json", (unsigned long long)t->next_file++);
	char *const args[] = { (char *)(uintptr_t) "--resources", file, (char *)(uintptr_t)t->o.id,
			       NULL };
	struct runtime_args a = { .verb = "update",
				  .args = args,
				  .input_file = file,
				  .p = t->init,
				  .data = call,
				  .done = on_updated };
	int r;

	if (t->init->pidfd < 0)
		return no_such_process(e);
	r = file ? file_replace_at(t->dir, file, resources, len, 0600, 0) : -ENOMEM;
	if (r < 0)
		return err_sys(e, r, "write the resources");
	r = runtime_start(t, &a, e);
	if (r < 0)
		unlinkat(t->dir, file, 0);
	return r;
}
