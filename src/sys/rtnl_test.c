#include "sys/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/test.h"
#include "sys/ns.h"

/* Two namespaces of the case's own: the "host", in which the program is from then on, and a container's. */
static struct netlink host = { .fd = -EBADF }, inner = { .fd = -EBADF };
static int inner_fd = -EBADF;
static struct netlink_batch b;
static struct err e;

static int new_netns(void)
{
	return unshare(CLONE_NEWNET) == 0 ? open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
					  : -errno;
}

static void set_up(void)
{
	netlink_close(&host);
	netlink_close(&inner);
	close(inner_fd);
	inner_fd = new_netns();
	if (inner_fd < 0)
		TEST_SKIP("network namespaces need CAP_SYS_ADMIN");
	CHECK_EQ(netlink_open(NETLINK_ROUTE, inner_fd, &inner, &e), 0);
	CHECK_EQ(close(new_netns()), 0);
	CHECK_EQ(netlink_open(NETLINK_ROUTE, -EBADF, &host, &e), 0);
	e = ERR_INIT;
	netlink_begin(&b, &host);
}

static struct rtnl_link link_of(struct netlink *n, const char *name)
{
	struct rtnl_link l = { 0 };

	CHECK_EQ(rtnl_link_get(n, name, 0, &l, &e), 0);
	return l;
}

static void send_host(void)
{
	int r = netlink_send(&b, &e);

	if (r == -EOPNOTSUPP)
		TEST_SKIP("this kernel lacks it: %s", e.msg);
	if (r < 0)
		TEST_END(TEST_FAILED, "%s", e.msg);
}

/* What a program of iproute2 prints for our namespace contains the text. */
static bool shows(const char *command, const char *text)
{
	char out[8192];
	FILE *p = popen(command, "r");
	size_t n = p ? fread(out, 1, sizeof(out) - 1, p) : 0;

	out[n] = '\0';
	if (p)
		pclose(p);
	if (n == 0)
		TEST_SKIP("needs iproute2: %s", command);
	return strstr(out, text) != NULL;
}

static void add_pair(void)
{
	struct rtnl_end end = { .name = "veth0", .mtu = 1400, .is_up = true },
			peer = { .name = "eth0", .netns_fd = inner_fd };

	rtnl_add_bridge(&b, "br0", 0, false);
	send_host();
	end.master = link_of(&host, "br0").index;
	rtnl_add_veth(&b, &end, &peer);
	send_host();
}

TEST(one_request_makes_a_port_of_a_bridge_and_its_peer_in_another_namespace)
{
	struct rtnl_link bridge, port, eth0;

	set_up();
	add_pair();
	bridge = link_of(&host, "br0");
	port = link_of(&host, "veth0");
	eth0 = link_of(&inner, "eth0");
	CHECK_STR(bridge.kind, "bridge");
	CHECK_STR(port.kind, "veth");
	CHECK_EQ(port.mtu, 1400);
	CHECK_EQ(port.master, bridge.index);
	CHECK_EQ(port.parent, eth0.index);
	CHECK_EQ(eth0.parent, port.index);
	CHECK(port.flags & IFF_UP);
	CHECK(!(eth0.flags & IFF_UP));
	CHECK(shows("ip -d link show veth0", "master br0"));
}

TEST(the_thread_is_in_its_own_namespace_behind_an_open)
{
	int before, after;

	set_up();
	before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	netlink_close(&inner);
	CHECK_EQ(netlink_open(NETLINK_ROUTE, inner_fd, &inner, &e), 0);
	after = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(ns_is_same(before, after), 1);
	CHECK_EQ(ns_is_same(before, inner_fd), 0);
	close(before);
	close(after);
}

TEST(a_failure_names_the_request_and_the_rest_is_tried)
{
	set_up();
	rtnl_add_bridge(&b, "br0", 0, false);
	rtnl_add_bridge(&b, "br0", 0, false);
	rtnl_add_bridge(&b, "br1", 0, false);
	CHECK_EQ(netlink_send(&b, &e), -EEXIST);
	CHECK_STR(e.msg, "create bridge 'br0': file exists");
	CHECK_STR(link_of(&host, "br1").kind, "bridge");
}

TEST(what_is_tolerated_is_no_failure)
{
	set_up();
	rtnl_add_bridge(&b, "br0", 0, false);
	rtnl_add_bridge(&b, "br0", 0, false);
	netlink_tolerate(&b, -EEXIST);
	CHECK_EQ(netlink_send(&b, &e), 0);
}

TEST(a_batch_that_is_too_large_is_refused_whole)
{
	set_up();
	for (int i = 0; i < NETLINK_BATCH_MAX + 1; i++)
		rtnl_up(&b, 1, "lo");
	CHECK_EQ(netlink_send(&b, &e), -E2BIG);
	CHECK_EQ(netlink_send(&b, &e), 0);
	CHECK(!(link_of(&host, "lo").flags & IFF_UP));
}

TEST(a_link_that_is_not_there_gives_enodev)
{
	struct rtnl_link l;

	set_up();
	CHECK_EQ(rtnl_link_get(&host, "nothing", 0, &l, &e), -ENODEV);
	CHECK_STR(e.msg, "look up link 'nothing': no such device");
	CHECK_EQ(rtnl_link_get(&host, "a-name-that-is-too-long", 0, &l, &e), -ENODEV);
	CHECK_EQ(rtnl_link_get(&host, "", 0, &l, &e), -ENODEV);
	CHECK_EQ(rtnl_link_get(&host, NULL, 99, &l, &e), -ENODEV);
	CHECK_EQ(rtnl_link_get(&host, NULL, 1, &l, &e), 0);
	CHECK_STR(l.name, "lo");
}

TEST(links_change_name_mac_mtu_and_namespace)
{
	static const uint8_t mac[MAC_LEN] = { 2, 0, 0, 0, 0, 7 };
	struct rtnl_change c = { .mac = mac,
				 .mtu = 1300,
				 .new_name = "eth7",
				 .has_tx_queue_len = true,
				 .tx_queue_len = 55 };
	struct rtnl_link l;

	set_up();
	add_pair();
	rtnl_change(&b, link_of(&host, "veth0").index, "veth0",
		    &(struct rtnl_change){ .change = IFF_UP });
	rtnl_change(&b, link_of(&host, "veth0").index, "veth0", &c);
	send_host();
	l = link_of(&host, "eth7");
	CHECK(memcmp(l.mac, mac, MAC_LEN) == 0);
	CHECK_EQ(l.mtu, 1300);
	CHECK_EQ(l.tx_queue_len, 55);
	rtnl_change(&b, l.index, "eth7", &(struct rtnl_change){ .master = -1 });
	send_host();
	CHECK_EQ(link_of(&host, "eth7").master, 0);
	rtnl_change(&b, l.index, "eth7", &(struct rtnl_change){ .netns_fd = inner_fd });
	send_host();
	CHECK_STR(link_of(&inner, "eth7").name, "eth7");
	CHECK_EQ(rtnl_link_get(&host, "eth7", 0, &l, &e), -ENODEV);
}

TEST(deleting_one_end_takes_the_other_along)
{
	struct rtnl_link l;

	set_up();
	add_pair();
	rtnl_delete(&b, link_of(&host, "veth0").index, "veth0");
	send_host();
	CHECK_EQ(rtnl_link_get(&inner, "eth0", 0, &l, &e), -ENODEV);
}

TEST(a_port_reflects_and_is_isolated)
{
	set_up();
	add_pair();
	rtnl_port(&b, link_of(&host, "veth0").index, "veth0", true, true);
	send_host();
	CHECK(shows("ip -d link show veth0", "hairpin on"));
	CHECK(shows("ip -d link show veth0", "isolated on"));
}

TEST(a_port_is_in_its_vlans)
{
	struct rtnl_end end = { .name = "veth0" }, peer = { .name = "eth0", .netns_fd = inner_fd };
	struct rtnl_link bridge;

	set_up();
	rtnl_add_bridge(&b, "br0", 0, true);
	send_host();
	bridge = link_of(&host, "br0");
	CHECK(bridge.is_vlan_filtering);
	end.master = bridge.index;
	rtnl_add_veth(&b, &end, &peer);
	send_host();
	rtnl_port_vlan(&b, link_of(&host, "veth0").index, "veth0", bridge.default_vlan,
		       RTNL_VLAN_DELETE);
	rtnl_port_vlan(&b, link_of(&host, "veth0").index, "veth0", 7,
		       RTNL_VLAN_PVID | RTNL_VLAN_UNTAGGED);
	send_host();
	CHECK(shows("bridge vlan show dev veth0", "7 PVID Egress Untagged"));
}

TEST(a_macvlan_is_made_on_its_parent_in_another_namespace)
{
	struct rtnl_end end = { .name = "mac0", .netns_fd = inner_fd };
	struct rtnl_link l;

	set_up();
	add_pair();
	rtnl_add_macvlan(&b, &end, link_of(&host, "br0").index, MACVLAN_MODE_BRIDGE, 0);
	send_host();
	l = link_of(&inner, "mac0");
	CHECK_STR(l.kind, "macvlan");
	CHECK_EQ(l.macvlan_mode, MACVLAN_MODE_BRIDGE);
}

struct list {
	size_t n;
	char text[20][IP_TEXT_MAX];
	struct rtnl_route routes[20];
};

static int take_addr(void *data, const struct rtnl_addr *a)
{
	struct list *l = data;

	if (l->n < 20 && a->scope != RT_SCOPE_LINK)
		ip_net_text(&a->net, l->text[l->n++]);
	return 0;
}

static struct ip_net net_of(const char *text)
{
	struct ip_net n = { 0 };

	CHECK_EQ(ip_net_parse(text, &n), 0);
	return n;
}

TEST(addresses_are_added_listed_and_removed)
{
	struct ip_net four = net_of("10.9.0.1/24"), six = net_of("fd00:9::1/64");
	struct list l = { 0 };
	int index;

	set_up();
	add_pair();
	index = link_of(&host, "br0").index;
	rtnl_addr(&b, RTNL_ADD, index, "br0", &four, false);
	rtnl_addr(&b, RTNL_ADD, index, "br0", &six, false);
	send_host();
	CHECK_EQ(rtnl_addr_list(&host, index, take_addr, &l, &e), 0);
	CHECK_EQ(l.n, 2);
	CHECK_STR(l.text[0], "10.9.0.1/24");
	CHECK_STR(l.text[1], "fd00:9::1/64");
	CHECK(shows("ip addr show br0", "brd 10.9.0.255"));
	CHECK(shows("ip addr show br0", "fd00:9::1/64 scope global nodad"));
	rtnl_addr(&b, RTNL_ADD, index, "br0", &four, false);
	CHECK_EQ(netlink_send(&b, &e), -EEXIST);
	rtnl_addr(&b, RTNL_DELETE, index, "br0", &four, false);
	rtnl_addr(&b, RTNL_DELETE, index, "br0", &six, false);
	send_host();
	rtnl_addr(&b, RTNL_DELETE, index, "br0", &four, false);
	CHECK_EQ(netlink_send(&b, &e), -EADDRNOTAVAIL);
	l.n = 0;
	CHECK_EQ(rtnl_addr_list(&host, index, take_addr, &l, &e), 0);
	CHECK_EQ(l.n, 0);
}

static int take_route(void *data, const struct rtnl_route *r)
{
	struct list *l = data;

	if (l->n < 20 && r->gateway.family != AF_UNSPEC)
		l->routes[l->n++] = *r;
	return 0;
}

static struct rtnl_route route_of(const char *dst, const char *gateway, int index)
{
	struct rtnl_route r = { .dst = net_of(dst), .index = index };

	CHECK_EQ(ip_addr_parse(gateway, &r.gateway), 0);
	return r;
}

TEST(routes_are_added_listed_replaced_and_removed)
{
	struct ip_net four = net_of("10.9.0.1/24"), six = net_of("fd00:9::1/64");
	struct rtnl_route route;
	struct list l = { 0 };
	int index;

	set_up();
	add_pair();
	index = link_of(&host, "br0").index;
	rtnl_addr(&b, RTNL_ADD, index, "br0", &four, false);
	rtnl_addr(&b, RTNL_ADD, index, "br0", &six, false);
	rtnl_up(&b, index, "br0");
	route = route_of("0.0.0.0/0", "10.9.0.2", index);
	route.mtu = 1200;
	rtnl_route(&b, RTNL_ADD, &route, true);
	route = route_of("fd00:77::/64", "fd00:9::2", index);
	route.table = 1000;
	rtnl_route(&b, RTNL_ADD, &route, true);
	send_host();
	CHECK(shows("ip route", "default via 10.9.0.2 dev br0 "));
	CHECK(shows("ip route", " mtu 1200"));
	CHECK(shows("ip -6 route show table 1000", "fd00:77::/64 via fd00:9::2"));
	CHECK_EQ(rtnl_route_list(&host, AF_UNSPEC, take_route, &l, &e), 0);
	CHECK_EQ(l.n, 2);
	CHECK_EQ(l.routes[0].dst.prefix, 0);
	CHECK_EQ(l.routes[1].table, 1000);

	route = route_of("0.0.0.0/0", "10.9.0.3", index);
	rtnl_route(&b, RTNL_ADD, &route, false);
	CHECK_EQ(netlink_send(&b, &e), -EEXIST);
	rtnl_route(&b, RTNL_REPLACE, &route, false);
	send_host();
	CHECK(shows("ip route", "default via 10.9.0.3"));
	route.scope = RT_SCOPE_NOWHERE;
	rtnl_route(&b, RTNL_DELETE, &route, false);
	send_host();
	rtnl_route(&b, RTNL_DELETE, &route, false);
	CHECK_EQ(netlink_send(&b, &e), -ESRCH);
}

TEST(a_link_is_shaped_both_ways)
{
	struct rtnl_end ifb = { .name = "ifb9", .is_up = true };
	struct rtnl_tbf t = { .rate = 125000, .burst = 32000, .limit = 35125 }, got;
	int index;

	set_up();
	add_pair();
	index = link_of(&host, "veth0").index;
	rtnl_tbf(&b, index, "veth0", &t);
	rtnl_add_ifb(&b, &ifb);
	send_host();
	rtnl_redirect(&b, index, "veth0", link_of(&host, "ifb9").index);
	send_host();
	CHECK(shows("tc qdisc show dev veth0", "tbf 1: root refcnt 5 rate 1Mbit burst 32000b") ||
	      shows("tc qdisc show dev veth0", "rate 1Mbit burst 32000b"));
	CHECK(shows("tc filter show dev veth0 parent ffff:",
		    "mirred (Egress Redirect to device ifb9)"));
	CHECK_EQ(rtnl_tbf_get(&host, index, &got, &e), 0);
	CHECK_EQ(got.rate, t.rate);
	CHECK_EQ(got.limit, t.limit);
	CHECK_EQ(rtnl_tbf_get(&host, 1, &got, &e), -ENOENT);
}

TEST(broken_attributes_end_the_reading)
{
	static const _Alignas(4)
		uint8_t bytes[] = { 8, 0, 1, 0, 5, 0, 0, 0, 200, 0, 2, 0, 1, 2, 3, 4 };
	static const _Alignas(4) uint8_t empty[] = { 0, 0, 1, 0 };
	const struct nlattr *attrs[4];

	netlink_attrs(bytes, sizeof(bytes), attrs, 3);
	CHECK_EQ(netlink_attr_u32(attrs[1], 0), 5);
	CHECK(!attrs[2]);
	netlink_attrs(bytes, 7, attrs, 3);
	CHECK(!attrs[1]);
	netlink_attrs(empty, sizeof(empty), attrs, 3);
	CHECK(!attrs[1]);
}

TEST_MAIN()
