/* The container's interface: made, given addresses and routes, deleted. */
#include <fcntl.h>
#include <linux/if_addr.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "sys/ns.h"

/* Random names of veths that are tried, as in the reference. */
#define NAME_TRIES 10
/* Duplicate address detection takes one to two seconds. */
#define SETTLE_MS 5000
#define SETTLE_STEP_MS 50

int iface_open(const struct cni_call *call, struct iface *ret, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	int r;

	if (call->netns_fd < 0 && call->command != CNI_DEL)
		return err_set(e, -ENXIO, "failed to open netns \"%s\": it is no network namespace",
			       call->netns_path ? call->netns_path : "");
	r = netlink_open(NETLINK_ROUTE, -EBADF, &f.host, e);
	if (r == 0 && call->netns_fd >= 0)
		r = netlink_open(NETLINK_ROUTE, call->netns_fd, &f.inner, e);
	if (r < 0)
		return r;
	*ret = f;
	f = IFACE_NONE;
	return 0;
}

void iface_close(struct iface *f)
{
	if (!f)
		return;
	netlink_close(&f->host);
	netlink_close(&f->inner);
}

/* -- sysctls -- */

int iface_sysctl(const char *family, const char *ifname, const char *key, const char *value)
{
	AUTO_FREE char *path = str_printf("/proc/sys/net/%s/conf/%s/%s", family, ifname, key);

	return path ? file_write_at(AT_FDCWD, path, value) : -ENOMEM;
}

int iface_forward(int family, struct err *e)
{
	const char *path = family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
					     : "/proc/sys/net/ipv6/conf/all/forwarding";
	AUTO_FREE char *now = NULL;
	int r;

	/* Writing takes the kernel's lock of all links and walks them, even when nothing changes. */
	if (file_read_at(AT_FDCWD, path, 64, &now, NULL) == 0 && now[0] == '1')
		return 0;
	r = file_write_at(AT_FDCWD, path, "1");
	return r < 0 ? err_sys(e, r, "enable forwarding with '%s'", path) : 0;
}

/* -- the pair -- */

static int explain_pair(struct iface *f, const struct iface_pair *p, int r, struct err *e)
{
	struct rtnl_link there;

	if (r == -EEXIST && f->inner.fd >= 0 &&
	    rtnl_link_get(&f->inner, p->ifname, 0, &there, NULL) == 0)
		return err_set(e, r, "the container has an interface '%s' already", p->ifname);
	if (r == -EXFULL)
		return err_set_code(
			e, r, ERR_RESOURCE_EXHAUSTED,
			"bridge '%s' has 1023 ports, which is all that a Linux bridge can "
			"have: use another network",
			p->master_name);
	return r;
}

static int try_pair(struct iface *f, const struct iface_pair *p, const char *name, struct err *e)
{
	struct rtnl_end host = { .name = name, .mtu = p->mtu, .master = p->master, .is_up = true },
			inner = { .name = p->ifname,
				  .mtu = p->mtu,
				  .mac = p->mac,
				  .netns_fd = p->netns_fd };
	struct netlink_batch b;

	netlink_begin(&b, &f->host);
	rtnl_add_veth(&b, &host, &inner);
	return netlink_send(&b, e);
}

int iface_pair_add(struct iface *f, const struct iface_pair *p, struct rtnl_link *ret_host,
		   struct rtnl_link *ret_inner, struct err *e)
{
	char name[IFNAMSIZ] = "";
	int r = -EEXIST;

	for (int i = 0; i < NAME_TRIES && r == -EEXIST; i++) {
		struct rtnl_link there;

		if (p->host_name)
			snprintf(name, sizeof(name), "%s", p->host_name);
		else
			snprintf(name, sizeof(name), "veth%08x", (uint32_t)rand_u64());
		r = try_pair(f, p, name, e);
		if (p->host_name || rtnl_link_get(&f->host, name, 0, &there, NULL) < 0)
			break;
	}
	if (r < 0)
		return explain_pair(f, p, r, e);
	/* We want to own the routes of this interface. Not there without IPv6. */
	(void)iface_sysctl("ipv6", name, "accept_ra", "0");
	r = rtnl_link_get(&f->host, name, 0, ret_host, e);
	return r < 0 ? r
		     : rtnl_link_get(f->inner.fd >= 0 ? &f->inner : &f->host, p->ifname, 0,
				     ret_inner, e);
}

/* -- addresses and routes -- */

static bool is_of(const struct cni_result *res, const struct cni_ip *ip, const char *ifname)
{
	return ip->has_interface && ip->interface >= 0 &&
	       (size_t)ip->interface < res->interfaces.n &&
	       streq_null(res->interfaces.v[ip->interface].name, ifname);
}

static bool has_v6(const struct cni_result *res)
{
	for (size_t i = 0; i < res->ips.n; i++)
		if (strchr(res->ips.v[i].address, ':'))
			return true;
	return false;
}

/* What the reference sets before IPv6 addresses come; the loopback has IPv6 with them. */
static int allow_v6(const char *ifname, struct err *e)
{
	int r = iface_sysctl("ipv6", ifname, "disable_ipv6", "0");

	(void)iface_sysctl("ipv6", "lo", "disable_ipv6", "0");
	if (r < 0)
		return err_sys(e, r, "enable IPv6 for interface '%s'", ifname);
	(void)iface_sysctl("ipv6", ifname, "keep_addr_on_down", "1");
	return 0;
}

/* The first gateway of the family; AF_UNSPEC: none. */
static struct ip_addr gateway_of(const struct cni_result *res, uint8_t family)
{
	for (size_t i = 0; i < res->ips.n; i++) {
		struct ip_addr gw = result_addr(res->ips.v[i].gateway);

		if (gw.family == family)
			return gw;
	}
	return (struct ip_addr){ 0 };
}

static void add_route(struct netlink_batch *b, const struct cni_result *res,
		      const struct cni_route *from, int index)
{
	struct rtnl_route r = {
		.dst = result_net(from->dst),
		.gateway = result_addr(from->gw),
		.index = index,
		.scope = from->has_scope ? (uint8_t)from->scope : 0,
		.table = from->has_table ? (uint32_t)from->table : 0,
		.priority = from->has_priority ? (uint32_t)from->priority : 0,
		.mtu = (uint32_t)from->mtu,
		.advmss = (uint32_t)from->advmss,
	};

	if (r.gateway.family == AF_UNSPEC)
		r.gateway = gateway_of(res, r.dst.addr.family);
	rtnl_route(b, RTNL_ADD, &r, true);
}

static int note_tentative(void *data, const struct rtnl_addr *a)
{
	unsigned int *flags = data;

	*flags |= a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED);
	return 0;
}

/* Waits until no address is tentative. */
static int settle(struct netlink *n, const struct rtnl_link *l, struct err *e)
{
	int64_t until = clock_mono_ms() + SETTLE_MS;
	unsigned int flags;

	for (;;) {
		int r;

		flags = 0;
		r = rtnl_addr_list(n, l->index, note_tentative, &flags, e);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (flags & IFA_F_DADFAILED)
			return err_set(e, -EADDRINUSE,
				       "an IPv6 address of '%s' is in use on the link", l->name);
		/* As the reference: what is still tentative then has no neighbour that could answer. */
		if (r == 0 && (!(flags & IFA_F_TENTATIVE) || clock_mono_ms() > until))
			return 0;
		(void)poll(NULL, 0, SETTLE_STEP_MS);
	}
}

int iface_configure(const struct cni_call *call, struct iface *f, const struct rtnl_link *link,
		    const struct cni_result *res, bool is_checked, struct err *e)
{
	struct netlink_batch b;
	int r = 0;

	if (has_v6(res)) {
		AUTO_NETNS back = -EBADF;

		r = ns_net_enter(call->netns_fd, &back, e);
		r = r < 0 ? r : allow_v6(link->name, e);
	}
	netlink_begin(&b, &f->inner);
	for (size_t i = 0; i < res->ips.n && r == 0; i++) {
		struct ip_net net = result_net(res->ips.v[i].address);

		if (is_of(res, &res->ips.v[i], link->name))
			rtnl_addr(&b, RTNL_ADD, link->index, link->name, &net, is_checked);
	}
	if (r < 0)
		return r;
	rtnl_up(&b, link->index, link->name);
	r = netlink_send(&b, e);
	if (r == 0 && is_checked && gateway_of(res, AF_INET6).family != AF_UNSPEC)
		r = settle(&f->inner, link, e);
	for (size_t i = 0; i < res->routes.n && r == 0; i++) {
		/* A result may have more routes than a batch has room for. */
		if (b.count == NETLINK_BATCH_MAX / 2)
			r = netlink_send(&b, e);
		add_route(&b, res, &res->routes.v[i], link->index);
	}
	return r < 0 ? r : netlink_send(&b, e);
}

/* -- the host's addresses -- */

#define OTHERS_MAX 64
struct addresses {
	const struct ip_net *wanted;
	bool is_there;
	size_t others_n;
	struct ip_net others[OTHERS_MAX]; /* in the way of the wanted one */
};

static int compare_address(void *data, const struct rtnl_addr *a)
{
	struct addresses *all = data;
	const struct ip_net *w = all->wanted;
	bool is_same = a->net.prefix == w->prefix && ip_addr_compare(&a->net.addr, &w->addr) == 0;

	if (a->net.addr.family != w->addr.family)
		return 0;
	all->is_there = all->is_there || is_same;
	if (!is_same &&
	    (ip_is_v4(&w->addr) || ip_net_contains(&a->net, &w->addr) ||
	     ip_net_contains(w, &a->net.addr)) &&
	    all->others_n < OTHERS_MAX)
		all->others[all->others_n++] = a->net;
	return 0;
}

/* A bridge that lost its last port before anybody kept its MAC has none: it gets one that is administered locally. */
static void keep_mac(const struct rtnl_link *l, uint8_t ret[MAC_LEN])
{
	static const uint8_t zero[MAC_LEN];
	uint64_t random = rand_u64();

	memcpy(ret, l->mac, MAC_LEN);
	if (memcmp(ret, zero, MAC_LEN) != 0)
		return;
	memcpy(ret, &random, MAC_LEN);
	ret[0] = (uint8_t)((ret[0] & ~1u) | 2);
}

int iface_ensure_addr(struct netlink *n, const struct rtnl_link *l, const struct ip_net *net,
		      bool is_forced, struct err *e)
{
	uint8_t mac[MAC_LEN];
	struct rtnl_change own_mac = { .mac = mac };
	struct addresses all = { .wanted = net };
	struct netlink_batch b;
	char text[IP_TEXT_MAX];
	int r = rtnl_addr_list(n, l->index, compare_address, &all, e);

	if (r < 0 || all.is_there)
		return r;
	if (all.others_n > 0 && !is_forced)
		return err_set(e, -EEXIST, "\"%s\" already has an IP address different from %s",
			       l->name, ip_net_text(net, text));
	netlink_begin(&b, n);
	for (size_t i = 0; i < all.others_n && i < NETLINK_BATCH_MAX / 2; i++)
		rtnl_addr(&b, RTNL_DELETE, l->index, l->name, &all.others[i], false);
	rtnl_addr(&b, RTNL_ADD, l->index, l->name, net, false);
	netlink_tolerate(&b, -EEXIST);
	keep_mac(l, mac);
	/* Else a bridge takes the lowest MAC of its ports, which changes as they come and go. */
	rtnl_change(&b, l->index, l->name, &own_mac);
	return netlink_send(&b, e);
}

/* -- deleting -- */

int iface_del(const struct cni_call *call, struct err *e)
{
	AUTO_NETLINK struct netlink n = NETLINK_NONE;
	struct netlink_batch b;
	struct rtnl_link l;
	int r;

	if (call->netns_fd < 0)
		return 0;
	r = netlink_open(NETLINK_ROUTE, call->netns_fd, &n, e);
	r = r < 0 ? r : rtnl_link_get(&n, call->ifname, 0, &l, e);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	netlink_begin(&b, &n);
	rtnl_delete(&b, l.index, l.name);
	netlink_tolerate(&b, -ENODEV);
	return netlink_send(&b, e);
}
