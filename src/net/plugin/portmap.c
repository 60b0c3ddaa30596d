/*
 * portmap: published ports. Keys are those of the reference plugin (1.1 to 1.9); what it puts into iptables chains or tables
 * of its own are here elements of one table (net/rules), whatever `backend` says.
 *
 * markMasqBit and externalSetMarkChain tell how packets are marked for masquerade: no mark is needed, the same packets are
 * masqueraded. conditionsV4 and conditionsV6 are rules in the language of a program that is not run: an error.
 */
#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "net/rules/rules.h"

struct conf {
	const char *backend, *external_set_mark_chain;
	bool snat, has_snat, masq_all, has_mark_masq_bit;
	int64_t mark_masq_bit;
	struct json_strs conditions4, conditions6;
	struct cni_runtime_config *runtime;
};

static const struct json_field conf_rows[] = {
	JSON_ROW(conf, backend, "backend", JSON_STR, 0),
	JSON_ROW_HAS(conf, snat, "snat", JSON_BOOL, 0),
	JSON_ROW(conf, masq_all, "masqAll", JSON_BOOL, 0),
	JSON_ROW_HAS(conf, mark_masq_bit, "markMasqBit", JSON_I64, 0),
	JSON_ROW(conf, external_set_mark_chain, "externalSetMarkChain", JSON_STR, 0),
	JSON_ROW(conf, conditions4, "conditionsV4", JSON_STRS, 0),
	JSON_ROW(conf, conditions6, "conditionsV6", JSON_STRS, 0),
	JSON_ROW_SUB(conf, runtime, "runtimeConfig", JSON_OBJ, 0, cni_runtime_config_table),
};
static JSON_TABLE(conf_table, "portmap", conf, conf_rows);

static bool has_condition(const struct json_strs *s)
{
	return s->n > 0 && *s->v[0];
}

static int check_conf(const struct conf *c, struct err *e)
{
	if (c->backend && *c->backend && !streq(c->backend, "iptables") &&
	    !streq(c->backend, "nftables"))
		return err_set(e, -EINVAL, "unrecognized backend \"%s\"", c->backend);
	if (c->has_mark_masq_bit && c->external_set_mark_chain)
		return err_set(e, -EINVAL, "Cannot specify externalSetMarkChain and markMasqBit");
	if (c->mark_masq_bit < 0 || c->mark_masq_bit > 31)
		return err_set(e, -EINVAL, "MasqMarkBit must be between 0 and 31");
	if (has_condition(&c->conditions4) || has_condition(&c->conditions6))
		return err_set(
			e, -EOPNOTSUPP,
			"conditionsV4 and conditionsV6 are not supported: leave them out, or use "
			"the reference plugin for this network");
	return 0;
}

static int read_conf(const struct cni_call *call, struct conf *c, struct err *e)
{
	static const struct cni_runtime_config none;
	int r = json_read(&conf_table, call->conf, call->conf_len, NULL, call->a, c, e);

	if (r < 0)
		return err_wrap(e, r, "failed to parse network configuration");
	if (!c->runtime)
		c->runtime = (struct cni_runtime_config *)&none;
	return check_conf(c, e);
}

static struct rules_owner owner_of(const struct cni_call *call)
{
	return (struct rules_owner){ call->container_id, call->c->name, call->ifname };
}

/* Of an interface of the result that is known not to be the container's own. */
static bool is_elsewhere(const struct cni_call *call, const struct cni_ip *ip)
{
	const struct cni_interface *i;

	if (!ip->has_interface || ip->interface < 0 ||
	    (size_t)ip->interface >= call->prev->interfaces.n)
		return false;
	i = &call->prev->interfaces.v[ip->interface];
	return !streq_null(i->name, call->ifname) || !i->sandbox || !*i->sandbox;
}

/* Addresses that ports may be published for; which of each family is used, the first, is said by rules. */
static int addresses_of(const struct cni_call *call, struct json_strs *ret, struct err *e)
{
	ret->n = 0;
	ret->v = arena_calloc(call->a, call->prev->ips.n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_set(e, -ENOMEM, "out of memory for addresses");
	for (size_t i = 0; i < call->prev->ips.n; i++)
		if (!is_elsewhere(call, &call->prev->ips.v[i]))
			ret->v[ret->n++] = call->prev->ips.v[i].address;
	return 0;
}

static int add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	struct rules_owner owner = owner_of(call);
	struct rules_ports ports;
	struct rules_place place;
	struct rules rules;
	struct conf c;
	int r = read_conf(call, &c, e);

	if (r < 0)
		return r;
	if (!call->prev)
		return err_set(e, -EINVAL, "must be called as chained plugin");
	*ret = (struct cni_result *)call->prev;
	if (c.runtime->ports.n == 0)
		return 0;
	ports = (struct rules_ports){ .ports = c.runtime->ports.v,
				      .ports_n = c.runtime->ports.n,
				      .keeps_source = c.has_snat && !c.snat,
				      .masquerades_all = c.masq_all && (!c.has_snat || c.snat) };
	r = addresses_of(call, &ports.addresses, e);
	r = r < 0 ? r : rules_of_conf(call->conf, call->conf_len, &place, &rules, e);
	return r < 0 ? r : rules_ports_add(&rules, &owner, &ports, e);
}

/* By what is recorded: what the configuration says now does not count. */
static int del(const struct cni_call *call, struct err *e)
{
	struct rules_owner owner = owner_of(call);
	struct rules_place place;
	struct rules rules;
	int r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);

	r = r < 0 ? r : rules_ports_del(&rules, &owner, e);
	return r < 0 ? r : rules_reference_del(RULES_PORTS, &owner, NULL, e);
}

static int check(const struct cni_call *call, struct err *e)
{
	struct rules_owner owner = owner_of(call);
	struct rules_place place;
	struct rules rules;
	struct conf c;
	int r = read_conf(call, &c, e);

	if (r < 0)
		return r;
	if (!call->prev)
		return err_set(e, -EINVAL, "Required prevResult missing");
	if (c.runtime->ports.n == 0)
		return 0;
	r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);
	return r < 0 ? r : rules_check(&rules, RULES_PORTS, &owner, e);
}

static int gc(const struct cni_call *call, struct err *e)
{
	struct rules_place place;
	struct rules rules;
	int r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);

	return r < 0 ? r
		     : rules_gc(&rules, RULES_PORTS, call->c->name, call->c->valid_attachments.v,
				call->c->valid_attachments.n, e);
}

const struct cni_plugin cni_plugin_portmap = {
	.type = "portmap", .add = add, .del = del, .check = check, .gc = gc
};
