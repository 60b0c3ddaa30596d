/* The plugin loopback: sets lo up. The reference sets it down at DEL; here too. */
#include <linux/rtnetlink.h>

#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"

#define NAME "lo"

struct addresses {
	const struct cni_call *call;
	struct cni_result *res;
	bool has_v4, has_v6;
	struct err *e;
};

/* The first address of each family. */
static int take_address(void *data, const struct rtnl_addr *a)
{
	static const struct ip_addr none;
	struct addresses *all = data;
	bool *has = ip_is_v4(&a->net.addr) ? &all->has_v4 : &all->has_v6;
	char text[IP_TEXT_MAX];
	int r;

	if (!ip_addr_is_loopback(&a->net.addr))
		return err_set(all->e, -EADDRNOTAVAIL,
			       "loopback interface found with non-loopback address %s",
			       ip_addr_text(&a->net.addr, text));
	if (*has)
		return 0;
	*has = true;
	r = result_add_ip(all->call, all->res, &a->net, &none, all->e);
	if (r == 0)
		all->res->ips.v[all->res->ips.n - 1].has_interface = true;
	return r;
}

static int set_flags(struct iface *f, const struct rtnl_link *l, bool is_up, struct err *e)
{
	struct rtnl_change c = { .flags = is_up ? IFF_UP : 0, .change = IFF_UP };
	struct netlink_batch b;

	netlink_begin(&b, &f->inner);
	rtnl_change(&b, l->index, l->name, &c);
	return netlink_send(&b, e);
}

static int loopback_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct addresses all = { .call = call, .res = result_new(call, e), .e = e };
	struct rtnl_link l;
	int r = all.res ? iface_open(call, &f, e) : -ENOMEM;

	r = r < 0 ? r : rtnl_link_get(&f.inner, NAME, 0, &l, e);
	if (r == 0 && !(l.flags & IFF_UP))
		r = set_flags(&f, &l, true, e);
	r = r < 0 ? r : result_add_interface(call, all.res, &l, call->netns_path, e);
	r = r < 0 ? r : rtnl_addr_list(&f.inner, l.index, take_address, &all, e);
	if (r < 0)
		return r;
	*ret = all.res;
	if (call->prev)
		*ret = result_copy(call, call->prev, e);
	return *ret ? 0 : -ENOMEM;
}

static int loopback_del(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct rtnl_link l;
	int r;

	if (call->netns_fd < 0)
		return 0;
	r = iface_open(call, &f, e);
	r = r < 0 ? r : rtnl_link_get(&f.inner, NAME, 0, &l, e);
	return r < 0 ? r : set_flags(&f, &l, false, e);
}

static int loopback_check(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct rtnl_link l;
	int r = iface_open(call, &f, e);

	r = r < 0 ? r : rtnl_link_get(&f.inner, NAME, 0, &l, e);
	if (r == 0 && !(l.flags & IFF_UP))
		r = err_set(e, -ENODEV, "loopback interface is down");
	return r;
}

const struct cni_plugin cni_plugin_loopback = {
	.type = "loopback",
	.add = loopback_add,
	.del = loopback_del,
	.check = loopback_check,
};
