/* A worker and its control channel. */
#include "image/priv.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* A message that began arrives whole within this time, or its sender is stuck. */
#define MESSAGE_SECONDS 30
/* After its last message a worker has nothing left to do. */
#define END_MS 2000
#define FDS_MAX 6
#define POLL_MS 1000

static int open_channel(int pair[2], struct err *e)
{
	const struct timeval limit = { .tv_sec = MESSAGE_SECONDS };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, -errno, "make a socket");
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return 0;
}

/* Roles with libraries of their own have programs of their own. */
static const char *program_of(const char *role)
{
	static const struct {
		const char *role, *program;
	} rows[] = { { "fetch", "corten-fetch" }, { "verify", "corten-verify" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (streq(rows[i].role, role))
			return rows[i].program;
	return "corten-worker";
}

int worker_start(const char *role, const struct spawn_fd *fds, size_t n, struct worker *ret,
		 struct err *e)
{
	AUTO_FREE char *path = NULL;
	struct spawn_fd all[FDS_MAX];
	const char *program = program_of(role);
	int pair[2], r = proc_program_find(program, &path);
	char *argv[] = { (char *)program, (char *)role, NULL };
	char *envp[] = { NULL };
	struct spawn_options o = { .path = path,
				   .argv = argv,
				   .envp = envp,
				   .fds = all,
				   .fds_len = n + 1,
				   .dies_with_parent = true };

	ASSERT(n < FDS_MAX);
	if (r < 0)
		return err_set(e, r,
			       "program '%s' not found beside corten or in " CORTEN_LIBEXECDIR,
			       program);
	r = open_channel(pair, e);
	if (r < 0)
		return r;
	if (n > 0)
		memcpy(all, fds, n * sizeof(*fds));
	all[n] = (struct spawn_fd){ pair[1], WORKER_CONTROL_FD };
	o.path = path;
	r = proc_spawn(&o, &ret->child, e);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	ret->control = pair[0];
	ret->heard_ms = clock_mono_ms();
	return 0;
}

int worker_wait(struct worker *w, bool is_patient, struct err *e)
{
	struct pollfd p = { .fd = w->control, .events = POLLIN };

	for (;;) {
		int r = poll(&p, 1, POLL_MS);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_sys(e, -errno, "wait for the worker");
		if (!is_patient && clock_mono_ms() - w->heard_ms > WORKER_STALL_MS)
			return err_set(e, -ETIMEDOUT, "the worker makes no progress");
	}
}

void worker_stop(struct worker *w)
{
	int status;

	if (w->control < 0)
		return;
	fd_closep(&w->control);
	if (proc_wait(&w->child, 0, &status) < 0)
		proc_kill_wait(&w->child);
}

/* It is gone without a word: how it ended says why. */
static int died(struct worker *w, struct err *e)
{
	int status;

	if (proc_wait(&w->child, END_MS, &status) < 0)
		return err_set_code(e, -EPROTO, ERR_INTERNAL, "the worker stopped talking");
	if (status == 128 + SIGSYS)
		return err_set_code(e, -EPROTO, ERR_INTERNAL,
				    "the worker was killed by its sandbox");
	if (status == 128 + SIGXCPU)
		return err_set(e, -E2BIG, "the worker took too much time");
	if (status > 128)
		return err_set_code(e, -EPROTO, ERR_INTERNAL, "the worker was killed by signal %d",
				    status - 128);
	return err_set_code(e, -EPROTO, ERR_INTERNAL, "the worker ended with code %d", status);
}

/* Its words, made safe for a terminal: they may quote names from the archive. */
static int worker_error(const struct worker_msg *m, char *words, struct err *e)
{
	int r = m->a > 0 && m->a < 4096 ? -(int)m->a : -EPROTO;
	int code = m->b > ERR_OK && m->b <= ERR_UNAUTHENTICATED ? (int)m->b : ERR_UNKNOWN;

	for (char *p = words; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return err_set_code(e, r, (enum err_code)code, "%s",
			    *words ? words : "unknown error of the worker");
}

int worker_recv(struct worker *w, struct worker_msg *ret, char **ret_payload, struct err *e)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	int r = worker_msg_recv(w->control, &m, &payload, &fd);

	if (r == 0 || r == -ECONNRESET)
		return died(w, e);
	if (r == -EAGAIN)
		return err_set(e, -ETIMEDOUT, "the worker stopped within a message");
	if (r < 0)
		return err_sys(e, r, "read the worker's message");
	w->heard_ms = clock_mono_ms();
	if (fd >= 0)
		return err_set(e, -EPROTO, "the worker sent a descriptor");
	if (m.type == WORKER_ERROR)
		return worker_error(&m, payload, e);
	*ret = m;
	*ret_payload = TAKE_PTR(payload);
	return 0;
}

int worker_send(struct worker *w, enum worker_msg_type type, uint64_t a, const void *payload,
		size_t len, int fd, struct err *e)
{
	int r = worker_msg_send(w->control, type, a, 0, payload, len, fd);

	w->heard_ms = clock_mono_ms();
	/* A worker that failed meanwhile has said why: the next message is its error. */
	if (r == -EPIPE)
		return 0;
	return r < 0 ? err_sys(e, r, "talk to the worker") : 0;
}
