#include "net/chain.h"

#include "base/str.h"
#include "net/subnet.h"

/* An --ip-range is a subnet, host-local's first and last address: not the network's own nor its broadcast address. */
static void put_first_last(struct json_writer *w, const struct ip_net *whole, const char *range)
{
	struct ip_addr first, last, end = ip_net_last(whole);
	struct ip_net s;
	char text[IP_TEXT_MAX];

	if (subnet_parse(range, &s, NULL) < 0)
		return;
	first = s.addr;
	if (ip_addr_compare(&first, &whole->addr) == 0)
		ip_addr_next(&first);
	last = ip_net_last(&s);
	if (ip_addr_compare(&last, &end) == 0)
		last.bytes[ip_addr_len(&last) - 1]--;
	json_put_str(w, "rangeStart", ip_addr_text(&first, text));
	json_put_str(w, "rangeEnd", ip_addr_text(&last, text));
}

static void put_range(struct json_writer *w, const char *subnet, const char *gateway,
		      const char *range)
{
	struct ip_net whole;

	if (!subnet || subnet_parse(subnet, &whole, NULL) < 0)
		return;
	json_begin_array(w, NULL);
	json_begin_object(w, NULL);
	json_put_str(w, "subnet", subnet);
	json_put_str(w, "gateway", gateway);
	if (range)
		put_first_last(w, &whole, range);
	json_end_object(w);
	json_end_array(w);
}

static void put_route(struct json_writer *w, const char *dst)
{
	json_begin_object(w, NULL);
	json_put_str(w, "dst", dst);
	json_end_object(w);
}

static void put_ipam(struct json_writer *w, const struct net_network *nw,
		     const struct net_endpoint *ep, const char *state)
{
	AUTO_STRBUF struct strbuf dir = { 0 };

	strbuf_addf(&dir, "%s/net/ipam", state);
	json_begin_object(w, "ipam");
	json_put_str(w, "type", "host-local");
	json_put_str(w, "dataDir", dir.p ? dir.p : "");
	json_begin_array(w, "ranges");
	/* A range is where addresses are chosen from; one that was asked for may be anywhere in the subnet. */
	put_range(w, nw->subnet, nw->gateway, ep->want_ip ? NULL : nw->range);
	put_range(w, nw->subnet6, nw->gateway6, ep->want_ip6 ? NULL : nw->range6);
	json_end_array(w);
	if (ep->is_primary && !nw->is_internal) {
		json_begin_array(w, "routes");
		put_route(w, "0.0.0.0/0");
		if (nw->subnet6)
			put_route(w, "::/0");
		json_end_array(w);
	}
	json_end_object(w);
	if (strbuf_ok(&dir) < 0)
		w->out->is_out = true;
}

static void put_capabilities(struct json_writer *w, const char *const *names)
{
	json_begin_object(w, "capabilities");
	for (; *names; names++)
		json_put_bool(w, *names, true);
	json_end_object(w);
}

static void put_bridge(struct json_writer *w, const struct net_network *nw,
		       const struct net_endpoint *ep, const char *state)
{
	static const char *const capabilities[] = { "ips", "mac", NULL };

	json_begin_object(w, NULL);
	json_put_str(w, "type", "bridge");
	json_put_str(w, "bridge", nw->bridge);
	json_put_bool(w, "isGateway", true);
	json_put_bool(w, "hairpinMode", true);
	if (nw->no_icc)
		json_put_bool(w, "portIsolation", true);
	if (nw->mtu)
		json_put_i64(w, "mtu", nw->mtu);
	put_capabilities(w, capabilities);
	put_ipam(w, nw, ep, state);
	json_end_object(w);
}

void chain_put_list(const struct net_network *nw, const struct net_endpoint *ep, const char *state,
		    struct strbuf *out)
{
	struct json_writer w = { .out = out };

	json_begin_object(&w, NULL);
	json_put_str(&w, "cniVersion", CNI_VERSION);
	json_put_str(&w, "name", nw->name);
	json_begin_array(&w, "plugins");
	put_bridge(&w, nw, ep, state);
	json_end_array(&w);
	json_end_object(&w);
}

void chain_put_args(const struct net_endpoint *ep, struct strbuf *out)
{
	struct json_writer w = { .out = out };

	json_begin_object(&w, NULL);
	if (ep->want_ip || ep->want_ip6) {
		json_begin_array(&w, "ips");
		if (ep->want_ip)
			json_put_str(&w, NULL, ep->want_ip);
		if (ep->want_ip6)
			json_put_str(&w, NULL, ep->want_ip6);
		json_end_array(&w);
	}
	if (ep->want_mac)
		json_put_str(&w, "mac", ep->want_mac);
	json_end_object(&w);
}
