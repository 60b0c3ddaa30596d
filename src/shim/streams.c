#include "shim/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "shim/attach.h"
#include "shim/attach_server.h"
#include "shim/logfile.h"

/* Input that waits for the process; its client is not read meanwhile. */
#define IN_FULL ((size_t)64 << 10)
/* After this many full reads in a row a pipe is made larger: fewer switches between the two sides. */
#define FULL_READS 2
#define PIPE_LARGE (1 << 20)
/* The log's flush interval in a flood (logfile.h has the rule), and after how long without output memory goes back. */
#define TICK_MS 250
/* Output within one tick that is not a flood yet. */
#define FLOOD_BYTES ((size_t)512 << 10)
/* How long a terminal may still be held by the ended process's children before its output counts as ended. */
#define TTY_END_MS 200
/* Reads of one stream before others get their turn. */
#define READS_PER_TURN 4

static void pump(struct stdio_stream *st);
static void check_drained(struct stdio *s);

static void on_tick(struct ev_timer *t)
{
	struct stdio_pool *p = t->data;

	p->logged = 0;
	if (p->was_used) {
		p->was_used = false;
		if (p->log)
			logfile_flush(p->log, false);
		ev_timer_start(p->loop, t, TICK_MS, on_tick, p);
		return;
	}
	free(TAKE_PTR(p->buf));
	if (p->log)
		logfile_trim(p->log);
}

static char *pool_buffer(struct stdio_pool *p)
{
	p->was_used = true;
	if (!p->buf) {
		p->buf = malloc(LIMIT_ATTACH_FRAME);
		ev_timer_start(p->loop, &p->tick, TICK_MS, on_tick, p);
	}
	return p->buf;
}

void stdio_pool_done(struct stdio_pool *p)
{
	ev_timer_stop(&p->tick);
	free(TAKE_PTR(p->buf));
	logfile_close(TAKE_PTR(p->log));
}

void stdio_init(struct stdio *s, struct stdio_pool *pool, void *owner)
{
	s->pool = pool;
	s->owner = owner;
	s->in = -EBADF;
	for (int i = 0; i < 2; i++) {
		s->out[i].io = s;
		s->out[i].fd = -EBADF;
		s->out[i].type = i ? ATTACH_STDERR : ATTACH_STDOUT;
	}
}

static const char *const names[3] = { "stdin", "stdout", "stderr" };

static int fifo_open(const struct stdio *s, const char *prefix, int i, bool is_new, int flags)
{
	AUTO_FREE char *name = str_printf("%s-%s", prefix, names[i]);
	struct stat st;
	int fd;

	if (!name)
		return -ENOMEM;
	if (is_new && unlinkat(s->pool->dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (is_new && mkfifoat(s->pool->dir, name, 0600) < 0)
		return -errno;
	fd = openat(s->pool->dir, name, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static int make_output(struct stdio *s, const char *prefix, int i, int *ret)
{
	AUTO_FD theirs = fifo_open(s, prefix, i, true, O_RDWR);
	int fd;

	if (theirs < 0)
		return theirs;
	fd = fifo_open(s, prefix, i, false, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	s->out[i - 1].fd = fd;
	*ret = TAKE_FD(theirs);
	return 0;
}

static int make_input(struct stdio *s, const char *prefix, int *ret)
{
	AUTO_FD theirs = -EBADF;
	AUTO_FD ours = -EBADF;

	if (!s->has_stdin) {
		theirs = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (theirs < 0)
			return -errno;
		*ret = TAKE_FD(theirs);
		return 0;
	}
	/* Non-blocking, because there is no writer yet; the container gets a blocking end. */
	theirs = fifo_open(s, prefix, 0, true, O_RDONLY | O_NONBLOCK);
	if (theirs < 0)
		return theirs;
	ours = fifo_open(s, prefix, 0, false, O_WRONLY | O_NONBLOCK);
	if (ours < 0)
		return ours;
	fd_set_nonblock(theirs, false);
	s->in = TAKE_FD(ours);
	*ret = TAKE_FD(theirs);
	return 0;
}

int stdio_make(struct stdio *s, const char *prefix, int ret_fds[3], struct err *e)
{
	AUTO_FD in = -EBADF;
	AUTO_FD out = -EBADF;
	AUTO_FD errs = -EBADF;
	int r = make_input(s, prefix, &in);

	if (r == 0)
		r = make_output(s, prefix, 1, &out);
	if (r == 0)
		r = make_output(s, prefix, 2, &errs);
	if (r < 0)
		return err_sys(e, r, "make the stdio of '%s'", prefix);
	ret_fds[0] = TAKE_FD(in);
	ret_fds[1] = TAKE_FD(out);
	ret_fds[2] = TAKE_FD(errs);
	return 0;
}

int stdio_reopen(struct stdio *s, const char *prefix, struct err *e)
{
	for (int i = 1; i < 3; i++) {
		int fd = fifo_open(s, prefix, i, false, O_RDONLY | O_NONBLOCK);

		if (fd < 0 && fd != -ENOENT)
			return err_sys(e, fd, "open the %s of '%s'", names[i], prefix);
		s->out[i - 1].fd = fd;
	}
	if (s->has_stdin)
		s->in = fifo_open(s, prefix, 0, false, O_WRONLY | O_NONBLOCK);
	return 0;
}

int stdio_set_console(struct stdio *s, int master)
{
	int fd, r = fd_set_nonblock(master, true);

	fd = r < 0 ? r : fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		close(master);
		return r < 0 ? r : -errno;
	}
	s->in = master;
	s->out[0].fd = fd;
	if (s->width)
		stdio_resize(s, s->width, s->height);
	return 0;
}

static void stop_stream(struct stdio_stream *st)
{
	ev_io_stop(&st->watch);
	fd_closep(&st->fd);
}

static void grow_pipe(struct stdio_stream *st, ssize_t n)
{
	st->full_reads = n == (ssize_t)LIMIT_ATTACH_FRAME ? st->full_reads + 1 : 0;
	if (st->full_reads == FULL_READS && !st->io->is_terminal)
		(void)!fcntl(st->fd, F_SETPIPE_SZ, PIPE_LARGE);
}

static void deliver(struct stdio_stream *st, const char *data, size_t len)
{
	struct stdio *s = st->io;

	if (s->is_logged && s->pool->log) {
		logfile_write(s->pool->log, st->type == ATTACH_STDERR ? LOG_STDERR : LOG_STDOUT,
			      data, len);
		s->pool->logged += len;
		if (s->pool->logged <= FLOOD_BYTES)
			logfile_flush(s->pool->log, false);
	}
	attach_output(s->clients, (enum attach_type)st->type, data, len);
}

/* One read: whether another one makes sense. */
static bool read_once(struct stdio_stream *st)
{
	struct stdio *s = st->io;
	char *buf = pool_buffer(s->pool);
	size_t max = LIMIT_ATTACH_FRAME;
	ssize_t n;

	if (!buf)
		return false;
	if (s->is_ending && !s->is_terminal)
		max = MIN(max, (size_t)st->left);
	n = max ? read(st->fd, buf, max) : 0;
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN) {
		if (s->is_ending && !s->is_terminal)
			stop_stream(st);
		return false;
	}
	if (n <= 0) {
		stop_stream(st);
		return false;
	}
	if (s->is_ending)
		st->left -= (int)n;
	grow_pipe(st, n);
	deliver(st, buf, (size_t)n);
	return true;
}

static void pump(struct stdio_stream *st)
{
	struct stdio *s = st->io;

	for (int i = 0; st->fd >= 0 && s->blockers == 0 && (i < READS_PER_TURN || s->is_ending);
	     i++)
		if (!read_once(st))
			break;
}

static void on_output(struct ev_io *io, uint32_t events)
{
	struct stdio_stream *st = io->data;

	(void)events;
	pump(st);
	check_drained(st->io);
}

static void watch_outputs(struct stdio *s)
{
	for (int i = 0; i < 2; i++) {
		struct stdio_stream *st = &s->out[i];

		if (st->fd < 0)
			continue;
		if (s->blockers > 0)
			ev_io_stop(&st->watch);
		else if (!st->watch.loop)
			ev_io_start(s->pool->loop, &st->watch, st->fd, EPOLLIN, on_output, st);
	}
}

void stdio_start(struct stdio *s)
{
	watch_outputs(s);
}

static void check_drained(struct stdio *s)
{
	if (!s->is_ending || s->is_drained || s->out[0].fd >= 0 || s->out[1].fd >= 0)
		return;
	s->is_drained = true;
	ev_timer_stop(&s->tty_end);
	if (s->is_logged && s->pool->log)
		logfile_flush(s->pool->log, true);
	s->drained(s);
}

static void on_tty_end(struct ev_timer *t)
{
	struct stdio *s = t->data;

	stop_stream(&s->out[0]);
	check_drained(s);
}

void stdio_end(struct stdio *s, stdio_drained_fn fn)
{
	s->drained = fn;
	s->is_ending = true;
	for (int i = 0; i < 2; i++) {
		struct stdio_stream *st = &s->out[i];

		if (st->fd < 0)
			continue;
		if (s->is_terminal || ioctl(st->fd, FIONREAD, &st->left) < 0)
			st->left = INT_MAX;
		pump(st);
	}
	watch_outputs(s);
	if (s->is_terminal && s->out[0].fd >= 0)
		ev_timer_start(s->pool->loop, &s->tty_end, TTY_END_MS, on_tty_end, s);
	check_drained(s);
}

static void end_input(struct stdio *s)
{
	ev_io_stop(&s->in_watch);
	if (!s->is_terminal)
		fd_closep(&s->in);
	free(TAKE_PTR(s->in_buf));
	s->in_len = s->in_pos = s->in_cap = 0;
	s->is_in_ended = true;
}

static void on_input(struct ev_io *io, uint32_t events);

static void write_input(struct stdio *s)
{
	bool was_full = stdio_is_in_full(s);

	if (s->in < 0)
		return;
	while (s->in_pos < s->in_len) {
		ssize_t n = write(s->in, s->in_buf + s->in_pos, s->in_len - s->in_pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			/* Nobody reads any more; the rest has no place to go. */
			end_input(s);
			break;
		}
		s->in_pos += (size_t)n;
	}
	if (s->in_pos == s->in_len) {
		free(TAKE_PTR(s->in_buf));
		s->in_pos = s->in_len = s->in_cap = 0;
		ev_io_stop(&s->in_watch);
		if (s->is_in_ending && !s->is_in_ended)
			end_input(s);
	} else if (!s->in_watch.loop) {
		ev_io_start(s->pool->loop, &s->in_watch, s->in, EPOLLOUT, on_input, s);
	}
	if (was_full && !stdio_is_in_full(s))
		attach_resume_input(s->clients);
}

static void on_input(struct ev_io *io, uint32_t events)
{
	(void)events;
	write_input(io->data);
}

void stdio_input(struct stdio *s, const char *data, size_t len)
{
	if (!s->has_stdin || s->is_in_ending || s->is_in_ended)
		return;
	if (s->in_pos > 0) {
		memmove(s->in_buf, s->in_buf + s->in_pos, s->in_len - s->in_pos);
		s->in_len -= s->in_pos;
		s->in_pos = 0;
	}
	if (mem_grow(&s->in_buf, &s->in_cap, s->in_len + len, 1) < 0)
		return;
	memcpy(s->in_buf + s->in_len, data, len);
	s->in_len += len;
	write_input(s);
}

bool stdio_is_in_full(const struct stdio *s)
{
	return s->in_len - s->in_pos >= IN_FULL;
}

void stdio_close_input(struct stdio *s)
{
	if (s->is_terminal || s->is_in_ended)
		return;
	s->is_in_ending = true;
	write_input(s);
}

int stdio_resize(struct stdio *s, uint16_t width, uint16_t height)
{
	struct winsize w = { .ws_col = width, .ws_row = height };

	if (!s->is_terminal)
		return -ENOTTY;
	s->width = width;
	s->height = height;
	if (s->in < 0)
		return 0;
	return ioctl(s->in, TIOCSWINSZ, &w) < 0 ? -errno : 0;
}

void stdio_block(struct stdio *s, int change)
{
	s->blockers = (unsigned int)((int)s->blockers + change);
	if (s->blockers == 0 && s->is_ending && !s->is_drained)
		for (int i = 0; i < 2; i++)
			pump(&s->out[i]);
	watch_outputs(s);
	check_drained(s);
}

static void remove_fifos(struct stdio *s, const char *prefix)
{
	for (int i = 0; i < 3; i++) {
		AUTO_FREE char *name = str_printf("%s-%s", prefix, names[i]);

		if (name)
			unlinkat(s->pool->dir, name, 0);
	}
}

void stdio_fail(struct stdio *s, const char *prefix)
{
	ev_io_stop(&s->in_watch);
	fd_closep(&s->in);
	stop_stream(&s->out[0]);
	stop_stream(&s->out[1]);
	remove_fifos(s, prefix);
}

void stdio_done(struct stdio *s, const char *prefix)
{
	attach_drop_all(s->clients);
	ev_timer_stop(&s->tty_end);
	end_input(s);
	stdio_fail(s, prefix);
}
