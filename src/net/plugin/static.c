/* The IPAM plugin static: the addresses that the configuration, CNI_ARGS or a capability names. It keeps nothing. */
#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"

#define ADDRESSES_MAX 64

struct address {
	const char *address, *gateway;
};
static const struct json_field address_rows[] = {
	JSON_ROW(address, address, "address", JSON_STR, JSON_REQUIRED),
	JSON_ROW(address, gateway, "gateway", JSON_STR, 0),
};
static JSON_TABLE(address_table, "address", address, address_rows);

struct ipam {
	struct {
		struct address *v;
		size_t n;
	} addresses;
	struct {
		struct cni_route *v;
		size_t n;
	} routes;
	struct cni_dns *dns;
};
static const struct json_field ipam_rows[] = {
	JSON_ROW_SUB(ipam, addresses, "addresses", JSON_OBJS, 0, address_table),
	JSON_ROW_SUB(ipam, routes, "routes", JSON_OBJS, 0, cni_route_table),
	JSON_ROW_SUB(ipam, dns, "dns", JSON_OBJ, 0, cni_dns_table),
};
static JSON_TABLE(ipam_table, "ipam", ipam, ipam_rows);

struct conf {
	struct ipam *ipam;
};
static const struct json_field conf_rows[] = {
	JSON_ROW_SUB(conf, ipam, "ipam", JSON_OBJ, 0, ipam_table),
};
static JSON_TABLE(conf_table, "configuration", conf, conf_rows);

struct list {
	struct {
		struct ip_net net;
		struct ip_addr gateway;
	} v[ADDRESSES_MAX];
	size_t n;
};

static int add_address(struct list *l, const char *text, const char *gateway, struct err *e)
{
	if (l->n == ADDRESSES_MAX)
		return err_set(e, -E2BIG, "more than %d addresses", ADDRESSES_MAX);
	if (ip_net_parse(text, &l->v[l->n].net) < 0)
		return err_set(
			e, -EINVAL,
			"the 'address' field is expected to be in CIDR notation, got: '%.60s'",
			text);
	l->v[l->n].gateway = (struct ip_addr){ 0 };
	if (gateway && *gateway && ip_addr_parse(gateway, &l->v[l->n].gateway) < 0)
		return err_set(e, -EINVAL, "invalid gateway address: %.60s", gateway);
	l->n++;
	return 0;
}

/* These replace the ones that were there. */
static int replace_all(struct list *l, const struct json_strs *ips, struct err *e)
{
	int r = 0;

	if (ips->n > 0)
		l->n = 0;
	for (size_t i = 0; i < ips->n && r == 0; i++)
		r = add_address(l, ips->v[i], NULL, e);
	return r;
}

/* Words between commas, spaces around them cut. */
static char *next_word(char **rest)
{
	char *word = strtok_r(NULL, ",", rest);

	if (!word)
		return NULL;
	word += strspn(word, " ");
	word[strcspn(word, " ")] = '\0';
	return word;
}

/* IP and GATEWAY of CNI_ARGS: more addresses, and the gateways of the networks that they are in. */
static int add_args(const struct cni_call *call, struct list *l, struct err *e)
{
	const char *ips = NULL, *gateways = NULL;
	struct conf_arg rows[] = { { "IP", &ips }, { "GATEWAY", &gateways } };
	char *rest;
	int r = conf_args(call, rows, ARRAY_LEN(rows), e);

	if (r < 0)
		return r;
	rest = arena_strdup(call->a, ips ? ips : "");
	for (char *word; r == 0 && rest && (word = next_word(&rest));)
		r = add_address(l, word, NULL, e);
	rest = arena_strdup(call->a, gateways ? gateways : "");
	for (char *word; r == 0 && rest && (word = next_word(&rest));) {
		struct ip_addr gateway;

		if (ip_addr_parse(word, &gateway) < 0)
			return err_set(e, -EINVAL, "invalid gateway address: %.60s", word);
		for (size_t i = 0; i < l->n; i++)
			if (ip_net_contains(&l->v[i].net, &gateway))
				l->v[i].gateway = gateway;
	}
	return r;
}

static int read_all(const struct cni_call *call, struct list *l, struct ipam **ret, struct err *e)
{
	struct conf conf;
	struct json_strs ips = { 0 };
	struct cni_runtime_config runtime;
	int r = conf_read(call, &conf_table, &conf, e);

	if (r == 0 && !conf.ipam)
		return err_set(e, -EINVAL, "IPAM config missing 'ipam' key");
	r = r < 0 ? r : conf_cni_ips(call, &ips, e);
	r = r < 0 ? r : conf_runtime(call, &runtime, e);
	l->n = 0;
	for (size_t i = 0; r == 0 && i < conf.ipam->addresses.n; i++)
		r = add_address(l, conf.ipam->addresses.v[i].address,
				conf.ipam->addresses.v[i].gateway, e);
	r = r < 0 ? r : add_args(call, l, e);
	r = r < 0 ? r : replace_all(l, &ips, e);
	r = r < 0 ? r : replace_all(l, &runtime.ips, e);
	if (r == 0)
		*ret = conf.ipam;
	return r;
}

static int static_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	struct cni_result *res = result_new(call, e);
	struct ipam *ipam;
	struct list l;
	int r = res ? read_all(call, &l, &ipam, e) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = result_add_ip(call, res, &l.v[i].net, &l.v[i].gateway, e);
	for (size_t i = 0; r == 0 && i < ipam->routes.n; i++)
		r = result_add_checked_route(call, res, &ipam->routes.v[i], e);
	if (r < 0)
		return r;
	res->dns = ipam->dns;
	*ret = res;
	return 0;
}

static int static_del(const struct cni_call *call, struct err *e)
{
	return 0;
}

/* What is configured and in the previous result has the same gateway there. */
static int static_check(const struct cni_call *call, struct err *e)
{
	struct ipam *ipam;
	struct list l;
	int r = read_all(call, &l, &ipam, e);

	if (r == 0 && !call->prev)
		return err_set(e, -EINVAL, "Required prevResult missing");
	for (size_t i = 0; r == 0 && i < l.n; i++)
		for (size_t k = 0; k < call->prev->ips.n; k++) {
			struct ip_net net = result_net(call->prev->ips.v[k].address);
			struct ip_addr gateway = result_addr(call->prev->ips.v[k].gateway);

			if (ip_addr_compare(&net.addr, &l.v[i].net.addr) == 0 &&
			    l.v[i].gateway.family != AF_UNSPEC &&
			    ip_addr_compare(&gateway, &l.v[i].gateway) != 0)
				return err_set(e, -EREMOTEIO,
					       "static: Failed to match addr %s on interface %s",
					       call->prev->ips.v[k].address, call->ifname);
		}
	return r;
}

const struct cni_plugin cni_plugin_static = {
	.type = "static",
	.is_ipam = true,
	.add = static_add,
	.del = static_del,
	.check = static_check,
};
