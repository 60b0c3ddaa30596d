/* The network parts of docker's container object: what the task folder and the document say. */
#include <stdio.h>

#include "base/fd.h"
#include "base/ip.h"
#include "base/str.h"
#include "engine/priv.h"

static void put_host(struct json_writer *w, const char *ip, uint32_t port)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", port);
	json_begin_object(w, NULL);
	json_put_str(w, "HostIp", ip ? ip : "");
	json_put_str(w, "HostPort", port ? text : "");
	json_end_object(w);
}

/* Sorted by port, so that one key's hosts stand together. */
static void put_ports(struct json_writer *w, const struct engine_port *v, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t first = i;
		char key[32];

		snprintf(key, sizeof(key), "%u/%s", v[i].container_port, v[i].proto);
		if (v[i].host_port)
			json_begin_array(w, key);
		else
			json_put_null(w, key);
		for (; i < n && v[i].container_port == v[first].container_port &&
		       streq(v[i].proto, v[first].proto);
		     i++)
			if (v[i].host_port)
				put_host(w, v[i].host_ip, v[i].host_port);
		if (v[first].host_port)
			json_end_array(w);
	}
}

static void put_address(struct json_writer *w, const char *address, const char *key,
			const char *length_key)
{
	struct ip_net net = { 0 };
	char text[IP_TEXT_MAX] = "";

	if (address && ip_net_parse(address, &net) == 0)
		ip_addr_text(&net.addr, text);
	json_put_str(w, key, text);
	json_put_i64(w, length_key, net.prefix);
}

static void put_endpoint(struct json_writer *w, const char *container, const struct doc_network *dn,
			 const struct net_endpoint *ep)
{
	json_begin_object(w, dn->name);
	json_begin_object(w, "IPAMConfig");
	if (dn->ip)
		json_put_str(w, "IPv4Address", dn->ip);
	if (dn->ip6)
		json_put_str(w, "IPv6Address", dn->ip6);
	json_end_object(w);
	json_put_null(w, "Links");
	json_begin_array(w, "Aliases");
	for (size_t i = 0; i < dn->aliases.n; i++)
		json_put_str(w, NULL, dn->aliases.v[i]);
	json_end_array(w);
	json_put_str(w, "MacAddress", ep && ep->mac ? ep->mac : "");
	json_put_null(w, "DriverOpts");
	json_put_str(w, "NetworkID", dn->id ? dn->id : "");
	json_put_str(w, "EndpointID", "");
	json_put_str(w, "Gateway", ep && ep->gateway ? ep->gateway : "");
	put_address(w, ep ? ep->address : NULL, "IPAddress", "IPPrefixLen");
	json_put_str(w, "IPv6Gateway", ep && ep->gateway6 ? ep->gateway6 : "");
	put_address(w, ep ? ep->address6 : NULL, "GlobalIPv6Address", "GlobalIPv6PrefixLen");
	json_begin_array(w, "DNSNames");
	if (ep && ep->has_names)
		json_put_str(w, NULL, container);
	for (size_t i = 0; ep && ep->has_names && i < ep->aliases.n; i++)
		json_put_str(w, NULL, ep->aliases.v[i]);
	json_end_array(w);
	json_end_object(w);
}

static const struct net_endpoint *endpoint_of(const struct net_sandbox *s, const char *id)
{
	for (size_t i = 0; s && id && i < s->endpoints.n; i++)
		if (streq(s->endpoints.v[i].network_id, id))
			return &s->endpoints.v[i];
	return NULL;
}

void engine_inspect_network(struct engine *en, struct json_writer *w, const struct loaded *l)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD fd = engine_task_open(en, l->row.id, NULL);
	struct net_sandbox *s = NULL;
	struct engine_port *ports = NULL;
	size_t n = 0;

	if (fd >= 0 && net_sandbox_read(fd, &a, &s, NULL) < 0)
		s = NULL;
	(void)engine_container_ports(en, l->row.id, &a, &ports, &n, NULL);
	json_begin_object(w, "NetworkSettings");
	json_begin_object(w, "Ports");
	put_ports(w, ports, n);
	json_end_object(w);
	json_begin_object(w, "Networks");
	for (size_t i = 0; i < l->doc->networks.n; i++)
		put_endpoint(w, l->row.name, &l->doc->networks.v[i],
			     endpoint_of(s, l->doc->networks.v[i].id));
	if (l->doc->networks.n == 0) {
		const char *mode = l->doc->network ? l->doc->network : "none";

		if (!engine_network_peer(l->doc))
			put_endpoint(w, l->row.name, &(struct doc_network){ .name = mode }, NULL);
	}
	json_end_object(w);
	json_end_object(w);
}

void engine_inspect_bindings(struct json_writer *w, const struct doc *d)
{
	json_begin_object(w, "PortBindings");
	for (size_t i = 0; i < d->ports.n; i++) {
		const struct doc_port *p = &d->ports.v[i];
		bool is_first = true;
		char key[32];

		for (size_t k = 0; k < i; k++)
			is_first &= d->ports.v[k].container_port != p->container_port ||
				    !streq(d->ports.v[k].proto, p->proto);
		if (!is_first)
			continue;
		snprintf(key, sizeof(key), "%u/%s", p->container_port, p->proto);
		json_begin_array(w, key);
		for (size_t k = i; k < d->ports.n; k++)
			if (d->ports.v[k].container_port == p->container_port &&
			    streq(d->ports.v[k].proto, p->proto))
				put_host(w, d->ports.v[k].host_ip, d->ports.v[k].host_first);
		json_end_array(w);
	}
	json_end_object(w);
}
