#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "sys/rtnl.h"

/* Types and flags of the three verbs. */
static uint16_t type_of(enum rtnl_verb verb, uint16_t add, uint16_t delete)
{
	return verb == RTNL_DELETE ? delete : add;
}

static uint16_t flags_of(enum rtnl_verb verb, uint16_t add)
{
	static const uint16_t flags[] = { [RTNL_ADD] = NLM_F_CREATE,
					  [RTNL_REPLACE] = NLM_F_CREATE | NLM_F_REPLACE,
					  [RTNL_DELETE] = 0 };

	return flags[verb] | (verb == RTNL_ADD ? add : 0);
}

static void put_addr(struct netlink_batch *b, uint16_t type, const struct ip_addr *a)
{
	if (a->family != AF_UNSPEC)
		netlink_put(b, type, a->bytes, ip_addr_len(a));
}

static struct ip_addr read_addr(const struct nlattr *a, uint8_t family)
{
	struct ip_addr ret = { .family = family };

	if (!a || netlink_attr_len(a) != ip_addr_len(&ret))
		return (struct ip_addr){ 0 };
	memcpy(ret.bytes, netlink_attr_data(a), ip_addr_len(&ret));
	return ret;
}

/* -- addresses -- */

void rtnl_addr(struct netlink_batch *b, enum rtnl_verb verb, int index, const char *name,
	       const struct ip_net *net, bool is_checked)
{
	static const char *const words[] = { "add address to", "set address of",
					     "remove address of" };
	struct ifaddrmsg head = { .ifa_family = net->addr.family,
				  .ifa_prefixlen = net->prefix,
				  .ifa_index = (uint32_t)index };
	struct ip_addr last = ip_net_last(net);

	if (!ip_is_v4(&net->addr) && !is_checked)
		head.ifa_flags = IFA_F_NODAD;
	if (ip_addr_is_loopback(&net->addr))
		head.ifa_scope = RT_SCOPE_HOST;
	netlink_request(b, type_of(verb, RTM_NEWADDR, RTM_DELADDR), flags_of(verb, NLM_F_EXCL),
			&head, sizeof(head), words[verb], name);
	put_addr(b, IFA_LOCAL, &net->addr);
	put_addr(b, IFA_ADDRESS, &net->addr);
	/* As ip and the reference plugins: a /31 and a /32 have no broadcast address. */
	if (ip_is_v4(&net->addr) && net->prefix < 31 && verb != RTNL_DELETE)
		put_addr(b, IFA_BROADCAST, &last);
}

struct addr_reading {
	int index;
	int (*each)(void *data, const struct rtnl_addr *a);
	void *data;
};

static int read_one_addr(void *data, const struct nlmsghdr *m, struct err *e)
{
	const struct nlattr *attrs[IFA_FLAGS + 1];
	const struct ifaddrmsg *head = NLMSG_DATA(m);
	struct addr_reading *g = data;
	struct rtnl_addr a;

	if (m->nlmsg_type != RTM_NEWADDR || m->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
		return err_set(e, -EBADMSG, "the kernel's answer describes no address");
	if ((int)head->ifa_index != g->index)
		return 0;
	netlink_attrs_of(m, sizeof(*head), attrs, IFA_FLAGS);
	a = (struct rtnl_addr){
		.net = { read_addr(attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS],
				   head->ifa_family),
			 head->ifa_prefixlen },
		.index = g->index,
		.flags = netlink_attr_u32(attrs[IFA_FLAGS], head->ifa_flags),
		.scope = head->ifa_scope,
	};
	return a.net.addr.family == AF_UNSPEC ? 0 : g->each(g->data, &a);
}

int rtnl_addr_list(struct netlink *n, int index, int (*each)(void *data, const struct rtnl_addr *a),
		   void *data, struct err *e)
{
	struct addr_reading g = { index, each, data };
	struct ifaddrmsg head = { .ifa_family = AF_UNSPEC, .ifa_index = (uint32_t)index };
	struct netlink_batch b;

	netlink_begin(&b, n);
	netlink_request(&b, RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head), "list addresses", NULL);
	return netlink_dump(&b, RTNL_ADDRS_MAX, read_one_addr, &g, e);
}

/* -- routes -- */

static void put_metrics(struct netlink_batch *b, const struct rtnl_route *r)
{
	size_t nest;

	if (r->mtu == 0 && r->advmss == 0)
		return;
	nest = netlink_nest(b, RTA_METRICS);
	if (r->mtu > 0)
		netlink_put_u32(b, RTAX_MTU, r->mtu);
	if (r->advmss > 0)
		netlink_put_u32(b, RTAX_ADVMSS, r->advmss);
	netlink_nest_end(b, nest);
}

void rtnl_route(struct netlink_batch *b, enum rtnl_verb verb, const struct rtnl_route *r,
		bool is_multipath)
{
	static const char *const words[] = { "add route", "set route", "remove route" };
	bool is_new = verb != RTNL_DELETE;
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	struct rtmsg head = {
		.rtm_family = r->dst.addr.family,
		.rtm_dst_len = r->dst.prefix,
		.rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC,
		.rtm_protocol = is_new ? RTPROT_BOOT : RTPROT_UNSPEC,
		.rtm_scope = r->scope,
		.rtm_type = is_new ? RTN_UNICAST : RTN_UNSPEC,
	};
	struct ip_addr dst = ip_net_first(&r->dst);

	netlink_request(b, type_of(verb, RTM_NEWROUTE, RTM_DELROUTE),
			flags_of(verb, is_multipath ? NLM_F_APPEND : NLM_F_EXCL), &head,
			sizeof(head), words[verb], NULL);
	if (r->dst.prefix > 0)
		put_addr(b, RTA_DST, &dst);
	put_addr(b, RTA_GATEWAY, &r->gateway);
	put_addr(b, RTA_PREFSRC, &r->src);
	if (r->index > 0)
		netlink_put_u32(b, RTA_OIF, (uint32_t)r->index);
	if (r->priority > 0)
		netlink_put_u32(b, RTA_PRIORITY, r->priority);
	if (table >= 256)
		netlink_put_u32(b, RTA_TABLE, table);
	put_metrics(b, r);
}

struct route_reading {
	int (*each)(void *data, const struct rtnl_route *r);
	void *data;
};

static struct ip_addr dst_of(const struct nlattr *a, uint8_t family)
{
	return a ? read_addr(a, family) : (struct ip_addr){ .family = family };
}

/* The next hops of one route, each told as a route of its own. */
static int read_hops(const struct route_reading *g, const struct nlattr *all, struct rtnl_route *r)
{
	const uint8_t *p = netlink_attr_data(all);
	size_t len = netlink_attr_len(all);
	int ret = 0;

	while (ret == 0 && len >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const void *)p;
		const struct nlattr *attrs[RTA_GATEWAY + 1];
		size_t step;

		if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > len)
			break;
		netlink_attrs(p + sizeof(*hop), hop->rtnh_len - sizeof(*hop), attrs, RTA_GATEWAY);
		r->index = hop->rtnh_ifindex;
		r->gateway = read_addr(attrs[RTA_GATEWAY], r->dst.addr.family);
		ret = g->each(g->data, r);
		step = MIN(len, (size_t)RTNH_ALIGN(hop->rtnh_len));
		p += step;
		len -= step;
	}
	return ret;
}

static int read_one_route(void *data, const struct nlmsghdr *m, struct err *e)
{
	const struct nlattr *attrs[RTA_TABLE + 1];
	const struct rtmsg *head = NLMSG_DATA(m);
	const struct route_reading *g = data;
	struct rtnl_route r;

	if (m->nlmsg_type != RTM_NEWROUTE || m->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
		return err_set(e, -EBADMSG, "the kernel's answer describes no route");
	if ((head->rtm_family != AF_INET && head->rtm_family != AF_INET6) ||
	    head->rtm_table == RT_TABLE_LOCAL || head->rtm_flags & RTM_F_CLONED)
		return 0;
	netlink_attrs_of(m, sizeof(*head), attrs, RTA_TABLE);
	r = (struct rtnl_route){
		.dst = { dst_of(attrs[RTA_DST], head->rtm_family), head->rtm_dst_len },
		.gateway = read_addr(attrs[RTA_GATEWAY], head->rtm_family),
		.src = read_addr(attrs[RTA_PREFSRC], head->rtm_family),
		.index = (int)netlink_attr_u32(attrs[RTA_OIF], 0),
		.scope = head->rtm_scope,
		.table = netlink_attr_u32(attrs[RTA_TABLE], head->rtm_table),
		.priority = netlink_attr_u32(attrs[RTA_PRIORITY], 0),
	};
	if (attrs[RTA_MULTIPATH])
		return read_hops(g, attrs[RTA_MULTIPATH], &r);
	return g->each(g->data, &r);
}

int rtnl_route_list(struct netlink *n, int family,
		    int (*each)(void *data, const struct rtnl_route *r), void *data, struct err *e)
{
	struct route_reading g = { each, data };
	struct rtmsg head = { .rtm_family = (uint8_t)family };
	struct netlink_batch b;

	netlink_begin(&b, n);
	netlink_request(&b, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof(head), "list routes", NULL);
	return netlink_dump(&b, RTNL_ROUTES_MAX, read_one_route, &g, e);
}
