/* Results under construction. Lists have no spare room: they are copied when they grow, which they do once or twice. */
#include "base/err.h"
#include "base/mem.h"
#include "net/plugin/priv.h"

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "no memory for a result");
}

struct cni_result *result_new(const struct cni_call *call, struct err *e)
{
	struct cni_result *res = arena_alloc(call->a, sizeof(*res));

	if (!res)
		(void)no_memory(e);
	return res;
}

struct cni_result *result_copy(const struct cni_call *call, const struct cni_result *from,
			       struct err *e)
{
	struct cni_result *res = result_new(call, e);

	if (res)
		*res = *from;
	return res;
}

/* A list one longer than `n`, the old elements copied. */
static void *longer(const struct cni_call *call, const void *v, size_t n, size_t size,
		    struct err *e)
{
	void *all = arena_calloc(call->a, n + 1, size);

	if (!all)
		(void)no_memory(e);
	else if (n > 0)
		memcpy(all, v, n * size);
	return all;
}

#define ADD(call, list, e)                                                             \
	({                                                                             \
		void *all_ = longer(call, (list).v, (list).n, sizeof((list).v[0]), e); \
		if (all_)                                                              \
			(list).v = all_;                                               \
		all_ ? &(list).v[(list).n++] : NULL;                                   \
	})

int result_add_interface(const struct cni_call *call, struct cni_result *res,
			 const struct rtnl_link *l, const char *sandbox, struct err *e)
{
	struct cni_interface *i = ADD(call, res->interfaces, e);
	char mac[MAC_TEXT_MAX];

	if (!i)
		return -ENOMEM;
	*i = (struct cni_interface){ .name = arena_strdup(call->a, l->name),
				     .mac = arena_strdup(call->a, mac_text(l->mac, mac)),
				     .sandbox = sandbox };
	return i->name && i->mac ? 0 : no_memory(e);
}

int result_add_ip(const struct cni_call *call, struct cni_result *res, const struct ip_net *net,
		  const struct ip_addr *gateway, struct err *e)
{
	struct cni_ip *ip = ADD(call, res->ips, e);
	char buf[IP_TEXT_MAX];

	if (!ip)
		return -ENOMEM;
	ip->address = arena_strdup(call->a, ip_net_text(net, buf));
	ip->version = ip_is_v4(&net->addr) ? "4" : "6";
	if (ip->address && gateway->family != AF_UNSPEC) {
		ip->gateway = arena_strdup(call->a, ip_addr_text(gateway, buf));
		return ip->gateway ? 0 : no_memory(e);
	}
	return ip->address ? 0 : no_memory(e);
}

int result_add_route(const struct cni_call *call, struct cni_result *res,
		     const struct cni_route *route, struct err *e)
{
	struct cni_route *to = ADD(call, res->routes, e);

	if (!to)
		return -ENOMEM;
	*to = *route;
	return 0;
}

int result_add_checked_route(const struct cni_call *call, struct cni_result *res,
			     const struct cni_route *route, struct err *e)
{
	struct ip_net dst;
	struct ip_addr gw;

	if (ip_net_parse(route->dst, &dst) < 0)
		return err_set(e, -EINVAL, "the route's dst '%.60s' is no network", route->dst);
	if (route->gw && *route->gw && ip_addr_parse(route->gw, &gw) < 0)
		return err_set(e, -EINVAL, "the route's gw '%.60s' is no address", route->gw);
	return result_add_route(call, res, route, e);
}

struct ip_net result_net(const char *text)
{
	struct ip_net net = { 0 };

	if (text)
		(void)ip_net_parse(text, &net);
	return net;
}

struct ip_addr result_addr(const char *text)
{
	struct ip_addr addr = { 0 };

	if (text)
		(void)ip_addr_parse(text, &addr);
	return addr;
}
