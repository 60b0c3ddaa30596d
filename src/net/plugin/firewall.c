/*
 * firewall: containers' packets are forwarded, whatever other tables drop by default. Keys are those of the reference plugin.
 *
 * That one inserts a chain with two rules for each address into iptables' FORWARD; here the bridge as a whole is let through
 * where a chain drops by default (iptables-nft's, ufw's, firewalld's, others'), and our own table keeps new connections from
 * outside away, as the reference's rules do there: published ports only. The ingress policies are elements of our table.
 * What is put into chains of others stays, as with the reference plugin's chains: another container may need it.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "net/rules/rules.h"

struct conf {
	const char *backend, *admin_chain, *zone, *policy;
};

static const struct json_field conf_rows[] = {
	JSON_ROW(conf, backend, "backend", JSON_STR, 0),
	JSON_ROW(conf, admin_chain, "iptablesAdminChainName", JSON_STR, 0),
	JSON_ROW(conf, zone, "firewalldZone", JSON_STR, 0),
	JSON_ROW(conf, policy, "ingressPolicy", JSON_STR, 0),
};
static JSON_TABLE(conf_table, "firewall", conf, conf_rows);

static const struct policy {
	const char *name;
	bool is_isolated, is_apart;
} POLICIES[] = {
	{ "", false, false },
	{ "open", false, false },
	{ "same-bridge", true, false },
	{ "isolated", true, true },
};

static const struct policy *find_policy(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(POLICIES); i++)
		if (streq(POLICIES[i].name, name ? name : ""))
			return &POLICIES[i];
	return NULL;
}

static int read_conf(const struct cni_call *call, const struct policy **ret, struct err *e)
{
	struct conf c;
	int r = json_read(&conf_table, call->conf, call->conf_len, NULL, call->a, &c, e);

	if (r < 0)
		return err_wrap(e, r, "failed to load netconf");
	if (c.zone && *c.zone && !streq(c.zone, "trusted"))
		return err_set(
			e, -EOPNOTSUPP,
			"firewalldZone '%s' is not supported: only 'trusted' is what this plugin does",
			c.zone);
	if (c.admin_chain && *c.admin_chain && !streq(c.admin_chain, "CNI-ADMIN"))
		return err_set(
			e, -EOPNOTSUPP,
			"iptablesAdminChainName '%s' is not supported: put the rules into a chain "
			"of your own at the forward hook",
			c.admin_chain);
	*ret = find_policy(c.policy);
	return *ret ? 0 : err_set(e, -EINVAL, "unknown ingress policy: \"%s\"", c.policy);
}

/* The host's side of the result: the bridge, or the host's end of a pair. "" when there is none. */
static const char *host_interface(const struct cni_result *prev)
{
	for (size_t i = 0; i < prev->interfaces.n; i++)
		if (!prev->interfaces.v[i].sandbox || !*prev->interfaces.v[i].sandbox)
			return prev->interfaces.v[i].name ? prev->interfaces.v[i].name : "";
	return "";
}

/* One record for an interface, whichever network it is of: the last configuration counts. */
static int name_of(const char *ifname, char *buf, size_t size, struct err *e)
{
	if (snprintf(buf, size, "firewall-%s", ifname) >= (int)size)
		return err_set(e, -EINVAL, "'%s' is too long for an interface's name", ifname);
	return 0;
}

static int add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	const struct policy *policy;
	struct rules_network n = { 0 };
	struct rules_place place;
	struct rules rules;
	char name[32];
	int r = read_conf(call, &policy, e);

	if (r < 0)
		return r;
	if (!call->prev)
		return err_set(e, -EINVAL, "missing prevResult from earlier plugin");
	n.bridge = host_interface(call->prev);
	*ret = (struct cni_result *)call->prev;
	if (!*n.bridge && policy->is_isolated)
		return err_set(
			e, -EINVAL,
			"interface needs to be set for ingress policy \"%s\", make sure to chain "
			"\"firewall\" plugin with \"bridge\"",
			policy->name);
	if (!*n.bridge)
		return 0;
	r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);
	r = r < 0 ? r : name_of(n.bridge, name, sizeof(name), e);
	r = r < 0 ? r : rules_foreign_admit(&rules, n.bridge, e);
	if (r < 0)
		return r;
	n.name = name;
	n.is_closed = r > 0;
	n.is_isolated = policy->is_isolated;
	n.is_apart = policy->is_apart;
	return rules_network_add(&rules, &n, e);
}

/* The bridge stays let through, as other containers may be on it; what the reference plugin put up for addresses goes. */
static int del(const struct cni_call *call, struct err *e)
{
	struct rules_owner owner = { call->container_id, call->c->name, call->ifname };
	const struct policy *policy;
	struct json_strs addresses = { 0 };
	int r = read_conf(call, &policy, e);

	if (r < 0 || !call->prev || !call->prev->ips.n)
		return r;
	addresses.v = arena_calloc(call->a, call->prev->ips.n, sizeof(*addresses.v));
	if (!addresses.v)
		return err_set(e, -ENOMEM, "out of memory for addresses");
	for (size_t i = 0; i < call->prev->ips.n; i++)
		addresses.v[addresses.n++] = call->prev->ips.v[i].address;
	return rules_reference_del(RULES_NETWORK, &owner, &addresses, e);
}

static int check(const struct cni_call *call, struct err *e)
{
	const struct policy *policy;
	struct rules_owner owner = { 0 };
	struct rules_place place;
	struct rules rules;
	AUTO_STRBUF struct strbuf words = { 0 };
	const char *ifname;
	char name[32];
	int r = read_conf(call, &policy, e);

	if (r < 0)
		return r;
	if (!call->prev)
		return err_set(e, -EINVAL, "missing prevResult from earlier plugin");
	ifname = host_interface(call->prev);
	if (!*ifname)
		return 0;
	r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);
	r = r < 0 ? r : name_of(ifname, name, sizeof(name), e);
	owner.network = name;
	r = r < 0 ? r : rules_check(&rules, RULES_NETWORK, &owner, e);
	r = r < 0 ? r : rules_foreign_drop(&rules, ifname, &words, e);
	return r > 0 ? err_set(e, -ENOENT, "%s", words.p ? words.p : "") : r;
}

const struct cni_plugin cni_plugin_firewall = {
	.type = "firewall", .add = add, .del = del, .check = check
};
