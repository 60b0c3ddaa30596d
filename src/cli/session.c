/*
 * A foreground process's stdio: the user's descriptors on one side, attach.sock on the other. One poll loop; the
 * socket is never waited for while there is something to read from it, so that a process that answers while it is
 * being fed (cat) cannot lock up with us.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "shim/attach.h"

#define DETACH_KEYS "ctrl-p,ctrl-q"
#define HEADER_LEN sizeof(struct attach_header)

struct session {
	struct cli *cli;
	struct session_options o;
	int sock, sigfd;
	sigset_t mask, old_mask;
	bool is_masked, is_raw;
	struct termios saved;
	struct detach_keys detach;
	bool is_stdin_open, is_detached, is_ended;
	int status;
	struct attach_header in_header;
	size_t in_header_len, in_left;
	uint8_t in_frame[sizeof(struct attach_exit) + 512];
	size_t in_frame_len;
	uint8_t out[2 * (HEADER_LEN + LIMIT_ATTACH_FRAME)];
	size_t out_len, out_sent;
	uint8_t buf[LIMIT_ATTACH_FRAME];
};

/* Signals that go on to the container without a terminal; docker's list but those that have a meaning for us. */
static const int proxied[] = {
	SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT
};

static void queue_frame(struct session *s, enum attach_type type, const void *data, size_t len)
{
	struct attach_header h = {
		.type = (uint8_t)type,
		.len_be = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			    (uint8_t)len },
	};

	if (s->out_sent == s->out_len)
		s->out_sent = s->out_len = 0;
	/* Small frames find room behind a full one: stdin is only read when nothing waits. */
	if (s->out_len + HEADER_LEN + len > sizeof(s->out))
		return;
	memcpy(s->out + s->out_len, &h, HEADER_LEN);
	if (len)
		memcpy(s->out + s->out_len + HEADER_LEN, data, len);
	s->out_len += HEADER_LEN + len;
}

static int flush_out(struct session *s)
{
	while (s->out_sent < s->out_len) {
		ssize_t n = send(s->sock, s->out + s->out_sent, s->out_len - s->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		s->out_sent += (size_t)n;
	}
	return 0;
}

static bool read_size(const struct session *s, struct attach_resize *ret)
{
	return s->o.is_terminal && tty_size(1, &ret->width, &ret->height) == 0;
}

static void send_size(struct session *s)
{
	struct attach_resize size;

	if (read_size(s, &size))
		queue_frame(s, ATTACH_RESIZE, &size, sizeof(size));
}

static int watch_signals(struct session *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	/* With a terminal too: a signal that ends us must not leave it raw. */
	for (size_t i = 0; i < ARRAY_LEN(proxied); i++)
		if (s->o.is_sig_proxy || s->o.is_terminal)
			sigaddset(&set, proxied[i]);
	if (sigprocmask(SIG_BLOCK, &set, &s->old_mask) < 0)
		return -errno;
	s->mask = set;
	s->is_masked = true;
	s->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->sigfd < 0 ? -errno : 0;
}

int session_open(struct cli *c, const struct session_options *o, struct session **ret,
		 struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	unsigned int flags = ATTACH_FOREGROUND;
	struct attach_resize size;
	int r;

	if (!s)
		return err_sys(e, -ENOMEM, "attach");
	s->cli = c;
	s->o = *o;
	s->sock = s->sigfd = -EBADF;
	s->is_stdin_open = o->has_stdin;
	r = detach_parse(o->detach_keys ? o->detach_keys : DETACH_KEYS, &s->detach, e);
	if (o->has_output)
		flags |= ATTACH_WANTS_OUTPUT;
	if (o->is_owner)
		flags |= ATTACH_OWNER;
	if (r == 0)
		r = s->sock = attach_open(o->task_fd, o->exec_id, flags,
					  read_size(s, &size) ? &size : NULL, e);
	if (r >= 0 && (r = watch_signals(s)) < 0)
		err_sys(e, r, "watch signals");
	if (r < 0) {
		session_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void enter_raw(struct session *s)
{
	if (s->o.is_terminal && s->o.has_stdin && isatty(0) && tty_raw(0, &s->saved) == 0)
		s->is_raw = true;
}

static void leave_raw(struct session *s)
{
	if (s->is_raw)
		tty_restore(0, &s->saved);
	s->is_raw = false;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	leave_raw(s);
	fd_closep(&s->sock);
	fd_closep(&s->sigfd);
	if (s->is_masked)
		sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	free(s);
}

/* A signal that is ours alone does what it would do without us, but not to a raw terminal. */
static void take_signal(struct session *s, int sig)
{
	leave_raw(s);
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	raise(sig);
	/* It was ignored, or blocked by the caller: on as before. */
	sigprocmask(SIG_BLOCK, &s->mask, NULL);
	enter_raw(s);
}

static void on_signals(struct session *s)
{
	struct signalfd_siginfo si;

	while (read(s->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH)
			send_size(s);
		else if (s->o.is_sig_proxy)
			engine_container_kill(s->cli->engine, s->o.id, (int)si.ssi_signo, NULL);
		else
			take_signal(s, (int)si.ssi_signo);
	}
}

/* Reads typed bytes or a pipe's; the end of input closes the process's. */
static int on_stdin(struct session *s)
{
	uint8_t filtered[LIMIT_ATTACH_FRAME / 2 + sizeof(s->detach.keys)];
	ssize_t n = read(0, s->buf, LIMIT_ATTACH_FRAME / 2);
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* EIO: the terminal hung up. */
	if (n <= 0) {
		s->is_stdin_open = false;
		queue_frame(s, ATTACH_STDIN_END, NULL, 0);
		return 0;
	}
	if (!s->o.is_terminal) {
		queue_frame(s, ATTACH_STDIN, s->buf, (size_t)n);
		return 0;
	}
	len = detach_filter(&s->detach, s->buf, (size_t)n, filtered, &s->is_detached);
	if (len)
		queue_frame(s, ATTACH_STDIN, filtered, len);
	return 0;
}

static int end_of_frame(struct session *s, struct err *e)
{
	struct attach_exit x;

	s->in_header_len = 0;
	switch (s->in_header.type) {
	case ATTACH_EXIT:
		if (s->in_frame_len < sizeof(x))
			return err_set(e, -EBADMSG, "attach: short exit frame");
		memcpy(&x, s->in_frame, sizeof(x));
		s->status = (int)x.status;
		s->is_ended = true;
		return 0;
	case ATTACH_ERROR:
		return err_set(e, -ECONNABORTED, "attach: %.*s", (int)s->in_frame_len,
			       (char *)s->in_frame);
	default:
		return 0;
	}
}

/* Bytes of the socket: output goes straight on, other frames are collected. */
static int consume(struct session *s, const uint8_t *p, size_t len, struct err *e)
{
	while (len > 0) {
		size_t n;
		int r;

		if (s->in_header_len < HEADER_LEN) {
			n = MIN(len, HEADER_LEN - s->in_header_len);
			memcpy((uint8_t *)&s->in_header + s->in_header_len, p, n);
			s->in_header_len += n;
			p += n;
			len -= n;
			if (s->in_header_len < HEADER_LEN)
				return 0;
			s->in_left = (size_t)s->in_header.len_be[0] << 24 |
				     (size_t)s->in_header.len_be[1] << 16 |
				     (size_t)s->in_header.len_be[2] << 8 | s->in_header.len_be[3];
			s->in_frame_len = 0;
			if (s->in_left > LIMIT_ATTACH_FRAME)
				return err_set(e, -EBADMSG, "attach: frame of %zu bytes",
					       s->in_left);
		}
		n = MIN(len, s->in_left);
		if (s->in_header.type == ATTACH_STDOUT || s->in_header.type == ATTACH_STDERR) {
			r = fd_write_full(s->in_header.type, p, n);
			if (r < 0)
				return err_sys(e, r, "write to standard %s",
					       s->in_header.type == ATTACH_STDOUT ? "output"
										  : "error");
		} else {
			size_t kept = MIN(n, sizeof(s->in_frame) - s->in_frame_len);

			memcpy(s->in_frame + s->in_frame_len, p, kept);
			s->in_frame_len += kept;
		}
		p += n;
		len -= n;
		s->in_left -= n;
		if (s->in_left == 0) {
			r = end_of_frame(s, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int on_socket(struct session *s, struct err *e)
{
	ssize_t n = recv(s->sock, s->buf, sizeof(s->buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return err_sys(e, -errno, "attach");
	if (n == 0)
		return err_set_code(e, -ECONNRESET, ERR_UNAVAILABLE,
				    "attach: the container's shim went away");
	return consume(s, s->buf, (size_t)n, e);
}

static int loop(struct session *s, struct err *e)
{
	while (!s->is_ended && !(s->is_detached && s->out_sent == s->out_len)) {
		bool is_waiting = s->out_sent < s->out_len;
		struct pollfd p[3] = {
			{ .fd = s->sock, .events = (short)(POLLIN | (is_waiting ? POLLOUT : 0)) },
			{ .fd = s->sigfd, .events = POLLIN },
			{ .fd = 0, .events = POLLIN },
		};
		bool reads_stdin = s->is_stdin_open && !is_waiting;
		int r;

		if (poll(p, reads_stdin ? 3 : 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, -errno, "poll");
		}
		if (p[1].revents)
			on_signals(s);
		if (reads_stdin && p[2].revents)
			on_stdin(s);
		r = flush_out(s);
		/* The process's input may be gone while its last output still waits for us. */
		if (r < 0)
			s->out_sent = s->out_len;
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			r = on_socket(s, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int session_run(struct session *s, int *ret_status, bool *ret_detached, struct err *e)
{
	int r;

	enter_raw(s);
	/* Again, for a change before signals were watched. When the process has ended already nobody takes it, but
	 * output and status still wait in the socket: the loop, not this, finds the end. */
	send_size(s);
	r = loop(s, e);
	leave_raw(s);
	*ret_status = s->status;
	*ret_detached = s->is_detached;
	return r;
}
