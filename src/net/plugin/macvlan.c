/* The plugin macvlan: a link of the host with a second MAC, in the container. */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "sys/ns.h"

struct conf {
	const char *master, *mode, *mac;
	int64_t mtu;
	uint32_t queue_len;
	bool is_master_inside;
};
static const struct json_field conf_rows[] = {
	JSON_ROW(conf, master, "master", JSON_STR, 0),
	JSON_ROW(conf, mode, "mode", JSON_STR, 0),
	JSON_ROW(conf, mac, "mac", JSON_STR, 0),
	JSON_ROW(conf, mtu, "mtu", JSON_I64, 0),
	JSON_ROW(conf, queue_len, "bcqueuelen", JSON_U32, 0),
	JSON_ROW(conf, is_master_inside, "linkInContainer", JSON_BOOL, 0),
};
static JSON_TABLE(conf_table, "configuration", conf, conf_rows);

static const struct {
	const char *name;
	uint32_t mode;
} modes[] = {
	{ "bridge", MACVLAN_MODE_BRIDGE },
	{ "private", MACVLAN_MODE_PRIVATE },
	{ "vepa", MACVLAN_MODE_VEPA },
	{ "passthru", MACVLAN_MODE_PASSTHRU },
};

static int find_mode(const char *name, uint32_t *ret, struct err *e)
{
	if (!name || !*name)
		name = modes[0].name;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (streq(name, modes[i].name)) {
			*ret = modes[i].mode;
			return 0;
		}
	return err_set(e, -EINVAL, "unknown macvlan mode: \"%.40s\"", name);
}

/* Where the master is. */
static struct netlink *master_side(struct iface *f, const struct conf *c)
{
	return c->is_master_inside ? &f->inner : &f->host;
}

static int take_default(void *data, const struct rtnl_route *r)
{
	int *index = data;

	if (*index == 0 && r->dst.prefix == 0 && ip_addr_is_zero(&r->dst.addr) && r->index > 0)
		*index = r->index;
	return 0;
}

/* The configured master, or the link of the default route. */
static int find_master(struct iface *f, const struct conf *c, struct rtnl_link *ret, struct err *e)
{
	struct netlink *n = master_side(f, c);
	int index = 0, r;

	if (c->master && *c->master)
		return rtnl_link_get(n, c->master, 0, ret, e);
	r = rtnl_route_list(n, AF_UNSPEC, take_default, &index, e);
	if (r < 0)
		return r;
	if (index == 0)
		return err_set(e, -ENODEV, "no default route interface found: name a master");
	return rtnl_link_get(n, NULL, index, ret, e);
}

/* Made under a random name: the kernel looks in the master's namespace whether the name is taken. */
static int make_link(const struct cni_call *call, struct iface *f, const struct conf *c,
		     const struct rtnl_link *master, struct rtnl_link *ret, struct err *e)
{
	uint8_t mac[MAC_LEN];
	bool has_mac;
	char name[IFNAMSIZ];
	struct rtnl_end end = { .name = name,
				.mtu = (uint32_t)c->mtu,
				.netns_fd = c->is_master_inside ? 0 : call->netns_fd };
	struct rtnl_change change = { .new_name = call->ifname };
	struct netlink_batch b;
	uint32_t mode = 0;
	int r = find_mode(c->mode, &mode, e);

	r = r < 0 ? r : conf_mac(call, c->mac, mac, &has_mac, e);
	if (r < 0)
		return r;
	end.mac = has_mac ? mac : NULL;
	snprintf(name, sizeof(name), "veth%08x", (uint32_t)rand_u64());
	netlink_begin(&b, master_side(f, c));
	rtnl_add_macvlan(&b, &end, master->index, mode, c->queue_len);
	r = netlink_send(&b, e);
	r = r < 0 ? r : rtnl_link_get(&f->inner, name, 0, ret, e);
	if (r < 0)
		return r;
	netlink_begin(&b, &f->inner);
	rtnl_change(&b, ret->index, call->ifname, &change);
	r = netlink_send(&b, e);
	if (r < 0) {
		rtnl_delete(&b, ret->index, name);
		(void)netlink_send(&b, NULL);
		return err_wrap(e, r, "failed to rename macvlan to \"%s\"", call->ifname);
	}
	return rtnl_link_get(&f->inner, call->ifname, 0, ret, e);
}

static int read_conf(const struct cni_call *call, struct iface *f, struct conf *c,
		     struct rtnl_link *ret_master, struct err *e)
{
	int r = conf_read(call, &conf_table, c, e);

	r = r < 0 ? r : find_master(f, c, ret_master, e);
	if (r == 0 && (c->mtu < 0 || c->mtu > ret_master->mtu))
		return err_set(e, -EINVAL, "invalid MTU %lld, must be [0, master MTU(%u)]",
			       (long long)c->mtu, ret_master->mtu);
	return r;
}

static int set_sysctls(const struct cni_call *call, struct err *e)
{
	AUTO_NETNS back = -EBADF;
	int r = ns_net_enter(call->netns_fd, &back, e);

	if (r < 0)
		return r;
	(void)iface_sysctl("ipv4", call->ifname, "arp_notify", "1");
	(void)iface_sysctl("ipv6", call->ifname, "ndisc_notify", "1");
	return 0;
}

static int set_up(const struct cni_call *call, struct iface *f, const struct rtnl_link *l,
		  struct cni_result *res, struct err *e)
{
	struct cni_result *given = NULL;
	struct netlink_batch b;
	int r;

	if (!conf_has_ipam(call)) {
		netlink_begin(&b, &f->inner);
		rtnl_up(&b, l->index, l->name);
		return netlink_send(&b, e);
	}
	r = cni_ipam_run(call, &given, e);
	if (r < 0)
		return r;
	if (given->ips.n == 0)
		return err_set(e, -EADDRNOTAVAIL, "IPAM plugin returned missing IP config");
	res->ips.v = given->ips.v;
	res->ips.n = given->ips.n;
	res->routes.v = given->routes.v;
	res->routes.n = given->routes.n;
	for (size_t i = 0; i < res->ips.n; i++) {
		res->ips.v[i].interface = 0;
		res->ips.v[i].has_interface = true;
	}
	r = set_sysctls(call, e);
	return r < 0 ? r : iface_configure(call, f, l, res, true, e);
}

static int macvlan_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct cni_result *res = result_new(call, e);
	struct cni_call del = *call;
	struct rtnl_link master, l;
	struct conf c;
	int r = res ? iface_open(call, &f, e) : -ENOMEM;

	r = r < 0 ? r : read_conf(call, &f, &c, &master, e);
	r = r < 0 ? r : make_link(call, &f, &c, &master, &l, e);
	if (r < 0)
		return r;
	r = result_add_interface(call, res, &l, call->netns_path, e);
	r = r < 0 ? r : set_up(call, &f, &l, res, e);
	if (r < 0) {
		del.command = CNI_DEL;
		(void)iface_del(&del, NULL);
		if (conf_has_ipam(call))
			(void)cni_ipam_run(&del, NULL, NULL);
		return r;
	}
	/* The configuration's dns even when it has none, as in the reference. */
	res->dns = call->c->dns;
	*ret = res;
	return 0;
}

static int macvlan_del(const struct cni_call *call, struct err *e)
{
	struct err each = ERR_INIT;
	int first = 0;

	if (conf_has_ipam(call))
		plugin_keep_first(&first, e, cni_ipam_run(call, NULL, &each), &each);
	plugin_keep_first(&first, e, iface_del(call, &each), &each);
	return first;
}

static int macvlan_check(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct rtnl_link master, l;
	struct conf c;
	uint32_t mode = 0;
	int r = iface_open(call, &f, e);

	r = r < 0 ? r : read_conf(call, &f, &c, &master, e);
	r = r < 0 ? r : find_mode(c.mode, &mode, e);
	if (r == 0 && conf_has_ipam(call))
		r = cni_ipam_run(call, NULL, e);
	r = r < 0 ? r : iface_check(call, &f, "macvlan", &l, e);
	if (r == 0 && l.macvlan_mode != mode)
		r = err_set(e, -EREMOTEIO,
			    "container macvlan mode does not match expected value: %s",
			    c.mode && *c.mode ? c.mode : modes[0].name);
	return r;
}

static int macvlan_status(const struct cni_call *call, struct err *e)
{
	return conf_has_ipam(call) ? cni_ipam_run(call, NULL, e) : 0;
}

const struct cni_plugin cni_plugin_macvlan = {
	.type = "macvlan",
	.add = macvlan_add,
	.del = macvlan_del,
	.check = macvlan_check,
	.status = macvlan_status,
	.gc = macvlan_status,
};
