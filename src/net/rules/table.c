/* The table: its sets, chains and rules. The rules never change; README.md shows them as nft lists them. */
#include <arpa/inet.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "base/err.h"
#include "net/rules/priv.h"

#define PROTO NFT_TYPE_INET_PROTOCOL
#define PORT NFT_TYPE_INET_SERVICE
#define IP4 NFT_TYPE_IPADDR
#define IP6 NFT_TYPE_IP6ADDR
#define IFNAME NFT_TYPE_IFNAME
#define FAMILY NFT_TYPE_NFPROTO
#define VERDICT NFT_TYPE_VERDICT

/* name, key, data, intervals, comment in nft's listing */
const struct nft_set rules_sets[SETS_N] = {
	[SET_PORTS4] = { "ports4",
			 { PROTO, PORT },
			 { IP4, PORT },
			 false,
			 "on every local address" },
	[SET_PORTS6] = { "ports6", { PROTO, PORT }, { IP6, PORT }, false },
	[SET_ADDR_PORTS4] = { "addr_ports4",
			      { IP4, PROTO, PORT },
			      { IP4, PORT },
			      false,
			      "on one address" },
	[SET_ADDR_PORTS6] = { "addr_ports6", { IP6, PROTO, PORT }, { IP6, PORT }, false },
	[SET_SNAT4] = { "snat4", { IP4 }, { 0 }, false, "reached from themselves" },
	[SET_SNAT6] = { "snat6", { IP6 }, { 0 }, false },
	[SET_SNAT_ALL4] = { "snat_all4", { IP4 }, { 0 }, false, "see every client as the host" },
	[SET_SNAT_ALL6] = { "snat_all6", { IP6 }, { 0 }, false },
	[SET_MASQ4] = { "masq4", { IP4 }, { 0 }, false, "go out as the host" },
	[SET_MASQ6] = { "masq6", { IP6 }, { 0 }, false },
	[SET_OWN4] = { "own4", { IP4, IP4 }, { 0 }, true, "inside of a subnet" },
	[SET_OWN6] = { "own6", { IP6, IP6 }, { 0 }, true },
	[SET_MASQ_BRIDGES] = { "masq_bridges", { FAMILY, IFNAME }, { 0 }, false },
	[SET_SAME] = { "same", { IFNAME, IFNAME }, { VERDICT }, false, "inside of a bridge" },
	[SET_ISOLATED] = { "isolated", { IFNAME }, { 0 }, false, "not to each other" },
	[SET_CLOSED] = { "closed", { IFNAME }, { 0 }, false, "in by published ports" },
	[SET_INTERNAL] = { "internal", { IFNAME }, { 0 }, false, "no way out" },
	[SET_LOCALNET] = { "localnet", { IFNAME }, { 0 }, false, "with route_localnet" },
};

/* ---- pieces of rules; registers 0 to 8 hold the joined key ---- */

/* What differs between the families; offsets are those in the IP header. */
struct family {
	uint8_t nfproto;
	uint8_t saddr, daddr, len;
	unsigned int regs; /* that an address takes */
	unsigned int v6;   /* 0 or 1: added to a set of IPv4 */
};
static const struct family V4 = {
	NFPROTO_IPV4, offsetof(struct iphdr, saddr), offsetof(struct iphdr, daddr), 4, 1, 0
};
static const struct family V6 = {
	NFPROTO_IPV6, offsetof(struct ip6_hdr, ip6_src), offsetof(struct ip6_hdr, ip6_dst), 16, 4, 1
};

static void is_family(struct nft_batch *b, const struct family *f)
{
	nft_meta(b, NFT_META_NFPROTO, 0);
	nft_cmp(b, 0, NFT_CMP_EQ, &f->nfproto, 1);
}

static void load_saddr(struct nft_batch *b, const struct family *f, unsigned int reg)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, f->saddr, f->len, reg);
}

static void load_daddr(struct nft_batch *b, const struct family *f, unsigned int reg)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, f->len, reg);
}

/* Sets are made in the same batch as the rules, so that they are named by number too. */
static void in_set(struct nft_batch *b, enum rules_set set, unsigned int reg, bool is_inverted)
{
	nft_lookup(b, rules_sets[set].name, set + 1, reg, is_inverted);
}

/* Bits of a value in host order, any of which are set */
static void has_bits(struct nft_batch *b, enum nft_ct_keys key, uint32_t bits)
{
	static const uint32_t zero = 0;

	nft_ct(b, key, 0);
	nft_mask(b, 0, &bits, sizeof(bits));
	nft_cmp(b, 0, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void was_published(struct nft_batch *b)
{
	has_bits(b, NFT_CT_STATUS, IPS_DST_NAT);
}

/* A prefix of whole bytes: 127.0.0.0/8, ff00::/8 */
static void in_block(struct nft_batch *b, uint32_t offset, uint8_t first)
{
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, 0);
	nft_cmp(b, 0, NFT_CMP_EQ, &first, 1);
}

static void load_interfaces(struct nft_batch *b)
{
	nft_meta(b, NFT_META_IIFNAME, 0);
	nft_meta(b, NFT_META_OIFNAME, 4);
}

static void end_with(struct nft_batch *b, int32_t verdict)
{
	nft_verdict(b, verdict, NULL);
	nft_rule_end(b);
}

/* ---- the chains ---- */

/* With route_localnet a container could reach what listens on the host's 127.0.0.1: it is stopped before anything else. */
static void loopback_rules(struct nft_batch *b, const char *chain)
{
	nft_rule_begin(b, chain, false, "nobody's loopback");
	is_family(b, &V4);
	in_block(b, V4.daddr, 127);
	nft_meta(b, NFT_META_IIFNAME, 0);
	in_set(b, SET_LOCALNET, 0, false);
	end_with(b, NF_DROP);
}

static void jump_when_local(struct nft_batch *b, const char *chain)
{
	static const uint32_t local = RTN_LOCAL;

	nft_rule_begin(b, chain, false, NULL);
	nft_fib_daddr_type(b, 0);
	nft_cmp(b, 0, NFT_CMP_EQ, &local, sizeof(local));
	nft_verdict(b, NFT_JUMP, "published");
	nft_rule_end(b);
}

static void prerouting_rules(struct nft_batch *b, const char *chain)
{
	/* A neighbour may send to 127.0.0.1 over the wire: what is published there is the host's alone. */
	nft_rule_begin(b, chain, false, NULL);
	is_family(b, &V4);
	in_block(b, V4.daddr, 127);
	end_with(b, NFT_RETURN);
	jump_when_local(b, chain);
}

static void output_rules(struct nft_batch *b, const char *chain)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	/* IPv6 has no route_localnet: the answer would be lost, so that nobody listens there is said at once. */
	nft_rule_begin(b, chain, false, NULL);
	is_family(b, &V6);
	load_daddr(b, &V6, 0);
	nft_cmp(b, 0, NFT_CMP_EQ, loopback, sizeof(loopback));
	end_with(b, NFT_RETURN);
	jump_when_local(b, chain);
}

static void publish(struct nft_batch *b, const char *chain, const struct family *f, bool by_address)
{
	enum rules_set set = (by_address ? SET_ADDR_PORTS4 : SET_PORTS4) + f->v6;
	unsigned int at = by_address ? f->regs : 0;

	nft_rule_begin(b, chain, false, NULL);
	is_family(b, f);
	if (by_address)
		load_daddr(b, f, 0);
	nft_meta(b, NFT_META_L4PROTO, at);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, at + 1);
	nft_lookup_map(b, rules_sets[set].name, set + 1, 0, 0);
	nft_dnat(b, f->nfproto, 0, f->regs);
	nft_rule_end(b);
}

static void published_rules(struct nft_batch *b, const char *chain)
{
	publish(b, chain, &V4, true);
	publish(b, chain, &V4, false);
	publish(b, chain, &V6, true);
	publish(b, chain, &V6, false);
}

/* A published container that is in the set. */
static void to_published(struct nft_batch *b, const char *chain, const struct family *f,
			 enum rules_set set)
{
	nft_rule_begin(b, chain, false, NULL);
	is_family(b, f);
	was_published(b);
	load_daddr(b, f, 0);
	in_set(b, set + f->v6, 0, false);
}

static void inside_own(struct nft_batch *b, const struct family *f)
{
	load_saddr(b, f, 0);
	load_daddr(b, f, f->regs);
	in_set(b, SET_OWN4 + f->v6, 0, false);
}

static void end_with_masquerade(struct nft_batch *b)
{
	nft_masquerade(b);
	nft_rule_end(b);
}

static void masquerade_rules(struct nft_batch *b, const char *chain, const struct family *f)
{
	to_published(b, chain, f, SET_SNAT_ALL4);
	end_with_masquerade(b);
	if (f == &V4) {
		to_published(b, chain, f, SET_SNAT4);
		in_block(b, f->saddr, 127);
		end_with_masquerade(b);
	}
	/* The answer would go straight to the neighbour, or to the container itself. */
	to_published(b, chain, f, SET_SNAT4);
	inside_own(b, f);
	end_with_masquerade(b);

	nft_rule_begin(b, chain, false, NULL);
	is_family(b, f);
	inside_own(b, f);
	end_with(b, NFT_RETURN);

	nft_rule_begin(b, chain, false, NULL);
	is_family(b, f);
	load_saddr(b, f, 0);
	in_set(b, SET_MASQ4 + f->v6, 0, false);
	end_with_masquerade(b);
}

/* Multicast keeps its source. */
static void return_multicast(struct nft_batch *b, const char *chain)
{
	static const uint8_t mask4[4] = { 0xf0 }, block4[4] = { 0xe0 };

	nft_rule_begin(b, chain, false, NULL);
	is_family(b, &V4);
	load_daddr(b, &V4, 0);
	nft_mask(b, 0, mask4, sizeof(mask4));
	nft_cmp(b, 0, NFT_CMP_EQ, block4, sizeof(block4));
	end_with(b, NFT_RETURN);

	nft_rule_begin(b, chain, false, NULL);
	is_family(b, &V6);
	in_block(b, V6.daddr, 0xff);
	end_with(b, NFT_RETURN);
}

static void postrouting_rules(struct nft_batch *b, const char *chain)
{
	return_multicast(b, chain);
	masquerade_rules(b, chain, &V4);
	masquerade_rules(b, chain, &V6);

	nft_rule_begin(b, chain, false, NULL);
	nft_meta(b, NFT_META_NFPROTO, 0);
	nft_meta(b, NFT_META_IIFNAME, 1);
	in_set(b, SET_MASQ_BRIDGES, 0, false);
	end_with_masquerade(b);
}

static void drop_by(struct nft_batch *b, const char *chain, enum nft_meta_keys key,
		    enum rules_set set)
{
	nft_rule_begin(b, chain, false, NULL);
	nft_meta(b, key, 0);
	in_set(b, set, 0, false);
	end_with(b, NF_DROP);
}

static void forward_rules(struct nft_batch *b, const char *chain)
{
	nft_rule_begin(b, chain, false, NULL);
	has_bits(b, NFT_CT_STATE,
		 NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	end_with(b, NF_ACCEPT);

	/* What is published is published to other networks too, but for those without a way in. */
	nft_rule_begin(b, chain, false, NULL);
	was_published(b);
	load_interfaces(b);
	in_set(b, SET_INTERNAL, 0, true);
	in_set(b, SET_INTERNAL, 4, true);
	end_with(b, NF_ACCEPT);

	/* Seen here only where bridges hand their packets to the packet filter (br_netfilter). */
	nft_rule_begin(b, chain, false, NULL);
	load_interfaces(b);
	nft_lookup_verdict(b, rules_sets[SET_SAME].name, SET_SAME + 1, 0);
	nft_rule_end(b);

	drop_by(b, chain, NFT_META_IIFNAME, SET_INTERNAL);
	drop_by(b, chain, NFT_META_OIFNAME, SET_INTERNAL);

	nft_rule_begin(b, chain, false, NULL);
	load_interfaces(b);
	in_set(b, SET_ISOLATED, 0, false);
	in_set(b, SET_ISOLATED, 4, false);
	end_with(b, NF_DROP);

	nft_rule_begin(b, chain, false, NULL);
	load_interfaces(b);
	in_set(b, SET_CLOSED, 0, true);
	in_set(b, SET_CLOSED, 4, false);
	end_with(b, NF_DROP);
}

/* ---- the whole ---- */

/* `rules` is how many the chain has; `jumps` how many rules of others name it: both count as use. */
static const struct {
	struct nft_chain chain;
	void (*rules)(struct nft_batch *b, const char *chain);
	uint32_t use;
} CHAINS[] = {
	{ { .name = "published" }, published_rules, 4 + 2 },
	{ { "loopback", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW, NF_ACCEPT },
	  loopback_rules,
	  1 },
	{ { "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, NF_ACCEPT },
	  prerouting_rules,
	  2 },
	{ { "output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, NF_ACCEPT }, output_rules, 2 },
	{ { "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT },
	  postrouting_rules,
	  12 },
	{ { "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_ACCEPT }, forward_rules, 7 },
};

void rules_table_build(struct nft_batch *b)
{
	/* Deleting needs one that is there. */
	nft_table_add(b, NULL);
	nft_table_del(b);
	nft_table_add(b, "published ports and masquerade of containers; rebuilt when changed");
	for (size_t i = 0; i < SETS_N; i++)
		nft_set_add(b, &rules_sets[i], (uint32_t)i + 1);
	for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
		nft_chain_add(b, &CHAINS[i].chain);
	for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
		CHAINS[i].rules(b, CHAINS[i].chain.name);
}

int rules_table_is_whole(int nft, const struct nft_table *t, uint32_t *ret_genid, struct err *e)
{
	struct nft_query q[1 + ARRAY_LEN(CHAINS)] = { 0 };
	bool is_whole;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
		q[1 + i].chain = CHAINS[i].chain.name;
	r = nft_query(nft, t, q, ARRAY_LEN(q), ret_genid, e);
	if (r < 0)
		return r;
	is_whole = q[0].is_there && q[0].use == SETS_N + ARRAY_LEN(CHAINS);
	for (size_t i = 0; i < ARRAY_LEN(CHAINS); i++)
		is_whole &= q[1 + i].is_there && q[1 + i].use == CHAINS[i].use;
	return is_whole;
}
