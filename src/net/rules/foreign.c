/*
 * Chains of others that drop what is forwarded. An accept in our table does not help against a drop in another one, so that
 * somebody has to accept there. What is put there consists of what iptables-nft understands, else it would refuse its table.
 */
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"

/* Families times firewalls: more than a few is nothing that words help with. */
#define BLOCKERS_MAX 16

struct blocker {
	uint8_t family;
	char table[NFT_NAME_MAXLEN], chain[NFT_NAME_MAXLEN];
	const char *door; /* the chain that administrators put their own rules in, or `chain` */
	bool is_open;	  /* what goes out of the bridge is accepted already */
};

struct search {
	const char *own_table;
	struct blocker v[BLOCKERS_MAX];
	size_t n;
};

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

/* firewalld's chain accepts by policy and ends with a rule that rejects. */
static bool drops_by_default(const struct nft_chain_info *c)
{
	return c->type && c->hook == NF_INET_FORWARD && streq(c->type, "filter") &&
	       (c->policy == NF_DROP || streq(c->table, "firewalld"));
}

static bool is_ours(const struct search *s, const struct nft_chain_info *c)
{
	return streq(c->table, s->own_table) || str_skip(c->table, "corten");
}

static int take_blocker(void *data, const struct nft_chain_info *c)
{
	struct search *s = data;
	struct blocker *b = &s->v[s->n];

	if (s->n == BLOCKERS_MAX || !drops_by_default(c) || is_ours(s, c))
		return 0;
	/* A dump that was disturbed begins anew. */
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].family == c->family && streq(s->v[i].table, c->table) &&
		    streq(s->v[i].chain, c->name))
			return 0;
	*b = (struct blocker){ .family = c->family };
	snprintf(b->table, sizeof(b->table), "%s", c->table);
	snprintf(b->chain, sizeof(b->chain), "%s", c->name);
	s->n++;
	return 0;
}

/* ---- is the bridge let through? ---- */

struct door {
	const char *bridge;
	bool is_open;
};

static bool is_expression(const struct nlattr *const *x, const char *name)
{
	return streq(nl_get_str(x[NFTA_EXPR_NAME]), name);
}

static bool compares_with(const struct nlattr *data, const char *name)
{
	const struct nlattr *a[NFTA_CMP_MAX + 1], *value[NFTA_DATA_MAX + 1];
	char padded[IFNAMSIZ] = { 0 };
	size_t len;

	nl_parse_nested(data, a, NFTA_CMP_MAX);
	nl_parse_nested(a[NFTA_CMP_DATA], value, NFTA_DATA_MAX);
	len = nl_len(value[NFTA_DATA_VALUE]);
	memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	return len > strlen(name) && len <= sizeof(padded) &&
	       nl_get_be32(a[NFTA_CMP_OP]) == NFT_CMP_EQ &&
	       memcmp(nl_data(value[NFTA_DATA_VALUE]), padded, len) == 0;
}

static bool accepts(const struct nlattr *data)
{
	const struct nlattr *a[NFTA_IMMEDIATE_MAX + 1], *d[NFTA_DATA_MAX + 1];
	const struct nlattr *v[NFTA_VERDICT_MAX + 1];

	nl_parse_nested(data, a, NFTA_IMMEDIATE_MAX);
	nl_parse_nested(a[NFTA_IMMEDIATE_DATA], d, NFTA_DATA_MAX);
	nl_parse_nested(d[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX);
	return v[NFTA_VERDICT_CODE] && nl_get_be32(v[NFTA_VERDICT_CODE]) == NF_ACCEPT;
}

/* "-i BRIDGE -j ACCEPT" and nothing else */
static int see_rule(void *data, const struct nft_rule_info *rule)
{
	struct door *door = data;
	const struct nlattr *one = NULL, *x[NFTA_EXPR_MAX + 1], *key[NFTA_META_MAX + 1];
	bool loads_iif = false, is_bridge = false;

	while (rule->expressions && (one = nl_next(rule->expressions, one))) {
		nl_parse_nested(one, x, NFTA_EXPR_MAX);
		nl_parse_nested(x[NFTA_EXPR_DATA], key, NFTA_META_MAX);
		if (is_expression(x, "meta"))
			loads_iif = nl_get_be32(key[NFTA_META_KEY]) == NFT_META_IIFNAME;
		else if (is_expression(x, "cmp"))
			is_bridge = loads_iif && compares_with(x[NFTA_EXPR_DATA], door->bridge);
		else if (is_expression(x, "immediate"))
			door->is_open |= is_bridge && accepts(x[NFTA_EXPR_DATA]);
		else if (!is_expression(x, "counter"))
			return 0;
	}
	return 0;
}

/* Chains of known firewalls for what administrators say themselves. */
static const char *const DOORS[] = { "DOCKER-USER", "ufw-user-forward", "ufw6-user-forward" };

static int look_at(int nft, const struct blocker *b, const char *chain, struct door *door,
		   struct err *e)
{
	struct nft_table t = { b->family, b->table };
	struct nft_query q = { .chain = chain };
	int r = nft_query(nft, &t, &q, 1, NULL, e);

	if (r < 0 || !q.is_there)
		return r;
	r = nft_rules_dump(nft, &t, chain, see_rule, door, e);
	return r < 0 && r != -ENOENT ? r : 1;
}

static int find_door(int nft, struct blocker *b, const char *bridge, struct err *e)
{
	struct door door = { .bridge = bridge };
	int r = look_at(nft, b, b->chain, &door, e);

	b->door = b->chain;
	for (size_t i = 0; i < ARRAY_LEN(DOORS) && r >= 0; i++) {
		r = look_at(nft, b, DOORS[i], &door, e);
		if (r > 0)
			b->door = DOORS[i];
	}
	b->is_open = door.is_open;
	return MIN(r, 0);
}

static int search(int nft, const char *own_table, const char *bridge, struct search *s,
		  struct err *e)
{
	int r;

	*s = (struct search){ .own_table = own_table };
	r = nft_chains_dump(nft, NFPROTO_UNSPEC, take_blocker, s, e);
	for (size_t i = 0; i < s->n && r == 0; i++)
		r = find_door(nft, &s->v[i], bridge, e);
	return r;
}

/* ---- words ---- */

static void advise(const struct blocker *b, const char *bridge, struct strbuf *out)
{
	const char *ipt = b->family == NFPROTO_IPV6 ? "ip6tables" : "iptables";

	strbuf_addf(
		out,
		"the chain '%s' of the nftables table '%s %s' drops forwarded packets by default: "
		"containers on '%s' may not get out, nor be reached; ",
		b->chain, family_name(b->family), b->table, bridge);
	if (streq(b->table, "firewalld"))
		strbuf_addf(out, "try: firewall-cmd --zone=trusted --add-interface=%s\n", bridge);
	else if (str_skip(b->door, "ufw"))
		strbuf_addf(out, "try: ufw route allow in on %s && ufw route allow out on %s\n",
			    bridge, bridge);
	else if (streq(b->table, "filter") && b->family != NFPROTO_INET)
		strbuf_addf(out, "try: %s -I %s -i %s -j ACCEPT && %s -I %s -o %s -j ACCEPT\n", ipt,
			    b->door, bridge, ipt, b->door, bridge);
	else
		strbuf_addf(out,
			    "try: nft insert rule %s %s %s iifname %s accept && "
			    "nft insert rule %s %s %s oifname %s accept\n",
			    family_name(b->family), b->table, b->chain, bridge,
			    family_name(b->family), b->table, b->chain, bridge);
}

int rules_foreign_drop(const struct rules *r, const char *bridge, struct strbuf *out, struct err *e)
{
	AUTO_FD nft = nl_open(e);
	struct search s;
	int n = 0, result;

	if (nft < 0)
		return nft;
	result = search(nft, r->table ? r->table : "corten", bridge, &s, e);
	for (size_t i = 0; i < s.n && result == 0; i++) {
		if (s.v[i].is_open)
			continue;
		advise(&s.v[i], bridge, out);
		n++;
	}
	return result < 0 ? result : n;
}

/* ---- letting through ---- */

/* "-i BRIDGE -j ACCEPT" as iptables-nft writes it: the name with its NUL, no more. */
static void accept_interface(struct nft_batch *b, const char *chain, enum nft_meta_keys key,
			     const char *bridge)
{
	nft_rule_begin(b, chain, true, "corten: the bridge of containers");
	nft_meta(b, key, 0);
	nft_cmp(b, 0, NFT_CMP_EQ, bridge, strlen(bridge) + 1);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b);
}

static int let_through(int nft, const struct blocker *x, const char *bridge, struct err *e)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };
	struct nft_table t = { x->family, x->table };

	nft_batch_begin(&b, &t, 0);
	accept_interface(&b, x->door, NFT_META_OIFNAME, bridge);
	accept_interface(&b, x->door, NFT_META_IIFNAME, bridge);
	return nft_batch_commit(nft, &b, e);
}

int rules_foreign_admit(const struct rules *r, const char *bridge, struct err *e)
{
	AUTO_FD nft = nl_open(e);
	struct search s;
	int result;

	if (nft < 0)
		return nft;
	if (strlen(bridge) >= IFNAMSIZ)
		return err_set(e, -EINVAL, "'%s' is too long for an interface's name", bridge);
	result = search(nft, r->table ? r->table : "corten", bridge, &s, e);
	for (size_t i = 0; i < s.n && result == 0; i++)
		if (!s.v[i].is_open)
			result = let_through(nft, &s.v[i], bridge, e);
	return result < 0 ? result : (int)s.n;
}
