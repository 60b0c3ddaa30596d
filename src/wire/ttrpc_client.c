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
#include "codec/pb.h"
#include "ttrpc.pb-c.h"

#define TTRPC_METADATA_MAX 16

struct ttrpc_client {
	int fd;
	uint32_t next_stream;
	/* A call that timed out may leave part of a frame behind; the next call goes on from there. */
	uint8_t head[TTRPC_HEADER];
	size_t head_fill;
	uint8_t *body;
	size_t body_fill;
	bool is_broken;
};

int ttrpc_client_new(int fd, struct ttrpc_client **ret)
{
	struct ttrpc_client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->fd = fd;
	c->next_stream = 1;
	*ret = c;
	return 0;
}

void ttrpc_client_free(struct ttrpc_client *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c->body);
	free(c);
}

int ttrpc_client_fd(const struct ttrpc_client *c)
{
	return c->fd;
}

/* Waits until `events`; `end_ms` below 0 means for ever. */
static int wait_for(const struct ttrpc_client *c, short events, int64_t end_ms)
{
	struct pollfd p = { .fd = c->fd, .events = events };

	for (;;) {
		int64_t left = end_ms < 0 ? -1 : MAX(end_ms - clock_mono_ms(), 0);
		int n = poll(&p, 1, (int)left);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int send_all(struct ttrpc_client *c, const uint8_t *p, size_t len, int64_t end_ms)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(c->fd, p + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == EPIPE ? -ECONNRESET : -errno;
		r = wait_for(c, POLLOUT, end_ms);
		if (r < 0) {
			/* Half a frame is out: nothing sensible can follow it. */
			c->is_broken = done > 0;
			return r;
		}
	}
	return 0;
}

static int recv_some(struct ttrpc_client *c, uint8_t *p, size_t len, size_t *fill, int64_t end_ms)
{
	while (*fill < len) {
		int r = wait_for(c, POLLIN, end_ms);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(c->fd, p + *fill, len - *fill, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			*fill += (size_t)n;
	}
	return 0;
}

/* Reads one frame; its body is the client's until the next. */
static int recv_frame(struct ttrpc_client *c, struct ttrpc_header *h, int64_t end_ms)
{
	int r = recv_some(c, c->head, TTRPC_HEADER, &c->head_fill, end_ms);

	if (r < 0)
		return r;
	ttrpc_header_get(c->head, h);
	if (h->len > LIMIT_TTRPC_MSG)
		return -EBADMSG;
	if (!c->body) {
		c->body = malloc(h->len + 1);
		c->body_fill = 0;
		if (!c->body)
			return -ENOMEM;
	}
	return recv_some(c, c->body, h->len, &c->body_fill, end_ms);
}

static void drop_frame(struct ttrpc_client *c)
{
	free(c->body);
	c->body = NULL;
	c->head_fill = 0;
}

static int send_request(struct ttrpc_client *c, const struct ttrpc_request *q, uint32_t stream,
			int64_t end_ms)
{
	Ttrpc__Request request = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pairs[TTRPC_METADATA_MAX], *refs[TTRPC_METADATA_MAX];
	AUTO_FREE uint8_t *payload = NULL;
	AUTO_FREE uint8_t *frame = NULL;
	size_t len;

	if (q->metadata_len > TTRPC_METADATA_MAX)
		return -E2BIG;
	for (size_t i = 0; i < q->metadata_len; i++) {
		ttrpc__key_value__init(&pairs[i]);
		pairs[i].key = (char *)(uintptr_t)q->metadata[i].key;
		pairs[i].value = (char *)(uintptr_t)q->metadata[i].value;
		refs[i] = &pairs[i];
	}
	request.service = (char *)(uintptr_t)q->service;
	request.method = (char *)(uintptr_t)q->method;
	request.timeout_nano = q->timeout_ms > 0 ? q->timeout_ms * NSEC_PER_MSEC : 0;
	request.n_metadata = q->metadata_len;
	request.metadata = refs;
	request.payload.len = protobuf_c_message_get_packed_size(q->in);
	payload = malloc(request.payload.len + 1);
	if (!payload)
		return -ENOMEM;
	protobuf_c_message_pack(q->in, payload);
	request.payload.data = payload;
	len = ttrpc__request__get_packed_size(&request);
	if (len > LIMIT_TTRPC_MSG)
		return -E2BIG;
	frame = malloc(TTRPC_HEADER + len);
	if (!frame)
		return -ENOMEM;
	ttrpc_header_put(frame, &(struct ttrpc_header){ (uint32_t)len, stream, TTRPC_REQUEST, 0 });
	ttrpc__request__pack(&request, frame + TTRPC_HEADER);
	return send_all(c, frame, TTRPC_HEADER + len, end_ms);
}

static int take_response(struct ttrpc_client *c, const struct ttrpc_header *h,
			 const struct ttrpc_request *q, struct arena *a, ProtobufCMessage **ret,
			 struct err *e)
{
	ProtobufCAllocator pb;
	Ttrpc__Response *response;

	pb_allocator_init(&pb, a);
	response = ttrpc__response__unpack(&pb, h->len, c->body);
	if (!response)
		return err_set(e, -EBADMSG, "malformed answer to %s", q->method);
	if (response->status && response->status->code != ERR_OK) {
		int code = response->status->code;

		return err_set_code(e, ttrpc_errno_of(code), (enum err_code)code, "%s",
				    response->status->message);
	}
	*ret = protobuf_c_message_unpack(q->out, &pb, response->payload.len,
					 response->payload.data);
	if (!*ret)
		return err_set(e, -EBADMSG, "malformed answer to %s", q->method);
	return 0;
}

int ttrpc_client_call(struct ttrpc_client *c, const struct ttrpc_request *q, struct arena *a,
		      ProtobufCMessage **ret, struct err *e)
{
	int64_t end_ms = q->timeout_ms < 0 ? -1 : clock_mono_ms() + q->timeout_ms;
	uint32_t stream = c->next_stream;
	struct ttrpc_header h;
	int r;

	if (c->is_broken)
		return err_set(e, -ECONNRESET, "%s: connection broke off in an earlier call",
			       q->method);
	c->next_stream += 2;
	r = send_request(c, q, stream, end_ms);
	while (r == 0) {
		r = recv_frame(c, &h, end_ms);
		if (r < 0)
			break;
		/* Answers to calls that were given up are thrown away. */
		if (h.stream == stream && h.type == TTRPC_RESPONSE) {
			r = take_response(c, &h, q, a, ret, e);
			drop_frame(c);
			return r;
		}
		drop_frame(c);
	}
	if (r != -ETIMEDOUT && r != -E2BIG)
		c->is_broken = true;
	return err_sys(e, r, "call %s", q->method);
}
