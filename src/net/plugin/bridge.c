/*
 * The plugin bridge: a bridge on the host, a pair of veths for each container, addresses from IPAM.
 *
 * Done in another order than in the reference (1.1 to 1.9): the address is asked for first, so that a full pool leaves
 * nothing to undo, and a pair is one request. What comes out is the same. The reference waits until the bridge's port
 * forwards; without STP it does so at once.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "sys/ns.h"

#define NAME_DEFAULT "cni0"
#define VLAN_MAX 4094

struct trunk {
	int64_t min, max, id;
	bool has_min, has_max, has_id;
};
static const struct json_field trunk_rows[] = {
	JSON_ROW_HAS(trunk, min, "minID", JSON_I64, 0),
	JSON_ROW_HAS(trunk, max, "maxID", JSON_I64, 0),
	JSON_ROW_HAS(trunk, id, "id", JSON_I64, 0),
};
static JSON_TABLE(trunk_table, "vlanTrunk", trunk, trunk_rows);

struct conf {
	const char *bridge, *masq_backend;
	bool is_gateway, is_default_gateway, is_address_forced, is_masqueraded, is_hairpin,
		is_promiscuous, keeps_default_vlan, checks_mac, leaves_interface_down, is_isolated,
		checks_duplicates;
	int64_t mtu, vlan;
	struct {
		struct trunk *v;
		size_t n;
	} trunks;
};
static const struct json_field conf_rows[] = {
	JSON_ROW(conf, bridge, "bridge", JSON_STR, 0),
	JSON_ROW(conf, is_gateway, "isGateway", JSON_BOOL, 0),
	JSON_ROW(conf, is_default_gateway, "isDefaultGateway", JSON_BOOL, 0),
	JSON_ROW(conf, is_address_forced, "forceAddress", JSON_BOOL, 0),
	JSON_ROW(conf, is_masqueraded, "ipMasq", JSON_BOOL, 0),
	JSON_ROW(conf, masq_backend, "ipMasqBackend", JSON_STR, 0),
	JSON_ROW(conf, mtu, "mtu", JSON_I64, 0),
	JSON_ROW(conf, is_hairpin, "hairpinMode", JSON_BOOL, 0),
	JSON_ROW(conf, is_promiscuous, "promiscMode", JSON_BOOL, 0),
	JSON_ROW(conf, vlan, "vlan", JSON_I64, 0),
	JSON_ROW_SUB(conf, trunks, "vlanTrunk", JSON_OBJS, 0, trunk_table),
	JSON_ROW(conf, keeps_default_vlan, "preserveDefaultVlan", JSON_BOOL, 0),
	JSON_ROW(conf, checks_mac, "macspoofchk", JSON_BOOL, 0),
	JSON_ROW(conf, leaves_interface_down, "disableContainerInterface", JSON_BOOL, 0),
	JSON_ROW(conf, is_isolated, "portIsolation", JSON_BOOL, 0),
	JSON_ROW(conf, checks_duplicates, "enabledad", JSON_BOOL, 0),
};
static JSON_TABLE(conf_table, "configuration", conf, conf_rows);

/* -- configuration -- */

static bool is_vlan(int64_t id)
{
	return id >= 1 && id <= VLAN_MAX;
}

static int check_trunk(const struct trunk *t, struct err *e)
{
	if (t->has_min != t->has_max)
		return err_set(e, -EINVAL,
			       "minID and maxID should be configured simultaneously, %s is missing",
			       t->has_min ? "maxID" : "minID");
	if (t->has_min && (!is_vlan(t->min) || !is_vlan(t->max)))
		return err_set(e, -EINVAL, "incorrect trunk %s parameter",
			       is_vlan(t->min) ? "maxID" : "minID");
	if (t->has_min && t->max < t->min)
		return err_set(e, -EINVAL, "minID is greater than maxID in trunk parameter");
	if (t->has_id && !is_vlan(t->id))
		return err_set(e, -EINVAL, "incorrect trunk id parameter");
	return 0;
}

static int check_conf(const struct cni_call *call, const struct conf *c, struct err *e)
{
	int r = masquerade_check_backend(c->masq_backend, e);

	if (r == 0 && (c->vlan < 0 || c->vlan > VLAN_MAX))
		return err_set(e, -EINVAL, "invalid VLAN ID %lld (must be between 0 and %d)",
			       (long long)c->vlan, VLAN_MAX);
	for (size_t i = 0; i < c->trunks.n && r == 0; i++)
		r = check_trunk(&c->trunks.v[i], e);
	if (r < 0)
		return r;
	if (c->mtu < 0 || c->mtu > UINT16_MAX)
		return err_set(e, -EINVAL, "invalid mtu %lld", (long long)c->mtu);
	if (conf_has_ipam(call) && c->leaves_interface_down)
		return err_set(e, -EINVAL,
			       "cannot use IPAM when disableContainerInterface flag is set");
	if (c->is_hairpin && c->is_promiscuous)
		return err_set(e, -EINVAL,
			       "cannot set hairpin mode and promiscuous mode at the same time");
	if (c->checks_mac)
		return err_set(e, -EOPNOTSUPP, "macspoofchk is not supported yet");
	return 0;
}

static int read_conf(const struct cni_call *call, struct conf *c, struct err *e)
{
	int r = conf_read(call, &conf_table, c, e);

	if (r < 0)
		return r;
	c->bridge = c->bridge && *c->bridge ? c->bridge : NAME_DEFAULT;
	c->is_gateway = c->is_gateway || c->is_default_gateway;
	return check_conf(call, c, e);
}

/* -- the bridge -- */

static bool has_vlans(const struct conf *c)
{
	return c->vlan > 0 || c->trunks.n > 0;
}

static int get_bridge(struct iface *f, const struct conf *c, struct rtnl_link *ret, struct err *e)
{
	int r = rtnl_link_get(&f->host, c->bridge, 0, ret, e);

	if (r == 0 && !streq(ret->kind, "bridge"))
		return err_set(e, -EEXIST, "\"%s\" already exists but is not a bridge", c->bridge);
	return r;
}

static int ensure_bridge(struct iface *f, const struct conf *c, struct rtnl_link *ret,
			 struct err *e)
{
	struct rtnl_change change = { .flags = IFF_UP, .change = IFF_UP };
	struct netlink_batch b;
	int r = get_bridge(f, c, ret, e);

	netlink_begin(&b, &f->host);
	if (r == -ENODEV) {
		rtnl_add_bridge(&b, c->bridge, (uint32_t)c->mtu, has_vlans(c));
		netlink_tolerate(&b, -EEXIST); /* two first containers at once */
		r = netlink_send(&b, e);
		r = r < 0 ? r : get_bridge(f, c, ret, e);
		(void)iface_sysctl("ipv6", c->bridge, "accept_ra", "0");
	}
	if (r < 0)
		return err_wrap(e, r, "failed to create bridge \"%s\"", c->bridge);
	if (c->is_promiscuous) {
		change.flags |= IFF_PROMISC;
		change.change |= IFF_PROMISC;
	}
	if ((ret->flags & change.change) == change.flags)
		return 0;
	rtnl_change(&b, ret->index, ret->name, &change);
	return netlink_send(&b, e);
}

/* -- VLANs -- */

/* Each of the trunk's VLANs once, whatever the ranges say; a port can have all of them, so they go in several batches. */
static int put_trunk(struct netlink_batch *b, const struct conf *c, const struct rtnl_link *port,
		     struct err *e)
{
	uint8_t is_in[VLAN_MAX / 8 + 1] = { 0 };
	int r = 0;

	for (size_t i = 0; i < c->trunks.n; i++) {
		const struct trunk *t = &c->trunks.v[i];

		for (int64_t v = t->min; t->has_min && v <= t->max; v++)
			is_in[v / 8] |= (uint8_t)(1 << v % 8);
		if (t->has_id)
			is_in[t->id / 8] |= (uint8_t)(1 << t->id % 8);
	}
	for (uint16_t v = 1; v <= VLAN_MAX && r == 0; v++) {
		if (!(is_in[v / 8] & 1 << v % 8))
			continue;
		if (b->count == NETLINK_BATCH_MAX / 2)
			r = netlink_send(b, e);
		rtnl_port_vlan(b, port->index, port->name, v, 0);
	}
	return r;
}

static int set_vlans(struct iface *f, const struct conf *c, const struct rtnl_link *bridge,
		     const struct rtnl_link *port, struct err *e)
{
	const unsigned int native = RTNL_VLAN_PVID | RTNL_VLAN_UNTAGGED;
	struct netlink_batch b;
	int r;

	if (!has_vlans(c))
		return 0;
	netlink_begin(&b, &f->host);
	if (!c->keeps_default_vlan && bridge->default_vlan > 0)
		rtnl_port_vlan(&b, port->index, port->name, bridge->default_vlan, RTNL_VLAN_DELETE);
	if (c->vlan > 0)
		rtnl_port_vlan(&b, port->index, port->name, (uint16_t)c->vlan, native);
	r = put_trunk(&b, c, port, e);
	if (c->vlan == 0)
		rtnl_port_vlan(&b, port->index, port->name, 1, native);
	return r < 0 ? r : netlink_send(&b, e);
}

/* The host's own way into the VLAN: a pair whose one end is a port and whose other has the gateway's address. */
static int ensure_vlan_interface(struct iface *f, const struct conf *c,
				 const struct rtnl_link *bridge, struct rtnl_link *ret,
				 struct err *e)
{
	struct iface on_host = { .host = f->host, .inner = NETLINK_NONE };
	char name[IFNAMSIZ + 8];
	struct iface_pair pair = { .ifname = name,
				   .mtu = bridge->mtu,
				   .master = bridge->index,
				   .master_name = bridge->name,
				   .netns_fd = -EBADF };
	struct netlink_batch b;
	struct rtnl_link port;
	int r;

	snprintf(name, sizeof(name), "%s.%d", bridge->name, (int)c->vlan);
	if (strlen(name) >= IFNAMSIZ)
		return err_set(e, -EINVAL, "'%s' is too long for the name of the VLAN's interface",
			       name);
	r = rtnl_link_get(&f->host, name, 0, ret, e);
	if (r != -ENODEV)
		return r;
	r = iface_pair_add(&on_host, &pair, &port, ret, e);
	r = r < 0 ? r : set_vlans(f, c, bridge, &port, e);
	if (r < 0)
		return err_wrap(e, r, "failed to create vlan interface");
	netlink_begin(&b, &f->host);
	rtnl_up(&b, ret->index, ret->name);
	return netlink_send(&b, e);
}

/* -- the container -- */

struct work {
	const struct cni_call *call;
	struct conf conf;
	struct iface f;
	struct cni_result *res;
	struct rtnl_link bridge, port, inner;
	bool has_address, has_pair;
};

/* Interfaces as the reference numbers them: bridge, the host's end, the container's. */
enum { RESULT_INNER = 2 };

static int add_port(struct work *w, struct err *e)
{
	const struct conf *c = &w->conf;
	uint8_t mac[MAC_LEN];
	bool has_mac;
	struct iface_pair pair = { .ifname = w->call->ifname,
				   .mtu = (uint32_t)c->mtu,
				   .master = w->bridge.index,
				   .master_name = w->bridge.name,
				   .netns_fd = w->call->netns_fd };
	struct netlink_batch b;
	int r = conf_mac(w->call, NULL, mac, &has_mac, e);

	pair.mac = r == 0 && has_mac ? mac : NULL;
	r = r < 0 ? r : iface_pair_add(&w->f, &pair, &w->port, &w->inner, e);
	if (r < 0)
		return r;
	w->has_pair = true;
	netlink_begin(&b, &w->f.host);
	if (c->is_hairpin || c->is_isolated)
		rtnl_port(&b, w->port.index, w->port.name, c->is_hairpin, c->is_isolated);
	r = netlink_send(&b, e);
	return r < 0 ? r : set_vlans(&w->f, c, &w->bridge, &w->port, e);
}

/* The first address of the network, which is the gateway's unless IPAM says otherwise. */
static const char *first_address(const struct cni_call *call, const struct ip_net *net)
{
	struct ip_addr a = ip_net_first(net);
	char buf[IP_TEXT_MAX];

	ip_addr_next(&a);
	return arena_strdup(call->a, ip_addr_text(&a, buf));
}

static bool has_default_route(const struct cni_result *res, uint8_t family)
{
	for (size_t i = 0; i < res->routes.n; i++) {
		struct ip_net dst = result_net(res->routes.v[i].dst);

		if (res->routes.v[i].gw && dst.addr.family == family && dst.prefix == 0 &&
		    ip_addr_is_zero(&dst.addr))
			return true;
	}
	return false;
}

static int complete_ip(struct work *w, struct cni_ip *ip, bool *has_route, struct err *e)
{
	struct ip_net net = result_net(ip->address);
	bool is_v4 = ip_is_v4(&net.addr);
	struct cni_route route = { .dst = is_v4 ? "0.0.0.0/0" : "::/0" };

	ip->interface = RESULT_INNER;
	ip->has_interface = true;
	if (!ip->gateway && w->conf.is_gateway)
		ip->gateway = first_address(w->call, &net);
	if (!w->conf.is_default_gateway || has_route[is_v4])
		return 0;
	has_route[is_v4] = true;
	if (has_default_route(w->res, net.addr.family))
		return 0;
	route.gw = ip->gateway;
	return result_add_route(w->call, w->res, &route, e);
}

static int ask_for_address(struct work *w, struct err *e)
{
	bool has_route[2] = { false };
	struct cni_result *given = NULL;
	int r = cni_ipam_run(w->call, &given, e);

	if (r < 0)
		return r;
	w->has_address = true;
	w->res->ips.v = given->ips.v;
	w->res->ips.n = given->ips.n;
	w->res->routes.v = given->routes.v;
	w->res->routes.n = given->routes.n;
	w->res->dns = given->dns;
	if (given->ips.n == 0)
		return err_set(e, -EADDRNOTAVAIL, "IPAM plugin returned missing IP config");
	for (size_t i = 0; i < w->res->ips.n && r == 0; i++)
		r = complete_ip(w, &w->res->ips.v[i], has_route, e);
	return r;
}

static int set_inner_sysctls(const struct work *w, struct err *e)
{
	AUTO_NETNS back = -EBADF;
	const char *name = w->inner.name;
	bool checks = w->conf.checks_duplicates;
	int r = ns_net_enter(w->call->netns_fd, &back, e);

	if (r < 0)
		return r;
	/* Without IPv6 there is nothing to set, as in the reference. */
	if (checks)
		(void)iface_sysctl("ipv6", name, "enhanced_dad", "1");
	(void)iface_sysctl("ipv6", name, "accept_dad", checks ? "1" : "0");
	(void)iface_sysctl("ipv4", name, "arp_notify", "1");
	return 0;
}

static int set_gateways(struct work *w, struct err *e)
{
	struct rtnl_link holder = w->bridge;
	int r = 0;

	if (w->conf.vlan > 0) {
		r = ensure_vlan_interface(&w->f, &w->conf, &w->bridge, &holder, e);
		r = r < 0 ? r : result_add_interface(w->call, w->res, &holder, NULL, e);
	}
	for (size_t i = 0; i < w->res->ips.n && r == 0; i++) {
		struct ip_net net = result_net(w->res->ips.v[i].address);

		net.addr = result_addr(w->res->ips.v[i].gateway);
		if (net.addr.family == AF_UNSPEC)
			continue;
		r = iface_ensure_addr(&w->f.host, &holder, &net, w->conf.is_address_forced, e);
		if (r < 0)
			return err_wrap(e, r, "failed to set bridge addr");
		r = iface_forward(net.addr.family, e);
	}
	return r;
}

static int set_up_addresses(struct work *w, struct err *e)
{
	int r = set_inner_sysctls(w, e);

	r = r < 0 ? r
		  : iface_configure(w->call, &w->f, &w->inner, w->res, w->conf.checks_duplicates,
				    e);
	if (r == 0 && w->conf.is_gateway)
		r = set_gateways(w, e);
	if (r == 0 && w->conf.is_masqueraded)
		r = masquerade_add(w->call, w->res, e);
	return r;
}

static int set_up_link(struct work *w, struct err *e)
{
	struct netlink_batch b;

	netlink_begin(&b, &w->f.inner);
	if (!w->conf.leaves_interface_down)
		rtnl_up(&b, w->inner.index, w->inner.name);
	return netlink_send(&b, e);
}

static int add_interfaces(struct work *w, struct err *e)
{
	int r = result_add_interface(w->call, w->res, &w->bridge, NULL, e);

	r = r < 0 ? r : result_add_interface(w->call, w->res, &w->port, NULL, e);
	return r < 0 ? r : result_add_interface(w->call, w->res, &w->inner, w->call->netns_path, e);
}

/* The bridge's MAC may have changed with its first port, unless its address was set. */
static int refresh_bridge(struct work *w, struct err *e)
{
	char mac[MAC_TEXT_MAX];
	int r = get_bridge(&w->f, &w->conf, &w->bridge, e);

	if (r == 0)
		w->res->interfaces.v[0].mac = arena_strdup(w->call->a,
							   mac_text(w->bridge.mac, mac));
	return r;
}

static int run_add(struct work *w, struct err *e)
{
	bool is_layer3 = conf_has_ipam(w->call);
	int r = iface_open(w->call, &w->f, e);

	r = r < 0 ? r : ensure_bridge(&w->f, &w->conf, &w->bridge, e);
	if (r == 0 && is_layer3)
		r = ask_for_address(w, e);
	r = r < 0 ? r : add_port(w, e);
	r = r < 0 ? r : add_interfaces(w, e);
	if (r < 0)
		return r;
	r = is_layer3 ? set_up_addresses(w, e) : set_up_link(w, e);
	r = r < 0 ? r : refresh_bridge(w, e);
	if (r == 0 && conf_has_dns(w->call->c->dns))
		w->res->dns = w->call->c->dns;
	return r;
}

/* Takes back what a failed ADD has made; its own failures are not told, DEL comes behind. */
static void undo_add(struct work *w)
{
	struct cni_call del = *w->call;
	struct netlink_batch b;

	del.command = CNI_DEL;
	if (w->conf.is_masqueraded)
		(void)masquerade_del(&del, NULL);
	if (w->has_pair) {
		netlink_begin(&b, &w->f.host);
		rtnl_delete(&b, w->port.index, w->port.name);
		(void)netlink_send(&b, NULL);
	}
	if (w->has_address)
		(void)cni_ipam_run(&del, NULL, NULL);
}

static int bridge_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	struct work w = { .call = call, .f = IFACE_NONE, .res = result_new(call, e) };
	int r = w.res ? read_conf(call, &w.conf, e) : -ENOMEM;

	r = r < 0 ? r : run_add(&w, e);
	if (r < 0)
		undo_add(&w);
	iface_close(&w.f);
	if (r == 0)
		*ret = w.res;
	return r;
}

/* -- the other commands -- */

/* All is tried, so that a link that cannot be deleted keeps no address and no rule. */
static int bridge_del(const struct cni_call *call, struct err *e)
{
	struct err each = ERR_INIT;
	struct conf conf;
	int first = 0, r = conf_read(call, &conf_table, &conf, e);

	if (r < 0)
		return r;
	plugin_keep_first(&first, e, iface_del(call, &each), &each);
	if (conf_has_ipam(call))
		plugin_keep_first(&first, e, cni_ipam_run(call, NULL, &each), &each);
	if (conf_has_ipam(call) && conf.is_masqueraded)
		plugin_keep_first(&first, e, masquerade_del(call, &each), &each);
	return first;
}

/* The bridge's and the port's side of CHECK. */
static int check_host(struct iface *f, const struct conf *c, const struct rtnl_link *inner,
		      struct err *e)
{
	struct rtnl_link bridge, port;
	int r = get_bridge(f, c, &bridge, e);

	if (r == 0 && (bridge.promiscuity > 0) != c->is_promiscuous)
		return err_set(
			e, -EREMOTEIO,
			"bridge interface %s configured promisc mode %s doesn't match current "
			"state",
			c->bridge, c->is_promiscuous ? "on" : "off");
	r = r < 0 ? r : rtnl_link_get(&f->host, NULL, inner->parent, &port, e);
	if (r == 0 && (port.parent != inner->index || port.master != bridge.index))
		return err_set(e, -EREMOTEIO, "CNI veth created for bridge %s was not found",
			       c->bridge);
	return r;
}

static int bridge_check(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct rtnl_link inner;
	struct conf conf;
	int r = read_conf(call, &conf, e);

	if (r == 0 && conf_has_ipam(call))
		r = cni_ipam_run(call, NULL, e);
	r = r < 0 ? r : iface_open(call, &f, e);
	r = r < 0 ? r : iface_check(call, &f, "veth", &inner, e);
	return r < 0 ? r : check_host(&f, &conf, &inner, e);
}

static int bridge_status(const struct cni_call *call, struct err *e)
{
	return conf_has_ipam(call) ? cni_ipam_run(call, NULL, e) : 0;
}

const struct cni_plugin cni_plugin_bridge = {
	.type = "bridge",
	.add = bridge_add,
	.del = bridge_del,
	.check = bridge_check,
	.status = bridge_status,
	.gc = plugin_gc,
};
