/* CHECK of the container's interface: what the previous result says is compared with what is there. */
#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"

/* The container's interface in the previous result. */
static const struct cni_interface *find_interface(const struct cni_call *call)
{
	for (size_t i = 0; i < call->prev->interfaces.n; i++) {
		const struct cni_interface *it = &call->prev->interfaces.v[i];

		if (streq(it->name, call->ifname) && streq_null(it->sandbox, call->netns_path))
			return it;
	}
	return NULL;
}

static int check_link(const struct cni_call *call, const struct cni_interface *it, const char *kind,
		      const struct rtnl_link *l, struct err *e)
{
	char mac[MAC_TEXT_MAX];

	if (!streq(l->kind, kind))
		return err_set(e, -EREMOTEIO, "container interface %s not of type %s", call->ifname,
			       kind);
	if (it->mac && *it->mac && strcasecmp(it->mac, mac_text(l->mac, mac)) != 0)
		return err_set(e, -EREMOTEIO, "interface %s Mac %s doesn't match container Mac: %s",
			       call->ifname, it->mac, mac);
	return 0;
}

struct search {
	struct ip_net net;
	struct ip_addr gateway; /* AF_UNSPEC: any */
	bool is_found;
};

static int compare_addr(void *data, const struct rtnl_addr *a)
{
	struct search *s = data;

	s->is_found = s->is_found || (a->net.prefix == s->net.prefix &&
				      ip_addr_compare(&a->net.addr, &s->net.addr) == 0);
	return 0;
}

static int compare_route(void *data, const struct rtnl_route *r)
{
	struct search *s = data;

	s->is_found = s->is_found || (r->dst.prefix == s->net.prefix &&
				      ip_addr_compare(&r->dst.addr, &s->net.addr) == 0 &&
				      (s->gateway.family == AF_UNSPEC ||
				       ip_addr_compare(&r->gateway, &s->gateway) == 0));
	return 0;
}

static int check_addresses(struct iface *f, const struct cni_result *prev,
			   const struct rtnl_link *l, struct err *e)
{
	for (size_t i = 0; i < prev->ips.n; i++) {
		struct search s = { .net = result_net(prev->ips.v[i].address) };
		int r = rtnl_addr_list(&f->inner, l->index, compare_addr, &s, e);

		if (r < 0)
			return r;
		if (!s.is_found)
			return err_set(e, -EREMOTEIO, "Failed to match addr %s on interface %s",
				       prev->ips.v[i].address, l->name);
	}
	return 0;
}

static int check_routes(struct iface *f, const struct cni_result *prev, struct err *e)
{
	for (size_t i = 0; i < prev->routes.n; i++) {
		const struct cni_route *route = &prev->routes.v[i];
		struct search s = { .net = result_net(route->dst),
				    .gateway = result_addr(route->gw) };
		int r;

		s.net.addr = ip_net_first(&s.net);
		r = rtnl_route_list(&f->inner, s.net.addr.family, compare_route, &s, e);
		if (r < 0)
			return r;
		if (!s.is_found)
			return err_set(e, -EREMOTEIO,
				       "Expected Route %s not found in routing table", route->dst);
	}
	return 0;
}

int iface_check(const struct cni_call *call, struct iface *f, const char *kind,
		struct rtnl_link *ret, struct err *e)
{
	const struct cni_interface *it;
	int r;

	if (!call->prev)
		return err_set(e, -EINVAL, "Required prevResult missing");
	it = find_interface(call);
	if (!it)
		return err_set(e, -EREMOTEIO,
			       "prevResult has no interface %s in the configured netns: %s",
			       call->ifname, call->netns_path ? call->netns_path : "");
	r = rtnl_link_get(&f->inner, call->ifname, 0, ret, e);
	r = r < 0 ? r : check_link(call, it, kind, ret, e);
	r = r < 0 ? r : check_addresses(f, call->prev, ret, e);
	return r < 0 ? r : check_routes(f, call->prev, e);
}
