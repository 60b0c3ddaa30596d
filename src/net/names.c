#include "net/names.h"

#include "base/err.h"
#include "base/log.h"
#include "net/dns/client.h"

/* What a container is called on a network besides its aliases: name and hostname. */
#define OWN_NAMES 2

static int fill_network(const struct net_sandbox *s, const struct net_endpoint *ep, struct arena *a,
			struct dns_network *ret, struct err *e)
{
	const char **addresses = arena_calloc(a, 2, sizeof(*addresses));
	const char **names = arena_calloc(a, ep->aliases.n + OWN_NAMES, sizeof(*names));

	if (!addresses || !names)
		return err_set(e, -ENOMEM, "no memory for names");
	addresses[0] = ep->address;
	addresses[1] = ep->address6;
	/* The name first: it is what an address is called. */
	names[0] = s->name;
	for (size_t i = 0; i < ep->aliases.n; i++)
		names[1 + i] = ep->aliases.v[i];
	names[1 + ep->aliases.n] = s->hostname;
	*ret = (struct dns_network){ .name = ep->network,
				     .addresses = addresses,
				     .addresses_n = 2,
				     .names = names,
				     .names_n = ep->aliases.n + OWN_NAMES };
	return 0;
}

/* A container with any way out may ask others, through the host. */
static bool is_internal(const struct net_sandbox *s)
{
	for (size_t i = 0; i < s->endpoints.n; i++)
		if (!s->endpoints.v[i].is_internal)
			return false;
	return true;
}

int net_names_attach(const struct net *n, const struct net_sandbox *s, int netns_fd,
		     const char *netns_path, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct dns_network *networks = arena_calloc(&a, s->endpoints.n + 1, sizeof(*networks));
	struct dns_endpoint ep = { .container_id = s->container_id,
				   .netns_path = netns_path,
				   .netns_fd = netns_fd,
				   .networks = networks,
				   .servers = s->dns.v,
				   .servers_n = s->dns.n,
				   .is_internal = is_internal(s) };
	int r = networks ? 0 : err_set(e, -ENOMEM, "no memory for names");

	for (size_t i = 0; r == 0 && i < s->endpoints.n; i++)
		if (s->endpoints.v[i].has_names)
			r = fill_network(s, &s->endpoints.v[i], &a, &networks[ep.networks_n++], e);
	return r < 0 ? r : dns_attach(n->state, &ep, e);
}

void net_names_detach(const struct net *n, const struct net_sandbox *s)
{
	struct err why = ERR_INIT;

	if (dns_detach(n->state, s->container_id, &why) < 0)
		log_debug("names of '%s': %s", s->container_id, why.msg);
}
