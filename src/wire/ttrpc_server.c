#include "wire/ttrpc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/sock.h"
#include "base/str.h"
#include "codec/pb.h"
#include "ev/ev.h"
#include "ttrpc.pb-c.h"

/* Connections: the daemon keeps one a shim; people's tools come and go. */
#define TTRPC_CONNS_MAX 256
/* Calls of one connection that wait for an answer. */
#define TTRPC_CALLS_MAX 4096
/* Above HIGH no further request of the peer is read; above MAX it is cut off. */
#define TTRPC_OUT_HIGH ((size_t)1 << 20)
#define TTRPC_OUT_MAX ((size_t)8 << 20)
/* An answer that is kept for reuse; larger buffers are given back. */
#define TTRPC_OUT_KEEP ((size_t)4 << 10)

struct conn {
	struct conn *next, **link;
	struct ttrpc_server *s;
	struct ev_io io;
	struct ev_work free_work;
	uint8_t head[TTRPC_HEADER];
	size_t head_fill;
	uint8_t *body; /* of the frame that is being read */
	size_t body_fill;
	size_t skip; /* bytes of a frame above the limit that are still to be thrown away */
	uint32_t last_stream;
	char *out;
	size_t out_len, out_pos, out_cap;
	struct ttrpc_call *calls;
	size_t calls_len;
	bool is_dead;
};

struct ttrpc_call {
	struct ttrpc_call *next,
		**link; /* of the connection's list; link NULL when the peer is gone */
	struct conn *conn;
	uint32_t stream;
	bool is_handling;
	bool is_answered; /* while handling: freed when the handler returned */
	struct ev_timer timer;
	const ProtobufCMessageDescriptor *out;
	ttrpc_end_fn end;
	void *end_data;
};

struct ttrpc_server {
	struct ev_loop *loop;
	struct ev_io listener;
	const struct ttrpc_service *services;
	size_t services_len;
	void *data;
	struct conn *conns;
	size_t conns_len;
};

static void conn_free(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->s->conns_len--;
	ev_work_cancel(&c->free_work);
	free(c->body);
	free(c->out);
	free(c);
}

static void on_free(struct ev_work *w)
{
	conn_free(w->data);
}

static void call_unlink(struct ttrpc_call *call)
{
	if (!call->link)
		return;
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	call->link = NULL;
	call->conn->calls_len--;
	call->conn = NULL;
}

static void call_free(struct ttrpc_call *call)
{
	call_unlink(call);
	ev_timer_stop(&call->timer);
	free(call);
}

/* The peer is gone: calls with an end function end now, others when their handlers answer. */
static void conn_kill(struct conn *c)
{
	if (c->is_dead)
		return;
	c->is_dead = true;
	ev_io_stop(&c->io);
	close(c->io.fd);
	while (c->calls) {
		struct ttrpc_call *call = c->calls;

		call_unlink(call);
		if (call->is_handling || !call->end)
			continue;
		call->end(call, call->end_data);
		call_free(call);
	}
	ev_work_queue(c->s->loop, &c->free_work, on_free, c);
}

static uint32_t wanted_events(const struct conn *c)
{
	size_t queued = c->out_len - c->out_pos;
	uint32_t events = queued > TTRPC_OUT_HIGH || c->calls_len >= TTRPC_CALLS_MAX ? 0 : EPOLLIN;

	return events | (queued ? EPOLLOUT : 0);
}

static void conn_write(struct conn *c)
{
	while (!c->is_dead && c->out_pos < c->out_len) {
		ssize_t n = send(c->io.fd, c->out + c->out_pos, c->out_len - c->out_pos,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			conn_kill(c);
			return;
		}
		c->out_pos += (size_t)n;
	}
	if (c->is_dead)
		return;
	if (c->out_pos == c->out_len) {
		c->out_pos = c->out_len = 0;
		if (c->out_cap > TTRPC_OUT_KEEP) {
			free(c->out);
			c->out = NULL;
			c->out_cap = 0;
		}
	}
	ev_io_change(&c->io, wanted_events(c));
}

/* Room for one frame with its header behind what is queued; NULL when the peer reads too little. */
static uint8_t *conn_reserve(struct conn *c, size_t payload)
{
	size_t need = c->out_len + TTRPC_HEADER + payload;

	if (c->out_pos > 0) {
		memmove(c->out, c->out + c->out_pos, c->out_len - c->out_pos);
		c->out_len -= c->out_pos;
		need -= c->out_pos;
		c->out_pos = 0;
	}
	if (need > TTRPC_OUT_MAX || mem_grow(&c->out, &c->out_cap, need, 1) < 0)
		return NULL;
	return (uint8_t *)c->out + c->out_len;
}

static void send_response(struct conn *c, uint32_t stream, const Ttrpc__Response *response)
{
	size_t len = ttrpc__response__get_packed_size(response);
	uint8_t *p = conn_reserve(c, len);

	if (!p) {
		conn_kill(c);
		return;
	}
	ttrpc_header_put(p, &(struct ttrpc_header){ (uint32_t)len, stream, TTRPC_RESPONSE, 0 });
	ttrpc__response__pack(response, p + TTRPC_HEADER);
	c->out_len += TTRPC_HEADER + len;
	conn_write(c);
}

static void send_error(struct conn *c, uint32_t stream, int r, const struct err *e)
{
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;

	status.code = e && e->code ? e->code : (int)err_code_of(r);
	status.message = (char *)(uintptr_t)err_text(e, r);
	response.status = &status;
	send_response(c, stream, &response);
}

static void call_done(struct ttrpc_call *call)
{
	if (call->is_handling)
		call->is_answered = true;
	else
		call_free(call);
}

void ttrpc_reply(struct ttrpc_call *call, const ProtobufCMessage *out)
{
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	AUTO_FREE uint8_t *payload = NULL;
	struct conn *c = call->conn;

	ASSERT(!call->is_answered && out->descriptor == call->out);
	if (!c) {
		call_done(call);
		return;
	}
	response.payload.len = protobuf_c_message_get_packed_size(out);
	payload = malloc(response.payload.len + 1);
	if (!payload) {
		ttrpc_fail(call, -ENOMEM, NULL);
		return;
	}
	protobuf_c_message_pack(out, payload);
	response.payload.data = payload;
	/* Before it is sent: a peer that is gone ends all calls of its connection, and this one is answered. */
	call_unlink(call);
	if (response.payload.len > LIMIT_TTRPC_MSG - 16)
		send_error(c, call->stream, -E2BIG, NULL);
	else
		send_response(c, call->stream, &response);
	call_done(call);
}

void ttrpc_fail(struct ttrpc_call *call, int r, const struct err *e)
{
	struct conn *c = call->conn;

	ASSERT(!call->is_answered);
	call_unlink(call);
	if (c)
		send_error(c, call->stream, r, e);
	call_done(call);
}

void ttrpc_call_on_end(struct ttrpc_call *call, ttrpc_end_fn fn, void *data)
{
	call->end = fn;
	call->end_data = data;
}

static void on_deadline(struct ev_timer *t)
{
	struct ttrpc_call *call = t->data;

	if (!call->end || !call->conn)
		return;
	call->end(call, call->end_data);
	ttrpc_fail(call, -ETIMEDOUT, NULL);
}

static const struct ttrpc_service *find_service(const struct ttrpc_server *s, const char *name)
{
	for (size_t i = 0; i < s->services_len; i++)
		if (streq(s->services[i].name, name))
			return &s->services[i];
	return NULL;
}

static int find_method(const struct ttrpc_server *s, const Ttrpc__Request *q,
		       const struct ttrpc_method **ret, struct err *e)
{
	const struct ttrpc_service *service = find_service(s, q->service);

	if (!service)
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED, "service %s", q->service);
	for (size_t i = 0; i < service->methods_len; i++) {
		if (!streq(service->methods[i].name, q->method))
			continue;
		*ret = &service->methods[i];
		return 0;
	}
	return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED, "method %s", q->method);
}

/* Decoded messages are pointer-rich: the budget is four times the wire's size. */
static struct arena arena_for(size_t wire_len)
{
	return (struct arena){ .budget = 4 * wire_len + ((size_t)64 << 10) };
}

static int call_new(struct conn *c, uint32_t stream, int64_t timeout_ns, struct ttrpc_call **ret)
{
	struct ttrpc_call *call = calloc(1, sizeof(*call));
	int r = 0;

	if (!call)
		return -ENOMEM;
	call->conn = c;
	call->stream = stream;
	call->next = c->calls;
	call->link = &c->calls;
	if (c->calls)
		c->calls->link = &call->next;
	c->calls = call;
	c->calls_len++;
	if (timeout_ns > 0)
		r = ev_timer_start(c->s->loop, &call->timer, timeout_ns / NSEC_PER_MSEC + 1,
				   on_deadline, call);
	if (r < 0) {
		call_free(call);
		return r;
	}
	*ret = call;
	return 0;
}

static int run_request(struct conn *c, uint32_t stream, const Ttrpc__Request *q, struct arena *a,
		       struct err *e)
{
	const struct ttrpc_method *m;
	ProtobufCAllocator pb;
	ProtobufCMessage *in;
	struct ttrpc_call *call;
	int r = find_method(c->s, q, &m, e);

	if (r < 0)
		return r;
	pb_allocator_init(&pb, a);
	in = protobuf_c_message_unpack(m->in, &pb, q->payload.len, q->payload.data);
	if (!in)
		return err_set(e, -EINVAL, "method %s: malformed request", q->method);
	r = call_new(c, stream, q->timeout_nano, &call);
	if (r < 0)
		return r;
	call->out = m->out;
	call->is_handling = true;
	r = m->fn(call, c->s->data, in, e);
	if (r < 0 && !call->is_answered)
		ttrpc_fail(call, r, e);
	call->is_handling = false;
	if (call->is_answered)
		call_free(call);
	else if (!call->conn && call->end) {
		call->end(call, call->end_data);
		call_free(call);
	}
	return 0;
}

static void on_request(struct conn *c, const struct ttrpc_header *h)
{
	AUTO_ARENA struct arena a = arena_for(h->len);
	struct err e = ERR_INIT;
	ProtobufCAllocator pb;
	Ttrpc__Request *q;
	int r;

	if (h->stream % 2 == 0) {
		r = err_set(&e, -EINVAL, "StreamID must be odd for client initiated streams");
	} else if (h->stream <= c->last_stream) {
		r = err_set(&e, -EINVAL, "StreamID cannot be re-used and must increment");
	} else if (h->flags & (TTRPC_REMOTE_OPEN | TTRPC_NO_DATA)) {
		c->last_stream = h->stream;
		r = err_set_code(&e, -EOPNOTSUPP, ERR_UNIMPLEMENTED, "streaming calls");
	} else {
		c->last_stream = h->stream;
		pb_allocator_init(&pb, &a);
		q = ttrpc__request__unpack(&pb, h->len, c->body);
		r = q ? run_request(c, h->stream, q, &a, &e)
		      : err_set(&e, -EINVAL, "malformed request");
	}
	if (r < 0 && !c->is_dead)
		send_error(c, h->stream, r, &e);
}

static void frame_done(struct conn *c)
{
	struct ttrpc_header h;

	ttrpc_header_get(c->head, &h);
	/* Data frames belong to streams, which are refused at their request. */
	if (h.type == TTRPC_REQUEST)
		on_request(c, &h);
	free(c->body);
	c->body = NULL;
	c->head_fill = 0;
	c->body_fill = 0;
}

static void header_done(struct conn *c)
{
	struct ttrpc_header h;
	struct err e = ERR_INIT;

	ttrpc_header_get(c->head, &h);
	if (h.len <= LIMIT_TTRPC_MSG) {
		c->body = malloc(h.len + 1);
		if (!c->body)
			conn_kill(c);
		return;
	}
	c->skip = h.len;
	c->head_fill = 0;
	err_set_code(&e, -E2BIG, ERR_RESOURCE_EXHAUSTED,
		     "message length %u exceed maximum message size of %zu", h.len,
		     LIMIT_TTRPC_MSG);
	send_error(c, h.stream, -E2BIG, &e);
}

/* Takes what belongs to the present part of a frame; returns how many bytes that were. */
static size_t feed(struct conn *c, const uint8_t *p, size_t len)
{
	struct ttrpc_header h;
	size_t n;

	if (c->skip > 0) {
		n = MIN(len, c->skip);
		c->skip -= n;
		return n;
	}
	if (!c->body) {
		n = MIN(len, TTRPC_HEADER - c->head_fill);
		memcpy(c->head + c->head_fill, p, n);
		c->head_fill += n;
		if (c->head_fill == TTRPC_HEADER)
			header_done(c);
	} else {
		ttrpc_header_get(c->head, &h);
		n = MIN(len, h.len - c->body_fill);
		memcpy(c->body + c->body_fill, p, n);
		c->body_fill += n;
	}
	if (c->is_dead || !c->body)
		return n;
	ttrpc_header_get(c->head, &h);
	if (c->body_fill == h.len)
		frame_done(c);
	return n;
}

static void on_conn(struct ev_io *io, uint32_t events)
{
	struct conn *c = io->data;
	uint8_t buf[4096];
	ssize_t n;

	if (events & EPOLLOUT)
		conn_write(c);
	if (c->is_dead || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(io->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_kill(c);
		return;
	}
	for (size_t done = 0; done < (size_t)n && !c->is_dead;)
		done += feed(c, buf + done, (size_t)n - done);
	if (!c->is_dead)
		ev_io_change(&c->io, wanted_events(c));
}

int ttrpc_server_add(struct ttrpc_server *s, int fd)
{
	AUTO_FD own = fd;
	struct conn *c;
	int r;

	if (s->conns_len >= TTRPC_CONNS_MAX)
		return -EMFILE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->s = s;
	r = ev_io_start(s->loop, &c->io, own, EPOLLIN, on_conn, c);
	if (r < 0) {
		free(c);
		return r;
	}
	TAKE_FD(own);
	c->next = s->conns;
	c->link = &s->conns;
	if (s->conns)
		s->conns->link = &c->next;
	s->conns = c;
	s->conns_len++;
	return 0;
}

static void on_listener(struct ev_io *io, uint32_t events)
{
	struct ttrpc_server *s = io->data;
	int fd = sock_accept(io->fd, true);
	uid_t uid;

	(void)events;
	if (fd < 0)
		return;
	if (sock_peer_uid(fd, &uid) < 0 || (uid != 0 && uid != geteuid())) {
		close(fd);
		return;
	}
	ttrpc_server_add(s, fd);
}

int ttrpc_server_new(struct ev_loop *l, const struct ttrpc_service *services, size_t services_len,
		     void *data, struct ttrpc_server **ret)
{
	struct ttrpc_server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->services = services;
	s->services_len = services_len;
	s->data = data;
	s->listener.fd = -EBADF;
	*ret = s;
	return 0;
}

int ttrpc_server_listen(struct ttrpc_server *s, int fd)
{
	int r = fd_set_nonblock(fd, true);

	if (r == 0)
		r = ev_io_start(s->loop, &s->listener, fd, EPOLLIN, on_listener, s);
	if (r < 0) {
		close(fd);
		s->listener.fd = -EBADF;
	}
	return r;
}

void ttrpc_server_free(struct ttrpc_server *s)
{
	if (!s)
		return;
	if (s->listener.fd >= 0) {
		ev_io_stop(&s->listener);
		close(s->listener.fd);
	}
	while (s->conns) {
		conn_kill(s->conns);
		conn_free(s->conns);
	}
	free(s);
}

void ttrpc_server_flush(struct ttrpc_server *s, int timeout_ms)
{
	int64_t end = clock_mono_ms() + timeout_ms;

	for (struct conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		while (!c->is_dead && c->out_pos < c->out_len) {
			struct pollfd p = { .fd = c->io.fd, .events = POLLOUT };

			if (poll(&p, 1, (int)MAX(end - clock_mono_ms(), 0)) <= 0)
				break;
			conn_write(c);
		}
	}
}

size_t ttrpc_server_conns(const struct ttrpc_server *s)
{
	return s->conns_len;
}
