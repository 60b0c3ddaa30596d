#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/rtnl.h"

/* -- reading -- */

static void read_mac(const struct nlattr *a, uint8_t mac[MAC_LEN])
{
	if (a && netlink_attr_len(a) == MAC_LEN)
		memcpy(mac, netlink_attr_data(a), MAC_LEN);
}

static void read_bridge(const struct nlattr *const *info, struct rtnl_link *l)
{
	const struct nlattr *filtering = info[IFLA_BR_VLAN_FILTERING];
	const struct nlattr *vlan = info[IFLA_BR_VLAN_DEFAULT_PVID];

	if (filtering && netlink_attr_len(filtering) == 1)
		l->is_vlan_filtering = *(const uint8_t *)netlink_attr_data(filtering);
	if (vlan && netlink_attr_len(vlan) == sizeof(l->default_vlan))
		memcpy(&l->default_vlan, netlink_attr_data(vlan), sizeof(l->default_vlan));
}

static void read_kind(const struct nlattr *link_info, struct rtnl_link *l)
{
	const struct nlattr *about[IFLA_INFO_MAX + 1], *info[IFLA_BR_MAX + 1];

	netlink_attrs(netlink_attr_data(link_info), netlink_attr_len(link_info), about,
		      IFLA_INFO_MAX);
	netlink_attr_str(about[IFLA_INFO_KIND], l->kind, sizeof(l->kind));
	if (!about[IFLA_INFO_DATA])
		return;
	netlink_attrs(netlink_attr_data(about[IFLA_INFO_DATA]),
		      netlink_attr_len(about[IFLA_INFO_DATA]), info, IFLA_BR_MAX);
	if (streq(l->kind, "bridge"))
		read_bridge(info, l);
	else if (streq(l->kind, "macvlan"))
		l->macvlan_mode = netlink_attr_u32(info[IFLA_MACVLAN_MODE], 0);
}

static int read_link(void *data, const struct nlmsghdr *m, struct err *e)
{
	const struct nlattr *attrs[IFLA_MAX + 1];
	const struct ifinfomsg *head = NLMSG_DATA(m);
	struct rtnl_link *l = data;

	if (m->nlmsg_type != RTM_NEWLINK || m->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
		return err_set(e, -EBADMSG, "the kernel's answer describes no link");
	netlink_attrs_of(m, sizeof(*head), attrs, IFLA_MAX);
	*l = (struct rtnl_link){
		.index = head->ifi_index,
		.flags = head->ifi_flags,
		.mtu = netlink_attr_u32(attrs[IFLA_MTU], 0),
		.master = (int)netlink_attr_u32(attrs[IFLA_MASTER], 0),
		.parent = (int)netlink_attr_u32(attrs[IFLA_LINK], 0),
		.tx_queue_len = netlink_attr_u32(attrs[IFLA_TXQLEN], 0),
		.promiscuity = netlink_attr_u32(attrs[IFLA_PROMISCUITY], 0),
	};
	netlink_attr_str(attrs[IFLA_IFNAME], l->name, sizeof(l->name));
	read_mac(attrs[IFLA_ADDRESS], l->mac);
	if (attrs[IFLA_LINKINFO])
		read_kind(attrs[IFLA_LINKINFO], l);
	return 0;
}

int rtnl_link_get(struct netlink *n, const char *name, int index, struct rtnl_link *ret,
		  struct err *e)
{
	struct ifinfomsg head = { .ifi_index = name ? 0 : index };
	struct netlink_batch b;
	struct rtnl_link l = { 0 };
	int r;

	if (name && (name[0] == '\0' || strlen(name) >= IFNAMSIZ))
		return err_set(e, -ENODEV, "look up link '%s': no such device", name);
	netlink_begin(&b, n);
	netlink_request(&b, RTM_GETLINK, 0, &head, sizeof(head), "look up link", name);
	if (name)
		netlink_put_str(&b, IFLA_IFNAME, name);
	r = netlink_dump(&b, 1, read_link, &l, e);
	if (r < 0)
		return r;
	*ret = l;
	return 0;
}

/* -- making -- */

static uint32_t up_flag(const struct rtnl_end *end)
{
	return end->is_up ? IFF_UP : 0;
}

static void put_end(struct netlink_batch *b, const struct rtnl_end *end)
{
	netlink_put_str(b, IFLA_IFNAME, end->name);
	if (end->mac)
		netlink_put(b, IFLA_ADDRESS, end->mac, MAC_LEN);
	if (end->mtu > 0)
		netlink_put_u32(b, IFLA_MTU, end->mtu);
	if (end->netns_fd > 0)
		netlink_put_u32(b, IFLA_NET_NS_FD, (uint32_t)end->netns_fd);
	if (end->master > 0)
		netlink_put_u32(b, IFLA_MASTER, (uint32_t)end->master);
}

static void begin_new(struct netlink_batch *b, const struct rtnl_end *end, const char *verb)
{
	struct ifinfomsg head = { .ifi_flags = up_flag(end), .ifi_change = up_flag(end) };

	netlink_request(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head), verb,
			end->name);
	put_end(b, end);
}

/* The kind's own attributes stand between this and two netlink_nest_end. */
static size_t begin_kind(struct netlink_batch *b, const char *kind, size_t *ret_data)
{
	size_t info = netlink_nest(b, IFLA_LINKINFO);

	netlink_put(b, IFLA_INFO_KIND, kind, strlen(kind));
	*ret_data = netlink_nest(b, IFLA_INFO_DATA);
	return info;
}

static void end_kind(struct netlink_batch *b, size_t info, size_t data)
{
	netlink_nest_end(b, data);
	netlink_nest_end(b, info);
}

void rtnl_add_bridge(struct netlink_batch *b, const char *name, uint32_t mtu, bool has_vlans)
{
	struct rtnl_end end = { .name = name, .mtu = mtu };
	size_t info, data;

	begin_new(b, &end, "create bridge");
	info = begin_kind(b, "bridge", &data);
	if (has_vlans)
		netlink_put_u8(b, IFLA_BR_VLAN_FILTERING, 1);
	end_kind(b, info, data);
}

void rtnl_add_veth(struct netlink_batch *b, const struct rtnl_end *end, const struct rtnl_end *peer)
{
	struct ifinfomsg head = { .ifi_flags = up_flag(peer), .ifi_change = up_flag(peer) };
	size_t info, data, nest;

	begin_new(b, end, "create veth pair");
	info = begin_kind(b, "veth", &data);
	nest = netlink_nest(b, VETH_INFO_PEER);
	netlink_put_head(b, &head, sizeof(head));
	put_end(b, peer);
	netlink_nest_end(b, nest);
	end_kind(b, info, data);
}

void rtnl_add_macvlan(struct netlink_batch *b, const struct rtnl_end *end, int parent,
		      uint32_t mode, uint32_t queue_len)
{
	size_t info, data;

	begin_new(b, end, "create macvlan");
	netlink_put_u32(b, IFLA_LINK, (uint32_t)parent);
	info = begin_kind(b, "macvlan", &data);
	netlink_put_u32(b, IFLA_MACVLAN_MODE, mode);
	if (queue_len > 0)
		netlink_put_u32(b, IFLA_MACVLAN_BC_QUEUE_LEN, queue_len);
	end_kind(b, info, data);
}

void rtnl_add_ifb(struct netlink_batch *b, const struct rtnl_end *end)
{
	size_t info, data;

	begin_new(b, end, "create ifb");
	info = begin_kind(b, "ifb", &data);
	end_kind(b, info, data);
}

/* -- changing -- */

void rtnl_change(struct netlink_batch *b, int index, const char *name, const struct rtnl_change *c)
{
	struct ifinfomsg head = { .ifi_index = index,
				  .ifi_flags = c->flags,
				  .ifi_change = c->change };

	netlink_request(b, RTM_NEWLINK, 0, &head, sizeof(head), "change link", name);
	if (c->mtu > 0)
		netlink_put_u32(b, IFLA_MTU, c->mtu);
	if (c->mac)
		netlink_put(b, IFLA_ADDRESS, c->mac, MAC_LEN);
	if (c->master != 0)
		netlink_put_u32(b, IFLA_MASTER, c->master > 0 ? (uint32_t)c->master : 0);
	if (c->netns_fd > 0)
		netlink_put_u32(b, IFLA_NET_NS_FD, (uint32_t)c->netns_fd);
	if (c->new_name)
		netlink_put_str(b, IFLA_IFNAME, c->new_name);
	if (c->has_tx_queue_len)
		netlink_put_u32(b, IFLA_TXQLEN, c->tx_queue_len);
}

void rtnl_up(struct netlink_batch *b, int index, const char *name)
{
	struct rtnl_change up = { .flags = IFF_UP, .change = IFF_UP };

	rtnl_change(b, index, name, &up);
}

void rtnl_delete(struct netlink_batch *b, int index, const char *name)
{
	struct ifinfomsg head = { .ifi_index = index };

	netlink_request(b, RTM_DELLINK, 0, &head, sizeof(head), "delete link", name);
}

void rtnl_port(struct netlink_batch *b, int index, const char *name, bool is_hairpin,
	       bool is_isolated)
{
	struct ifinfomsg head = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	size_t nest;

	netlink_request(b, RTM_SETLINK, 0, &head, sizeof(head), "change bridge port", name);
	nest = netlink_nest(b, IFLA_PROTINFO);
	netlink_put_u8(b, IFLA_BRPORT_MODE, is_hairpin);
	netlink_put_u8(b, IFLA_BRPORT_ISOLATED, is_isolated);
	netlink_nest_end(b, nest);
}

void rtnl_port_vlan(struct netlink_batch *b, int index, const char *name, uint16_t vid,
		    unsigned int flags)
{
	struct ifinfomsg head = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	struct bridge_vlan_info info = {
		.flags = (flags & RTNL_VLAN_PVID ? BRIDGE_VLAN_INFO_PVID : 0) |
			 (flags & RTNL_VLAN_UNTAGGED ? BRIDGE_VLAN_INFO_UNTAGGED : 0),
		.vid = vid,
	};
	bool is_delete = flags & RTNL_VLAN_DELETE;
	size_t nest;

	netlink_request(b, is_delete ? RTM_DELLINK : RTM_SETLINK, 0, &head, sizeof(head),
			is_delete ? "remove VLAN of bridge port" : "add VLAN to bridge port", name);
	nest = netlink_nest(b, IFLA_AF_SPEC);
	netlink_put_u16(b, IFLA_BRIDGE_FLAGS,
			flags & RTNL_VLAN_SELF ? BRIDGE_FLAGS_SELF : BRIDGE_FLAGS_MASTER);
	netlink_put(b, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
	netlink_nest_end(b, nest);
}
