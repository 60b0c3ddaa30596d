#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/str.h"
#include "shim/client_priv.h"
#include "shim/journal.h"
#include "shim/options.h"
#include "shim/serve.h"
#include "wire/ttrpc.h"

#define SHIM_PROGRAM "containerd-shim-corten-v2"
#define SHIM_BACKLOG 64

static int shim_new(int task_fd, int fd, struct shim **ret)
{
	struct shim *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->timeout_ms = LIMIT_SHIM_CALL_MS;
	s->dir = fcntl(task_fd, F_DUPFD_CLOEXEC, 3);
	r = ttrpc_client_new(fd, &s->ttrpc);
	if (r < 0) {
		fd_closep(&s->dir);
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void shim_close(struct shim *s)
{
	if (!s)
		return;
	ttrpc_client_free(s->ttrpc);
	fd_closep(&s->dir);
	free(s);
}

void shim_set_timeout(struct shim *s, int timeout_ms)
{
	s->timeout_ms = timeout_ms;
}

int shim_connect(int task_fd, struct shim **ret, struct err *e)
{
	int fd = sock_connect_at(task_fd, "shim.sock", SOCK_STREAM);
	int r;

	if (fd < 0)
		return err_sys(e, fd, "connect to the container's shim");
	r = shim_new(task_fd, fd, ret);
	return r < 0 ? err_sys(e, r, "connect to the container's shim") : 0;
}

/*
 * A shim holds the lock as long as it lives, however it ends: it belongs to the open file, which the shim inherits.
 * Such a lock, unlike flock's, can be asked for without being taken. The locked descriptor or -EEXIST.
 */
static int take_lock(int task_fd, struct err *e)
{
	AUTO_FD fd = openat(task_fd, "shim.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0)
		return err_sys(e, -errno, "open the task folder's lock");
	if (fcntl(fd, F_OFD_SETLK, &whole) < 0)
		return errno == EAGAIN || errno == EACCES
			       ? err_set(e, -EEXIST, "a shim serves this container already")
			       : err_sys(e, -errno, "lock the task folder");
	return TAKE_FD(fd);
}

bool shim_is_served(int task_fd)
{
	AUTO_FD fd = openat(task_fd, "shim.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

static int listen_new(int task_fd, const char *name, struct err *e)
{
	int fd;

	if (unlinkat(task_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "remove the old '%s'", name);
	fd = sock_listen_at(task_fd, name, SOCK_STREAM, SHIM_BACKLOG);
	return fd < 0 ? err_sys(e, fd, "make '%s'", name) : fd;
}

/* The program forks and its first process ends at once; `lock` goes to it with its copy of the descriptor. */
static int execute(int task_fd, const char *mode, int lock, struct err *e)
{
	AUTO_FD ttrpc = listen_new(task_fd, "shim.sock", e);
	AUTO_FD attach = -EBADF;
	AUTO_FREE char *program = NULL;
	char *const argv[] = { (char *)(uintptr_t)SHIM_PROGRAM, (char *)(uintptr_t)mode, NULL };
	struct spawn_options so = { .argv = argv, .cwd_fd = task_fd };
	struct child c;
	int status, r;

	if (ttrpc < 0)
		return ttrpc;
	attach = listen_new(task_fd, "attach.sock", e);
	if (attach < 0)
		return attach;
	r = proc_program_find(SHIM_PROGRAM, &program);
	if (r < 0)
		return err_sys(e, r, "find the shim's program");
	so.path = program;
	so.fds = (struct spawn_fd[]){ { ttrpc, SHIM_FD_TTRPC },
				      { attach, SHIM_FD_ATTACH },
				      { lock, SHIM_FD_LOCK } };
	so.fds_len = 3;
	r = proc_spawn(&so, &c, e);
	if (r < 0)
		return r;
	r = proc_wait(&c, LIMIT_SHIM_CALL_MS, &status);
	if (r < 0) {
		proc_kill_wait(&c);
		return err_sys(e, r, "start the shim");
	}
	return status ? err_set(e, -EAGAIN, "start the shim: '%s' ended with status %d", program,
				status)
		      : 0;
}

int shim_start(int task_fd, const struct shim_options *o, struct shim **ret, struct err *e)
{
	AUTO_FD lock = take_lock(task_fd, e);
	int r;

	if (lock < 0)
		return lock;
	r = shim_options_write(task_fd, o, e);
	if (r == 0)
		r = execute(task_fd, "serve", lock, e);
	if (r == 0)
		r = shim_connect(task_fd, ret, e);
	if (r < 0)
		shim_forget(task_fd);
	return r;
}

/* A lock without a socket lasts for moments: a successor between the two, or a shim that is ending. */
#define ADOPT_TRIES 200
#define ADOPT_WAIT_MS 10

int shim_adopt(int task_fd, struct shim **ret, struct err *e)
{
	AUTO_FD lock = -EEXIST;
	struct stat st;
	int r;

	for (int i = 0; lock == -EEXIST && i < ADOPT_TRIES; i++) {
		if (i > 0)
			poll(NULL, 0, ADOPT_WAIT_MS);
		r = shim_connect(task_fd, ret, NULL);
		if (r == 0)
			return 0;
		if (fstatat(task_fd, "init.pid", &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_set(e, -ENOENT, "nothing is left of the container");
		lock = take_lock(task_fd, e);
	}
	if (lock == -EEXIST)
		return shim_connect(task_fd, ret, e);
	if (lock < 0)
		return lock;
	r = execute(task_fd, "adopt", lock, e);
	return r < 0 ? r : shim_connect(task_fd, ret, e);
}

int shim_read_exit(int task_fd, const char *exec_id, struct shim_exit *ret)
{
	struct journal_record x;
	int r = journal_find(task_fd, exec_id ? exec_id : "", 0, JOURNAL_COMMAND, &x);

	if (r < 0)
		return r;
	*ret = (struct shim_exit){
		.status = x.status,
		.exited_at_ns = x.exited_at_ns,
		.pid = x.pid,
		.is_oom = x.flags & JOURNAL_OOM,
	};
	return 0;
}
