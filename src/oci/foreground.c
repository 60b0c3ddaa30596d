#include "oci/run.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "sys/console.h"

#define RELAY_BYTES 8192

struct relay {
	pid_t pid;
	int pidfd, signals, master;
	bool is_input_done;
	int status; /* -1 while it runs */
};

static void reap(struct relay *r)
{
	int status;
	pid_t pid;

	/* As a subreaper we also get the orphans of what ran before. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == r->pid)
			r->status = WIFEXITED(status) ? WEXITSTATUS(status)
						      : 128 + WTERMSIG(status);
}

static void on_signal(struct relay *r)
{
	struct signalfd_siginfo si;

	if (read(r->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		reap(r);
	else if (si.ssi_signo == SIGWINCH && r->master >= 0)
		console_copy_size(0, r->master);
	else if (si.ssi_signo != SIGURG && si.ssi_signo != SIGPIPE)
		proc_pidfd_kill(r->pidfd, (int)si.ssi_signo);
}

/* Copies what is there. False at the end of the stream. */
static bool pump(int from, int to)
{
	char buf[RELAY_BYTES];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && fd_write_full(to, buf, (size_t)n) == 0;
}

static void turn(struct relay *r)
{
	struct pollfd p[] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->master, .events = POLLIN },
		{ .fd = r->master >= 0 && !r->is_input_done ? 0 : -1, .events = POLLIN },
	};

	if (poll(p, ARRAY_LEN(p), -1) < 0)
		return;
	if (p[0].revents)
		on_signal(r);
	if (p[1].revents && !pump(r->master, 1))
		fd_closep(&r->master);
	if (p[2].revents && r->master >= 0 && !pump(0, r->master))
		r->is_input_done = true;
}

/* What the terminal still holds when the process is gone. */
static void drain(struct relay *r)
{
	if (r->master < 0)
		return;
	fd_set_nonblock(r->master, true);
	while (r->master >= 0) {
		char buf[RELAY_BYTES];
		ssize_t n = read(r->master, buf, sizeof(buf));

		if (n <= 0 || fd_write_full(1, buf, (size_t)n) < 0)
			fd_closep(&r->master);
	}
}

int run_wait(pid_t pid, int pidfd, int master, bool has_subreaper, struct err *e)
{
	struct relay r = { .pid = pid, .pidfd = pidfd, .master = master, .status = -1 };
	struct termios old;
	bool is_raw = false;
	sigset_t all;

	if (has_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	r.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r.signals < 0)
		return err_sys(e, -errno, "make signalfd");
	if (master >= 0) {
		console_copy_size(0, master);
		is_raw = console_raw(0, &old) == 0;
	}
	reap(&r);
	while (r.status < 0)
		turn(&r);
	drain(&r);
	if (is_raw)
		console_restore(0, &old);
	close(r.signals);
	return r.status;
}
