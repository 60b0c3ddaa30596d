#include "net/sandbox.h"

#include <fcntl.h>
#include <net/if.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/chain.h"
#include "net/cni/cni.h"
#include "net/names.h"
#include "net/rules/rules.h"

#define SANDBOX_TEXT_MAX ((size_t)4 << 20)

#define ROW JSON_ROW
static const struct json_field port_rows[] = {
	ROW(cni_port, host_port, "hostPort", JSON_I64, 0),
	ROW(cni_port, container_port, "containerPort", JSON_I64, 0),
	ROW(cni_port, protocol, "protocol", JSON_STR, 0),
	ROW(cni_port, host_ip, "hostIP", JSON_STR, 0),
};
static JSON_TABLE(port_table, "port", cni_port, port_rows);

static const struct json_field endpoint_rows[] = {
	ROW(net_endpoint, network, "network", JSON_STR, JSON_REQUIRED),
	ROW(net_endpoint, network_id, "networkId", JSON_STR, JSON_REQUIRED),
	ROW(net_endpoint, bridge, "bridge", JSON_STR, 0),
	ROW(net_endpoint, ifname, "ifname", JSON_STR, JSON_REQUIRED),
	ROW(net_endpoint, is_primary, "primary", JSON_BOOL, 0),
	ROW(net_endpoint, is_internal, "internal", JSON_BOOL, 0),
	ROW(net_endpoint, has_names, "names", JSON_BOOL, 0),
	ROW(net_endpoint, aliases, "aliases", JSON_STRS, 0),
	ROW(net_endpoint, want_ip, "wantIp", JSON_STR, 0),
	ROW(net_endpoint, want_ip6, "wantIp6", JSON_STR, 0),
	ROW(net_endpoint, want_mac, "wantMac", JSON_STR, 0),
	ROW(net_endpoint, address, "address", JSON_STR, 0),
	ROW(net_endpoint, address6, "address6", JSON_STR, 0),
	ROW(net_endpoint, gateway, "gateway", JSON_STR, 0),
	ROW(net_endpoint, gateway6, "gateway6", JSON_STR, 0),
	ROW(net_endpoint, mac, "mac", JSON_STR, 0),
};
static JSON_TABLE(endpoint_table, "endpoint", net_endpoint, endpoint_rows);

static const struct json_field sandbox_rows[] = {
	ROW(net_sandbox, version, "version", JSON_STR, JSON_REQUIRED),
	ROW(net_sandbox, container_id, "containerId", JSON_STR, JSON_REQUIRED),
	ROW(net_sandbox, name, "name", JSON_STR, 0),
	ROW(net_sandbox, hostname, "hostname", JSON_STR, 0),
	JSON_ROW_SUB(net_sandbox, endpoints, "endpoints", JSON_OBJS, 0, endpoint_table),
	JSON_ROW_SUB(net_sandbox, ports, "ports", JSON_OBJS, 0, port_table),
	ROW(net_sandbox, dns, "dns", JSON_STRS, 0),
};
JSON_TABLE(net_sandbox_table, "sandbox", net_sandbox, sandbox_rows);

int net_sandbox_read(int task_fd, struct arena *a, struct net_sandbox **ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct net_sandbox *s = arena_alloc(a, sizeof(*s));
	size_t len;
	int r = s ? file_read_at(task_fd, NET_SANDBOX_FILE, SANDBOX_TEXT_MAX, &text, &len)
		  : -ENOMEM;

	if (r < 0)
		return r == -ENOENT ? r : err_sys(e, r, "read %s", NET_SANDBOX_FILE);
	r = json_read(&net_sandbox_table, text, len, NULL, a, s, e);
	if (r < 0)
		return err_wrap(e, r, NET_SANDBOX_FILE);
	*ret = s;
	return 0;
}

static int write_sandbox(const struct net_sandbox *s, int task_fd, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	int r;

	json_write(&net_sandbox_table, s, 0, &text);
	r = strbuf_ok(&text);
	if (r == 0)
		r = file_replace_at(task_fd, NET_SANDBOX_FILE, text.p, text.len, 0600, 0);
	return r < 0 ? err_sys(e, r, "write %s", NET_SANDBOX_FILE) : 0;
}

/* ---- one endpoint ---- */

/* Where the chains of people's networks keep what they know. No plugins of others are run for them. */
static int runtime_of(const struct net *n, struct arena *a, struct cni_runtime *ret, struct err *e)
{
	*ret = (struct cni_runtime){ .cache_dir = arena_printf(a, "%s/net", n->state),
				     .bin_path = "" };
	return ret->cache_dir ? 0 : err_sys(e, -ENOMEM, "network");
}

static int chain_of(const struct net *n, const struct net_network *nw,
		    const struct net_endpoint *ep, struct arena *a, struct cni_network **ret,
		    struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	chain_put_list(nw, ep, n->state, &text);
	if (strbuf_ok(&text) < 0)
		return err_sys(e, -ENOMEM, "network '%s'", nw->name);
	return cni_network_parse(NULL, text.p, text.len, a, ret, e);
}

/* The container's interface of the result: the one that lies in a sandbox. */
static void take_result(struct net_endpoint *ep, const struct cni_result *r)
{
	for (size_t i = 0; i < r->interfaces.n; i++)
		if (r->interfaces.v[i].sandbox && *r->interfaces.v[i].sandbox)
			ep->mac = r->interfaces.v[i].mac;
	for (size_t i = 0; i < r->ips.n; i++) {
		bool is_v6 = strchr(r->ips.v[i].address, ':') != NULL;

		*(is_v6 ? &ep->address6 : &ep->address) = r->ips.v[i].address;
		*(is_v6 ? &ep->gateway6 : &ep->gateway) = r->ips.v[i].gateway;
	}
}

struct place {
	const struct net *n;
	const struct net_sandbox *s;
	int netns_fd;
	const char *netns_path; /* NULL: gone */
};

static int attach_of(const struct place *p, const struct net_endpoint *ep, struct arena *a,
		     struct cni_attach *ret, struct err *e)
{
	AUTO_STRBUF struct strbuf args = { 0 };

	chain_put_args(ep, &args);
	*ret = (struct cni_attach){ .container_id = p->s->container_id,
				    .ifname = ep->ifname,
				    .netns_path = p->netns_path,
				    .netns_fd = p->netns_fd };
	ret->capability_args.len = args.len;
	ret->capability_args.p = strbuf_ok(&args) < 0 ? NULL : arena_strndup(a, args.p, args.len);
	return ret->capability_args.p ? 0 : err_sys(e, -ENOMEM, "network");
}

/* ---- rules ---- */

/* The network's own rules are there from its first container on, until it is removed. */
static int ensure_network_rules(const struct rules *rules, const struct net_network *nw,
				struct err *e)
{
	const char *subnets[] = { nw->subnet, nw->subnet6 };
	struct rules_owner owner = { .network = nw->name };
	struct rules_network rn = {
		.name = nw->name,
		.bridge = nw->bridge,
		.subnets = { subnets, nw->subnet6 ? 2 : 1 },
		.is_masqueraded = !nw->is_internal && !nw->no_masquerade,
		.is_isolated = true,
		.is_closed = true,
		.is_internal = nw->is_internal,
		.is_apart = nw->no_icc,
	};

	int r;

	if (rules_check(rules, RULES_NETWORK, &owner, NULL) == 0)
		return 0;
	r = rules_network_add(rules, &rn, e);
	/* docker's, ufw's and firewalld's chains may drop what they do not know; `info` tells of those that stay. */
	return r < 0 ? r : MIN(rules_foreign_admit(rules, nw->bridge, e), 0);
}

int net_foreign_drop(const struct net *n, struct strbuf *out, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct net_network *nw;
	struct rules_place where;
	struct rules rules;
	int r = net_find(n, NET_DEFAULT, &a, &nw, e);

	if (r == 0)
		r = rules_of_state(n->state, &where, &rules, e);
	if (r < 0 || if_nametoindex(nw->bridge) == 0)
		return r;
	return rules_foreign_drop(&rules, nw->bridge, out, e);
}

static struct rules_owner owner_of(const struct place *p, const struct net_endpoint *ep)
{
	return (struct rules_owner){ p->s->container_id, ep->network, ep->ifname };
}

static int publish(const struct rules *rules, const struct place *p, const struct net_endpoint *ep,
		   struct err *e)
{
	struct rules_owner owner = owner_of(p, ep);
	const char *addresses[2];
	struct rules_ports rp = { .ports = p->s->ports.v,
				  .ports_n = p->s->ports.n,
				  .addresses = { addresses, 0 } };
	int r;

	if (!ep->is_primary || rp.ports_n == 0)
		return 0;
	if (ep->address)
		addresses[rp.addresses.n++] = ep->address;
	if (ep->address6)
		addresses[rp.addresses.n++] = ep->address6;
	r = rules_ports_add(rules, &owner, &rp, e);
	return r < 0 ? err_wrap(e, r,
				"driver failed programming external connectivity on endpoint %s",
				p->s->name ? p->s->name : p->s->container_id)
		     : 0;
}

static int unpublish(const struct place *p, const struct net_endpoint *ep, struct err *e)
{
	struct rules_owner owner = owner_of(p, ep);
	struct rules_place where;
	struct rules rules;
	int r = 0;

	if (ep->is_primary && p->s->ports.n) {
		r = rules_of_state(p->n->state, &where, &rules, e);
		if (r == 0)
			r = rules_ports_del(&rules, &owner, e);
	}
	return r;
}

static int add_rules(const struct place *p, const struct net_network *nw,
		     const struct net_endpoint *ep, struct err *e)
{
	struct rules_place where;
	struct rules rules;
	int r = rules_of_state(p->n->state, &where, &rules, e);

	if (r == 0)
		r = ensure_network_rules(&rules, nw, e);
	return r < 0 ? r : publish(&rules, p, ep, e);
}

/* ---- attaching and detaching ---- */

static int attach_one(const struct place *p, struct net_endpoint *ep, struct arena *a,
		      struct err *e)
{
	struct net_network *nw;
	struct cni_network *chain;
	struct cni_runtime rt;
	struct cni_attach at;
	struct cni_result *result;
	int r = net_get(p->n, ep->network, ep->network_id, a, &nw, e);

	if (r == 0)
		r = runtime_of(p->n, a, &rt, e);
	if (r == 0)
		r = chain_of(p->n, nw, ep, a, &chain, e);
	if (r == 0)
		r = attach_of(p, ep, a, &at, e);
	if (r == 0)
		r = cni_add(&rt, chain, &at, a, &result, e);
	if (r < 0)
		return err_wrap(e, r, "failed to set up container networking on network %s",
				ep->network);
	take_result(ep, result);
	return add_rules(p, nw, ep, e);
}

static int detach_one(const struct place *p, const struct net_endpoint *ep, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct net_network *nw;
	struct cni_network *chain;
	struct cni_runtime rt;
	struct cni_attach at;
	int r = unpublish(p, ep, e);

	if (r == 0)
		r = net_get(p->n, ep->network, ep->network_id, &a, &nw, e);
	/* A network that is gone took its addresses with it. */
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = runtime_of(p->n, &a, &rt, e);
	if (r == 0)
		r = chain_of(p->n, nw, ep, &a, &chain, e);
	if (r == 0)
		r = attach_of(p, ep, &a, &at, e);
	return r < 0 ? r : cni_del(&rt, chain, &at, e);
}

/* ---- names ---- */

static bool has_names(const struct net_sandbox *s)
{
	for (size_t i = 0; i < s->endpoints.n; i++)
		if (s->endpoints.v[i].has_names)
			return true;
	return false;
}

/* ---- all of them ---- */

static int attach_all(const struct place *p, struct net_sandbox *s, struct arena *a, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->endpoints.n; i++)
		r = attach_one(p, &s->endpoints.v[i], a, e);
	return r;
}

/* All are tried; the first error is told. */
static int detach_all(const struct place *p, struct err *e)
{
	struct err later = ERR_INIT;
	int r = 0;

	for (size_t i = p->s->endpoints.n; i-- > 0;) {
		int one = detach_one(p, &p->s->endpoints.v[i], r < 0 ? &later : e);

		r = r < 0 ? r : one;
	}
	return r;
}

int net_sandbox_attach(const struct net *n, struct net_sandbox *s, int netns_fd,
		       const char *netns_path, int task_fd, struct arena *a, struct err *e)
{
	struct place p = { n, s, netns_fd, netns_path };
	int r = write_sandbox(s, task_fd, e);

	if (r < 0)
		return r;
	r = attach_all(&p, s, a, e);
	if (r == 0)
		r = write_sandbox(s, task_fd, e);
	if (r == 0 && has_names(s))
		r = net_names_attach(n, s, netns_fd, netns_path, e);
	if (r < 0)
		net_sandbox_detach(n, task_fd, netns_fd, NULL);
	return r;
}

int net_sandbox_detach(const struct net *n, int task_fd, int netns_fd, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct net_sandbox *s;
	int r = net_sandbox_read(task_fd, &a, &s, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	struct place p = { n, s, netns_fd, NULL };

	if (has_names(s))
		net_names_detach(n, s);
	r = detach_all(&p, e);
	if (r == 0 && unlinkat(task_fd, NET_SANDBOX_FILE, 0) < 0 && errno != ENOENT)
		r = err_sys(e, -errno, "remove %s", NET_SANDBOX_FILE);
	return r;
}

void net_recover(const struct net *n)
{
	AUTO_ARENA struct arena a = { 0 };
	struct cni_runtime rt;

	if (runtime_of(n, &a, &rt, NULL) == 0)
		cni_cache_sweep(&rt);
}

/* ---- while it runs ---- */

static int append(struct net_sandbox *s, const struct net_endpoint *ep, struct arena *a,
		  struct err *e)
{
	struct net_endpoint *v = arena_calloc(a, s->endpoints.n + 1, sizeof(*v));

	if (!v)
		return err_sys(e, -ENOMEM, "network");
	if (s->endpoints.n)
		memcpy(v, s->endpoints.v, s->endpoints.n * sizeof(*v));
	v[s->endpoints.n] = *ep;
	s->endpoints.v = v;
	s->endpoints.n++;
	return 0;
}

int net_sandbox_connect(const struct net *n, struct net_sandbox *s, const struct net_endpoint *ep,
			int netns_fd, const char *netns_path, int task_fd, struct arena *a,
			struct err *e)
{
	struct place p = { n, s, netns_fd, netns_path };
	struct net_endpoint *added;
	int r = append(s, ep, a, e);

	if (r == 0)
		r = write_sandbox(s, task_fd, e);
	if (r < 0)
		return r;
	added = &s->endpoints.v[s->endpoints.n - 1];
	r = attach_one(&p, added, a, e);
	if (r == 0)
		r = write_sandbox(s, task_fd, e);
	if (r == 0 && has_names(s))
		r = net_names_attach(n, s, netns_fd, netns_path, e);
	if (r < 0) {
		/* What cannot be undone now is undone with the rest, at the end: the file still has it. */
		if (detach_one(&p, added, NULL) == 0)
			s->endpoints.n--;
		(void)write_sandbox(s, task_fd, NULL);
	}
	return r;
}

int net_sandbox_disconnect(const struct net *n, struct net_sandbox *s, const char *network,
			   int netns_fd, const char *netns_path, int task_fd, struct err *e)
{
	struct place p = { n, s, netns_fd, netns_path };
	bool had_names = has_names(s);
	size_t i = 0;
	int r;

	while (i < s->endpoints.n && !streq(s->endpoints.v[i].network_id, network))
		i++;
	if (i == s->endpoints.n)
		return err_set(e, -ENOENT, "container %s is not connected to network %s",
			       s->container_id, network);
	r = detach_one(&p, &s->endpoints.v[i], e);
	if (r < 0)
		return r;
	for (s->endpoints.n--; i < s->endpoints.n; i++)
		s->endpoints.v[i] = s->endpoints.v[i + 1];
	r = write_sandbox(s, task_fd, e);
	if (r == 0 && had_names)
		r = net_names_attach(n, s, netns_fd, netns_path, e);
	return r;
}

static void put_host(const struct net_sandbox *s, const char *address, struct strbuf *out)
{
	if (address)
		strbuf_addf(out, "%.*s\t%s\n", (int)strcspn(address, "/"), address, s->hostname);
}

void net_sandbox_hosts(const struct net_sandbox *s, struct strbuf *out)
{
	for (size_t i = 0; s->hostname && i < s->endpoints.n; i++) {
		put_host(s, s->endpoints.v[i].address, out);
		put_host(s, s->endpoints.v[i].address6, out);
	}
}
