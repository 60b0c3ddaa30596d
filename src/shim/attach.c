#include "shim/attach.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/sock.h"
#include "shim/attach_wire.h"

int attach_send(int fd, enum attach_type type, const void *data, size_t len)
{
	struct attach_header h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)data, len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };

	if (len > LIMIT_ATTACH_FRAME)
		return -E2BIG;
	attach_header_put(&h, type, len);
	while (m.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		while (m.msg_iovlen > 0 && (size_t)n >= m.msg_iov->iov_len) {
			n -= (ssize_t)m.msg_iov->iov_len;
			m.msg_iov++;
			m.msg_iovlen--;
		}
		if (m.msg_iovlen > 0) {
			m.msg_iov->iov_base = (char *)m.msg_iov->iov_base + n;
			m.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

ssize_t attach_recv(int fd, enum attach_type *ret_type, void *buf)
{
	struct attach_header h;
	ssize_t n = fd_read_full(fd, &h, sizeof(h));
	size_t len;

	if (n < 0)
		return n;
	if (n < (ssize_t)sizeof(h))
		return -ECONNRESET;
	len = attach_header_len(&h);
	if (len > LIMIT_ATTACH_FRAME)
		return -EBADMSG;
	n = fd_read_full(fd, buf, len);
	if (n < 0)
		return n;
	if ((size_t)n < len)
		return -ECONNRESET;
	*ret_type = h.type;
	return n;
}

/* Both frames in one write: the shim has taken the size before it answers the greeting. */
static int send_hello(int fd, const struct attach_hello *hello, const struct attach_resize *size)
{
	struct {
		struct attach_header head;
		struct attach_hello hello;
		struct attach_header size_head;
		struct attach_resize size;
	} m = { .hello = *hello };
	size_t len = offsetof(typeof(m), size_head);
	ssize_t n;

	_Static_assert(sizeof(m) ==
			       2 * sizeof(struct attach_header) + sizeof(*hello) + sizeof(*size),
		       "frames follow each other without holes");
	attach_header_put(&m.head, ATTACH_HELLO, sizeof(*hello));
	if (size) {
		attach_header_put(&m.size_head, ATTACH_RESIZE, sizeof(*size));
		m.size = *size;
		len = sizeof(m);
	}
	do {
		n = send(fd, &m, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return (size_t)n == len ? 0 : -ECONNRESET;
}

int attach_open(int task_fd, const char *exec_id, unsigned int flags,
		const struct attach_resize *size, struct err *e)
{
	AUTO_FD fd = sock_connect_at(task_fd, "attach.sock", SOCK_STREAM);
	AUTO_FREE char *buf = NULL;
	struct attach_hello hello = { .version = ATTACH_VERSION, .flags = flags };
	enum attach_type type;
	ssize_t n;
	int r;

	if (fd < 0)
		return err_sys(e, fd, "connect to the container's attach socket");
	if (exec_id && strlen(exec_id) >= sizeof(hello.exec_id))
		return err_set(e, -EINVAL, "exec id '%.40s…' is too long", exec_id);
	if (exec_id)
		memcpy(hello.exec_id, exec_id, strlen(exec_id) + 1);
	buf = malloc(LIMIT_ATTACH_FRAME);
	if (!buf)
		return err_set(e, -ENOMEM, "attach: out of memory");
	r = send_hello(fd, &hello, size);
	if (r < 0)
		return err_sys(e, r, "attach");
	n = attach_recv(fd, &type, buf);
	if (n < 0)
		return err_sys(e, (int)n, "attach");
	if (type == ATTACH_ERROR)
		return err_set(e, -ENOENT, "%.*s", (int)MIN(n, ERR_MSG_MAX), buf);
	if (type != ATTACH_READY)
		return err_set(e, -EBADMSG, "attach: unexpected frame %d", (int)type);
	return TAKE_FD(fd);
}
