#include "oci/sync.h"

#include <stddef.h>
#include <sys/socket.h>

#include "base/sock.h"

/* Without an error the words stay at home. */
#define SHORT_LEN offsetof(struct sync_msg, e)

int sync_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

int sync_send(int sock, enum sync_kind kind, int fd)
{
	struct sync_msg m = { .kind = kind };

	if (fd == SYNC_FD_NONE)
		return send(sock, &m, SHORT_LEN, MSG_NOSIGNAL) < 0 ? -errno : 0;
	return sock_send_fds(sock, &m, SHORT_LEN, &fd, 1);
}

int sync_send_error(int sock, int r, const struct err *e)
{
	struct sync_msg m = { .kind = SYNC_FAILED, .r = r, .e = *e };

	return send(sock, &m, sizeof(m), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sync_recv(int sock, struct sync_msg *ret, int *ret_fd)
{
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n;

	*ret = (struct sync_msg){ 0 };
	n = ret_fd ? sock_recv_fds(sock, ret, sizeof(*ret), &fd, 1, &n_fds)
		   : recv(sock, ret, sizeof(*ret), 0);
	if (ret_fd)
		*ret_fd = n_fds ? fd : -1;
	if (n == 0 || (n < 0 && (errno == ECONNRESET || n == -ECONNRESET)))
		return SYNC_NONE;
	if (n < 0)
		return ret_fd ? (int)n : -errno;
	if ((size_t)n < SHORT_LEN)
		return -EBADMSG;
	ret->e.msg[sizeof(ret->e.msg) - 1] = '\0';
	return (int)ret->kind;
}

int sync_wait_go(int sock)
{
	struct sync_msg m;
	int r = sync_recv(sock, &m, NULL);

	return r < 0 ? r : r == SYNC_GO ? 0 : -ECONNRESET;
}
