/* What the options of create say of networks and ports: checked, and put into the document. */
#include <stdio.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"
#include "engine/priv.h"
#include "net/ports.h"
#include "net/subnet.h"

const char *engine_network_peer(const struct doc *d)
{
	return d->network ? str_skip(d->network, "container:") : NULL;
}

static bool is_special(const char *name)
{
	return streq(name, "none") || streq(name, "host") || str_skip(name, "container:");
}

static bool has_address(const struct engine_network_want *w)
{
	return w->ip || w->ip6 || w->mac || strv_len(w->aliases);
}

static int check_address(const char *text, int family, const struct net_network *nw, struct err *e)
{
	const char *subnet = family == AF_INET ? nw->subnet : nw->subnet6;
	struct ip_net s, whole;
	int r = text ? subnet_parse_host(text, &s, e) : 0;

	if (r < 0 || !text)
		return r;
	if (s.addr.family != family)
		return err_set(e, -EINVAL, "invalid %s address: %s",
			       family == AF_INET ? "IPv4" : "IPv6", text);
	if (!subnet || subnet_parse(subnet, &whole, NULL) < 0 || !subnet_contains(&whole, &s))
		return err_set(
			e, -EINVAL,
			"invalid endpoint settings: no configured subnet contains IP address %s",
			text);
	return 0;
}

static int check_mac(const char *mac, struct err *e)
{
	uint8_t bytes[MAC_LEN];

	if (mac && mac_parse(mac, bytes) < 0)
		return err_set(e, -EINVAL, "%s is not a valid mac address", mac);
	return 0;
}

int engine_network_plan_one(struct engine *en, const struct engine_network_want *w,
			    struct doc_network *dn, struct arena *a, struct err *e)
{
	struct net n = engine_net(en);
	struct net_network *nw;
	int r = net_find(&n, w->name, a, &nw, e);

	if (r < 0)
		return r;
	if (!net_has_names(nw) && strv_len(w->aliases))
		return err_set(e, -EINVAL,
			       "network-scoped alias is supported only for containers in user "
			       "defined networks");
	*dn = (struct doc_network){ .name = nw->name,
				    .id = nw->id,
				    .aliases = { (const char **)w->aliases, strv_len(w->aliases) },
				    .ip = w->ip,
				    .ip6 = w->ip6,
				    .mac = w->mac };
	r = check_address(w->ip, AF_INET, nw, e);
	if (r == 0)
		r = check_address(w->ip6, AF_INET6, nw, e);
	return r < 0 ? r : check_mac(w->mac, e);
}

static int plan_peer(struct engine *en, const char *peer, struct doc *d, struct arena *a,
		     struct err *e)
{
	struct loaded l;
	int r = *peer ? engine_load(en, peer, a, &l, e)
		      : err_set(e, -EINVAL, "invalid container format container:<name|id>");

	if (r < 0)
		return r;
	d->network = arena_printf(a, "container:%s", l.row.id);
	return d->network ? 0 : err_sys(e, -ENOMEM, "network");
}

static int plan_special(struct engine *en, const struct engine_network_want *w, size_t n,
			struct doc *d, struct arena *a, struct err *e)
{
	const char *peer = str_skip(w->name, "container:");

	if (n > 1)
		return err_set(e, -EINVAL,
			       "conflicting options: cannot attach both user-defined and "
			       "non-user-defined network-modes");
	if (has_address(w))
		return err_set(e, -EINVAL,
			       "conflicting options: addresses and aliases need a network of "
			       "the container's own, not '%s'",
			       w->name);
	d->network = w->name;
	return peer ? plan_peer(en, peer, d, a, e) : 0;
}

static int plan_networks(struct engine *en, const struct engine_network_want *v, size_t n,
			 struct doc *d, struct arena *a, struct err *e)
{
	d->networks.v = arena_calloc(a, n, sizeof(*d->networks.v));
	if (!d->networks.v)
		return err_sys(e, -ENOMEM, "network");
	if (n > ENGINE_NETWORKS_MAX)
		return err_set(e, -E2BIG, "more than %d networks", ENGINE_NETWORKS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct doc_network *dn = &d->networks.v[d->networks.n];
		int r;

		if (is_special(v[i].name))
			return plan_special(en, &v[i], n, d, a, e);
		r = engine_network_plan_one(en, &v[i], dn, a, e);
		if (r < 0)
			return r;
		for (size_t j = 0; j < d->networks.n; j++)
			if (streq(d->networks.v[j].id, dn->id))
				return err_set(e, -EINVAL, "network %s is specified more than once",
					       dn->name);
		d->networks.n++;
	}
	d->network = d->networks.v[0].name;
	return 0;
}

static int add_ports(const struct net_publishes *list, struct doc *d, struct arena *a,
		     struct err *e)
{
	struct doc_port *v = arena_calloc(a, d->ports.n + list->n + 1, sizeof(*v));

	if (!v)
		return err_sys(e, -ENOMEM, "published ports");
	if (d->ports.n)
		memcpy(v, d->ports.v, d->ports.n * sizeof(*v));
	for (size_t i = 0; i < list->n; i++)
		v[d->ports.n++] = (struct doc_port){
			.proto = list->v[i].proto,
			.host_ip = list->v[i].host_ip,
			.container_port = list->v[i].container_port,
			.host_first = list->v[i].host_first,
			.host_last = list->v[i].host_last,
		};
	d->ports.v = v;
	return 0;
}

static bool is_published(const struct net_publishes *list, const struct net_publish *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].container_port == p->container_port &&
		    streq(list->v[i].proto, p->proto))
			return true;
	return false;
}

/* What -p, --expose and the image name; with -P all of it is published. */
static int plan_ports(const struct engine_create_options *o, const struct image_record *img,
		      struct doc *d, struct arena *a, struct err *e)
{
	struct net_publishes published = { 0 }, exposed = { 0 }, rest = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && o->publish && o->publish[i]; i++)
		r = net_publish_parse(o->publish[i], a, &published, e);
	for (size_t i = 0; r == 0 && o->expose && o->expose[i]; i++)
		r = net_expose_parse(o->expose[i], a, &exposed, e);
	for (size_t i = 0; r == 0 && i < img->exposed_ports.n; i++)
		r = net_expose_parse(img->exposed_ports.v[i], a, &exposed, e);
	d->exposed.v = r == 0 ? arena_calloc(a, exposed.n + published.n + 1, sizeof(*d->exposed.v))
			      : NULL;
	if (r < 0 || !d->exposed.v)
		return r < 0 ? r : err_sys(e, -ENOMEM, "exposed ports");
	rest.v = exposed.v;
	for (size_t i = 0; i < exposed.n; i++) {
		const struct net_publish p = exposed.v[i];

		d->exposed.v[d->exposed.n++] = arena_printf(a, "%u/%s", p.container_port, p.proto);
		if (!is_published(&published, &p) && !is_published(&rest, &p))
			rest.v[rest.n++] = p;
	}
	r = add_ports(&published, d, a, e);
	return r == 0 && o->is_publish_all ? add_ports(&rest, d, a, e) : r;
}

static struct json_strs strs(char *const *v)
{
	return (struct json_strs){ (const char **)v, strv_len(v) };
}

static int check_dns(const struct engine_create_options *o, struct err *e)
{
	struct ip_addr addr;

	for (size_t i = 0; o->dns && o->dns[i]; i++)
		if (ip_addr_parse(o->dns[i], &addr) < 0)
			return err_set(e, -EINVAL, "%s is not an ip address", o->dns[i]);
	for (size_t i = 0; o->extra_hosts && o->extra_hosts[i]; i++) {
		const char *h = o->extra_hosts[i], *sep = h + strcspn(h, ":=");

		if (sep == h || !*sep ||
		    (!streq(sep + 1, "host-gateway") && ip_addr_parse(sep + 1, &addr) < 0))
			return err_set(e, -EINVAL, "bad format for add-host: \"%s\"", h);
	}
	return 0;
}

int engine_network_plan(struct engine *en, const struct engine_create_options *o,
			const struct image_record *img, struct doc *d, struct arena *a,
			struct err *e)
{
	const struct engine_network_want def = { .name = ENGINE_DEFAULT_NETWORK };
	int r = check_dns(o, e);

	if (r == 0)
		r = plan_networks(en, o->networks_len ? o->networks : &def,
				  MAX(o->networks_len, (size_t)1), d, a, e);
	if (r == 0)
		r = plan_ports(o, img, d, a, e);
	if (r < 0)
		return r;
	d->dns = strs(o->dns);
	d->dns_search = strs(o->dns_search);
	d->dns_options = strs(o->dns_options);
	d->extra_hosts = strs(o->extra_hosts);
	if (engine_network_peer(d) && d->ports.n)
		return err_set(e, -EINVAL,
			       "conflicting options: port publishing and the container type "
			       "network mode");
	return 0;
}
