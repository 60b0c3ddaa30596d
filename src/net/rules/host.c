/* What published ports need of the host besides rules: its loopback's way out, and forgotten UDP flows. */
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"
#include "sys/conntrack.h"
#include "sys/netlink.h"

static int take_route(void *data, const struct nlmsghdr *h, struct err *e)
{
	const struct nlattr *a[RTA_MAX + 1];

	netlink_attrs_of(h, sizeof(struct rtmsg), a, RTA_MAX);
	*(uint32_t *)data = netlink_attr_u32(a[RTA_OIF], 0);
	return 0;
}

int rules_route_interface(const struct ip_addr *a, char ifname[16], struct err *e)
{
	struct rtmsg msg = { .rtm_family = a->family, .rtm_dst_len = ip_addr_bits(a) };
	AUTO_NETLINK struct netlink n = NETLINK_NONE;
	struct netlink_batch b;
	uint32_t index = 0;
	int r = netlink_open(NETLINK_ROUTE, -EBADF, &n, e);

	ifname[0] = '\0';
	if (r < 0)
		return r;
	netlink_begin(&b, &n);
	netlink_request(&b, RTM_GETROUTE, 0, &msg, sizeof(msg), "ask for the container's route",
			NULL);
	/* A container that is gone already has none. */
	netlink_tolerate(&b, -ENETUNREACH);
	netlink_put(&b, RTA_DST, a->bytes, ip_addr_len(a));
	r = netlink_dump(&b, 1, take_route, &index, e);
	if (index && !if_indextoname(index, ifname))
		ifname[0] = '\0';
	return r;
}

int rules_allow_localnet(const char *ifname, struct err *e)
{
	char path[96];
	AUTO_FREE char *now = NULL;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/route_localnet", ifname);
	/* Writing makes the kernel drop its route caches. */
	if (file_read_at(AT_FDCWD, path, 64, &now, &len) == 0 && now[0] == '1')
		return 0;
	r = file_write_at(AT_FDCWD, path, "1");
	return r < 0 ? err_sys(e, r, "write '1' to '%s'", path) : 0;
}

static int forget_port(const struct cni_port *p, uint8_t family, struct err *e)
{
	struct conntrack_filter f = { .family = family,
				      .protocol = IPPROTO_UDP,
				      .port = (uint16_t)p->host_port };
	struct ip_addr at = { .family = 0 };

	if (p->host_ip && *p->host_ip && ip_addr_parse(p->host_ip, &at) == 0) {
		if (at.family != family)
			return 0;
		if (!ip_addr_is_zero(&at))
			f.destination = at;
	}
	return MIN(conntrack_forget(&f, e), 0);
}

/* To the container: by who answers, in one go. To its ports: by what the first packet was sent to. */
static int forget_at(const struct rules_record *rec, const struct ip_addr *a, bool to_container,
		     struct err *e)
{
	struct conntrack_filter f = { .family = a->family,
				      .protocol = IPPROTO_UDP,
				      .answers_from = *a };
	bool has_udp = false;
	int r = 0;

	for (size_t i = 0; i < rec->ports->ports.n && r == 0; i++) {
		const struct cni_port *p = &rec->ports->ports.v[i];

		if (rules_protocol(p, NULL) != IPPROTO_UDP)
			continue;
		has_udp = true;
		if (!to_container)
			r = forget_port(p, a->family, e);
	}
	return r == 0 && has_udp && to_container ? MIN(conntrack_forget(&f, e), 0) : r;
}

int rules_forget_flows(const struct rules_record *rec, bool to_container, struct err *e)
{
	struct ip_net net;
	int r = 0;

	for (size_t i = 0; i < rec->addresses.n && rec->ports && r == 0; i++)
		if (ip_net_parse_loose(rec->addresses.v[i], &net) == 0)
			r = forget_at(rec, &net.addr, to_container, e);
	return r;
}
