/* What the reference plugins (containernetworking/plugins 0.8 to 1.9) leave in the packet filter, and taking it away. */
#include <linux/netfilter.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "net/rules/priv.h"

/* Rules of one attachment in one chain: three for each port, or two for each address. */
#define MATCHES_MAX 256

/* By what a rule of the attachment is known. */
enum sign {
	SIGN_COMMENT, /* iptables: 'name: "NETWORK" id: "ID"' inside of the comment */
	SIGN_ID,      /* portmap's own table: the comment is the id */
	SIGN_IFNAME,  /* the own table of bridge and ptp: "…, net: NETWORK, if: IFNAME, id: ID" */
	SIGN_ADDRESS, /* firewall: compares with the address */
};

static const struct place {
	enum rules_kind kind;
	struct nft_table table;
	const char *chain;
	enum sign sign;
} PLACES[] = {
	{ RULES_PORTS, { NFPROTO_IPV4, "nat" }, "CNI-HOSTPORT-DNAT", SIGN_COMMENT },
	{ RULES_PORTS, { NFPROTO_IPV6, "nat" }, "CNI-HOSTPORT-DNAT", SIGN_COMMENT },
	{ RULES_PORTS, { NFPROTO_IPV4, "cni_hostport" }, "hostports", SIGN_ID },
	{ RULES_PORTS, { NFPROTO_IPV4, "cni_hostport" }, "hostip_hostports", SIGN_ID },
	{ RULES_PORTS, { NFPROTO_IPV4, "cni_hostport" }, "masquerading", SIGN_ID },
	{ RULES_PORTS, { NFPROTO_IPV6, "cni_hostport" }, "hostports", SIGN_ID },
	{ RULES_PORTS, { NFPROTO_IPV6, "cni_hostport" }, "hostip_hostports", SIGN_ID },
	{ RULES_PORTS, { NFPROTO_IPV6, "cni_hostport" }, "masquerading", SIGN_ID },
	{ RULES_MASQUERADE, { NFPROTO_IPV4, "nat" }, "POSTROUTING", SIGN_COMMENT },
	{ RULES_MASQUERADE, { NFPROTO_IPV6, "nat" }, "POSTROUTING", SIGN_COMMENT },
	{ RULES_MASQUERADE,
	  { NFPROTO_INET, "cni_plugins_masquerade" },
	  "masq_checks",
	  SIGN_IFNAME },
	{ RULES_NETWORK, { NFPROTO_IPV4, "filter" }, "CNI-FORWARD", SIGN_ADDRESS },
	{ RULES_NETWORK, { NFPROTO_IPV6, "filter" }, "CNI-FORWARD", SIGN_ADDRESS },
};

struct search {
	const struct place *place;
	const struct json_strs *addresses;
	char text[NFT_USERDATA_MAXLEN + RULES_NAME_MAX];
	struct match {
		uint64_t handle;
		char chain
			[NFT_NAME_MAXLEN]; /* of the attachment alone: what the rule jumps to; "" for none */
	} * v;
	size_t n;
};

static int set_text(struct search *s, const struct rules_owner *o, struct err *e)
{
	static const char *const forms[] = {
		[SIGN_COMMENT] = "name: \"%s\" id: \"%s\"%.0s",
		[SIGN_ID] = "%.0s%s%.0s",
		[SIGN_IFNAME] = "net: %1$s, if: %3$s, id: %2$s",
		[SIGN_ADDRESS] = "%.0s%.0s%.0s",
	};
	int n = snprintf(s->text, sizeof(s->text), forms[s->place->sign], o->network,
			 o->container_id, o->ifname ? o->ifname : "");

	return n < (int)sizeof(s->text)
		       ? 0
		       : err_set(e, -ENAMETOOLONG, "the container's id is too long");
}

static bool contains(const struct nlattr *a, const void *bytes, size_t len)
{
	return a && len && memmem(nl_data(a), nl_len(a), bytes, len);
}

/* A comparison with exactly that address. */
static bool compares(const struct nlattr *expression, const struct ip_addr *a)
{
	const struct nlattr *x[NFTA_EXPR_MAX + 1], *c[NFTA_CMP_MAX + 1], *d[NFTA_DATA_MAX + 1];

	nl_parse_nested(expression, x, NFTA_EXPR_MAX);
	if (!streq(nl_get_str(x[NFTA_EXPR_NAME]), "cmp"))
		return false;
	nl_parse_nested(x[NFTA_EXPR_DATA], c, NFTA_CMP_MAX);
	nl_parse_nested(c[NFTA_CMP_DATA], d, NFTA_DATA_MAX);
	return nl_len(d[NFTA_DATA_VALUE]) == ip_addr_len(a) &&
	       memcmp(nl_data(d[NFTA_DATA_VALUE]), a->bytes, ip_addr_len(a)) == 0;
}

static bool has_address(const struct search *s, const struct nft_rule_info *rule)
{
	const struct nlattr *one = NULL;
	struct ip_net net;

	while (rule->expressions && (one = nl_next(rule->expressions, one)))
		for (size_t i = 0; s->addresses && i < s->addresses->n; i++)
			if (ip_net_parse_loose(s->addresses->v[i], &net) == 0 &&
			    compares(one, &net.addr))
				return true;
	return false;
}

static bool is_signed(const struct search *s, const struct nft_rule_info *rule)
{
	switch (s->place->sign) {
	case SIGN_COMMENT:
		return contains(rule->expressions, s->text, strlen(s->text)) ||
		       (rule->comment && strstr(rule->comment, s->text));
	case SIGN_ID:
		return rule->comment && streq(rule->comment, s->text);
	case SIGN_IFNAME:
		return rule->comment && str_ends(rule->comment, s->text);
	case SIGN_ADDRESS:
		return has_address(s, rule);
	}
	return false;
}

/* Where a rule jumps to, when that is a chain of an attachment's own: "CNI-…". */
static void copy_jump(const struct nft_rule_info *rule, char chain[NFT_NAME_MAXLEN])
{
	const struct nlattr *x[NFTA_EXPR_MAX + 1], *i[NFTA_IMMEDIATE_MAX + 1];
	const struct nlattr *d[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1], *one = NULL;

	chain[0] = '\0';
	while ((one = nl_next(rule->expressions, one))) {
		nl_parse_nested(one, x, NFTA_EXPR_MAX);
		if (!streq(nl_get_str(x[NFTA_EXPR_NAME]), "immediate"))
			continue;
		nl_parse_nested(x[NFTA_EXPR_DATA], i, NFTA_IMMEDIATE_MAX);
		nl_parse_nested(i[NFTA_IMMEDIATE_DATA], d, NFTA_DATA_MAX);
		nl_parse_nested(d[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX);
		if (v[NFTA_VERDICT_CHAIN] && str_skip(nl_get_str(v[NFTA_VERDICT_CHAIN]), "CNI-"))
			snprintf(chain, NFT_NAME_MAXLEN, "%s", nl_get_str(v[NFTA_VERDICT_CHAIN]));
	}
}

static int take_rule(void *data, const struct nft_rule_info *rule)
{
	struct search *s = data;

	if (s->n == MATCHES_MAX || !rule->expressions || !is_signed(s, rule))
		return 0;
	/* A dump that was disturbed begins anew. */
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].handle == rule->handle)
			return 0;
	s->v[s->n].handle = rule->handle;
	copy_jump(rule, s->v[s->n].chain);
	s->n++;
	return 0;
}

static bool is_repeated(const struct search *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (streq(s->v[j].chain, s->v[i].chain))
			return true;
	return false;
}

static int delete_matches(int nft, const struct search *s, struct err *e)
{
	AUTO_NFT_BATCH struct nft_batch b = { 0 };

	nft_batch_begin(&b, &s->place->table, 0);
	for (size_t i = 0; i < s->n; i++)
		nft_rule_del(&b, s->place->chain, s->v[i].handle);
	for (size_t i = 0; i < s->n; i++) {
		if (!*s->v[i].chain || is_repeated(s, i))
			continue;
		nft_chain_flush(&b, s->v[i].chain);
		nft_chain_del(&b, s->v[i].chain);
	}
	return nft_batch_commit(nft, &b, e);
}

static int clean(int nft, struct search *s, const struct rules_owner *o, struct err *e)
{
	int r = set_text(s, o, e);

	s->n = 0;
	r = r < 0 ? r : nft_rules_dump(nft, &s->place->table, s->place->chain, take_rule, s, e);
	if (r == 0 && s->n > 0)
		r = delete_matches(nft, s, e);
	/* Others took it away meanwhile. */
	return r == -ENOENT ? 0 : r;
}

int rules_reference_del(enum rules_kind kind, const struct rules_owner *o,
			const struct json_strs *addresses, struct err *e)
{
	const struct place *at[ARRAY_LEN(PLACES)];
	struct nft_query q[ARRAY_LEN(PLACES)] = { 0 };
	AUTO_FREE struct match *matches = calloc(MATCHES_MAX, sizeof(*matches));
	struct search s = { .addresses = addresses, .v = matches };
	AUTO_FD nft = nl_open(e);
	size_t n = 0;
	int r;

	if (nft < 0)
		return nft;
	if (!matches)
		return err_set(e, -ENOMEM, "out of memory for rules");
	for (size_t i = 0; i < ARRAY_LEN(PLACES); i++) {
		if (PLACES[i].kind != kind)
			continue;
		q[n] = (struct nft_query){ .table = &PLACES[i].table, .chain = PLACES[i].chain };
		at[n++] = &PLACES[i];
	}
	r = nft_query(nft, &PLACES[0].table, q, n, NULL, e);
	for (size_t i = 0; i < n && r == 0; i++) {
		s.place = at[i];
		if (q[i].is_there)
			r = clean(nft, &s, o, e);
	}
	return r;
}
