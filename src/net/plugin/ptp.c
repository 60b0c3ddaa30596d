/*
 * The plugin ptp: a pair of veths whose host's end is the container's router, without a bridge.
 *
 * A veth cannot be point-to-point: the container's address has the network's length, and the network's route goes by way of
 * the gateway, which is on the link alone. The host has the gateway's address and a route to each container.
 */
#include <linux/rtnetlink.h>

#include "base/err.h"
#include "net/plugin/priv.h"

struct conf {
	const char *masq_backend;
	bool is_masqueraded;
	int64_t mtu;
};
static const struct json_field conf_rows[] = {
	JSON_ROW(conf, is_masqueraded, "ipMasq", JSON_BOOL, 0),
	JSON_ROW(conf, masq_backend, "ipMasqBackend", JSON_STR, 0),
	JSON_ROW(conf, mtu, "mtu", JSON_I64, 0),
};
static JSON_TABLE(conf_table, "configuration", conf, conf_rows);

struct work {
	const struct cni_call *call;
	struct conf conf;
	struct iface f;
	struct cni_result *res;
	struct rtnl_link host, inner;
	bool has_address, has_pair;
};

/* Interfaces as the reference numbers them. */
enum { RESULT_INNER = 1 };

static int read_conf(const struct cni_call *call, struct conf *c, struct err *e)
{
	int r = conf_read(call, &conf_table, c, e);

	r = r < 0 ? r : masquerade_check_backend(c->masq_backend, e);
	if (r == 0 && (c->mtu < 0 || c->mtu > UINT16_MAX))
		return err_set(e, -EINVAL, "invalid mtu %lld", (long long)c->mtu);
	return r;
}

static int ask_for_address(struct work *w, struct err *e)
{
	struct cni_result *given = NULL;
	int r = cni_ipam_run(w->call, &given, e);

	if (r < 0)
		return r;
	w->has_address = true;
	w->res = result_copy(w->call, given, e);
	if (!w->res)
		return -ENOMEM;
	w->res->interfaces.n = 0;
	if (given->ips.n == 0)
		return err_set(e, -EADDRNOTAVAIL, "IPAM plugin returned missing IP config");
	for (size_t i = 0; i < w->res->ips.n && r == 0; i++) {
		struct ip_addr gateway = result_addr(w->res->ips.v[i].gateway);

		w->res->ips.v[i].interface = RESULT_INNER;
		w->res->ips.v[i].has_interface = true;
		if (gateway.family == AF_UNSPEC)
			return err_set(e, -EADDRNOTAVAIL, "IPAM plugin returned no gateway for %s",
				       w->res->ips.v[i].address);
		r = iface_forward(gateway.family, e);
	}
	return r;
}

static int add_pair(struct work *w, struct err *e)
{
	struct iface_pair pair = { .ifname = w->call->ifname,
				   .mtu = (uint32_t)w->conf.mtu,
				   .netns_fd = w->call->netns_fd };
	int r = iface_pair_add(&w->f, &pair, &w->host, &w->inner, e);

	if (r < 0)
		return r;
	w->has_pair = true;
	r = result_add_interface(w->call, w->res, &w->host, NULL, e);
	return r < 0 ? r : result_add_interface(w->call, w->res, &w->inner, w->call->netns_path, e);
}

/* The network's own route goes; instead the gateway is on the link, and the network behind it. */
static int turn_routes(struct work *w, struct err *e)
{
	struct netlink_batch b;
	int r = 0;

	netlink_begin(&b, &w->f.inner);
	for (size_t i = 0; i < w->res->ips.n && r == 0; i++) {
		struct ip_net net = result_net(w->res->ips.v[i].address);
		struct rtnl_route own = { .dst = net,
					  .index = w->inner.index,
					  .scope = RT_SCOPE_NOWHERE };
		struct rtnl_route via = { .dst = net,
					  .gateway = result_addr(w->res->ips.v[i].gateway),
					  .src = net.addr,
					  .index = w->inner.index };
		struct rtnl_route gateway = { .dst = { via.gateway, ip_addr_bits(&via.gateway) },
					      .src = net.addr,
					      .index = w->inner.index,
					      .scope = RT_SCOPE_LINK };

		rtnl_route(&b, RTNL_DELETE, &own, false);
		rtnl_route(&b, RTNL_ADD, &gateway, false);
		rtnl_route(&b, RTNL_ADD, &via, false);
		r = netlink_send(&b, e);
	}
	return r;
}

static int set_up_host(struct work *w, struct err *e)
{
	struct netlink_batch b;
	int r = 0;

	netlink_begin(&b, &w->f.host);
	for (size_t i = 0; i < w->res->ips.n && r == 0; i++) {
		struct ip_addr addr = result_net(w->res->ips.v[i].address).addr,
			       gateway = result_addr(w->res->ips.v[i].gateway);
		struct ip_net own = { gateway, ip_addr_bits(&gateway) };
		struct rtnl_route to = { .dst = { addr, ip_addr_bits(&addr) },
					 .index = w->host.index,
					 .scope = RT_SCOPE_HOST };

		rtnl_addr(&b, RTNL_ADD, w->host.index, w->host.name, &own, false);
		rtnl_route(&b, RTNL_ADD, &to, false);
		netlink_tolerate(&b, -EEXIST);
		r = netlink_send(&b, e);
	}
	return r;
}

static int run_add(struct work *w, struct err *e)
{
	int r = iface_open(w->call, &w->f, e);

	r = r < 0 ? r : ask_for_address(w, e);
	r = r < 0 ? r : add_pair(w, e);
	r = r < 0 ? r : iface_configure(w->call, &w->f, &w->inner, w->res, false, e);
	r = r < 0 ? r : turn_routes(w, e);
	r = r < 0 ? r : set_up_host(w, e);
	if (r == 0 && w->conf.is_masqueraded)
		r = masquerade_add(w->call, w->res, e);
	if (r == 0 && conf_has_dns(w->call->c->dns))
		w->res->dns = w->call->c->dns;
	return r;
}

static void undo_add(struct work *w)
{
	struct cni_call del = *w->call;

	del.command = CNI_DEL;
	if (w->conf.is_masqueraded)
		(void)masquerade_del(&del, NULL);
	if (w->has_pair)
		(void)iface_del(&del, NULL);
	if (w->has_address)
		(void)cni_ipam_run(&del, NULL, NULL);
}

static int ptp_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	struct work w = { .call = call, .f = IFACE_NONE };
	int r = read_conf(call, &w.conf, e);

	r = r < 0 ? r : run_add(&w, e);
	if (r < 0)
		undo_add(&w);
	iface_close(&w.f);
	if (r == 0)
		*ret = w.res;
	return r;
}

static int ptp_del(const struct cni_call *call, struct err *e)
{
	struct err each = ERR_INIT;
	struct conf conf;
	int first = 0, r = conf_read(call, &conf_table, &conf, e);

	if (r < 0)
		return r;
	plugin_keep_first(&first, e, cni_ipam_run(call, NULL, &each), &each);
	plugin_keep_first(&first, e, iface_del(call, &each), &each);
	if (conf.is_masqueraded)
		plugin_keep_first(&first, e, masquerade_del(call, &each), &each);
	return first;
}

static int ptp_check(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct rtnl_link inner;
	int r = cni_ipam_run(call, NULL, e);

	r = r < 0 ? r : iface_open(call, &f, e);
	return r < 0 ? r : iface_check(call, &f, "veth", &inner, e);
}

static int ptp_status(const struct cni_call *call, struct err *e)
{
	return cni_ipam_run(call, NULL, e);
}

const struct cni_plugin cni_plugin_ptp = {
	.type = "ptp",
	.add = ptp_add,
	.del = ptp_del,
	.check = ptp_check,
	.status = ptp_status,
	.gc = plugin_gc,
};
