/* CNI's results: one form in memory, that of 1.1; the older ones are translated from and to it. */
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"
#include "spec/cni.h"

#define ROW JSON_ROW
#define HAS JSON_ROW_HAS
#define SUB JSON_ROW_SUB
#define NEED JSON_REQUIRED
#define ALWAYS JSON_ALWAYS

static const struct json_limits limits = { .bytes = CNI_TEXT_MAX };

/* ---- tables ---- */

static const struct json_field interface_rows[] = {
	ROW(cni_interface, name, "name", JSON_STR, ALWAYS),
	ROW(cni_interface, mac, "mac", JSON_STR, 0),
	ROW(cni_interface, mtu, "mtu", JSON_I64, 0),
	ROW(cni_interface, sandbox, "sandbox", JSON_STR, 0),
	ROW(cni_interface, socket_path, "socketPath", JSON_STR, 0),
	ROW(cni_interface, pci_id, "pciID", JSON_STR, 0),
};
static JSON_TABLE(interface_table, "interface", cni_interface, interface_rows);

/* 0.3 and 0.4 */
static const struct json_field old_interface_rows[] = {
	ROW(cni_interface, name, "name", JSON_STR, ALWAYS),
	ROW(cni_interface, mac, "mac", JSON_STR, 0),
	ROW(cni_interface, sandbox, "sandbox", JSON_STR, 0),
};
static JSON_TABLE(old_interface_table, "interface", cni_interface, old_interface_rows);

static const struct json_field ip_rows[] = {
	HAS(cni_ip, interface, "interface", JSON_I64, 0),
	ROW(cni_ip, address, "address", JSON_STR, NEED),
	ROW(cni_ip, gateway, "gateway", JSON_STR, 0),
};
static JSON_TABLE(ip_table, "ip", cni_ip, ip_rows);

static const struct json_field old_ip_rows[] = {
	ROW(cni_ip, version, "version", JSON_STR, ALWAYS),
	HAS(cni_ip, interface, "interface", JSON_I64, 0),
	ROW(cni_ip, address, "address", JSON_STR, NEED),
	ROW(cni_ip, gateway, "gateway", JSON_STR, 0),
};
static JSON_TABLE(old_ip_table, "ip", cni_ip, old_ip_rows);

static const struct json_field route_rows[] = {
	ROW(cni_route, dst, "dst", JSON_STR, NEED),
	ROW(cni_route, gw, "gw", JSON_STR, 0),
	ROW(cni_route, mtu, "mtu", JSON_I64, 0),
	ROW(cni_route, advmss, "advmss", JSON_I64, 0),
	HAS(cni_route, priority, "priority", JSON_I64, 0),
	HAS(cni_route, table, "table", JSON_I64, 0),
	HAS(cni_route, scope, "scope", JSON_I64, 0),
};
JSON_TABLE(cni_route_table, "route", cni_route, route_rows);

#define RESULT_ROWS(interfaces_, ips_)                                                \
	ROW(cni_result, version, "cniVersion", JSON_STR, 0),                          \
		SUB(cni_result, interfaces, "interfaces", JSON_OBJS, 0, interfaces_), \
		SUB(cni_result, ips, "ips", JSON_OBJS, 0, ips_),                      \
		SUB(cni_result, routes, "routes", JSON_OBJS, 0, cni_route_table),     \
		SUB(cni_result, dns, "dns", JSON_OBJ, ALWAYS, cni_dns_table)

/* Reading takes whatever any version from 0.3 on has. */
static const struct json_field any_rows[] = { RESULT_ROWS(interface_table, old_ip_table) };
static JSON_TABLE(any_table, "result", cni_result, any_rows);
static const struct json_field new_rows[] = { RESULT_ROWS(interface_table, ip_table) };
static JSON_TABLE(new_table, "result", cni_result, new_rows);
static const struct json_field old_rows[] = { RESULT_ROWS(old_interface_table, old_ip_table) };
static JSON_TABLE(old_table, "result", cni_result, old_rows);

/* 0.1 and 0.2: at most one address of each family, its routes with it. */
struct first_ip {
	const char *address, *gateway;
	struct {
		struct cni_route *v;
		size_t n;
	} routes;
};
static const struct json_field first_ip_rows[] = {
	ROW(first_ip, address, "ip", JSON_STR, NEED),
	ROW(first_ip, gateway, "gateway", JSON_STR, 0),
	SUB(first_ip, routes, "routes", JSON_OBJS, 0, cni_route_table),
};
static JSON_TABLE(first_ip_table, "ip", first_ip, first_ip_rows);

struct first_result {
	const char *version;
	struct first_ip *ip4, *ip6;
	struct cni_dns *dns;
};
static const struct json_field first_rows[] = {
	ROW(first_result, version, "cniVersion", JSON_STR, 0),
	SUB(first_result, ip4, "ip4", JSON_OBJ, 0, first_ip_table),
	SUB(first_result, ip6, "ip6", JSON_OBJ, 0, first_ip_table),
	SUB(first_result, dns, "dns", JSON_OBJ, ALWAYS, cni_dns_table),
};
static JSON_TABLE(first_table, "result", first_result, first_rows);

/* What a document of that version looks like. */
enum form { FORM_FIRST, FORM_OLD, FORM_NEW };

static int version_form(const char *v, enum form *ret, struct err *e)
{
	int to_old, to_new;

	if (!cni_version_is_known(v))
		return err_set(e, -EPROTONOSUPPORT,
			       "CNI version '%.40s' is not supported, %s to %s are", v,
			       CNI_VERSION_OLDEST, CNI_VERSION);
	(void)cni_version_compare(v, "0.3.0", &to_old, NULL);
	(void)cni_version_compare(v, "1.0.0", &to_new, NULL);
	*ret = to_old < 0 ? FORM_FIRST : to_new < 0 ? FORM_OLD : FORM_NEW;
	return 0;
}

/* ---- reading ---- */

static void drop_empty(const char **s)
{
	if (*s && !**s)
		*s = NULL;
}

static bool is_v6(const char *address)
{
	return strchr(address, ':') != NULL;
}

static bool is_address(const char *s)
{
	struct ip_addr any;

	return ip_addr_parse(s, &any) == 0;
}

static bool is_network(const char *s)
{
	struct ip_net any;

	return ip_net_parse(s, &any) == 0;
}

static int check_route(struct cni_route *route, struct err *e)
{
	drop_empty(&route->gw);
	if (!is_network(route->dst))
		return err_set(e, -EBADMSG, "the route's dst '%.60s' is no network", route->dst);
	if (route->gw && !is_address(route->gw))
		return err_set(e, -EBADMSG, "the route's gw '%.60s' is no address", route->gw);
	return 0;
}

static int check_ip(struct cni_ip *ip, size_t interfaces, struct err *e)
{
	drop_empty(&ip->gateway);
	if (!is_network(ip->address))
		return err_set(e, -EBADMSG, "'%.60s' is no address with a prefix length",
			       ip->address);
	if (ip->gateway && !is_address(ip->gateway))
		return err_set(e, -EBADMSG, "the gateway '%.60s' is no address", ip->gateway);
	if (ip->has_interface && (ip->interface < 0 || (uint64_t)ip->interface >= interfaces))
		return err_set(e, -EBADMSG, "the address '%s' is of interface %lld, there are %zu",
			       ip->address, (long long)ip->interface, interfaces);
	ip->version = is_v6(ip->address) ? "6" : "4";
	return 0;
}

static int check_interface(struct cni_interface *i, struct err *e)
{
	const char **strings[] = { &i->mac, &i->sandbox, &i->socket_path, &i->pci_id };

	for (size_t k = 0; k < ARRAY_LEN(strings); k++)
		drop_empty(strings[k]);
	if (!i->name)
		return err_set(e, -EBADMSG, "an interface has no name");
	return 0;
}

static int check_result(struct cni_result *res, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < res->interfaces.n; i++)
		r = check_interface(&res->interfaces.v[i], e);
	for (size_t i = 0; r == 0 && i < res->ips.n; i++)
		r = check_ip(&res->ips.v[i], res->interfaces.n, e);
	for (size_t i = 0; r == 0 && i < res->routes.n; i++)
		r = check_route(&res->routes.v[i], e);
	if (res->dns)
		drop_empty(&res->dns->domain);
	return r;
}

/* Adds an address of 0.1 or 0.2; there is room. */
static void take_first(const struct first_ip *from, struct cni_result *res)
{
	if (!from)
		return;
	res->ips.v[res->ips.n++] = (struct cni_ip){ .address = from->address,
						    .gateway = from->gateway };
	for (size_t i = 0; i < from->routes.n; i++)
		res->routes.v[res->routes.n++] = from->routes.v[i];
}

static int read_first(const char *text, size_t len, struct arena *a, struct cni_result *res,
		      struct err *e)
{
	struct first_result first;
	size_t routes;
	int r = json_read(&first_table, text, len, &limits, a, &first, e);

	if (r < 0)
		return r;
	routes = (first.ip4 ? first.ip4->routes.n : 0) + (first.ip6 ? first.ip6->routes.n : 0);
	res->ips.v = arena_calloc(a, 2, sizeof(res->ips.v[0]));
	res->routes.v = arena_calloc(a, routes + 1, sizeof(res->routes.v[0]));
	if (!res->ips.v || !res->routes.v)
		return err_set(e, -ENOMEM, "no memory for a result");
	take_first(first.ip4, res);
	take_first(first.ip6, res);
	res->dns = first.dns;
	return 0;
}

struct versioned {
	const char *version;
};
static const struct json_field versioned_rows[] = {
	ROW(versioned, version, "cniVersion", JSON_STR, 0),
};
static JSON_TABLE(versioned_table, "result", versioned, versioned_rows);

int cni_result_read(const char *text, size_t len, const char *fallback, struct arena *a,
		    struct cni_result **ret, struct err *e)
{
	struct cni_result *res = arena_alloc(a, sizeof(*res));
	struct versioned head;
	enum form form;
	int r = res ? 0 : err_set(e, -ENOMEM, "no memory for a result");

	r = r < 0 ? r : json_read(&versioned_table, text, len, &limits, a, &head, e);
	if (r < 0)
		return r;
	drop_empty(&head.version);
	drop_empty(&fallback);
	if (!head.version)
		head.version = fallback ? arena_strdup(a, fallback) : CNI_VERSION_OLDEST;
	r = version_form(head.version, &form, e);
	if (r == 0 && form == FORM_FIRST)
		r = read_first(text, len, a, res, e);
	else if (r == 0)
		r = json_read(&any_table, text, len, &limits, a, res, e);
	r = r < 0 ? r : check_result(res, e);
	if (r < 0)
		return r;
	res->version = head.version;
	*ret = res;
	return 0;
}

/* ---- writing ---- */

static struct cni_dns no_dns;

/* The first address of the family, with the routes of the family in `routes`. False: none. */
static bool first_of(const struct cni_result *res, bool want_v6, struct cni_route *routes,
		     struct first_ip *ret)
{
	*ret = (struct first_ip){ 0 };
	for (size_t i = 0; i < res->ips.n && !ret->address; i++)
		if (is_v6(res->ips.v[i].address) == want_v6)
			*ret = (struct first_ip){ res->ips.v[i].address,
						  res->ips.v[i].gateway,
						  { routes, 0 } };
	for (size_t i = 0; i < res->routes.n && ret->address; i++)
		if (is_v6(res->routes.v[i].dst) == want_v6)
			routes[ret->routes.n++] = res->routes.v[i];
	return ret->address;
}

static int write_first(const struct cni_result *res, const char *version, struct strbuf *out,
		       struct err *e)
{
	AUTO_FREE struct cni_route *routes = calloc(2 * res->routes.n + 1, sizeof(*routes));
	struct first_ip ip4, ip6;
	struct first_result first = { version, NULL, NULL, res->dns ? res->dns : &no_dns };

	if (!routes)
		return err_set(e, -ENOMEM, "no memory for a result");
	if (first_of(res, false, routes, &ip4))
		first.ip4 = &ip4;
	if (first_of(res, true, routes + res->routes.n, &ip6))
		first.ip6 = &ip6;
	if (!first.ip4 && !first.ip6)
		return err_set(e, -EINVAL,
			       "CNI version %s has no form for a result without addresses",
			       version);
	json_write(&first_table, &first, JSON_PRETTY | JSON_ESCAPE_HTML, out);
	return 0;
}

static int write_old(struct cni_result *res, struct strbuf *out, struct err *e)
{
	AUTO_FREE struct cni_ip *ips = calloc(res->ips.n + 1, sizeof(*ips));

	if (!ips)
		return err_set(e, -ENOMEM, "no memory for a result");
	for (size_t i = 0; i < res->ips.n; i++) {
		ips[i] = res->ips.v[i];
		ips[i].version = is_v6(ips[i].address) ? "6" : "4";
	}
	res->ips.v = ips;
	json_write(&old_table, res, JSON_PRETTY | JSON_ESCAPE_HTML, out);
	return 0;
}

int cni_result_write(const struct cni_result *res, const char *version, struct strbuf *out,
		     struct err *e)
{
	struct cni_result copy = *res;
	enum form form;
	int r;

	if (!version || !*version)
		version = CNI_VERSION_OLDEST;
	r = version_form(version, &form, e);
	if (r < 0)
		return r;
	copy.version = version;
	copy.dns = res->dns ? res->dns : &no_dns;
	if (form == FORM_FIRST)
		r = write_first(res, version, out, e);
	else if (form == FORM_OLD)
		r = write_old(&copy, out, e);
	else
		json_write(&new_table, &copy, JSON_PRETTY | JSON_ESCAPE_HTML, out);
	if (r == 0 && strbuf_ok(out) < 0)
		r = err_set(e, -ENOMEM, "no memory for a result");
	return r;
}
