/* What can be asked: generation, chains, rules, elements, and whether a few things are there. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/err.h"
#include "sys/nft.h"
#include "sys/nft_priv.h"

/* A dump that is disturbed by changes is begun anew this often: every try gets through some 30 kB undisturbed. */
#define DUMP_TRIES 20

static uint16_t kind_of(const struct nlmsghdr *h)
{
	return h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES ? h->nlmsg_type & 0xff : NFT_MSG_MAX;
}

static void parse(const struct nlmsghdr *h, const struct nlattr **attrs, size_t max)
{
	nl_parse(h, sizeof(struct nfgenmsg), attrs, max);
}

/* The comment of rules and elements, terminated, or NULL. */
static const char *comment_of(const struct nlattr *udata)
{
	const uint8_t *p = udata ? nl_data(udata) : NULL;
	size_t left = nl_len(udata);

	for (; left >= 2 && left >= 2U + p[1]; left -= 2U + p[1], p += 2 + p[1])
		if (p[0] == 0 && p[1] > 0 && p[1 + p[1]] == '\0')
			return (const char *)p + 2;
	return NULL;
}

static int take_genid(void *data, const struct nlmsghdr *h)
{
	const struct nlattr *attrs[NFTA_GEN_MAX + 1];

	if (kind_of(h) != NFT_MSG_NEWGEN)
		return nl_error(h);
	parse(h, attrs, NFTA_GEN_MAX);
	*(uint32_t *)data = nl_get_be32(attrs[NFTA_GEN_ID]);
	return 0;
}

int nft_genid(int fd, uint32_t *ret, struct err *e)
{
	AUTO_NLBUF struct nlbuf m = { 0 };
	int r;

	nft_message(&m, AF_UNSPEC, NFT_MSG_GETGEN, 0, 0);
	r = nl_exchange(fd, &m, take_genid, ret, e);
	return r < 0 ? err_wrap(e, r, "nftables: ask for the generation") : 0;
}

/* ---- dumps ---- */

struct dump {
	uint16_t answer;
	int (*take)(struct dump *d, const struct nlmsghdr *h);
	union {
		int (*chain)(void *data, const struct nft_chain_info *c);
		int (*rule)(void *data, const struct nft_rule_info *rule);
		int (*elem)(void *data, const struct nft_elem *el);
	} f;
	void *data;
};

static int take_dumped(void *data, const struct nlmsghdr *h)
{
	struct dump *d = data;

	return kind_of(h) == d->answer ? d->take(d, h) : nl_error(h);
}

static int take_chain(struct dump *d, const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = NLMSG_DATA(h);
	const struct nlattr *a[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct nft_chain_info c;

	parse(h, a, NFTA_CHAIN_MAX);
	nl_parse_nested(a[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX);
	c = (struct nft_chain_info){
		.family = g->nfgen_family,
		.table = nl_get_str(a[NFTA_CHAIN_TABLE]),
		.name = nl_get_str(a[NFTA_CHAIN_NAME]),
		.type = a[NFTA_CHAIN_TYPE] ? nl_get_str(a[NFTA_CHAIN_TYPE]) : NULL,
		.policy = nl_get_be32(a[NFTA_CHAIN_POLICY]),
		.hook = nl_get_be32(hook[NFTA_HOOK_HOOKNUM]),
		.priority = (int32_t)nl_get_be32(hook[NFTA_HOOK_PRIORITY]),
		.use = nl_get_be32(a[NFTA_CHAIN_USE]),
	};
	return d->f.chain(d->data, &c);
}

static int take_rule(struct dump *d, const struct nlmsghdr *h)
{
	const struct nlattr *a[NFTA_RULE_MAX + 1];
	struct nft_rule_info rule;

	parse(h, a, NFTA_RULE_MAX);
	rule = (struct nft_rule_info){
		.handle = nl_get_be64(a[NFTA_RULE_HANDLE]),
		.comment = comment_of(a[NFTA_RULE_USERDATA]),
		.expressions = a[NFTA_RULE_EXPRESSIONS],
	};
	return d->f.rule(d->data, &rule);
}

/* The bytes of NFTA_DATA_VALUE; what does not fit is no key of a set. */
static size_t value_of(const struct nlattr *nest, uint8_t to[NFT_VALUE_MAX])
{
	const struct nlattr *a[NFTA_DATA_MAX + 1];
	size_t len;

	nl_parse_nested(nest, a, NFTA_DATA_MAX);
	len = MIN(nl_len(a[NFTA_DATA_VALUE]), (size_t)NFT_VALUE_MAX);
	if (len)
		memcpy(to, nl_data(a[NFTA_DATA_VALUE]), len);
	return len;
}

static void read_verdict(const struct nlattr *nest, struct nft_elem *el)
{
	const struct nlattr *a[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1];

	nl_parse_nested(nest, a, NFTA_DATA_MAX);
	nl_parse_nested(a[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX);
	el->has_verdict = a[NFTA_DATA_VERDICT];
	el->verdict = (int32_t)nl_get_be32(v[NFTA_VERDICT_CODE]);
}

static void read_elem(const struct nlattr *nest, struct nft_elem *el)
{
	const struct nlattr *a[NFTA_SET_ELEM_MAX + 1];
	const char *comment;

	nl_parse_nested(nest, a, NFTA_SET_ELEM_MAX);
	comment = comment_of(a[NFTA_SET_ELEM_USERDATA]);
	*el = (struct nft_elem){ 0 };
	el->key_len = value_of(a[NFTA_SET_ELEM_KEY], el->key);
	el->has_end = value_of(a[NFTA_SET_ELEM_KEY_END], el->key_end) > 0;
	el->data_len = value_of(a[NFTA_SET_ELEM_DATA], el->data);
	read_verdict(a[NFTA_SET_ELEM_DATA], el);
	if (comment)
		memcpy(el->comment, comment, strnlen(comment, NFT_COMMENT_MAX));
}

static int take_elems(struct dump *d, const struct nlmsghdr *h)
{
	const struct nlattr *a[NFTA_SET_ELEM_LIST_MAX + 1], *list, *one = NULL;
	struct nft_elem el;
	int r = 0;

	parse(h, a, NFTA_SET_ELEM_LIST_MAX);
	list = a[NFTA_SET_ELEM_LIST_ELEMENTS];
	while (list && r >= 0 && (one = nl_next(list, one))) {
		read_elem(one, &el);
		r = d->f.elem(d->data, &el);
	}
	return r;
}

/* Asks until a dump is whole. A disturbed one may have called `f` already: callers' work must bear repetition. */
static int dump(int fd, struct nlbuf *m, struct dump *d, struct err *e)
{
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++)
		r = nl_exchange(fd, m, take_dumped, d, e);
	return r;
}

int nft_chains_dump(int fd, uint8_t family, int (*f)(void *data, const struct nft_chain_info *c),
		    void *data, struct err *e)
{
	struct dump d = { NFT_MSG_NEWCHAIN, take_chain, { .chain = f }, data };
	AUTO_NLBUF struct nlbuf m = { 0 };
	int r;

	nft_message(&m, family, NFT_MSG_GETCHAIN, NLM_F_DUMP, 0);
	r = dump(fd, &m, &d, e);
	return r < 0 ? err_wrap(e, r, "nftables: list chains") : 0;
}

int nft_rules_dump(int fd, const struct nft_table *t, const char *chain,
		   int (*f)(void *data, const struct nft_rule_info *rule), void *data,
		   struct err *e)
{
	struct dump d = { NFT_MSG_NEWRULE, take_rule, { .rule = f }, data };
	AUTO_NLBUF struct nlbuf m = { 0 };
	int r;

	nft_message(&m, t->family, NFT_MSG_GETRULE, NLM_F_DUMP, 0);
	nl_put_str(&m, NFTA_RULE_TABLE, t->name);
	nl_put_str(&m, NFTA_RULE_CHAIN, chain);
	r = dump(fd, &m, &d, e);
	return r < 0 ? err_wrap(e, r, "nftables: list rules of '%s' of '%s'", chain, t->name) : 0;
}

int nft_elems_dump(int fd, const struct nft_table *t, const char *set,
		   int (*f)(void *data, const struct nft_elem *el), void *data, struct err *e)
{
	struct dump d = { NFT_MSG_NEWSETELEM, take_elems, { .elem = f }, data };
	AUTO_NLBUF struct nlbuf m = { 0 };
	int r;

	nft_message(&m, t->family, NFT_MSG_GETSETELEM, NLM_F_DUMP, 0);
	nl_put_str(&m, NFTA_SET_ELEM_LIST_TABLE, t->name);
	nl_put_str(&m, NFTA_SET_ELEM_LIST_SET, set);
	r = dump(fd, &m, &d, e);
	return r < 0 ? err_wrap(e, r, "nftables: list elements of '%s' of '%s'", set, t->name) : 0;
}

/* ---- questions ---- */

struct asked {
	struct nft_query *q;
	size_t n;
	uint32_t genid;
	int r;
	bool is_mixed; /* answers of more than one generation */
};

static void ask(struct nlbuf *m, const struct nft_table *t, const struct nft_query *q, uint32_t seq)
{
	size_t nest;

	t = q->table ? q->table : t;
	if (q->set) {
		nft_message(m, t->family, NFT_MSG_GETSETELEM, 0, seq);
		nl_put_str(m, NFTA_SET_ELEM_LIST_TABLE, t->name);
		nl_put_str(m, NFTA_SET_ELEM_LIST_SET, q->set);
		nest = nl_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS);
		nft_put_elem(m, q->el, true);
		nl_nest_end(m, nest);
	} else if (q->chain) {
		nft_message(m, t->family, NFT_MSG_GETCHAIN, 0, seq);
		nl_put_str(m, NFTA_CHAIN_TABLE, t->name);
		nl_put_str(m, NFTA_CHAIN_NAME, q->chain);
	} else {
		nft_message(m, t->family, NFT_MSG_GETTABLE, 0, seq);
		nl_put_str(m, NFTA_TABLE_NAME, t->name);
	}
}

/* Each answer says the generation's lower half in its header. */
static bool is_of_generation(const struct nlmsghdr *h, uint32_t genid)
{
	const struct nfgenmsg *g = NLMSG_DATA(h);

	return ntohs(g->res_id) == (genid & 0xffff);
}

/* Question i has the number i + 1; the generation has 0. */
static int take_answer(void *data, const struct nlmsghdr *h)
{
	struct asked *a = data;
	struct nft_query *q = h->nlmsg_seq && h->nlmsg_seq <= a->n ? &a->q[h->nlmsg_seq - 1] : NULL;
	const struct nlattr *attrs[NFTA_CHAIN_MAX + 1];
	int r = nl_error(h);

	if (r < 0 && r != -ENOENT)
		a->r = r;
	if (h->nlmsg_type == NLMSG_ERROR)
		return 0;
	if (!q)
		return take_genid(&a->genid, h);
	parse(h, attrs, NFTA_CHAIN_MAX);
	q->is_there = true;
	if (!q->set)
		q->use = nl_get_be32(attrs[q->chain ? NFTA_CHAIN_USE : NFTA_TABLE_USE]);
	a->is_mixed |= !is_of_generation(h, a->genid);
	return 0;
}

/* One exchange; -EINTR when the rules changed meanwhile. */
static int ask_all(int fd, struct nlbuf *m, struct asked *a, struct err *e)
{
	int r;

	for (size_t i = 0; i < a->n; i++)
		a->q[i].is_there = false;
	a->r = 0;
	a->is_mixed = false;
	r = nl_exchange(fd, m, take_answer, a, e);
	if (r < 0)
		return r;
	return a->is_mixed ? -EINTR : a->r;
}

int nft_query(int fd, const struct nft_table *t, struct nft_query *q, size_t n, uint32_t *ret_genid,
	      struct err *e)
{
	struct asked a = { .q = q, .n = n };
	AUTO_NLBUF struct nlbuf m = { 0 };
	int r = -EINTR;

	nft_message(&m, AF_UNSPEC, NFT_MSG_GETGEN, 0, 0);
	for (size_t i = 0; i < n; i++)
		ask(&m, t, &q[i], (uint32_t)i + 1);
	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++)
		r = ask_all(fd, &m, &a, e);
	if (r < 0)
		return err_wrap(e, r, "nftables: ask for the table '%s'", t->name);
	if (ret_genid)
		*ret_genid = a.genid;
	return 0;
}
