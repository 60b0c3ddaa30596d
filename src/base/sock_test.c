#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"

TEST(a_socket_deep_below_any_path_limit_works)
{
	char path[600] = "/tmp/corten-test-XXXXXX", deep[700], sock_path[800];
	int dir, server, client, conn;
	struct stat st;

	CHECK(mkdtemp(path) != NULL);
	snprintf(deep, sizeof(deep), "%s/%0200d/%0200d", path, 1, 2);
	CHECK_EQ(dir_make_all(deep, 0700), 0);
	dir = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	server = sock_listen_at(dir, "s", SOCK_STREAM, 4);
	CHECK(server >= 0);
	CHECK_EQ(fstatat(dir, "s", &st, 0), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(sock_listen_at(dir, "s", SOCK_STREAM, 4), -EADDRINUSE);
	snprintf(sock_path, sizeof(sock_path), "%s/s", deep);
	client = sock_connect(sock_path, SOCK_STREAM);
	CHECK(client >= 0);
	conn = sock_accept(server, false);
	CHECK(conn >= 0);
	close(conn);
	close(client);
	close(server);
	CHECK_EQ(sock_connect_at(dir, "s", SOCK_STREAM), -ECONNREFUSED);
	CHECK_EQ(sock_connect_at(dir, "t", SOCK_STREAM), -ENOENT);
	close(dir);
	dir_remove_at(AT_FDCWD, path);
}

TEST(descriptors_travel_with_a_message_and_surplus_ones_are_closed)
{
	int s[2], p[2], got[1];
	char buf[8];
	size_t n;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(sock_send_fds(s[0], "hello", 5, p, 2), 0);
	CHECK_EQ(sock_recv_fds(s[1], buf, sizeof(buf), got, 1, &n), 5);
	CHECK_EQ(n, 1);
	close(p[0]);
	close(p[1]);
	/* With the write end closed everywhere the received read end is at its end. */
	CHECK_EQ(read(got[0], buf, 1), 0);
	close(got[0]);
	close(s[0]);
	CHECK_EQ(sock_recv_fds(s[1], buf, sizeof(buf), got, 1, &n), 0);
	close(s[1]);
}

TEST_MAIN()
