/*
 * The plugin bandwidth: token buckets for what goes to the container (on the host's end of its veth) and for what comes from
 * it (on an ifb device that the traffic is led through), behind another plugin.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/digest.h"
#include "net/plugin/priv.h"

#define LATENCY_MS 25

struct limits {
	uint64_t ingress_rate, ingress_burst, egress_rate, egress_burst; /* bits a second, bits */
	bool has_ingress_rate, has_ingress_burst, has_egress_rate, has_egress_burst;
};
static const struct json_field conf_rows[] = {
	JSON_ROW_HAS(limits, ingress_rate, "ingressRate", JSON_U64, 0),
	JSON_ROW_HAS(limits, ingress_burst, "ingressBurst", JSON_U64, 0),
	JSON_ROW_HAS(limits, egress_rate, "egressRate", JSON_U64, 0),
	JSON_ROW_HAS(limits, egress_burst, "egressBurst", JSON_U64, 0),
};
static JSON_TABLE(conf_table, "configuration", limits, conf_rows);

static int check_limit(uint64_t rate, uint64_t burst, struct err *e)
{
	if (burst == 0 && rate != 0)
		return err_set(e, -EINVAL, "if rate is set, burst must also be set");
	if (rate == 0 && burst != 0)
		return err_set(e, -EINVAL, "if burst is set, rate must also be set");
	if (burst / 8 >= UINT32_MAX)
		return err_set(e, -EINVAL, "burst cannot be more than 4GB");
	if (rate != 0 && (rate < 8 || burst < 8))
		return err_set(e, -EINVAL, "rate and burst are at least 8 bits");
	return 0;
}

/* The configuration's own keys win as a whole over the capability's. */
static int read_limits(const struct cni_call *call, struct limits *l, struct err *e)
{
	struct cni_runtime_config runtime;
	int r = conf_read(call, &conf_table, l, e);

	r = r < 0 ? r : conf_runtime(call, &runtime, e);
	if (r < 0)
		return r;
	if (runtime.bandwidth && !l->has_ingress_rate && !l->has_ingress_burst &&
	    !l->has_egress_rate && !l->has_egress_burst) {
		l->ingress_rate = runtime.bandwidth->ingress_rate;
		l->ingress_burst = runtime.bandwidth->ingress_burst;
		l->egress_rate = runtime.bandwidth->egress_rate;
		l->egress_burst = runtime.bandwidth->egress_burst;
	}
	r = check_limit(l->ingress_rate, l->ingress_burst, e);
	return r < 0 ? r : check_limit(l->egress_rate, l->egress_burst, e);
}

static bool is_empty(const struct limits *l)
{
	return l->ingress_rate == 0 && l->egress_rate == 0;
}

/* As the reference counts: what comes in LATENCY_MS may wait besides the burst. */
static struct rtnl_tbf bucket(uint64_t rate_bits, uint64_t burst_bits)
{
	uint64_t rate = rate_bits / 8,
		 limit = rate / 1000 * LATENCY_MS + rate % 1000 * LATENCY_MS / 1000;

	limit += burst_bits / 8;
	return (struct rtnl_tbf){ .rate = rate,
				  .burst = (uint32_t)(burst_bits / 8),
				  .limit = (uint32_t)MIN(limit, (uint64_t)UINT32_MAX) };
}

/* "bwp" and the first digits of SHA-512 over network and container: where either side's DEL looks. */
static void ifb_name(const struct cni_call *call, char name[IFNAMSIZ])
{
	AUTO_STRBUF struct strbuf text = { 0 };
	uint8_t hash[SHA512_LEN];

	strbuf_adds(&text, call->c->name);
	strbuf_adds(&text, call->container_id);
	sha512(text.p ? text.p : "", text.len, hash);
	snprintf(name, IFNAMSIZ, "bwp%02x%02x%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3],
		 hash[4], hash[5]);
}

/* The host's end of the container's veth, which must be among the previous result's interfaces. */
static int find_host_end(const struct cni_call *call, struct iface *f, struct rtnl_link *ret,
			 struct err *e)
{
	struct rtnl_link inner;
	int r = rtnl_link_get(&f->inner, call->ifname, 0, &inner, e);

	if (r == 0 && (!streq(inner.kind, "veth") || inner.parent <= 0))
		return err_set(e, -EREMOTEIO, "container interface %s has no veth peer",
			       call->ifname);
	r = r < 0 ? r : rtnl_link_get(&f->host, NULL, inner.parent, ret, e);
	if (r < 0)
		return err_wrap(e, r, "veth peer with index %d is not in host ns", inner.parent);
	for (size_t i = 0; i < call->prev->interfaces.n; i++) {
		const struct cni_interface *it = &call->prev->interfaces.v[i];

		if ((!it->sandbox || !*it->sandbox) && streq(it->name, ret->name))
			return 0;
	}
	return err_set(e, -EREMOTEIO, "no veth peer of container interface found in host ns");
}

static int add_egress(const struct cni_call *call, struct iface *f, const struct limits *l,
		      const struct rtnl_link *host, struct cni_result *res, struct err *e)
{
	struct rtnl_tbf t = bucket(l->egress_rate, l->egress_burst);
	char name[IFNAMSIZ];
	struct rtnl_end end = { .name = name, .mtu = host->mtu, .is_up = true };
	struct netlink_batch b;
	struct rtnl_link ifb;
	int r;

	ifb_name(call, name);
	netlink_begin(&b, &f->host);
	rtnl_add_ifb(&b, &end);
	r = netlink_send(&b, e);
	r = r < 0 ? r : rtnl_link_get(&f->host, name, 0, &ifb, e);
	if (r < 0)
		return r;
	rtnl_tbf(&b, ifb.index, name, &t);
	rtnl_redirect(&b, host->index, host->name, ifb.index);
	r = netlink_send(&b, e);
	if (r < 0) {
		rtnl_delete(&b, ifb.index, name);
		(void)netlink_send(&b, NULL);
		return r;
	}
	return result_add_interface(call, res, &ifb, NULL, e);
}

static int bandwidth_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct cni_result *res;
	struct netlink_batch b;
	struct rtnl_link host;
	struct limits l;
	struct rtnl_tbf t;
	int r = read_limits(call, &l, e);

	if (r == 0 && !call->prev)
		return err_set(e, -EINVAL, "must be called as chained plugin");
	res = r < 0 ? NULL : result_copy(call, call->prev, e);
	if (!res)
		return r < 0 ? r : -ENOMEM;
	*ret = res;
	if (is_empty(&l))
		return 0;
	r = iface_open(call, &f, e);
	r = r < 0 ? r : find_host_end(call, &f, &host, e);
	if (r == 0 && l.ingress_rate > 0) {
		t = bucket(l.ingress_rate, l.ingress_burst);
		netlink_begin(&b, &f.host);
		rtnl_tbf(&b, host.index, host.name, &t);
		r = netlink_send(&b, e);
	}
	if (r == 0 && l.egress_rate > 0)
		r = add_egress(call, &f, &l, &host, res, e);
	return r;
}

/* The veth takes its queues along; the ifb device is its own. */
static int bandwidth_del(const struct cni_call *call, struct err *e)
{
	AUTO_NETLINK struct netlink n = NETLINK_NONE;
	struct netlink_batch b;
	struct rtnl_link ifb;
	char name[IFNAMSIZ];
	int r = netlink_open(NETLINK_ROUTE, -EBADF, &n, e);

	ifb_name(call, name);
	r = r < 0 ? r : rtnl_link_get(&n, name, 0, &ifb, e);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	netlink_begin(&b, &n);
	rtnl_delete(&b, ifb.index, name);
	netlink_tolerate(&b, -ENODEV);
	return netlink_send(&b, e);
}

static int check_bucket(struct iface *f, const struct rtnl_link *l, uint64_t rate, uint64_t burst,
			struct err *e)
{
	struct rtnl_tbf wanted = bucket(rate, burst), got;
	int r = rtnl_tbf_get(&f->host, l->index, &got, e);

	if (r < 0)
		return r;
	if (got.rate != wanted.rate)
		return err_set(e, -EREMOTEIO, "Rate doesn't match");
	/* The limit has the burst in it. */
	if (got.limit != wanted.limit)
		return err_set(e, -EREMOTEIO, "Limit doesn't match");
	return 0;
}

static int bandwidth_check(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct rtnl_link host, ifb;
	char name[IFNAMSIZ];
	struct limits l;
	int r = read_limits(call, &l, e);

	if (r == 0 && !call->prev)
		return err_set(e, -EINVAL, "must be called as a chained plugin");
	if (r < 0 || is_empty(&l))
		return r;
	ifb_name(call, name);
	r = iface_open(call, &f, e);
	r = r < 0 ? r : find_host_end(call, &f, &host, e);
	if (r == 0 && l.ingress_rate > 0)
		r = check_bucket(&f, &host, l.ingress_rate, l.ingress_burst, e);
	if (r == 0 && l.egress_rate > 0)
		r = rtnl_link_get(&f.host, name, 0, &ifb, e);
	if (r == 0 && l.egress_rate > 0)
		r = check_bucket(&f, &ifb, l.egress_rate, l.egress_burst, e);
	return r;
}

const struct cni_plugin cni_plugin_bandwidth = {
	.type = "bandwidth",
	.add = bandwidth_add,
	.del = bandwidth_del,
	.check = bandwidth_check,
};
