#include "sys/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"

struct link_request {
	struct nlmsghdr head;
	struct ifinfomsg info;
};

/* The kernel answers a request synchronously, so the acknowledgement is there when send returns. */
static int acknowledged(int fd)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(answer.head) + sizeof(answer.error.error) ||
	    answer.head.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.error.error;
}

int netlink_link_up(int ifindex, struct err *e)
{
	struct link_request q = {
		.head = { sizeof(q), RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 },
		.info = { .ifi_family = AF_UNSPEC,
			  .ifi_index = ifindex,
			  .ifi_flags = IFF_UP,
			  .ifi_change = IFF_UP },
	};
	AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return err_sys(e, -errno, "open netlink socket");
	if (send(fd, &q, sizeof(q), 0) < 0)
		return err_sys(e, -errno, "set link %d up", ifindex);
	r = acknowledged(fd);
	return r < 0 ? err_sys(e, r, "set link %d up", ifindex) : 0;
}
