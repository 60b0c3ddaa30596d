#include "base/test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "task_v2.pb-c.h"
#include "wire/ttrpc.h"

#define DESC(name) &containerd__task__v2__##name##__descriptor

/* The server runs in a thread of its own; the client is the test. */
struct peer {
	struct ev_loop *loop;
	struct ttrpc_server *server;
	struct ttrpc_call *kept;
	int ended;
	int fd; /* the client's end */
	pthread_t thread;
};

static int on_start(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__StartRequest *in = (const void *)m;
	Containerd__Task__V2__StartResponse out = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	(void)data;
	if (strcmp(in->id, "missing") == 0)
		return err_set(e, -ENOENT, "container %s not found", in->id);
	out.pid = (uint32_t)strlen(in->id);
	ttrpc_reply(call, &out.base);
	return 0;
}

static void on_end(struct ttrpc_call *call, void *data)
{
	struct peer *p = data;

	(void)call;
	p->kept = NULL;
	p->ended++;
}

static int on_wait(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	struct peer *p = data;

	(void)m;
	(void)e;
	p->kept = call;
	ttrpc_call_on_end(call, on_end, p);
	return 0;
}

/* Answers the call that Wait kept. */
static int on_kill(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	Containerd__Task__V2__WaitResponse done = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Containerd__Task__V2__StartResponse out = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct peer *p = data;

	(void)m;
	(void)e;
	done.exit_status = 9;
	if (p->kept)
		ttrpc_reply(TAKE_PTR(p->kept), &done.base);
	ttrpc_reply(call, &out.base);
	return 0;
}

/* How many kept calls ended without an answer. */
static int on_ended(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	Containerd__Task__V2__StartResponse out = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	(void)m;
	(void)e;
	out.pid = (uint32_t)((struct peer *)data)->ended;
	ttrpc_reply(call, &out.base);
	return 0;
}

static int on_shutdown(struct ttrpc_call *call, void *data, const ProtobufCMessage *m,
		       struct err *e)
{
	Containerd__Task__V2__StartResponse out = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct peer *p = data;

	(void)m;
	(void)e;
	ttrpc_reply(call, &out.base);
	ev_loop_quit(p->loop, 0);
	return 0;
}

static const struct ttrpc_method methods[] = {
	{ "Start", DESC(start_request), DESC(start_response), on_start },
	{ "Wait", DESC(wait_request), DESC(wait_response), on_wait },
	{ "Kill", DESC(kill_request), DESC(start_response), on_kill },
	{ "Ended", DESC(start_request), DESC(start_response), on_ended },
	{ "Shutdown", DESC(shutdown_request), DESC(start_response), on_shutdown },
};
static const struct ttrpc_service services[] = { { "test.Task", methods, ARRAY_LEN(methods) } };

static void *serve(void *arg)
{
	struct peer *p = arg;

	ev_loop_run(p->loop);
	ttrpc_server_free(p->server);
	ev_loop_free(p->loop);
	return NULL;
}

static int add_conn(struct peer *p)
{
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(ttrpc_server_add(p->server, pair[0]), 0);
	return pair[1];
}

static void setup(struct peer *p)
{
	*p = (struct peer){ 0 };
	CHECK_EQ(ev_loop_new(&p->loop), 0);
	CHECK_EQ(ttrpc_server_new(p->loop, services, ARRAY_LEN(services), p, &p->server), 0);
	p->fd = add_conn(p);
}

static void run(struct peer *p)
{
	CHECK_EQ(pthread_create(&p->thread, NULL, serve, p), 0);
}

static int call_id(struct ttrpc_client *c, const char *method, const char *id, int timeout_ms,
		   uint32_t *ret, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__StartRequest in = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	struct ttrpc_request q = { "test.Task", method, &in.base, DESC(start_response),
				   timeout_ms,	NULL,	0 };
	ProtobufCMessage *m;
	int r;

	in.id = (char *)(uintptr_t)id;
	r = ttrpc_client_call(c, &q, &a, &m, e);
	if (r == 0)
		*ret = ((Containerd__Task__V2__StartResponse *)m)->pid;
	return r;
}

static struct ttrpc_client *client_of(struct peer *p)
{
	struct ttrpc_client *c;

	CHECK_EQ(ttrpc_client_new(p->fd, &c), 0);
	return c;
}

static void finish(struct peer *p, struct ttrpc_client *c)
{
	uint32_t n;

	CHECK_EQ(call_id(c, "Shutdown", "", 5000, &n, NULL), 0);
	pthread_join(p->thread, NULL);
	ttrpc_client_free(c);
}

TEST(a_call_is_answered)
{
	struct peer p;
	struct ttrpc_client *c;
	uint32_t n = 0;

	setup(&p);
	run(&p);
	c = client_of(&p);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(call_id(c, "Start", "abc", 5000, &n, NULL), 0);
	CHECK_EQ(n, 3);
	finish(&p, c);
}

TEST(errors_keep_their_class_and_words)
{
	struct err e = ERR_INIT;
	struct peer p;
	struct ttrpc_client *c;
	uint32_t n;

	setup(&p);
	run(&p);
	c = client_of(&p);
	CHECK_EQ(call_id(c, "Start", "missing", 5000, &n, &e), -ENOENT);
	CHECK_EQ(e.code, ERR_NOT_FOUND);
	CHECK_STR(e.msg, "container missing not found");
	CHECK_EQ(call_id(c, "Nothing", "", 5000, &n, &e), -EOPNOTSUPP);
	CHECK_EQ(e.code, ERR_UNIMPLEMENTED);
	CHECK_EQ(call_id(c, "Start", "ok", 5000, &n, &e), 0);
	finish(&p, c);
}

TEST(a_large_message_passes_and_a_larger_one_is_refused)
{
	char *id = malloc(LIMIT_TTRPC_MSG + 1);
	struct peer p;
	struct ttrpc_client *c;
	uint32_t n;

	setup(&p);
	run(&p);
	c = client_of(&p);
	memset(id, 'x', LIMIT_TTRPC_MSG);
	id[LIMIT_TTRPC_MSG - 200] = '\0';
	CHECK_EQ(call_id(c, "Start", id, 20000, &n, NULL), 0);
	CHECK_EQ(n, LIMIT_TTRPC_MSG - 200);
	id[LIMIT_TTRPC_MSG - 200] = 'x';
	id[LIMIT_TTRPC_MSG] = '\0';
	CHECK_EQ(call_id(c, "Start", id, 20000, &n, NULL), -E2BIG);
	free(id);
	finish(&p, c);
}

TEST(a_call_that_times_out_leaves_the_connection_usable)
{
	struct peer p;
	struct ttrpc_client *c;
	uint32_t n;

	setup(&p);
	run(&p);
	c = client_of(&p);
	CHECK_EQ(call_id(c, "Wait", "x", 30, &n, NULL), -ETIMEDOUT);
	CHECK_EQ(call_id(c, "Start", "four", 5000, &n, NULL), 0);
	CHECK_EQ(n, 4);
	/* The server gave the call up as well: its deadline travelled with it. */
	do
		CHECK_EQ(call_id(c, "Ended", "", 5000, &n, NULL), 0);
	while (n == 0);
	CHECK_EQ(n, 1);
	finish(&p, c);
}

static void send_raw(int fd, uint32_t len, uint32_t stream, uint8_t type, uint8_t flags)
{
	uint8_t head[TTRPC_HEADER];

	ttrpc_header_put(head, &(struct ttrpc_header){ len, stream, type, flags });
	CHECK_EQ(fd_write_full(fd, head, sizeof(head)), 0);
}

TEST(a_kept_call_is_answered_later)
{
	static const char request[] = "\x0a\x09test.Task\x12\x04Wait";
	uint8_t head[TTRPC_HEADER], body[64];
	struct ttrpc_header h;
	struct ttrpc_client *c;
	struct peer p;
	uint32_t n;
	int fd;

	setup(&p);
	fd = add_conn(&p);
	run(&p);
	c = client_of(&p);
	send_raw(fd, sizeof(request) - 1, 101, TTRPC_REQUEST, 0);
	CHECK_EQ(fd_write_full(fd, request, sizeof(request) - 1), 0);
	CHECK_EQ(call_id(c, "Start", "x", 5000, &n, NULL), 0);
	do
		CHECK_EQ(call_id(c, "Kill", "", 5000, &n, NULL), 0);
	while (recv(fd, head, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
	CHECK_EQ(fd_read_full(fd, head, sizeof(head)), sizeof(head));
	ttrpc_header_get(head, &h);
	CHECK_EQ(h.stream, 101);
	/* Response.payload: WaitResponse.exit_status is 9. */
	CHECK_EQ(h.len, 4);
	CHECK_EQ(fd_read_full(fd, body, h.len), 4);
	CHECK(memcmp(body, "\x12\x02\x08\x09", 4) == 0);
	close(fd);
	finish(&p, c);
}

TEST(a_kept_call_ends_with_its_connection)
{
	static const char request[] = "\x0a\x09test.Task\x12\x04Wait";
	struct ttrpc_client *c;
	struct peer p;
	uint32_t n;
	int fd;

	setup(&p);
	fd = add_conn(&p);
	send_raw(fd, sizeof(request) - 1, 1, TTRPC_REQUEST, 0);
	CHECK_EQ(fd_write_full(fd, request, sizeof(request) - 1), 0);
	ev_loop_once(p.loop, 1000);
	CHECK(p.kept);
	close(fd);
	run(&p);
	c = client_of(&p);
	do
		CHECK_EQ(call_id(c, "Ended", "", 5000, &n, NULL), 0);
	while (n == 0);
	finish(&p, c);
}

/* The shim's waiters: the client that is answered may have closed a moment ago. */
TEST(an_answer_to_a_peer_that_is_gone_ends_the_call_once)
{
	static const char request[] = "\x0a\x09test.Task\x12\x04Wait";
	Containerd__Task__V2__WaitResponse done = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	struct ttrpc_client *c;
	struct peer p;
	int fd;

	setup(&p);
	fd = add_conn(&p);
	send_raw(fd, sizeof(request) - 1, 1, TTRPC_REQUEST, 0);
	CHECK_EQ(fd_write_full(fd, request, sizeof(request) - 1), 0);
	ev_loop_once(p.loop, 1000);
	CHECK(p.kept);
	close(fd);
	ttrpc_reply(TAKE_PTR(p.kept), &done.base);
	CHECK_EQ(p.ended, 0);
	run(&p);
	c = client_of(&p);
	finish(&p, c);
}

/* The class of the next answer on a raw connection. */
static int next_code(int fd, uint32_t stream)
{
	uint8_t head[TTRPC_HEADER], body[600];
	struct ttrpc_header h;

	CHECK_EQ(fd_read_full(fd, head, sizeof(head)), sizeof(head));
	ttrpc_header_get(head, &h);
	CHECK_EQ(h.type, TTRPC_RESPONSE);
	CHECK_EQ(h.stream, stream);
	CHECK(h.len >= 4 && h.len < sizeof(body));
	CHECK_EQ(fd_read_full(fd, body, h.len), h.len);
	/* Response.status.code: field 1 of field 1. */
	CHECK_EQ(body[0], 0x0a);
	CHECK_EQ(body[2], 0x08);
	return body[3];
}

TEST(wrong_streams_and_frames_are_answered_or_ignored)
{
	struct peer p;
	struct ttrpc_client *c;
	int fd;

	setup(&p);
	fd = add_conn(&p);
	run(&p);
	c = client_of(&p);
	send_raw(fd, 0, 2, TTRPC_REQUEST, 0);
	CHECK_EQ(next_code(fd, 2), ERR_INVALID_ARGUMENT);
	send_raw(fd, 0, 5, TTRPC_REQUEST, 0);
	CHECK_EQ(next_code(fd, 5), ERR_UNIMPLEMENTED);
	send_raw(fd, 0, 5, TTRPC_REQUEST, 0);
	CHECK_EQ(next_code(fd, 5), ERR_INVALID_ARGUMENT);
	send_raw(fd, 0, 7, TTRPC_REQUEST, TTRPC_REMOTE_OPEN);
	CHECK_EQ(next_code(fd, 7), ERR_UNIMPLEMENTED);
	send_raw(fd, 0, 7, TTRPC_DATA, 0);
	send_raw(fd, 3, 9, TTRPC_REQUEST, 0);
	CHECK_EQ(fd_write_full(fd, "\xff\xff\xff", 3), 0);
	CHECK_EQ(next_code(fd, 9), ERR_INVALID_ARGUMENT);
	close(fd);
	finish(&p, c);
}

TEST(a_frame_above_the_limit_is_skipped_with_an_error)
{
	static char zeros[65536];
	struct peer p;
	struct ttrpc_client *c;
	uint32_t len = LIMIT_TTRPC_MSG + 1;
	int fd;

	setup(&p);
	fd = add_conn(&p);
	run(&p);
	c = client_of(&p);
	send_raw(fd, len, 1, TTRPC_REQUEST, 0);
	CHECK_EQ(next_code(fd, 1), ERR_RESOURCE_EXHAUSTED);
	for (uint32_t done = 0; done < len;) {
		uint32_t n = MIN(len - done, sizeof(zeros));

		CHECK_EQ(fd_write_full(fd, zeros, n), 0);
		done += n;
	}
	send_raw(fd, 0, 3, TTRPC_REQUEST, 0);
	CHECK_EQ(next_code(fd, 3), ERR_UNIMPLEMENTED);
	close(fd);
	finish(&p, c);
}

TEST(a_client_that_never_reads_is_cut_off_and_others_are_served)
{
	static uint8_t frames[TTRPC_HEADER * 1000];
	struct peer p;
	struct ttrpc_client *c;
	uint32_t stream = 1, n;
	int fd;
	ssize_t sent = 0;

	setup(&p);
	fd = add_conn(&p);
	run(&p);
	c = client_of(&p);
	/* Each empty request is answered with an error; the server stops reading long before its memory is full. */
	for (int i = 0; i < 2000 && sent >= 0; i++) {
		for (int k = 0; k < 1000; k++, stream += 2)
			ttrpc_header_put(frames + k * TTRPC_HEADER,
					 &(struct ttrpc_header){ 0, stream, TTRPC_REQUEST, 0 });
		sent = send(fd, frames, sizeof(frames), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (i % 10 == 0)
			CHECK_EQ(call_id(c, "Start", "a", 5000, &n, NULL), 0);
	}
	CHECK(sent < 0);
	close(fd);
	finish(&p, c);
}

TEST(a_server_that_goes_away_is_noticed)
{
	struct peer p;
	struct ttrpc_client *c;
	int fd[2];
	uint32_t n;

	(void)p;
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	close(fd[0]);
	CHECK_EQ(ttrpc_client_new(fd[1], &c), 0);
	CHECK_EQ(call_id(c, "Start", "", 1000, &n, NULL), -ECONNRESET);
	CHECK_EQ(call_id(c, "Start", "", 1000, &n, NULL), -ECONNRESET);
	ttrpc_client_free(c);
}

TEST_MAIN()
