/* What a record is in the table. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#include "base/err.h"
#include "net/rules/priv.h"

struct walk {
	const struct rules_record *rec;
	rules_element f;
	void *data;
	struct err *e;
	char owner[RULES_NAME_MAX]; /* the comment: the record's name without its kind */
};

static int give(const struct walk *w, enum rules_set set, struct nft_elem *el, bool is_shared)
{
	snprintf(el->comment, sizeof(el->comment), "%.*s", NFT_COMMENT_MAX,
		 is_shared ? w->rec->network : w->owner);
	return w->f(w->data, set, el, is_shared);
}

static unsigned int is_v6(const struct ip_addr *a)
{
	return a->family == AF_INET6;
}

/* An address alone, in the set of its family. */
static int give_address(const struct walk *w, enum rules_set set4, const struct ip_addr *a)
{
	struct nft_elem el = { 0 };

	nft_key_put(&el, a->bytes, ip_addr_len(a));
	return give(w, set4 + is_v6(a), &el, false);
}

static int give_interface(const struct walk *w, enum rules_set set, const char *ifname,
			  bool is_shared)
{
	struct nft_elem el = { 0 };

	nft_key_put_ifname(&el, ifname);
	return give(w, set, &el, is_shared);
}

/* "From a subnet to the same" */
static int give_own(const struct walk *w, const struct ip_net *net)
{
	struct ip_addr first = ip_net_first(net), last = ip_net_last(net);
	size_t len = ip_addr_len(&first);
	struct nft_elem el = { 0 };

	for (size_t i = 0; i < 2; i++) {
		nft_key_end_put(&el, el.key_len, last.bytes, len);
		nft_key_put(&el, first.bytes, len);
	}
	return give(w, SET_OWN4 + is_v6(&first), &el, true);
}

struct ip_net rules_own_net(enum rules_set set, const struct nft_elem *el)
{
	struct ip_net net = { .addr.family = set == SET_OWN6 ? AF_INET6 : AF_INET };
	size_t len = ip_addr_len(&net.addr);

	memcpy(net.addr.bytes, el->key, len);
	for (size_t i = 0; i < len; i++)
		net.prefix += (uint8_t)(8 - __builtin_popcount(el->key[i] ^ el->key_end[i]));
	return net;
}

static int parse_net(const struct walk *w, const char *text, struct ip_net *ret)
{
	if (ip_net_parse_loose(text, ret) < 0)
		return err_set(w->e, -EINVAL, "'%s' is no address with a prefix's length", text);
	return 0;
}

int rules_protocol(const struct cni_port *p, struct err *e)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

	if (!p->protocol || !*p->protocol)
		return IPPROTO_TCP;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcasecmp(p->protocol, rows[i].name) == 0)
			return rows[i].number;
	return err_set(e, -EINVAL, "protocol '%s' of port %lld is none of tcp, udp, sctp",
		       p->protocol, (long long)p->host_port);
}

/* A published port at one of the container's addresses; a host address of the other family is not its. */
static int give_port(const struct walk *w, const struct cni_port *p, const struct ip_addr *to)
{
	uint16_t host_port = htons((uint16_t)p->host_port);
	uint16_t port = htons((uint16_t)p->container_port);
	int protocol = rules_protocol(p, w->e);
	struct ip_addr at = { .family = 0 };
	struct nft_elem el = { 0 };
	bool by_address;

	if (protocol < 0)
		return protocol;
	if (p->host_ip && *p->host_ip && ip_addr_parse(p->host_ip, &at) < 0)
		return err_set(w->e, -EINVAL, "host address '%s' of port %lld is none", p->host_ip,
			       (long long)p->host_port);
	if (at.family && at.family != to->family)
		return 0;
	by_address = !ip_addr_is_zero(&at);
	if (by_address)
		nft_key_put(&el, at.bytes, ip_addr_len(&at));
	nft_key_put(&el, &(uint8_t){ (uint8_t)protocol }, 1);
	nft_key_put(&el, &host_port, 2);
	nft_data_put(&el, to->bytes, ip_addr_len(to));
	nft_data_put(&el, &port, 2);
	return give(w, (by_address ? SET_ADDR_PORTS4 : SET_PORTS4) + is_v6(to), &el, false);
}

static int check_ports(const struct walk *w)
{
	const struct cni_runtime_config *c = w->rec->ports;

	for (size_t i = 0; i < c->ports.n; i++) {
		const struct cni_port *p = &c->ports.v[i];

		if (p->container_port <= 0 || p->container_port > 65535)
			return err_set(w->e, -EINVAL, "Invalid container port number: %lld",
				       (long long)p->container_port);
		if (p->host_port <= 0 || p->host_port > 65535)
			return err_set(w->e, -EINVAL, "Invalid host port number: %lld",
				       (long long)p->host_port);
	}
	return 0;
}

static int ports_at(const struct walk *w, const struct ip_net *net)
{
	const struct rules_record *rec = w->rec;
	int r = 0;

	if (rec->masquerades_all)
		r = give_address(w, SET_SNAT_ALL4, &net->addr);
	else if (!rec->keeps_source)
		r = give_address(w, SET_SNAT4, &net->addr);
	if (r == 0 && !rec->keeps_source)
		r = give_own(w, net);
	for (size_t i = 0; i < rec->ports->ports.n && r == 0; i++)
		r = give_port(w, &rec->ports->ports.v[i], &net->addr);
	return r;
}

static int elements_of_ports(const struct walk *w)
{
	const struct rules_record *rec = w->rec;
	bool has[2] = { false, false };
	struct ip_net net;
	int r = rec->ports ? check_ports(w) : 0;

	for (size_t i = 0; i < rec->addresses.n && rec->ports && r == 0; i++) {
		r = parse_net(w, rec->addresses.v[i], &net);
		if (r < 0 || has[is_v6(&net.addr)])
			continue;
		has[is_v6(&net.addr)] = true;
		r = ports_at(w, &net);
	}
	if (r == 0 && rec->bridge && *rec->bridge)
		r = give_interface(w, SET_LOCALNET, rec->bridge, true);
	return r;
}

static int elements_of_masquerade(const struct walk *w)
{
	struct ip_net net;
	int r = 0;

	for (size_t i = 0; i < w->rec->addresses.n && r == 0; i++) {
		r = parse_net(w, w->rec->addresses.v[i], &net);
		r = r < 0 ? r : give_own(w, &net);
		r = r < 0 ? r : give_address(w, SET_MASQ4, &net.addr);
	}
	return r;
}

static int masquerade_bridge(const struct walk *w, const struct ip_net *net)
{
	uint8_t family = is_v6(&net->addr) ? NFPROTO_IPV6 : NFPROTO_IPV4;
	struct nft_elem el = { 0 };
	int r = give_own(w, net);

	nft_key_put(&el, &family, 1);
	nft_key_put_ifname(&el, w->rec->bridge);
	/* Shared by the network's subnets of one family. */
	return r < 0 ? r : give(w, SET_MASQ_BRIDGES, &el, true);
}

static int elements_of_network(const struct walk *w)
{
	const struct rules_record *rec = w->rec;
	const struct {
		bool is_wanted;
		enum rules_set set;
	} sets[] = { { rec->is_isolated, SET_ISOLATED },
		     { rec->is_closed, SET_CLOSED },
		     { rec->is_internal, SET_INTERNAL } };
	struct nft_elem same = { .has_verdict = true,
				 .verdict = rec->is_apart ? NF_DROP : NF_ACCEPT };
	struct ip_net net;
	int r = 0;

	if (!rec->bridge || !*rec->bridge)
		return err_set(w->e, -EINVAL, "network '%s' has no bridge", rec->network);
	for (size_t i = 0; i < rec->addresses.n && rec->is_masqueraded && r == 0; i++) {
		r = parse_net(w, rec->addresses.v[i], &net);
		r = r < 0 ? r : masquerade_bridge(w, &net);
	}
	nft_key_put_ifname(&same, rec->bridge);
	nft_key_put_ifname(&same, rec->bridge);
	r = r < 0 ? r : give(w, SET_SAME, &same, false);
	for (size_t i = 0; i < ARRAY_LEN(sets) && r == 0; i++)
		if (sets[i].is_wanted)
			r = give_interface(w, sets[i].set, rec->bridge, false);
	return r;
}

int rules_elements(const struct rules_record *rec, rules_element f, void *data, struct err *e)
{
	struct walk w = { .rec = rec, .f = f, .data = data, .e = e };
	char name[RULES_NAME_MAX];
	int r = rules_record_name(rec, name, e);

	if (r < 0)
		return r;
	snprintf(w.owner, sizeof(w.owner), "%s", strchr(name, '@') + 1);
	switch (rules_record_kind(rec)) {
	case RULES_PORTS:
		return elements_of_ports(&w);
	case RULES_MASQUERADE:
		return elements_of_masquerade(&w);
	case RULES_NETWORK:
		return elements_of_network(&w);
	}
	return err_set(e, -EINVAL, "a record of the unknown kind '%s'", rec->kind);
}

static const char *address_at(const struct nft_elem *el, size_t at, bool six, char buf[IP_TEXT_MAX])
{
	struct ip_addr a = { .family = six ? AF_INET6 : AF_INET };

	memcpy(a.bytes, el->key + at, ip_addr_len(&a));
	return ip_addr_text(&a, buf);
}

static void port_text(const struct nft_elem *el, size_t at, const char *host, char *buf,
		      size_t size)
{
	uint8_t protocol = el->key[at];
	uint16_t port;

	memcpy(&port, el->key + at + 4, sizeof(port));
	snprintf(buf, size, "%s:%u/%s", host, ntohs(port),
		 protocol == IPPROTO_UDP    ? "udp"
		 : protocol == IPPROTO_SCTP ? "sctp"
					    : "tcp");
}

void rules_element_text(enum rules_set set, const struct nft_elem *el, char *buf, size_t size)
{
	char address[IP_TEXT_MAX];
	bool six = set == SET_ADDR_PORTS6 || set == SET_SNAT6 || set == SET_SNAT_ALL6 ||
		   set == SET_MASQ6 || set == SET_OWN6;

	switch (set) {
	case SET_PORTS4:
	case SET_PORTS6:
		port_text(el, 0, set == SET_PORTS6 ? "[::]" : "0.0.0.0", buf, size);
		break;
	case SET_ADDR_PORTS4:
	case SET_ADDR_PORTS6:
		port_text(el, six ? 16 : 4, address_at(el, 0, six, address), buf, size);
		break;
	case SET_SNAT4:
	case SET_SNAT6:
	case SET_SNAT_ALL4:
	case SET_SNAT_ALL6:
	case SET_MASQ4:
	case SET_MASQ6:
		snprintf(buf, size, "address %s", address_at(el, 0, six, address));
		break;
	case SET_OWN4:
	case SET_OWN6:
		snprintf(buf, size, "subnet of %s", address_at(el, 0, six, address));
		break;
	case SET_MASQ_BRIDGES:
		snprintf(buf, size, "bridge %.16s", (const char *)el->key + 4);
		break;
	default:
		snprintf(buf, size, "interface %.16s", (const char *)el->key);
	}
}
