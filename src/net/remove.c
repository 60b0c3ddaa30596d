/* A network's end: its record first, so that nobody begins to use it, then what stood for it on the host. */
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/network.h"
#include "net/rules/rules.h"
#include "sys/rtnl.h"

static int remove_bridge(const char *name, struct err *e)
{
	AUTO_NETLINK struct netlink nl = NETLINK_NONE;
	struct netlink_batch b;
	struct rtnl_link link;
	int r = netlink_open(NETLINK_ROUTE, -EBADF, &nl, e);

	if (r == 0)
		r = rtnl_link_get(&nl, name, 0, &link, e);
	if (r < 0 || !streq(link.kind, "bridge"))
		return r == -ENODEV ? 0 : r;
	netlink_begin(&b, &nl);
	rtnl_delete(&b, link.index, link.name);
	return netlink_send(&b, e);
}

static int remove_addresses(const struct net *n, const struct net_network *nw, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/net/ipam/%s", n->state, nw->name);
	int r = path ? dir_remove_at(AT_FDCWD, path) : -ENOMEM;

	return r < 0 ? err_sys(e, r, "remove the addresses of network '%s'", nw->name) : 0;
}

static int remove_rules(const struct net *n, const struct net_network *nw, struct err *e)
{
	struct rules_place where;
	struct rules rules;
	int r = rules_of_state(n->state, &where, &rules, e);

	return r < 0 ? r : rules_network_del(&rules, nw->name, e);
}

int net_remove(const struct net *n, const struct net_network *nw, struct err *e)
{
	AUTO_FREE char *path = str_printf("%s/networks/%s.json", n->root, nw->name);
	int r;

	if (!net_has_names(nw))
		return err_set(e, -EPERM, "%s is a pre-defined network and cannot be removed",
			       nw->name);
	if (!path || (unlink(path) < 0 && errno != ENOENT))
		return err_sys(e, path ? -errno : -ENOMEM, "remove network '%s'", nw->name);
	r = remove_addresses(n, nw, e);
	if (r == 0)
		r = remove_rules(n, nw, e);
	return r < 0 ? r : remove_bridge(nw->bridge, e);
}
