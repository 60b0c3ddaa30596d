#include "oci/net_devices.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/rtnl.h"

/* A container's interface has a few; what is beyond fits into no batch either. */
#define ADDRS_MAX 32
_Static_assert(ADDRS_MAX < NETLINK_BATCH_MAX, "addresses and up go out at once");

struct addrs {
	struct ip_net v[ADDRS_MAX];
	size_t n;
};

/* As runc 1.4: those that somebody gave it for everyone; link-local and dynamic ones come by themselves. */
static int keep_addr(void *data, const struct rtnl_addr *a)
{
	struct addrs *all = data;

	if (a->scope != RT_SCOPE_UNIVERSE || !(a->flags & IFA_F_PERMANENT))
		return 0;
	if (all->n == ADDRS_MAX)
		return -E2BIG;
	all->v[all->n++] = a->net;
	return 0;
}

static const char *name_inside(const struct oci_net_device *d)
{
	return d->name && *d->name ? d->name : d->key;
}

static int set_up(struct netlink *inside, const char *name, const struct addrs *addrs,
		  struct err *e)
{
	struct netlink_batch b;
	struct rtnl_link link;
	int r = rtnl_link_get(inside, name, 0, &link, e);

	if (r < 0)
		return r;
	netlink_begin(&b, inside);
	for (size_t i = 0; i < addrs->n; i++)
		rtnl_addr(&b, RTNL_ADD, link.index, name, &addrs->v[i], false);
	rtnl_up(&b, link.index, name);
	return netlink_send(&b, e);
}

static int move(struct netlink *outside, struct netlink *inside, const struct oci_net_device *d,
		int netns_fd, struct err *e)
{
	/* Down, or the kernel refuses the name; moving takes the addresses away in any case. */
	const struct rtnl_change change = { .change = IFF_UP,
					    .netns_fd = netns_fd,
					    .new_name = name_inside(d) };
	struct addrs addrs = { .n = 0 };
	struct netlink_batch b;
	struct rtnl_link link;
	int r = rtnl_link_get(outside, d->key, 0, &link, e);

	if (r == 0)
		r = rtnl_addr_list(outside, link.index, keep_addr, &addrs, e);
	if (r == 0) {
		netlink_begin(&b, outside);
		rtnl_change(&b, link.index, d->key, &change);
		r = netlink_send(&b, e);
	}
	return r < 0 ? r : set_up(inside, change.new_name, &addrs, e);
}

int net_devices_move(const struct oci_linux *l, int netns_fd, struct err *e)
{
	AUTO_NETLINK struct netlink outside = NETLINK_NONE;
	AUTO_NETLINK struct netlink inside = NETLINK_NONE;
	struct rtnl_link link;
	int r = netlink_open(NETLINK_ROUTE, -EBADF, &outside, e);

	for (size_t i = 0; r == 0 && i < l->net_devices.n; i++)
		r = rtnl_link_get(&outside, l->net_devices.v[i].key, 0, &link, e);
	if (r == 0)
		r = netlink_open(NETLINK_ROUTE, netns_fd, &inside, e);
	for (size_t i = 0; r == 0 && i < l->net_devices.n; i++)
		r = move(&outside, &inside, &l->net_devices.v[i], netns_fd, e);
	return r < 0 ? err_wrap(e, r, "linux.netDevices") : 0;
}
