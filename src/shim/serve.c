#include "shim/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "shim/options.h"
#include "shim/task.h"
#include "wire/ttrpc.h"

/* What peers may still read after Shutdown. */
#define FLUSH_MS 1000
/* Free memory at the heap's top beyond this goes back: a shim sleeps nearly always. */
#define HEAP_KEEP (32 << 10)

static void on_children(void *data, int sig)
{
	(void)sig;
	for (;;) {
		siginfo_t si = { 0 };

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
			break;
		task_reaped(data, si.si_pid,
			    si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status,
			    clock_wall_ns());
	}
}

/* Signals that come from a terminal or a stopped service mean somebody else: only Shutdown ends a shim. */
static void ignore_signals(void)
{
	static const int ignored[] = {
		SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU
	};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static void redirect_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open("shim.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(fd == 2 && log >= 0 ? log : null, fd);
	if (null > 2)
		close(null);
	if (log > 2)
		close(log);
	log_setup(&(struct log_options){
		.level = LOG_INFO, .format = LOG_FORMAT_JSON, .fd = 2, .prog = "shim" });
}

/* Leaves everything of the caller but its cgroup: session, process group, descriptors, signals, umask. */
static void become_daemon(void)
{
	redirect_stdio();
	syscall(SYS_close_range, SHIM_FD_LOCK + 1, ~0U, 0);
	for (int fd = SHIM_FD_TTRPC; fd <= SHIM_FD_LOCK; fd++)
		fd_set_cloexec(fd, true);
	setsid();
	umask(0077);
	ignore_signals();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NAME, "corten-shim", 0, 0, 0);
	mallopt(M_MMAP_THRESHOLD, 32 << 10);
	mallopt(M_TRIM_THRESHOLD, HEAP_KEEP);
	mallopt(M_ARENA_MAX, 1);
}

static void write_pid(int dir)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	file_replace_at(dir, "shim.pid", text, (size_t)n, 0600, 0);
}

static int start_serving(struct task *t, struct err *e)
{
	int r = ev_signal_start(t->loop, SIGCHLD, on_children, t);

	if (r == 0)
		r = ttrpc_server_new(t->loop, shim_services, ARRAY_LEN(shim_services), t,
				     &t->server);
	if (r == 0)
		r = ttrpc_server_listen(t->server, SHIM_FD_TTRPC);
	if (r == 0)
		r = attach_server_start(&t->attach, t->loop, SHIM_FD_ATTACH);
	return r < 0 ? err_sys(e, r, "serve") : 0;
}

void shim_quit(struct task *t)
{
	ev_loop_quit(t->loop, 0);
}

/* The sockets' names go before the process, so that nobody connects to a shim that will not answer. */
static void end(struct task *t)
{
	unlinkat(t->dir, "shim.sock", 0);
	unlinkat(t->dir, "attach.sock", 0);
	unlinkat(t->dir, "shim.pid", 0);
	attach_server_flush(&t->attach, FLUSH_MS);
	ttrpc_server_flush(t->server, FLUSH_MS);
	task_done(t);
}

int shim_serve(bool is_adopt, struct err *e)
{
	static struct task t;
	static struct arena a;
	struct shim_options o;
	struct ev_loop *loop;
	int dir, r;

	become_daemon();
	dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "open the task folder");
	group_leave_callers(dir);
	r = shim_options_read(dir, &a, &o, e);
	if (r == 0) {
		r = ev_loop_new(&loop);
		if (r < 0)
			return err_sys(e, r, "make the event loop");
		r = task_init(&t, loop, &o, dir, e);
	}
	if (r < 0)
		return r;
	write_pid(dir);
	r = start_serving(&t, e);
	if (r == 0 && is_adopt)
		r = task_adopt(&t, e);
	if (r < 0)
		return r;
	malloc_trim(0);
	r = ev_loop_run(loop);
	end(&t);
	return r;
}
