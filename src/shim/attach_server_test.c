#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/sock.h"
#include "shim/attach_server.h"
#include "shim/attach_wire.h"
#include "shim/streams.h"

struct fixture {
	struct ev_loop *loop;
	struct attach_server server;
	struct stdio_pool pool;
	struct stdio io;
	int dir, fd;
	int owners_gone;
};

static char buf[LIMIT_ATTACH_FRAME];

static struct stdio *find(void *data, const char *exec_id)
{
	return exec_id[0] ? NULL : &((struct fixture *)data)->io;
}

static void owner_gone(void *data)
{
	((struct fixture *)data)->owners_gone++;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 5; i++)
		ev_loop_once(f->loop, 0);
}

static void setup(struct fixture *f)
{
	char path[] = "/tmp/attach_test.XXXXXX";

	*f = (struct fixture){ .server = { .find = find, .owner_gone = owner_gone } };
	f->server.data = f;
	CHECK(mkdtemp(path));
	f->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(ev_loop_new(&f->loop), 0);
	f->pool = (struct stdio_pool){ .loop = f->loop, .dir = f->dir };
	stdio_init(&f->io, &f->pool, f);
	CHECK_EQ(attach_server_start(&f->server, f->loop,
				     sock_listen_at(f->dir, "s", SOCK_STREAM, 8)),
		 0);
	f->fd = sock_connect_at(f->dir, "s", SOCK_STREAM);
	CHECK(f->fd >= 0);
	turn(f);
	unlinkat(f->dir, "s", 0);
	rmdir(path);
}

static void teardown(struct fixture *f)
{
	close(f->fd);
	turn(f);
	CHECK_EQ(f->server.len, 0);
	attach_server_stop(&f->server);
	stdio_pool_done(&f->pool);
	ev_loop_free(f->loop);
	close(f->dir);
}

static void hello(struct fixture *f, unsigned int flags, const char *exec_id)
{
	struct attach_hello h = { .version = ATTACH_VERSION, .flags = flags };

	snprintf(h.exec_id, sizeof(h.exec_id), "%s", exec_id);
	CHECK_EQ(attach_send(f->fd, ATTACH_HELLO, &h, sizeof(h)), 0);
	turn(f);
}

static void expect(struct fixture *f, enum attach_type type, const char *text)
{
	enum attach_type got;
	ssize_t n = attach_recv(f->fd, &got, buf);

	CHECK_EQ(n, text ? (ssize_t)strlen(text) : n);
	CHECK_EQ(got, type);
	CHECK(!text || memcmp(buf, text, (size_t)n) == 0);
}

static void expect_closed(struct fixture *f)
{
	enum attach_type got;

	CHECK_EQ(attach_recv(f->fd, &got, buf), -ECONNRESET);
}

TEST(output_comes_after_ready_and_exit_is_last)
{
	struct attach_exit x = { .status = 3 };
	struct fixture f;

	setup(&f);
	hello(&f, ATTACH_WANTS_OUTPUT, "");
	expect(&f, ATTACH_READY, "");
	attach_output(f.io.clients, ATTACH_STDOUT, "out", 3);
	attach_output(f.io.clients, ATTACH_STDERR, "err", 3);
	attach_exit(f.io.clients, &x);
	expect(&f, ATTACH_STDOUT, "out");
	expect(&f, ATTACH_STDERR, "err");
	expect(&f, ATTACH_EXIT, NULL);
	turn(&f);
	expect_closed(&f);
	teardown(&f);
}

TEST(an_unknown_process_is_refused)
{
	struct fixture f;

	setup(&f);
	hello(&f, 0, "nobody");
	expect(&f, ATTACH_ERROR, "attach: no such process");
	turn(&f);
	expect_closed(&f);
	teardown(&f);
}

TEST(frames_without_greeting_and_unknown_ones_are_refused)
{
	struct fixture f;

	setup(&f);
	CHECK_EQ(attach_send(f.fd, ATTACH_STDIN, "x", 1), 0);
	turn(&f);
	expect(&f, ATTACH_ERROR, "attach: no greeting");
	teardown(&f);
	setup(&f);
	hello(&f, 0, "");
	expect(&f, ATTACH_READY, "");
	CHECK_EQ(attach_send(f.fd, (enum attach_type)99, "x", 1), 0);
	turn(&f);
	expect(&f, ATTACH_ERROR, "attach: unexpected frame");
	teardown(&f);
}

TEST(a_frame_above_the_limit_is_refused)
{
	struct attach_header h;
	struct fixture f;

	setup(&f);
	attach_header_put(&h, ATTACH_HELLO, LIMIT_ATTACH_FRAME + 1);
	CHECK_EQ(fd_write_full(f.fd, &h, sizeof(h)), 0);
	turn(&f);
	expect(&f, ATTACH_ERROR, "attach: frame too large");
	teardown(&f);
}

TEST(a_background_client_that_lags_is_cut_off_on_a_frame_boundary)
{
	static char block[LIMIT_ATTACH_FRAME];
	enum attach_type type = ATTACH_STDOUT;
	struct fixture f;
	int n = 0;

	setup(&f);
	hello(&f, ATTACH_WANTS_OUTPUT, "");
	expect(&f, ATTACH_READY, "");
	while (f.io.clients && n++ < 200)
		attach_output(f.io.clients, ATTACH_STDOUT, block, sizeof(block));
	CHECK(!f.io.clients);
	CHECK(n < 100);
	for (int i = 0; type == ATTACH_STDOUT && i < 200; i++) {
		turn(&f);
		CHECK(attach_recv(f.fd, &type, buf) >= 0);
	}
	CHECK_EQ(type, ATTACH_ERROR);
	turn(&f);
	expect_closed(&f);
	CHECK_EQ(f.io.blockers, 0);
	teardown(&f);
}

TEST(a_foreground_client_that_lags_blocks_until_it_reads)
{
	static char block[LIMIT_ATTACH_FRAME];
	enum attach_type type;
	struct fixture f;
	int n = 0;

	setup(&f);
	hello(&f, ATTACH_WANTS_OUTPUT | ATTACH_FOREGROUND, "");
	expect(&f, ATTACH_READY, "");
	while (f.io.blockers == 0 && n++ < 200)
		attach_output(f.io.clients, ATTACH_STDOUT, block, sizeof(block));
	CHECK_EQ(f.io.blockers, 1);
	for (int i = 0; i < n; i++) {
		CHECK_EQ(attach_recv(f.fd, &type, buf), (ssize_t)sizeof(block));
		turn(&f);
	}
	CHECK_EQ(f.io.blockers, 0);
	teardown(&f);
}

TEST(a_blocking_client_that_vanishes_blocks_no_more)
{
	static char block[LIMIT_ATTACH_FRAME];
	struct fixture f;

	setup(&f);
	hello(&f, ATTACH_WANTS_OUTPUT | ATTACH_FOREGROUND, "");
	for (int i = 0; i < 200 && f.io.blockers == 0; i++)
		attach_output(f.io.clients, ATTACH_STDOUT, block, sizeof(block));
	CHECK_EQ(f.io.blockers, 1);
	close(f.fd);
	turn(&f);
	CHECK_EQ(f.io.blockers, 0);
	f.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	teardown(&f);
}

TEST(the_end_of_the_last_owner_is_told)
{
	struct fixture f;

	setup(&f);
	hello(&f, ATTACH_OWNER, "");
	expect(&f, ATTACH_READY, "");
	CHECK_EQ(f.server.owners, 1);
	close(f.fd);
	turn(&f);
	CHECK_EQ(f.owners_gone, 1);
	f.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	teardown(&f);
}

TEST_MAIN()
