#include "net/names.h"

#include "base/err.h"
#include "net/dns/client.h"

/* Name, hostname and aliases of one endpoint; the short id is among the aliases. */
static int fill_names(const struct net_sandbox *s, const struct net_endpoint *ep,
		      struct dns_network *dn, struct arena *a, struct err *e)
{
	const char **names = arena_calloc(a, ep->aliases.n + 2, sizeof(*names));

	if (!names)
		return err_sys(e, -ENOMEM, "names");
	if (s->name)
		names[dn->names_n++] = s->name;
	if (s->hostname)
		names[dn->names_n++] = s->hostname;
	for (size_t i = 0; i < ep->aliases.n; i++)
		names[dn->names_n++] = ep->aliases.v[i];
	dn->names = names;
	return 0;
}

static int fill_network(const struct net_sandbox *s, const struct net_endpoint *ep,
			struct dns_network *dn, struct arena *a, struct err *e)
{
	const char **addresses = arena_calloc(a, 2, sizeof(*addresses));

	*dn = (struct dns_network){ .name = ep->network, .addresses = addresses };
	if (!addresses)
		return err_sys(e, -ENOMEM, "names");
	if (ep->address)
		addresses[dn->addresses_n++] = ep->address;
	if (ep->address6)
		addresses[dn->addresses_n++] = ep->address6;
	return fill_names(s, ep, dn, a, e);
}

int net_names_attach(const struct net *n, const struct net_sandbox *s, int netns_fd,
		     const char *netns_path, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct dns_network *networks = arena_calloc(&a, s->endpoints.n, sizeof(*networks));
	struct dns_endpoint ep = {
		.container_id = s->container_id,
		.netns_path = netns_path,
		.netns_fd = netns_fd,
		.networks = networks,
		.servers = s->dns.v,
		.servers_n = s->dns.n,
		.is_internal = true,
	};
	int r = networks ? 0 : err_sys(e, -ENOMEM, "names");

	for (size_t i = 0; r == 0 && i < s->endpoints.n; i++) {
		const struct net_endpoint *v = &s->endpoints.v[i];

		/* Others are asked as soon as one network leads out. */
		ep.is_internal &= v->is_internal;
		if (v->has_names)
			r = fill_network(s, v, &networks[ep.networks_n++], &a, e);
	}
	return r < 0 ? r : dns_attach(n->state, &ep, e);
}

void net_names_detach(const struct net *n, const struct net_sandbox *s)
{
	(void)dns_detach(n->state, s->container_id, NULL);
}
