#include "base/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

extern char **environ;

/* A child that cannot exec leaves with this after it wrote its errno into the shared word. */
#define EXEC_FAILED 127
#define SPAWN_FDS_MAX 64

/*
 * The child shares our memory until exec (CLONE_VM | CLONE_VFORK): a start costs no copy of the page
 * tables, and the errno of a failed exec comes back in `exec_errno` without a pipe.
 */
struct spawn_child {
	const struct spawn_options *o;
	sigset_t mask;
	pid_t parent;
	volatile int exec_errno;
};

static int move_fds_high(const struct spawn_options *o, int *high)
{
	for (size_t i = 0; i < o->fds_len; i++) {
		high[i] = fcntl(o->fds[i].from, F_DUPFD_CLOEXEC, 3 + SPAWN_FDS_MAX);
		if (high[i] < 0)
			return -errno;
	}
	return 0;
}

static bool names_target(const struct spawn_options *o, int to)
{
	for (size_t i = 0; i < o->fds_len; i++)
		if (o->fds[i].to == to)
			return true;
	return false;
}

static int place_fds(const struct spawn_options *o, int *exec_fd)
{
	int high[SPAWN_FDS_MAX], r, null;

	if (o->fds_len > SPAWN_FDS_MAX)
		return -EINVAL;
	r = move_fds_high(o, high);
	if (r < 0)
		return r;
	if (o->exec_fd > 0) {
		*exec_fd = fcntl(o->exec_fd, F_DUPFD_CLOEXEC, 3 + SPAWN_FDS_MAX);
		if (*exec_fd < 0)
			return -errno;
	}
	null = o->keep_stdio ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int to = 0; to < 3 && !o->keep_stdio; to++)
		if (!names_target(o, to) && null >= 0 && null != to && dup2(null, to) < 0)
			return -errno;
	/* Everything above stderr closes at exec; what was asked for is then placed without the flag. */
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < o->fds_len; i++)
		if (dup2(high[i], o->fds[i].to) < 0)
			return -errno;
	return 0;
}

static int child_prepare(const struct spawn_child *c, int *exec_fd)
{
	const struct spawn_options *o = c->o;
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int r;

	for (int sig = 1; sig < _NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &dfl, NULL);
	if (o->dies_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != c->parent)
			return -ESRCH;
	}
	if (o->is_session_leader && setsid() < 0)
		return -errno;
	if (o->cwd_fd > 0 && fchdir(o->cwd_fd) < 0)
		return -errno;
	if (o->cwd_fd <= 0 && o->cwd && chdir(o->cwd) < 0)
		return -errno;
	r = place_fds(o, exec_fd);
	if (r < 0)
		return r;
	sigprocmask(SIG_SETMASK, &(sigset_t){ 0 }, NULL);
	return 0;
}

static int child_main(void *arg)
{
	struct spawn_child *c = arg;
	const struct spawn_options *o = c->o;
	char *const *envp = o->envp ? o->envp : environ;
	int exec_fd = -EBADF, r = child_prepare(c, &exec_fd);

	if (r == 0) {
		if (o->exec_fd > 0)
			execveat(exec_fd, "", o->argv, envp, AT_EMPTY_PATH);
		else
			execvpe(o->path, o->argv, envp);
		r = -errno;
	}
	c->exec_errno = -r;
	_exit(EXEC_FAILED);
}

#define CHILD_STACK ((size_t)64 << 10)

int proc_spawn(const struct spawn_options *o, struct child *ret, struct err *e)
{
	AUTO_FREE char *stack = malloc(CHILD_STACK);
	struct spawn_child c = { .o = o, .parent = getpid() };
	sigset_t all;
	int pidfd = -EBADF, saved;
	pid_t pid;

	if (!stack)
		return err_sys(e, -ENOMEM, "start '%s'", o->path);
	/* No handler of ours may run in the child while it shares our memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &c.mask);
	pid = clone(child_main, (void *)((uintptr_t)(stack + CHILD_STACK) & ~(uintptr_t)15),
		    CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &c, &pidfd);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &c.mask, NULL);
	if (pid < 0)
		return err_sys(e, -saved, "start '%s'", o->path);
	if (c.exec_errno) {
		waitpid(pid, NULL, 0);
		close(pidfd);
		return err_sys(e, -c.exec_errno, "exec '%s'", o->path);
	}
	*ret = (struct child){ .pid = pid, .pidfd = pidfd };
	return 0;
}

static int poll_fd(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t end = timeout_ms < 0 ? 0 : clock_mono_ms() + timeout_ms;

	for (;;) {
		int n = poll(&p, 1, timeout_ms);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
		if (timeout_ms >= 0)
			timeout_ms = (int)MAX(end - clock_mono_ms(), 0);
	}
}

int proc_wait(struct child *c, int timeout_ms, int *ret_status)
{
	siginfo_t si = { 0 };
	int r;

	if (timeout_ms >= 0) {
		r = poll_fd(c->pidfd, POLLIN, timeout_ms);
		if (r < 0)
			return r;
	}
	while (waitid((idtype_t)P_PIDFD, (id_t)c->pidfd, &si, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	close(c->pidfd);
	*c = (struct child){ .pidfd = -EBADF };
	*ret_status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	return 0;
}

void proc_kill_wait(struct child *c)
{
	int status;

	if (c->pid <= 0)
		return;
	proc_pidfd_kill(c->pidfd, SIGKILL);
	proc_wait(c, -1, &status);
}

/* Feeds and drains both pipes until the output ends. *Takes* both ends. */
static int exchange(int in_fd, int out_fd, const char *input, size_t output_max, int timeout_ms,
		    struct strbuf *out)
{
	AUTO_FD in = in_fd;
	AUTO_FD from = out_fd;
	size_t left = input ? strlen(input) : 0;
	int64_t end = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
	char buf[4096];

	if (left == 0)
		fd_closep(&in);
	while (from >= 0) {
		struct pollfd p[2] = { { .fd = from, .events = POLLIN },
				       { .fd = in, .events = POLLOUT } };
		int64_t wait = end - clock_mono_ms();
		ssize_t n;

		if (wait <= 0)
			return -ETIMEDOUT;
		if (poll(p, in >= 0 ? 2 : 1, timeout_ms < 0 ? -1 : (int)wait) < 0 && errno != EINTR)
			return -errno;
		if (in >= 0 && p[1].revents) {
			n = write(in, input, left);
			if (n > 0) {
				input += n;
				left -= (size_t)n;
			}
			if (left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				fd_closep(&in);
		}
		if (!p[0].revents)
			continue;
		n = read(from, buf, sizeof(buf));
		if (n == 0)
			fd_closep(&from);
		else if (n > 0 && out->len < output_max)
			strbuf_add(out, buf, MIN((size_t)n, output_max - out->len));
		else if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return strbuf_ok(out);
}

int proc_run(const struct spawn_options *o, const char *input, size_t output_max, int timeout_ms,
	     char **ret_output, int *ret_status, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct spawn_options so = *o;
	struct spawn_fd fds[SPAWN_FDS_MAX];
	struct child c = { 0 };
	int in[2] = { -1, -1 }, from[2] = { -1, -1 };
	int r;

	if (so.fds_len + 3 > SPAWN_FDS_MAX)
		return err_set(e, -EINVAL, "too many descriptors for '%s'", o->path);
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "start '%s'", o->path);
	if (pipe2(from, O_CLOEXEC) < 0) {
		r = -errno;
		close(in[0]);
		close(in[1]);
		return err_sys(e, r, "start '%s'", o->path);
	}
	if (so.fds_len)
		memcpy(fds, o->fds, so.fds_len * sizeof(fds[0]));
	fds[so.fds_len++] = (struct spawn_fd){ in[0], 0 };
	if (!names_target(o, 1))
		fds[so.fds_len++] = (struct spawn_fd){ from[1], 1 };
	if (!o->keep_stdio && !names_target(o, 2))
		fds[so.fds_len++] = (struct spawn_fd){ from[1], 2 };
	so.fds = fds;
	r = proc_spawn(&so, &c, e);
	close(in[0]);
	close(from[1]);
	if (r < 0) {
		close(in[1]);
		close(from[0]);
		return r;
	}
	fd_set_nonblock(in[1], true);
	r = exchange(in[1], from[0], input, output_max, timeout_ms, &out);
	if (r == 0)
		r = proc_wait(&c, timeout_ms, ret_status);
	if (r < 0) {
		proc_kill_wait(&c);
		return err_sys(e, r, "run '%s'", o->path);
	}
	return ret_output ? strbuf_take(&out, ret_output) : 0;
}

int proc_pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

pid_t proc_pidfd_pid(int pidfd)
{
	char path[48], text[512], *line;
	AUTO_FD fd = -EBADF;
	ssize_t n;
	int64_t pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	line = strstr(text, "\nPid:\t");
	if (!line)
		return -EINVAL;
	line += strlen("\nPid:\t");
	line[strcspn(line, "\n")] = '\0';
	/* -1: it has ended; 0: it is out of sight. */
	return str_to_i64(line, 1, INT32_MAX, &pid) < 0 ? -ESRCH : (pid_t)pid;
}

int proc_pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

/* The text behind the command's closing bracket: " S ppid ...". */
static int read_stat(pid_t pid, char *buf, size_t len, const char **ret_rest)
{
	char path[40];
	AUTO_FD fd = -EBADF;
	ssize_t n;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fd_read_full(fd, buf, len - 1);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (!p || p[1] != ' ' || !p[2])
		return -EBADMSG;
	*ret_rest = p + 2;
	return 0;
}

int proc_start_time(pid_t pid, uint64_t *ret)
{
	char buf[1024];
	const char *p;
	int r = read_stat(pid, buf, sizeof(buf), &p);

	if (r < 0)
		return r;
	/* `p` is at field 3; the start time is field 22. */
	for (int i = 3; i < 22; i++) {
		p = strchr(p, ' ');
		if (!p)
			return -EBADMSG;
		p++;
	}
	*ret = strtoull(p, NULL, 10);
	return 0;
}

int proc_state(pid_t pid)
{
	char buf[1024];
	const char *p;
	int r = read_stat(pid, buf, sizeof(buf), &p);

	return r < 0 ? r : (unsigned char)*p;
}

int proc_boot_id(char buf[37])
{
	AUTO_FREE char *text = NULL;
	int r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL);

	if (r < 0)
		return r;
	if (strlen(text) < 36)
		return -EBADMSG;
	memcpy(buf, text, 36);
	buf[36] = '\0';
	return 0;
}

/* The folder that whoever executed us from a detached mount names. */
static int named_dir(char **ret)
{
	const char *path = secure_getenv(PROC_LIBEXEC_ENV);
	struct stat st;

	if (!path || path[0] != '/')
		return -ENOENT;
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & S_IWOTH))
		return -EPERM;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

int proc_self_dir(char **ret)
{
	char buf[4096];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	/* A detached mount of a file is its own root. */
	if (buf[0] != '/' || slash[1] == '\0')
		return named_dir(ret);
	*slash = '\0';
	*ret = strdup(buf[0] ? buf : "/");
	return *ret ? 0 : -ENOMEM;
}

int proc_program_find(const char *name, char **ret)
{
	static const char *const places[] = { "%s/%s", "%s/../libexec/corten/%s" };
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *path = NULL;
	int r = proc_self_dir(&dir);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++) {
		free(path);
		path = str_printf(places[i], dir, name);
		if (path && access(path, X_OK) == 0)
			return *ret = TAKE_PTR(path), 0;
	}
	free(path);
	path = str_printf(CORTEN_LIBEXECDIR "/%s", name);
	if (!path)
		return -ENOMEM;
	if (access(path, X_OK) < 0)
		return -errno;
	*ret = TAKE_PTR(path);
	return 0;
}
