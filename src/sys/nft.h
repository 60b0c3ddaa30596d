#pragma once
/*
 * nftables over nfnetlink: one atomic batch of changes, and what can be asked.
 *
 * A batch is begun, filled with changes in the order in which they are to happen, and committed: the kernel does all of it
 * or nothing. Numbers and masks of keys and data are as on the wire (addresses and ports big-endian). What is made here
 * reads as usual in `nft list ruleset`: comments, key types and byte orders are told to that program as it expects them.
 *
 * Not here: any rule of ours (net/rules). Kernel 5.10 or newer. Works in the caller's network namespace, by a socket of
 * nl_open. Safe after fork: yes, while the parent had one thread.
 * Source: linux/netfilter/nf_tables.h; libnftnl's udata.h for the user data.
 */
#include <linux/netfilter/nf_tables.h>

#include "sys/nlmsg.h"

/* A comment that nft shows: its own limit. Longer ones are cut. */
#define NFT_COMMENT_MAX 127
/* A key or a datum: 16 registers of 4 bytes. */
#define NFT_VALUE_MAX NFT_DATA_VALUE_MAXLEN

struct nft_table {
	uint8_t family; /* NFPROTO_INET, NFPROTO_IPV4… */
	const char *name;
};

struct nft_batch {
	struct nlbuf m;
	const struct nft_table *table; /* borrowed until the commit */
	uint32_t seq;
	size_t last; /* where the last change begins, 0: none */
	/* The open list of elements or the open rule. */
	const char *list_set;
	uint16_t list_type;
	size_t list_nests[2];
	unsigned int list_n;
};

void nft_batch_done(struct nft_batch *b);
#define AUTO_NFT_BATCH CLEANUP(nft_batch_done)

/* `genid`: the batch is refused with -ERESTART when the rules are not of that generation any more; 0: any. */
void nft_batch_begin(struct nft_batch *b, const struct nft_table *t, uint32_t genid);
/*
 * Commits. Errors are those of the first change that failed, with its name in the words: -ENOENT (table, chain, set or
 * element is not there), -EEXIST, -EBUSY (in use), -ERESTART, -EPERM, -EOPNOTSUPP.
 */
int nft_batch_commit(int fd, struct nft_batch *b, struct err *e);

/* Adding what exists is fine. */
void nft_table_add(struct nft_batch *b, const char *comment);
void nft_table_del(struct nft_batch *b);

struct nft_chain {
	const char *name;
	const char *type; /* "filter", "nat"; NULL: no base chain, hook and priority do not count */
	uint32_t hook;	  /* NF_INET_FORWARD… */
	int32_t priority;
	uint32_t policy; /* NF_ACCEPT, NF_DROP */
};
void nft_chain_add(struct nft_batch *b, const struct nft_chain *c);
/* Removes its rules. */
void nft_chain_flush(struct nft_batch *b, const char *chain);
/* -EBUSY: it has rules, or others jump to it. */
void nft_chain_del(struct nft_batch *b, const char *chain);

/* Types of keys and data, by the numbers of nft(8)'s own datatypes; widths are theirs, padded to registers when joined. */
enum nft_type {
	NFT_TYPE_NONE = 0,
	NFT_TYPE_VERDICT = 1,
	NFT_TYPE_NFPROTO = 2,
	NFT_TYPE_IPADDR = 7,
	NFT_TYPE_IP6ADDR = 8,
	NFT_TYPE_INET_PROTOCOL = 12,
	NFT_TYPE_INET_SERVICE = 13,
	NFT_TYPE_IFNAME = 41,
};
#define NFT_JOINED_MAX 4

struct nft_set {
	const char *name;
	uint8_t key[NFT_JOINED_MAX];  /* enum nft_type; joined when more than one */
	uint8_t data[NFT_JOINED_MAX]; /* of a map; NFT_TYPE_VERDICT alone: a verdict map */
	bool is_interval; /* joined keys only: an element is a box from `key` to `key_end` */
	const char *comment;
};
/* Adding a set that exists with the same types is fine, else -EEXIST. `id` refers to it inside the batch; counts from 1. */
void nft_set_add(struct nft_batch *b, const struct nft_set *s, uint32_t id);
/* Bytes of a joined key or datum. */
size_t nft_types_size(const uint8_t types[NFT_JOINED_MAX]);

struct nft_elem {
	size_t key_len, data_len;
	bool has_end, has_verdict;
	int32_t verdict; /* NF_ACCEPT, NF_DROP, NFT_RETURN */
	uint8_t key[NFT_VALUE_MAX], key_end[NFT_VALUE_MAX], data[NFT_VALUE_MAX];
	char comment[NFT_COMMENT_MAX + 1]; /* "": none */
};
/* Appends to key or data, padded with zeros to whole registers. */
void nft_key_put(struct nft_elem *el, const void *data, size_t len);
void nft_key_end_put(struct nft_elem *el, size_t at, const void *data, size_t len);
void nft_data_put(struct nft_elem *el, const void *data, size_t len);
/* An interface's name as a key of 16 bytes. */
void nft_key_put_ifname(struct nft_elem *el, const char *ifname);

enum nft_elem_op {
	NFT_ELEM_ADD, /* fine when it is there with the same data; -EEXIST or -EBUSY with other data */
	NFT_ELEM_ADD_NEW, /* -EEXIST when the key is there */
	NFT_ELEM_DEL,	  /* -ENOENT when it is not */
};
void nft_elem_put(struct nft_batch *b, const char *set, enum nft_elem_op op,
		  const struct nft_elem *el);

/*
 * Rules: expressions between begin and end, evaluated in order until one does not match. Registers are those of 4 bytes,
 * 0 to 15; a value takes as many as it needs. In front of the chain's rules with `is_first`.
 */
void nft_rule_begin(struct nft_batch *b, const char *chain, bool is_first, const char *comment);
void nft_rule_end(struct nft_batch *b);
void nft_rule_del(struct nft_batch *b, const char *chain, uint64_t handle);

void nft_meta(struct nft_batch *b, enum nft_meta_keys key, unsigned int reg);
void nft_payload(struct nft_batch *b, enum nft_payload_bases base, uint32_t offset, uint32_t len,
		 unsigned int reg);
/* The destination address's type (RTN_LOCAL…), in host order. */
void nft_fib_daddr_type(struct nft_batch *b, unsigned int reg);
void nft_ct(struct nft_batch *b, enum nft_ct_keys key, unsigned int reg);
void nft_cmp(struct nft_batch *b, unsigned int reg, enum nft_cmp_ops op, const void *data,
	     size_t len);
/* reg &= mask */
void nft_mask(struct nft_batch *b, unsigned int reg, const void *mask, size_t len);
/* Matches what is in the set, or with `is_inverted` what is not. `set_id` as at nft_set_add, 0: by name alone. */
void nft_lookup(struct nft_batch *b, const char *set, uint32_t set_id, unsigned int reg,
		bool is_inverted);
/* Loads the map's data from register `to` on; of a verdict map, the verdict is what happens. */
void nft_lookup_map(struct nft_batch *b, const char *set, uint32_t set_id, unsigned int reg,
		    unsigned int to);
void nft_lookup_verdict(struct nft_batch *b, const char *set, uint32_t set_id, unsigned int reg);
/* `chain` for NFT_JUMP and NFT_GOTO, else NULL. */
void nft_verdict(struct nft_batch *b, int32_t verdict, const char *chain);
/* Destination NAT to the address and port in the registers. */
void nft_dnat(struct nft_batch *b, uint8_t family, unsigned int address_reg, unsigned int port_reg);
void nft_masquerade(struct nft_batch *b);

/* The generation of the namespace's rules. */
int nft_genid(int fd, uint32_t *ret, struct err *e);

struct nft_chain_info {
	uint8_t family;
	const char *table, *name;
	const char *type; /* NULL: no base chain */
	uint32_t hook, policy;
	int32_t priority;
	uint32_t use; /* rules and jumps to it */
};
/* Every chain of the family (NFPROTO_UNSPEC: of all). The texts live for the call. A negative result of `f` ends it. */
int nft_chains_dump(int fd, uint8_t family, int (*f)(void *data, const struct nft_chain_info *c),
		    void *data, struct err *e);

struct nft_rule_info {
	uint64_t handle;
	const char *comment; /* NULL: none */
	const struct nlattr *expressions;
};
int nft_rules_dump(int fd, const struct nft_table *t, const char *chain,
		   int (*f)(void *data, const struct nft_rule_info *rule), void *data,
		   struct err *e);

/* Elements with key, data and comment. -ENOENT: no such set. */
int nft_elems_dump(int fd, const struct nft_table *t, const char *set,
		   int (*f)(void *data, const struct nft_elem *el), void *data, struct err *e);

/* What is asked in one exchange, and answered. */
struct nft_query {
	const struct nft_table *table; /* NULL: the call's */
	const char *set;	       /* an element of it, or */
	const struct nft_elem *el;     /* borrowed: its key */
	const char *chain;	       /* a chain, or neither: the table */
	bool is_there;
	uint32_t use; /* of a chain: its rules; of the table: its chains and sets */
};
/* `*ret_genid`, which may be NULL, is the generation in which all answers hold. */
int nft_query(int fd, const struct nft_table *t, struct nft_query *q, size_t n, uint32_t *ret_genid,
	      struct err *e);
