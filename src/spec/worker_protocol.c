#include "spec/worker_protocol.h"

#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/sock.h"

/* Errors, digests and names are smaller. */
#define SMALL_BYTES ((size_t)4 << 10)

static int send_all(int sock, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(sock, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int worker_msg_send(int sock, enum worker_msg_type type, uint64_t a, uint64_t b,
		    const void *payload, size_t len, int fd)
{
	struct worker_msg m = { .type = type, .len = (uint32_t)len, .a = a, .b = b };
	char whole[sizeof(m) + SMALL_BYTES];
	int r;

	if (len > WORKER_PAYLOAD_MAX)
		return -EMSGSIZE;
	/* In one piece: a role's second thread may be telling its progress. */
	if (len <= SMALL_BYTES) {
		memcpy(whole, &m, sizeof(m));
		if (len > 0)
			memcpy(whole + sizeof(m), payload, len);
		return sock_send_fds(sock, whole, sizeof(m) + len, &fd, fd >= 0);
	}
	r = sock_send_fds(sock, &m, sizeof(m), &fd, fd >= 0);
	return r < 0 ? r : send_all(sock, payload, len);
}

int worker_msg_send_error(int sock, int r, const struct err *e)
{
	const char *text = err_text(e, r);
	int code = e && e->errnum ? e->code : (int)err_code_of(r);

	return worker_msg_send(sock, WORKER_ERROR, (uint64_t)-r, (uint64_t)code, text, strlen(text),
			       -EBADF);
}

static int recv_rest(int sock, void *data, size_t len)
{
	ssize_t n = fd_read_full(sock, data, len);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EBADMSG;
}

int worker_msg_recv(int sock, struct worker_msg *ret, char **ret_payload, int *ret_fd)
{
	AUTO_FREE char *payload = NULL;
	AUTO_FD fd = -EBADF;
	struct worker_msg m;
	size_t fds = 0;
	ssize_t n = sock_recv_fds(sock, &m, sizeof(m), &fd, 1, &fds);
	int r;

	if (n <= 0)
		return (int)n;
	r = recv_rest(sock, (char *)&m + n, sizeof(m) - (size_t)n);
	if (r < 0)
		return r;
	if (m.type == 0 || m.type >= WORKER_MSG_TYPES || m.len > WORKER_PAYLOAD_MAX)
		return -EBADMSG;
	payload = malloc((size_t)m.len + 1);
	if (!payload)
		return -ENOMEM;
	r = recv_rest(sock, payload, m.len);
	if (r < 0)
		return r;
	payload[m.len] = '\0';
	*ret = m;
	*ret_payload = TAKE_PTR(payload);
	*ret_fd = TAKE_FD(fd);
	return 1;
}
