/* The expressions of rules: NFTA_LIST_ELEM { name, data { … } } each. */
#include <linux/netfilter.h>

#include "sys/nft.h"
#include "sys/nft_priv.h"

struct open_expr {
	size_t whole, data;
};

static struct open_expr begin(struct nft_batch *b, const char *name)
{
	struct open_expr x = { .whole = nl_nest(&b->m, NFTA_LIST_ELEM) };

	nl_put_str(&b->m, NFTA_EXPR_NAME, name);
	x.data = nl_nest(&b->m, NFTA_EXPR_DATA);
	return x;
}

static void end(struct nft_batch *b, struct open_expr x)
{
	nl_nest_end(&b->m, x.data);
	nl_nest_end(&b->m, x.whole);
}

static void put_reg(struct nft_batch *b, uint16_t attr, unsigned int reg)
{
	ASSERT(reg < 16);
	nl_put_be32(&b->m, attr, NFT_REG32_00 + reg);
}

void nft_meta(struct nft_batch *b, enum nft_meta_keys key, unsigned int reg)
{
	struct open_expr x = begin(b, "meta");

	put_reg(b, NFTA_META_DREG, reg);
	nl_put_be32(&b->m, NFTA_META_KEY, key);
	end(b, x);
}

void nft_payload(struct nft_batch *b, enum nft_payload_bases base, uint32_t offset, uint32_t len,
		 unsigned int reg)
{
	struct open_expr x = begin(b, "payload");

	put_reg(b, NFTA_PAYLOAD_DREG, reg);
	nl_put_be32(&b->m, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(&b->m, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(&b->m, NFTA_PAYLOAD_LEN, len);
	end(b, x);
}

void nft_fib_daddr_type(struct nft_batch *b, unsigned int reg)
{
	struct open_expr x = begin(b, "fib");

	put_reg(b, NFTA_FIB_DREG, reg);
	nl_put_be32(&b->m, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_put_be32(&b->m, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end(b, x);
}

void nft_ct(struct nft_batch *b, enum nft_ct_keys key, unsigned int reg)
{
	struct open_expr x = begin(b, "ct");

	put_reg(b, NFTA_CT_DREG, reg);
	nl_put_be32(&b->m, NFTA_CT_KEY, key);
	end(b, x);
}

void nft_cmp(struct nft_batch *b, unsigned int reg, enum nft_cmp_ops op, const void *data,
	     size_t len)
{
	struct open_expr x = begin(b, "cmp");

	put_reg(b, NFTA_CMP_SREG, reg);
	nl_put_be32(&b->m, NFTA_CMP_OP, op);
	nft_put_value(&b->m, NFTA_CMP_DATA, data, len);
	end(b, x);
}

void nft_mask(struct nft_batch *b, unsigned int reg, const void *mask, size_t len)
{
	static const uint8_t zeros[NFT_VALUE_MAX];
	struct open_expr x = begin(b, "bitwise");

	put_reg(b, NFTA_BITWISE_SREG, reg);
	put_reg(b, NFTA_BITWISE_DREG, reg);
	nl_put_be32(&b->m, NFTA_BITWISE_LEN, (uint32_t)len);
	nft_put_value(&b->m, NFTA_BITWISE_MASK, mask, len);
	nft_put_value(&b->m, NFTA_BITWISE_XOR, zeros, len);
	end(b, x);
}

static struct open_expr begin_lookup(struct nft_batch *b, const char *set, uint32_t set_id,
				     unsigned int reg)
{
	struct open_expr x = begin(b, "lookup");

	nl_put_str(&b->m, NFTA_LOOKUP_SET, set);
	if (set_id)
		nl_put_be32(&b->m, NFTA_LOOKUP_SET_ID, set_id);
	put_reg(b, NFTA_LOOKUP_SREG, reg);
	return x;
}

void nft_lookup(struct nft_batch *b, const char *set, uint32_t set_id, unsigned int reg,
		bool is_inverted)
{
	struct open_expr x = begin_lookup(b, set, set_id, reg);

	if (is_inverted)
		nl_put_be32(&b->m, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	end(b, x);
}

void nft_lookup_map(struct nft_batch *b, const char *set, uint32_t set_id, unsigned int reg,
		    unsigned int to)
{
	struct open_expr x = begin_lookup(b, set, set_id, reg);

	put_reg(b, NFTA_LOOKUP_DREG, to);
	end(b, x);
}

void nft_lookup_verdict(struct nft_batch *b, const char *set, uint32_t set_id, unsigned int reg)
{
	struct open_expr x = begin_lookup(b, set, set_id, reg);

	nl_put_be32(&b->m, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	end(b, x);
}

void nft_verdict(struct nft_batch *b, int32_t verdict, const char *chain)
{
	struct open_expr x = begin(b, "immediate");

	nl_put_be32(&b->m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nft_put_verdict(&b->m, NFTA_IMMEDIATE_DATA, verdict, chain);
	end(b, x);
}

void nft_dnat(struct nft_batch *b, uint8_t family, unsigned int address_reg, unsigned int port_reg)
{
	struct open_expr x = begin(b, "nat");

	nl_put_be32(&b->m, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_put_be32(&b->m, NFTA_NAT_FAMILY, family);
	put_reg(b, NFTA_NAT_REG_ADDR_MIN, address_reg);
	put_reg(b, NFTA_NAT_REG_PROTO_MIN, port_reg);
	end(b, x);
}

void nft_masquerade(struct nft_batch *b)
{
	end(b, begin(b, "masq"));
}
