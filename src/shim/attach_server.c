#include "shim/attach_server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/sock.h"
#include "shim/attach_wire.h"
#include "shim/streams.h"

#define CLIENTS_MAX 64
/* A foreground client blocks the container above HIGH and lets it go on below LOW. */
#define FOREGROUND_HIGH ((size_t)256 << 10)
#define FOREGROUND_LOW ((size_t)64 << 10)

struct attach_client {
	struct attach_client *next, **link;	    /* of the process's clients */
	struct attach_client *all_next, **all_link; /* of the server's */
	struct attach_server *server;
	struct stdio *io; /* NULL before hello and after the end */
	struct ev_io watch;
	struct ev_work free_work;
	unsigned int flags;
	struct attach_header head;
	size_t head_fill;
	char *body;
	size_t body_fill;
	char *out;
	size_t out_len, out_pos, out_cap;
	size_t frame_left; /* bytes of the queue's first frame that are not sent yet */
	bool is_ready, is_blocking, is_closing, is_dead, has_exit;
};

static void update_events(struct attach_client *c)
{
	bool is_held = c->io && c->io->stdin_client == c && stdio_is_in_full(c->io);
	uint32_t events = is_held || c->is_closing ? 0 : EPOLLIN;

	ev_io_change(&c->watch, events | (c->out_len > c->out_pos ? EPOLLOUT : 0));
}

static void on_free(struct ev_work *w)
{
	struct attach_client *c = w->data;

	free(c->body);
	free(c->out);
	free(c);
}

static void leave_process(struct attach_client *c)
{
	struct stdio *io = c->io;

	if (!io)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->io = NULL;
	if (io->stdin_client == c) {
		io->stdin_client = NULL;
		if (io->is_stdin_once)
			stdio_close_input(io);
	}
	if (c->is_blocking) {
		c->is_blocking = false;
		stdio_block(io, -1);
	}
	if (!io->clients && c->server->process_left)
		c->server->process_left(c->server->data, io);
}

static void kill_client(struct attach_client *c)
{
	struct attach_server *s = c->server;

	if (c->is_dead)
		return;
	c->is_dead = true;
	ev_io_stop(&c->watch);
	close(c->watch.fd);
	*c->all_link = c->all_next;
	if (c->all_next)
		c->all_next->all_link = c->all_link;
	s->len--;
	leave_process(c);
	ev_work_queue(s->loop, &c->free_work, on_free, c);
	if (c->flags & ATTACH_OWNER && --s->owners == 0)
		s->owner_gone(s->data);
}

/* Moves over sent bytes, so that it is known where the frame that is half out ends. */
static void advance(struct attach_client *c, size_t n)
{
	while (n >= c->frame_left && n > 0) {
		n -= c->frame_left;
		c->out_pos += c->frame_left;
		c->frame_left = 0;
		if (c->out_pos < c->out_len) {
			struct attach_header h;

			memcpy(&h, c->out + c->out_pos, sizeof(h));
			c->frame_left = sizeof(h) + attach_header_len(&h);
		} else {
			break;
		}
	}
	c->out_pos += n;
	c->frame_left -= n;
}

static void check_blocking(struct attach_client *c)
{
	size_t queued = c->out_len - c->out_pos;

	if (!(c->flags & ATTACH_FOREGROUND) || !c->io)
		return;
	if (!c->is_blocking && queued > FOREGROUND_HIGH) {
		c->is_blocking = true;
		stdio_block(c->io, 1);
	} else if (c->is_blocking && queued < FOREGROUND_LOW) {
		c->is_blocking = false;
		stdio_block(c->io, -1);
	}
}

static void write_client(struct attach_client *c)
{
	while (!c->is_dead && c->out_pos < c->out_len) {
		ssize_t n = send(c->watch.fd, c->out + c->out_pos, c->out_len - c->out_pos,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			kill_client(c);
			return;
		}
		advance(c, (size_t)n);
	}
	if (c->is_dead)
		return;
	if (c->out_pos == c->out_len) {
		c->out_pos = c->out_len = c->frame_left = 0;
		free(TAKE_PTR(c->out));
		c->out_cap = 0;
		if (c->is_closing) {
			kill_client(c);
			return;
		}
	}
	update_events(c);
	check_blocking(c);
}

static int queue_bytes(struct attach_client *c, const void *data, size_t len)
{
	if (c->out_pos > 0 && c->out_len + len > c->out_cap) {
		memmove(c->out, c->out + c->out_pos, c->out_len - c->out_pos);
		c->out_len -= c->out_pos;
		c->out_pos = 0;
	}
	if (mem_grow(&c->out, &c->out_cap, c->out_len + len, 1) < 0)
		return -ENOMEM;
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
	return 0;
}

/* Sends one frame: past the queue when that is empty, else behind it. */
static void send_frame(struct attach_client *c, enum attach_type type, const void *data, size_t len)
{
	struct attach_header h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)data, len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
	size_t sent = 0;
	int r = 0;

	attach_header_put(&h, type, len);
	if (c->out_len == c->out_pos) {
		ssize_t n = sendmsg(c->watch.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			kill_client(c);
			return;
		}
		sent = n > 0 ? (size_t)n : 0;
		if (sent == sizeof(h) + len)
			return;
		c->frame_left = sizeof(h) + len - sent;
	}
	if (sent < sizeof(h))
		r = queue_bytes(c, (char *)&h + sent, sizeof(h) - sent);
	sent -= MIN(sent, sizeof(h));
	if (r == 0)
		r = queue_bytes(c, (const char *)data + sent, len - sent);
	if (r < 0) {
		kill_client(c);
		return;
	}
	update_events(c);
	check_blocking(c);
}

/* Says why and closes once that is out; what was queued behind the frame that is half out is dropped. */
static void refuse(struct attach_client *c, const char *words)
{
	leave_process(c);
	c->is_closing = true;
	if (c->out_len > c->out_pos)
		c->out_len = c->out_pos + c->frame_left;
	send_frame(c, ATTACH_ERROR, words, strlen(words));
	if (!c->is_dead && c->out_len == c->out_pos)
		kill_client(c);
}

void attach_output(struct attach_client *c, enum attach_type type, const char *data, size_t len)
{
	for (struct attach_client *next; c; c = next) {
		next = c->next;
		if (!(c->flags & ATTACH_WANTS_OUTPUT))
			continue;
		if (!(c->flags & ATTACH_FOREGROUND) && c->out_len - c->out_pos > LIMIT_ATTACH_LAG)
			refuse(c,
			       "the client read too slowly and was cut off; the container's log has the rest");
		else
			send_frame(c, type, data, len);
	}
}

void attach_resume_input(struct attach_client *c)
{
	for (; c; c = c->next)
		update_events(c);
}

void attach_exit(struct attach_client *c, const struct attach_exit *x)
{
	for (struct attach_client *next; c; c = next) {
		next = c->next;
		if (c->has_exit)
			continue;
		c->has_exit = true;
		c->is_closing = true;
		send_frame(c, ATTACH_EXIT, x, sizeof(*x));
		/* The owner stays until it hangs up itself: that is what its promise is measured by. */
		if (c->flags & ATTACH_OWNER)
			c->is_closing = false;
		if (!c->is_dead && c->is_closing && c->out_len == c->out_pos)
			kill_client(c);
	}
}

void attach_drop_all(struct attach_client *c)
{
	for (struct attach_client *next; c; c = next) {
		next = c->next;
		leave_process(c);
		/* An owner is not done with Delete: Shutdown follows, and only if it dies before is there work for us. */
		if (c->flags & ATTACH_OWNER)
			continue;
		c->is_closing = true;
		if (c->out_len == c->out_pos)
			kill_client(c);
	}
}

static void on_hello(struct attach_client *c, size_t len)
{
	struct attach_hello hello;
	struct stdio *io;

	memcpy(&hello, c->body, MIN(len, sizeof(hello)));
	if (len != sizeof(hello) || hello.version != ATTACH_VERSION ||
	    !memchr(hello.exec_id, '\0', 128)) {
		refuse(c, "attach: wrong greeting or version");
		return;
	}
	io = c->server->find(c->server->data, hello.exec_id);
	if (!io) {
		refuse(c, "attach: no such process");
		return;
	}
	c->flags = hello.flags & (ATTACH_WANTS_OUTPUT | ATTACH_FOREGROUND);
	if (hello.flags & ATTACH_OWNER && hello.exec_id[0] == '\0') {
		c->flags |= ATTACH_OWNER;
		c->server->owners++;
	}
	c->is_ready = true;
	c->io = io;
	c->next = io->clients;
	c->link = &io->clients;
	if (c->next)
		c->next->link = &c->next;
	io->clients = c;
	send_frame(c, ATTACH_READY, NULL, 0);
	if (!c->is_dead && io->is_drained)
		io->drained(io);
}

static void on_resize(struct attach_client *c, size_t len)
{
	struct attach_resize size;

	if (len != sizeof(size) || !c->io)
		return;
	memcpy(&size, c->body, sizeof(size));
	stdio_resize(c->io, size.width, size.height);
}

static void on_stdin(struct attach_client *c, size_t len, bool is_end)
{
	struct stdio *io = c->io;

	if (!io)
		return;
	if (!io->stdin_client)
		io->stdin_client = c;
	if (io->stdin_client != c)
		return;
	if (is_end)
		stdio_close_input(io);
	else
		stdio_input(io, c->body, len);
}

static void frame_done(struct attach_client *c)
{
	size_t len = c->body_fill;

	if (!c->is_ready && c->head.type != ATTACH_HELLO)
		refuse(c, "attach: no greeting");
	else if (!c->is_ready)
		on_hello(c, len);
	else if (c->head.type == ATTACH_STDIN)
		on_stdin(c, len, false);
	else if (c->head.type == ATTACH_STDIN_END)
		on_stdin(c, 0, true);
	else if (c->head.type == ATTACH_RESIZE)
		on_resize(c, len);
	else
		refuse(c, "attach: unexpected frame");
	free(TAKE_PTR(c->body));
	c->head_fill = c->body_fill = 0;
}

static size_t feed(struct attach_client *c, const char *p, size_t len)
{
	size_t n, want;

	if (c->head_fill < sizeof(c->head)) {
		n = MIN(len, sizeof(c->head) - c->head_fill);
		memcpy((char *)&c->head + c->head_fill, p, n);
		c->head_fill += n;
		if (c->head_fill < sizeof(c->head))
			return n;
		want = attach_header_len(&c->head);
		c->body = want <= LIMIT_ATTACH_FRAME ? malloc(want + 1) : NULL;
		if (!c->body) {
			refuse(c, "attach: frame too large");
			return len;
		}
	} else {
		want = attach_header_len(&c->head);
		n = MIN(len, want - c->body_fill);
		memcpy(c->body + c->body_fill, p, n);
		c->body_fill += n;
	}
	if (c->body_fill == want)
		frame_done(c);
	return n;
}

static void on_client(struct ev_io *io, uint32_t events)
{
	struct attach_client *c = io->data;
	char buf[8192];
	ssize_t n;

	if (events & EPOLLOUT)
		write_client(c);
	if (c->is_dead)
		return;
	if (events & (EPOLLHUP | EPOLLERR)) {
		/* Input that is still in the socket counts; a closed reader does not. */
		if (!(events & EPOLLIN)) {
			kill_client(c);
			return;
		}
	} else if (!(events & EPOLLIN)) {
		return;
	}
	n = recv(io->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		kill_client(c);
		return;
	}
	for (size_t done = 0; done < (size_t)n && !c->is_dead && !c->is_closing;)
		done += feed(c, buf + done, (size_t)n - done);
	if (!c->is_dead)
		update_events(c);
}

static void on_listener(struct ev_io *io, uint32_t events)
{
	struct attach_server *s = io->data;
	int fd = sock_accept(io->fd, true);
	struct attach_client *c;
	uid_t uid;

	(void)events;
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c || s->len >= CLIENTS_MAX || sock_peer_uid(fd, &uid) < 0 ||
	    (uid != 0 && uid != geteuid()) ||
	    ev_io_start(s->loop, &c->watch, fd, EPOLLIN, on_client, c) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->server = s;
	c->all_next = s->all;
	c->all_link = &s->all;
	if (s->all)
		s->all->all_link = &c->all_next;
	s->all = c;
	s->len++;
}

int attach_server_start(struct attach_server *s, struct ev_loop *l, int fd)
{
	int r = fd_set_nonblock(fd, true);

	s->loop = l;
	if (r == 0)
		r = ev_io_start(l, &s->listener, fd, EPOLLIN, on_listener, s);
	if (r < 0)
		close(fd);
	return r;
}

void attach_server_stop(struct attach_server *s)
{
	if (!s->listener.loop)
		return;
	ev_io_stop(&s->listener);
	close(s->listener.fd);
}

void attach_server_flush(struct attach_server *s, int timeout_ms)
{
	int64_t end = clock_mono_ms() + timeout_ms;

	for (struct attach_client *c = s->all, *next; c; c = next) {
		next = c->all_next;
		while (!c->is_dead && c->out_pos < c->out_len) {
			struct pollfd p = { .fd = c->watch.fd, .events = POLLOUT };

			if (poll(&p, 1, (int)MAX(end - clock_mono_ms(), 0)) <= 0)
				break;
			write_client(c);
			if (c->is_dead)
				break;
		}
	}
}
